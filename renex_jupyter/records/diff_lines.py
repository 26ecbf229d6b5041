"""The lines of a diff, and how they are shown: as text, and as HTML in a cell. Every stored text is hostile there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from renex_jupyter.records import display

SHOWN_CHARACTERS = 200  # of one line
OPEN_LINES = 30  # a longer change is folded up in a cell until it is clicked
OPEN_PART = 60  # lines; so is a longer part
COLOURS = {  # the fallbacks can be read on a light page and on a dark one
    "+": "var(--jp-success-color1, #3a9142)",
    "-": "var(--jp-error-color1, #e04848)",
    "~": "var(--jp-warn-color1, #b8731a)",
    " ": "var(--jp-ui-font-color2, #808080)",
}
TINTS = {"+": "background:rgba(46,160,67,.13)", "-": "background:rgba(248,81,73,.13)"}
MONOSPACE = "font-family:var(--jp-code-font-family, monospace);font-size:12px;line-height:1.45"
WRAPPED = "white-space:pre-wrap;overflow-wrap:anywhere"
HEAD = "cursor:pointer;font-weight:600;margin-top:10px"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a diff: its sign says what happened. One of depth 1 is a heading, deeper ones belong to it."""

    sign: str  # + - ~ or a space
    text: str
    depth: int = 1

    def __str__(self) -> str:
        return f"{'  ' * self.depth}{self.sign} {printable(self.text)}".rstrip()


def printable(text: str) -> str:
    """Return a stored text for a terminal, on one line and not too long."""
    plainly = display.printable(text, keep="\t")
    return plainly if len(plainly) <= SHOWN_CHARACTERS else f"{plainly[: SHOWN_CHARACTERS - 4]} ..."


def page(title: str, overview: str, notes: Sequence[str], sections: Sequence[tuple[str, Sequence[Line]]]) -> str:
    """Return a diff for a cell: what it compares, how much differs, then its parts, each of which can be folded up.

    Parameters
    ----------
    sections : heading and lines of each part.
    """
    said = [f'<div style="{WRAPPED}"><b>{escape(printable(title))}</b></div>']
    said += [f'<div style="color:{COLOURS[" "]}">{escape(text)}</div>' for text in (overview, *notes) if text]
    parts = "".join(_section(heading, lines) for heading, lines in sections)
    style = "color:var(--jp-ui-font-color1, inherit);font-size:13px;max-width:100%"
    return f'<div style="{style}">{"".join(said)}{parts}</div>'


def _section(heading: str, lines: Sequence[Line]) -> str:
    groups = list(_groups(lines))
    body = "".join(_group(group) for group in groups)
    seen = sum(len(group) if len(group) <= OPEN_LINES + 1 else 1 for group in groups)
    return (
        f'<details{" open" if seen <= OPEN_PART else ""}><summary style="{HEAD}">{escape(heading)}</summary>'
        f'<div style="{MONOSPACE};margin:2px 0 0 14px">{body}</div></details>'
    )


def _groups(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """Yield each heading with the lines that belong to it."""
    group: list[Line] = []
    for line in lines:
        if line.depth == 1 and group:
            yield group
            group = []
        group.append(line)
    if group:
        yield group


def _group(group: Sequence[Line]) -> str:
    head, *others = group
    if not others:
        return _row(head)
    body = f'<div style="margin:2px 0 8px 14px">{"".join(map(_row, others))}</div>'
    opened = " open" if len(others) <= OPEN_LINES else ""
    more = "" if opened else f" ({display.count(len(others), 'line')})"
    return (
        f'<details{opened}><summary style="cursor:pointer;color:{COLOURS[head.sign]};{WRAPPED}">'
        f"{escape(_text(head) + more)}</summary>{body}</details>"
    )


def _row(line: Line) -> str:
    """Return one line; where it wraps, the rest is indented below its sign."""
    tint = TINTS.get(line.sign, "") if line.depth > 1 else ""
    colour = f"color:{COLOURS[line.sign]};" if line.depth == 1 or line.sign != " " else ""
    style = f"{colour}padding-left:2ch;text-indent:-2ch;{WRAPPED};{tint}"
    return f'<div style="{style}">{escape(_text(line))}</div>'


def _text(line: Line) -> str:
    return f"{line.sign} {printable(line.text)}"
