"""Compare two moments, or one with now."""

from __future__ import annotations

from dataclasses import replace

from renex_jupyter.analysis.diff import Diff, State, diff_states
from renex_jupyter.errors import RenexError
from renex_jupyter.ids import short
from renex_jupyter.query import runs as run_query
from renex_jupyter.query import snapshots as query
from renex_jupyter.query.objects import SNAPSHOT, find_object
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.snapshots import capture

NOW = "now"


def diff(a: str, b: str = NOW) -> Diff:
    """Compare two snapshots (or runs: their state after) over code, environment, files, config and metrics.

    Parameters
    ----------
    a, b : snapshot or run by id, unique prefix, label or name; "now" is the present state, which is not kept.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`.
    """
    session = current()
    one, other = _state(session, a), _state(session, b)
    return diff_states(_as_named(session, a, one, other), _as_named(session, b, other, one))


def _as_named(session: Session, name: str, state: State, against: State) -> State:
    """Give the present the config and metrics of what it is compared with: that nothing was named is no difference."""
    if name != NOW:
        return state
    return replace(state, config=against.config, metrics=state.metrics if session.runs else against.metrics)


def find_state(session: Session, wanted: str) -> str:
    """Return the id of the snapshot that a word means; a run means its state after, or before where it has no other."""
    read = session.store.reader
    kind, object_id = find_object(read, wanted)
    if kind == SNAPSHOT:
        return object_id
    run = run_query.get_run(read, object_id)
    found = run.after_snapshot_id or run.before_snapshot_id
    if found is None:
        raise RenexError("not_found", f"run '{wanted}' has no snapshot.", "Its state could not be captured.")
    return found


def _state(session: Session, wanted: str) -> State:
    if wanted == NOW:
        return _present(session)
    read = session.store.reader
    snapshot = query.get_snapshot(read, find_state(session, wanted))
    environment = query.environment_of(read, snapshot.snapshot_id)
    config, metrics = dict(snapshot.config), dict(snapshot.metrics)
    if snapshot.run_id and snapshot.hidden:
        run = run_query.get_run(read, snapshot.run_id)
        config = {**run.params, **config}
    return State(
        title=" ".join(part for part in (short(snapshot.snapshot_id), snapshot.label, snapshot.message) if part),
        cells=query.snapshot_cells(read, snapshot.snapshot_id),
        files={e.path: e for e in query.snapshot_files(read, snapshot.snapshot_id) if e.role != "notebook"},
        packages=query.snapshot_packages(read, snapshot.snapshot_id),
        python=environment.get("python") or "",
        config=config,
        metrics=metrics,
    )


def _present(session: Session) -> State:
    state = capture(session, keep=False)
    return State(
        title=NOW,
        cells=state.code.cells,
        files={entry.path: entry for entry in state.files.entries},
        packages={package.name: package.version for package in state.environment.packages},
        python=state.environment.python,
        config={},
        metrics=session.runs[-1].last_values() if session.runs else {},
    )
