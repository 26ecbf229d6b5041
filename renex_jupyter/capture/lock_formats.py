"""The lock files of Python's packagers, each as what it pins for this machine.

References
----------
packaging.python.org/specifications/pylock-toml; docs.astral.sh/uv/concepts/projects/layout; python-poetry.org/docs;
pipenv.pypa.io; pdm-project.org
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from renex_jupyter.capture.distributions import without_user
from renex_jupyter.capture.requirement_files import ANY, Reading, applies


def read_uv_lock(path: Path) -> Reading:
    """Read what `uv sync` would install without the development groups."""
    told = tomllib.loads(path.read_text("utf-8"))
    found = Reading(files=[path], wanted_python=str(told.get("requires-python", "")))
    for package in _reached(told.get("package", [])):
        name, version, source = package["name"], str(package.get("version", "*")), package.get("source", {})
        if "virtual" in source:
            continue  # the project's own files, which are not installed
        place = next((source[kind] for kind in ("editable", "directory", "path") if kind in source), None)
        if place is not None:
            found.add_local(name, version, (path.parent / place).resolve(), in_place="editable" in source)
        else:
            found.add(name, version, origin=_uv_origin(source))
    return found


def _uv_origin(source: Mapping[str, Any]) -> str | None:
    if "git" in source:  # https://host/repo?rev=main#<commit>
        address, _, commit = str(source["git"]).partition("#")
        return without_user(f"git+{address.partition('?')[0]}@{commit}")
    return without_user(str(source["url"])) if "url" in source else None


def _reached(packages: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the packages that the project needs on this machine, ordered by name.

    A name stands there more than once where versions differ by platform; a dependency then says which one it means.
    """
    by_name: dict[str, list[dict[str, Any]]] = {}
    for each in packages:
        by_name.setdefault(each["name"], []).append(each)
    waiting = [
        (each, extra) for each in packages if {"virtual", "editable"} & each.get("source", {}).keys() for extra in ("",)
    ]
    seen: dict[tuple[str, str, str], dict[str, Any]] = {}
    while waiting:
        package, extra = waiting.pop()
        key = (package["name"], str(package.get("version")), extra)
        if key in seen:
            continue
        seen[key] = package
        needs = package.get("optional-dependencies", {}).get(extra, ()) if extra else package.get("dependencies", ())
        for need in needs:
            if applies(need.get("marker", "")):
                one = _meant(by_name.get(need["name"], []), need)
                waiting += [(one, each) for each in ("", *need.get("extra", ())) if one is not None]
    unique = {(name, version): package for (name, version, _), package in seen.items()}
    return (unique[key] for key in sorted(unique))


def _meant(candidates: list[dict[str, Any]], need: Mapping[str, Any]) -> dict[str, Any] | None:
    fitting = [each for each in candidates if need.get("version") in (None, each.get("version"))]
    here = [each for each in fitting if any(map(applies, each.get("resolution-markers", [""])))]
    return next(iter(here or fitting), None)


def read_poetry_lock(path: Path) -> Reading:
    """Read the main group."""
    told = tomllib.loads(path.read_text("utf-8"))
    found = Reading(files=[path], wanted_python=_poetry_python(told.get("metadata", {}).get("python-versions", "")))
    for package in told.get("package", []):
        groups = package.get("groups", [package.get("category", "main")])
        if "main" not in groups or package.get("optional", False):
            continue
        markers = package.get("markers", "")
        marker = markers.get("main", "") if isinstance(markers, Mapping) else markers
        _add_sourced(found, package, package.get("source", {}), str(marker), path.parent)
    return found


def _poetry_python(wanted: str) -> str:
    """Return poetry's "^3.11" as others write it; the upper end does not matter here."""
    return wanted.replace("^", ">=").replace("~", ">=").partition("||")[0].strip().strip("*")


def _add_sourced(
    found: Reading, package: Mapping[str, Any], source: Mapping[str, Any], marker: str, home: Path
) -> None:
    kind, url = source.get("type", ""), str(source.get("url", ""))
    if kind in ("directory", "file"):
        place = (home / url).resolve()
        found.add_local(package["name"], str(package["version"]), place, in_place=bool(package.get("develop", False)))
        return
    origin = None
    if kind == "git":
        origin = without_user(f"git+{url}@{source.get('resolved_reference', source.get('reference', ''))}")
    elif kind == "url":
        origin = without_user(url)
    found.add(package["name"], str(package["version"]), marker=marker, origin=origin)


def read_pdm_lock(path: Path) -> Reading:
    """Read the default group."""
    told = tomllib.loads(path.read_text("utf-8"))
    found = Reading(files=[path])
    for package in told.get("package", []):
        if "default" not in package.get("groups", ["default"]):
            continue
        source: dict[str, Any] = {}
        if "git" in package:
            source = {"type": "git", "url": package["git"], "reference": package.get("revision", "")}
        elif "path" in package:
            source = {"type": "directory", "url": package["path"]}
        elif "url" in package:
            source = {"type": "url", "url": package["url"]}
        develop = {**package, "develop": package.get("editable", False)}
        _add_sourced(found, develop, source, str(package.get("marker", "")), path.parent)
    return found


def read_pylock(path: Path) -> Reading:
    """Read a lock file of PEP 751."""
    told = tomllib.loads(path.read_text("utf-8"))
    found = Reading(files=[path], wanted_python=str(told.get("requires-python", "")))
    for package in told.get("packages", []):
        name, version, marker = package["name"], str(package.get("version", "*")), str(package.get("marker", ""))
        if "directory" in package:
            place = (path.parent / package["directory"]["path"]).resolve()
            found.add_local(name, version, place, in_place=bool(package["directory"].get("editable", False)))
        elif "vcs" in package:
            vcs = package["vcs"]
            origin = f"{vcs['type']}+{vcs.get('url', vcs.get('path', ''))}@{vcs['commit-id']}"
            found.add(name, version, marker=marker, origin=without_user(origin))
        elif "url" in package.get("archive", {}):
            found.add(name, version, marker=marker, origin=without_user(str(package["archive"]["url"])))
        else:
            found.add(name, version, marker=marker)
    return found


def read_pipfile_lock(path: Path) -> Reading:
    """Read the default packages of pipenv."""
    told = json.loads(path.read_text("utf-8"))
    requires = told.get("_meta", {}).get("requires", {})
    python = str(requires.get("python_full_version") or requires.get("python_version") or "")
    found = Reading(files=[path], python="" if python == ANY else python)
    for name, package in told.get("default", {}).items():
        marker, version = str(package.get("markers", "")), str(package.get("version", "")).removeprefix("==")
        if "git" in package:
            origin = without_user(f"git+{package['git']}@{package.get('ref', '')}")
            found.add(name, str(package.get("ref", "*"))[:12], marker=marker, origin=origin)
        elif "path" in package:
            place = (path.parent / package["path"]).resolve()
            found.add_local(name, version or "*", place, in_place=bool(package.get("editable", False)))
        else:
            found.add(name, version, marker=marker)
    return found
