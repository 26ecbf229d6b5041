"""What a look at drift says of a model: its predictions, its performance by window, its calibration, a candidate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import NormalDist
from typing import Any

from renex_jupyter.analysis.change_points import find_change
from renex_jupyter.analysis.drift import compare
from renex_jupyter.analysis.drift_columns import CATEGORICAL, NUMERIC, Compared
from renex_jupyter.analysis.paired_errors import pair_errors
from renex_jupyter.analysis.performance_windows import Stream, calibration_error, measure, measure_patterns
from renex_jupyter.analysis.sample_errors import AUTO, BINARY, REAL, ErrorColumn, make_errors
from renex_jupyter.analysis.sample_pairs import task_of
from renex_jupyter.errors import RenexError
from renex_jupyter.query import datasets as query
from renex_jupyter.query.contents import open_annotations, open_predictions, open_samples
from renex_jupyter.records.datasets import CLASSIFICATION, DETECTION, REGRESSION
from renex_jupyter.records.drift import PREDICTION, ColumnDrift, PerformanceWindow, Thresholds
from renex_jupyter.records.predicates import Predicate
from renex_jupyter.session.current import Session
from renex_jupyter.session.drift_rows import WINDOW, Rows
from renex_jupyter.session.drift_sides import Side
from renex_jupyter.store.workbench import Workbench, quoted

PREDICTED = {  # column of a set of predictions -> kind
    "label": CATEGORICAL,
    "value": NUMERIC,
    "score": NUMERIC,
    "entropy": NUMERIC,
    "length": NUMERIC,
}


@dataclass(slots=True)
class Performance:
    """What was found of a model."""

    windows: tuple[PerformanceWindow, ...] = ()
    results: tuple[ColumnDrift, ...] = ()
    reference: PerformanceWindow | None = None
    latest: PerformanceWindow | None = None
    binary: bool = True
    n_current: int = 0  # predictions on the current data
    facts: dict[str, Any] = field(default_factory=dict)


def examine(
    bench: Workbench,
    session: Session,
    sides: tuple[Side | None, Side],
    rows: Rows,
    *,
    error: str,
    patterns: Sequence[tuple[str, Predicate]],
    limits: Thresholds,
    seed: int,
    columns: int = 0,
) -> Performance:
    """Measure a model on both sides, in each window.

    Parameters
    ----------
    columns : of the samples that are looked at, too, and share the level alpha with what was predicted.
    """
    before, _ = sides
    streams = {side.name: _stream(bench, session, side, error) for side in sides if side is not None}
    found = Performance()
    current, made = streams["current"]
    found.binary = current.binary
    measured = measure(bench, current, rows.windows, whole="current", seed=seed)
    found.n_current = measured[0].n
    first = list[PerformanceWindow]()
    if before is not None:
        found.results = _predicted(bench, rows, limits, columns)
        first = list(measure(bench, streams["reference"][0], (), whole="reference", seed=seed))
    windows = _with_patterns(bench, streams, [*first, *measured], patterns, len(first))
    found.facts["calibration"] = _calibration(bench, streams, rows, windows, limits, len(first))
    if not (found.facts["calibration"] or {}).get("calibrated"):
        windows = [replace(each, expected=None) for each in windows]
    found.windows = tuple(windows)
    found.reference = windows[0] if first else None
    found.latest = _latest(windows[len(first) :], limits)
    if rows.windows:
        found.n_current = windows[-1].n
    if found.reference is not None and made.per == "sample":
        found.facts["change"] = _change(bench, streams["reference"][0], current, limits)
    found.facts = {name: said for name, said in found.facts.items() if said}
    return found


def compare_candidate(
    bench: Workbench,
    session: Session,
    now: Side,
    candidate: object,
    *,
    error: str,
    patterns: Sequence[tuple[str, Predicate]],
    limits: Thresholds,
) -> dict[str, Any]:
    """Return how another model does on the samples of the current data: `model`, `better`, `value`, `than`, `p_value`.

    Raises
    ------
    RenexError : `not_found` where it has no predictions on the current version.
    """
    read = session.store.reader
    row = query.find_prediction_set(
        read, candidate, dataset_version_id=now.version.dataset_version_id, namespace=session.namespace
    )
    other = Side("candidate", now.version, query.as_prediction_set(read, row))
    stream, made = _stream(bench, session, other, error)
    tables = ("current errors", "candidate errors", "current keys", "current")
    whole = pair_errors(bench, *tables, binary=stream.binary, per=made.per)
    worse = []
    for name, predicate in patterns:
        part = pair_errors(bench, *tables, predicate, binary=stream.binary, per=made.per)
        if part["n"] and part["value"] > part["than"] and part["p_value"] < limits.alpha:
            worse.append(name)
    better = bool(whole["n"]) and whole["value"] < whole["than"] and whole["p_value"] < limits.alpha
    return {
        "model": other.predictions.model or other.predictions.name or other.predictions.prediction_set_id,
        "model_version_id": other.predictions.model_version_id,
        **whole,
        "better": better,
        "patterns": len(patterns),
        "worse_patterns": worse,
    }


def _stream(bench: Workbench, session: Session, side: Side, error: str) -> tuple[Stream, ErrorColumn]:
    """Make the tables of one side: predictions, errors, confidences, Brier scores."""
    name, source, blobs = side.name, f"{side.name} set", session.store.blobs
    open_samples(bench, blobs, side.version, "samples")
    open_annotations(bench, blobs, side.version, "annotations")
    open_predictions(bench, blobs, side.predictions, source)
    task = task_of(bench, side.version, side.predictions, source=source)
    wanted = "absolute" if error == AUTO and task == REGRESSION else error
    made = _errors(bench, side, wanted, task, source)
    keys = "current keys" if name == "candidate" else f"{name} keys"
    confidences = _confidences(bench, side, source) if task == CLASSIFICATION else None
    briers = _briers(bench, side, source) if confidences else None
    boxes = made.per != "sample" or task == DETECTION
    return Stream(made.table, keys, made.name, made.kind == BINARY, confidences, briers, boxes), made


def _errors(bench: Workbench, side: Side, error: str, task: str, source: str) -> ErrorColumn:
    """Make the table of errors; where nothing says what is true, one without any."""
    table = f"{side.name} errors"
    try:
        return make_errors(bench, side.version, side.predictions, error=error, name=table, source=source)
    except RenexError as refused:
        if side.name != "current" or side.version.target is not None or side.version.n_annotations:
            raise
        if error not in (AUTO, "error", "absolute") or refused.code != "invalid_argument":
            raise
    bench.run(f"""
        create or replace table {quoted(table)} as
        select _key, null::double as error, coalesce(label, value::varchar, text) as predicted from {quoted(source)}""")
    kind, metric = (REAL, "absolute") if task == REGRESSION else (BINARY, "error")
    return ErrorColumn(metric, kind, task, 0, 0, None, table)


def _confidences(bench: Workbench, side: Side, source: str) -> str | None:
    """Make the table of how sure the model is of each sample; None where it does not say so."""
    name, two = f"{side.name} confidences", len(side.predictions.classes) == 2
    sure = "greatest(score, 1 - score)" if two else "score"
    bench.run(f"""
        create or replace table {quoted(name)} as
        select _key, coalesce(list_max(probabilities), {sure}) as confidence,
            -list_sum(list_transform(probabilities, lambda x: if(x > 0, x * log2(x), 0))) as entropy
        from {quoted(source)} where probabilities is not null or score is not null""")
    n, low, high = bench.values(f"select count(confidence), min(confidence), max(confidence) from {quoted(name)}")[0]
    return name if n and low >= 0 and high <= 1 + 1e-9 else None


def _briers(bench: Workbench, side: Side, source: str) -> str | None:
    name = f"{side.name} briers"
    try:
        make_errors(bench, side.version, side.predictions, error="brier", name=name, source=source)
    except RenexError:  # without probabilities, or without labels, there is none
        return None
    return name


def _predicted(bench: Workbench, rows: Rows, limits: Thresholds, others: int) -> tuple[ColumnDrift, ...]:
    """Return the drift of what was predicted."""
    for side in ("reference", "current"):
        bench.run(f"""
            create or replace view {quoted(f"{side} predicted")} as
            select p.label, p.value, p.score, length(p.text)::double as length, number as {quoted(WINDOW)},
                -list_sum(list_transform(probabilities, lambda x: if(x > 0, x * log2(x), 0))) as entropy
            from {quoted(f"{side} set")} p join {quoted(f"{side} keys")} k on k._key = p._key""")
    there = bench.rows(
        f'select {", ".join(f"count({each}) as {each}" for each in PREDICTED)} from "reference predicted"'
    )[0]
    columns = [
        Compared(name, kind, quoted(name), quoted(name), PREDICTION) for name, kind in PREDICTED.items() if there[name]
    ]
    return compare(
        bench,
        columns,
        reference="reference predicted",
        current="current predicted",
        window=rows.window,
        windows=rows.windows,
        thresholds=limits,
        tested=len(columns) + others,
    )


def _with_patterns(
    bench: Workbench,
    streams: dict[str, tuple[Stream, ErrorColumn]],
    windows: list[PerformanceWindow],
    patterns: Sequence[tuple[str, Predicate]],
    first: int,
) -> list[PerformanceWindow]:
    """Return the windows with the error of each named pattern, whose intervals hold for all patterns together."""
    if not patterns:
        return windows
    z = NormalDist().inv_cdf(1 - 0.025 / len(patterns))
    found = []
    for place, each in enumerate(windows):
        side = "reference" if place < first else "current"
        number = None if place <= first else place - first - 1
        measured = measure_patterns(bench, streams[side][0], side, patterns, number, z)
        found.append(replace(each, patterns=measured))
    return found


def _calibration(
    bench: Workbench,
    streams: dict[str, tuple[Stream, ErrorColumn]],
    rows: Rows,
    windows: Sequence[PerformanceWindow],
    limits: Thresholds,
    first: int,
) -> dict[str, Any]:
    """Return the calibration error of both sides, what of it is noise, and whether the reference counts as calibrated."""
    if "reference" not in streams:
        return {}
    error, noise = calibration_error(bench, streams["reference"][0])
    if error is None:
        return {}
    latest = _latest(windows[first:], limits)
    number = rows.windows.index(latest.window) if latest is not None and latest.window in rows.windows else None
    current, of_it = calibration_error(bench, streams["current"][0], *([] if number is None else [number]))
    return {
        "reference": error,
        "current": current,
        "noise": of_it,
        "reference_noise": noise,
        "calibrated": error <= limits.ece + noise,
    }


def _latest(windows: Sequence[PerformanceWindow], limits: Thresholds) -> PerformanceWindow | None:
    """Return the last window with enough labels, else all of them together; the first of `windows` is that."""
    enough = [each for each in windows[1:] if each.n_labelled >= limits.least]
    whole = windows[0] if windows and windows[0].n_labelled >= limits.least else None
    return enough[-1] if enough else whole


def _change(bench: Workbench, before: Stream, now: Stream, limits: Thresholds) -> dict[str, Any] | None:
    """Return where the error began to rise in the order of the rows."""
    known, mean, deviation = bench.values(
        f"""select count(error), avg(error), stddev_pop(error) from {quoted(before.errors)} e
        join {quoted(before.keys)} k on k._key = e._key"""
    )[0]
    if not known:
        return None
    bench.run(f"""
        create or replace temp table "drift stream" as
        select place, error, moment from {quoted(now.errors)} e join {quoted(now.keys)} k on k._key = e._key""")
    found = find_change(bench, "drift stream", mean=mean, deviation=deviation, known=known, alpha=limits.alpha)
    if found is None:
        return None
    said = dict(
        bench.values('select place, moment from "drift stream" where place in (?, ?)', [found.row, found.since])
    )
    return {"at": said[found.row], "since": said[found.since], "row": found.row, "since_row": found.since}
