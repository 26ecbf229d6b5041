"""An environment as files describe it: a folder, a Dockerfile, a lock file, requirements."""

from __future__ import annotations

import hashlib
import platform
import re
import sys
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from renex_jupyter.capture import conda_files, lock_formats, requirement_files
from renex_jupyter.capture.described import SMALL, check_place, kept_dockerfile, read_bytes, without_secrets
from renex_jupyter.capture.lock_files import capture_lock_files
from renex_jupyter.capture.requirement_files import Reading
from renex_jupyter.errors import RenexError, from_os_error, invalid_argument
from renex_jupyter.ids import content_id
from renex_jupyter.records.environments import Environment
from renex_jupyter.records.paths import from_text, to_text
from renex_jupyter.store.blobs import Blobs

Reader = Callable[..., Reading]
# What is read of a folder is the first of these that is there: the more exact goes first.
READERS: tuple[tuple[str, Reader], ...] = (
    ("pylock*.toml", lock_formats.read_pylock),
    ("uv.lock", lock_formats.read_uv_lock),
    ("poetry.lock", lock_formats.read_poetry_lock),
    ("pdm.lock", lock_formats.read_pdm_lock),
    ("Pipfile.lock", lock_formats.read_pipfile_lock),
    ("pixi.lock", conda_files.read_pixi_lock),
    ("conda-lock.y*ml", conda_files.read_conda_lock),
    ("conda-*.lock", conda_files.read_explicit),
    ("requirements.txt", requirement_files.read_requirements),
    ("environment.y*ml", conda_files.read_environment_yml),
    ("requirements*.txt", requirement_files.read_requirements),
    ("pyproject.toml", requirement_files.read_pyproject),
)
# What a file of any other name is taken for.
ENDINGS = ((".txt", requirement_files.read_requirements), (".in", requirement_files.read_requirements))
# These name other files, which are read, too.
INCLUDING = (requirement_files.read_requirements, requirement_files.read_pyproject, conda_files.read_environment_yml)
DOCKERFILE = re.compile(r"(?:.*[._-])?(?:dockerfile|containerfile)(?:[._-].*)?", re.IGNORECASE)
FROM_PYTHON = re.compile(r"^\s*FROM\s+(?:--\S+\s+)*(?:\S+/)?python:(\d+\.\d+(?:\.\d+)?)", re.IGNORECASE | re.MULTILINE)
PYTHON = re.compile(r"[0-9]+(?:\.[0-9]+){0,2}")
READ_FROM = "# read from "  # first line of the requirements of an environment that was read from files
OFFERED = [f"3.{minor}" for minor in range(8, 30)]
KNOWN = "requirements.txt, uv.lock, poetry.lock, pdm.lock, Pipfile.lock, pylock.toml, environment.yml, conda-lock.yml, pixi.lock"


def read_environment(
    path: Path,
    *,
    within: Path | None = None,
    blobs: Blobs | None = None,
    purged: Collection[str] = (),
    python: str | None = None,
) -> Environment:
    """Return the environment that a folder or a file describes.

    Parameters
    ----------
    path : a folder, in which the most exact file is taken and a Dockerfile; or one such file.
    within : folder outside of which no file is read, if the path lies in it; else that is the folder of the path.
    blobs : where the contents of the files are kept, without the secrets that are known by their form; None: nowhere.
    purged : SHA-256 of contents that are not kept again.
    python : version of the interpreter, where the files are to be overruled.

    Returns
    -------
    Environment for this platform. Its python is what the files say; ours where they allow it; else the oldest that they
    allow. What pip cannot install, such as a package of conda, stands in the requirements as a comment.

    Raises
    ------
    RenexError : `not_found`, `invalid_argument` for a file that does not read, or a folder without any, `unsafe_path`.
    """
    home = path if path.is_dir() else path.parent
    inside = within if within and home.resolve().is_relative_to(within.resolve()) else home
    try:
        dockerfile, found, source = _read(path, inside)
        locks = _locks(path, home, found, blobs, purged)
        version = _checked(python) or found.python or _pinned_python(home, dockerfile) or _python(found.wanted_python)
    except OSError as error:
        raise from_os_error(error, f"the environment of {path} cannot be read") from error
    told = [READ_FROM + " ".join(" and ".join(source).split()), *found.lines]
    packages = tuple(found.packages[name] for name in sorted(found.packages))
    system = f"{sys.platform}-{platform.machine().lower()}"
    requirements = "".join(f"{line}\n" for line in told)
    implementation = platform.python_implementation()
    pinned = [part for pair in sorted(locks.items()) for part in pair]
    return Environment(
        environment_id=content_id(["files", version, implementation, system, requirements, dockerfile, *pinned]),
        python=version,
        implementation=implementation,
        platform=system,
        packages=packages,
        requirements=requirements,
        lock_files=locks,
        dockerfile=dockerfile,
        locks_kept=blobs is not None,
    )


def _read(path: Path, within: Path) -> tuple[str | None, Reading, list[str]]:
    """Return the text of the Dockerfile, what is asked for, and the names of the files that say so."""
    if not path.is_dir() and not path.is_file():
        raise invalid_argument(f"{path} is no file.", "A pipe or a device is not read.")
    if path.is_dir():
        dockerfile = next((path / name for name in ("Dockerfile", "Containerfile") if (path / name).is_file()), None)
    else:
        dockerfile = path if DOCKERFILE.fullmatch(path.name) else None
    file = path if path.is_file() and dockerfile is None else _in_folder(path if path.is_dir() else path.parent)
    if file is None and dockerfile is None:
        raise invalid_argument(f"{path} describes no environment.", f"Give a Dockerfile or one of: {KNOWN}.")
    for each in filter(None, (dockerfile, file)):
        check_place(each, within)
    text = None if dockerfile is None else kept_dockerfile(read_bytes(dockerfile, SMALL).decode("utf-8", "replace"))
    names = [each.name for each in (dockerfile, file) if each is not None]
    return text, _reading(file, within) if file is not None else Reading(), names


def _in_folder(folder: Path) -> Path | None:
    for pattern, _ in READERS:
        found = sorted(each for each in folder.glob(pattern) if each.is_file())
        if found:
            return found[0]
    return None


def _reading(file: Path, within: Path) -> Reading:
    read_bytes(file)
    try:
        reader = _reader(file)
        found = reader(file, within) if reader in INCLUDING else reader(file)
        found.python = _checked(found.python)
    except (ValueError, LookupError, TypeError, AttributeError) as error:  # as TOML, JSON and their fields raise them
        raise invalid_argument(f"{file.name} does not read: {error}.", f"Known are: {KNOWN}.") from error
    return found


def _reader(file: Path) -> Reader:
    named = next((reader for pattern, reader in READERS if file.match(pattern)), None)
    return named or next((reader for ending, reader in ENDINGS if file.suffix == ending), None) or _by_content(file)


def _by_content(file: Path) -> Reader:
    """Return the reader of a file whose name tells nothing."""
    text = file.read_text("utf-8", "replace")
    marks: tuple[tuple[str, Reader], ...] = (
        (r"^@EXPLICIT", conda_files.read_explicit),
        (r"^lock-version *= *['\"]1\.0['\"] *$(?s:.*)^\[\[packages\]\]", lock_formats.read_pylock),
        (r"^content-hash *=", lock_formats.read_poetry_lock),
        (r"^lock_version *=", lock_formats.read_pdm_lock),
        (r"^requires-python *=", lock_formats.read_uv_lock),
        (r"^dependencies:", conda_files.read_environment_yml),
        (r"^environments:", conda_files.read_pixi_lock),
        (r"^package:", conda_files.read_conda_lock),
        (r"\"_meta\"", lock_formats.read_pipfile_lock),
    )
    for pattern, reader in marks:
        if re.search(pattern, text, re.MULTILINE):
            return reader
    raise invalid_argument(f"{file.name} is of no known form.", f"Known are: {KNOWN}, and a Dockerfile.")


def _locks(path: Path, home: Path, found: Reading, blobs: Blobs | None, purged: Collection[str]) -> dict[str, str]:
    """Return the files that were read, or in a folder all that pin something: relative path -> SHA-256."""
    locks = capture_lock_files(home, purged=purged) if path.is_dir() else {}
    files = [*(home / from_text(name) for name in locks), *found.files]
    return dict(sorted(_own(files, home, blobs, purged)))


def _own(files: list[Path], home: Path, blobs: Blobs | None, purged: Collection[str]) -> Iterator[tuple[str, str]]:
    for file in files:
        content = without_secrets(read_bytes(file), file.name)
        sha256 = hashlib.sha256(content).hexdigest()
        inside = file.resolve().is_relative_to(home.resolve())
        name = file.resolve().relative_to(home.resolve()).as_posix() if inside else file.name
        if sha256 not in purged:
            yield to_text(name), blobs.put(content) if blobs is not None else sha256


def _pinned_python(home: Path, dockerfile: str | None) -> str:
    if told := FROM_PYTHON.search(dockerfile or ""):
        return told[1]
    try:
        first = read_bytes(home / ".python-version", SMALL).decode().split()[:1]
    except (OSError, UnicodeDecodeError, RenexError):
        return ""
    return first[0] if first and PYTHON.fullmatch(first[0]) else ""


def _checked(python: str | None) -> str:
    """Return a version of Python, which ends up in a Dockerfile and in the names of programs."""
    if python and not PYTHON.fullmatch(python):
        raise invalid_argument(f"{python!r} is no version of Python.", "Write it as 3.12 or 3.12.4.")
    return python or ""


def _python(wanted: str) -> str:
    """Return our version where it is allowed, else the oldest that is."""
    ours = platform.python_version()
    try:
        allowed = SpecifierSet(wanted)
    except InvalidSpecifier:
        return ours
    if allowed.contains(ours, prereleases=True):
        return ours
    return next((each for each in OFFERED if allowed.contains(f"{each}.99")), ours)


def is_read_from_files(environment: Environment) -> bool:
    """Say whether an environment was read from files: its requirements may need more than what they name."""
    return environment.requirements.startswith(READ_FROM)
