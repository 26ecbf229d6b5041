"""Lineage: what an object came from, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renex_jupyter import ids
from renex_jupyter.errors import RenexError, invalid_argument, shown
from renex_jupyter.query import lineage as query
from renex_jupyter.query.artifacts import find_artifact
from renex_jupyter.query.owners import find_owner
from renex_jupyter.session.current import Session, current

if TYPE_CHECKING:
    import pandas as pd

DIRECTIONS = {"both": ("up", "down"), "up": ("up",), "down": ("down",), "upstream": ("up",), "downstream": ("down",)}
COLUMNS = ("from_kind", "from_id", "from_name", "relation", "to_kind", "to_id", "to_name", "depth")


def lineage(obj: object, *, direction: str = "both", depth: int | None = None) -> pd.DataFrame:
    """Return what an object came from, and what came of it, an edge per row.

    Parameters
    ----------
    obj : a run, snapshot, artifact, checkpoint, model version or environment, as any function returned it, or in words:
        a name, an id, "artifact:ID", "digits@champion".
    direction : "up" to what it came from, "down" to what came of it, or "both".
    depth : most edges from the object; None: as far as they lead.

    Returns
    -------
    DataFrame (n, 8): from_kind, from_id, from_name, relation, to_kind, to_id, to_name, depth (1, 2, ... upward, -1,
        -2, ... downward). An edge leads from what came later to what it came from: a checkpoint is `written_by` a run.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    import pandas as pd

    if direction not in DIRECTIONS:
        raise invalid_argument(f"direction {shown(direction)} is none.", 'Use "up", "down" or "both".')
    if depth is not None and (type(depth) is not int or depth < 1):
        raise invalid_argument(f"depth {shown(depth)} is no number of edges.", "Give a whole number from 1, or None.")
    session = current()
    read = session.store.reader
    start = _thing(session, obj)
    found = [row for each in DIRECTIONS[direction] for row in query.edges(read, start, each, depth)]
    return pd.DataFrame(query.named(read, found), columns=list(COLUMNS))


def _thing(session: Session, obj: object) -> query.Thing:
    read = session.store.reader
    environment = getattr(obj, "environment_id", None)
    if type(obj).__name__ == "Environment" and isinstance(environment, str):
        return "environment", environment
    try:
        owner = find_owner(read, obj, session.namespace)
    except RenexError as error:
        if error.code != "not_found" or not isinstance(obj, str):
            raise
        found = _environment(session, obj)
        if found is None:
            try:
                return "artifact", find_artifact(read, obj)
            except RenexError:
                raise error from None
        return "environment", found
    return owner.kind, owner.id


def _environment(session: Session, word: str) -> str | None:
    prefix = ids.prefix(word.removeprefix("environment:"))
    query_text = "select environment_id from inside.environments where starts_with(environment_id, ?)"
    rows = session.store.reader.rows(query_text, [prefix]) if prefix else []
    return str(rows[0]["environment_id"]) if len(rows) == 1 else None
