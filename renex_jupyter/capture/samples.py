"""The samples of a new dataset version: the user's columns with a key before them, in one Parquet file, and checked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from renex_jupyter.capture.source import Source
from renex_jupyter.errors import invalid_argument, shown, warn
from renex_jupyter.records import display
from renex_jupyter.records.datasets import ATTRIBUTE, CLASSIFICATION, KEY, REGRESSION, TEXT, Field
from renex_jupyter.store.workbench import Workbench, quoted

NAMED = 5  # rows, keys or columns that a message names
FEW = 20  # distinct whole numbers up to which a target is taken for classes
MANY = 10_000  # distinct texts from which a target is no class
ONE_EACH = ("key", "target", "split", "text", "image", "time")
_WIDE = re.compile(r"(HUGEINT|UHUGEINT)$")
_WHOLE = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$")
_LIST = re.compile(r"(FLOAT|DOUBLE|REAL|U?(TINY|SMALL|BIG)?INT(EGER)?|DECIMAL\(.*\))\[\d*\]$")


@dataclass(frozen=True, slots=True)
class Samples:
    """What was written."""

    file: Path
    rows: int
    fields: tuple[Field, ...]
    task: str | None
    classes: tuple[str, ...]
    splits: Mapping[str, int]
    has_keys: bool  # False: the keys are the numbers of the rows


def make_samples(
    bench: Workbench,
    source: Source,
    roles: Mapping[str, str | Sequence[str]],
    *,
    task: str | None = None,
    name: str = "samples",
) -> Samples:
    """Write the samples of a source into a file of the workbench, and name it there.

    Parameters
    ----------
    roles : role -> column (embedding: columns); of these the source's own are what nothing else is said of.
    task : None: what the target looks like.

    Raises
    ------
    RenexError : `invalid_argument` for a column that is not there or says nothing, and for keys that are missing or there
        twice; it names the rows.
    """
    columns = bench.columns(source.samples)
    given = {**source.roles, **{role: each for role, each in roles.items() if each}}
    role_of = _roles(columns, given)
    key = str(given["key"]) if "key" in given else None
    keyed = KEY if source.keyed else key
    if keyed != KEY and any(each.lower() == KEY for each in columns):
        hint = f"Rename it, leave it out, or say key='{KEY}' if it is what dataset_samples() gave."
        raise invalid_argument(f"a column is called '{KEY}', which is the name of our own.", hint)
    path = bench.folder / "samples_made.parquet"
    rows = bench.write(_query(source.samples, columns, keyed), path)
    if rows == 0:
        raise invalid_argument("there are no rows in it.", "A version has one sample or more.")
    bench.files(name, [path])
    kept = {each: kind for each, kind in bench.columns(name).items() if each != KEY}
    fields = tuple(Field(each, kind, role_of.get(each, ATTRIBUTE)) for each, kind in kept.items())
    if keyed is not None:
        _check_keys(bench, name, path, keyed)
    _check_columns(bench, name, fields)
    chosen, classes = _classes(bench, name, fields, task or source.task, source.classes)
    return Samples(path, rows, fields, chosen, classes, _splits(bench, name, fields), key is not None)


def _roles(columns: Mapping[str, str], given: Mapping[str, object]) -> dict[str, str]:
    """Return column -> role. Raises `invalid_argument` for columns that are not there, or are given two roles."""
    found: dict[str, str] = {}
    lower = {each.lower(): each for each in columns}
    for role, said in given.items():
        for each in said if isinstance(said, (list, tuple)) else [said]:
            if not isinstance(each, str) or each.lower() not in lower:
                names = ", ".join(list(columns)[:12])
                raise invalid_argument(f"{role}={shown(each)} is no column of it.", f"Its columns: {names}.")
            column = lower[each.lower()]
            if column in found:
                raise invalid_argument(
                    f"column '{column}' is given as {found[column]} and as {role}.", "A column has one role."
                )
            found[column] = role
    return found


def _query(table: str, columns: Mapping[str, str], key: str | None) -> str:
    """Return the SQL of the rows as they are kept: the key as text, and no type that a file has not."""
    number = f"{quoted(key)}::varchar" if key else "(row_number() over () - 1)::varchar"
    kept = [_kept(each, kind) for each, kind in columns.items() if each != KEY]
    return f"select {', '.join([f'{number} as {quoted(KEY)}', *kept])} from {quoted(table)}"


def _kept(name: str, kind: str) -> str:
    if kind == '"NULL"' or kind.startswith(("ENUM", "BIT", "UNION", "UUID")):
        return f"{quoted(name)}::varchar as {quoted(name)}"
    if _WIDE.match(kind):  # a file would keep it as DOUBLE, without its last digits
        return f"{quoted(name)}::decimal(38, 0) as {quoted(name)}"
    return quoted(name)


def _check_keys(bench: Workbench, name: str, path: Path, key: str) -> None:
    """Refuse keys that are missing or there twice."""
    numbered = f"read_parquet('{str(path).replace(chr(39), chr(39) * 2)}', file_row_number = true)"
    missing = bench.values(f"select file_row_number from {numbered} where {quoted(KEY)} is null limit {NAMED}")
    if missing:
        total = bench.value(f"select count(*) from {quoted(name)} where {quoted(KEY)} is null")
        raise invalid_argument(
            f"{display.count(total, 'row')} without a key: column '{key}' is NULL in row {_rows(missing, total)}.",
            "Rows are counted from 0. Fill the column, leave these rows out, or leave key= out.",
        )
    twice = bench.values(f"""
        select {quoted(KEY)}, (list(file_row_number order by file_row_number))[1:{NAMED}] from {numbered}
        group by {quoted(KEY)} having count(*) > 1 order by min(file_row_number) limit {NAMED}""")
    if twice:
        said = "; ".join(f"'{each}' in rows {', '.join(map(str, rows))}" for each, rows in twice)
        total = bench.value(
            f"select count(*) from (select 1 from {quoted(name)} group by {quoted(KEY)} having count(*) > 1)"
        )
        raise invalid_argument(
            f"{display.count(total, 'key')} of column '{key}' there more than once: {said}{' ...' if total > NAMED else ''}.",
            "Rows are counted from 0. Drop the duplicates, or give a column that tells the rows apart.",
        )


def _check_columns(bench: Workbench, name: str, fields: Sequence[Field]) -> None:
    """Refuse a column with a role that has no value at all, and an embedding that is no list; tell of other empty ones."""
    for each in fields:
        if each.role == "embedding" and not _LIST.match(each.type):
            raise invalid_argument(
                f"embedding column '{each.name}' is {each.type}, and no list of numbers.", "Give a list per row."
            )
    filled = bench.values(
        f"select {', '.join(f'count({quoted(each.name)})' for each in fields) or '1'} from {quoted(name)}"
    )
    empty = [each for each, count in zip(fields, filled[0], strict=False) if count == 0]
    wrong = [each for each in empty if each.role != ATTRIBUTE]
    if wrong:
        rows = bench.value(f"select count(*) from {quoted(name)}")
        raise invalid_argument(
            f"{wrong[0].role} column '{wrong[0].name}' is NULL in all {rows:,} rows (0 to {rows - 1:,}).",
            f"Give a column with values, or leave {wrong[0].role}= out.",
        )
    if empty:
        said = ", ".join(f"'{each.name}'" for each in empty[:NAMED]) + (" ..." if len(empty) > NAMED else "")
        warn(f"column {said} of the dataset is NULL in all rows: it is kept, and nothing can be found in it.")


def _classes(
    bench: Workbench, name: str, fields: Sequence[Field], task: str | None, declared: Sequence[str]
) -> tuple[str | None, tuple[str, ...]]:
    """Return the task, and the classes of the target: those that a format declares first, then others in their order."""
    target = next((each for each in fields if each.role == "target"), None)
    if target is None or task in (REGRESSION, TEXT):
        return task, () if task in (REGRESSION, TEXT) else tuple(declared)
    column = quoted(target.name)
    whole, text = bool(_WHOLE.match(target.type)), target.type == "VARCHAR"
    if task is None and not (whole or text or target.type == "BOOLEAN"):
        return REGRESSION, ()
    distinct = f"select distinct {column} as c from {quoted(name)} where {column} is not null"
    count = bench.value(f"select count(*) from ({distinct})")
    if task is None and (count > FEW if whole else count > MANY):
        return (REGRESSION if whole else TEXT), ()
    if count > MANY:
        raise invalid_argument(
            f"target '{target.name}' has {count:,} classes, and more than {MANY:,} cannot be kept.",
            f"If it is a number to predict: task='{REGRESSION}'; if it is free text: task='{TEXT}'.",
        )
    found = [row[0] for row in bench.values(f"select c::varchar from ({distinct}) order by c")]
    return task or CLASSIFICATION, (*declared, *(each for each in found if each not in set(declared)))


def _splits(bench: Workbench, name: str, fields: Sequence[Field]) -> dict[str, int]:
    split = next((each for each in fields if each.role == "split"), None)
    if split is None:
        return {}
    column = quoted(split.name)
    query = f"select {column}::varchar, count(*) from {quoted(name)} where {column} is not null group by 1 order by 1"
    found = bench.values(f"{query} limit {MANY + 1}")
    if len(found) > MANY:
        raise invalid_argument(
            f"split column '{split.name}' has more than {MANY:,} values.", "Give one like train, test."
        )
    return {name: int(count) for name, count in found}


def _rows(numbers: Sequence[Sequence[int]], total: int) -> str:
    said = ", ".join(str(each[0]) for each in numbers)
    return f"{said} and {total - len(numbers):,} more" if total > len(numbers) else said
