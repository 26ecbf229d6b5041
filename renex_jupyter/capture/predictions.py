"""What was predicted, on its way into one Parquet file: in the order of the samples, or by their keys; and checked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from renex_jupyter.capture import tables
from renex_jupyter.capture.prediction_checks import BOX, HINT, check_numbers, check_rows, check_width
from renex_jupyter.errors import invalid_argument, shown
from renex_jupyter.records.datasets import (
    CLASSIFICATION,
    DETECTION,
    KEY,
    PREDICTION_COLUMNS,
    REGRESSION,
    DatasetVersion,
)
from renex_jupyter.store.workbench import Workbench, literal, quoted

SAID = ("prediction", "predictions", "predicted", "y_pred")  # how a frame may call the label, the value or the text
FLOATS = ("DOUBLE", "FLOAT")
ROUNDED = 1e-6  # by which a probability may leave 0 and 1, as a softmax of 32 bits has it: it is taken for 0 or 1
_WHOLE = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$")
_WITHIN = f"case when p < 0 and p >= -{ROUNDED} then 0 when p > 1 and p <= 1 + {ROUNDED} then 1 else p end"


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
    named = _named(classes, _type_of_target(version)) if classes is not None else version.classes
    table = _stage(bench, version, given, key, {"probabilities": probabilities, "score": scores})
    columns = bench.columns(table)
    task = _task(version, columns)
    check_width(bench, table, columns, named)
    values = ("said", *SAID) if task == REGRESSION else ()
    check_numbers(bench, table, columns, [*values, "value", "score", *BOX])
    path = bench.folder / "predictions_made.parquet"
    rows = bench.write(_query(table, version, columns, task, named), path)
    bench.files("predictions", [path])
    check_rows(bench, path, task, named)
    samples = bench.value(f"select count(distinct {quoted(KEY)}) from predictions")
    return Predictions(path, rows, samples, task, named if task in (CLASSIFICATION, DETECTION) else ())


def _named(classes: Sequence[Any], target: str) -> tuple[str, ...]:
    named = tuple(_label(each, target) for each in classes)
    twice = next((each for at, each in enumerate(named) if each in named[:at]), None)
    if twice is not None:
        raise invalid_argument(f"class '{twice}' is there twice in classes.", "Name each class once.")
    return named


def _label(value: Any, target: str) -> str:
    """Return a class as DuckDB says it in a target of some type: of numpy or Python, a number, a boolean, a text."""
    plain = value.item() if hasattr(value, "item") else value
    if type(plain) is int and target in FLOATS:
        return str(float(plain))
    if type(plain) is float and _WHOLE.match(target) and plain.is_integer():
        return str(int(plain))
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

    try:
        positive = values.astype(float)
    except (TypeError, ValueError) as error:
        raise invalid_argument(f"the probabilities are no numbers: {error}.", "Give numbers from 0 to 1.") from error
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
    return REGRESSION if said in FLOATS and "label" not in columns else CLASSIFICATION


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
            if name == "label" and task == DETECTION and len(named) == 1:
                value = literal(named[0])  # a detector of one class need not say it
            if name == "label" and "probabilities" in columns and task == CLASSIFICATION:
                classes = f"[{', '.join(map(literal, named))}]"
                value = f"{classes}[list_position(probabilities, list_max(probabilities))]"
        elif name == "label":
            value = _as_label(own, columns[own], version)
        elif name == "probabilities":
            value = f"list_transform({quoted(own)}::{kind}, lambda p: {_WITHIN})"
        else:
            value = f"{quoted(own)}::{kind}"
        parts.append(f"{value} as {quoted(name)}")
    return f"select {', '.join(parts)} from {quoted(table)}"


def _type_of_target(version: DatasetVersion) -> str:
    return next((each.type for each in version.fields if each.role == "target"), "VARCHAR")


def _as_label(name: str, kind: str, version: DatasetVersion) -> str:
    """Return the SQL of a label as the target says it: 1.0 of an array of floats is 1 of whole numbers."""
    target, column = _type_of_target(version), quoted(name)
    if target in FLOATS and _WHOLE.match(kind):  # whole numbers are floats where pandas had a gap among them
        return f"{column}::double::varchar"
    if _WHOLE.match(target) and kind in FLOATS:
        return f"case when {column} = floor({column}) then {column}::bigint::varchar else {column}::varchar end"
    if _WHOLE.match(target) and kind == "BOOLEAN":
        return f"{column}::int::varchar"
    if target == "BOOLEAN" and (_WHOLE.match(kind) or kind in FLOATS):
        return f"case {column} when 1 then 'true' when 0 then 'false' else {column}::varchar end"
    return f"{column}::varchar"
