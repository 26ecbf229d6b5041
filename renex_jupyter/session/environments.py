"""Environments: what is installed here, what was, and what files describe."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from renex_jupyter.analysis import dockerfiles
from renex_jupyter.analysis import environment_texts as texts
from renex_jupyter.analysis.diff import diff_states
from renex_jupyter.analysis.file_lines import comparable, with_lines
from renex_jupyter.capture import environment, environment_files
from renex_jupyter.config import settings
from renex_jupyter.errors import RenexError, not_found
from renex_jupyter.ids import content_id
from renex_jupyter.query import environments as query
from renex_jupyter.records.changes import Change, fields, plain
from renex_jupyter.records.diffs import Diff, State
from renex_jupyter.records.environments import Environment, KnownEnvironment
from renex_jupyter.records.snapshots import FileEntry
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.environment_names import named
from renex_jupyter.session.purges import contents_gone
from renex_jupyter.store.store import Store
from renex_jupyter.tasks.interpreters import minor_of
from renex_jupyter.tasks.venvs import built

if TYPE_CHECKING:
    import pandas as pd

CURRENT = "current"  # the word for the environment of this process
CLAIMED = "captured"  # key of the tag
DOCKERFILE = "Dockerfile"
COLUMNS = ("environment_id", "name", "current", "python", "implementation", "platform", "packages", "runs", "snapshots")
_known: dict[tuple[str, str], frozenset[str]] = {}  # by store and environment: what its record says was imported


def capture_environment(*, name: str | None = None) -> Environment:
    """Keep the environment of this process and return it; the same packages give the same `environment_id`.

    The contents of its lock files are kept with it, in the store's blobs by their SHA-256.

    Parameters
    ----------
    name : by which it can be found; None: the one that it has stays. Another one is given by `name_environment`.

    Raises
    ------
    RenexError : `conflict` for a name that another environment has, or where it has another one.
    """
    session = current()
    made = _keep_this(session)
    return named(session.store, made, name)


def create_environment(
    path: str | os.PathLike[str] = ".", *, name: str | None = None, python: str | None = None
) -> Environment:
    """Keep the environment that files describe and return it; nothing is installed before it is built.

    Parameters
    ----------
    path : a folder, of which the most exact lock file is read and a Dockerfile; or one file: a Dockerfile,
        requirements, or a lock file of uv, poetry, pdm, pipenv, conda or pixi.
    name : by which it can be found. Files that say the same are one environment, which has one name.
    python : version of the interpreter, such as "3.12"; None: what the files say, else ours.

    Raises
    ------
    RenexError : `not_found`, `invalid_argument`, `unsafe_path` for a file that includes others of outside the project,
        `conflict` for a name that another environment has, or where it has another one.
    """
    session = current()
    place = Path(path).expanduser().absolute()
    if not place.exists():
        raise RenexError("not_found", f"no file or folder {place}.", "Give a folder, a Dockerfile or a lock file.")
    session.begin()
    store = session.store
    made = environment_files.read_environment(
        place,
        within=session.project,
        blobs=store.blobs,
        purged=contents_gone(store) if store.exists else (),
        python=python,
    )
    store.ensure("environments", made.environment_id, fields(made))
    _claim(store, made)
    return named(store, made, name)


def get_environment(environment_id: str | Environment = CURRENT) -> Environment:
    """Return an environment by id, unique prefix or name; "current" is that of this process, kept or not.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`.
    """
    return find_environment(current(), environment_id)


def find_environment(session: Session, wanted: object) -> Environment:
    """Return the environment that a word means, or what has an `environment_id`."""
    if wanted == CURRENT:
        made = _of_this_process(session)
        return _as_recorded(session.store, made) or made
    if not session.store.exists:
        raise not_found("environment", str(wanted), listing=query.LISTING)
    read = session.store.reader
    return query.get_environment(read, query.find_environment(read, wanted))


def describe_environment(environment_id: str | Environment = CURRENT) -> KnownEnvironment:
    """Return an environment with the runs and snapshots that have it, and its builds."""
    session = current()
    found = find_environment(session, environment_id)
    here = _of_this_process(session).environment_id == found.environment_id
    folders = tuple(map(str, built(found.environment_id)))
    if not session.store.exists:
        return KnownEnvironment(found, here, builds=folders)
    read, key = session.store.reader, found.environment_id
    return KnownEnvironment(found, here, query.runs_with(read, key), query.snapshots_with(read, key), folders)


def list_environments() -> pd.DataFrame:
    """Return the environments as a DataFrame, that of this process first, then the newest.

    Returns
    -------
    environment_id, name, current, python, implementation, platform, packages [count], runs [count], snapshots [count],
    built [a virtual environment is there], created_at [UTC; missing where it was not kept yet].
    """
    import pandas as pd

    session = current()
    rows: list[dict[str, Any]] = query.listed(session.store.reader) if session.store.exists else []
    here = _of_this_process(session)
    if here.environment_id not in {row["environment_id"] for row in rows}:
        own = {name: getattr(here, name) for name in ("environment_id", "python", "implementation", "platform", "name")}
        rows.append({**own, "packages": len(here.packages), "runs": 0, "snapshots": 0, "created_at": None})
    for row in rows:
        row["current"] = row["environment_id"] == here.environment_id
        row["built"] = bool(built(row["environment_id"]))
    rows.sort(key=lambda row: not row["current"])
    frame = pd.DataFrame(rows, columns=[*COLUMNS, "built", "created_at"])
    frame["created_at"] = pd.to_datetime(frame["created_at"], utc=True)
    return frame


def name_environment(environment_id: str | Environment, name: str) -> Environment:
    """Give an environment a name, by which it is then found; an empty text takes it away.

    Raises
    ------
    RenexError : `not_found`, `conflict` for a name that another environment has, `invalid_argument`, `locked`.
    """
    session = current()
    found = _keep_this(session) if environment_id == CURRENT else find_environment(session, environment_id)
    return named(session.store, found, name, rename=True)


def diff_environments(a: str | Environment, b: str | Environment = CURRENT) -> Diff:
    """Compare two environments: interpreter, packages with their origins, lock files and Dockerfile.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`.
    """
    session = current()
    one, other = find_environment(session, a), find_environment(session, b)
    contents = _contents(session, one), _contents(session, other)
    states = [
        _state(each, held, b == CURRENT and each is other) for each, held in zip((one, other), contents, strict=True)
    ]
    found = diff_states(*states)
    some = comparable(found, *states)
    found = with_lines(found, {e.path: (contents[0].get(e.path), contents[1].get(e.path)) for e in some})
    systems = {f"{each.implementation} on {each.platform}" for each in (one, other)}
    return replace(found, notes=(f"Two platforms: {' and '.join(sorted(systems))}.",) if len(systems) > 1 else ())


def export_environment(
    environment_id: str | Environment = CURRENT,
    format: str = "requirements",  # noqa: A002  its name in the interface
    *,
    all_packages: bool = False,
) -> str:
    """Return an environment as a text for other tools.

    Parameters
    ----------
    format : "requirements" of pip, a "dockerfile", or an `environment.yml` of "conda". Of an environment that was made
        of a Dockerfile, "dockerfile" gives that itself.
    all_packages : every installed package, not only what was imported and what that needs.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    texts.check_format(format)
    found = find_environment(current(), environment_id)
    if format == "dockerfile":
        if found.dockerfile and environment_files.is_read_from_files(found):
            return dockerfiles.kept_text(found)
        base = settings().base_image.replace("{python}", minor_of(found.python))
        return texts.dockerfile_text(found, base, all_packages=all_packages)
    return texts.FORMATS[format](found, all_packages=all_packages)


def keep_environment(store: Store, made: Environment) -> None:
    """Write an environment once for its id, and again when a process has imported more of it than was known."""
    store.ensure("environments", made.environment_id, fields(made))
    used = frozenset(each.name for each in made.packages if each.imported)
    key = (str(store.layout.root), made.environment_id)
    if used <= _known.get(key, frozenset()):
        return
    asked = "select name from packages where environment_id = ? and imported"
    known = frozenset(row["name"] for row in store.reader.rows(asked, [made.environment_id]))
    if not used <= known:
        whole = environment.with_imported(made, used | known)
        after = {"packages": plain(whole.packages), "requirements": whole.requirements}
        store.write(Change("environments", made.environment_id, "update", after))
    _known[key] = used | known


def _keep_this(session: Session) -> Environment:
    """Keep the environment of this process as one that was asked for."""
    session.begin()
    made = _of_this_process(session, keep=True)
    keep_environment(session.store, made)
    _claim(session.store, made)
    return made


def _of_this_process(session: Session, *, keep: bool = False) -> Environment:
    path, store = session.notebook, session.store
    return environment.capture_environment(
        session.project,
        beside=path.parent if path else None,
        blobs=store.blobs if keep else None,
        purged=contents_gone(store) if store.exists else (),
    )


def _as_recorded(store: Store, made: Environment) -> Environment | None:
    """Return what is recorded of this process's environment, with what is imported now; None where nothing is."""
    if not store.exists or not store.having("environments", [made.environment_id]):
        return None
    kept = query.get_environment(store.reader, made.environment_id)
    used = {each.name for each in (*made.packages, *kept.packages) if each.imported}
    whole = environment.with_imported(made, used)
    return replace(whole, name=kept.name, locks_kept=kept.locks_kept)


def _claim(store: Store, made: Environment) -> None:
    """Mark an environment as asked for by itself: the contents of its lock files stay without a snapshot that has it."""
    tag_id = f"{made.environment_id}/{CLAIMED}"
    tag = {"owner_kind": "environment", "owner_id": made.environment_id, "key": CLAIMED, "value": "true"}
    store.ensure("tags", tag_id, tag)


def _contents(session: Session, made: Environment) -> dict[str, bytes]:
    """Return the Dockerfile and the lock files as far as they are in the store, or in the project as they are now."""
    found = {} if made.dockerfile is None else {DOCKERFILE: made.dockerfile.encode()}
    for path, sha256 in (made.lock_files or {}).items():
        if session.store.blobs.is_there(sha256):
            found[path] = session.store.blobs.get(sha256)
        elif not made.locks_kept and (session.project / path).is_file():
            found[path] = (session.project / path).read_bytes()
    return found


def _state(made: Environment, contents: dict[str, bytes], now: bool) -> State:
    locks = {
        path: FileEntry(path, "file", "file", sha, len(contents.get(path, b"")), 0o644)
        for path, sha in (made.lock_files or {}).items()
    }
    if made.dockerfile is not None:
        entry = FileEntry(DOCKERFILE, "file", "file", content_id([made.dockerfile]), len(contents[DOCKERFILE]), 0o644)
        locks[DOCKERFILE] = entry
    return State(
        title=f"{made.title}{' (current)' if now else ''}",
        files=locks,
        packages={package.name: package for package in made.packages},
        python=made.python,
    )
