"""Interpreter, packages and lock files of this process. Nothing is started and nobody is asked."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from renex_jupyter.capture.distributions import Distribution, imported, installed, needed
from renex_jupyter.ids import content_id
from renex_jupyter.records.environments import Environment, Package

LOCK_FILES = (
    "uv.lock",
    "poetry.lock",
    "pdm.lock",
    "pixi.lock",
    "pylock.toml",
    "Pipfile.lock",
    "conda-lock.yml",
    "environment.yml",
    "environment.yaml",
    "requirements*.txt",
)
MAX_LOCK_FILE = 64 * 2**20  # bytes
MAX_DOCKERFILE = 2**20  # bytes


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


def capture_environment(root: Path | None = None) -> Environment:
    """Return interpreter, packages and lock files as they are now.

    Parameters
    ----------
    root : folder of the project, in which lock files and a Dockerfile are looked for; None: nowhere.

    Returns
    -------
    Environment whose id covers python, platform, packages, lock files and Dockerfile: neither the machine nor what
    happens to be imported, so that the same installation has the same id everywhere.
    """
    inventory = _current()
    used = imported(inventory.distributions)
    packages = tuple(Package(each.name, each.version, each.name in used) for each in inventory.distributions)
    locks = {path.name: digest for path in _lock_files(root) if (digest := _sha256(path))}
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
    )


def _identity(
    interpreter: tuple[str, ...], packages: tuple[Package, ...], locks: Mapping[str, str], dockerfile: str | None
) -> str:
    pinned = [f"{each.name}=={each.version}" for each in packages]
    hashes = [text for pair in sorted(locks.items()) for text in pair]
    return content_id([*interpreter, len(pinned), *pinned, len(hashes), *hashes, dockerfile])


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
    pin = f"{distribution.name}=={distribution.version}"
    try:
        origin = json.loads(distribution.found.read_text("direct_url.json") or "{}")
        if "vcs_info" in origin:
            address, commit = _without_user(origin["url"]), origin["vcs_info"]["commit_id"]
            return f"{distribution.name} @ {origin['vcs_info']['vcs']}+{address}@{commit}"
        return f"# {pin} was installed from a local folder" if "dir_info" in origin else pin
    except (OSError, ValueError, LookupError, TypeError):
        return pin


def _without_user(address: str) -> str:
    """An address may carry a token before the "@" of its host, and requirements are shown."""
    scheme, mark, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}"


def _lock_files(root: Path | None) -> Iterator[Path]:
    if root is not None:
        for pattern in LOCK_FILES:
            yield from sorted(root.glob(pattern))


def _sha256(path: Path) -> str | None:
    try:
        if not path.is_file() or path.stat().st_size > MAX_LOCK_FILE:
            return None
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _dockerfile(root: Path | None) -> str | None:
    path = root / "Dockerfile" if root else None
    try:
        if path is None or not path.is_file() or path.stat().st_size > MAX_DOCKERFILE:
            return None
        return path.read_text("utf-8", "replace")
    except OSError:
        return None
