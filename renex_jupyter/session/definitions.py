"""What metrics mean, and their summaries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from renex_jupyter.capture.secrets import redact_text
from renex_jupyter.errors import invalid_argument, shown, text_argument
from renex_jupyter.query.metrics import Owned, find_definition, summaries_of
from renex_jupyter.query.runs import find_runs
from renex_jupyter.records.changes import Change
from renex_jupyter.records.keys import checked
from renex_jupyter.records.metrics import GOALS, SUMMARIES, MetricDefinition
from renex_jupyter.records.owners import Owner
from renex_jupyter.records.values import checked_text
from renex_jupyter.session.current import current
from renex_jupyter.session.found_runs import mark_vanished
from renex_jupyter.session.metric_owners import owners_to_read
from renex_jupyter.session.metrics import chosen_keys, words_of_runs
from renex_jupyter.session.runs import active_run

if TYPE_CHECKING:
    import pandas as pd

TABLE = "metric_definitions"


def define_metric(
    key: str,
    *,
    goal: str | None = None,
    summary: str | None = None,
    unit: str | None = None,
    description: str | None = None,
) -> MetricDefinition:
    """Say what a metric means, for all of the store; what is not given stays as it was.

    Parameters
    ----------
    key : as it is logged, such as "val/loss". It need not have been logged yet.
    goal : "min" or "max": which values are better; policies and the best checkpoint go by it.
    summary : "last", "min", "max" or "mean": which one value says a whole series in `metric_summaries`; until it is
        defined the best one where there is a goal, else the last.
    unit : such as "s".

    Raises
    ------
    RenexError : `invalid_argument`; what the store says when it cannot be written.
    """
    key = checked("metric", key)
    given = {
        "goal": _one_of("goal", goal, GOALS),
        "summary": _one_of("summary", summary, SUMMARIES),
        "unit": _said("unit", unit),
        "description": _said("description", description),
    }
    session = current()
    session.begin()
    before = find_definition(session.store.reader, key)
    fresh = {name: value for name, value in given.items() if value is not None}
    was = None if before is None else {name: getattr(before, name) for name in fresh}
    if before is None or was != fresh:
        action = "create" if before is None else "update"
        session.store.write(Change(TABLE, key, action, {"definition_id": key, **fresh}, was))
    known = {} if before is None else {name: getattr(before, name) for name in given}
    return MetricDefinition(key, **{**known, **fresh})


def metric_summaries(
    runs: Any = None,
    keys: str | Iterable[str] | None = None,
    *,
    on: object = None,
    dataset: str | None = None,
) -> pd.DataFrame:
    """Return one row per metric of runs, or of other objects: last, least, greatest, mean, and the one that counts.

    Parameters
    ----------
    runs, keys, on, dataset : as in `metric_history`.

    Returns
    -------
    Of runs: DataFrame (n, 10): run_id, name, key, last, min, max, mean [as logged], points (how many numbers), goal,
        summary [as logged]: what `define_metric` says, else the best where there is a goal, else the last. NaN counts
        as a point and as the last value, and is left out of the others.
    Of other objects: owner_kind, owner_id, name, dataset (None: of the object itself) instead of run_id and name.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    session, chosen = current(), chosen_keys(keys)
    read = session.store.reader
    if on is not None or dataset is not None:
        if runs is not None:
            raise invalid_argument("runs and on= both name what has the metrics.", "Give one of them.")
        return summaries_of(read, owners_to_read(session, on, dataset), chosen)
    given = active_run() if runs is None else runs
    if given is None:
        raise invalid_argument("no run is open.", "Name the runs, such as rx.metric_summaries(['train', 'baseline']).")
    wanted = words_of_runs(given)
    mark_vanished(session)
    found = [Owner("run", run_id, "", name or "") for run_id, name in find_runs(read, wanted).items()]
    frame = summaries_of(read, [Owned(each, each, None) for each in found], chosen)
    return frame.drop(columns=["owner_kind", "dataset"]).rename(columns={"owner_id": "run_id"})


def _one_of(what: str, value: Any, words: tuple[str, ...]) -> str | None:
    if value is not None and value not in words:
        raise invalid_argument(f"{what} {shown(value)} is none.", f"Use one of {', '.join(words)}.")
    return value  # type: ignore[no-any-return]


def _said(what: str, value: Any) -> str | None:
    if value is None:
        return None
    return checked_text(what, redact_text(text_argument(value, f"the {what} of a metric", "Use a text.")))
