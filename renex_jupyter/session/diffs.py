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
from renex_jupyter.session.purges import contents_gone
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
    kept = {word: _kept(session, find_state(session, word)) for word in (a, b) if word != NOW}
    against = next(iter(kept.values()), None)
    one, other = (kept[word] if word in kept else _present(session, against) for word in (a, b))
    return diff_states(one, other)


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


def _kept(session: Session, snapshot_id: str) -> State:
    read = session.store.reader
    snapshot = query.get_snapshot(read, snapshot_id)
    environment = query.environment_of(read, snapshot_id)
    config = dict(snapshot.config)
    purged = contents_gone(session.store)  # a snapshot from then on has them without a hash, and so has the present
    files = (replace(e, sha256=None) if e.sha256 in purged else e for e in query.snapshot_files(read, snapshot_id))
    if snapshot.run_id and snapshot.hidden:
        config = {**run_query.get_run(read, snapshot.run_id).params, **config}
    return State(
        title=" ".join(part for part in (short(snapshot_id), snapshot.label, snapshot.message) if part),
        cells=query.snapshot_cells(read, snapshot_id),
        files={e.path: e for e in files if e.role != "notebook"},
        packages=query.snapshot_packages(read, snapshot_id),
        python=environment.get("python") or "",
        config=config,
        metrics=dict(snapshot.metrics),
        notebook=snapshot.notebook,
    )


def _present(session: Session, against: State | None) -> State:
    """Return the state of this moment. What nobody can know of it is taken from the other side: it is no difference.

    That is config and metrics, which were not named, and in a terminal the cells, where the notebook is not there.
    """
    state = capture(session, keep=False, notebook=against.notebook if against else None)
    logged = session.runs[-1].last_values() if session.runs else None
    known = state.code.source != "none"
    return State(
        title=NOW,
        cells=state.code.cells if known or against is None else against.cells,
        files={entry.path: entry for entry in state.files.entries},
        packages={package.name: package.version for package in state.environment.packages},
        python=state.environment.python,
        config=against.config if against else {},
        metrics=logged if logged is not None else against.metrics if against else {},
        notebook=state.code.notebook,
    )
