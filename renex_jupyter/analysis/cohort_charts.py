"""The tables of charts: each is one question to the table of a cohort.

References
----------
Areas under curves by the trapezoid rule and average precision as the sum of precision over the steps of recall, as
scikit-learn has them, over at most 1,001 thresholds; expected calibration error: C. Guo et al., "On Calibration of Modern
Neural Networks", ICML 2017, equation 3.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from typing import Any

from renex_jupyter.analysis.cohort_columns import NOT_A_NUMBER, OTHERS, Dimension
from renex_jupyter.analysis.cohort_errors import STEPS, UNIT, Predicted
from renex_jupyter.analysis.cohorts import Cohort, number_of
from renex_jupyter.errors import RenexError, invalid_argument
from renex_jupyter.records import charts
from renex_jupyter.records.charts import Chart, ChartTable
from renex_jupyter.records.predicates import every
from renex_jupyter.store.workbench import literal, quoted

POINTS = 1000  # of a scatter chart
ROWS = 100  # of a chart that is a table
_Row = tuple[Any, ...]


def chart_table(cohort: Cohort, chart: Chart) -> ChartTable:
    """Return the table of one chart over the filter in force; of one that cannot be made, why."""
    try:
        made = _MAKERS[chart.type](cohort, chart)
    except RenexError as error:
        return ChartTable(chart, problem=f"{error.message} {error.hint}".strip())
    rows = tuple(tuple(map(_plain, each)) for each in made.rows)
    return dataclasses.replace(made, rows=rows)


def _count(cohort: Cohort, chart: Chart) -> ChartTable:
    end, values = cohort.rows_of(chart)
    if not chart.columns:
        [(n,)] = cohort.bench.values(f"select count(*) {end}", values)
        return ChartTable(chart, ("count",), ((n,),), {"samples": n})
    by = _dimension(cohort, chart.columns[0], chart.bins)
    groups = cohort.bench.values(f"select {quoted(by.code)}, count(*) {end} group by 1", values)
    rows = [(*by.described(code), n) for code, n in _most(by, groups, lambda a, b: (a[0] + b[0],))]
    return ChartTable(chart, ("value", "low", "high", "count"), tuple(rows), {"samples": sum(n for _, n in groups)})


def _histogram(cohort: Cohort, chart: Chart) -> ChartTable:
    by = _dimension(cohort, chart.columns[0], chart.bins)
    if not by.is_binned:
        raise invalid_argument(f"column '{by.column}' has no numbers to draw a histogram of.", "Take a chart 'count'.")
    end, values = cohort.rows_of(chart)
    found: dict[Any, int] = dict(cohort.bench.values(f"select {quoted(by.code)}, count(*) {end} group by 1", values))
    rows = [(*by.described(code)[1:], found.get(code, 0)) for code in range(by.bins)]
    facts = {"samples": sum(found.values()), "null": found.get(None, 0), "nan": found.get(NOT_A_NUMBER, 0)}
    return ChartTable(chart, ("low", "high", "count"), tuple(rows), facts)


def _error_rate(cohort: Cohort, chart: Chart) -> ChartTable:
    end, values = cohort.rows_of(chart)
    by = _dimension(cohort, chart.columns[0], chart.bins) if chart.columns else None
    rows: list[_Row] = []
    facts: dict[str, Any] = {}
    for each in _predictions(cohort):
        error = each.column("error")
        group = "null" if by is None else quoted(by.code)
        query = f"select {group} as g, count({error}), sum({error}) {end} group by g"
        groups = [(code, n, int(total or 0)) for code, n, total in cohort.bench.values(query, values)]
        n, total = sum(g[1] for g in groups), sum(g[2] for g in groups)
        facts |= {f"samples {each.title}": n, f"{each.error} {each.title}": _mean(total, n, each.scale)}
        told = groups if by is None else _most(by, groups, lambda a, b: (a[0] + b[0], a[1] + b[1]))
        for code, m, wrong in told if by is not None else [(None, n, total)]:
            named = ("all", None, None) if by is None else by.described(code)
            rows.append((each.title, *named, m, wrong * each.scale, _mean(wrong, m, each.scale)))
    return ChartTable(chart, ("predictions", "value", "low", "high", "samples", "errors", "rate"), tuple(rows), facts)


def _heatmap(cohort: Cohort, chart: Chart) -> ChartTable:
    end, values = cohort.rows_of(chart)
    a, b = (_dimension(cohort, each, chart.bins) for each in chart.columns)
    sets = [each for each in cohort.predicted if not each.problem][:1]  # of the first: a cell has one colour
    error = sets[0].column("error") if sets else "null::bigint"
    query = f"select {quoted(a.code)}, {quoted(b.code)}, count(*), count({error}), sum({error}) {end} group by 1, 2"
    groups = [(*each[:4], int(each[4] or 0)) for each in cohort.bench.values(query, values)]
    kept = [_kept(each, [(g[at], g[2]) for g in groups]) for at, each in enumerate((a, b))]
    cells: dict[tuple[Any, Any], tuple[int, int, int]] = {}
    for x, y, n, known, wrong in groups:
        key = (x if x in kept[0] else OTHERS, y if y in kept[1] else OTHERS)
        was = cells.get(key, (0, 0, 0))
        cells[key] = (was[0] + n, was[1] + known, was[2] + wrong)
    ordered = sorted(cells.items(), key=lambda each: (_rank(a, each[0][0]), _rank(b, each[0][1])))
    scale = sets[0].scale if sets else 1.0
    rows = [
        (a.described(x)[0], b.described(y)[0], n, known, _mean(wrong, known, scale))
        for (x, y), (n, known, wrong) in ordered
    ]
    facts = {"samples": sum(each[2] for each in groups), "predictions": sets[0].title if sets else None}
    return ChartTable(chart, (*_two(chart.columns), "count", "known", "rate"), tuple(rows), facts)


def _confusion(cohort: Cohort, chart: Chart) -> ChartTable:
    end, values = cohort.rows_of(chart)
    rows: list[_Row] = []
    facts: dict[str, Any] = {}
    for each in _predictions(cohort):
        if each.task != "classification":
            raise invalid_argument(f"{each.title} predicts no classes.", "Take an error rate.")
        counted = (
            f"select {each.column('actual')} as a, {each.column('predicted')} as p, count(*) as n {end} group by a, p"
        )
        groups = cohort.bench.values(f"select a::varchar, p::varchar, n from ({counted})", values)
        known = [group for group in groups if None not in group[:2]]
        order = {name: at for at, name in enumerate(each.classes)}
        rows += [(each.title, *g) for g in sorted(known, key=lambda g: (order[g[0]], order[g[1]]))]
        n, right = sum(g[2] for g in known), sum(g[2] for g in known if g[0] == g[1])
        facts |= {f"samples {each.title}": n, f"accuracy {each.title}": right / n if n else None}
    return ChartTable(chart, ("predictions", "actual", "predicted", "count"), tuple(rows), facts)


def _roc(cohort: Cohort, chart: Chart) -> ChartTable:
    rows: list[_Row] = []
    facts: dict[str, Any] = {}
    for each, steps in _curves(cohort, chart):
        p, n = steps[-1][1:] if steps else (0, 0)
        area = 0.0
        before = (0.0, 0.0)
        rows.append((each.title, None, 0.0, 0.0))
        for threshold, tp, fp in steps:
            now = (fp / n if n else 0.0, tp / p if p else 0.0)
            area += (now[0] - before[0]) * (now[1] + before[1]) / 2
            rows.append((each.title, threshold, *now))
            before = now
        facts[f"area {each.title}"] = area if p and n else None
    return ChartTable(chart, ("predictions", "threshold", "fpr", "tpr"), tuple(rows), facts)


def _pr(cohort: Cohort, chart: Chart) -> ChartTable:
    rows: list[_Row] = []
    facts: dict[str, Any] = {}
    for each, steps in _curves(cohort, chart):
        p = steps[-1][1] if steps else 0
        average, before = 0.0, 0.0
        for threshold, tp, fp in steps:
            precision, recall = tp / (tp + fp), tp / p if p else 0.0
            average += (recall - before) * precision
            rows.append((each.title, threshold, precision, recall))
            before = recall
        facts[f"average precision {each.title}"] = average if p else None
    return ChartTable(chart, ("predictions", "threshold", "precision", "recall"), tuple(rows), facts)


def _calibration(cohort: Cohort, chart: Chart) -> ChartTable:
    end, values = cohort.rows_of(chart)
    rows: list[_Row] = []
    facts: dict[str, Any] = {}
    for each in _predictions(cohort):
        if each.task != "classification" or not each.is_probability:
            raise invalid_argument(
                f"{each.title} has no probabilities.", "Log them: rx.log_predictions(..., probabilities=...)."
            )
        score, error = each.column("score"), each.column("error")
        code = f"least({score}::bigint * {chart.bins} // {UNIT}, {chart.bins - 1})"
        query = f"select {code} as b, count(*), sum({score}), sum({error}) {end} and {score} is not null"
        groups = cohort.bench.values(f"{query} and {error} is not null group by b order by b", values)
        n, gap = sum(g[1] for g in groups), 0.0
        for b, m, total, wrong in groups:
            sure, right = int(total) / UNIT / m, 1 - int(wrong) / m
            gap += m * abs(sure - right)
            rows.append((each.title, b / chart.bins, (b + 1) / chart.bins, m, sure, right))
        facts |= {f"samples {each.title}": n, f"calibration error {each.title}": gap / n if n else None}
    columns = ("predictions", "low", "high", "samples", "confidence", "accuracy")
    return ChartTable(chart, columns, tuple(rows), facts)


def _scatter(cohort: Cohort, chart: Chart) -> ChartTable:
    _check_columns(cohort, chart.columns)
    x, y = (number_of(cohort, each) for each in chart.columns)
    error = next((each.column("error") for each in cohort.predicted if not each.problem), "null")
    rows = cohort.drawn(chart, [x, y, error], POINTS)
    return ChartTable(chart, ("_key", *_two(chart.columns), "error"), tuple(rows), {"drawn": len(rows)})


def _table(cohort: Cohort, chart: Chart) -> ChartTable:
    names = chart.columns or tuple(cohort.columns)
    _check_columns(cohort, names)
    predicate = cohort.filter if chart.filter is None else every(cohort.filter, chart.filter)
    query, values = cohort.listing(predicate, names, (), ROWS)
    rows = cohort.bench.values(query, values)
    return ChartTable(chart, tuple(dict.fromkeys(["_key", *names])), tuple(rows), {"shown": len(rows)})


_MAKERS: Mapping[str, Callable[[Cohort, Chart], ChartTable]] = {
    charts.COUNT: _count,
    charts.HISTOGRAM: _histogram,
    charts.ERROR_RATE: _error_rate,
    charts.HEATMAP: _heatmap,
    charts.CONFUSION: _confusion,
    charts.ROC: _roc,
    charts.PR: _pr,
    charts.CALIBRATION: _calibration,
    charts.SCATTER: _scatter,
    charts.TABLE: _table,
}


def _dimension(cohort: Cohort, column: str, bins: int) -> Dimension:
    _check_columns(cohort, (column,))
    if (column, bins) in cohort.problems:
        raise invalid_argument(cohort.problems[column, bins])
    return cohort.dimensions[column, bins]


def _check_columns(cohort: Cohort, names: tuple[str, ...]) -> None:
    missing = [each for each in names if each not in cohort.columns]
    if missing:
        raise invalid_argument(f"there is no column '{missing[0]}' in {cohort.version.reference}.")


def _predictions(cohort: Cohort) -> list[Predicted]:
    if not cohort.predicted:
        raise invalid_argument("there are no predictions to compare.", "Name some: compare=['digits:3'].")
    for each in cohort.predicted:
        if each.problem:
            raise invalid_argument(f"{each.title}: {each.problem}")
    return cohort.predicted


def _curves(cohort: Cohort, chart: Chart) -> Iterator[tuple[Predicted, list[tuple[float, int, int]]]]:
    """Yield predictions with thresholds from high to low, and the true and false positives from there on up."""
    end, values = cohort.rows_of(chart)
    for each in _predictions(cohort):
        label = each.positive(chart.label)
        _, column, low, high = next(curve for curve in each.curves if curve[0] == label)
        actual = each.column("actual")
        query = f"""
            select {quoted(column)} as step, count(*) filter ({actual} = {literal(label)}), count(*) {end}
            and {quoted(column)} is not null and {actual} is not null group by step order by step desc"""
        steps, tp, fp = list[tuple[float, int, int]](), 0, 0
        for at, positives, n in cohort.bench.values(query, values):
            tp, fp = tp + positives, fp + n - positives
            steps.append((low + at * (high - low) / STEPS, tp, fp))
        yield each, steps


def _most(by: Dimension, groups: list[_Row], add: Callable[[_Row, _Row], _Row]) -> list[_Row]:
    """Return groups in order, of a column of values the most frequent ones and the others as one."""
    kept = _kept(by, [(g[0], g[1]) for g in groups])
    found: dict[Any, _Row] = {}
    for code, *sums in groups:
        key = code if code in kept else OTHERS
        found[key] = add(found[key], tuple(sums)) if key in found else tuple(sums)
    return [(code, *found[code]) for code in sorted(found, key=lambda each: _rank(by, each))]


def _kept(by: Dimension, counts: list[tuple[Any, int]]) -> set[Any]:
    if by.is_binned:
        return {code for code, _ in counts}
    totals: dict[Any, int] = {}
    for code, n in counts:
        totals[code] = totals.get(code, 0) + n
    frequent = sorted(totals, key=lambda code: (-totals[code], code is None, str(code)))
    return set(frequent[: by.bins])


def _rank(by: Dimension, code: Any) -> tuple[int, Any]:
    """Return where a group is shown: values in order, then the others, then NaN and NULL."""
    if code is None:
        return 3, ""
    if by.is_binned:
        return (2, 0) if code == NOT_A_NUMBER else (0, code)
    return (1, "") if code == OTHERS else (0, str(code))


def _mean(total: int, n: int, scale: float) -> float | None:
    return None if not n else total * scale / n


def _two(names: tuple[str, ...]) -> tuple[str, str]:
    """Return the names of two columns of a table, which differ."""
    a, b = names
    return (a, b) if a != b else (a, f"{b} again")


def _plain(value: Any) -> Any:
    """Return a value as JSON can say it."""
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else str(value)
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return str(value)
