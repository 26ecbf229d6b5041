"""The end of an action outside of this process: how it ended, what it printed and the state after it go on its run.

`python -m renex_jupyter.session.closing STORE RUN_ID` records the end of a run where the process that started it does
not: because the run was detached, or because that process is gone. The supervisor of the run calls it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from renex_jupyter.capture.secrets import redact_text
from renex_jupyter.config import settings
from renex_jupyter.query import runs as query
from renex_jupyter.records.changes import Change
from renex_jupyter.session import work
from renex_jupyter.session.active_run import LONGEST_ERROR, ActiveRun, close
from renex_jupyter.session.current import Session, current, never_in_the_way
from renex_jupyter.session.kept_output import keep_output
from renex_jupyter.store import liveness
from renex_jupyter.store.interrupts import interrupts_held_back
from renex_jupyter.store.run_folders import OUTCOME, clear, sweep
from renex_jupyter.store.store import Store
from renex_jupyter.tasks.order import Outcome
from renex_jupyter.tasks.process import clear_up, read_outcome

Finish = Callable[[Outcome, Path], None]
NO_WORD = "its supervisor ended without a word"


def closer_of(session: Session, run_id: str) -> tuple[str, ...]:
    """Return the command that records the end of a run as this process would: with its project and settings."""
    root, project = session.store.layout.root, session.project
    given = settings()
    told = {name: getattr(given, name) for name in given.trait_names(config=True)}
    changed = {name: value for name, value in told.items() if value != type(given).class_traits()[name].default_value}
    words = [sys.executable, "-P", "-m", "renex_jupyter.session.closing", str(root.absolute()), run_id]
    return (*words, "--project", str(project.absolute()), "--settings", json.dumps(changed))


def record_end(active: ActiveRun, outcome: Outcome | None, folder: Path, finish: Finish | None = None) -> None:
    """Record how an action ended, what it printed and the state after it; then its folder goes.

    What `finish` could not bring back, or had not yet when it was interrupted or killed, stays there (see `run_folders`).

    Parameters
    ----------
    outcome : None: it left no word, since its supervisor was killed.
    folder : of the run, see `Layout.runs`.
    finish : called before the state after is taken, so that this has what is brought back from the folder.
    """
    session, run = active.session, active.run
    if outcome is not None and run.rerun_of:
        outcome = work.as_replayed(run, folder, outcome)
    with never_in_the_way("by whom the run is ended"):  # its supervisor is gone, and it must not be taken for lost
        session.store.write(Change("runs", run.run_id, "update", liveness.identity(), namespace=run.namespace))
    try:
        if outcome is not None and finish is not None:
            finish(outcome, folder)
    finally:  # also when that was interrupted
        with interrupts_held_back():  # the state after is taken whatever comes
            close(
                active,
                "lost" if outcome is None else outcome.status,
                error=_error(outcome),
                exit_code=None if outcome is None else outcome.exit_code,
                metrics=_metrics(session, run.run_id),
                ended=_ended_at(folder),
                more=_measured(session.store, outcome, folder),
                take=partial(work.state_after, session, run, folder) if run.rerun_of else None,
            )
            if not any(
                each.id == run.run_id for each in session.unwritten
            ):  # else its folder is all that tells how it ended
                clear(folder)
        with never_in_the_way("what killed runs have left"):
            sweep(session.store)


def end_of_vanished(store: Store, run_id: str) -> dict[str, Any]:
    """Return the fields that end a run whose process is gone, from what its action left in its folder.

    Nobody takes the state after: it is not known how long ago that was. The folder stays for `sweep`, since the process
    that started the run may be about to read it.
    """
    folder = store.layout.runs / run_id
    outcome = read_outcome(folder)
    if outcome is None:
        clear_up(folder)
        return {"status": "lost", **(_measured(store, None, folder) if folder.exists() else {})}
    return {
        "status": outcome.status,
        "ended_at": _ended_at(folder),
        "error": _told(_error(outcome)),
        "exit_code": outcome.exit_code,
        **_measured(store, outcome, folder),
    }


def _ended_at(folder: Path) -> datetime | None:
    """Return when the action left its last word."""
    with suppress(OSError):
        return datetime.fromtimestamp((folder / OUTCOME).stat().st_mtime, UTC)
    return None


def _error(outcome: Outcome | None) -> str | None:
    if outcome is None:
        return NO_WORD
    if outcome.fault:
        return f"{outcome.fault.get('code', '')}: {outcome.fault.get('message', '')}"
    return outcome.error


def _told(error: str | None) -> str | None:
    return redact_text(error)[:LONGEST_ERROR] if error else None


def _metrics(session: Session, run_id: str) -> Mapping[str, float]:
    with never_in_the_way("what the run logged last"):
        return query.last_metrics(session.store.reader, run_id)
    return {}  # type: ignore[unreachable]  # mypy does not see that the block may swallow


def _measured(store: Store, outcome: Outcome | None, folder: Path) -> dict[str, Any]:
    """Return what was measured of an action, and keep what it printed: without secrets of a known form."""
    found: dict[str, Any] = {}
    if outcome is not None:
        found = {
            "duration_s": outcome.duration_s,  # of the action, without what is done around it
            "peak_memory_bytes": outcome.peak_memory_bytes,
            "output_size": outcome.output_size,
        }
    found |= keep_output(store, folder)
    return {name: value for name, value in found.items() if value is not None}


def main(argv: Sequence[str] | None = None) -> int:
    """Record the end of one run, as its folder tells it; nothing to do is no error."""
    parser = argparse.ArgumentParser(prog="renex_jupyter.session.closing")
    parser.add_argument("store", type=Path)
    parser.add_argument("run_id")
    parser.add_argument("--project", type=Path)
    parser.add_argument("--settings", type=json.loads, default={})
    args = parser.parse_args(argv)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second `stop` finds us under the run's pid: the action is over
    for name, value in args.settings.items():
        setattr(settings(), name, value)
    session = _session_for(args.store, args.project)
    run = query.get_run(session.store.reader, args.run_id)
    if run.ended_at is not None or run.status not in ("running", "lost"):
        return 0
    folder = session.store.layout.runs / run.run_id
    session.namespace, session.experiment = run.namespace, run.experiment
    session.last_snapshot_id = run.before_snapshot_id
    active = ActiveRun(session, run)
    session.runs.append(active)
    session.begin()  # the state after names it
    record_end(active, read_outcome(folder), folder, finish_of(session, active))
    return 0


def finish_of(session: Session, active: ActiveRun) -> Finish | None:
    """Return what brings the results of an action back where nobody waits for it: a container's files."""
    if active.run.executor != "container" or active.run.rerun_of is not None:  # a rerun changes no project
        return None
    from renex_jupyter.session.containers import finish_in

    return finish_in(session)


def _session_for(store: Path, project: Path | None) -> Session:
    """Return the session of this process, which records for another one in that one's project."""
    if project is not None and project.is_dir():
        os.chdir(project)
        if store != project / store.name or store.name != ".renex":
            settings().store = str(store)
    session = current()
    session.family.forget()
    session.work_in(Store(store))
    return session


if __name__ == "__main__":
    sys.exit(main())
