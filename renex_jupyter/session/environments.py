"""Environments: what is installed here, and what was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renex_jupyter.capture import environment
from renex_jupyter.records.changes import Change, fields, plain
from renex_jupyter.records.environments import Environment
from renex_jupyter.session.current import current
from renex_jupyter.session.purges import contents_gone
from renex_jupyter.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

CLAIMED = "captured"  # key of the tag
_known: dict[tuple[str, str], frozenset[str]] = {}  # by store and environment: what its record says was imported


def capture_environment() -> Environment:
    """Keep the environment of this process and return it; the same packages give the same `environment_id`.

    The contents of its lock files are kept with it, in the store's blobs by their SHA-256.
    """
    session = current()
    session.begin()
    path = session.notebook
    made = environment.capture_environment(
        session.project,
        beside=path.parent if path else None,
        blobs=session.store.blobs,
        purged=contents_gone(session.store),
    )
    keep_environment(session.store, made)
    _claim(session.store, made)
    return made


def keep_environment(store: Store, made: Environment) -> None:
    """Write an environment once for its id, and again when a process has imported more of it than was known."""
    store.ensure("environments", made.environment_id, fields(made))
    used = frozenset(each.name for each in made.packages if each.imported)
    key = (str(store.layout.root), made.environment_id)
    if used <= _known.get(key, frozenset()):
        return
    query = "select name from packages where environment_id = ? and imported"
    known = frozenset(row["name"] for row in store.reader.rows(query, [made.environment_id]))
    if not used <= known:
        whole = environment.with_imported(made, used | known)
        after = {"packages": plain(whole.packages), "requirements": whole.requirements}
        store.write(Change("environments", made.environment_id, "update", after))
    _known[key] = used | known


def _claim(store: Store, made: Environment) -> None:
    """Mark an environment as asked for by itself: the contents of its lock files stay without a snapshot that has it."""
    tag_id = f"{made.environment_id}/{CLAIMED}"
    tag = {"owner_kind": "environment", "owner_id": made.environment_id, "key": CLAIMED, "value": "true"}
    store.ensure("tags", tag_id, tag)


def list_environments() -> pd.DataFrame:
    """Return the kept environments as a DataFrame, with the number of packages and of runs in each."""
    return current().store.reader.frame(
        """
        select environment_id, python, implementation, platform, name,
               (select count(*) from packages p where p.environment_id = e.environment_id) as packages,
               (select count(*) from runs r where r.environment_id = e.environment_id) as runs
        from environments e"""
    )
