"""Make the project itself become an earlier state, with a snapshot of all that is replaced or removed by it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from renex_jupyter.errors import RenexError, from_os_error
from renex_jupyter.ids import short
from renex_jupyter.query import snapshots as query
from renex_jupyter.records import display
from renex_jupyter.records.paths import to_text
from renex_jupyter.records.snapshots import FileEntry, Snapshot
from renex_jupyter.session import purges, safety
from renex_jupyter.session.current import Session
from renex_jupyter.session.unfinished import Unfinished, command, unfinished
from renex_jupyter.store import locks
from renex_jupyter.store.layout import os_errors
from renex_jupyter.tasks import in_place
from renex_jupyter.tasks.checkout import CheckoutResult
from renex_jupyter.tasks.folders import opened
from renex_jupyter.tasks.in_place import Changes
from renex_jupyter.tasks.plan import NOTEBOOK, Plan, plan_of
from renex_jupyter.tasks.staging import staged, sweep, write_contents

STAGING = "checkout"  # a part of the name of the folder for what is not in place yet


@dataclass(frozen=True, slots=True)
class Work:
    """One checkout in place."""

    session: Session
    snapshot: Snapshot
    plan: Plan
    before: Unfinished | None  # a checkout that did not end
    force: bool

    @property
    def project(self) -> Path:
        """The folder that becomes what the snapshot holds; not a link."""
        return self.session.project.resolve()


def checkout_in_place(
    session: Session, snapshot: Snapshot, files: Sequence[FileEntry], *, force: bool, notes: Sequence[str] = ()
) -> CheckoutResult:
    """Make the project become what a snapshot holds.

    Raises
    ------
    RenexError : `locked` while another one is at it; `conflict` for what would be lost or cannot be written, for an
        open notebook, for a snapshot of another project, after another checkout that did not end, and when somebody
        changes a file meanwhile. But for the last, nothing was changed then.
    """
    layout = session.store.layout
    with os_errors("the project cannot be changed"), locks.hold(layout.checkout_lock, timeout=0.0):
        before = unfinished(layout)
        if before and before.project != session.project_name:
            raise before.not_ours(layout)
        if before and snapshot.snapshot_id not in before.ids and not force:
            raise before.in_the_way()
        _check_project(session, snapshot, force=force)
        _check_whole(session, snapshot)
        gone = purges.gone(session.store, {entry.sha256 for entry in files})
        plan = plan_of(_on_disk(snapshot, files), session.store.blobs, gone)
        try:
            return _run(Work(session, snapshot, plan, before, force), notes)
        except PermissionError as error:  # of the project, where another place for the store is no help
            told = from_os_error(error, "the project cannot be changed")
            hint = "Let yourself read and write there, or check out into another folder with to=..."
            raise RenexError(told.code, told.message, hint) from error


def _run(work: Work, notes: Sequence[str]) -> CheckoutResult:
    state = safety.capture(work.session, work.plan, work.project)
    sweep(work.project)
    with opened(work.project) as top:
        changes = in_place.compare(top, work.plan, state.present, (*safety.kept_out(work.snapshot), *state.unasked))
        changes.refuse()
        noted = [*notes, *_check_notebook(work, state, changes)]
        needed = Plan(
            files={parts: entry for parts in changes.write if (entry := work.plan.files.get(parts))},
            links={parts: entry for parts in changes.write if (entry := work.plan.links.get(parts))},
            targets=work.plan.targets,
        )
        with staged(work.project, STAGING, work.snapshot.snapshot_id) as staging:
            size = write_contents(staging, needed, work.session.store.blobs, durable=True)
            safety_id, told = _safety(work, state, changes)
            with _recorded(work, safety_id, changes):
                in_place.apply(top, staging, work.plan, changes)
    removed = len(changes.remove) + len(changes.clear)
    skipped = tuple(work.plan.skipped)
    notes = (*noted, *told)
    return CheckoutResult(str(work.project), len(changes.write), size, skipped, removed, safety_id, notes)


def _check_project(session: Session, snapshot: Snapshot, *, force: bool) -> None:
    """Refuse a snapshot of another project that has the same store: all that is here would be removed for what is there.

    Raises
    ------
    RenexError : `conflict`.
    """
    project = session.project.resolve()
    if force or snapshot.project in (None, session.project_name, to_text(str(project))):
        return
    where = session.store.layout.project if snapshot.project == "." else snapshot.project
    fact = f"snapshot {short(snapshot.snapshot_id)} was taken of {where}, and this is {project}."
    hint = (
        "Nothing was changed. Write it into a folder with to=..., or use force if this is the same project, moved or "
        "copied."
    )
    raise RenexError("conflict", fact, hint)


def _check_whole(session: Session, snapshot: Snapshot) -> None:
    """Refuse a snapshot whose list of files is not whole: a file that is missing there would be removed here.

    Raises
    ------
    RenexError : `corrupt`.
    """
    if not query.is_whole(session.store.reader, snapshot.snapshot_id):
        fact = f"the list of files of snapshot {short(snapshot.snapshot_id)} is not whole in the store."
        hint = (
            "Nothing was changed. renex fsck says what is missing; what is there can be written into a folder (--to)."
        )
        raise RenexError("corrupt", fact, hint)


def _on_disk(snapshot: Snapshot, files: Sequence[FileEntry]) -> list[FileEntry]:
    """Return the entries that were files: cells that were only executed are no notebook of the project."""
    made_up = snapshot.notebook_source in safety.MADE_UP
    return [entry for entry in files if not (entry.role == NOTEBOOK and made_up)]


def _check_notebook(work: Work, state: safety.State, changes: Changes) -> list[str]:
    """Refuse to change the notebook that a browser shows, or that asks for this; it would write its own copy back."""
    touched = {*changes.write, *changes.remove, *changes.clear}
    if state.notebook is None or state.notebook not in touched:
        return []
    name = "/".join(state.notebook)
    if not work.force:
        fact = f"{name} is open, and would be {'replaced' if work.plan.entry(state.notebook) else 'removed'}."
        hint = (
            "Nothing was changed. Use force, and reload it in the browser after that; or close it and use a terminal."
        )
        raise RenexError("conflict", fact, hint)
    return [f"reload {name} in the browser (File > Reload Notebook from Disk): it still shows what was there before"]


def _safety(work: Work, state: safety.State, changes: Changes) -> tuple[str, list[str]]:
    """Return the snapshot to go back to, and what to say of it; it is taken now, unless all is held by one already."""
    before, wanted, store = work.before, work.snapshot.snapshot_id, work.session.store
    first = before.other_than(wanted) if before else None
    first = first if first and query.is_whole(store.reader, first) else None  # its journal may be damaged
    if before and first and not state.unsaved:
        known = [entry for each in before.ids for entry in query.snapshot_files(store.reader, each)]
        if next(safety.not_held(state, changes, known, store.blobs), None) is None:
            return first, [f"a checkout of {before.began} that did not end is finished by this one"]
    taken = safety.keep(work.session, state, f"before checkout of {short(wanted)}")
    _check_kept(work, taken, state, changes)
    if first:
        return first, [f"what was here when the unfinished checkout was gone on with is in snapshot {short(taken)}"]
    return taken, []


def _check_kept(work: Work, taken: str, state: safety.State, changes: Changes) -> None:
    """Look once more that all that goes can come back: another process may have purged some of it meanwhile.

    Raises
    ------
    RenexError : `conflict`.
    """
    store = work.session.store
    kept = query.snapshot_files(store.reader, taken)
    lost = sorted(safety.not_held(state, changes, kept, store.blobs))
    if lost:
        more = f" and {display.count(len(lost) - 5, 'more file')}" if len(lost) > 5 else ""
        fact = f"snapshot {short(taken)}, taken of what is here now, does not hold {', '.join(lost[:5])}{more}."
        hint = (
            "Nothing was changed. Something was purged meanwhile: begin again, and the files that cannot go are named."
        )
        raise RenexError("conflict", fact, hint)


@contextmanager
def _recorded(work: Work, safety_id: str, changes: Changes) -> Iterator[None]:
    """Have a record of the checkout for as long as the project is neither the one state nor the other."""
    layout, wanted = work.session.store.layout, work.snapshot.snapshot_id
    record = Unfinished.of(wanted, safety_id, work.session.project_name)
    try:
        record.write(layout)
        yield
    except (RenexError, OSError) as error:
        told = from_os_error(error, "a file cannot be put in place") if isinstance(error, OSError) else error
        if not changes.has_begun and work.before is None:
            layout.unfinished_checkout.unlink(missing_ok=True)
            hint = f"Nothing was changed. What is here is in snapshot {short(safety_id)} as well."
            raise RenexError(told.code, told.message, hint) from error
        fact = f"{told.message} {changes.done} of {display.count(changes.count, 'file')} were done."
        hint = f"Finish it with {command(wanted)}, or go back with {command(safety_id)}."
        raise RenexError(told.code, fact, hint) from error
    layout.unfinished_checkout.unlink(missing_ok=True)
