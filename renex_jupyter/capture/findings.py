"""Places of the project that look as if they held a secret. They are kept as they are, since a restore must be exact.

Told are the line and the kind, never a part of the secret.
"""

from __future__ import annotations

from collections.abc import Iterable

from renex_jupyter.capture.secret_formats import passwords_in, secrets_in
from renex_jupyter.records.snapshots import Cell, Finding

MOST_BYTES = 2**20  # of a file that is looked through
HEAD = 8 * 2**10  # bytes in which a binary file has its first zero
MOST_PLACES = 100  # of one file or cell
ALLOWED = ("pragma: allowlist secret", "pragma: whitelist secret")  # on the same line, as detect-secrets has it
ALLOWED_NEXT = ("pragma: allowlist nextline secret", "pragma: whitelist nextline secret")

Place = tuple[int, str]  # line from 1, and the label of the kind


def findings_of(data: bytes) -> tuple[Place, ...]:
    """Return what looks like a secret in the content of a file, ordered by line.

    Parameters
    ----------
    data : the whole content; a binary file, or one of more than `MOST_BYTES`, has none.
    """
    if len(data) > MOST_BYTES or data.find(b"\0", 0, HEAD) >= 0:
        return ()
    return tuple(find_secrets(data.decode("utf-8", "replace")))


def find_secrets(text: str) -> list[Place]:
    """Return what looks like a secret in a text, ordered by line: of each kind once per line, at most `MOST_PLACES`.

    A line that says `pragma: allowlist secret` is passed over.
    """
    places: dict[Place, None] = {}
    line, before = 1, 0
    for start, _, known in sorted([*secrets_in(text), *passwords_in(text)], key=lambda each: each.start):
        line += text.count("\n", before, start)
        before = start
        if not _is_allowed(text, start):
            places[line, known.label] = None
        if len(places) == MOST_PLACES:
            break
    return list(places)


def cell_findings(notebook: str, cells: Iterable[Cell]) -> tuple[Finding, ...]:
    """Return what looks like a secret in the sources of a notebook's cells."""
    return tuple(
        Finding(notebook, line, kind, position)
        for position, cell in enumerate(cells)
        for line, kind in find_secrets(cell.source)
    )


def _is_allowed(text: str, at: int) -> bool:
    begin = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    own = text[begin : end if end >= 0 else len(text)]
    above = text[text.rfind("\n", 0, max(0, begin - 1)) + 1 : max(0, begin - 1)]
    return any(each in own for each in ALLOWED) or any(each in above for each in ALLOWED_NEXT)
