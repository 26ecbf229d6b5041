"""The metric series of runs, as they were logged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from renex_jupyter.errors import invalid_argument
from renex_jupyter.query.metrics import many_series
from renex_jupyter.query.runs import find_runs
from renex_jupyter.session.current import current
from renex_jupyter.session.runs import mark_vanished

if TYPE_CHECKING:
    import pandas as pd


def metric_history(runs: Any, keys: str | Iterable[str] | None = None, *, points: int | None = None) -> pd.DataFrame:
    """Return the numbers that runs logged, a row per point; every point logged before the call is there.

    Parameters
    ----------
    runs : a run or several: id, unique prefix or name (the newest of that name), what `get_run` or `start_run` returned,
        or the column `run_id` of `search_runs`.
    keys : a metric or several, such as "loss"; None: all.
    points : about the most rows of one series, thinned for a plot: extremes and every NaN stay. None: every point.

    Returns
    -------
    DataFrame (n, 5): run_id, key, step [1], wallclock [UTC], value [as logged], ordered by run, key, step, wallclock.
        A metric that a run did not log has no rows. Texts, bytes and tensors are in the table `metrics` (`sql`).

    Raises
    ------
    RenexError : `not_found`, `ambiguous` for a run; `invalid_argument` for `points` below 4.
    """
    if points is not None and points < 4:
        raise invalid_argument(f"a series cannot be thinned to {points} points.", "Use points=2000, or None for all.")
    several = [runs] if isinstance(runs, str) or hasattr(runs, "run_id") else list(runs)
    wanted = [str(getattr(each, "run_id", each)) for each in several]
    chosen = [keys] if isinstance(keys, str) else None if keys is None else list(keys)
    session = current()
    mark_vanished(session)
    read = session.store.reader
    return many_series(read, find_runs(read, wanted), chosen, points=points)
