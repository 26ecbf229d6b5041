"""Parquet files that bear their SHA-256 in their name: written once, merged by levels, verified by anybody.

Eight files of one level are merged into one of the next, as in a log-structured merge tree, so that a store of any size
has few of them.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import duckdb

from renex_jupyter.store import tables
from renex_jupyter.store.layout import put_in_place, sync_file
from renex_jupyter.store.sharing import make_folder, share

FANOUT = 8
LARGEST = 64_000_000  # rows: files are not merged into larger ones
NAME = re.compile(r"L(\d)-(\d{10})\.([0-9a-f]{64})((?:\.\w+)?)\.parquet")


@dataclass(frozen=True, slots=True)
class Name:
    """What the name of a file says."""

    level: int
    number: int
    sha256: str
    kind: str  # ".points", ".changes", or "" for a segment


def parse(name: str) -> Name | None:
    """Return what a file name says, None for a name that is not ours."""
    found = NAME.fullmatch(name)
    return Name(int(found[1]), int(found[2]), found[3], found[4]) if found else None


def files_in(folder: Path, kind: str) -> list[Path]:
    """Return the files of a kind in a folder, ordered by name."""
    if not folder.is_dir():
        return []
    return sorted(
        path for path in folder.iterdir() if (name := parse(path.name)) and name.kind == kind and path.is_file()
    )


def write(
    connection: duckdb.DuckDBPyConnection, query: str, folder: Path, kind: str, *, level: int, number: int
) -> tuple[str, int]:
    """Write the rows of a query as a durable file; return its name and the number of rows."""
    make_folder(folder)
    temporary = folder / f".L{level}-{number:010d}{kind}.tmp"
    temporary.unlink(missing_ok=True)
    rows = copy(connection, query, temporary)
    temporary.chmod(0o400)
    share(temporary)
    sync_file(temporary)
    name = f"L{level}-{number:010d}.{digest(temporary)}{kind}.parquet"
    put_in_place(temporary, folder / name)
    return name, rows


def copy(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> int:
    """Write the rows of a query into a Parquet file, each number with its sign, and return how many they are.

    DuckDB takes 0.0 and -0.0 for the same entry of a dictionary, and all of them get the sign of the first: where there
    is a -0.0, nothing goes into dictionaries.
    """
    columns = connection.execute(f"describe {query}").fetchall()
    doubles = [column[0] for column in columns if column[1] == "DOUBLE"]
    below_zero = " or ".join(f'("{name}" = 0 and signbit("{name}"))' for name in doubles) or "false"
    found = connection.execute(f"select 1 from ({query}) where {below_zero} limit 1").fetchone()
    options = "format parquet, parquet_version v2, compression zstd" + (", dictionary_size_limit 0" if found else "")
    row = connection.execute(f"copy ({query}) to {tables.literal(str(path))} ({options})").fetchone()
    return int(row[0]) if row else 0


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_whole(path: Path) -> bool:
    """Say whether a file still has the content that its name says."""
    name = parse(path.name)
    try:
        return name is not None and digest(path) == name.sha256
    except OSError:
        return False


def due(sizes: dict[str, int]) -> list[str]:
    """Return the files to merge into one, none when no level is full.

    Parameters
    ----------
    sizes : rows by file name.
    """
    levels: dict[int, list[str]] = {}
    for name in sorted(sizes):
        found = parse(name)
        if found and found.level < 9:
            levels.setdefault(found.level, []).append(name)
    for names in levels.values():
        chosen = names[:FANOUT]
        if len(names) >= FANOUT and sum(sizes[name] for name in chosen) <= LARGEST:
            return chosen
    return []


def next_level(names: list[str]) -> int:
    """Return the level of the file that these are merged into."""
    return 1 + max(found.level for name in names if (found := parse(name)))
