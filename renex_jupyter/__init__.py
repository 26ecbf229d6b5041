"""renex_jupyter: a notebook's code, environment, files, config and metrics, kept where you work.

Every public name is loaded on its first use, so that `import renex_jupyter` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from renex_jupyter.errors import RenexError as RenexError
    from renex_jupyter.session.artifacts import delete_artifact as delete_artifact
    from renex_jupyter.session.artifacts import get_artifact as get_artifact
    from renex_jupyter.session.artifacts import list_artifacts as list_artifacts
    from renex_jupyter.session.artifacts import log_artifact as log_artifact
    from renex_jupyter.session.attaching import attach as attach
    from renex_jupyter.session.attaching import run_files as run_files
    from renex_jupyter.session.attaching import run_output as run_output
    from renex_jupyter.session.attaching import stop as stop
    from renex_jupyter.session.changes import on_change as on_change
    from renex_jupyter.session.changes import watch as watch
    from renex_jupyter.session.checkouts import checkout as checkout
    from renex_jupyter.session.diffs import diff as diff
    from renex_jupyter.session.environment_builds import build_environment as build_environment
    from renex_jupyter.session.environments import capture_environment as capture_environment
    from renex_jupyter.session.environments import create_environment as create_environment
    from renex_jupyter.session.environments import diff_environments as diff_environments
    from renex_jupyter.session.environments import export_environment as export_environment
    from renex_jupyter.session.environments import get_environment as get_environment
    from renex_jupyter.session.environments import list_environments as list_environments
    from renex_jupyter.session.environments import name_environment as name_environment
    from renex_jupyter.session.events import event as event
    from renex_jupyter.session.events import list_events as list_events
    from renex_jupyter.session.events import log_event as log_event
    from renex_jupyter.session.events import timeline as timeline
    from renex_jupyter.session.events import where_time_goes as where_time_goes
    from renex_jupyter.session.housekeeping import delete_snapshot as delete_snapshot
    from renex_jupyter.session.housekeeping import get_snapshot as get_snapshot
    from renex_jupyter.session.housekeeping import list_snapshots as list_snapshots
    from renex_jupyter.session.housekeeping import update_snapshot as update_snapshot
    from renex_jupyter.session.keeping import export_store as export_store
    from renex_jupyter.session.keeping import fsck as fsck
    from renex_jupyter.session.keeping import gc as gc
    from renex_jupyter.session.keeping import import_store as import_store
    from renex_jupyter.session.keeping import purge as purge
    from renex_jupyter.session.keeping import rebuild as rebuild
    from renex_jupyter.session.metrics import log_metric as log_metric
    from renex_jupyter.session.metrics import log_metrics as log_metrics
    from renex_jupyter.session.metrics import metric_history as metric_history
    from renex_jupyter.session.params import log_param as log_param
    from renex_jupyter.session.params import log_params as log_params
    from renex_jupyter.session.params import set_tag as set_tag
    from renex_jupyter.session.params import set_tags as set_tags
    from renex_jupyter.session.reruns import rerun as rerun
    from renex_jupyter.session.runs import active_run as active_run
    from renex_jupyter.session.runs import end_run as end_run
    from renex_jupyter.session.runs import get_run as get_run
    from renex_jupyter.session.runs import search_runs as search_runs
    from renex_jupyter.session.runs import set_experiment as set_experiment
    from renex_jupyter.session.runs import start_run as start_run
    from renex_jupyter.session.snapshots import snapshot as snapshot
    from renex_jupyter.session.sql import sql as sql
    from renex_jupyter.session.tasks import run_task as run_task
    from renex_jupyter.session.verifying import verify as verify
    from renex_jupyter.views.panel import show

    panel = show

_WHERE = {
    "RenexError": "errors",
    "delete_artifact": "session.artifacts",
    "get_artifact": "session.artifacts",
    "list_artifacts": "session.artifacts",
    "log_artifact": "session.artifacts",
    "attach": "session.attaching",
    "run_files": "session.attaching",
    "run_output": "session.attaching",
    "stop": "session.attaching",
    "on_change": "session.changes",
    "watch": "session.changes",
    "event": "session.events",
    "list_events": "session.events",
    "log_event": "session.events",
    "timeline": "session.events",
    "where_time_goes": "session.events",
    "checkout": "session.checkouts",
    "diff": "session.diffs",
    "build_environment": "session.environment_builds",
    "capture_environment": "session.environments",
    "create_environment": "session.environments",
    "diff_environments": "session.environments",
    "export_environment": "session.environments",
    "get_environment": "session.environments",
    "name_environment": "session.environments",
    "list_environments": "session.environments",
    "metric_history": "session.metrics",
    "export_store": "session.keeping",
    "fsck": "session.keeping",
    "gc": "session.keeping",
    "import_store": "session.keeping",
    "purge": "session.keeping",
    "rebuild": "session.keeping",
    "log_metric": "session.metrics",
    "log_metrics": "session.metrics",
    "active_run": "session.runs",
    "end_run": "session.runs",
    "get_run": "session.runs",
    "log_param": "session.params",
    "log_params": "session.params",
    "search_runs": "session.runs",
    "set_experiment": "session.runs",
    "set_tag": "session.params",
    "set_tags": "session.params",
    "start_run": "session.runs",
    "delete_snapshot": "session.housekeeping",
    "get_snapshot": "session.housekeeping",
    "list_snapshots": "session.housekeeping",
    "snapshot": "session.snapshots",
    "update_snapshot": "session.housekeeping",
    "sql": "session.sql",
    "run_task": "session.tasks",
    "rerun": "session.reruns",
    "verify": "session.verifying",
    "panel": "views.panel:show",
}

__all__ = list(_WHERE)


def __getattr__(name: str) -> Any:
    """Load a public name on its first use (PEP 562)."""
    if name == "__version__":
        from importlib.metadata import version

        return version("renex_jupyter")
    if name not in _WHERE:
        raise AttributeError(f"module 'renex_jupyter' has no attribute '{name}'")
    module, _, attribute = _WHERE[name].partition(":")
    value = getattr(import_module(f"renex_jupyter.{module}"), attribute or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__


def load_ipython_extension(shell: Any) -> None:
    """Register the magics; creates nothing on disk (`%load_ext renex_jupyter`)."""
    from renex_jupyter.magics import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Take the magics and the hooks away again."""
    from renex_jupyter.magics import unload

    unload(shell)


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "renex-jupyter"}]


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "renex_jupyter"}]


def _load_jupyter_server_extension(server_app: Any) -> None:
    from renex_jupyter.server import load

    load(server_app)
