"""Compare what a run recorded with what it gave when it was done again."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import groupby
from operator import attrgetter
from typing import Any

from renex_jupyter.ids import short
from renex_jupyter.records import display
from renex_jupyter.records.changes import to_json
from renex_jupyter.records.snapshots import FileEntry
from renex_jupyter.records.verifications import (
    ABSOLUTE_TOLERANCE,
    CLOSE,
    DIFFERENT,
    FAILED,
    RELATIVE_TOLERANCE,
    REPRODUCED,
    Difference,
)

NEVER_COMPARED = "system/*"  # CPU and memory are never the same
FILE_PATTERN = "file:"  # begins a pattern that means paths
REMOVED = "removed"
UNREAD = re.compile(r"\w+ of [\d,]+ B")  # how a content is told of which only the size is known
# What an interpreter prints at its end: indented frames, then the exception.
TRACEBACK = re.compile(
    r"^Traceback \(most recent call last\):\n(?:[ \t].*\n|\n)*([A-Za-z_][\w.]*)(?::|$)", re.MULTILINE
)
ABSENT = ("No such file or directory", "command not found")  # what other programs say
MISSING = frozenset({*ABSENT, "FileNotFoundError", "ModuleNotFoundError"})


@dataclass(frozen=True, slots=True)
class Logged:
    """One point, without the time at which it was logged."""

    key: str
    step: int
    value: float | None
    exact: str | None = None  # what is not a number, or not only: text, bytes as hex, dtype and shape


@dataclass(frozen=True, slots=True)
class Result:
    """What a run gave."""

    status: str
    exit_code: int | None = None
    error: str | None = None
    points: Sequence[Logged] = ()  # ordered by key, then step, then as they were logged
    params: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] | None = field(default_factory=dict)  # see `files_of`; None: the state after is not known


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a number may be from another one and still be close; and what is not looked at."""

    relative: float = RELATIVE_TOLERANCE
    absolute: float = ABSOLUTE_TOLERANCE
    ignored: tuple[str, ...] = ()  # patterns of metric keys and params; of paths with FILE_PATTERN before

    def takes(self, name: str) -> bool:
        """Whether a metric or a param is compared."""
        return not any(fnmatchcase(name, each) for each in (NEVER_COMPARED, *self.ignored))

    def takes_file(self, path: str) -> bool:
        """Whether a file is compared."""
        patterns = [each.removeprefix(FILE_PATTERN) for each in self.ignored if each.startswith(FILE_PATTERN)]
        return not any(fnmatchcase(path, each) for each in patterns)

    def holds(self, one: float, other: float) -> bool:
        """Whether two numbers are close."""
        return _same(one, other) or math.isclose(one, other, rel_tol=self.relative, abs_tol=self.absolute)


def compare(recorded: Result, now: Result, tolerance: Tolerance) -> tuple[Difference, ...]:
    """Return what differs, in this order: the status, metrics by key, params by name, files by path."""
    return (
        *_ends(recorded, now),
        *_metrics(recorded.points, now.points, tolerance),
        *_params(recorded.params, now.params, tolerance),
        *(() if None in (recorded.files, now.files) else _files(recorded.files or {}, now.files or {}, tolerance)),
    )


def _ends(recorded: Result, now: Result) -> Iterator[Difference]:
    """A process has an exit code, both may have an exception; what its error says besides may name another folder."""
    if recorded.status != now.status:
        yield Difference("status", "status", recorded.status, now.status)
    elif None not in (recorded.exit_code, now.exit_code) and recorded.exit_code != now.exit_code:
        yield Difference("status", "exit code", recorded.exit_code, now.exit_code)
    else:
        one, other = _exception(recorded), _exception(now)
        if None not in (one, other) and one != other:
            yield Difference("status", "error", one or None, other or None)


def _exception(result: Result) -> str | None:
    """Return the type of what ended a run; "" where it printed no exception, None where that is not known."""
    error = result.error or ""
    if result.exit_code is None:
        return error.partition(":")[0] or None
    if found := TRACEBACK.findall(error):
        return str(found[-1])
    if "Traceback" in error:  # not whole
        return None
    return next((each for each in ABSENT if each in error.strip().rpartition("\n")[2]), "")


def counts(recorded: Result, tolerance: Tolerance) -> dict[str, int]:
    """Return how many points, params and files of the recorded run are compared; of a file its content."""
    return {
        "points": sum(tolerance.takes(each.key) for each in recorded.points),
        "params": sum(map(tolerance.takes, recorded.params)),
        "files": sum(
            tolerance.takes_file(path) and not UNREAD.fullmatch(content)
            for path, content in (recorded.files or {}).items()
        ),
    }


def not_compared(recorded: Result, now: Result, tolerance: Tolerance) -> tuple[str, ...]:
    """Return what could not be compared, so that no verdict rests on it."""
    if None in (recorded.files, now.files):
        which = "recorded run" if recorded.files is None else "rerun"
        return (f"the files (there is no state after the {which})",)
    one, other = recorded.files or {}, now.files or {}
    return tuple(
        f"{path} (only its size is known: it is larger than what is kept, or was purged)"
        for path in sorted(filter(tolerance.takes_file, one.keys() & other.keys()))
        if _is_unread(one[path], other[path])
    )


def _is_unread(one: str, other: str) -> bool:
    """Whether one of two contents is not known, and they may be the same."""
    unread = [UNREAD.fullmatch(each) is not None for each in (one, other)]
    return one == other if all(unread) else any(unread) and REMOVED not in (one, other)


def verdict_of(recorded: Result, now: Result, differences: Sequence[Difference]) -> str:
    """Return reproduced, close, different, or failed where the rerun could not do what the run did.

    That is where the run finished when it was recorded, and now did not; also where it failed in both cases, but now
    for the lack of a file or a module.
    """
    if recorded.status == "finished" != now.status:
        return FAILED
    if any(each.kind == "status" for each in differences) and _exception(now) in MISSING:
        return FAILED
    if not differences:
        return REPRODUCED
    return CLOSE if all(each.close for each in differences) else DIFFERENT


def files_of(before: Iterable[FileEntry], after: Iterable[FileEntry]) -> dict[str, str]:
    """Return the files that a run made, changed or removed, with what they were then; the notebook is none of them.

    A content is told by its hash, and by its size where it was not kept: then another time is a change, too. A file
    whose content the state before has not is none that can have been removed: no checkout brings it back.
    """
    before = tuple(before)
    notebooks = {each.path for each in before if each.role == "notebook"}
    had, has = (
        {e.path: e for e in some if e.role != "notebook" and e.kind != "dir" and e.path not in notebooks}
        for some in (before, after)
    )
    new = {path: _content(each) for path, each in has.items() if path not in had or _is_changed(had[path], each)}
    return {**new, **{path: REMOVED for path, each in had.items() if path not in has and each.sha256 is not None}}


def without_stand_ins(before: Iterable[FileEntry], after: Iterable[FileEntry]) -> list[FileEntry]:
    """Return the files after a rerun in a container as it saw them.

    A file whose content is not kept is one of the project there, for reading only; in its checkout lies an empty one.
    """
    seen = {each.path: each for each in before if each.kind == "file" and each.sha256 is None}
    return [seen[each.path] if each.path in seen and each.size == 0 else each for each in after]


def _is_changed(had: FileEntry, has: FileEntry) -> bool:
    unread = had.sha256 is None and has.sha256 is None and None not in (had.mtime_ns, has.mtime_ns)
    return _content(had) != _content(has) or (unread and had.mtime_ns != has.mtime_ns)


def _content(entry: FileEntry) -> str:
    return f"{entry.kind} {entry.sha256}" if entry.sha256 else f"{entry.kind} of {entry.size:,} B"


def _metrics(recorded: Sequence[Logged], now: Sequence[Logged], tolerance: Tolerance) -> Iterator[Difference]:
    one, other = _by_key(recorded), _by_key(now)
    for key in sorted(filter(tolerance.takes, one.keys() | other.keys())):
        had, has = one.get(key, []), other.get(key, [])
        a, b = _numbered(had), _numbered(has)
        if a.keys() != b.keys():
            yield _other_points(key, a, b)
        wrong = [(place, a[place], b[place]) for place in a if place in b and not _equal(a[place], b[place])]
        if wrong:
            yield _other_values(key, wrong, tolerance)


def _by_key(points: Iterable[Logged]) -> dict[str, list[Logged]]:
    return {key: list(some) for key, some in groupby(sorted(points, key=attrgetter("key")), key=attrgetter("key"))}


Places = dict[tuple[int, int], Logged]  # by the step, and the how-manieth point of that step it is


def _numbered(points: Iterable[Logged]) -> Places:
    places: Places = {}
    seen: dict[int, int] = {}
    for point in points:
        nth = seen[point.step] = seen.get(point.step, -1) + 1
        places[point.step, nth] = point
    return places


def _other_points(key: str, a: Places, b: Places) -> Difference:
    first = min(a.keys() ^ b.keys())[0]
    one, other = (display.count(len(each), "point") if each else None for each in (a, b))
    return Difference("points", key, one, other, step=first, count=len(a.keys() ^ b.keys()))


def _other_values(
    key: str, wrong: Sequence[tuple[tuple[int, int], Logged, Logged]], tolerance: Tolerance
) -> Difference:
    (step, _), one, other = wrong[0]
    close = all(
        a.exact == b.exact and a.value is not None and b.value is not None and tolerance.holds(a.value, b.value)
        for _, a, b in wrong
    )
    shares = [share for _, a, b in wrong if (share := _share(a, b)) is not None]
    largest = max(shares, default=None)
    return Difference("metric", key, _told(one), _told(other), step, len(wrong), largest, close)


def _equal(a: Logged, b: Logged) -> bool:
    if a.exact != b.exact:
        return False
    return a.value is b.value or (a.value is not None and b.value is not None and _same(a.value, b.value))


def _same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


def _share(a: Logged, b: Logged) -> float | None:
    """Return by how much two values differ, as a fraction of the larger one."""
    if a.value is None or b.value is None or not (math.isfinite(a.value) and math.isfinite(b.value)):
        return None
    size = max(abs(a.value), abs(b.value))
    return abs(a.value - b.value) / size if size and math.isfinite(a.value - b.value) else None


def _told(point: Logged) -> float | str | None:
    return point.exact if point.exact is not None else point.value


def _params(recorded: Mapping[str, Any], now: Mapping[str, Any], tolerance: Tolerance) -> Iterator[Difference]:
    for key in sorted(filter(tolerance.takes, recorded.keys() | now.keys())):
        one, other = (to_json(each[key]) if key in each else None for each in (recorded, now))
        if one != other:
            close = _close_numbers(recorded.get(key), now.get(key), tolerance)
            yield Difference("param", key, one, other, close=close)


def _close_numbers(one: Any, other: Any, tolerance: Tolerance) -> bool:
    numbers = all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in (one, other))
    try:
        return numbers and tolerance.holds(one, other)
    except OverflowError:  # an integer that is larger than any float
        return False


def _files(recorded: Mapping[str, str], now: Mapping[str, str], tolerance: Tolerance) -> Iterator[Difference]:
    for path in sorted(filter(tolerance.takes_file, recorded.keys() | now.keys())):
        one, other = recorded.get(path), now.get(path)
        if one != other and not (one and other and _is_unread(one, other)):
            yield Difference("file", path, _shortened(one), _shortened(other))


def _shortened(content: str | None) -> str | None:
    if content is None:
        return None
    kind, _, digest = content.partition(" ")
    return f"{kind} {short(digest)}" if len(digest) == 64 else content
