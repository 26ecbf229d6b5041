"""Environments made again: as a virtual environment on this machine or as a Docker image, and chosen for a run."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from renex_jupyter.analysis import dockerfiles
from renex_jupyter.analysis import environment_texts as texts
from renex_jupyter.capture.environment_files import is_read_from_files
from renex_jupyter.capture.secrets import REDACTED
from renex_jupyter.config import settings
from renex_jupyter.errors import RenexError, invalid_argument
from renex_jupyter.records.environments import EDITABLE, FILE, Build, Environment, Package
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.environments import CURRENT, capture_environment, find_environment
from renex_jupyter.tasks import image_context
from renex_jupyter.tasks.interpreters import minor_of
from renex_jupyter.tasks.order import Order
from renex_jupyter.tasks.venvs import VenvOrder, build_venv
from renex_jupyter.tasks.wheel import is_ours, make_wheel

KINDS = ("venv", "docker")


def build_environment(
    environment_id: str | Environment = CURRENT,
    kind: str = "venv",
    *,
    all_packages: bool = False,
    allow_missing: bool = False,
    base_image: str | None = None,
    echo: Callable[[str], None] | None = None,
) -> Build:
    """Make an environment again, unless that was done before: as a virtual environment, or as a Docker image.

    Parameters
    ----------
    environment_id : id, unique prefix or name; "current": that of this process, which is kept then.
    kind : "venv": a folder in the user's cache (`Renex.environments_folder`), made with uv where it is there, else with
        venv and pip. "docker": an image `renex-env:<id>-<key>`, from the environment's Dockerfile where it has one.
    all_packages : every package, not only what was imported and what that needs.
    allow_missing : leave out what cannot be had any more, such as a package from a folder that is gone.
    base_image : what the image is built on, even if there is a Dockerfile; None: `Renex.base_image`.
    echo : gets what the tools say while they work; None: it is printed.

    Raises
    ------
    RenexError : `environment_unavailable` with what is missing or went wrong, `docker_unavailable`, `not_found`.
    """
    if kind not in KINDS:
        raise invalid_argument(f"an environment is not built as {kind!r}.", f"Use one of: {', '.join(KINDS)}.")
    session = current()
    found = _kept(session, environment_id)
    return build(
        session, found, kind, all_packages=all_packages, allow_missing=allow_missing, base_image=base_image, echo=echo
    )


def build(
    session: Session,
    found: Environment,
    kind: str,
    *,
    all_packages: bool = False,
    allow_missing: bool = False,
    base_image: str | None = None,
    echo: Callable[[str], None] | None = None,
) -> Build:
    """Make an environment of the store again; see `build_environment`."""
    tell = _by_lines(echo or _print)
    with tempfile.TemporaryDirectory(prefix="build-renex-") as folder:
        if kind == "docker" and found.dockerfile and base_image is None:
            return _from_dockerfile(session, found, tell)
        plan = _plan(found, Path(folder), all_packages=all_packages, allow_missing=allow_missing)
        if kind == "docker":
            base = (base_image or settings().base_image).replace("{python}", minor_of(found.python))
            return _image(found, plan, base, Path(folder), tell)
        return _venv(found, plan, tell)


@dataclass(frozen=True, slots=True)
class EnvironmentForRun:
    """An environment in which an action can be started."""

    environment_id: str
    title: str
    current: bool = False  # that of this process: nothing was built
    python: str | None = None  # interpreter; None in a container, where the image's PATH tells it
    image: str | None = None  # tag
    variables: Mapping[str, str] = field(default_factory=dict)  # to set
    unset: tuple[str, ...] = ()  # variables to take away
    notes: tuple[str, ...] = ()

    def prepare(self, order: Order, _folder: Path, variables: dict[str, str]) -> Order:
        """Change the variables of a process to those of one in this environment; the order stays (see `run_order`)."""
        for name in self.unset:
            variables.pop(name, None)
        variables.update(self.variables)
        return order


def environment_for_run(
    session: Session,
    wanted: object,
    *,
    docker: bool = False,
    base_image: str | None = None,
    allow_missing: bool = False,
    checkout: Path | None = None,
    fresh: bool = False,
    all_packages: bool = False,
    echo: Callable[[str], None] | None = None,
) -> EnvironmentForRun:
    """Return the environment that `--env` names, built if need be.

    Parameters
    ----------
    wanted : id, unique prefix, name, "current", or what has an `environment_id`.
    docker : as an image to run a container of.
    checkout : folder in which the project was written for the run: packages of the project that are installed in place
        are then imported from there.
    fresh : build it also where it is that of this process.
    all_packages : install also what nobody here has imported.

    Raises
    ------
    RenexError : as `build_environment`.
    """
    found = _kept(session, wanted)
    here = _kept_id(wanted) == CURRENT or found.environment_id == find_environment(session, CURRENT).environment_id
    inside = moved_packages(session, found, checkout)
    if here and not docker and not fresh:
        paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        return EnvironmentForRun(
            found.environment_id, found.title, True, sys.executable, variables={"PATH": paths, **inside}
        )
    made = build(
        session,
        found,
        "docker" if docker else "venv",
        all_packages=all_packages,
        allow_missing=allow_missing,
        base_image=base_image,
        echo=echo,
    )
    if docker:
        return EnvironmentForRun(found.environment_id, found.title, image=made.image, notes=made.notes)
    assert made.path
    assert made.python
    paths = os.pathsep.join([str(Path(made.python).parent), os.environ.get("PATH", os.defpath)])
    return EnvironmentForRun(
        environment_id=found.environment_id,
        title=found.title,
        python=made.python,
        variables={"VIRTUAL_ENV": made.path, "PATH": paths, **inside},
        unset=("PYTHONHOME",),
        notes=made.notes,
    )


def _kept(session: Session, wanted: object) -> Environment:
    """Return an environment that is recorded; that of this process is recorded now."""
    if _kept_id(wanted) == CURRENT:
        capture_environment()
    return find_environment(session, wanted)


def _kept_id(wanted: object) -> object:
    return wanted if isinstance(wanted, str) else None


def moved_packages(session: Session, found: Environment, checkout: Path | None) -> dict[str, str]:
    """Return the variable by which packages of the project come from its checkout instead of from where they are now."""
    folders = [] if checkout is None else _own_folders(session, found, checkout)
    given = os.environ.get("PYTHONPATH", "")
    return {"PYTHONPATH": os.pathsep.join([*map(str, folders), *filter(None, [given])])} if folders else {}


def packages_inside(session: Session, environment_id: str | None, checkout: Path, seen_as: str) -> dict[str, str]:
    """Return the same variable for a container, which sees the checkout at another place.

    An image of the environment's own Dockerfile has its own way of finding packages.
    """
    found = find_environment(session, environment_id) if environment_id else None
    if found is None or found.dockerfile is not None:
        return {}
    folders = _own_folders(session, found, checkout)
    return (
        {"PYTHONPATH": ":".join(str(PurePosixPath(seen_as, each.relative_to(checkout))) for each in folders)}
        if folders
        else {}
    )


def _own_folders(session: Session, found: Environment, checkout: Path) -> list[Path]:
    """Return where in a checkout the packages lie that were installed from folders of the project."""
    folders = []
    for each in found.packages:
        origin = each.origin or ""
        folder = Path(origin.removeprefix(EDITABLE).removeprefix(FILE))
        if origin.startswith((EDITABLE, FILE)) and folder.is_relative_to(session.project):
            there = checkout / folder.relative_to(session.project)
            folders += [place for place in (there / "src", there) if place.is_dir()]
    return folders


@dataclass(frozen=True, slots=True)
class _Plan:
    """What goes into a build."""

    order: VenvOrder
    notes: tuple[str, ...]


def _plan(found: Environment, folder: Path, *, all_packages: bool, allow_missing: bool) -> _Plan:
    """Return what is to be installed, and from where.

    Raises
    ------
    RenexError : `environment_unavailable` with what cannot be had.
    """
    whole = all_packages and not is_read_from_files(found)
    placed = texts.not_for_pip(found, all_packages=whole)
    folders, missing, notes = [], list(texts.unreadable(found)), []
    wheels = [make_wheel(folder)] if any(is_ours(each.name) for each in placed) else []
    for each in placed:
        path = _place(each)
        if is_ours(each.name):
            if (version := wheels[0].name.split("-")[1]) != each.version:
                notes.append(f"{each.name} is {version}, that of now, where {each.version} was recorded")
        elif path is None:
            missing.append(f"{each.name} {each.version} from {each.origin}")
        else:
            folders.append((path, str(each.origin).startswith(EDITABLE)))
            notes.append(f"{each.name} is that of now from {path}") if path.is_dir() else None
    if missing and not allow_missing:
        hint = "Bring them back, install what is like them, or go on without: allow_missing=True (--allow-missing)."
        raise RenexError(
            "environment_unavailable", f"{found.title} has what cannot be had here: {_some(missing)}.", hint
        )
    order = VenvOrder(
        environment_id=found.environment_id,
        python=found.python,
        implementation=found.implementation,
        requirements=texts.requirements_text(found, all_packages=whole),
        complete=not is_read_from_files(found),
        wheels=tuple(wheels),
        folders=tuple(folders),
        skipped=tuple(missing),
    )
    return _Plan(order, (*notes, *(f"left out: {each}" for each in missing), *_other_machine(found)))


def _place(package: Package) -> Path | None:
    """Return the folder or archive that a package was installed from, as far as it is still there."""
    origin = package.origin or ""
    place, _, sha256 = origin.removeprefix(EDITABLE).removeprefix(FILE).partition("#sha256=")
    path = Path(place)
    if not origin.startswith((EDITABLE, FILE)) or not path.exists():
        return None
    if sha256 and (not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != sha256):
        return None
    return path


def _other_machine(found: Environment) -> Iterable[str]:
    here = f"{sys.platform}-{platform.machine().lower()}"
    if found.platform and found.platform != here:
        yield f"it was recorded on {found.platform}, and is built on {here}"


def _other_python(found: Environment, version: str) -> tuple[str, ...]:
    """Return what is to be said of the interpreter; a recorded version without its third number is any of these."""
    differs = version and found.python.count(".") > 1 and found.python != version
    return (f"Python is {version}, where {found.python} was recorded",) if differs else ()


def _venv(found: Environment, plan: _Plan, tell: Callable[[str], None]) -> Build:
    made = build_venv(plan.order, tell)
    notes = (*_other_python(found, made.version), *plan.notes, *_without_dockerfile(found))
    path, python = str(made.folder), str(made.python)
    return Build(found.environment_id, "venv", path, python, None, made.seconds, made.cached, notes)


def _without_dockerfile(found: Environment) -> tuple[str, ...]:
    """Return what is to be said where an environment was made of a Dockerfile, which only an image is built by."""
    if not is_read_from_files(found) or not (words := dockerfiles.not_in_a_venv(found)):
        return ()
    return (f"{', '.join(words)} of its Dockerfile: done only in an image (--docker, kind='docker')",)


def _image(found: Environment, plan: _Plan, base: str, folder: Path, tell: Callable[[str], None]) -> Build:
    made = image_context.build_on(base, plan.order, folder / "context", tell)
    python = image_context.PYTHON
    notes = (f"built on {base}", *_other_python(found, made.version), *plan.notes)
    return Build(found.environment_id, "docker", None, python, made.tag, made.seconds, made.cached, notes)


def _from_dockerfile(session: Session, found: Environment, tell: Callable[[str], None]) -> Build:
    """Build the environment's own Dockerfile; what it can copy are the lock files, as they were kept."""
    blobs = session.store.blobs
    files = {path: blobs.get(sha256) for path, sha256 in (found.lock_files or {}).items() if blobs.is_there(sha256)}
    made = image_context.build_as_told(found.environment_id, found.dockerfile or "", files, tell)
    notes = ["built from its Dockerfile"]
    if REDACTED[:-1] in (found.dockerfile or ""):
        notes.append("secrets in its Dockerfile were not kept: what they gave access to is missing")
    return Build(found.environment_id, "docker", None, None, made.tag, made.seconds, made.cached, tuple(notes))


def _some(lines: list[str], most: int = 8) -> str:
    return ", ".join([*lines[:most], *([f"and {len(lines) - most} more"] if len(lines) > most else [])])


def _by_lines(echo: Callable[[str], None]) -> Callable[[str], None]:
    return lambda line: echo(line if line.endswith("\n") else f"{line}\n")


def _print(text: str) -> None:
    print(text, end="", flush=True)
