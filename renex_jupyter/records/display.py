"""The text and the HTML form of records: every stored string is hostile, so all of it is escaped."""

from __future__ import annotations

import math
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable
from datetime import datetime
from html import escape
from typing import Any

_TABLE = "border-collapse:collapse;color:var(--jp-ui-font-color1,inherit);background:transparent;font-size:13px"
_CAPTION = "text-align:left;font-weight:600;white-space:nowrap"
_HEAD = (
    "text-align:left;font-weight:600;padding:2px 12px 2px 0;color:var(--jp-ui-font-color2,inherit);vertical-align:top"
)
_CELL = "text-align:left;padding:2px 12px 2px 0;white-space:pre-wrap;vertical-align:top"
MOST = 40  # pairs of name and value on one card
LONGEST = 200  # characters of one of these values


def number(value: Any, digits: int = 6) -> str:
    """Return a value as a person wants to read it: some digits of a float, everything else as it is."""
    if isinstance(value, float):
        return f"{value:.{digits}g}" if math.isfinite(value) else str(value)
    return str(value)


def seconds(value: float | None) -> str:
    """Return a duration: 0.31 s, 12 s, 3 min 20 s, 2 h 5 min."""
    if value is None:
        return ""
    if value < 10:
        return f"{value:.2g} s"
    if value < 60:
        return f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def size(count: int) -> str:
    """Return a number of bytes: 512 B, 3.1 MB."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError("unreachable")


def moment(value: datetime | None) -> str:
    """Return a time in the zone of the reader."""
    return "" if value is None else value.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def count(n: int, noun: str) -> str:
    """Return `1 file`, `2,004 files`."""
    return f"{n} {noun}" if n == 1 else f"{n:,} {noun}s"


def pairs(values: Iterable[tuple[str, Any]], digits: int = 6) -> str:
    """Return `a 1, b 2`, of at most `MOST` pairs, and of a long text its beginning."""
    all_of = list(values)
    more = [f"and {len(all_of) - MOST:,} more (all of them: --json, or SQL)"] if len(all_of) > MOST else []
    return ", ".join([*(f"{key} {_beginning(number(value, digits))}" for key, value in all_of[:MOST]), *more])


def _beginning(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({count(len(text), 'character')})"


def printable(text: str, keep: str = "") -> str:
    """Return a stored text for a terminal: what could move its cursor or colour it is spelled out."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in keep else ascii(each)[1:-1] for each in text)


def terminal_width() -> int | None:
    """Return the width of the terminal that is written to, or COLUMNS; None where the output is no terminal."""
    given = os.environ.get("COLUMNS", "")
    if not (given.isdecimal() or sys.stdout.isatty()):
        return None
    return max(20, shutil.get_terminal_size().columns)


def card(title: str, rows: Iterable[tuple[str, str]]) -> str:
    """Return a small HTML table: a title, then name and value of what is set."""
    lines = "".join(
        f'<tr><th style="{_HEAD}">{escape(name)}</th><td style="{_CELL}">{escape(text)}</td></tr>'
        for name, text in rows
        if text
    )
    caption = f'<caption style="{_CAPTION}">{escape(title)}</caption>'
    return f'<table style="{_TABLE}">{caption}{lines}</table>'


def text_card(title: str, rows: Iterable[tuple[str, str]]) -> str:
    """Return the same for a terminal."""
    shown = [(name, text) for name, text in rows if text]
    indent = max((len(name) for name, _ in shown), default=0) + 4
    lines = [printable(title)]
    for name, text in shown:
        first, *others = _wrapped(printable(text, keep="\n\t"), indent)
        lines += [f"  {name:<{indent - 4}}  {first}", *(f"{'':<{indent}}{each}" for each in others)]
    return "\n".join(lines)


def _wrapped(text: str, indent: int) -> list[str]:
    """Return the lines of a text for what is left of the terminal's width; a word, such as a path, stays whole."""
    width = terminal_width()
    if width is None:
        return text.split("\n")
    room = max(20, width - indent)
    wrap = textwrap.TextWrapper(room, break_long_words=False, break_on_hyphens=False, replace_whitespace=False)
    return [line for each in text.split("\n") for line in wrap.wrap(each) or [""]]
