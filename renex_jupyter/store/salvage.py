"""Salvage: lines of packs that are damaged or gone are made again from the index."""

from __future__ import annotations

from pathlib import Path

from renex_jupyter.records.changes import to_json
from renex_jupyter.store import archive, generation, parquet, tables
from renex_jupyter.store.format import seal_line
from renex_jupyter.store.layout import FORMAT, Layout

SALVAGED_POINTS = "salvaged-"  # what the name of a journal file begins with for points that were made again
SALVAGED = "900000"  # stands for the number of the journal file in the name of lines that were made again
_CONTENT = "concat_ws(' ', to_json(t)::varchar, value::varchar)"


def salvage(layout: Layout, source: str, whole: list[Path], folder: Path) -> tuple[str, str]:
    """Return, as relations with the columns of the packs, the lines that are not in the packs that are left.

    Parameters
    ----------
    source : a generation whose tables can be trusted; segments of it may be missing or damaged.
    whole : the packs that are left.
    folder : for the files that the relations read.
    """
    changes, points = folder / "changes.parquet", folder / "points.parquet"
    with generation.connect(layout.generations / source, read_only=True) as connection:
        known = f"select writer, seq from ({tables.changes_of(archive.changes_in(whole))})"
        rows = connection.execute(f"from inside.changes anti join ({known}) using (writer, seq)").fetchall()
        lines = [(f"{row[0]}.{SALVAGED}.jsonl", row[1], _line(*row[1:])) for row in rows]
        connection.execute("create temp table lines (name varchar, line bigint, text varchar)")
        if lines:
            columns = [list(column) for column in zip(*lines, strict=True)]
            connection.execute("insert into lines select unnest(?), unnest(?), unnest(?)", columns)
        parquet.copy(connection, "from lines", changes)
        segments = [layout.segments / name for name in generation.books(connection).segments]
        left = [str(path) for path in segments if parquet.is_whole(path)]
        indexed, packed = tables.points_of_segments(left), tables.points_of(archive.points_in(whole))
        name = f"{SALVAGED_POINTS}{source.partition('.')[0]}.{SALVAGED}.points.jsonl"
        missing = (
            f"from ({told_apart(indexed, _CONTENT)}) anti join ({told_apart(packed, _CONTENT)}) using (content, nth)"
        )
        parquet.copy(connection, tables.lines_of(missing, name), points)
    read = "select * from read_parquet({})"
    return read.format(tables.literal(str(changes))), read.format(tables.literal(str(points)))


def _line(
    seq: int,
    at: int,
    actor: str,
    action: str,
    kind: str,
    id_: str,
    namespace: str | None,
    before: str | None,
    after: str,
) -> str:
    """Return a change as the journal writes it; what it sets is JSON already."""
    fields = {"v": FORMAT, "n": seq, "at": at, "u": actor, "a": action, "t": kind, "i": id_, "ns": namespace}
    body = f'{to_json(fields)[:-1]},"b":{before or "null"},"d":{after}}}'
    return seal_line(body).decode().rstrip("\n")


def told_apart(points: str, content: str) -> str:
    """Return points with `content`, and their number `nth` among those of equal content.

    Parameters
    ----------
    content : an expression over a point `t` that gives all of it as text, in which 0.0 is not -0.0.
    """
    numbered = "row_number() over (partition by content) as nth"
    return f"select *, {numbered} from (select *, {content} as content from ({points}) t)"
