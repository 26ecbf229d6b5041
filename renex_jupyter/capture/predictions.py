"""What was predicted, on its way into one Parquet file: in the order of the samples, or by their keys; and checked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from renex_jupyter.capture import tables
from renex_jupyter.errors import invalid_argument, shown
from renex_jupyter.records import display
from renex_jupyter.records.datasets import (
    CLASSIFICATION,
    DETECTION,
    KEY,
    PREDICTION_COLUMNS,
    REGRESSION,
    DatasetVersion,
)
from renex_jupyter.store.workbench import Workbench, literal, quoted

NAMED = 5  # rows that a message names
SAID = ("prediction", "predictions", "predicted", "y_pred")  # how a frame may call the label, the value or the text
BOX = ("x", "y", "w", "h")
HINT = f"The columns of predictions: {', '.join(PREDICTION_COLUMNS)}."
_WHOLE = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$")


@dataclass(frozen=True, slots=True)
class Predictions:
    """What was written."""

    file: Path
    rows: int
    samples: int  # that have one or more
    task: str
    classes: tuple[str, ...]


def make_predictions(
    bench: Workbench,
    version: DatasetVersion,
    given: Any,
    *,
    probabilities: Any = None,
    scores: Any = None,
    classes: Sequence[Any] | None = None,
    key: str | None = None,
) -> Predictions:
    """Write predictions on a dataset version, whose view `samples` is on the workbench, into a file of it.

    Parameters
    ----------
    given : an array of labels or values, or of probabilities (n, k), in the order of the samples; or a table with a key.
    probabilities : array (n, k), in the order of `classes`; or (n,), of the second of two classes.
    scores : array (n,), of each prediction.
    classes : None: those of the dataset version.
    key : the column of a table that says the sample.

    Raises
    ------
    RenexError : `invalid_argument` for other numbers of rows, unknown classes, unknown or double keys; it names the rows.
    """
    named = _named(classes) if classes is not None else version.classes
    table = _stage(bench, version, given, key, {"probabilities": probabilities, "score": scores})
    columns = bench.columns(table)
    task = _task(version, columns)
    _check_width(bench, table, columns, named)
    path = bench.folder / "predictions_made.parquet"
    rows = bench.write(_query(table, version, columns, task, named), path)
    bench.files("predictions", [path])
    _check(bench, path, task, named)
    samples = bench.value(f"select count(distinct {quoted(KEY)}) from predictions")
    return Predictions(path, rows, samples, task, named if task in (CLASSIFICATION, DETECTION) else ())


def _named(classes: Sequence[Any]) -> tuple[str, ...]:
    named = tuple(_label(each) for each in classes)
    twice = next((each for at, each in enumerate(named) if each in named[:at]), None)
    if twice is not None:
        raise invalid_argument(f"class '{twice}' is there twice in classes.", "Name each class once.")
    return named


def _label(value: Any) -> str:
    """Return a class as DuckDB says it: of numpy or Python, a number, a boolean, a text."""
    plain = value.item() if hasattr(value, "item") else value
    return str(plain).lower() if isinstance(plain, bool) else str(plain)


def _stage(bench: Workbench, version: DatasetVersion, given: Any, key: str | None, beside: Mapping[str, Any]) -> str:
    """Name what is given on the workbench, as a table that has `_key`, what is beside it, and its own columns."""
    more = {name: values for name, values in beside.items() if values is not None}
    if _is_table(given):
        table = tables.take(bench, given, name="given_predictions").samples
        column = _key_of(bench.columns(table), version, key)
        rows = bench.value(f"select count(*) from {quoted(table)}")
        own = f"select {quoted(column)}::varchar as {quoted(KEY)}, * exclude ({quoted(column)}) from {quoted(table)}"
        what = f"there are {rows:,} rows of predictions"
    else:
        if key is not None:
            raise invalid_argument(
                f"key={shown(key)} is of a table, and the predictions are none.", "Give a DataFrame."
            )
        values = _array("predictions", given)
        if values.ndim == 2 and values.shape[1] == 1:
            values = values[:, 0]
        if values.ndim == 2:
            if "probabilities" in more:
                raise invalid_argument(
                    "the predictions and probabilities= are both probabilities.", "Give one of them."
                )
            more["probabilities"] = values
        elif values.ndim == 1:
            more["said"] = values
        else:
            raise invalid_argument(f"predictions of shape {values.shape} are none.", "Give (n,) or (n, classes).")
        rows, own = version.n_samples, f"select {quoted(KEY)} from samples"
        what = f"{version.reference} has {rows:,} samples"
    if not more:
        bench.run(f"create or replace view staged as {own}")
        return "staged"
    bench.take("beside", _beside(more, rows, what))
    wide = [name for name in bench.columns("beside") if name.startswith("probability ")]
    listed = f", [{', '.join(f'{quoted(name)}::double' for name in wide)}] as probabilities" if wide else ""
    plain = [quoted(name) for name in more if name != "probabilities"]
    extra = f"select {', '.join([*plain, listed.removeprefix(', ')] if listed else plain)} from beside"
    bench.run(f"create or replace view staged as select * from ({own}) a positional join ({extra}) b")
    return "staged"


def _is_table(given: Any) -> bool:
    if isinstance(given, (str, Mapping)) or hasattr(given, "columns") or hasattr(given, "column_names"):
        return True
    return isinstance(given, (list, tuple)) and bool(given) and isinstance(given[0], Mapping)


def _array(what: str, values: Any) -> Any:
    """Return values as an array. Raises `invalid_argument` for what is none, such as rows of several lengths."""
    import numpy as np

    try:
        found = values.to_numpy() if hasattr(values, "to_numpy") else np.asarray(values)
    except ValueError as error:
        raise invalid_argument(f"the {what} are no array: {error}", "Give as many values per row.") from error
    if found.ndim == 0:
        raise invalid_argument(f"the {what} {shown(values)} are no array.", "Give one value per sample.")
    return found


def _beside(more: Mapping[str, Any], rows: int, what: str) -> Any:
    """Return arrays as a table: a column per class of probabilities."""
    import pandas as pd

    columns: dict[str, Any] = {}
    for name, given in more.items():
        values = _array(name, given)
        said = "predictions" if name == "said" else name
        if len(values) != rows:
            lacking = (
                f"row {min(rows, len(values)):,} is the first {'without one' if len(values) < rows else 'of no sample'}"
            )
            raise invalid_argument(
                f"{len(values):,} {said}, and {what}: {lacking}.",
                "Give one for each, in their order (rx.dataset_samples), or a table with key=.",
            )
        if name != "probabilities":
            if values.ndim != 1:
                raise invalid_argument(f"{said} of shape {values.shape} are none.", "Give one per row: (n,).")
            columns[name] = values
            continue
        if values.ndim == 1:
            values = _two(values)
        columns |= {f"probability {at}": values[:, at] for at in range(values.shape[1])}
    return pd.DataFrame(columns)


def _two(values: Any) -> Any:
    """Return probabilities of the second of two classes as those of both."""
    import numpy as np

    positive = values.astype(float)
    return np.column_stack([1.0 - positive, positive])


def _key_of(columns: Mapping[str, str], version: DatasetVersion, key: str | None) -> str:
    wanted = [key] if key is not None else [KEY, *version.named("key"), "key", "sample_key"]
    found = next((each for each in wanted if each in columns), None)
    if found is None:
        asked = (
            f"no column '{key}'" if key is not None else f"no column {' or '.join(map(repr, dict.fromkeys(wanted)))}"
        )
        raise invalid_argument(
            f"the predictions do not say of which sample they are: {asked}.",
            f"Name it with key=, or give an array in the order of the samples. Columns: {', '.join(list(columns)[:12])}.",
        )
    return found


def _task(version: DatasetVersion, columns: Mapping[str, str]) -> str:
    """Return what was predicted: boxes where there are some, else what the dataset is for, else what it looks like."""
    if set(BOX) <= columns.keys():
        return DETECTION
    if version.task is not None and not (version.task == DETECTION and "label" not in columns):
        return version.task
    said = next((columns[each] for each in ("said", *SAID, "value") if each in columns), "")
    return REGRESSION if said in ("DOUBLE", "FLOAT") and "label" not in columns else CLASSIFICATION


def _check_width(bench: Workbench, table: str, columns: Mapping[str, str], named: Sequence[str]) -> None:
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


def _query(table: str, version: DatasetVersion, columns: Mapping[str, str], task: str, named: Sequence[str]) -> str:
    """Return the SQL of predictions with all of their columns."""
    said = next((each for each in ("said", *SAID) if each in columns), None)
    place = {CLASSIFICATION: "label", DETECTION: "label", REGRESSION: "value"}.get(
        task, "text" if not named else "label"
    )
    unknown = [each for each in columns if each not in PREDICTION_COLUMNS and each not in ("said", *SAID)]
    if said is None and not {"label", "value", "text", "probabilities", *BOX} & columns.keys():
        there = ", ".join(unknown[:12]) or "none"
        raise invalid_argument(f"no column of the predictions says what was predicted: {there}.", HINT)
    parts = []
    for name, kind in PREDICTION_COLUMNS.items():
        own = name if name in columns else said if name == place else None
        if own is None:
            value = f"null::{kind}"
            if name == "label" and "probabilities" in columns and task == CLASSIFICATION:
                classes = f"[{', '.join(map(literal, named))}]"
                value = f"{classes}[list_position(probabilities, list_max(probabilities))]"
        elif name == "label":
            value = _as_label(own, columns[own], version)
        else:
            value = f"{quoted(own)}::{kind}"
        parts.append(f"{value} as {quoted(name)}")
    return f"select {', '.join(parts)} from {quoted(table)}"


def _as_label(name: str, kind: str, version: DatasetVersion) -> str:
    """Return the SQL of a label as the target says it: 1.0 of an array of floats is 1 of whole numbers."""
    target = next((each.type for each in version.fields if each.role == "target"), "VARCHAR")
    column = quoted(name)
    if _WHOLE.match(target) and kind in ("DOUBLE", "FLOAT"):
        return f"case when {column} = floor({column}) then {column}::bigint::varchar else {column}::varchar end"
    if _WHOLE.match(target) and kind == "BOOLEAN":
        return f"{column}::int::varchar"
    if target == "BOOLEAN" and (_WHOLE.match(kind) or kind in ("DOUBLE", "FLOAT")):
        return f"case {column} when 1 then 'true' when 0 then 'false' else {column}::varchar end"
    return f"{column}::varchar"


def _check(bench: Workbench, path: Path, task: str, named: Sequence[str]) -> None:
    """Refuse rows that cannot be; it names them."""
    rows = f"(select * from read_parquet({literal(str(path))}, file_row_number = true))"
    known = f"[{', '.join(map(literal, named))}]"
    order = f"{', '.join(named[:8])}{', ...' if len(named) > 8 else ''}"
    problems = [
        (f"{quoted(KEY)} is null", "without a key", KEY, "Each prediction names its sample."),
        (f"{quoted(KEY)} not in (select {quoted(KEY)} from samples)", "of samples that there are not", KEY, "Keys are texts."),
        ("list_bool_or(list_transform(probabilities, p -> p is null or isnan(p) or p < 0 or p > 1 + 1e-6))",
         "with a probability that is none", "probabilities::varchar", "They lie between 0 and 1; logits go through a softmax."),
    ]  # fmt: skip
    if named and task in (CLASSIFICATION, DETECTION):
        hint = f"The classes are: {order}. Others of the model: classes=[...]; probabilities: probabilities=."
        problems.append((f"not list_contains({known}, label)", "of an unknown class", "label", hint))
    if task == DETECTION:
        hint = "A box has x, y, w, h in pixels, w and h from 0; leave out samples without a box."
        wrong = f"({' or '.join(f'{each} is null or isnan({each})' for each in BOX)} or w < 0 or h < 0)"
        problems.append((wrong, "with a box that is none", "label", hint))
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
