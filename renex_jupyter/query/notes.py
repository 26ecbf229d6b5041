"""Questions about the notes on anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renex_jupyter import ids
from renex_jupyter.errors import ambiguous, not_found
from renex_jupyter.records.experiments import Note
from renex_jupyter.store.reader import Reader

if TYPE_CHECKING:
    import pandas as pd

_OWNERS = """
    with homes(owner_kind, owner_id, namespace) as (
        select 'run', run_id, namespace from inside.runs
        union all select 'experiment', experiment_id, namespace from inside.experiments
        union all select 'namespace', namespace_id, name from inside.namespaces
        union all select 'snapshot', snapshot_id, namespace from inside.snapshots
        union all select 'model', model_id, namespace from inside.models
        union all select 'model_version', model_version_id, namespace from model_versions
        union all select 'checkpoint', checkpoint_id, namespace from inside.checkpoints join inside.runs using (run_id))
    from homes
    union all select 'artifact', artifact_id, namespace from inside.artifacts join homes using (owner_kind, owner_id)
    union all select 'evaluation', evaluation_id, namespace from inside.evaluations join homes using (owner_kind, owner_id)"""


def notes_of(read: Reader, owner_id: str) -> tuple[Note, ...]:
    """Return the notes on one object, the oldest first."""
    rows = read.rows("select * from inside.notes where owner_id = ? order by created_at, note_id", [owner_id])
    return tuple(Note(**row) for row in rows)


def get_note(read: Reader, word: str) -> Note:
    """Return a note by its id or a unique prefix of it.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`.
    """
    prefix = ids.prefix(word)
    rows = (
        read.rows("select * from inside.notes where starts_with(note_id, ?) order by note_id", [prefix])
        if prefix
        else []
    )
    if not rows:
        raise not_found("note", word, listing="%renex ls notes")
    if len(rows) > 1:
        raise ambiguous("id", word, [f"note {ids.short(row['note_id'])}" for row in rows])
    return Note(**rows[0])


def list_notes(
    read: Reader, owner_id: str | None = None, *, kind: str | None = None, namespace: str | None = None
) -> pd.DataFrame:
    """Return notes, the newest first: the columns of `notes`.

    Parameters
    ----------
    owner_id : on this object; None: on any.
    namespace : on what belongs to it.
    """
    within = f"select (owner_kind, owner_id) from ({_OWNERS}) where namespace = $namespace"
    clauses = {
        "owner_id": "owner_id = $owner_id",
        "kind": "kind = $kind",
        "namespace": f"(owner_kind, owner_id) in ({within})",
    }
    given = {"owner_id": owner_id, "kind": kind, "namespace": namespace}
    params = {name: value for name, value in given.items() if value is not None}
    where = " and ".join(clauses[name] for name in params) or "true"
    return read.frame(f"select * from notes where {where} order by created_at desc, note_id", params or None)
