"""Runs that are recorded: searched for, shown, and those whose process is gone marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renex_jupyter.errors import invalid_argument, shown
from renex_jupyter.query import runs as query
from renex_jupyter.query.objects import RUN, checked_word
from renex_jupyter.records.changes import Change
from renex_jupyter.records.runs import Run
from renex_jupyter.session.active_run import ActiveRun
from renex_jupyter.session.closing import end_of_vanished
from renex_jupyter.session.current import Session, current, never_in_the_way

if TYPE_CHECKING:
    import pandas as pd


def search_runs(
    where: str | None = None,
    order_by: str | None = None,
    limit: int = 1000,
    *,
    offset: int = 0,
    namespace: str | None = None,
    archived: bool = False,
) -> pd.DataFrame:
    """Return runs as a DataFrame with `params.KEY`, `metrics.KEY` and `tags.KEY` columns.

    Parameters
    ----------
    where : an SQL condition over the columns of `runs`, `metrics.KEY` (the last value), `params.KEY` and `tags.KEY`, such
        as `metrics.accuracy > 0.9 and (params.model = 'svc' or tags.keep is not null)`. A param or tag is a number beside
        a number, and a text beside a text; a key with a slash is quoted, `metrics."val/loss" < 0.1`; see docs/metrics.md.
    order_by : SQL over the same, such as "metrics.accuracy desc, name"; None: the newest first. Runs that do not have the
        value come last.
    limit, offset : how many runs at most, after how many of that order: page by page.
    namespace : only runs of this one; None: of all.
    archived : also those that are archived, by themselves or with their experiment or namespace.

    Raises
    ------
    RenexError : `invalid_argument` with DuckDB's own words, or for an argument of another type.
    """
    query.check_search(where, order_by, limit, offset, namespace)
    if not isinstance(archived, bool):
        raise invalid_argument(f"archived={shown(archived)} is neither True nor False.", "Use archived=True.")
    session = current()
    mark_vanished(session)
    return query.search_runs(
        session.store.reader,
        where=where,
        order_by=order_by,
        limit=limit,
        offset=offset,
        namespace=namespace,
        archived=archived,
    )


def get_run(run_id: str | Run | ActiveRun) -> Run:
    """Return a run by id, unique prefix or name (the newest of that name), or by what `start_run` or this returned.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`; `invalid_argument` for what names no run.
    """
    checked_word(run_id, (RUN,))
    session = current()
    mark_vanished(session)
    read = session.store.reader
    return query.get_run(read, query.find_run(read, run_id))


def mark_vanished(session: Session) -> None:
    """Record the end of the runs whose process is gone: as it left word of it, else as `lost`."""
    if not session.store.exists:
        return
    read = session.store.reader
    # Asked twice: a run may have been read as running, written its end and gone before its process was looked for.
    for row in query.vanished_runs(read) and query.vanished_runs(read):
        with never_in_the_way("how a run ended"):
            after = end_of_vanished(session.store, row["run_id"])
            if not any(each["run_id"] == row["run_id"] for each in query.vanished_runs(read)):  # that took a while
                continue
            session.store.write(Change("runs", row["run_id"], "update", after, {"status": "running"}, row["namespace"]))
