"""What a run gave, as it is compared."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from renex_jupyter.analysis.verification import Logged, Result, files_of, without_stand_ins
from renex_jupyter.capture.ignore import IGNORE_FILES
from renex_jupyter.query import verifications as query
from renex_jupyter.records.runs import Run
from renex_jupyter.session.current import Session
from renex_jupyter.session.diffs import kept_files

CELL_ERROR = re.compile(r"renex: cell \d+ of \d+ failed \((.*)\); what comes after it did not run\.")


def result_of(session: Session, run: Run) -> Result:
    """Return what a run gave."""
    read = session.store.reader
    points = tuple(Logged(**row) for row in query.logged_points(read, run.run_id))
    files = None
    if run.before_snapshot_id and run.after_snapshot_id:
        before, after = (kept_files(session, each) for each in (run.before_snapshot_id, run.after_snapshot_id))
        if run.executor == "container" and run.rerun_of:
            after = without_stand_ins(before, after)
        files = files_of(before, after)
    exit_code = run.exit_code if run.kind == "command" else None
    error = cell_error(run.error) if run.error and exit_code is None else run.error
    return Result(run.status, exit_code, error, points, run.params, files)


def cell_error(text: str) -> str:
    """Return the exception of a cell: of a replay it is told at the end of what that printed."""
    told = CELL_ERROR.findall(text)
    return told[-1] if told else text.strip().splitlines()[-1]


def ignore_files(session: Session, recorded: Run) -> tuple[str, ...]:
    """Return the ignore files of the project as it was: what they leave out no snapshot has, outputs among it."""
    paths = (each.path for each in kept_files(session, recorded.before_snapshot_id or ""))
    return tuple(path for path in paths if PurePosixPath(path).name in IGNORE_FILES)
