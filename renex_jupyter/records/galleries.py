"""Samples to look at: pictures or rows of a table, in a cell. Every stored text is hostile, so all of it is escaped."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

from renex_jupyter.records import display
from renex_jupyter.records.small_tables import html_table, text_table

LONGEST = 120  # characters of one value
_GRID = "display:flex;flex-wrap:wrap;gap:10px;margin-top:6px;font-size:12px"
_CARD = "margin:0;width:128px;overflow-wrap:anywhere;color:var(--jp-ui-font-color1,inherit)"
_PICTURE = (
    "display:block;width:128px;height:128px;object-fit:contain;image-rendering:auto;"
    "background:var(--jp-layout-color2,rgba(128,128,128,0.15))"
)
_EMPTY = f"{_PICTURE};text-align:center;line-height:128px;color:var(--jp-ui-font-color2,inherit)"
_NAME = "color:var(--jp-ui-font-color2,inherit)"


@dataclass(frozen=True, slots=True)
class Shown:
    """One sample."""

    key: str
    values: tuple[str, ...]  # texts, by the columns of the gallery
    actual: str | None = None
    predicted: str | None = None
    error: float | None = None
    image: str | None = None  # a data URI of a known image type; None: there is none, or it cannot be read

    @property
    def verdict(self) -> str:
        """What was predicted of what is true: `cat, predicted dog ✗`."""
        if self.predicted is None:
            return self.actual or ""
        wrong = self.actual is not None and self.actual != self.predicted
        mark = "" if self.actual is None else " ✗" if wrong else " ✓"
        return f"{self.actual or '?'}, predicted {self.predicted}{mark}"


@dataclass(frozen=True, slots=True)
class Gallery:
    """Some samples of those that a filter selects."""

    dataset: str  # reference of the version
    where: str  # the filter, as a text
    columns: tuple[str, ...]
    samples: tuple[Shown, ...]
    total: int  # that the filter selects
    pictures: bool = False  # whether the dataset has images
    note: str | None = None  # what could not be shown

    @property
    def title(self) -> str:
        return f"{len(self.samples):,} of {display.count(self.total, 'sample')} of {self.dataset}: {self.where}"

    @property
    def keys(self) -> list[str]:
        """The keys of the samples, in their order."""
        return [each.key for each in self.samples]

    def _table(self) -> tuple[list[str], list[list[str]]]:
        has_truth = any(each.verdict for each in self.samples)
        heads = ["key", *(["actual, predicted"] if has_truth else []), *self.columns]
        rows = [
            [_cut(each.key), *([_cut(each.verdict)] if has_truth else []), *map(_cut, each.values)]
            for each in self.samples
        ]
        return [_cut(each) for each in heads], rows

    def __str__(self) -> str:
        lines = [display.printable(self.title), text_table(*self._table())]
        return "\n".join([*lines, *([display.printable(self.note)] if self.note else [])])

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        """Return cards with the pictures, or a table where there are none; without scripts or links."""
        note = f"<div>{escape(self.note)}</div>" if self.note else ""
        title = f"<div><b>{escape(self.title)}</b></div>"
        if not self.pictures:
            return f"<div>{title}{html_table('', *self._table())}{note}</div>"
        return f'<div>{title}<div style="{_GRID}">{"".join(map(self._card, self.samples))}</div>{note}</div>'

    def _card(self, sample: Shown) -> str:
        if sample.image is not None:
            picture = f'<img alt="{escape(_cut(sample.key))}" src="{escape(sample.image)}" style="{_PICTURE}">'
        else:
            picture = f'<div style="{_EMPTY}">no image</div>'
        lines = [f"<div><b>{escape(_cut(sample.verdict))}</b></div>"] if sample.verdict else []
        lines += [f'<div style="{_NAME}">{escape(_cut(sample.key))}</div>']
        lines += [
            f'<div><span style="{_NAME}">{escape(_cut(name))}</span> {escape(_cut(value))}</div>'
            for name, value in zip(self.columns, sample.values, strict=True)
        ]
        return f'<figure style="{_CARD}">{picture}<figcaption>{"".join(lines)}</figcaption></figure>'


def _cut(text: str) -> str:
    said = " ".join(text[: 4 * LONGEST].split())
    return said if len(said) <= LONGEST else f"{said[:LONGEST]} ..."
