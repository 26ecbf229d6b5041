"""How good predictions are, as Plotly figures in a cell: confusion, curves, calibration, residuals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from renex_jupyter.records.evaluations import NO_PREDICTION, NO_TRUTH, Calibration, Evaluation
from renex_jupyter.session import evaluating
from renex_jupyter.session.current import current
from renex_jupyter.session.opened_predictions import chosen, laid_open
from renex_jupyter.store.workbench import quoted

if TYPE_CHECKING:
    import pandas as pd


def confusion_figure(dataset: Any, predictions: Any = None, *, model: Any = None) -> Any:
    """Return a Plotly figure (`go.Figure`) of how often each class was predicted as each, coloured by share of the row.

    The `customdata` of a cell is [actual, predicted]: `rx.confusion_samples` returns its samples.

    Parameters
    ----------
    dataset : version of a dataset, or what `rx.evaluate` returned.
    predictions, model : as in `rx.evaluate`.

    Raises
    ------
    RenexError : as `rx.evaluate`.
    """
    import plotly.graph_objects as go  # type: ignore[import-untyped]

    from renex_jupyter.analysis.figures.confusion import confusion_figure as figure

    is_done = isinstance(dataset, Evaluation)
    found = dataset if is_done else evaluating.evaluate(dataset, predictions, model=model, log=False)
    return go.Figure(figure(found.counts, [each.label for each in found.classes], title=found.title))


def confusion_samples(
    dataset: Any,
    predictions: Any = None,
    *,
    actual: object = None,
    predicted: object = None,
    model: Any = None,
    limit: Any = None,
) -> pd.DataFrame:
    """Return the samples of one cell of the confusion matrix.

    Parameters
    ----------
    dataset, predictions, model : as in `rx.evaluate`.
    actual, predicted : classes as the figure names them; None, or its "(no ground truth)" and "(no prediction)": not known.
    limit : most rows, those first of which the model was surest; None: all.

    Returns
    -------
    DataFrame: _key, actual, predicted, score, then the columns of the samples.

    Raises
    ------
    RenexError : as `rx.evaluate`; `invalid_argument` where both are None, and for boxes, which are matched.
    """
    from renex_jupyter.analysis.sample_errors import confidence
    from renex_jupyter.analysis.sample_pairs import make_pairs
    from renex_jupyter.errors import invalid_argument, shown

    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
        raise invalid_argument(f"limit {shown(limit)} is no number of rows.", "Use a whole number from 0.")
    wanted = [_class(actual, NO_TRUTH), _class(predicted, NO_PREDICTION)]
    if wanted == [None, None]:
        raise invalid_argument(
            "neither actual= nor predicted= is given.", 'Give such as actual="cat", predicted="dog".'
        )
    with laid_open(current(), dataset, predictions=chosen(predictions, model)) as laid:
        pairs = make_pairs(laid.bench, laid.version, laid.predictions)
        taken = {"_key", "actual", "predicted", "score"}
        own = [f"s.{quoted(each)}" for each in laid.bench.columns("samples") if each.lower() not in taken]
        columns = ", ".join(["_key", "actual", "predicted", f"{confidence(pairs)} as score"])
        return laid.bench.frame(
            f"""select {", ".join(["p.*", *own])} from (select {columns} from {quoted(pairs.name)}) p
            left join samples s on s._key = p._key
            where p.actual is not distinct from ? and p.predicted is not distinct from ?
            order by p.score desc nulls last, p._key {"" if limit is None else f"limit {limit}"}""",
            wanted,
        )


def _class(given: object, unknown: str) -> str | None:
    if given is None or given == unknown:
        return None
    return str(given).lower() if isinstance(given, bool) else str(given)


def precision_recall_figure(
    dataset: Any, predictions: Any = None, *, model: Any = None, positive: object = None
) -> Any:
    """Return a Plotly figure of precision against recall, with the average precision of each class.

    Parameters
    ----------
    dataset, predictions, model, positive : as in `rx.precision_recall_curve`.
    """
    import plotly.graph_objects as go

    from renex_jupyter.analysis.figures.curves import precision_recall_figure as figure

    found = evaluating.precision_recall_curve(dataset, predictions, model=model, positive=positive)
    return go.Figure(figure(_by_class(found), found.attrs.get("average_precision")))


def roc_figure(dataset: Any, predictions: Any = None, *, model: Any = None, positive: object = None) -> Any:
    """Return a Plotly figure of true against false positives, with the area of each class.

    Parameters
    ----------
    dataset, predictions, model, positive : as in `rx.roc_curve`.
    """
    import plotly.graph_objects as go

    from renex_jupyter.analysis.figures.curves import roc_figure as figure

    found = evaluating.roc_curve(dataset, predictions, model=model, positive=positive)
    return go.Figure(figure(_by_class(found), found.attrs.get("auc")))


def _by_class(curves: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {str(name): part for name, part in curves.groupby("class", sort=False)}


def calibration_figure(dataset: Any, predictions: Any = None, *, model: Any = None, positive: object = None) -> Any:
    """Return a Plotly figure of how often what got a probability came true.

    Parameters
    ----------
    dataset : version of a dataset, or what `rx.calibration` returned.
    predictions, model, positive : as in `rx.calibration`.
    """
    import plotly.graph_objects as go

    from renex_jupyter.analysis.figures.curves import calibration_figure as figure

    is_done = isinstance(dataset, Calibration)
    return go.Figure(
        figure(dataset if is_done else evaluating.calibration(dataset, predictions, model=model, positive=positive))
    )


def residual_figure(dataset: Any, predictions: Any = None, *, model: Any = None, by: str = "predicted") -> Any:
    """Return a Plotly figure of residuals (actual minus predicted): some samples, and the middle and range of all.

    Parameters
    ----------
    dataset, predictions, model, by : as in `rx.residuals`.
    """
    import pandas as pd
    import plotly.graph_objects as go

    from renex_jupyter.analysis.figures.residuals import residual_figure as figure

    bins = evaluating.residuals(dataset, predictions, model=model, by=by)
    columns = ["_key", "actual", "predicted", "residual", "by"]
    sample = pd.DataFrame(bins.attrs.get("sample") or [], columns=columns)
    return go.Figure(figure(sample, bins, by=by))


def comparison_figure(dataset: Any, a: Any = None, b: Any = None, **options: Any) -> Any:
    """Return a Plotly figure of two sets of predictions: on all samples, and where the second errs less or more.

    Parameters
    ----------
    dataset : version of a dataset, or what `rx.compare_predictions` returned.
    a, b, options : as of `rx.compare_predictions`.
    """
    import plotly.graph_objects as go

    from renex_jupyter.analysis.figures.comparison import comparison_figure as figure
    from renex_jupyter.records.comparisons import Comparison
    from renex_jupyter.session.comparing import compare_predictions

    found = dataset if isinstance(dataset, Comparison) else compare_predictions(dataset, a, b, **options)
    return go.Figure(figure(found))
