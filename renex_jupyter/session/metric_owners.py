"""Metrics of anything that is not the open run: checkpoints, models and their versions, experiments, evaluations."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from renex_jupyter.capture.secrets import redact_text
from renex_jupyter.errors import RenexError, invalid_argument, warn
from renex_jupyter.query.owners import find_owner
from renex_jupyter.records.keys import checked
from renex_jupyter.records.owners import Owner
from renex_jupyter.session import dataset_evaluations as evaluations
from renex_jupyter.session import exits
from renex_jupyter.session.current import Session, never_in_the_way
from renex_jupyter.session.owners import known_owner
from renex_jupyter.session.points import Points
from renex_jupyter.session.runs import active_run, run_to_log_on

if TYPE_CHECKING:
    from renex_jupyter.query.metrics import Owned

MISTAKES = frozenset({"invalid_argument", "not_found", "ambiguous", "unsupported_value"})  # of the caller
_WATCHED = frozenset({"model_version", "checkpoint", evaluations.KIND})  # policies look at what these reach


def log_on(
    session: Session, values: Collection[tuple[str, Any]], step: int | None, at: int, on: object, dataset: str | None
) -> None:
    """Log values on an object, or on its evaluation on a dataset; a fault of the store is a warning.

    Parameters
    ----------
    step : None: one more than the highest that is recorded of the key, by whatever process.
    at : microseconds since the epoch.
    on : see `find_owner`; None: the open run.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument` for `on`, `dataset` or a key.
    """
    for key, _ in values:
        checked("metric", key)
    if dataset is not None:
        evaluations.checked_dataset(dataset)
    with _told("metrics"):
        whole = _owner(session, on)
        if whole is None:
            return
        owner = whole if dataset is None else evaluations.evaluation_of(whole, dataset)
        points = points_of(session, owner)
        with _told(f"who logs on {owner.title}"):  # the points themselves wait where the store takes nothing
            session.begin()
            if dataset is not None:
                evaluations.ensure_evaluation(session, whole, dataset)
        if step is None:
            with _told(f"the highest step of {owner.title}"):
                points.go_on_from(_tops(session, owner, [key for key, _ in values]))
        points.log(values, step, at)
        if owner.kind in _WATCHED:
            _tell_policies(session, owner)


def points_of(session: Session, owner: Owner) -> Points:
    """Return what takes the points of an object in this process: that of the run, if it is one that is open here."""
    for active in list(session.runs):
        if owner.kind == "run" and active.run_id == owner.id:
            return active.points
    key = (owner.kind, owner.id)
    if key not in session.points_of_others:
        exits.watch()  # what waits is written at the end of the process, too
        mend = session.write_what_is_left
        points = Points(session.store, owner.id, "", mend=mend, kind=owner.kind, title=owner.title)
        session.points_of_others.setdefault(key, points)
    return session.points_of_others[key]


def owners_to_read(session: Session, on: object, dataset: str | None) -> list[Owned]:
    """Return what has the metrics that a question is about; the objects in the order given, each before its evaluations.

    Parameters
    ----------
    on : an object, or a list of them; None: the open run.
    dataset : only the evaluations on this one; None: the objects and all their evaluations.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    from renex_jupyter.query.metrics import Owned, evaluations_of

    name = evaluations.checked_dataset(dataset) if dataset is not None else None
    read = session.store.reader
    given = active_run() if on is None else on
    if given is None:
        raise invalid_argument("no run is open.", "Say what has the metrics, such as on='digits:3'.")
    several = list(given) if isinstance(given, (list, tuple, set)) else [given]
    owners = [find_owner(read, each, session.namespace) for each in several]
    if name is not None:
        return [Owned(each, evaluations.evaluation_of(each, name), name) for each in owners]
    return [found for each in owners for found in (Owned(each, each, None), *evaluations_of(read, each))]


def _owner(session: Session, on: object) -> Owner | None:
    """Return the object to log on; None where no run can be opened."""
    if on is not None:
        return known_owner(session, on)
    active = run_to_log_on("metrics")
    return Owner("run", active.run_id, active.run.namespace, f"run '{active.name}'") if active is not None else None


def _tops(session: Session, owner: Owner, keys: list[str]) -> dict[str, int]:
    query = """
        select key, max(step) as step from metrics
        where owner_kind = $kind and owner_id = $id and list_contains($keys::varchar[], key) group by key"""
    rows = session.store.reader.rows(query, {"kind": owner.kind, "id": owner.id, "keys": keys})
    return {row["key"]: row["step"] for row in rows}


def _tell_policies(session: Session, owner: Owner) -> None:
    from renex_jupyter.session import triggers

    with never_in_the_way("what the policies say"):
        triggers.metrics_logged(session, owner)


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Let a fault of the store become a warning; a mistake of the caller stays an error."""
    try:
        yield
    except RenexError as error:
        if error.code in MISTAKES:
            raise
        warn(f"{what} cannot be recorded: {redact_text(error.line)}")
    except OSError as error:
        warn(f"{what} cannot be recorded: {redact_text(os.strerror(error.errno or 0))}")
