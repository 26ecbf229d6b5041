"""Why a run that was done again did not give the same: the likely reasons, the likeliest first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from renex_jupyter.ids import short
from renex_jupyter.records.diffs import PackageChange
from renex_jupyter.records.verifications import CLOSE, FAILED, Difference

SELDOM = "secret"  # why a file was not kept, by its name, that is seldom the reason: `.env` lies in many a project
SHOWN = 5  # packages, files and keys that a reason names
CLOCK = re.compile(  # words of keys whose values tell of time and of the machine, not of the result
    r"(?:^|[/_.\- ])(?:time|times|seconds|secs?|minutes|ms|duration|elapsed|eta|date|timestamp|wallclock|clock|latency"
    r"|throughput|speed|fps|memory|pid|host(?:name)?|path|(?:\w+_)?per_s(?:ec(?:ond)?)?)(?:$|[/_.\- ])",
    re.IGNORECASE,
)
STAMPED = frozenset(
    {".gz", ".zip", ".tar", ".tgz", ".ipynb", ".pdf", ".xlsx", ".docx", ".log", ".html", ".svg", ".onnx"}
)
BY_ORDER = (
    "a run of cells, or of a script, is known by the order in which runs are opened, and threads open them by chance"
)
MODULE = re.compile(r"No module named '([^'.]+)")
HISTORY = re.compile(r"not_found: (?:nothing is recorded yet|no (?:run|snapshot|environment) )")
ABSENT = re.compile(r"No such file or directory: b?'([^']+)'")


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known of the two runs besides their results."""

    verdict: str
    differences: tuple[Difference, ...]
    recorded_status: str = "finished"
    error: str | None = None  # of the rerun
    missing: tuple[tuple[str, str], ...] = ()  # path, why: of the recorded state, what the rerun did not have
    packages: tuple[PackageChange, ...] = ()  # from the recorded environment to that of the rerun; "python" among them
    image: str = ""  # "python:3.12 a1b2 -> c3d4", where the container's is another one
    redacted: tuple[str, ...] = ()  # where a secret stood that was not kept: "cell 3"
    interrupted: tuple[str, ...] = ()  # cells that were cut off when they were recorded
    disorder: str = ""  # "2 changed since they ran, 1 out of order", of the notebook's cells
    unknown_start: bool = False  # cells ran before recording began
    machine: str = ""  # "cpu: A -> B", where it is another one
    twin: str = ""  # id of another run of that name and session, whose params the rerun has
    beside: str = ""  # "'train' 1234abcd", a run of another process that was open while the recorded one was
    side_by_side: bool = False  # runs of its session, it or one of its name, were open next to each other
    random: str | None = None  # what two reruns disagree about; "": they agree; None: nobody asked


def explained(known: Circumstances) -> bool:
    """Whether there is a reason, so that nobody has to run it a third time to find one."""
    return any(True for _ in _facts(known))


def likely_reason(known: Circumstances) -> str:
    """Return the likely reasons in one text; "" where there is nothing to explain."""
    if not known.differences and known.verdict != FAILED:
        return ""
    facts = list(_facts(known))
    if known.random:
        facts.insert(0, f"randomness without a seed: two reruns differ from each other, too ({known.random})")
    if not facts:
        facts = list(_guesses(known))
    return "; ".join(dict.fromkeys(facts)) or _nothing(known)


def _facts(known: Circumstances) -> Iterator[str]:
    """What was found that is not the same, or cannot be, the likeliest first."""
    if known.verdict == FAILED:
        yield from _failure(known)
    yield from _only_clocks(known)
    yield from _another_run(known)
    yield from _missing([each for each in known.missing if each[1] != SELDOM or known.verdict == FAILED])
    if known.beside and any(each.kind == "file" for each in known.differences):
        yield f"what was made at that time may be of a run that was open beside it: {known.beside}"
    if known.packages:
        yield f"packages differ: {_some([_package(each) for each in known.packages])}"
    if known.image:
        yield f"the image is another one: {known.image}"
    if known.redacted:
        yield f"a secret was taken out before it was kept: {_some(known.redacted)}"
    if known.recorded_status in ("stopped", "lost"):
        cut = "was stopped" if known.recorded_status == "stopped" else "lost its process"
        yield f"the recorded run {cut}, so it has only the beginning"
    if known.interrupted:
        yield f"interrupted when it was recorded, and run to its end now: {_some(known.interrupted)}"


def _missing(missing: Sequence[tuple[str, str]]) -> Iterator[str]:
    if missing:
        names = _some([f"{path} ({why})" for path, why in missing])
        yield f"not in the kept state, so the rerun did not have it: {names}"


def _another_run(known: Circumstances) -> Iterator[str]:
    """Where threads open runs, the order in which they are opened is by chance, and a replay knows a run by it alone."""
    if known.twin:
        yield f"the rerun has the params of another run of that name ({short(known.twin)}): {BY_ORDER}"
    elif known.side_by_side:
        yield f"the rerun may be another run of that session, some of which were open side by side: {BY_ORDER}"


def _failure(known: Circumstances) -> Iterator[str]:
    error = known.error or ""
    module = MODULE.search(error)
    gone = [path for path, _ in known.missing if path in error or PurePosixPath(path).name in error]
    if gone:
        yield f"a file that was not kept is missing: {_some(gone)}"
    elif module:
        yield f"a package is missing: {module[1]}"
    elif HISTORY.search(error):
        yield "a cell asks the history (rx.get_run, rx.sql), and a rerun has one of its own with nothing of before in it"
    elif absent := ABSENT.search(error):
        yield f"a file is missing that the kept state never had, as it is ignored or came from elsewhere: {absent[1]}"
    if error:
        yield f"the rerun failed: {error.strip().splitlines()[-1] if 'Traceback' in error else error.strip()}"


def _only_clocks(known: Circumstances) -> Iterator[str]:
    """Where all that differs tells of time, that is the reason and the other facts are not."""
    values = [each for each in known.differences if each.kind in ("metric", "param")]
    if values and len(values) == len(known.differences) and all(CLOCK.search(each.what) for each in values):
        names = _some([each.what for each in values])
        yield f"these tell of time or of the machine: {names} (leave them out with ignore)"
    files = [each.what for each in known.differences if each.kind == "file"]
    if files and len(files) == len(known.differences) and all(PurePosixPath(each).suffix in STAMPED for each in files):
        yield f"files of such a kind hold the time at which they were made: {_some(files)} (leave them out with ignore)"


def _guesses(known: Circumstances) -> Iterator[str]:
    """What may be the reason where nothing was found that is not the same."""
    yield from _missing(known.missing)
    if known.disorder:
        yield f"the notebook's cells were not as they ran ({known.disorder})"
    if known.unknown_start:
        yield "cells ran before recording began, of which the order is known but not how they ended"
    if known.machine:
        yield f"another machine: {known.machine}"


def _nothing(known: Circumstances) -> str:
    if known.verdict == CLOSE:
        return "the last digits differ: the order of sums in parallel threads is not always the same"
    if known.random == "":
        return "two reruns agree with each other: what the recorded run read besides its files has changed since"
    return "not known: perhaps the time of day, the network, data outside of the project, or randomness without a seed"


def _package(change: PackageChange) -> str:
    if change.kind in ("added", "removed"):
        return f"{change.key} {change.after or change.before} {change.kind}"
    return f"{change.key} {change.before} -> {change.after}"


def _some(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")
