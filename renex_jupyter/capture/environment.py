"""Interpreter, packages and lock files of this process. Nothing is started and nobody is asked."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from renex_jupyter.capture.described import SMALL, kept_dockerfile
from renex_jupyter.capture.distributions import Distribution, imported, installed, needed
from renex_jupyter.capture.lock_files import capture_lock_files
from renex_jupyter.ids import content_id
from renex_jupyter.records.environments import EDITABLE, FILE, NOT_FOR_PIP, Environment, Package
from renex_jupyter.store.blobs import Blobs

VERSION_CONTROL = re.compile(r"(?:git|hg|svn|bzr)\+")


@dataclass
class _Inventory:
    """The distributions as this process last read them, and by what it knows that they have not changed."""

    key: tuple[object, ...] = ()
    distributions: tuple[Distribution, ...] = ()
    requirements: dict[frozenset[str], str] = field(default_factory=dict)  # by what was imported

    @property
    def folders(self) -> set[str]:
        """The folders that hold distributions."""
        named = {each for each in sys.path if Path(each).name in ("site-packages", "dist-packages")}
        return named | {each.folder for each in self.distributions}


_inventory = _Inventory()


def capture_environment(
    root: Path | None = None,
    *,
    beside: Path | None = None,
    blobs: Blobs | None = None,
    purged: Collection[str] = (),
) -> Environment:
    """Return interpreter, packages and lock files as they are now.

    Parameters
    ----------
    root : folder of the project, in which lock files and a Dockerfile are looked for; None: nowhere.
    beside : the notebook's folder, in which lock files may lie, too.
    blobs : where the contents of lock files are kept, so that the environment can be made again although the files
        of a snapshot are not those; None: nothing is written.
    purged : SHA-256 of contents that are not kept again.

    Returns
    -------
    Environment whose id covers python, platform, packages, lock files and Dockerfile: neither the machine nor what
    happens to be imported, so that the same installation has the same id everywhere. The commit of a package from
    version control and the hash of an archive count, since its version does not tell them apart; a folder does not:
    it has another path on every machine, and nobody knows what was in it.
    """
    inventory = _current()
    used = imported(inventory.distributions)
    packages = tuple(
        Package(each.name, each.version, each.name in used, each.origin) for each in inventory.distributions
    )
    locks = {} if root is None else capture_lock_files(root, beside, blobs=blobs, purged=purged)
    dockerfile = _dockerfile(root)
    python, implementation = platform.python_version(), platform.python_implementation()
    system = f"{sys.platform}-{platform.machine().lower()}"
    identity = _identity((python, implementation, system), packages, locks, dockerfile)
    return Environment(
        environment_id=identity,
        python=python,
        implementation=implementation,
        platform=system,
        packages=packages,
        requirements=_requirements(inventory, used),
        lock_files=locks,
        dockerfile=dockerfile,
        locks_kept=blobs is not None,
    )


def with_imported(made: Environment, names: Collection[str]) -> Environment:
    """Return an environment of this process with other packages as the imported ones, and the requirements of these."""
    packages = tuple(replace(each, imported=each.name in names) for each in made.packages)
    return replace(made, packages=packages, requirements=_requirements(_current(), frozenset(names)))


def editable_folders(environment: Environment) -> tuple[str, ...]:
    """Return the folders of distributions that are installed in place."""
    origins = (each.origin for each in environment.packages)
    return tuple(each.removeprefix(EDITABLE) for each in origins if each and each.startswith(EDITABLE))


def _identity(
    interpreter: tuple[str, ...], packages: tuple[Package, ...], locks: Mapping[str, str], dockerfile: str | None
) -> str:
    pinned = [f"{each.name}=={each.version}{_exact(each.origin)}" for each in packages]
    hashes = [text for pair in sorted(locks.items()) for text in pair]
    # Records of before the contents of lock files were kept have other ids, so that none of them is taken for one of now.
    kept = ["kept"] if locks else []
    return content_id([*interpreter, len(pinned), *pinned, len(hashes), *hashes, *kept, dockerfile])


def _exact(origin: str | None) -> str:
    """Return the commit or the hash that an origin ends with."""
    if origin is None or origin.startswith(EDITABLE):
        return ""
    if VERSION_CONTROL.match(origin):
        return f"@{origin.rpartition('@')[2]}"
    return "".join(origin.partition("#sha256=")[1:])


def _current() -> _Inventory:
    global _inventory  # noqa: PLW0603  # the cache of this process
    if not _inventory.distributions or _inventory.key != _key(_inventory):
        fresh = _Inventory(distributions=installed())
        fresh.key = _key(fresh)
        _inventory = fresh
    return _inventory


def _key(inventory: _Inventory) -> tuple[object, ...]:
    """Whoever installs or removes a distribution changes the time of the folder that holds it."""
    return (tuple(sys.path), tuple((each, _mtime(each)) for each in sorted(inventory.folders)))


def _mtime(folder: str) -> int:
    try:
        return Path(folder).stat().st_mtime_ns
    except OSError:
        return 0


def _requirements(inventory: _Inventory, used: frozenset[str]) -> str:
    if used not in inventory.requirements:
        by_name = {each.name: each for each in inventory.distributions}
        lines = [_pinned(each) for each in needed(used, by_name)]
        inventory.requirements[used] = "".join(f"{line}\n" for line in lines)
    return inventory.requirements[used]


def _pinned(distribution: Distribution) -> str:
    """Return a line for pip; what pip could not install by it is a comment."""
    pin, origin = f"{distribution.name}=={distribution.version}", distribution.origin
    if origin is not None and origin.startswith((EDITABLE, FILE)):
        how, _, where = origin.partition(" ")
        return f"# {pin} was installed from {_on_one_line(where)}{' (editable)' if how == 'editable' else ''}"
    line = pin if origin is None else f"{distribution.name} @ {origin}"
    try:
        Requirement(line)
    except InvalidRequirement:
        return f"# {_on_one_line(line)} {NOT_FOR_PIP}"
    return line


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def _dockerfile(root: Path | None) -> str | None:
    path = root / "Dockerfile" if root else None
    try:
        if path is None or not path.is_file() or path.stat().st_size > SMALL:
            return None
        return kept_dockerfile(path.read_text("utf-8", "replace"))
    except OSError:
        return None
