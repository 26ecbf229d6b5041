"""What was purged from a store, and comes back from nowhere: an older export may still hold it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import duckdb

from renex_jupyter.store import tables
from renex_jupyter.store.keeping import gc, references
from renex_jupyter.store.keeping.doomed import PURGED
from renex_jupyter.store.keeping.selection import APART
from renex_jupyter.store.store import Store

_FIELDS = "select " + ", ".join(
    f"json_extract_string(text, '$.{path}') as {name}"
    for name, path in {
        "action": "a",
        "kind": "t",
        "id": "i",
        "reason": "d.reason",
        "run_id": "d.run_id",
        "owner_id": "d.owner_id",
        "from_id": "d.from_id",
        "code_id": "d.code_id",
        "parts": "d.parts",
    }.items()
)
_IS_NOTE = f"action = 'delete' and reason = {tables.literal(PURGED)}"


def tells_of_purges(changes: Path) -> bool:
    """Say whether notes of a purge are among the given changes, a Parquet file."""
    query = f"select 1 from ({_FIELDS} from read_parquet({tables.literal(str(changes))})) where {_IS_NOTE} limit 1"
    with duckdb.connect(config={"threads": 1}) as connection:
        return connection.execute(query).fetchone() is not None


def note_unwanted(connection: duckdb.DuckDBPyConnection, given: str, known: str) -> None:
    """Make the table `unwanted` (kind, id): the objects among the given changes that were purged here.

    With a run goes what says that it is of this run, or of what is of it, but the model versions; with a snapshot go
    the code and the files that no other one names.

    Parameters
    ----------
    given, known : relations of lines of changes, from elsewhere and of this store.
    """
    connection.execute(f"""
        create or replace temp table unwanted as
        select distinct kind, id from ({_FIELDS} from ({known})) where {_IS_NOTE}""")
    if not connection.execute("select 1 from unwanted limit 1").fetchone():
        return
    connection.execute(f"create or replace temp table given as {_FIELDS} from ({given})")
    connection.execute(f"""
        insert into unwanted
        select distinct g.kind, g.id from given g join unwanted u on u.kind = 'runs' and u.id in (g.run_id, g.owner_id)
        where g.kind not in {tables.literal(APART)}""")
    connection.execute("""
        insert into unwanted
        select distinct g.kind, g.id from given g
        join unwanted u on u.kind in ('checkpoints', 'artifacts', 'evaluations', 'runs') and u.id in (g.owner_id, g.from_id)""")
    connection.execute(f"""
        insert into unwanted
        select distinct kind, id from given
        where kind in ('codes', 'file_parts') and id not in (
            select named from (
                select unnest(list_append(from_json(coalesce(parts, '[]'), '["VARCHAR"]'), code_id)) as named
                from (from given where (kind, id) not in (from unwanted) union all {_FIELDS} from ({known}))
                where kind = 'snapshots')
            where named is not null)""")


def unwanted_contents(store: Store, changes: Path, given: Collection[str]) -> set[str]:
    """Return those of the given contents that were purged here and are named by nothing newer, straight or as of a run.

    A content that lies here, and one that a record of this store or a record that will be taken names, is wanted.

    Parameters
    ----------
    changes : Parquet file with the given changes, checked.
    given : SHA-256.
    """
    notes = store.reader.rows("select id, max(at_us) as at from inside.changes where kind = 'blobs' group by id")
    query = """
        select json_object('a', action, 't', kind, 'i', id, 'd', after)::varchar as text from inside.changes
        where action = 'delete' or kind = 'snapshots'"""
    known = [row["text"] for row in store.reader.rows(query)]
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("create temp table here as select unnest($known::varchar[]) as text", {"known": known})
        read = f"select * from read_parquet({tables.literal(str(changes))})"
        note_unwanted(connection, read, "from here")
        connection.execute(f"""
            create temp table said as
            select t, i, written_at, parts, text, (t, i) in (from unwanted) as is_unwanted
            from (select json_extract_string(text, '$.t') as t, json_extract_string(text, '$.i') as i,
                         json_extract(text, '$.at')::bigint as written_at, json_extract_string(text, '$.d.parts') as parts,
                         text
                  from ({read}))""")
        gone = connection.execute(
            f"select distinct unnest({gc.HASHES % 'text'}) from said where is_unwanted"
        ).fetchall()
        kept = connection.execute(
            f"select distinct unnest({gc.HASHES % 'text'}) from said where not is_unwanted"
        ).fetchall()
        only_theirs = {sha for (sha,) in gone} - {sha for (sha,) in kept}
        alone = references.purged(store.reader) & set(given)
        noted = {row["id"] for row in notes if row["id"] in alone and not _is_newer(connection, row["id"], row["at"])}
    absent = {sha for sha in given if (sha in only_theirs or sha in noted) and not store.blobs.is_there(sha)}
    return absent - (gc.named_among(store, absent) - noted) if absent else set()


def _is_newer(connection: duckdb.DuckDBPyConnection, sha256: str, purged_at: int) -> bool:
    """Say whether a given record that is younger than a purge, in microseconds, names a content."""
    query = f"""
        select 1 from said s where t in {tables.literal(references.NAMING)} and written_at > $at and not is_unwanted
            and (contains(text, $sha256) or exists (
                select 1 from said p
                where p.t = 'file_parts' and contains(p.text, $sha256) and contains(s.parts, p.i))) limit 1"""
    return connection.execute(query, {"at": purged_at, "sha256": sha256}).fetchone() is not None
