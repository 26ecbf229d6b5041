"""Which interpreter of this machine an environment is made with."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass

from renex_jupyter.tasks.installers import find_uv, tool_environment, unavailable

ASK = "import platform as p, sys; print(p.python_version(), p.python_implementation(), sys.executable)"
PROGRAMS = {"CPython": "python", "PyPy": "pypy"}


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python of this machine."""

    path: str
    version: str  # "3.11.7"
    implementation: str = "CPython"


def find_interpreter(python: str, implementation: str = "CPython") -> Interpreter:
    """Return an interpreter of the same major and minor version: ours, one on the PATH, or one that uv knows.

    Parameters
    ----------
    python : "3.11.7", "3.11", or "": any, which is ours.

    Raises
    ------
    RenexError : `environment_unavailable`.
    """
    minor = minor_of(python)
    ours = (minor_of(platform.python_version()), platform.python_implementation())
    if minor in ("", ours[0]) and implementation in ("", ours[1]):
        base = getattr(sys, "_base_executable", None) or sys.executable
        return Interpreter(base, platform.python_version(), platform.python_implementation())
    for path in (shutil.which(f"{PROGRAMS.get(implementation, 'python')}{minor}"), _known_to_uv(minor, implementation)):
        found = asked(path) if path else None
        if found and minor_of(found.version) == minor and found.implementation == (implementation or "CPython"):
            return found
    raise unavailable(
        f"it needs {implementation or 'Python'} {minor}, which is not on this machine (here runs {' '.join(ours[::-1])}).",
        f"Install Python {minor} so that python{minor} is on the PATH, or with uv: uv python install {minor}",
    )


def minor_of(python: str) -> str:
    """Return "3.11" of "3.11.7".

    Raises
    ------
    RenexError : `environment_unavailable` for what is no version: it would go into a Dockerfile as it is.
    """
    minor = ".".join(python.split(".")[:2])
    if not re.fullmatch(r"[0-9.]*", minor):
        raise unavailable(f"{python!r} is no version of Python.", "The environment was not recorded by this program.")
    return minor


def asked(path: str) -> Interpreter | None:
    """Return what an interpreter says of itself; None where it does not start, as the shim of one that is not there."""
    try:
        done = subprocess.run(
            [path, "-I", "-c", ASK], capture_output=True, text=True, timeout=30, check=True, env=tool_environment()
        )
        version, implementation, executable = done.stdout.strip().split(" ", 2)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return Interpreter(executable, version, implementation)


def _known_to_uv(minor: str, implementation: str) -> str | None:
    uv = find_uv()
    if uv is None:
        return None
    wanted = minor if implementation in ("", "CPython") else f"{implementation.lower()}@{minor}"
    command = [uv, "python", "find", "--no-project", "--system", wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=tool_environment())
    return done.stdout.strip() or None if done.returncode == 0 else None
