"""Metric points: those of the open run, or of anything else, are logged, and those of any are read."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from renex_jupyter.errors import invalid_argument, shown, text_argument
from renex_jupyter.query.objects import RUN, checked_word
from renex_jupyter.records.changes import to_microseconds
from renex_jupyter.records.decoding import MetricValue, decoded
from renex_jupyter.records.keys import checked
from renex_jupyter.session.active_run import ActiveRun
from renex_jupyter.session.current import current
from renex_jupyter.session.found_runs import mark_vanished
from renex_jupyter.session.metric_owners import log_on, owners_to_read
from renex_jupyter.session.runs import active_run, run_to_log_on

if TYPE_CHECKING:
    import pandas as pd

LEAST_POINTS = 4  # of a thinned series: first, last, least, greatest


def log_metric(
    key: str,
    value: Any,
    step: int | None = None,
    wallclock: float | datetime | None = None,
    *,
    on: object = None,
    dataset: str | None = None,
) -> None:
    """Log one value of a metric on the open run; when this returns, the value survives the death of the process.

    No value stops the program. One that cannot be kept exactly is refused with one warning per run, key and reason;
    points that the store does not take, because the disk is full or read-only, wait in memory with one warning, are
    tried again once a second and when the run ends, and what is lost by then is counted in a last warning.

    Parameters
    ----------
    key : a name such as "loss" or "val/loss"; a slash groups charts. At most 500 characters.
    value : number (NaN and inf are kept), text, bytes, or an array or tensor, at most 1 MiB; see docs/values.md.
    step : any whole number, may repeat and go back; None: one more than the highest so far (from 0) of this key.
    wallclock : seconds since the epoch or an aware datetime; None: now.
    on : what has the metric instead of the open run: a checkpoint, a model, a model version ("digits:3",
        "digits@champion"), an experiment ("experiment:digits"), any run. The highest step of such a one is looked up
        each time that no step is given.
    dataset : the name of what it was measured on, such as "test": the metric is then one of the evaluation of the
        object, or of the open run, on that dataset.

    Raises
    ------
    RenexError : `invalid_argument` for a key, a step or a wallclock that is none, `not_found`, `ambiguous` for `on`;
        never for the value or the disk.
    """
    if type(key) is not str:
        checked("metric", key)
    if on is not None or dataset is not None:
        _log_on(((key, value),), step, wallclock, on, dataset)
    else:
        _log(((key, value),), step, wallclock)


def log_metrics(
    values: Mapping[str, Any],
    step: int | None = None,
    wallclock: float | datetime | None = None,
    *,
    on: object = None,
    dataset: str | None = None,
) -> None:
    """Log several metrics at one step, with one write; a value that is refused costs the others nothing.

    See `log_metric`, whose errors and warnings these are.
    """
    if not isinstance(values, Mapping):
        raise invalid_argument(f"metrics are no {type(values).__name__}.", "Give a dict, such as {'loss': 0.1}.")
    if on is not None or dataset is not None:
        _log_on(list(values.items()), step, wallclock, on, dataset)
    else:
        _log(list(values.items()), step, wallclock)


def metric_history(
    runs: Any = None,
    keys: str | Iterable[str] | None = None,
    *,
    points: int | None = None,
    on: object = None,
    dataset: str | None = None,
) -> pd.DataFrame:
    """Return the numbers that runs, or other objects, logged, a row per point; every point written before is there.

    Parameters
    ----------
    runs : one or several: id, unique prefix or name (the newest of that name; a whole id goes before a name), what
        `start_run` or `get_run` returned, or what `search_runs` returned, whole or its column `run_id`. None: the open run.
    keys : a metric or several, such as "loss"; None: all.
    points : about the most rows of one series, thinned for a plot (see `query.metrics.many_series`); None: every point.
    on : instead of runs any object, or a list of them, as in `log_metric`: with what they reached on every dataset.
    dataset : only what `on`, or the open run, reached on this one.

    Returns
    -------
    Of runs, without `on` and `dataset`:
    DataFrame (n, 6): run_id, name (of the run), key, step [1], wallclock [UTC], value [as logged]; the runs in the order
        given, within a run ordered by key, step, wallclock, and nothing more. A metric that a run did not log has no
        rows. Texts, bytes and tensors are returned by `metric_values`.
    Of other objects: DataFrame (n, 8): owner_kind, owner_id, name (as messages name it), dataset (None: of the object
        itself), key, step, wallclock, value.

    Raises
    ------
    RenexError : `not_found`, `ambiguous` for a run or `on`; `invalid_argument` for anything else that is none.
    """
    from renex_jupyter.query.metrics import many_series, series_of
    from renex_jupyter.query.runs import find_runs

    session = current()
    if on is not None or dataset is not None:
        if runs is not None:
            raise invalid_argument("runs and on= both name what has the metrics.", "Give one of them.")
        owned = owners_to_read(session, on, dataset)
        return series_of(session.store.reader, owned, chosen_keys(keys), points=_points(points))
    given = active_run() if runs is None else runs
    if given is None:
        raise invalid_argument("no run is open.", "Name the runs, such as rx.metric_history(['train', 'baseline']).")
    wanted = words_of_runs(given)
    chosen, points = chosen_keys(keys), _points(points)
    mark_vanished(session)
    read = session.store.reader
    return many_series(read, find_runs(read, wanted), chosen, points=points)


def metric_values(key: str, on: object = None, *, dataset: str | None = None) -> list[MetricValue]:
    """Return every value of one metric as it was logged: numbers, texts, bytes, and arrays of their dtype and shape.

    Parameters
    ----------
    key : as logged, such as "confusion".
    on : what has the metric, as in `log_metric`; None: the open run.
    dataset : what it was measured on, as in `log_metric`.

    Returns
    -------
    list of MetricValue: step, wallclock [UTC], value; ordered by step and wallclock. Tensors come back as numpy arrays;
        where numpy has no such dtype (bfloat16, float8) as ml_dtypes or torch has it.

    Raises
    ------
    RenexError : `invalid_argument`, `not_found`, `ambiguous`; `unsupported_value` for an array that nothing here can hold.
    """
    from renex_jupyter.query.metrics import values_of

    wanted, session = _metric_key(key), current()
    owned = owners_to_read(session, on, dataset)
    return [
        MetricValue(r["step"], r["wallclock"], decoded(r)) for r in values_of(session.store.reader, owned[0], wanted)
    ]


def words_of_runs(given: Any) -> list[str]:
    """Return the words that name one or several runs.

    Raises
    ------
    RenexError : `invalid_argument` for what names none.
    """
    return _several(given, "run", "run_id", _run_word)


def chosen_keys(keys: str | Iterable[str] | None) -> list[str] | None:
    """Return the keys of one or several metrics; None: all. Raises as `words_of_runs`."""
    return None if keys is None else _several(keys, "metric", "", _metric_key)


def _points(points: int | None) -> int | None:
    if points is not None and (isinstance(points, bool) or not hasattr(points, "__index__") or points < LEAST_POINTS):
        hint = "Use points=2000, or None for all."
        raise invalid_argument(f"a series cannot be thinned to {shown(points)} points.", hint)
    return points


def _several(given: Any, what: str, attribute: str, check: Callable[[Any], str]) -> list[str]:
    """Return the words of one or several things, each checked; of a table, those of its column."""
    if attribute in getattr(given, "columns", ()):
        given = given[attribute]
    if isinstance(given, (str, bytes, UUID)) or (attribute and hasattr(given, attribute)):
        return [check(given)]
    if not isinstance(given, Iterable) or isinstance(given, Mapping) or hasattr(given, "columns"):
        raise invalid_argument(f"{shown(given)} names no {what}.", f"Give the name of a {what}, or a list of them.")
    return [check(each) for each in given]


def _run_word(given: Any) -> str:
    return checked_word(given, (RUN,))


def _metric_key(given: Any) -> str:
    return text_argument(given, "the key of a metric", 'Use a text, such as "loss".')


def _log_on(
    values: Collection[tuple[str, Any]],
    step: int | None,
    wallclock: float | datetime | None,
    on: object,
    dataset: str | None,
) -> None:
    at = time.time_ns() // 1000 if wallclock is None else _microseconds(wallclock)
    log_on(current(), values, None if step is None else checked_step(step), at, on, dataset)


def _log(values: Collection[tuple[str, Any]], step: int | None, wallclock: float | datetime | None) -> None:
    at = time.time_ns() // 1000 if wallclock is None else _microseconds(wallclock)
    if step is not None and (type(step) is not int or not -(2**63) <= step < 2**63):  # here: each call costs
        step = checked_step(step)
    run = _run_for(values)
    if run is not None:
        run.points.log(values, step, at)


def _run_for(values: Collection[tuple[str, Any]]) -> ActiveRun | None:
    """Return the run to log on, opened if nobody opened one; None where the store takes none."""
    session = current()
    runs = list(session.runs)  # another thread may end one
    if runs:
        return runs[0] if len(runs) == 1 else session.innermost
    for key, _ in values:
        checked("metric", key)  # refused before a run is opened
    return run_to_log_on("metrics")


def checked_step(step: Any) -> int:
    """Return a step, if it is one.

    Raises
    ------
    RenexError : `invalid_argument`.
    """
    if type(step) is not int:
        step = _whole(step)
    if not -(2**63) <= step < 2**63:
        raise invalid_argument(f"step {step!r} is not a whole number of 64 bits.", "Use step=epoch, for example.")
    return step  # type: ignore[no-any-return]


def _whole(step: Any) -> int:
    try:
        number = int(step)
        if number == step:
            return number
    except Exception as error:
        raise invalid_argument(_no_step(step), "Use step=epoch, for example.") from error
    raise invalid_argument(_no_step(step), "Use step=epoch, for example.")


def _no_step(step: Any) -> str:
    return f"step {step!r} is not a whole number." if isinstance(step, (str, float)) else f"no step is {type(step)}."


def _microseconds(wallclock: float | datetime) -> int:
    """Return microseconds since the epoch."""
    try:
        moment = wallclock if isinstance(wallclock, datetime) else datetime.fromtimestamp(wallclock, UTC)
    except (OverflowError, OSError, ValueError, TypeError) as error:
        raise invalid_argument(f"wallclock {wallclock!r} is no time.", "Use time.time().") from error
    return to_microseconds(moment)
