"""What was purged from a store, and comes back from nowhere: an older export may still hold it."""

from __future__ import annotations

import duckdb

from renex_jupyter.store import tables
from renex_jupyter.store.purge import PURGED

_FIELDS = "select " + ", ".join(
    f"json_extract_string(text, '$.{path}') as {name}"
    for name, path in {
        "action": "a",
        "kind": "t",
        "id": "i",
        "reason": "d.reason",
        "run_id": "d.run_id",
        "owner_id": "d.owner_id",
        "code_id": "d.code_id",
        "files_id": "d.files_id",
    }.items()
)


def note_unwanted(connection: duckdb.DuckDBPyConnection, given: str, known: str) -> None:
    """Make the table `unwanted` (kind, id): the objects among the given changes that were purged here.

    With a run go its params, tags and snapshots; with a snapshot go the code and the files that no other one names.

    Parameters
    ----------
    given, known : relations of lines of changes, from elsewhere and of this store.
    """
    connection.execute(f"""
        create or replace temp table unwanted as
        select distinct kind, id from ({_FIELDS} from ({known}))
        where action = 'delete' and reason = {tables.literal(PURGED)}""")
    if not connection.execute("select 1 from unwanted limit 1").fetchone():
        return
    connection.execute(f"create or replace temp table given as {_FIELDS} from ({given})")
    connection.execute("""
        insert into unwanted
        select distinct g.kind, g.id from given g join unwanted u on u.kind = 'runs' and u.id in (g.run_id, g.owner_id)""")
    connection.execute(f"""
        insert into unwanted
        select distinct kind, id from given
        where kind in ('codes', 'file_trees') and coalesce(code_id, files_id) not in (
            select named from (
                select unnest([code_id, files_id]) as named
                from (from given where (kind, id) not in (from unwanted) union all {_FIELDS} from ({known}))
                where kind = 'snapshots')
            where named is not null)""")
