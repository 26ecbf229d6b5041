"""Runs that are over, or not: rename, move, star, archive and delete them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from renex_jupyter.errors import RenexError, invalid_argument
from renex_jupyter.ids import short
from renex_jupyter.query import runs as query
from renex_jupyter.query.objects import RUN, find_only
from renex_jupyter.query.run_families import family_of, snapshots_of
from renex_jupyter.records.changes import Change, fields
from renex_jupyter.records.deleted_runs import DeletedRun, KeptSnapshot
from renex_jupyter.records.experiments import Experiment
from renex_jupyter.records.runs import Run
from renex_jupyter.session import belongings
from renex_jupyter.session.active_run import ActiveRun
from renex_jupyter.session.alone import alone
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.described import described
from renex_jupyter.session.first_use import experiment_changes
from renex_jupyter.session.found_runs import get_run, mark_vanished
from renex_jupyter.session.points import checked_name
from renex_jupyter.session.runs import NOT_COLUMNS
from renex_jupyter.session.unfinished import unfinished

BULKY = frozenset({*NOT_COLUMNS, "action"})  # fields that a deletion does not repeat
RENAMED = 'rx.update_run(run, name="baseline")'
MOVED = 'rx.update_run(run, experiment="digits")'


@dataclass(frozen=True, slots=True)
class Gone:
    """The changes that delete some runs with all that is theirs."""

    runs: tuple[Run, ...]  # without what they logged
    changes: tuple[Change, ...]
    kept: tuple[KeptSnapshot, ...]


def update_run(
    run: str | Run | ActiveRun,
    *,
    name: str | None = None,
    experiment: str | Experiment | None = None,
    namespace: str | None = None,
    starred: bool | None = None,
    archived: bool | None = None,
) -> Run:
    """Rename a run, move it to another experiment, star it, or have lists pass it over.

    Also one that runs: what it logs later is its own as before. The runs that are part of it move with it.

    Parameters
    ----------
    run : id, unique prefix or name, or what `start_run` or `get_run` returned.
    experiment, namespace : where it belongs from now on; both are created on first use.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`, `locked`.
    """
    given = described("run", {"starred": starred, "archived": archived})
    given |= {} if name is None else {"name": checked_name("run", name, RENAMED)}
    if isinstance(experiment, Experiment):
        namespace = namespace or experiment.namespace
        experiment = experiment.name
    place = {} if experiment is None else {"experiment": checked_name("experiment", experiment, MOVED)}
    place |= {} if namespace is None else {"namespace": checked_name("namespace", namespace, MOVED)}
    if not given and not place:
        raise invalid_argument(
            "nothing to change.", "Give a name, an experiment, or whether it is starred or archived."
        )
    session = current()
    found = get_run(run).run_id
    session.begin()
    store = session.store
    with alone(store, what="the runs"):
        family = family_of(store.reader, [found])
        record = family[0] if family else get_run(found)  # deleted meanwhile: which says so
        home = {"namespace": record.namespace, "experiment": record.experiment}
        new = {**home, **place}
        changes = experiment_changes(store, new["namespace"], new["experiment"]) if new != home else []
        changes += _changed(record, given)
        changes += [each for run in family for each in _changed(run, new) if _place_of(run) == home]
        store.write(*changes)
    for active in session.runs:  # what it tells to the processes that it starts
        if active.run_id == found:
            active.run = replace(active.run, **{**given, **place})
    return get_run(found)


def delete_run(run: str | Run | ActiveRun, *, dry_run: bool = False) -> DeletedRun:
    """Delete a run with the runs that are part of it, and all that is theirs: it goes from every list and table.

    With it go its metrics, params, tags, notes, events, artifacts and checkpoints, and the states before and after it.
    A snapshot stays that is labelled, was taken by hand, or is named by another run or a model version; a model version
    keeps what it holds. The contents are freed by the next `gc`. The journal still says that there was a run; one
    is taken out for good by `purge` instead.

    Parameters
    ----------
    run : id or unique prefix, or a name that only one run has.
    dry_run : only say what would go.

    Raises
    ------
    RenexError : `conflict` while it runs, here or in another process, and while an unfinished checkout needs one of its
        snapshots; `not_found`, `ambiguous`, `locked`.
    """
    session = current()
    store = session.store
    mark_vanished(session)
    found = find_only(store.reader, run, (RUN,))[1]
    if not dry_run:
        session.begin()
    with alone(store, what="the runs"):
        record = query.get_run(store.reader, found)
        gone = deletion_of_runs(session, [found])
        children = tuple(each for each in gone.runs if each.run_id != found)
        if not dry_run:
            store.write(*gone.changes)
    return DeletedRun(dry_run, record, children, belongings.counted(gone.changes), gone.kept)


def deletion_of_runs(session: Session, run_ids: Sequence[str]) -> Gone:
    """Return what deletes some runs, those that are part of them, and what belongs to these. The caller is `alone`.

    Raises
    ------
    RenexError : `conflict` where one of them runs, or an unfinished checkout needs a snapshot of one.
    """
    read = session.store.reader
    runs = family_of(read, run_ids)
    for each in runs:
        _check_over(session, each)
    snapshots = snapshots_of(read, [each.run_id for each in runs])
    going = [row for row in snapshots if row["reason"] is None]
    left = unfinished(session.store.layout)
    for row in going:
        if left is not None and row["snapshot_id"] in left.ids:
            raise left.is_needed(row["snapshot_id"])
    owners = [("run", each.run_id) for each in runs] + [("snapshot", row["snapshot_id"]) for row in going]
    changes = [Change("runs", each.run_id, "delete", {}, _was(each), each.namespace) for each in runs]
    changes += [
        Change(
            "snapshots",
            row["snapshot_id"],
            "delete",
            {},
            {"message": row["message"], "label": row["label"]},
            row["namespace"],
        )
        for row in going
    ]
    changes += belongings.deletions(read, owners, runs[0].namespace) if runs else []
    kept = (KeptSnapshot(row["snapshot_id"], row["reason"]) for row in snapshots if row["reason"] is not None)
    return Gone(tuple(runs), tuple(changes), tuple(kept))


def _check_over(session: Session, run: Run) -> None:
    """Refuse to delete a run that is open, here or elsewhere."""
    said = f"run '{run.name}' ({short(run.run_id)})"
    if any(each.run_id == run.run_id for each in session.runs):
        raise RenexError("conflict", f"{said} is open in this session.", "End it first: rx.end_run()")
    if run.status == "running":
        where = f"in process {run.pid} on {run.host}" if run.pid else "in another process"
        raise RenexError("conflict", f"{said} runs {where}.", f"End it first: %renex stop {short(run.run_id)}")


def _was(run: Run) -> dict[str, Any]:
    return {name: value for name, value in fields(run).items() if name not in BULKY}


def _place_of(run: Run) -> dict[str, str]:
    return {"namespace": run.namespace, "experiment": run.experiment}


def _changed(run: Run, given: Mapping[str, Any]) -> list[Change]:
    """Return the change that sets some fields of a run; none where they are so already."""
    was = {**_place_of(run), "name": run.name, "starred": bool(run.starred), "archived": bool(run.archived)}
    after = {name: value for name, value in given.items() if value != was[name]}
    before = {name: was[name] for name in after}
    return [Change("runs", run.run_id, "update", after, before, run.namespace)] if after else []
