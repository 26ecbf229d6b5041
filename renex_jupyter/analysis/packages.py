"""Which packages of one environment differ from those of another."""

from __future__ import annotations

from collections.abc import Mapping

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from renex_jupyter.records.diffs import PackageChange, State
from renex_jupyter.records.environments import Package


def diff_packages(a: State, b: State) -> tuple[PackageChange, ...]:
    """Return what was added, removed, upgraded, downgraded or changed, ordered by name, the interpreter first.

    A name is compared as the package index does (PEP 503): "PyYAML" is "pyyaml". The order of versions is that of the
    Python packages (PEP 440); where one has no such order, or only the origin differs, the package is "changed".
    """
    one, other = _by_name(a.packages), _by_name(b.packages)
    python = _change(*(Package("python", each.python) if each.python else None for each in (a, b)))
    found = (_change(one.get(name), other.get(name)) for name in sorted(one.keys() | other.keys()))
    return tuple(each for each in (python, *found) if each)


def _by_name(packages: Mapping[str, Package]) -> dict[str, Package]:
    return {canonicalize_name(name): package for name, package in packages.items()}


def _change(before: Package | None, after: Package | None) -> PackageChange | None:
    known = after or before
    if known is None or (before and after and (before.version, before.origin) == (after.version, after.origin)):
        return None
    return PackageChange(
        kind=_kind(before.version, after.version) if before and after else "added" if after else "removed",
        key=known.name,
        before=before.version if before else None,
        after=after.version if after else None,
        before_origin=before.origin if before else None,
        after_origin=after.origin if after else None,
    )


def _kind(before: str, after: str) -> str:
    try:
        old, new = Version(before), Version(after)
    except InvalidVersion:
        return "changed"
    return "upgraded" if old < new else "downgraded" if new < old else "changed"
