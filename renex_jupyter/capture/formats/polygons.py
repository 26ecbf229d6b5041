"""Outlines and masks: what box they fill, how large they are.

References
----------
Run lengths, plain and as text: `rleFrString` and `rleToBbox` in
https://github.com/cocodataset/cocoapi/blob/master/common/maskApi.c
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

Box = tuple[float, float, float, float]  # x, y, w, h in pixels, from the top left


def joined(parts: Sequence[Sequence[float]]) -> list[float | None]:
    """Return the parts of an outline as one list, x and y in turn, with None between two parts."""
    whole: list[float | None] = []
    for part in parts:
        whole += [*([None] if whole else []), *part]
    return whole


def parts_of(outline: Sequence[float | None]) -> list[list[float]]:
    """Return the parts of an outline that `joined` made."""
    parts: list[list[float]] = [[]]
    for each in outline:
        if each is None:
            parts.append([])
        else:
            parts[-1].append(each)
    return parts


def box_of(parts: Sequence[Sequence[float]]) -> Box:
    """Return the box around an outline."""
    across, along = [x for part in parts for x in part[::2]], [y for part in parts for y in part[1::2]]
    return min(across), min(along), max(across) - min(across), max(along) - min(along)


def area_of(parts: Sequence[Sequence[float]]) -> float:
    """Return the area of an outline in square pixels, by the shoelace formula; parts are added."""
    total = 0.0
    for part in parts:
        corners = [*zip(part[::2], part[1::2], strict=True)]
        total += abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise([*corners, *corners[:1]]))) / 2
    return total


def runs_of(mask: dict[str, Any]) -> list[int]:
    """Return the run lengths of a mask, of what is outside first, in columns from the top.

    Raises
    ------
    ValueError : it is no mask, or its runs do not fill it.
    """
    size, counts = mask.get("size"), mask.get("counts")
    if not isinstance(size, list) or len(size) != 2 or not all(type(each) is int and each > 0 for each in size):
        raise ValueError("its size is not [height, width]")
    if isinstance(counts, str):
        counts = list(_from_text(counts))
    if not isinstance(counts, list) or not all(type(each) is int and each >= 0 for each in counts):
        raise ValueError("its counts are no run lengths")
    if sum(counts) != size[0] * size[1]:
        raise ValueError(f"its runs cover {sum(counts):,} pixels, not {size[0]} x {size[1]}")
    return counts


def mask_box(runs: Sequence[int], height: int) -> Box | None:
    """Return the box around a mask; None for one without a pixel."""
    left = top = right = bottom = None
    at = 0
    for place, run in enumerate(runs):
        begin, at = at, at + run
        if place % 2 == 0 or not run:
            continue
        first, last = begin // height, (at - 1) // height
        low, high = (begin % height, (at - 1) % height) if first == last else (0, height - 1)
        left, right = first if left is None else left, last
        top, bottom = low if top is None else min(top, low), high if bottom is None else max(bottom, high)
    if left is None or right is None or top is None or bottom is None:
        return None
    return float(left), float(top), float(right - left + 1), float(bottom - top + 1)


def _from_text(text: str) -> Iterator[int]:
    """Yield the run lengths of a text: 5 bits in each character from "0", lowest first, 32: more follow; from the fourth on
    each is told as the difference to the one before the last.
    """
    runs: list[int] = []
    value = shift = 0
    for each in text:
        bits = ord(each) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise ValueError("its counts are no run lengths")
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        yield runs[-1]
        value = shift = 0
    if shift:
        raise ValueError("its counts end in the middle of a run length")
