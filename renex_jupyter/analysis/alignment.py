"""Which cell of one notebook is which of another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher

from renex_jupyter.records.order import out_of_order
from renex_jupyter.records.snapshots import Cell

SIMILAR = 0.6
MOST_PAIRS = 2000  # that are looked at for similarity: beyond that only neighbours
MOST_WORDS = 120  # a longer cell is compared by lines: the effort grows with the square
WORDS = re.compile(r"\w+|[^\w\s]")


def pairs_of_cells(a: Sequence[Cell], b: Sequence[Cell]) -> dict[int, int]:
    """Return position in `a` -> position in `b` of the cells that are the same one: by id, by source, by similarity."""
    pairs: dict[int, int] = {}
    for keys in ((_ids(a), _ids(b)), (_sources(a), _sources(b))):
        _match(*keys, pairs)
    return pairs | dict(_similar(a, b, pairs))


def moved_pairs(pairs: Mapping[int, int]) -> set[tuple[int, int]]:
    """Return the pairs that moved against the others: the fewest whose removal leaves the rest in order."""
    ordered = sorted(pairs.items())
    moved = out_of_order([j for _, j in ordered])
    return {pair for index, pair in enumerate(ordered) if index in moved}


def _ids(cells: Sequence[Cell]) -> list[object]:
    return [cell.cell_id for cell in cells]


def _sources(cells: Sequence[Cell]) -> list[object]:
    return [(cell.cell_type, cell.source) for cell in cells]


def _match(a: Iterable[object], b: Iterable[object], pairs: dict[int, int]) -> None:
    """Pair equal keys among what is not paired yet, first with first."""
    taken = set(pairs.values())
    waiting: dict[object, list[int]] = {}
    for j, key in enumerate(b):
        if j not in taken and key is not None:
            waiting.setdefault(key, []).append(j)
    for i, key in enumerate(a):
        if i not in pairs and waiting.get(key):
            pairs[i] = waiting[key].pop(0)


def _similar(a: Sequence[Cell], b: Sequence[Cell], pairs: Mapping[int, int]) -> Iterator[tuple[int, int]]:
    """Yield pairs of similar cells, the most similar first, of equal ones the nearest."""
    taken = set(pairs.values())
    left = [i for i, cell in enumerate(a) if i not in pairs and cell.source.strip()]
    right = [j for j, cell in enumerate(b) if j not in taken and cell.source.strip()]
    reach = max(1, MOST_PAIRS // max(1, len(left)) // 2)
    near = {i: right[max(0, at - reach) : at + reach + 1] for i, at in _spread(left, len(right))}
    same_type = ((i, j) for i in left for j in near[i] if a[i].cell_type == b[j].cell_type)
    rated = ((_ratio(a[i].source, b[j].source), i, j) for i, j in same_type)
    found = [(-ratio, abs(i - j), i, j) for ratio, i, j in rated if ratio > SIMILAR]
    used_i, used_j = set[int](), set[int]()
    for _, _, i, j in sorted(found):
        if i not in used_i and j not in used_j:
            used_i.add(i)
            used_j.add(j)
            yield i, j


def _spread(positions: Sequence[int], length: int) -> Iterator[tuple[int, int]]:
    """Yield each position with its place among `length` others, in proportion."""
    return ((position, rank * length // len(positions)) for rank, position in enumerate(positions))


def _ratio(a: str, b: str) -> float:
    words = WORDS.findall(a), WORDS.findall(b)
    one, other = words if max(map(len, words)) <= MOST_WORDS else (a.splitlines(), b.splitlines())
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    if matcher.real_quick_ratio() <= SIMILAR or matcher.quick_ratio() <= SIMILAR:
        return 0.0
    return matcher.ratio()
