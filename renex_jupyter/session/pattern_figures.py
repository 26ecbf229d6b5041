"""Where a model fails, as Plotly figures in a cell: patterns with both error rates, their conditions, two columns; drift."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from renex_jupyter.errors import invalid_argument, shown
from renex_jupyter.records.drift import DriftReport
from renex_jupyter.records.failure_patterns import FailurePattern, FailurePatterns
from renex_jupyter.records.predicates import columns as columns_of
from renex_jupyter.session.current import current
from renex_jupyter.session.filters import as_predicate
from renex_jupyter.session.opened_predictions import chosen, laid_open

ROWS, CHOSEN = "rows", "chosen rows"


def pattern_figure(found: FailurePatterns | FailurePattern | Iterable[FailurePattern]) -> Any:
    """Return a Plotly figure (`go.Figure`) of failure patterns: both error rates of each, beside those of all samples.

    Parameters
    ----------
    found : what `rx.failure_patterns` or `rx.list_patterns` returned, or one of its patterns.

    Raises
    ------
    RenexError : `invalid_argument` for anything else.
    """
    import plotly.graph_objects as go  # type: ignore[import-untyped]

    from renex_jupyter.analysis.figures.patterns import pattern_figure as figure

    title = found.title if isinstance(found, FailurePatterns) else ""
    patterns = _patterns(found)
    error = found.search.error if isinstance(found, FailurePatterns) else (patterns[0].error if patterns else "error")
    return go.Figure(figure([each.as_dict() for each in patterns], error=error, title=title))


def _patterns(found: Any) -> list[FailurePattern]:
    patterns = [found] if isinstance(found, FailurePattern) else found
    if isinstance(patterns, Iterable):
        patterns = list(patterns)
        if all(isinstance(each, FailurePattern) for each in patterns):
            return patterns
    raise invalid_argument(f"{shown(found)} are no failure patterns.", "Give what rx.failure_patterns(...) returned.")


def waterfall(pattern: FailurePattern) -> Any:
    """Return a Plotly figure of how the conditions of a pattern add up from the error rate of all samples to its own.

    Raises
    ------
    RenexError : `invalid_argument` for what is no failure pattern.
    """
    import plotly.graph_objects as go

    from renex_jupyter.analysis.figures.waterfall import by_condition, waterfall_figure

    if not isinstance(pattern, FailurePattern):
        raise invalid_argument(f"{shown(pattern)} is no failure pattern.", "Give one of rx.failure_patterns(...).")
    steps = by_condition(pattern.contributions, pattern.predicate)
    return go.Figure(waterfall_figure(steps, pattern.base_rate, error=pattern.error, title=pattern.title))


def heatmap(
    dataset: Any,
    predictions: Any,
    a: Any,
    b: Any,
    *,
    model: Any = None,
    error: str = "auto",
    where: Any = None,
    bins: Any = 8,
    least: Any = 20,
) -> Any:
    """Return a Plotly figure of the error rate by two columns of the samples.

    Parameters
    ----------
    dataset : version of a dataset.
    predictions : on it; None: the newest, or those of `model`.
    a, b : columns: the one to the right and the one upwards. Also "predicted" and "actual".
    error : as in `rx.failure_patterns`.
    where : a filter of the samples: a text such as "age >= 30", a predicate, a pattern.
    bins : most parts of a column: quantiles of numbers, of others the most frequent values.
    least : samples that a cell needs; with fewer it is grey.

    Raises
    ------
    RenexError : `not_found`, `invalid_argument` for unknown columns, and where no sample has an error.
    """
    import plotly.graph_objects as go

    from renex_jupyter.analysis.error_grid import error_grid
    from renex_jupyter.analysis.figures.heatmap import heatmap_figure
    from renex_jupyter.session.pattern_rows import lay_rows
    from renex_jupyter.store.conditions import condition

    for name, value, low, high in (("bins", bins, 2, 50), ("least", least, 1, 10**9)):
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise invalid_argument(
                f"{name} {shown(value)} is no whole number from {low} to {high:,}.", "Use such as 8."
            )
    if not (isinstance(a, str) and isinstance(b, str)) or a.lower() == b.lower():
        raise invalid_argument(f"{shown(a)} and {shown(b)} are no two columns.", 'Give such as "age", "sex".')
    asked = as_predicate(where)
    with laid_open(current(), dataset, predictions=chosen(predictions, model)) as laid:
        rows = lay_rows(
            laid.bench, laid.version, laid.predictions, error=error, columns=[a, b, *sorted(columns_of(asked))]
        )
        text, values = condition(as_predicate(asked, laid.bench.columns(ROWS)))
        laid.bench.run(f'create or replace table "{CHOSEN}" as from {ROWS} where {text}', values)
        grid = error_grid(laid.bench, CHOSEN, rows.columns[0], rows.columns[1], bins=bins, least=least)
        return go.Figure(heatmap_figure(grid, error=rows.error.name))


def drift_figure(report: DriftReport) -> Any:
    """Return a Plotly figure of a drift report: a strip per column, the worst on top.

    Raises
    ------
    RenexError : `invalid_argument` for what is no report.
    """
    import plotly.graph_objects as go

    from renex_jupyter.analysis.figures.drift import drift_figure as figure

    if not isinstance(report, DriftReport):
        raise invalid_argument(f"{shown(report)} is no drift report.", "Give what rx.drift(...) returned.")
    return go.Figure(figure(report))
