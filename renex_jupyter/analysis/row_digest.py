"""Digests of rows, whatever their order and the format they came in: a row's values as one text, and a sum over all rows.

A row is the SHA-256 of its values, each with its length before it, so that ("ab", "c") differs from ("a", "bc"). The rows
are summed up as whole numbers modulo 2^256: order does not matter, and a row that is there twice counts twice. A sum is
safe against accident; against somebody who looks for a collision on purpose a list would be needed.

References
----------
Sums as multiset hashes: D. Clarke et al., "Incremental Multiset Hash Functions and Their Application to Memory Integrity
Checking", ASIACRYPT 2003, section 5 (MSet-Add-Hash).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from renex_jupyter.ids import content_id
from renex_jupyter.store.workbench import Workbench, quoted

LIMBS = 8  # of 32 bits, whose sums no number of rows lets run over
_FAMILIES = (
    (re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$"), "integer"),
    (re.compile(r"(FLOAT|DOUBLE|REAL)$"), "number"),
    (re.compile(r"DECIMAL\(.*\)$"), "decimal"),
    (re.compile(r"BOOLEAN$"), "boolean"),
    (re.compile(r"(VARCHAR|UUID|ENUM\(.*\))$", re.DOTALL), "text"),
    (re.compile(r"TIMESTAMP( WITH TIME ZONE|TZ)$"), "moment"),
    (re.compile(r"TIMESTAMP(_S|_MS|_NS)?$"), "time"),
    (re.compile(r"DATE$"), "date"),
    (re.compile(r"BLOB$"), "bytes"),
)
_NUMBERS = re.compile(r"(FLOAT|DOUBLE|REAL)(\[\d*\])$")


def family(kind: str) -> str:
    """Return what a type of DuckDB holds, whatever its width: an INTEGER of pandas and a BIGINT of CSV are alike."""
    if _NUMBERS.match(kind):
        return "numbers"
    return next((name for pattern, name in _FAMILIES if pattern.match(kind)), kind.lower())


def row_hash(columns: Mapping[str, str], *, table: str | None = None) -> str:
    """Return the SQL of a row's SHA-256 as 64 hex digits.

    Parameters
    ----------
    columns : name -> type, as DuckDB says it.
    table : the name before the columns, where there are several tables.
    """
    before = f"{table}." if table else ""
    parts = [_delimited(f"{before}{quoted(name)}", kind) for name, kind in sorted(columns.items())]
    return f"sha256(concat({', '.join(parts)}))"


def sum_of(bench: Workbench, table: str, columns: Mapping[str, str]) -> tuple[int, str]:
    """Return how many rows a table has, and their sum as 64 hex digits."""
    limbs = ", ".join(f"sum(('0x' || substr(h, {8 * each + 1}, 8))::ubigint)" for each in range(LIMBS))
    query = f"select count(*), {limbs} from (select {row_hash(columns)} as h from {quoted(table)})"
    count, *sums = bench.values(query)[0]
    total = sum(int(each or 0) << 32 * (LIMBS - 1 - at) for at, each in enumerate(sums))
    return int(count), f"{total % 2**256:064x}"


def digest(described: Sequence[Sequence[str]], sums: Sequence[tuple[int, str]]) -> str:
    """Return the digest of a content: what its columns are, then count and sum of each of its tables.

    Parameters
    ----------
    described : of each column its name, family and role, or whatever else is to count.
    """
    columns = [word for each in sorted(map(list, described)) for word in each]
    return content_id([len(described), *columns, *(word for each in sums for word in each)])


def _delimited(name: str, kind: str) -> str:
    text = _text(name, kind)
    return f"case when {name} is null then '-' else strlen({text}) || ':' || {text} end"


def _text(name: str, kind: str) -> str:
    """Return the SQL of a value as the same text for the same value, whatever the width of its type."""
    found = family(kind)
    if found == "number":
        return f"({name}::double)::varchar"
    if found == "numbers":
        return f"({name}::double[])::varchar"
    if found == "bytes":
        return f"sha256({name})"
    if found in ("integer", "decimal", "boolean", "text", "time", "moment", "date"):
        return f"{name}::varchar"
    return f"to_json({name})::varchar"  # lists and structs, whose own text does not tell "a, b" from two values
