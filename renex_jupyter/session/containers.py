"""Runs in containers: the state before in a folder of its own, what the action logs, and its files brought back."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from renex_jupyter.capture.ignore import never
from renex_jupyter.config import JOURNAL_VARIABLE, NOTEBOOK_VARIABLE, RUN_STORE_VARIABLE, STORE_VARIABLE
from renex_jupyter.errors import RenexError, invalid_argument, user_name
from renex_jupyter.ids import short
from renex_jupyter.query import runs as run_query
from renex_jupyter.query import snapshots as query
from renex_jupyter.records import display
from renex_jupyter.records.changes import Change
from renex_jupyter.records.paths import from_text
from renex_jupyter.records.runs import Run
from renex_jupyter.records.snapshots import FileEntry
from renex_jupyter.session import family, purges
from renex_jupyter.session.cells import OwnProcess
from renex_jupyter.session.closing import Finish
from renex_jupyter.session.commands import Prepare, show
from renex_jupyter.session.current import Session, never_in_the_way
from renex_jupyter.session.limits import Limits
from renex_jupyter.session.work import SCRATCH, SHARE_SEEN, WORK_SEEN, is_same
from renex_jupyter.store.layout import os_errors
from renex_jupyter.store.run_folders import KEPT, SHARE, WORK
from renex_jupyter.tasks.bring_back import Brought, bring_back, read_looks, save_looks
from renex_jupyter.tasks.checkout import write_tree
from renex_jupyter.tasks.daemon import connect, told
from renex_jupyter.tasks.images import fetch_image, id_of_image
from renex_jupyter.tasks.images import image_id as known_image
from renex_jupyter.tasks.leftover_containers import sweep
from renex_jupyter.tasks.order import Container, Mount, Order, Relay

Echo = Callable[[str], None]
LOOKS = "before.json"  # what the checkout looked like; in the run's folder, which the container does not see
NOT_BROUGHT_BACK = "renex.not_brought_back"  # the tag that says where they are
SHOWN = 5  # paths that are named


@dataclass(frozen=True, slots=True)
class Place:
    """A container to run something in."""

    image: str  # its name, or its id
    image_id: str  # by which it is known for ever; its name may be another image's tomorrow
    environment_id: str | None  # what is in the image, where it was built of an environment
    limits: Limits
    echo: Echo | None = None
    network: str = "bridge"

    @property
    def action(self) -> dict[str, str]:
        """What a run records of it."""
        known = {"environment": self.environment_id} if self.environment_id else {}
        return {"image": self.image, "image_id": self.image_id, **known}


def find_place(
    session: Session,
    image: str | None,
    environment: str | None,
    limits: Limits,
    echo: Echo | None = None,
    *,
    image_id: str | None = None,
    all_packages: bool = False,
) -> Place:
    """Return where something can run in a container, its image fetched or built; what nobody looks after is removed.

    Parameters
    ----------
    image : name; with an environment the image that this is built on.
    image_id : the one that had this name once, taken instead of the one that has it now, where it is still there.
    environment : name or id of an environment; None, where there is no image either: that of this process.
    all_packages : build it with all packages: what a command imports is not known.

    Raises
    ------
    RenexError : `docker_unavailable` with the cause, within 10 seconds; `not_found` for an image that cannot be had;
        `environment_unavailable` for an environment that cannot be built.
    """
    say = echo or show
    client = connect()
    try:
        with never_in_the_way("containers of runs that are over"):
            sweep(client, str(session.store.layout.root.absolute()))
        if image is not None and environment is None:
            once = known_image(client, image_id) if image_id is not None else None
            return Place(image, once or fetch_image(client, image, say), None, limits, echo)
    except RenexError:
        raise
    except Exception as error:  # docker-py passes on what `requests` raises
        raise told(error, "the image cannot be looked for") from error
    finally:
        client.close()
    from renex_jupyter.session.environment_builds import environment_for_run  # installers are needed for this only

    wanted = environment or "current"
    made = environment_for_run(session, wanted, docker=True, base_image=image, all_packages=all_packages, echo=say)
    for note in made.notes:
        say(f"renex: {note}\n")
    assert made.image is not None
    return Place(made.image, id_of_image(made.image), made.environment_id, limits, echo)


def prepare_in(session: Session, place: Place) -> Prepare:
    """Return what lays a run out for its container, see `run_order`.

    Its folder may have what is shared with the container already, such as the values of a cell.
    """

    def prepare(order: Order, folder: Path, environment: dict[str, str]) -> Order:
        from renex_jupyter.session.environment_builds import packages_inside  # installers are needed for few runs

        say = place.echo or show
        large = check_out(session, order.run_id, folder, say)
        (folder / SHARE).mkdir(mode=0o700, exist_ok=True)
        inside = _folder_inside(session, folder, Path(order.cwd))
        save_looks(folder / WORK, folder / LOOKS)
        own = packages_inside(session, place.environment_id, folder / WORK, WORK_SEEN)
        container = container_for(place, folder, large, {**_variables(session, environment), **own})
        scratch = Relay(str(folder / SHARE / SCRATCH))
        return replace(order, cwd=inside, container=container, relay=order.relay or scratch)

    return prepare


def process_in(session: Session, place: Place) -> OwnProcess:
    """Return the container as the process that a cell runs in: the image's Python with the standard library alone."""
    return OwnProcess(
        python="python3",
        executor="container",
        within=SHARE,
        seen_as=SHARE_SEEN,
        environment_id=place.environment_id,
        action=place.action,
        prepare=prepare_in(session, place),
        finish=finish_in(session, place.echo),
    )


def container_for(place: Place, folder: Path, large: tuple[Mount, ...], variables: Mapping[str, str]) -> Container:
    """Return the container of a run whose folder is laid out."""
    mounts = (Mount(str((folder / WORK).absolute()), WORK_SEEN), *large)
    return Container(
        image=place.image_id,
        user=f"{os.getuid()}:{os.getgid()}" if hasattr(os, "getuid") else "0:0",
        mounts=(*mounts, Mount(str((folder / SHARE).absolute()), SHARE_SEEN)),
        environment=variables,
        gpus=place.limits.gpus,
        network=place.network,
    )


def check_out(session: Session, run_id: str, folder: Path, say: Echo) -> tuple[Mount, ...]:
    """Check the state before a run out into its folder; return what the container sees of the project itself.

    That is the files whose content is not kept since they are large, each for reading only, where it is still as it was.

    Raises
    ------
    RenexError : `conflict` for a run without a state before it; what `write_tree` raises.
    """
    store = session.store
    run = run_query.get_run(store.reader, run_id)
    if run.before_snapshot_id is None:
        hint = "See the warning above; a container works on that state, not on the project itself."
        raise RenexError("conflict", "the state before the run could not be captured.", hint)
    entries = query.snapshot_files(store.reader, run.before_snapshot_id)
    gone = purges.gone(store, {entry.sha256 for entry in entries})
    target = folder / WORK
    with os_errors("the state before the run cannot be checked out"):
        done = write_tree(
            entries,
            store.blobs,
            target,
            snapshot_id=run.before_snapshot_id,
            gone=gone,
            within=store.layout.runs,
        )
        large = [
            each for each in entries if each.kind == "file" and each.sha256 is None and is_same(session.project, each)
        ]
        for each in large:  # else Docker makes it, as root
            stand_in = target / from_text(each.path)
            stand_in.parent.mkdir(parents=True, exist_ok=True)
            stand_in.touch()
    seen = {each.path for each in large}
    lacking = [f"{path} ({why})" for path, why in done.skipped if path not in seen]
    if lacking:
        say(f"renex: the container does without {_named(lacking)}\n")
    return tuple(
        Mount(str((session.project / from_text(each.path)).resolve()), f"{WORK_SEEN}/{from_text(each.path)}", True)
        for each in large
    )


def finish_in(session: Session, echo: Echo | None = None) -> Finish:
    """Return what brings the files of a run in a container back into the project, see `run_order`."""

    def finish(_outcome: object, folder: Path) -> None:
        work, kept = folder / WORK, folder / KEPT
        if not (folder / LOOKS).exists() or not work.exists():  # it was not laid out to its end
            return
        try:
            with never_in_the_way("the files that the container made"):
                work.rename(kept)  # so that whatever ends this process leaves them to be found
                run = run_query.get_run(session.store.reader, folder.name)
                brought = _brought(session, run, kept, folder / LOOKS)
                if not brought.failed:
                    kept.rename(work)
                tell(brought, echo or show)
        finally:
            if kept.exists():
                _tell_where(session, folder.name, kept, echo or show)

    return finish


def _tell_where(session: Session, run_id: str, kept: Path, echo: Echo) -> None:
    """Say where the files are that did not come back; the run itself says it, too: nobody may be there to read a line."""
    with never_in_the_way("where the files of the container are"):
        run = run_query.get_run(session.store.reader, run_id)
        tag = {"owner_kind": "run", "owner_id": run_id, "key": NOT_BROUGHT_BACK, "value": str(kept)}
        session.store.write(Change("tags", f"{run_id}/{NOT_BROUGHT_BACK}", "update", tag, namespace=run.namespace))
    echo(f"renex: the files of the container that are not in the project stay in {kept}\n")


def tell(brought: Brought, echo: Echo) -> None:
    """Say what did not come back to its place."""
    if brought.left:
        named = _named([f"{path} ({why})" for path, why in brought.left])
        echo(f"renex: not put into the project: {named}; the container's files are in {brought.place}\n")
    if brought.failed:
        echo(f"renex: could not be brought back: {_named([f'{path} ({why})' for path, why in brought.failed])}\n")
    if brought.skipped:
        echo(f"renex: not brought back: {_named([f'{path} ({why})' for path, why in brought.skipped])}\n")
    if brought.removed:
        echo(f"renex: removed in the container, still in the project: {_named(brought.removed)}\n")


def _brought(session: Session, run: Run, top: Path, looks: Path) -> Brought:
    entries: dict[str, FileEntry] = {}
    if run.before_snapshot_id is not None:
        for each in query.snapshot_files(session.store.reader, run.before_snapshot_id):
            entries[each.path] = each
    return bring_back(
        top,
        session.project,
        looks=read_looks(looks),
        before=entries,
        unwanted=_unwanted,
        left_over=session.project / f"outputs-{short(run.run_id)}",
    )


def _unwanted(path: str) -> bool:
    """Say whether a path is of the kind that no snapshot takes, such as `__pycache__`."""
    return any(never(part) for part in path.split("/"))


def _folder_inside(session: Session, folder: Path, cwd: Path) -> str:
    """Return a folder of the project as the container sees it.

    Raises
    ------
    RenexError : `invalid_argument` for one outside of the project, `not_found` for one that is not there.
    """
    try:
        relative = cwd.resolve().relative_to(session.project.resolve())
    except ValueError as error:
        hint = "A container sees the project only: work in a folder of it."
        raise invalid_argument(f"{cwd} does not lie in the project {session.project}.", hint) from error
    there = folder / WORK / relative
    if not there.exists() and cwd.is_dir():
        there.mkdir(parents=True)  # an empty folder, or one of which nothing is kept
    if not there.is_dir():
        raise RenexError("not_found", f"no folder {cwd} to run in.", "Give a folder that exists.")
    return str(PurePosixPath(WORK_SEEN, relative.as_posix()))


def _variables(session: Session, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a container: of all of this process only by what it finds its run."""
    told_by_us = {name: environment[name] for name in family.NAMES if environment.get(name)}
    scratch = f"{SHARE_SEEN}/{SCRATCH}"
    named = {}
    if session.notebook is not None and session.notebook.is_relative_to(session.project):
        named[NOTEBOOK_VARIABLE] = f"{WORK_SEEN}/{session.notebook.relative_to(session.project).as_posix()}"
    user = user_name(os.getuid()).partition(" (")[0] if hasattr(os, "getuid") else "user"
    return {
        "USER": user,  # which no image knows by the number
        "LOGNAME": user,
        **told_by_us,
        **named,
        RUN_STORE_VARIABLE: scratch,
        STORE_VARIABLE: scratch,
        JOURNAL_VARIABLE: f"{SHARE_SEEN}/journal.jsonl",
    }


def _named(items: list[str]) -> str:
    more = f" and {display.count(len(items) - SHOWN, 'more file')}" if len(items) > SHOWN else ""
    return ", ".join(items[:SHOWN]) + more
