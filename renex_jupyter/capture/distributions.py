"""The installed distributions: what each is called, holds and needs, read from its metadata without importing it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from renex_jupyter.capture.secrets import redact_text
from renex_jupyter.ids import SHA256

# Of "numpy/linalg/x.py,sha256=..." the folder, of "six.py," and "_cffi.cpython-311-x86_64-linux-gnu.so," the module.
TOP_LEVEL = re.compile(r"^([A-Za-z_]\w*)(?:/|\.py,|(?:\.[\w-]+)*\.(?:so|pyd),)", re.MULTILINE)
MODULE_FILE = re.compile(r"^([A-Za-z_][\w/]*?)(?:/__init__)?(?:\.py|(?:\.[\w-]+)*\.(?:so|pyd)),", re.MULTILINE)


@dataclass(frozen=True)
class Distribution:
    """One installed distribution; `name` is normalised."""

    name: str
    version: str
    requires: tuple[str, ...]  # as its metadata says, with markers
    folder: str  # in which its modules lie
    found: metadata.Distribution

    @cached_property
    def top_level(self) -> frozenset[str]:
        """The names by which it is imported."""
        names = set(TOP_LEVEL.findall(_text(self.found, "RECORD"))) or set(_text(self.found, "top_level.txt").split())
        # An editable install lists a .pth file only; its package is then nearly always called as the distribution.
        plain = {name for name in names - {"__pycache__"} if not name.startswith("__editable__")}
        return frozenset(plain or {self.name.replace("-", "_")})

    @cached_property
    def origin(self) -> str | None:
        """Where it was installed from, if not from an index, as `Package.origin` says it; no user and no token is in it.

        References
        ----------
        direct_url.json: packaging.python.org/specifications/direct-url
        """
        if _text(self.found, "INSTALLER").strip() == "conda":
            return None  # it names the folder of the machine that built the package
        try:
            return _origin(json.loads(_text(self.found, "direct_url.json") or "{}"))
        except (ValueError, LookupError, TypeError, AttributeError):
            return None

    @cached_property
    def modules(self) -> frozenset[str]:
        """The dotted names of all its modules; empty where the installer listed no files."""
        paths = MODULE_FILE.findall(_text(self.found, "RECORD"))
        return frozenset(path.replace("/", ".") for path in paths)


def installed() -> tuple[Distribution, ...]:
    """Return every installed distribution, ordered by name; of duplicates the one that an import would find."""
    found: dict[str, Distribution] = {}
    for each in metadata.distributions():
        if (one := _read(each)) is not None:
            found.setdefault(one.name, one)
    return tuple(found[name] for name in sorted(found))


def imported(distributions: Iterable[Distribution]) -> frozenset[str]:
    """Return the names of those distributions of which this process has imported something."""
    modules = frozenset(sys.modules)
    owners = _owners(distributions)
    names: set[str] = set()
    for top in {module.partition(".")[0] for module in modules} & owners.keys():
        holders = owners[top]
        # Many distributions share a namespace such as "google": there the modules inside must tell.
        inside = [each for each in holders if not modules.isdisjoint(each.modules)] if len(holders) > 1 else []
        names.update(each.name for each in inside or holders)
    return frozenset(names)


def needed(start: Iterable[str], distributions: Mapping[str, Distribution]) -> tuple[Distribution, ...]:
    """Return the named distributions and, transitively, what they need on this platform, ordered by name."""
    waiting, seen = list(start), set[str]()
    while waiting:
        name = waiting.pop()
        if name in distributions and name not in seen:
            seen.add(name)
            waiting.extend(_required(distributions[name].requires))
    return tuple(distributions[name] for name in sorted(seen))


@cache
def _required(lines: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for line in lines if (name := _required_name(line)))


def _required_name(line: str) -> str | None:
    try:
        requirement = Requirement(line)
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        return canonicalize_name(requirement.name) if applies else None
    except (InvalidRequirement, ValueError, LookupError):
        return None  # old metadata holds lines that no tool reads; what is imported is listed anyway


def _origin(told: Mapping[str, Any]) -> str | None:
    if not told:
        return None
    address = without_user(told["url"])
    inside = f"#subdirectory={told['subdirectory']}" if told.get("subdirectory") else ""
    if "vcs_info" in told:
        return f"{told['vcs_info']['vcs']}+{address}@{told['vcs_info']['commit_id']}{inside}"
    if "dir_info" in told:
        return f"{'editable' if told['dir_info'].get('editable') else 'file'} {_path(address)}"
    sha256 = _sha256(told["archive_info"])
    place = f"file {_path(address)}" if address.startswith("file:") else address
    return f"{place}#sha256={sha256}" if sha256 else f"{place}{inside}"


def _sha256(archive: Mapping[str, Any]) -> str | None:
    found = archive.get("hashes", {}).get("sha256") or str(archive.get("hash", "")).removeprefix("sha256=")
    return found if SHA256.fullmatch(found) else None


def _path(address: str) -> str:
    return url2pathname(urlsplit(address).path) if address.startswith("file:") else address


def without_user(address: str) -> str:
    """An address may carry a token before the "@" of its host or in its query; the user of ssh is part of the way."""
    scheme, mark, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    user, _, place = host.rpartition("@")
    kept = f"{user}@" if "ssh" in scheme and user and ":" not in user else ""
    return redact_text(f"{scheme}{mark}{kept}{place}{slash}{path}")


def _owners(distributions: Iterable[Distribution]) -> dict[str, list[Distribution]]:
    owners: dict[str, list[Distribution]] = {}
    for each in distributions:
        for top in each.top_level:
            owners.setdefault(top, []).append(each)
    return owners


def _read(found: metadata.Distribution) -> Distribution | None:
    text = _text(found, "METADATA") or _text(found, "PKG-INFO") or _text(found, "")  # "": an .egg-info that is a file
    # Ten times faster than the e-mail parser that `found.metadata` runs over the whole README.
    pairs = [line.partition(":") for line in text.partition("\n\n")[0].splitlines()]
    headers = {key.lower(): value.strip() for key, _, value in reversed(pairs)}
    name, version = headers.get("name"), headers.get("version")
    if not name or not version:
        return None  # what an interrupted uninstall leaves behind
    requires = tuple(value.strip() for key, _, value in pairs if key.lower() == "requires-dist")
    return Distribution(canonicalize_name(name), version, requires, str(Path(str(found.locate_file("")))), found)


def _text(found: metadata.Distribution, name: str) -> str:
    try:
        return found.read_text(name) or ""
    except (OSError, UnicodeDecodeError):
        return ""
