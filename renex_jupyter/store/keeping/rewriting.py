"""Rewriting lines: in packs, which are written anew, and in live journals, in their place."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Mapping
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any
from zlib import crc32

import duckdb

from renex_jupyter.store import archive, tables
from renex_jupyter.store.format import GONE, POINTS, line_is_whole, seal_line
from renex_jupyter.store.keeping.doomed import Doomed

_SAFELY = ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY")
WRITE = reduce(or_, (getattr(os, name, 0) for name in _SAFELY), os.O_RDWR)


def rewritten_changes(connection: duckdb.DuckDBPyConnection, lines: str, doomed: Doomed) -> int:
    """Make the table `rewritten` of lines of changes without what must go; return how many differ or are gone."""
    result, touched = [], 0
    for name, number, text in connection.execute(lines).fetchall():
        line = without(text.encode(), doomed, points=False)
        touched += line != text.encode()
        if line:
            result.append((name, number, line.decode()))
    connection.execute("create or replace table rewritten (name varchar, line bigint, text varchar)")
    if result:
        columns = [list(column) for column in zip(*result, strict=True)]
        connection.execute("insert into rewritten select unnest(?), unnest(?), unnest(?)", columns)
    return touched


def rewritten_points(connection: duckdb.DuckDBPyConnection, lines: str, doomed: Doomed) -> int:
    """Make the table `rewritten` of the fields of points without what must go; return how many differ or are gone."""
    connection.execute(f"create or replace table rewritten as {doomed.points(lines)}")
    if doomed.sought.lines:  # which DuckDB does not find where something else stands between them
        for row, text in connection.execute("select rowid, x from rewritten where x is not null").fetchall():
            if doomed.text(text) != text:
                connection.execute("update rewritten set x = ? where rowid = ?", [doomed.text(text), row])
    same = "select name, line, i, k, x, t, h from"
    row = connection.execute(f"select count(*) from ({same} ({lines}) except {same} rewritten)").fetchone()
    return int(row[0]) if row else 0


def rewrite_in_place(path: Path, doomed: Doomed) -> int:
    """Rewrite the lines of a journal whose writer goes on appending to it; return how many.

    No byte changes its place: a shorter line is filled up with spaces, and a line that goes leaves one that says so.
    What is no regular file, such as a link in a store of somebody else, is not followed and not touched.
    """
    try:
        descriptor = os.open(path, WRITE)
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link
            return 0
        raise
    touched = start = 0
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return 0
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read()
        for line in content.split(b"\n"):
            if line_is_whole(line):
                made = without(line, doomed, points=path.name.endswith(POINTS))
                if made != line:
                    os.lseek(descriptor, start, os.SEEK_SET)
                    os.write(descriptor, _filled(made, len(line)))
                    touched += 1
            elif any(form in line for form in doomed.forms_in_files):  # damaged, and of no use to anybody
                os.lseek(descriptor, start, os.SEEK_SET)
                os.write(descriptor, b" " * len(line))
                touched += 1
            start += len(line) + 1
        if touched:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return touched


def may_stand_in(path: Path, doomed: Doomed) -> bool | None:
    """Say whether something of it may stand in a file that was set aside; None for a pack that cannot be read."""
    if not path.name.endswith(".parquet"):
        points, traces = path.name.endswith(POINTS), [each.encode("utf-8", "replace") for each in doomed.traces]
        return any(
            any(trace in line for trace in traces)
            or (line_is_whole(line) and without(line, doomed, points=points) != line)
            for line in path.read_bytes().split(b"\n")
        )
    kind = archive.POINTS if archive.POINTS in path.name else archive.CHANGES
    pack = f"from read_parquet({tables.literal(str(path))})"
    columns = ("i", "k", "x") if kind == archive.POINTS else ("text",)
    found = " or ".join(f"contains({column}, {tables.literal(trace)})" for column in columns for trace in doomed.traces)
    try:
        with duckdb.connect(config={"threads": 1}) as connection:
            row = connection.execute(f"select count(*) {pack} where {found}").fetchone()
            if kind == archive.POINTS and row == (0,):
                fields = f"select name, line, {', '.join(tables.POINT_LINE)} {pack}"
                row = connection.execute(f"from ({fields}) except from ({doomed.points(fields)}) limit 1").fetchone()
                return row is not None
            return row != (0,)
    except duckdb.Error:
        return None


def without(line: bytes, doomed: Doomed, *, points: bool) -> bytes:
    """Return a line without what must go, the same line where nothing must, nothing where all of it must."""
    record: Mapping[str, Any] = json.loads(line)
    made = doomed.point(record) if points else doomed.change(record)
    if made is record or made == record:
        return line
    if made is None:
        return b""
    fields = {name: value for name, value in made.items() if name != "c"}
    return seal_line(json.dumps(fields, ensure_ascii=False, separators=(",", ":"))).rstrip(b"\n")


def _filled(line: bytes, length: int) -> bytes:
    """Return a line of a length, with spaces before its checksum."""
    body = (line[:-16] if line else GONE + b"1").ljust(length - 16)
    return b'%s,"c":"%08x"}' % (body, crc32(body))
