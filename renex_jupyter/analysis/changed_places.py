"""Where one model errs more or less than another on the same samples: by class, and by slices of the columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from renex_jupyter.analysis.exact_tests import Sums, holm, paired_tail
from renex_jupyter.analysis.paired import mcnemar
from renex_jupyter.analysis.pattern_columns import make_items
from renex_jupyter.analysis.sample_errors import BINARY, ErrorColumn
from renex_jupyter.analysis.slices.search import find_slices
from renex_jupyter.errors import invalid_argument
from renex_jupyter.records.comparisons import Place
from renex_jupyter.records.datasets import DatasetVersion
from renex_jupyter.records.predicates import Predicate
from renex_jupyter.store.conditions import condition
from renex_jupyter.store.workbench import Workbench, quoted

MOST_CLASSES = 50  # that are told, those with most samples
LEAST_SPLIT = 2000  # samples from which slices are found on one half and tested on the other
LEVEL, SECONDS = 2, 20.0  # of the search for slices
ROLES = ("attribute", "split", "time", "text")  # of the columns that can make slices
OURS = ("_key", "error", "error_a", "error_b")  # names that a column cannot have here
BOX_COLUMNS = ("class", "size", "aspect", "border", "crowding")
THERE = "error_a is not null and error_b is not null"
_SUMS = """count(*) as n, favg(error_a) as error_a, favg(error_b) as error_b, fsum(error_b - error_a) as d,
    fsum((error_b - error_a) * (error_b - error_a)) as squares,
    count(*) filter (error_b < error_a) as fixed, count(*) filter (error_b > error_a) as broken"""


def changed_classes(bench: Workbench, table: str, column: ErrorColumn) -> tuple[Place, ...]:
    """Return both errors of each true class, those with most samples first, tested by Holm; none of numbers and texts."""
    if column.task not in ("classification", "detection"):
        return ()
    rows = bench.rows(
        f"""select actual, {_SUMS} from {quoted(table)} where {THERE} and actual is not null
        group by actual order by n desc, actual limit {MOST_CLASSES}"""
    )
    adjusted = holm([chance(row, column.kind) for row in rows])
    return tuple(_place("class", str(row["actual"]), row, p) for row, p in zip(rows, adjusted, strict=True))


def changed_slices(
    bench: Workbench,
    table: str,
    version: DatasetVersion,
    column: ErrorColumn,
    columns: Sequence[str] | None,
    *,
    most: int,
    seed: int,
) -> tuple[tuple[Place, ...], list[str]]:
    """Return the slices in which errors grew most, and those in which they shrank most, with notes.

    From `LEAST_SPLIT` samples on the slices are found on one half of them, and tested on the other, by Holm over all.

    Raises
    ------
    RenexError : `invalid_argument` for a column that is not there.
    """
    source, wanted = _lay_columns(bench, table, version, column, columns)
    n = bench.value(f"select count(*) from {quoted(source)}")
    split = n >= LEAST_SPLIT
    half = f"(('0x' || substr(md5(_key || ' half {int(seed)}'), 1, 8))::ubigint % 2)"
    notes = [] if split else [f"Slices are not tested: {n:,} samples are too few to find them on one half only."]
    if not wanted:
        return (), ["There are no columns to look for slices in."]
    found: dict[str, tuple[Predicate, int]] = {}
    texts = tuple(name for name in version.named("text") if name in wanted)
    for sign in (1, -1):
        name = f"{table} {sign}"
        where = f"where {half} = 0" if split else ""
        bench.run(f"""
            create or replace table {quoted(name)} as
            select * exclude (error_a, error_b), greatest({sign} * (error_b - error_a), 0)::double as error
            from {quoted(source)} {where}""")
        rows = bench.value(f"select count(*) from {quoted(name)}")
        support = max(32, math.ceil(rows / 100))
        items = make_items(bench, name, wanted, min_support=support, texts=texts, name=f"{name} items", seed=seed)
        searched = find_slices(
            bench, items.table, list(items.columns), "error", k=most, max_level=LEVEL, min_support=support,
            time_budget=SECONDS, absent=items.absent,
        )  # fmt: skip
        for each in searched.slices:
            predicate = items.predicate(each.items)
            found.setdefault(str(predicate), (predicate, sign))
        notes += [] if searched.complete else [f"The search for slices was stopped after {SECONDS:.0f} s."]
    return tuple(_tested(bench, source, column, found, half if split else None)), list(dict.fromkeys(notes))


def chance(row: dict[str, Any], kind: str) -> float:
    """Return the two-sided probability of such a difference by chance: McNemar's exact test, or the paired t test."""
    if kind == BINARY:
        return mcnemar(row["fixed"], row["broken"])
    if not row["n"]:
        return 1.0
    sums = Sums(row["n"], row["d"], row["squares"])
    return min(1.0, 2 * min(paired_tail(sums), paired_tail(Sums(row["n"], -row["d"], row["squares"]))))


def _tested(
    bench: Workbench, source: str, column: ErrorColumn, found: dict[str, tuple[Predicate, int]], half: str | None
) -> list[Place]:
    """Return the slices with both errors on all samples; tested on the half that they were not found on."""
    places, chances = [], []
    for text, (predicate, sign) in found.items():
        where, values = condition(predicate)
        row = bench.rows(f"select {_SUMS} from {quoted(source)} where {where}", values)[0]
        if (row["error_b"] - row["error_a"]) * sign <= 0:
            continue  # as many errors went as came
        places.append((text, row, predicate))
        if half is not None:
            other = bench.rows(f"select {_SUMS} from {quoted(source)} where {half} = 1 and {where}", values)[0]
            chances.append(chance(other, column.kind))
    adjusted: list[float | None] = [*holm(chances)] if half is not None else [None] * len(places)
    return [_place("slice", *each[:2], p, each[2]) for each, p in zip(places, adjusted, strict=True)]


def _lay_columns(
    bench: Workbench, table: str, version: DatasetVersion, column: ErrorColumn, columns: Sequence[str] | None
) -> tuple[str, list[str]]:
    """Make the table of both errors and the columns that slices are made of, and return it with their names."""
    own = [name for name in BOX_COLUMNS if column.per == "truth"]
    types = bench.columns("samples")
    usual = [each.name for each in version.fields if each.role in ROLES]
    wanted = [name for name in (usual if columns is None else columns) if name in types]
    missing = [name for name in columns or () if name not in types and name not in own]
    if missing:
        raise invalid_argument(f"{version.reference} has no column '{missing[0]}'.", f"It has {', '.join(usual[:20])}.")
    wanted = [name for name in wanted if name.lower() not in (*own, *OURS) and not types[name].endswith("]")]
    own = own if columns is None else [name for name in own if name in columns]
    name = f"{table} with columns"
    said = ", ".join([f"c.{quoted(each)}" for each in own] + [f"s.{quoted(each)}" for each in wanted])
    bench.run(f"""
        create or replace table {quoted(name)} as
        select c._key, c.error_a, c.error_b {"," if said else ""} {said}
        from {quoted(table)} c join samples s on s._key = c._key where {THERE}""")
    return name, [*own, *wanted]


def _place(what: str, where: str, row: dict[str, Any], p: float | None, predicate: Predicate | None = None) -> Place:
    return Place(
        what, where, row["n"], row["error_a"], row["error_b"], row["error_b"] - row["error_a"], row["fixed"], row["broken"],
        p, predicate,
    )  # fmt: skip
