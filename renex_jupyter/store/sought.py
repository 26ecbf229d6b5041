"""What is sought in files and contents: a text in each of its forms, and the lines of one wherever they follow each other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

# What stands between two lines in a notebook, in indented or quoted text and with the line ends of Windows: space, quotes,
# commas, signs of comments, and a line end, maybe written as in JSON.
_UNITS = 64
_UNIT = rb"""(?:[\s"',#>|]|\\{1,4}["nrt]?){0,%d}""" % (_UNITS // 2)
_BETWEEN = rb"%b(?:[\r\n]|\\{1,4}n)%b" % (_UNIT, _UNIT)
_LONGEST_UNIT = 5  # bytes


@dataclass(frozen=True, slots=True)
class Sought:
    """A text of which no file may have anything left."""

    texts: tuple[bytes, ...]  # any of them
    lines: tuple[tuple[bytes, ...], ...] = ()  # of a text of several lines: the forms of each that is not blank

    def as_json(self) -> dict[str, Any]:
        """Return it for another process."""
        return {
            "texts": [text.hex() for text in self.texts],
            "lines": [[form.hex() for form in forms] for forms in self.lines],
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Sought:
        """Return what another process told."""
        lines = (tuple(map(bytes.fromhex, forms)) for forms in told["lines"])
        return cls(tuple(map(bytes.fromhex, told["texts"])), tuple(lines))

    @property
    def overlap(self) -> int:
        """How many bytes of a part of a file must be looked at again together with the next part."""
        apart = sum(max(map(len, forms)) + (_UNITS + 1) * _LONGEST_UNIT for forms in self.lines)
        return max(apart, *map(len, self.texts)) - 1

    def places(self, window: bytes) -> Iterator[int]:
        """Yield where it begins in some bytes."""
        for text in self.texts:
            at = window.find(text)
            while at >= 0:
                yield at
                at = window.find(text, at + 1)
        if self._has_lines(window):
            yield from (found.start() for found in _pattern(self.lines).finditer(window))

    def without_lines(self, data: bytes, mark: Callable[[int], bytes]) -> bytes:
        """Return some bytes with a mark, which fits into the length that is given, wherever the lines follow each other."""
        return _pattern(self.lines).sub(lambda found: mark(len(found[0])), data) if self._has_lines(data) else data

    def _has_lines(self, data: bytes) -> bool:
        return bool(self.lines) and all(any(form in data for form in forms) for forms in self.lines)

    def stands_in(self, chunks: Iterable[bytes]) -> bool:
        """Say whether it stands in what some chunks are the parts of."""
        overlap, before = self.overlap, b""
        for chunk in chunks:
            window = before + chunk
            if next(self.places(window), None) is not None:
                return True
            before = window[-overlap:] if overlap else b""
        return False


@cache
def _pattern(lines: tuple[tuple[bytes, ...], ...]) -> re.Pattern[bytes]:
    return re.compile(_BETWEEN.join(b"(?:%s)" % b"|".join(map(re.escape, forms)) for forms in lines))
