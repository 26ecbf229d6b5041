"""An environment as a file for other tools: requirements of pip, a Dockerfile, an environment of conda."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from renex_jupyter.errors import invalid_argument
from renex_jupyter.ids import short
from renex_jupyter.records.environments import EDITABLE, FILE, NOT_FOR_PIP, Environment, Package

PIN = re.compile(r"(?:# )?([A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?(?:\s*(?:===?|@)|\b)")
LOCAL = (EDITABLE, FILE)
CONDA = "conda"
PLAIN = re.compile(r"[A-Za-z0-9_.:/@+=<>!~,\[\] -]*[A-Za-z0-9_.\]]")


def requirements_text(environment: Environment, *, all_packages: bool = False) -> str:
    """Return the requirements: of what was imported and needed, or of every package."""
    return environment.requirements if not all_packages else "".join(f"{_line(e)}\n" for e in environment.packages)


def dockerfile_text(environment: Environment, base_image: str, *, all_packages: bool = False) -> str:
    """Return a Dockerfile that needs no other file: the requirements stand in it.

    The base image must have Python and pip, as `python:3.11-slim` has.
    """
    lines = requirements_text(environment, all_packages=all_packages).splitlines()
    return "\n".join(
        [
            *_head(environment),
            f"FROM {base_image}",
            *(line for line in lines if line.startswith("#")),
            *_install([line for line in lines if line and not line.startswith("#")]),
            "WORKDIR /work",
            "",
        ]
    )


def conda_text(environment: Environment, *, all_packages: bool = False) -> str:
    """Return an `environment.yml`; the packages come from pip, with the versions that it installed, as do their files."""
    lines = requirements_text(environment, all_packages=all_packages).splitlines()
    pins = [line for line in lines if line and not line.startswith(("#", "-"))]
    conda = [f"  - {each.name}={each.version}" for each in environment.packages if each.origin == CONDA]
    name = re.sub(r"[^\w.-]+", "-", environment.name or f"renex-{short(environment.environment_id)}")
    return "\n".join(
        [
            *_head(environment),
            *(line for line in lines if line.startswith("#") and "package of conda" not in line),
            f"name: {name}",
            "channels:",
            "  - conda-forge",
            "dependencies:",
            f"  - python={environment.python}",
            *conda,
            *(["  - pip", "  - pip:", *(f"      - {_quoted(line)}" for line in pins)] if pins else []),
            "",
        ]
    )


FORMATS: dict[str, Callable[..., str]] = {
    "requirements": requirements_text,
    "dockerfile": dockerfile_text,
    "conda": conda_text,
}


def check_format(format: str) -> str:  # noqa: A002  its name in the interface
    """Return the name of a format.

    Raises
    ------
    RenexError : `invalid_argument`.
    """
    if format not in FORMATS:
        raise invalid_argument(f"there is no format {format!r}.", f"Use one of: {', '.join(FORMATS)}.")
    return format


def not_for_pip(environment: Environment, *, all_packages: bool = False) -> tuple[Package, ...]:
    """Return the packages whose line in the requirements is a comment: those of folders, archives and conda."""
    lines = requirements_text(environment, all_packages=all_packages).splitlines()
    named = {told[1].lower() for line in lines if line.startswith("# ") and (told := PIN.match(line))}
    placed = (each for each in environment.packages if each.origin and each.origin.startswith((*LOCAL, CONDA)))
    return tuple(each for each in placed if each.name.lower() in named)


def unreadable(environment: Environment) -> tuple[str, ...]:
    """Return the lines that pip does not read, of which nobody knows where the package came from."""
    return tuple(line[2:] for line in environment.requirements.splitlines() if line.endswith(NOT_FOR_PIP))


def _line(package: Package) -> str:
    pin, origin = f"{package.name}=={package.version}", package.origin
    if origin is None:
        return pin
    if origin == CONDA:
        return f"# {pin} is a package of conda: pip does not install it"
    if not origin.startswith(LOCAL):
        return f"{package.name} @ {origin}"
    how, _, where = origin.partition(" ")
    return f"# {pin} was installed from {' '.join(where.split())}{' (editable)' if how == 'editable' else ''}"


def _head(environment: Environment) -> Iterator[str]:
    yield f"# Environment {environment.environment_id[:12]}, written by renex_jupyter."
    told = f"{environment.implementation} {environment.python} on {environment.platform}"
    yield f"# {' '.join(told.split())}"  # on one line: the next one would be an instruction


def _install(pins: list[str]) -> list[str]:
    """Return the instruction that installs the pins: a printf, since here-documents need BuildKit."""
    if not pins:
        return []
    words = [f"    {_shell(line)}" for line in pins]
    pip = "pip install --no-cache-dir -r /tmp/requirements.txt && rm /tmp/requirements.txt"
    return ["RUN printf '%s\\n' \\", *(f"{word} \\" for word in words), f"    > /tmp/requirements.txt && {pip}"]


def _shell(text: str) -> str:
    """Return a text that neither the shell nor Docker's parser changes."""
    return "'" + text.replace("'", "'\\''") + "'"


def _quoted(text: str) -> str:
    """Return a line as YAML says it."""
    return (
        text if PLAIN.fullmatch(text) and ": " not in text and " #" not in text else "'" + text.replace("'", "''") + "'"
    )
