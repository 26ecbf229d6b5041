"""The files of conda, mamba and pixi. What only conda can install is listed, and pip is not told of it.

References
----------
docs.conda.io, "Managing environments"; conda.github.io/conda-lock; pixi.sh, "The lock file"
"""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from renex_jupyter.capture.requirement_files import ANY, Reading, read_lines
from renex_jupyter.errors import invalid_argument

MATCH = re.compile(
    r"(?:[\w./-]+::)?([\w.-]+)\s*(?:(=?=|[<>!~]=?)?\s*([^\s=]+)(?:=\S+)?|[\s\[].*)?"
)  # chan::name=1.0=build
ARCHIVE = re.compile(r"([^/]+)-([^-/]+)-[^-/]+\.(?:conda|tar\.bz2)")  # name-version-build.conda
NOT_PACKAGES = ("pip",)
MACHINES = {"x86_64": "64", "amd64": "64", "aarch64": "aarch64", "arm64": "arm64"}
SYSTEMS = {"linux": "linux", "darwin": "osx", "win32": "win"}


def read_environment_yml(path: Path, within: Path | None = None) -> Reading:
    """Read an `environment.yml`."""
    told = _yaml(path)
    found = Reading(files=[path], within=within)
    given = told.get("dependencies") or ()
    for each in given:
        if isinstance(each, str):
            _add(found, *_matched(each))
    for each in given:
        if isinstance(each, Mapping):
            read_lines(map(str, each.get("pip") or ()), path.parent, found)
    return found


def read_conda_lock(path: Path) -> Reading:
    """Read a `conda-lock.yml`: the main category of this platform."""
    found = Reading(files=[path])
    for each in _yaml(path).get("package") or ():
        if each.get("platform") in (None, conda_platform()) and each.get("category", "main") == "main":
            if each.get("manager") == "pip":
                found.add(each["name"], str(each["version"]))
            else:
                _add(found, each["name"], str(each["version"]))
    return found


def read_explicit(path: Path) -> Reading:
    """Read a list of addresses, as `conda list --explicit` and conda-lock write it."""
    found = Reading(files=[path])
    for line in path.read_text("utf-8").splitlines():
        if not line.startswith(("#", "@")):
            _add_archive(found, line)
    return found


def read_pixi_lock(path: Path) -> Reading:
    """Read the default environment of this platform."""
    told = _yaml(path)
    found = Reading(files=[path])
    pypi = {each.get("pypi"): each for each in told.get("packages") or () if "pypi" in each}
    packages = (told.get("environments") or {}).get("default", {}).get("packages", {}).get(conda_platform()) or ()
    for each in packages:
        if "conda" in each:
            _add_archive(found, str(each["conda"]))
        elif (package := pypi.get(each.get("pypi"))) and "version" in package:
            found.add(package["name"], str(package["version"]))
    return found


def conda_platform() -> str:
    """Return what conda calls this platform: linux-64."""
    machine = platform.machine().lower()
    return f"{SYSTEMS.get(sys.platform, sys.platform)}-{MACHINES.get(machine, machine)}"


def _add(found: Reading, name: str, version: str) -> None:
    if name == "python":
        found.python = version if re.fullmatch(r"\d+(\.\d+)+", version) else found.python
        found.wanted_python = "" if found.python else version
    elif name not in NOT_PACKAGES:
        found.add_conda(name, version)


def _add_archive(found: Reading, address: str) -> None:
    if told := ARCHIVE.fullmatch(address.partition("#")[0].rpartition("/")[2]):
        _add(found, told[1], told[2])


def _matched(text: str) -> tuple[str, str]:
    told = MATCH.fullmatch(text.strip())
    if told is None:
        return re.sub(r"[^A-Za-z0-9._-]+", "-", text.strip()), ANY
    operator, version = told[2] or "", told[3] or ""
    if operator in ("", "=", "=="):
        return told[1], version.removesuffix(".*") or ANY
    return told[1], f"{operator}{version}"


def _yaml(path: Path) -> dict[str, Any]:
    try:
        told = yaml.safe_load(path.read_text("utf-8"))
    except yaml.YAMLError as error:
        raise invalid_argument(f"{path.name} is no YAML.", "Check the file.") from error
    if not isinstance(told, dict):
        raise invalid_argument(f"{path.name} holds no environment.", "It must be a mapping, with `dependencies`.")
    return told
