"""Virtual environments, made once for what they hold and kept in the user's cache.

A folder counts as built when its marker is in it, which is written last and whole. It bears its final name from the
start, since the scripts in it name it; one without a marker was left by a killed builder and is made anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from renex_jupyter.config import settings
from renex_jupyter.ids import content_id
from renex_jupyter.records.environments import CONSTRAINT
from renex_jupyter.store import locks
from renex_jupyter.store.layout import os_errors, write_whole
from renex_jupyter.tasks import installers
from renex_jupyter.tasks.folder_digest import digest
from renex_jupyter.tasks.installers import Echo, run_tool
from renex_jupyter.tasks.interpreters import Interpreter, find_interpreter, minor_of

MARKER = "renex-build.json"
CANNOT = "the environment cannot be built"
PACKAGES = "the packages cannot be installed"


@dataclass(frozen=True, slots=True)
class VenvOrder:
    """What a virtual environment shall hold."""

    environment_id: str
    python: str  # "3.11.7"
    implementation: str
    requirements: str  # lines that pip reads
    complete: bool  # nothing else is needed than what stands there
    wheels: tuple[Path, ...] = ()  # made here
    folders: tuple[tuple[Path, bool], ...] = ()  # installed from a folder or an archive; True: in place
    skipped: tuple[str, ...] = ()  # what is left out of it

    @property
    def key(self) -> str:
        """The same for the same content; what is installed in place is read where it lies, and so never old."""
        wheels = [hashlib.sha256(path.read_bytes()).hexdigest() for path in self.wheels]
        folders = [f"{path} {in_place} {'' if in_place else digest(path)}" for path, in_place in self.folders]
        content = [minor_of(self.python), self.implementation, self.requirements, str(self.complete)]
        for part in (wheels, folders, self.skipped):
            content += [str(len(part)), *part]
        return content_id(content)

    @property
    def key_of_copies(self) -> str:
        """The same for the same content, where nothing can be installed in place, as in an image."""
        return content_id([self.key, *(digest(path) for path, in_place in self.folders if in_place)])


@dataclass(frozen=True, slots=True)
class Venv:
    """A virtual environment that is complete."""

    folder: Path
    python: Path
    version: str  # of the interpreter
    installer: str  # uv or pip
    seconds: float  # that it took to build it
    cached: bool


def environments_folder() -> Path:
    """Return the folder of the built environments: the setting, or the user's cache folder.

    References
    ----------
    specifications.freedesktop.org/basedir-spec
    """
    if settings().environments_folder:
        return Path(settings().environments_folder).expanduser().absolute()
    home = Path.home()
    named = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME", "")
    usual = home / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    cache = Path(named) if named and Path(named).is_absolute() else usual
    return cache / "renex" / "environments"


def python_in(folder: Path) -> Path:
    """Return the interpreter of a virtual environment."""
    return folder / "Scripts" / "python.exe" if sys.platform == "win32" else folder / "bin" / "python"


def built(environment_id: str) -> tuple[Path, ...]:
    """Return the virtual environments that were built of an environment and are complete, the newest first."""
    found = [each for each in environments_folder().glob(f"{environment_id[:16]}-*") if _finished(each)]
    return tuple(sorted(found, key=lambda each: -(each / MARKER).stat().st_mtime))


def build_venv(order: VenvOrder, echo: Echo) -> Venv:
    """Return the virtual environment of an order; it is built unless that was done before.

    Of several processes that want the same one builds, and the others wait for it.

    Raises
    ------
    RenexError : `environment_unavailable` without the interpreter, or with what the installer said last.
    """
    home = environments_folder()
    folder = home / f"{order.environment_id[:16]}-{order.key[:8]}"
    if found := _finished(folder):
        return found
    interpreter = find_interpreter(order.python, order.implementation)
    with os_errors(CANNOT):
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(_lock_of(folder), echo) as held:
            if found := _finished(folder):
                return found
            _sweep(home)
            return _build(order, folder, interpreter, echo, held)


def _build(order: VenvOrder, folder: Path, interpreter: Interpreter, echo: Echo, held: int) -> Venv:
    started = time.monotonic()
    try:
        shutil.rmtree(folder, ignore_errors=True)
        uv = installers.find_uv()
        echo(f"building {folder} with Python {interpreter.version} and {'uv' if uv else 'pip'}")
        (_fill_with_uv if uv else _fill_with_pip)(order, folder, interpreter, echo, held)
        seconds = round(time.monotonic() - started, 3)
        made = Venv(folder, python_in(folder), interpreter.version, "uv" if uv else "pip", seconds, cached=False)
        facts = {name: getattr(made, name) for name in ("version", "installer", "seconds")}
        facts |= {"environment_id": order.environment_id, "requirements": order.requirements}
        write_whole(folder / MARKER, json.dumps(facts, indent=1).encode())
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return made


def _fill_with_uv(order: VenvOrder, folder: Path, interpreter: Interpreter, echo: Echo, held: int) -> None:
    uv, env = installers.find_uv() or "uv", installers.uv_environment()
    run_tool([uv, "venv", "--no-project", "--python", interpreter.path, str(folder)], CANNOT, echo, held=held, env=env)
    install = [uv, "pip", "install", "--python", str(python_in(folder))]
    for words in _installs(order, folder):
        run_tool([*install, *words], PACKAGES, echo, held=held, env=env)


def _fill_with_pip(order: VenvOrder, folder: Path, interpreter: Interpreter, echo: Echo, held: int) -> None:
    ours = installers.has_pip()
    without = ["--without-pip"] if ours else []
    run_tool([interpreter.path, "-I", "-m", "venv", *without, str(folder)], CANNOT, echo, held=held)
    if settings_of_pip := installers.site_configuration():
        shutil.copy(settings_of_pip, folder)
    pip = installers.pip(python_in(folder)) if ours else [str(python_in(folder)), "-m", "pip"]
    for words in _installs(order, folder):
        run_tool([*pip, "install", *words], PACKAGES, echo, held=held)


def _installs(order: VenvOrder, folder: Path) -> Iterator[list[str]]:
    """Yield the words of each call of the installer."""
    if any(line and not line.startswith("#") for line in order.requirements.splitlines()):
        yield [*(["--no-deps"] if order.complete else []), *requirement_files(order, folder)]
    # What these need stands among the requirements. Apart from them, since those may be checked by their hashes.
    for path in order.wheels:
        yield [*(["--no-deps"] if order.complete else []), str(path)]
    for path, in_place in order.folders:
        yield ["--no-deps", *(["-e"] if in_place else []), str(path)]


def requirement_files(order: VenvOrder, folder: Path) -> list[str]:
    """Write the requirements and the constraints that stand among them; return how an installer is told of both."""
    lines = order.requirements.splitlines()
    limits = [line.removeprefix(CONSTRAINT) for line in lines if line.startswith(CONSTRAINT)]
    listed, limiting = folder / "renex-requirements.txt", folder / "renex-constraints.txt"
    listed.write_text(order.requirements, encoding="utf-8")
    if limits:
        limiting.write_text("".join(f"{line}\n" for line in limits), encoding="utf-8")
    return ["-r", str(listed), *(["-c", str(limiting)] if limits else [])]


def _finished(folder: Path) -> Venv | None:
    """Return the environment in a folder; None where it is not complete, or its interpreter went."""
    try:
        told: dict[str, Any] = json.loads((folder / MARKER).read_bytes())
        if not os.access(python_in(folder), os.X_OK):
            return None
        return Venv(folder, python_in(folder), told["version"], told["installer"], told["seconds"], cached=True)
    except (OSError, ValueError, LookupError):
        return None


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.lock")


@contextmanager
def _alone(path: Path, echo: Echo) -> Iterator[int]:
    """Hold the lock of a build and yield its descriptor; wait for another process as long as that builds."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        if not locks.take(descriptor):
            echo("another process builds it: waiting")
            while not locks.take(descriptor):
                time.sleep(0.1)
        yield descriptor
    finally:
        os.close(descriptor)


def _sweep(home: Path) -> None:
    """Remove what killed builders left."""
    for lock in home.glob(".*.lock"):
        folder = home / lock.name.removeprefix(".").removesuffix(".lock")
        with suppress(OSError):
            if folder.is_dir() and not (folder / MARKER).exists() and not locks.is_held(lock):
                shutil.rmtree(folder, ignore_errors=True)
