"""Whether more or less of a metric is better: said where it is asked, or once by `define_metric`, else more."""

from __future__ import annotations

import re

from renex_jupyter.errors import invalid_argument, shown
from renex_jupyter.records.metrics import GOALS
from renex_jupyter.store.reader import Reader

LESS_IS_BETTER = re.compile(
    r"loss|err(or)?|mae|mse|rmse|mape|nll|perplexity|ppl|wer|cer|fid|divergence|latency|seconds|time"
)


def goal_of(read: Reader, metric: str, given: str | None = None) -> str:
    """Return "max" or "min", where somebody chooses by a metric.

    Parameters
    ----------
    given : what was said where it is asked.

    Raises
    ------
    RenexError : `invalid_argument` for a goal that is none, and where nobody said one of a metric that is named like
        what there should be little of: nobody wants the greatest loss.
    """
    if given is not None and given not in GOALS:
        raise invalid_argument(f"goal {shown(given)} is none.", 'Use "min" or "max".')
    goal = given or said_of(read, metric)
    if goal is None and any(LESS_IS_BETTER.fullmatch(word) for word in re.split(r"[^a-z]+", metric.lower())):
        hint = f'Give goal="min", or say it once: rx.define_metric("{metric}", goal="min").'
        raise invalid_argument(f"nobody said whether less or more of '{metric}' is better.", hint)
    return goal or "max"


def said_of(read: Reader, metric: str) -> str | None:
    """Return what `define_metric` said of a metric; None where it said nothing."""
    rows = read.rows("select goal from inside.metric_definitions where definition_id = ?", [metric])
    goal = rows[0]["goal"] if rows else None
    return goal if goal in GOALS else None
