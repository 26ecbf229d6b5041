"""What predictions cannot be, told with the rows that are so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from renex_jupyter.errors import invalid_argument, shown
from renex_jupyter.records import display
from renex_jupyter.records.datasets import CLASSIFICATION, DETECTION, KEY, PREDICTION_COLUMNS, REGRESSION
from renex_jupyter.store.workbench import Workbench, literal, quoted

NAMED = 5  # rows that a message names
BOX = ("x", "y", "w", "h")
HINT = f"The columns of predictions: {', '.join(PREDICTION_COLUMNS)}."


def check_width(bench: Workbench, table: str, columns: Mapping[str, str], named: Sequence[str]) -> None:
    """Refuse probabilities of more or fewer classes than there are."""
    if "probabilities" not in columns:
        return
    found = bench.values(f"""
        select n, len(p) from (select row_number() over () - 1 as n, probabilities as p from {quoted(table)})
        where p is not null and len(p) <> {len(named)} limit 1""")
    if found:
        row, width = found[0]
        names = f": {', '.join(named[:8])}{', ...' if len(named) > 8 else ''}" if named else ""
        raise invalid_argument(
            f"row {row} has probabilities of {width} classes, and there are {len(named)}{names}.",
            "Say of which classes they are, in their order: classes=model.classes_.",
        )


def check_numbers(bench: Workbench, table: str, columns: Mapping[str, str], names: Sequence[str]) -> None:
    """Refuse texts that are no numbers in columns that are to hold some; it names the rows."""
    for name in names:
        if columns.get(name) != "VARCHAR":
            continue
        column, what = quoted(name), "the predictions hold" if name == "said" else f"'{name}' holds"
        found = bench.values(f"""
            select row, said from (select row_number() over () - 1 as row, {column} as said from {quoted(table)})
            where said is not null and try_cast(said as double) is null order by row limit {NAMED}""")
        if found:
            listed = ", ".join(f"row {row} ({shown(value)})" for row, value in found)
            hint = "Rows are counted from 0. Of classes the dataset says task='classification'."
            raise invalid_argument(f"{what} texts that are no numbers: {listed}.", hint)


def check_rows(bench: Workbench, path: Path, task: str, named: Sequence[str]) -> None:
    """Refuse rows that cannot be; it names them."""
    rows = f"(select * from read_parquet({literal(str(path))}, file_row_number = true))"
    known = f"[{', '.join(map(literal, named))}]"
    order = f"{', '.join(named[:8])}{', ...' if len(named) > 8 else ''}"
    problems = [
        (f"{quoted(KEY)} is null", "without a key", KEY, "Each prediction names its sample."),
        (f"{quoted(KEY)} not in (select {quoted(KEY)} from samples)", "of samples that there are not", KEY, "Keys are texts."),
        ("list_bool_or(list_transform(probabilities, lambda p: p is null or isnan(p) or p < 0 or p > 1))",
         "with a probability that is none", "probabilities::varchar", "They lie between 0 and 1; logits go through a softmax."),
    ]  # fmt: skip
    if named and task in (CLASSIFICATION, DETECTION):
        hint = (
            f"The classes are: {order}. Others of the model: classes=[...]; probabilities: probabilities=.; "
            "numbers of classes: numpy.array(classes)[predicted]."
        )
        problems.append((f"not list_contains({known}, label)", "of an unknown class", "label", hint))
    if task == DETECTION:
        hint = "A box has x, y, w, h in pixels, w and h from 0; leave out samples without a box."
        wrong = f"({' or '.join(f'{each} is null or not isfinite({each})' for each in BOX)} or w < 0 or h < 0)"
        problems.append((wrong, "with a box that is none", "label", hint))
        problems.append(("label is null", "of a box without a label", KEY, f"Give each a label, one of: {order}."))
    for condition, what, shows, hint in problems:
        said = quoted(shows) if shows == KEY else shows
        found = bench.values(f"select file_row_number, {said} from {rows} where {condition} order by 1 limit {NAMED}")
        if found:
            total = bench.value(f"select count(*) from {rows} where {condition}")
            listed = ", ".join(f"row {row}" + ("" if value is None else f" ('{value}')") for row, value in found)
            more = f" and {total - len(found):,} more" if total > len(found) else ""
            raise invalid_argument(f"{display.count(total, 'prediction')} {what}: {listed}{more}.", hint)
    if task in (CLASSIFICATION, REGRESSION):
        _check_single(bench, rows)
        column = "label" if task == CLASSIFICATION else "value"
        if not bench.value(f"select count({column}) from predictions"):
            total = bench.value("select count(*) from predictions")
            raise invalid_argument(f"the predictions are NULL in all {total:,} rows.", HINT)


def _check_single(bench: Workbench, rows: str) -> None:
    twice = bench.values(f"""
        select {quoted(KEY)}, list(file_row_number order by file_row_number)[1:{NAMED}] from {rows}
        group by 1 having count(*) > 1 order by min(file_row_number) limit {NAMED}""")
    if twice:
        said = "; ".join(f"'{key}' in rows {', '.join(map(str, numbers))}" for key, numbers in twice)
        raise invalid_argument(
            f"samples are predicted more than once: {said}.", "Rows are counted from 0. Give one each."
        )
