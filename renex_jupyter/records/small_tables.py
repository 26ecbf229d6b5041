"""A few rows of texts as a table, for a terminal and as HTML; every text is hostile."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from renex_jupyter.records import display

_TABLE = "border-collapse:collapse;color:var(--jp-ui-font-color1,inherit);background:transparent;font-size:13px;margin-top:6px"
_HEAD = "font-weight:600;padding:2px 12px 2px 0;color:var(--jp-ui-font-color2,inherit);vertical-align:top"
_CELL = "padding:2px 12px 2px 0;vertical-align:top"
Texts = Sequence[Sequence[str]]


def text_table(heads: Sequence[str], rows: Texts, *, indent: str = "  ") -> str:
    """Return lines: the first column to the left, the others to the right."""
    shown = [[display.printable(each) for each in row] for row in (heads, *rows)]
    widths = [max(len(row[at]) for row in shown) for at in range(len(heads))]
    return "\n".join(
        indent + "  ".join(f"{each:{'>' if at else '<'}{widths[at]}}" for at, each in enumerate(row)).rstrip()
        for row in shown
    )


def html_table(title: str, heads: Sequence[str], rows: Texts) -> str:
    """Return an escaped table with a title."""
    head = "".join(_cell("th", _HEAD, each, at) for at, each in enumerate(heads))
    lines = "".join(
        "<tr>" + "".join(_cell("td", _CELL, each, at) for at, each in enumerate(row)) + "</tr>" for row in rows
    )
    caption = f'<caption style="text-align:left;font-weight:600">{escape(title)}</caption>' if title else ""
    return f'<table style="{_TABLE}">{caption}<tr>{head}</tr>{lines}</table>'


def _cell(tag: str, style: str, text: str, at: int) -> str:
    return f'<{tag} style="text-align:{"right" if at else "left"};{style}">{escape(text)}</{tag}>'
