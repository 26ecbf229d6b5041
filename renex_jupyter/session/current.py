"""The one global: this process's session, with its store, its executed cells and its open runs."""

from __future__ import annotations

import os
import platform
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from renex_jupyter.capture.notebook import notebook_path
from renex_jupyter.capture.secrets import redact_argv
from renex_jupyter.config import RUN_STORE_VARIABLE, RUN_VARIABLE, STORE_FOLDER, settings
from renex_jupyter.errors import RenexError, warn
from renex_jupyter.ids import new_id
from renex_jupyter.query import experiments
from renex_jupyter.records.changes import Change, fields, now
from renex_jupyter.records.experiments import DEFAULT_EXPERIMENT, DEFAULT_NAMESPACE
from renex_jupyter.records.paths import to_text
from renex_jupyter.records.runs import Run
from renex_jupyter.records.snapshots import CellExecution
from renex_jupyter.session.family import Family
from renex_jupyter.session.first_use import Used
from renex_jupyter.session.purges import Purges
from renex_jupyter.store import layout as layouts
from renex_jupyter.store import liveness, run_folders
from renex_jupyter.store.store import Store, locate, named
from renex_jupyter.tasks.plan import MARKER

if TYPE_CHECKING:
    from renex_jupyter.capture.recorder import Recorder
    from renex_jupyter.session.active_run import ActiveRun
    from renex_jupyter.session.points import Points


class Session:
    """One life of one process; its cells, store and runs."""

    def __init__(self) -> None:
        self.session_id = new_id()
        self.started_at = now()
        self.namespace = DEFAULT_NAMESPACE
        self.experiment = DEFAULT_EXPERIMENT
        self.used = Used()
        self.runs: list[ActiveRun] = []
        self.joined: ActiveRun | None = None  # the run that the parent process opened for this one
        self.family = Family()
        if self.has_runs_of_its_own:
            self.family.forget()
        self.last_snapshot_id: str | None = None
        self.recorder: Recorder | None = None
        self.purges = Purges()
        self.told_findings: set[tuple[str, str, int]] = set()  # see session/findings.py
        self._store: Store | None = None
        self._recording = False
        self._unwritten: dict[
            int, list[Change]
        ] = {}  # by process: what a parent could not write is the parent's to write
        self.points_of_others: dict[tuple[str, str], Points] = {}  # by kind and id: metrics of what is no open run
        self._locks: dict[int, threading.RLock] = {}  # by process: a fork may inherit one that nobody lets go
        self._written: set[int] = set()  # executions of the recorder, by seq, that are in the store

    @property
    def shell(self) -> Any:
        """The IPython shell of this process, or None in a script."""
        module = sys.modules.get("IPython")
        return module.get_ipython() if module is not None else None

    @property
    def has_runs_of_its_own(self) -> bool:
        """Whether this is a notebook's process; a shell that runs an isolated cell is part of that cell's run."""
        return self.shell is not None and not getattr(self.shell, "of_a_task", False)

    @property
    def names(self) -> dict[str, Any]:
        """The variables of the notebook, or of the script."""
        shell = self.shell
        return shell.user_ns if shell is not None else vars(sys.modules["__main__"])

    @property
    def notebook(self) -> Path | None:
        """The notebook file, where it is known."""
        return notebook_path(self.names)

    @property
    def store(self) -> Store:
        """The store of the notebook's project; nothing is created by looking."""
        if self._store is None:
            given = self.family.given
            told = given.get(RUN_STORE_VARIABLE) if given.get(RUN_VARIABLE) else None
            self._store = Store(Path(told) if told else locate(self._here))
        return self._store

    def work_in(self, store: Store) -> None:
        """Record in this store, wherever the project's own is."""
        self._store = store

    @property
    def project(self) -> Path:
        """The folder whose files belong to a snapshot: a store that was found lies in it, one that was named anywhere.

        Whoever works inside of a folder that a checkout wrote works on that one: nothing else of the project is run there.
        """
        root, here = self.store.layout.root, self._here.absolute()
        own = root.name == STORE_FOLDER and root != named()
        project = root.parent if own else layouts.place_for_new(here).parent
        above = [each for each in (here, *here.parents) if each != project and each.is_relative_to(project)]
        return next((each for each in above if (each / MARKER).is_file()), project)

    @property
    def project_name(self) -> str:
        """The project as a snapshot names it: "." if the store is its own, so that both can be moved, else its path."""
        project = self.project.resolve()
        own = self.store.layout.root.resolve() == project / STORE_FOLDER
        return "." if own else to_text(str(project))

    @property
    def _here(self) -> Path:
        """The notebook's folder, else the current one."""
        notebook = self.notebook
        return notebook.parent if notebook else Path.cwd()

    def relative(self, path: Path | None) -> str | None:
        """Return a path as the records name it: relative to the project where it lies in it."""
        if path is None:
            return None
        try:
            return path.resolve().relative_to(self.project.resolve()).as_posix()
        except ValueError:
            return path.as_posix()

    @property
    def lock(self) -> threading.RLock:
        """Guards which runs are open, what children are told of them, and what waits to be written: threads open runs, too."""
        return self._locks.setdefault(os.getpid(), threading.RLock())

    @property
    def around(self) -> ActiveRun | None:
        """The open run that a new one of this thread is part of.

        A thread that opened none works for the main thread, or for the parent process; never for a neighbour.
        """
        runs, main = list(self.runs), threading.main_thread().ident
        own = [each for each in runs if each.thread == threading.get_ident()]
        shared = [each for each in runs if each.thread == main or each is self.joined]
        return next(reversed(own or shared), None)

    @property
    def innermost(self) -> ActiveRun | None:
        """The open run that this thread logs on: the one around it, else the newest there is."""
        return self.around or next(reversed(list(self.runs)), None)

    @property
    def unwritten(self) -> list[Change]:
        """The records of this process that a full disk did not take."""
        return self._unwritten.setdefault(os.getpid(), [])

    def begin(self) -> None:
        """Write down who records; called before the first record, so that looking creates nothing."""
        self.write_what_is_left()
        if self._recording:
            self._write_executions()
            return
        self._listen()
        self.store.write(self._session_record())
        self._recording = True
        with never_in_the_way("what killed runs have left"):
            run_folders.sweep(self.store)
        self._write_executions()

    def _listen(self) -> None:
        """Record the cells also where the functions are used and nobody has loaded the extension."""
        shell = self.shell
        if self.recorder is None and shell is not None:
            from renex_jupyter.capture.recorder import Recorder

            self.recorder = Recorder(shell, self.session_id, self.executed)
            self.recorder.start()

    def _session_record(self) -> Change:
        kernel = getattr(self.shell, "kernel", None)
        after = {
            "session_id": self.session_id,
            "kernel_id": getattr(kernel, "ident", None),
            "notebook": self.relative(self.notebook),
            "started_at": self.started_at,
            "user_name": self.store.journal.actor,
            "host": platform.node(),
            **({"command": self._command()} if self.shell is None else {}),
            **liveness.identity(),  # a purge names who is still alive and may know what it took out
        }
        return Change("sessions", self.session_id, "create", after)

    def _command(self) -> dict[str, Any]:
        """Return how this process was started, for a rerun: paths in the project relative to it or to its folder."""
        here = Path.cwd()
        argv = [self._beside(each, here) for each in sys.orig_argv[1:]]
        return {"argv": ["python", *map(to_text, redact_argv(argv))], "cwd": to_text(self.relative(here) or ".")}

    def _beside(self, word: str, here: Path) -> str:
        inside = Path(word).is_absolute() and Path(word).is_relative_to(self.project)
        return os.path.relpath(word, here) if inside else word

    def executed(self, _execution: CellExecution) -> None:
        """Take note of a cell that ended; it is written at once when this session records."""
        if self._recording:
            self._write_executions()

    def executions(self) -> tuple[CellExecution, ...]:
        """Return every cell execution of this session in order, the running one last, without what was purged."""
        return self.purges.without_it(self.store, self.recorder.executions()) if self.recorder is not None else ()

    def write_what_is_left(self) -> None:
        """Write the records that could not be written when they were made, and those that were deleted with the store.

        Called before every record but the points of metrics, and so where the webhook begins, if the setting names one.
        """
        if settings().webhook_url:
            from renex_jupyter.session import webhook  # it follows the store, and loads duckdb

            webhook.ensure(self.store)
        with self.lock:
            gone = self.store.forget_if_gone()
            if gone:
                self._begin_anew()
            waiting = self.unwritten
            while waiting:
                self.store.write(waiting[0])
                del waiting[0]
        if gone and self.runs:
            self.ensure_experiment(self.namespace, self.experiment)

    def _begin_anew(self) -> None:
        """Have a new store know this session and its open runs; what was recorded of them before is lost."""
        self._recording, self.last_snapshot_id = False, None
        self._written.clear()
        runs = [each.run for each in self.runs if each.pid == os.getpid() and not each.joined]
        if self.runs:
            names = ", ".join(f"'{each.name}'" for each in self.runs)
            warn(
                f"{self.store.layout.root} was deleted while {names} logged. What was recorded there until now is "
                "lost; recording goes on in a new one."
            )
        if runs:
            self.unwritten[:0] = [self._session_record(), *map(_record_anew, runs)]
            self._recording = True

    def ensure_experiment(self, namespace: str, name: str) -> tuple[str, str]:
        """Create a namespace and an experiment in it on their first use; return how both are called now.

        An experiment that this session has used, and that somebody renamed or moved since, is gone on with.
        """
        if not self.store.exists:
            self.store.journal.sync()  # it makes the store again that somebody just deleted
        said = (namespace, name)
        joined = self.joined.run if self.joined is not None else None
        if joined is not None and said == (joined.namespace, joined.experiment):
            namespace, name = experiments.place_of_run(self.store.reader, joined.run_id) or said
        namespace, name = self.used.ensure(self.store, namespace, name)
        if said == (self.namespace, self.experiment):
            self.namespace, self.experiment = namespace, name
        return namespace, name

    def place_now(self) -> tuple[str, str]:
        """Return how the namespace and the experiment of this session are called now."""
        return self.used.names_now(self.store, self.namespace, self.experiment)

    def _write_executions(self) -> None:
        fresh = [each for each in self.executions() if each.status != "running" and each.seq not in self._written]
        if fresh:
            self.store.write(
                *(Change("cell_executions", f"{e.session_id}/{e.seq}", "create", fields(e)) for e in fresh)
            )
            self._written.update(each.seq for each in fresh)


def _record_anew(run: Run) -> Change:
    """Return the record of an open run for a store that has no snapshots of it."""
    lost = ("params", "metrics", "tags", "files", "before_snapshot_id", "environment_id", "hardware_id")
    after = {name: value for name, value in fields(run).items() if name not in lost}
    return Change("runs", run.run_id, "create", after, namespace=run.namespace)


_sessions: list[Session] = []  # none or one
_first = threading.Lock()


def current() -> Session:
    """Return the session of this process; a forked child shares its parent's experiment and run, not its journal."""
    if not _sessions:
        session = Session()
        with _first:  # of two threads that ask at once
            if not _sessions:
                _sessions.append(session)
    return _sessions[0]


def reset() -> None:
    """Forget the session, as a new process would."""
    for session in _sessions:
        session.family.tell(None)
        for run in session.runs:
            if run.watch is not None:
                run.watch.stop()
    _sessions.clear()


@contextmanager
def never_in_the_way(what: str) -> Iterator[None]:
    """Let a fault of ours become one warning: recording never breaks the user's own code."""
    try:
        yield
    except RenexError as error:
        warn(f"{what} is not recorded: {error.line}")
    except Exception as error:  # noqa: BLE001  whatever it is, it is our fault and not the user's
        warn(f"{what} is not recorded: {type(error).__name__}: {error}")
