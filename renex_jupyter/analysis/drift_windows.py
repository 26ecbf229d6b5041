"""Windows of a table: by a time, by a column, or so many rows each."""

from __future__ import annotations

from dataclasses import dataclass

from renex_jupyter.analysis.drift_columns import is_time
from renex_jupyter.errors import RenexError, invalid_argument, shown
from renex_jupyter.records.datasets import KEY
from renex_jupyter.store.workbench import Workbench, literal, quoted

PERIODS = {"hour": "%Y-%m-%d %H:00", "day": "%Y-%m-%d", "week": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}
LENGTHS = {"day": 1, "week": 7, "month": 31, "year": 366}  # days
FEW = 31  # windows that a period is chosen for
MOST = 400
BY_HINT = "Give a column (by='at'), a column with a period (by='at:week'), or how many rows a window has (by=500)."


@dataclass(frozen=True, slots=True)
class Windows:
    """How the rows of a table fall into windows."""

    expression: str  # of SQL over the rows; NULL: in none
    names: tuple[str, ...]  # in the order of time
    said: str  # how they were made
    order: str | None = None  # what rows are ordered by, as SQL; None: as they are


def make_windows(bench: Workbench, table: str, by: object, time: str | None = None) -> Windows:
    """Return the windows of a table.

    Parameters
    ----------
    by : a column with times, or "column:period", where period is hour, day, week, month or year; a period alone, of the
        column `time`; another column, of which each value is a window; or how many rows a window has.
    time : the column that says when a sample is from.

    Raises
    ------
    RenexError : `invalid_argument` for what is none of these, or gives no window or more than 400.
    """
    types = bench.columns(table)
    if isinstance(by, int) and not isinstance(by, bool):
        return _rows(bench, table, by, time if time in types else None)
    if not isinstance(by, str) or not by.strip():
        raise invalid_argument(f"{shown(by)} makes no windows.", BY_HINT)
    column, period = _said(by.strip(), types, time)
    at = _time_of(bench, table, column, types[column])
    if at is not None:
        return _periods(bench, table, column, at, period)
    if period is not None:
        raise invalid_argument(f"column '{column}' is {types[column]}, no time.", BY_HINT)
    return _values(bench, table, column)


def _said(by: str, types: dict[str, str], time: str | None) -> tuple[str, str | None]:
    """Return the column and the period that are meant."""
    head, _, tail = by.rpartition(":")
    if by in types:
        return by, None
    if head in types and tail in PERIODS:
        return head, tail
    if by in PERIODS and time in types:
        assert time is not None
        return time, by
    if by in PERIODS:
        raise invalid_argument(f"no column says from which {by} a sample is.", "Give it, too: by='at:week'.")
    known = ", ".join(name for name in types if not name.startswith("_"))
    raise invalid_argument(f"no column {shown(by)} makes windows.", f"{BY_HINT} The columns are {known[:300]}.")


def _time_of(bench: Workbench, table: str, column: str, kind: str) -> str | None:
    """Return a column as a timestamp of SQL; None for one that has no times."""
    name = quoted(column)
    if is_time(kind) and not kind.startswith("TIME ") and kind != "TIME":
        return f"{name}::timestamp"
    if kind != "VARCHAR":
        return None
    there, times = bench.values(f"select count({name}), count(try_cast({name} as timestamp)) from {quoted(table)}")[0]
    return f"try_cast({name} as timestamp)" if there and there == times else None


def _periods(bench: Workbench, table: str, column: str, at: str, period: str | None) -> Windows:
    finite = f"from {quoted(table)} where {at} is not null and isfinite({at})"
    first, days = bench.values(f"select min({at}), epoch(max({at}) - min({at})) / 86400 {finite}")[0]
    if first is None:
        raise invalid_argument(f"column '{column}' has no time in any row.", BY_HINT)
    chosen = period or next((each for each, length in LENGTHS.items() if days / length < FEW), "year")
    series = f"""
        select strftime(unnest(generate_series(date_trunc({literal(chosen)}, min({at})::timestamp), max({at}),
            interval 1 {chosen})), {literal(PERIODS[chosen])}) as name {finite}"""
    if bench.value(f"select date_diff({literal(chosen)}, min({at}), max({at})) {finite}") >= MOST:
        raise _too_many(f"by {chosen}")
    names = tuple(row[0] for row in bench.values(series))
    start = f"date_trunc({literal(chosen)}, {literal(str(first))}::timestamp)"
    number = f"date_diff({literal(chosen)}, {start}, date_trunc({literal(chosen)}, {at}))"
    return Windows(f"(case when isfinite({at}) then {number} end)::int", names, f"{column} by {chosen}", at)


def _values(bench: Workbench, table: str, column: str) -> Windows:
    name = quoted(column)
    rows = bench.values(
        f"select {name}::varchar from {quoted(table)} where {name} is not null group by {name} order by {name}"
        f" limit {MOST + 1}"
    )
    if not rows:
        raise invalid_argument(f"column '{column}' has no value in any row.", BY_HINT)
    if len(rows) > MOST:
        raise _too_many(f"of the values of '{column}'")
    names = tuple(row[0] for row in rows)
    return Windows(f"(list_position({literal(list(names))}, {name}::varchar) - 1)::int", names, column, name)


def _rows(bench: Workbench, table: str, size: int, time: str | None) -> Windows:
    if size < 1:
        raise invalid_argument(f"a window of {size} rows has none.", BY_HINT)
    rows = int(bench.value(f"select count(*) from {quoted(table)}"))
    count = -(-rows // size)
    if count > MOST:
        raise _too_many(f"of {size} rows")
    if not count:
        raise invalid_argument("there are no rows to make windows of.", BY_HINT)
    names = tuple(f"rows {start + 1:,} to {min(start + size, rows):,}" for start in range(0, rows, size))
    # Equal times in the order of the keys: a row is in the same window whenever it is asked for.
    tie = f", {quoted(KEY)}" if KEY in bench.columns(table) else ""
    order = f"order by {quoted(time)} nulls last{tie}" if time else ""
    number = f"((row_number() over ({order}) - 1) // {size})::int"
    return Windows(number, names, f"{size:,} rows each", quoted(time) if time else None)


def _too_many(what: str) -> RenexError:
    return invalid_argument(f"more than {MOST} windows {what}.", "Take longer ones, such as by='at:month'.")
