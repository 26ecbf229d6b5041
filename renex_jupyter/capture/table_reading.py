"""The part of the reading process that turns the user's tables into Parquet.

The kernel must not open a file of the user: closing it would drop the locks that the user's own libraries have on it
(see worker.py). So DuckDB reads it here, and the kernel reads what was made of it.
"""

from __future__ import annotations

import csv
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from renex_jupyter.errors import RenexError, from_os_error, invalid_argument
from renex_jupyter.store.workbench import Workbench, literal, quoted

CSV, PARQUET, JSONL = "csv", "parquet", "jsonl"
LONGEST_HEADER = 2**20  # bytes of the first line of a CSV file
VARCHAR = "'VARCHAR'"
LOOK = 0.2  # seconds between two looks whether somebody still waits
LARGEST = 2**24  # bytes of one line of JSON; DuckDB takes a multiple of it for each thread
SAID = 4  # lines that DuckDB says of a file which it cannot read
HINT = "Look at the line that is named. What DuckDB cannot read, pandas may: give the DataFrame."


def read(request: dict[str, Any], check: Callable[[], None]) -> dict[str, Any]:
    """Write `samples.parquet`, and `annotations.parquet` where there are some, into a folder.

    Parameters
    ----------
    request : `table`: paths, format, into (a folder).
    check : raises when nobody waits any more.

    Returns
    -------
    rows [count], annotations [count], classes that the format declares.

    Raises
    ------
    RenexError : `not_found`, `permission`, `invalid_argument` for what is not of this format; it names file and line.
    """
    asked = request["table"]
    paths, into = [Path(os.fsdecode(each)) for each in asked["paths"]], Path(asked["into"])
    for path in paths:
        try:
            with path.open("rb"):
                pass
        except OSError as error:
            raise from_os_error(error, f"{path} cannot be read") from error
    with Workbench() as bench, _left(bench, check):
        rows = _told(
            bench,
            f"select * from {_typed(bench, paths, asked['format'])}",
            into / "samples.parquet",
            paths,
            asked["format"],
        )
    return {"rows": rows, "annotations": 0, "classes": []}


def _typed(bench: Workbench, paths: Sequence[Path], kind: str) -> str:
    """Return the function that reads the files, with the words of a CSV left as they are.

    DuckDB takes yes and no, t and f, for booleans: classes would have other names than those that a model predicts, which
    learned from the same file in pandas. Only true and false are booleans, whatever their case.
    """
    if kind != CSV:
        return _scan(paths, kind)
    with suppress(RenexError):  # what cannot be read is told by who reads it
        types = bench.columns(f"(from {_scan(paths, CSV)})")
        named = [name for name, its in types.items() if its == "BOOLEAN"]
        if named:
            asked = ", ".join(f"bool_and(lower(trim({quoted(name)})) in ('true', 'false', ''))" for name in named)
            told = bench.values(f"select {asked} from {_scan(paths, CSV, ', all_varchar = true')}")[0]
            words = [literal(name) for name, booleans in zip(named, told, strict=True) if booleans is False]
            if words:
                return _scan(paths, CSV, f", types = {{{', '.join(f'{word}: {VARCHAR}' for word in words)}}}")
    return _scan(paths, kind)


def _scan(paths: Sequence[Path], kind: str, more: str = "") -> str:
    """Return the function of DuckDB that reads the files; types are told by all of their rows."""
    files = literal([str(each) for each in paths])
    if kind == PARQUET:
        return f"read_parquet({files}, union_by_name = true)"
    if kind == JSONL:
        return (
            f"read_json({files}, format = 'auto', union_by_name = true, sample_size = -1, "
            f"maximum_object_size = {LARGEST})"
        )
    # DuckDB would guess the delimiter by what fits most lines, and pass over lines that do not: the first line says it.
    told = "" if (mark := _delimiter(paths[0])) is None else f", delim = {literal(mark)}, quote = '\"', skip = 0"
    return f"read_csv({files}, union_by_name = true, header = true, sample_size = -1{told}{more})"


def _uneven(path: Path) -> str | None:
    """Return which line of a CSV file has more or fewer values than its header; None where none has."""
    with suppress(OSError, UnicodeError, csv.Error), path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file, delimiter=_delimiter(path) or ",")
        header = next(rows, [])
        for row in rows:
            if row and len(row) != len(header):
                return f"line {rows.line_num} of {path.name} has {len(row)} values, and its header {len(header)}"
    return None


def _delimiter(path: Path) -> str | None:
    """Return what stands between the names in the first line of a CSV file; None of one that is compressed."""
    with path.open("rb") as file:
        first = file.readline(LONGEST_HEADER)
    if first.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd")):
        return None
    outside = b"".join(first.split(b'"')[::2]).decode("utf-8", "replace")
    return max(",;\t|", key=outside.count)


def _told(bench: Workbench, query: str, target: Path, paths: Sequence[Path], kind: str) -> int:
    try:
        return bench.write(query, target)
    except RenexError as error:
        if error.code in ("disk_full", "too_large"):
            raise
        lines = [line.strip() for line in str(error.__cause__ or error.message).splitlines() if line.strip()]
        said = "; ".join(lines[:SAID])
        said = next(filter(None, map(_uneven, paths)), said) if kind == CSV else said
        more = f" and {len(paths) - 1} more" if paths[1:] else ""
        raise invalid_argument(f"{paths[0]}{more} cannot be read: {said}", HINT) from error


@contextmanager
def _left(bench: Workbench, check: Callable[[], None]) -> Iterator[None]:
    """End what DuckDB does when nobody waits for it any more."""
    over, left = threading.Event(), list[BaseException]()

    def look() -> None:
        while not over.wait(LOOK):
            try:
                check()
            except Exception as error:  # noqa: BLE001  it is raised where somebody sees it
                left.append(error)
                bench.interrupt()
                return

    threading.Thread(target=look, daemon=True).start()
    try:
        yield
    except KeyboardInterrupt:  # how DuckDB's own interrupt surfaces
        if left:
            raise left[0] from None
        raise
    finally:
        over.set()
