"""Which lines of one text are those of another: like a patience diff, so that long texts take no longer than they must.

Lines that both texts have just once are anchors; between two anchors the usual search for the longest runs looks, as
long as that is little work. https://bramcohen.livejournal.com/73318.html
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from renex_jupyter.records.order import out_of_order

CONTEXT = 2  # unchanged lines around a change
SMALL = 40_000  # pairs of lines that are compared in one go: the effort may grow with more than their number
Pair = tuple[int, int]


def line_changes(before: str, after: str) -> tuple[str, ...]:
    """Return the lines of a unified diff with a little context; an empty one stands between two places."""
    a, b = before.splitlines(), after.splitlines()
    lines = list(_unified(a, b))
    changed = [at for at, line in enumerate(lines) if line[0] != " "]
    near = sorted({at for each in changed for at in range(each - CONTEXT, each + CONTEXT + 1) if 0 <= at < len(lines)})
    shown: list[str] = []
    for earlier, at in zip([None, *near], near, strict=False):
        shown += [""] if earlier is not None and at > earlier + 1 else []
        shown.append(lines[at])
    return tuple(shown)


def _unified(a: Sequence[str], b: Sequence[str]) -> Iterator[str]:
    """Yield every line with its sign, what went before what came."""
    i = j = 0
    for next_i, next_j in [*_same(a, b), (len(a), len(b))]:
        yield from (f"-{line}" for line in a[i:next_i])
        yield from (f"+{line}" for line in b[j:next_j])
        if next_i < len(a):
            yield f" {a[next_i]}"
        i, j = next_i + 1, next_j + 1


def _same(a: Sequence[str], b: Sequence[str]) -> Iterator[Pair]:
    """Yield the positions of equal lines that are taken for the same, in order."""
    start, end = _common(a, b)
    yield from ((n, n) for n in range(start))
    i = j = start
    for next_i, next_j in [*_anchors(a, b, start, end), (len(a) - end, len(b) - end)]:
        yield from _between(a, b, (i, next_i), (j, next_j))
        if next_i < len(a) - end:
            yield next_i, next_j
        i, j = next_i + 1, next_j + 1
    yield from ((len(a) - n, len(b) - n) for n in range(end, 0, -1))


def _common(a: Sequence[str], b: Sequence[str]) -> tuple[int, int]:
    """Return how many lines are equal at the beginning and at the end, none counted twice."""
    most = min(len(a), len(b))
    start = next((n for n in range(most) if a[n] != b[n]), most)
    most -= start
    return start, next((n for n in range(most) if a[-1 - n] != b[-1 - n]), most)


def _anchors(a: Sequence[str], b: Sequence[str], start: int, end: int) -> list[Pair]:
    if (len(a) - start - end) * (len(b) - start - end) <= SMALL:
        return []  # the longest runs are found without
    ours, theirs = _once(a, start, len(a) - end), _once(b, start, len(b) - end)
    pairs = [(i, theirs[line]) for line, i in ours.items() if line in theirs]
    crossing = out_of_order([j for _, j in pairs])
    return [pair for index, pair in enumerate(pairs) if index not in crossing]


def _once(lines: Sequence[str], start: int, end: int) -> dict[str, int]:
    """Return the positions of the lines that are there just once."""
    times = Counter(lines[start:end])
    return {lines[at]: at for at in range(start, end) if times[lines[at]] == 1}


def _between(a: Sequence[str], b: Sequence[str], of_a: Pair, of_b: Pair) -> Iterator[Pair]:
    one, other = a[slice(*of_a)], b[slice(*of_b)]
    start, end = _common(one, other)
    yield from ((of_a[0] + n, of_b[0] + n) for n in range(start))
    rest, others = one[start : len(one) - end], other[start : len(other) - end]
    if len(rest) * len(others) <= SMALL:
        for block in SequenceMatcher(None, rest, others, autojunk=False).get_matching_blocks():
            at_a, at_b = of_a[0] + start + block.a, of_b[0] + start + block.b
            yield from ((at_a + n, at_b + n) for n in range(block.size))
    yield from ((of_a[1] - n, of_b[1] - n) for n in range(end, 0, -1))
