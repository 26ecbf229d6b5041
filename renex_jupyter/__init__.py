"""renex_jupyter: a notebook's code, environment, files, config and metrics, kept where you work.

Every public name is loaded on its first use, so that `import renex_jupyter` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from renex_jupyter.analysis.slices.finder import SliceFinder as SliceFinder
    from renex_jupyter.errors import RenexError as RenexError
    from renex_jupyter.session.access import get_access as get_access
    from renex_jupyter.session.access import set_access as set_access
    from renex_jupyter.session.aliases import delete_alias as delete_alias
    from renex_jupyter.session.aliases import delete_label as delete_label
    from renex_jupyter.session.aliases import set_alias as set_alias
    from renex_jupyter.session.aliases import set_label as set_label
    from renex_jupyter.session.artifacts import delete_artifact as delete_artifact
    from renex_jupyter.session.artifacts import get_artifact as get_artifact
    from renex_jupyter.session.artifacts import list_artifacts as list_artifacts
    from renex_jupyter.session.artifacts import log_artifact as log_artifact
    from renex_jupyter.session.attaching import attach as attach
    from renex_jupyter.session.attaching import run_files as run_files
    from renex_jupyter.session.attaching import run_output as run_output
    from renex_jupyter.session.attaching import stop as stop
    from renex_jupyter.session.autolog.for_torch import watch_model as watch_model
    from renex_jupyter.session.autolog.switches import autolog as autolog
    from renex_jupyter.session.changes import on_change as on_change
    from renex_jupyter.session.changes import watch as watch
    from renex_jupyter.session.checkouts import checkout as checkout
    from renex_jupyter.session.checkpoints import best_checkpoint as best_checkpoint
    from renex_jupyter.session.checkpoints import delete_checkpoint as delete_checkpoint
    from renex_jupyter.session.checkpoints import last_checkpoint as last_checkpoint
    from renex_jupyter.session.checkpoints import list_checkpoints as list_checkpoints
    from renex_jupyter.session.checkpoints import log_checkpoint as log_checkpoint
    from renex_jupyter.session.comparing import compare_predictions as compare_predictions
    from renex_jupyter.session.dataset_changes import log_annotations as log_annotations
    from renex_jupyter.session.dataset_changes import split_dataset as split_dataset
    from renex_jupyter.session.dataset_changes import use_dataset as use_dataset
    from renex_jupyter.session.dataset_exports import export_dataset as export_dataset
    from renex_jupyter.session.dataset_versions import dataset_annotations as dataset_annotations
    from renex_jupyter.session.dataset_versions import dataset_samples as dataset_samples
    from renex_jupyter.session.dataset_versions import diff_datasets as diff_datasets
    from renex_jupyter.session.dataset_versions import get_dataset_version as get_dataset_version
    from renex_jupyter.session.dataset_versions import list_dataset_versions as list_dataset_versions
    from renex_jupyter.session.datasets import create_dataset as create_dataset
    from renex_jupyter.session.datasets import delete_dataset as delete_dataset
    from renex_jupyter.session.datasets import get_dataset as get_dataset
    from renex_jupyter.session.datasets import list_datasets as list_datasets
    from renex_jupyter.session.datasets import update_dataset as update_dataset
    from renex_jupyter.session.decisions import replace_version as replace_version
    from renex_jupyter.session.decisions import restore_version as restore_version
    from renex_jupyter.session.decisions import retire_version as retire_version
    from renex_jupyter.session.definitions import define_metric as define_metric
    from renex_jupyter.session.definitions import metric_summaries as metric_summaries
    from renex_jupyter.session.diffs import diff as diff
    from renex_jupyter.session.downloads import download_artifact as download_artifact
    from renex_jupyter.session.downloads import verify_artifact as verify_artifact
    from renex_jupyter.session.drift import drift as drift
    from renex_jupyter.session.drift import get_drift_report as get_drift_report
    from renex_jupyter.session.drift import list_drift_reports as list_drift_reports
    from renex_jupyter.session.drift_decisions import decide as decide
    from renex_jupyter.session.environment_builds import build_environment as build_environment
    from renex_jupyter.session.environments import capture_environment as capture_environment
    from renex_jupyter.session.environments import create_environment as create_environment
    from renex_jupyter.session.environments import diff_environments as diff_environments
    from renex_jupyter.session.environments import export_environment as export_environment
    from renex_jupyter.session.environments import get_environment as get_environment
    from renex_jupyter.session.environments import list_environments as list_environments
    from renex_jupyter.session.environments import name_environment as name_environment
    from renex_jupyter.session.evaluating import calibration as calibration
    from renex_jupyter.session.evaluating import confusion_matrix as confusion_matrix
    from renex_jupyter.session.evaluating import evaluate as evaluate
    from renex_jupyter.session.evaluating import precision_recall_curve as precision_recall_curve
    from renex_jupyter.session.evaluating import residuals as residuals
    from renex_jupyter.session.evaluating import roc_curve as roc_curve
    from renex_jupyter.session.evaluation_figures import calibration_figure as calibration_figure
    from renex_jupyter.session.evaluation_figures import comparison_figure as comparison_figure
    from renex_jupyter.session.evaluation_figures import confusion_figure as confusion_figure
    from renex_jupyter.session.evaluation_figures import confusion_samples as confusion_samples
    from renex_jupyter.session.evaluation_figures import precision_recall_figure as precision_recall_figure
    from renex_jupyter.session.evaluation_figures import residual_figure as residual_figure
    from renex_jupyter.session.evaluation_figures import roc_figure as roc_figure
    from renex_jupyter.session.evaluations import evaluate_policies as evaluate_policies
    from renex_jupyter.session.events import event as event
    from renex_jupyter.session.events import list_events as list_events
    from renex_jupyter.session.events import log_event as log_event
    from renex_jupyter.session.events import timeline as timeline
    from renex_jupyter.session.events import where_time_goes as where_time_goes
    from renex_jupyter.session.experiments import create_experiment as create_experiment
    from renex_jupyter.session.experiments import delete_experiment as delete_experiment
    from renex_jupyter.session.experiments import get_experiment as get_experiment
    from renex_jupyter.session.experiments import list_experiments as list_experiments
    from renex_jupyter.session.experiments import update_experiment as update_experiment
    from renex_jupyter.session.failure_patterns import failure_patterns as failure_patterns
    from renex_jupyter.session.found_runs import get_run as get_run
    from renex_jupyter.session.found_runs import search_runs as search_runs
    from renex_jupyter.session.galleries import sample_gallery as sample_gallery
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
    from renex_jupyter.session.lineage import lineage as lineage
    from renex_jupyter.session.media import load_table as load_table
    from renex_jupyter.session.media import log_dict as log_dict
    from renex_jupyter.session.media import log_figure as log_figure
    from renex_jupyter.session.media import log_histogram as log_histogram
    from renex_jupyter.session.media import log_image as log_image
    from renex_jupyter.session.media import log_table as log_table
    from renex_jupyter.session.media import log_text as log_text
    from renex_jupyter.session.metrics import log_metric as log_metric
    from renex_jupyter.session.metrics import log_metrics as log_metrics
    from renex_jupyter.session.metrics import metric_history as metric_history
    from renex_jupyter.session.metrics import metric_values as metric_values
    from renex_jupyter.session.models import create_model as create_model
    from renex_jupyter.session.models import delete_model as delete_model
    from renex_jupyter.session.models import get_model as get_model
    from renex_jupyter.session.models import list_models as list_models
    from renex_jupyter.session.models import update_model as update_model
    from renex_jupyter.session.named_patterns import delete_pattern as delete_pattern
    from renex_jupyter.session.named_patterns import keep_pattern as keep_pattern
    from renex_jupyter.session.named_patterns import list_patterns as list_patterns
    from renex_jupyter.session.named_patterns import measure_patterns as measure_patterns
    from renex_jupyter.session.namespaces import create_namespace as create_namespace
    from renex_jupyter.session.namespaces import delete_namespace as delete_namespace
    from renex_jupyter.session.namespaces import get_namespace as get_namespace
    from renex_jupyter.session.namespaces import list_namespaces as list_namespaces
    from renex_jupyter.session.namespaces import update_namespace as update_namespace
    from renex_jupyter.session.notes import add_note as add_note
    from renex_jupyter.session.notes import delete_note as delete_note
    from renex_jupyter.session.notes import list_notes as list_notes
    from renex_jupyter.session.notes import update_note as update_note
    from renex_jupyter.session.params import log_param as log_param
    from renex_jupyter.session.params import log_params as log_params
    from renex_jupyter.session.params import set_tag as set_tag
    from renex_jupyter.session.params import set_tags as set_tags
    from renex_jupyter.session.pattern_figures import drift_figure as drift_figure
    from renex_jupyter.session.pattern_figures import heatmap as heatmap
    from renex_jupyter.session.pattern_figures import pattern_figure as pattern_figure
    from renex_jupyter.session.pattern_figures import waterfall as waterfall
    from renex_jupyter.session.policies import delete_policy as delete_policy
    from renex_jupyter.session.policies import disable_policy as disable_policy
    from renex_jupyter.session.policies import enable_policy as enable_policy
    from renex_jupyter.session.policies import get_policy as get_policy
    from renex_jupyter.session.policies import list_policies as list_policies
    from renex_jupyter.session.policies import policy_history as policy_history
    from renex_jupyter.session.policies import set_policies as set_policies
    from renex_jupyter.session.policies import set_policy as set_policy
    from renex_jupyter.session.predictions import get_predictions as get_predictions
    from renex_jupyter.session.predictions import list_predictions as list_predictions
    from renex_jupyter.session.predictions import log_predictions as log_predictions
    from renex_jupyter.session.progress import track as track
    from renex_jupyter.session.reruns import rerun as rerun
    from renex_jupyter.session.run_edits import delete_run as delete_run
    from renex_jupyter.session.run_edits import update_run as update_run
    from renex_jupyter.session.runs import active_run as active_run
    from renex_jupyter.session.runs import end_run as end_run
    from renex_jupyter.session.runs import set_experiment as set_experiment
    from renex_jupyter.session.runs import start_run as start_run
    from renex_jupyter.session.snapshots import snapshot as snapshot
    from renex_jupyter.session.sql import sql as sql
    from renex_jupyter.session.tags import delete_tag as delete_tag
    from renex_jupyter.session.tasks import run_task as run_task
    from renex_jupyter.session.tracked import track_artifact as track_artifact
    from renex_jupyter.session.verifying import verify as verify
    from renex_jupyter.session.version_diffs import compare_versions as compare_versions
    from renex_jupyter.session.version_files import load_model as load_model
    from renex_jupyter.session.versions import delete_model_version as delete_model_version
    from renex_jupyter.session.versions import get_model_version as get_model_version
    from renex_jupyter.session.versions import list_model_versions as list_model_versions
    from renex_jupyter.session.versions import register_model as register_model
    from renex_jupyter.session.versions import update_model_version as update_model_version
    from renex_jupyter.session.workspace_files import export_workspace as export_workspace
    from renex_jupyter.session.workspace_files import import_workspace as import_workspace
    from renex_jupyter.session.workspaces import delete_workspace as delete_workspace
    from renex_jupyter.session.workspaces import diff_workspaces as diff_workspaces
    from renex_jupyter.session.workspaces import list_workspace_versions as list_workspace_versions
    from renex_jupyter.session.workspaces import list_workspaces as list_workspaces
    from renex_jupyter.session.workspaces import open_workspace as open_workspace
    from renex_jupyter.session.workspaces import save_workspace as save_workspace
    from renex_jupyter.session.workspaces import update_workspace as update_workspace
    from renex_jupyter.session.workspaces import view_dataset as view_dataset
    from renex_jupyter.views.panel import show

    panel = show

_WHERE = {
    "SliceFinder": "analysis.slices.finder",
    "RenexError": "errors",
    "get_access": "session.access",
    "set_access": "session.access",
    "delete_artifact": "session.artifacts",
    "get_artifact": "session.artifacts",
    "list_artifacts": "session.artifacts",
    "log_artifact": "session.artifacts",
    "attach": "session.attaching",
    "run_files": "session.attaching",
    "run_output": "session.attaching",
    "stop": "session.attaching",
    "watch_model": "session.autolog.for_torch",
    "autolog": "session.autolog.switches",
    "log_annotations": "session.dataset_changes",
    "split_dataset": "session.dataset_changes",
    "use_dataset": "session.dataset_changes",
    "dataset_annotations": "session.dataset_versions",
    "dataset_samples": "session.dataset_versions",
    "diff_datasets": "session.dataset_versions",
    "get_dataset_version": "session.dataset_versions",
    "list_dataset_versions": "session.dataset_versions",
    "create_dataset": "session.datasets",
    "delete_dataset": "session.datasets",
    "get_dataset": "session.datasets",
    "list_datasets": "session.datasets",
    "update_dataset": "session.datasets",
    "get_predictions": "session.predictions",
    "list_predictions": "session.predictions",
    "log_predictions": "session.predictions",
    "track": "session.progress",
    "on_change": "session.changes",
    "watch": "session.changes",
    "sample_gallery": "session.galleries",
    "event": "session.events",
    "list_events": "session.events",
    "log_event": "session.events",
    "timeline": "session.events",
    "where_time_goes": "session.events",
    "checkout": "session.checkouts",
    "diff": "session.diffs",
    "decide": "session.drift_decisions",
    "drift": "session.drift",
    "get_drift_report": "session.drift",
    "list_drift_reports": "session.drift",
    "build_environment": "session.environment_builds",
    "capture_environment": "session.environments",
    "create_environment": "session.environments",
    "diff_environments": "session.environments",
    "export_dataset": "session.dataset_exports",
    "export_environment": "session.environments",
    "get_environment": "session.environments",
    "name_environment": "session.environments",
    "list_environments": "session.environments",
    "metric_history": "session.metrics",
    "metric_summaries": "session.definitions",
    "metric_values": "session.metrics",
    "define_metric": "session.definitions",
    "export_store": "session.keeping",
    "fsck": "session.keeping",
    "gc": "session.keeping",
    "import_store": "session.keeping",
    "purge": "session.keeping",
    "rebuild": "session.keeping",
    "load_table": "session.media",
    "log_dict": "session.media",
    "log_figure": "session.media",
    "log_histogram": "session.media",
    "log_image": "session.media",
    "log_table": "session.media",
    "log_text": "session.media",
    "log_metric": "session.metrics",
    "log_metrics": "session.metrics",
    "active_run": "session.runs",
    "end_run": "session.runs",
    "get_run": "session.found_runs",
    "log_param": "session.params",
    "log_params": "session.params",
    "search_runs": "session.found_runs",
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
    "calibration_figure": "session.evaluation_figures",
    "comparison_figure": "session.evaluation_figures",
    "confusion_figure": "session.evaluation_figures",
    "confusion_samples": "session.evaluation_figures",
    "precision_recall_figure": "session.evaluation_figures",
    "residual_figure": "session.evaluation_figures",
    "roc_figure": "session.evaluation_figures",
    "compare_predictions": "session.comparing",
    "calibration": "session.evaluating",
    "confusion_matrix": "session.evaluating",
    "evaluate": "session.evaluating",
    "precision_recall_curve": "session.evaluating",
    "residuals": "session.evaluating",
    "roc_curve": "session.evaluating",
    "evaluate_policies": "session.evaluations",
    "drift_figure": "session.pattern_figures",
    "heatmap": "session.pattern_figures",
    "pattern_figure": "session.pattern_figures",
    "waterfall": "session.pattern_figures",
    "delete_policy": "session.policies",
    "disable_policy": "session.policies",
    "enable_policy": "session.policies",
    "get_policy": "session.policies",
    "list_policies": "session.policies",
    "policy_history": "session.policies",
    "set_policies": "session.policies",
    "set_policy": "session.policies",
    "rerun": "session.reruns",
    "verify": "session.verifying",
    "delete_alias": "session.aliases",
    "delete_label": "session.aliases",
    "set_alias": "session.aliases",
    "set_label": "session.aliases",
    "replace_version": "session.decisions",
    "restore_version": "session.decisions",
    "retire_version": "session.decisions",
    "create_model": "session.models",
    "delete_model": "session.models",
    "get_model": "session.models",
    "list_models": "session.models",
    "update_model": "session.models",
    "delete_pattern": "session.named_patterns",
    "keep_pattern": "session.named_patterns",
    "list_patterns": "session.named_patterns",
    "measure_patterns": "session.named_patterns",
    "compare_versions": "session.version_diffs",
    "load_model": "session.version_files",
    "delete_model_version": "session.versions",
    "get_model_version": "session.versions",
    "list_model_versions": "session.versions",
    "register_model": "session.versions",
    "update_model_version": "session.versions",
    "create_experiment": "session.experiments",
    "delete_experiment": "session.experiments",
    "get_experiment": "session.experiments",
    "list_experiments": "session.experiments",
    "update_experiment": "session.experiments",
    "failure_patterns": "session.failure_patterns",
    "create_namespace": "session.namespaces",
    "delete_namespace": "session.namespaces",
    "get_namespace": "session.namespaces",
    "list_namespaces": "session.namespaces",
    "update_namespace": "session.namespaces",
    "add_note": "session.notes",
    "delete_note": "session.notes",
    "list_notes": "session.notes",
    "update_note": "session.notes",
    "delete_run": "session.run_edits",
    "update_run": "session.run_edits",
    "delete_tag": "session.tags",
    "download_artifact": "session.downloads",
    "verify_artifact": "session.downloads",
    "track_artifact": "session.tracked",
    "best_checkpoint": "session.checkpoints",
    "delete_checkpoint": "session.checkpoints",
    "last_checkpoint": "session.checkpoints",
    "list_checkpoints": "session.checkpoints",
    "log_checkpoint": "session.checkpoints",
    "lineage": "session.lineage",
    "export_workspace": "session.workspace_files",
    "import_workspace": "session.workspace_files",
    "delete_workspace": "session.workspaces",
    "diff_workspaces": "session.workspaces",
    "list_workspace_versions": "session.workspaces",
    "list_workspaces": "session.workspaces",
    "open_workspace": "session.workspaces",
    "save_workspace": "session.workspaces",
    "update_workspace": "session.workspaces",
    "view_dataset": "session.workspaces",
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
