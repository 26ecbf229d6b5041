"""Every setting in one place: its default, its unit, its meaning."""

from __future__ import annotations

import os

from traitlets import Bool, Enum, Float, Int, TraitError, Unicode
from traitlets.config import SingletonConfigurable

from renex_jupyter.errors import warn

STORE_FOLDER = ".renex"
STORE_VARIABLE = "RENEX_STORE"
RUN_VARIABLE = "RENEX_RUN_ID"
RUN_NAME_VARIABLE = "RENEX_RUN_NAME"
RUN_STORE_VARIABLE = "RENEX_RUN_STORE"  # where the run is recorded; goes before STORE_VARIABLE
NESTING_VARIABLE = "RENEX_RUN_NESTS"  # set: `start_run` opens a run below that run instead of going on with it
NAMESPACE_VARIABLE = "RENEX_NAMESPACE"
EXPERIMENT_VARIABLE = "RENEX_EXPERIMENT"
JOURNAL_VARIABLE = "RENEX_JOURNAL"  # a file: who appends JSON lines to it logs on the run, from any language
NOTEBOOK_VARIABLE = "RENEX_NOTEBOOK"
REPLAY_VARIABLE = "RENEX_REPLAY"  # set where cells are run again: the id of the run that is done again


class Renex(SingletonConfigurable):
    """Settings, changed with `%config Renex.name = value` or in `ipython_config.py`."""

    store = Unicode("", help="Folder of the store; empty: found upward from the notebook, see README.").tag(config=True)
    max_file_size = Int(
        256 * 2**20, help="Bytes. Of a larger project file only path and size are kept, not the content."
    ).tag(config=True)
    secrets_in_files = Enum(
        ("warn", "block", "ignore"),
        "warn",
        help="What to do where a file or a cell looks as if it held a secret: keep it and say where (warn), refuse the "
        "snapshot (block), or keep it and say nothing (ignore).",
    ).tag(config=True)
    live_notebook_timeout = Float(
        1.0, help="Seconds to wait for the browser to hand over the notebook with its unsaved edits."
    ).tag(config=True)
    capture_timeout = Float(120.0, help="Seconds that reading the project's files may take before it is given up.").tag(
        config=True
    )
    sync_interval = Float(1.0, help="Seconds between two fdatasync of the journal while something is logged.").tag(
        config=True
    )
    rotate_bytes = Int(4 * 2**20, help="Bytes after which a journal file is sealed and a new one begun.").tag(
        config=True
    )
    fold_in_background = Bool(
        REPLAY_VARIABLE not in os.environ,  # the store of a replay is gone when its last cell ends
        help="Fold journals into the index in a child process when a run ends.",
    ).tag(config=True)
    panel_poll = Float(0.4, help="Seconds between two looks of the panel at the store.").tag(config=True)
    panel_rows = Int(50, help="Rows on one page of a panel list.").tag(config=True)
    interrupt_grace = Float(5.0, help="Seconds that an interrupted command gets to end before it is killed.").tag(
        config=True
    )
    output_kept = Int(2**20, help="Bytes of a run's output that are kept: the first and the last half of them.").tag(
        config=True
    )
    output_shown = Int(20 * 2**20, help="Bytes of a command's output that a cell shows before it falls silent.").tag(
        config=True
    )
    system_metrics_interval = Float(
        5.0, help="Seconds between two looks at CPU, memory, disk, network and GPU of a run; 0: none are logged."
    ).tag(config=True)
    environments_folder = Unicode(
        "", help="Folder of the virtual environments that were built; empty: in the user's cache folder."
    ).tag(config=True)
    base_image = Unicode(
        "python:{python}-slim", help="Image that an environment without a Dockerfile of its own is built on."
    ).tag(config=True)
    docker_timeout = Float(8.0, help="Seconds that the Docker daemon gets to answer.").tag(config=True)
    webhook_url = Unicode(
        "", help="Address that every change of the store is posted to, as JSON; empty: nothing is sent anywhere."
    ).tag(config=True)
    webhook_timeout = Float(
        5.0, help="Seconds that this address gets to answer, and that the end of the process may wait for it."
    ).tag(config=True)


def settings() -> Renex:
    """Return the settings of this process; a variable such as RENEX_OUTPUT_KEPT sets one where nothing else does."""
    if not Renex.initialized():
        _take_from_environment(Renex.instance())
    return Renex.instance()


def _take_from_environment(given: Renex) -> None:
    for name, trait in given.traits(config=True).items():
        variable = f"RENEX_{name.upper()}"
        text = os.environ.get(variable, "")
        if not text or variable == STORE_VARIABLE:  # which may change while a process runs
            continue
        try:
            setattr(given, name, trait.from_string(text))
        except (TraitError, ValueError):
            warn(f"{variable}={text!r} is no value for Renex.{name}: {trait.help}")
