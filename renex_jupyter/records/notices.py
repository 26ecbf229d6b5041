"""What a snapshot has to say beside what it holds: what was left out of it, and what in it looks like a secret."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from renex_jupyter.records.snapshots import Finding, LeftOut

SHOWN = 3  # names of one reason, and places of secrets
TAKE_OUT = "It is kept as it is; to take it out: %renex purge --secret"


def left_out_line(left_out: Sequence[LeftOut]) -> str:
    """Return "2 secrets (.env, id_rsa), 1 too large (data.bin)"; empty where nothing was left out."""
    by_reason: dict[str, list[str]] = {}
    for each in left_out:
        by_reason.setdefault(each.reason, []).append(each.path)
    return ", ".join(_reason(reason, paths) for reason, paths in by_reason.items())


def findings_line(findings: Sequence[Finding]) -> str:
    """Return "1 file looks as if it held a secret: config.py:12 (AWS key)"; empty where none does."""
    if not findings:
        return ""
    files = len({each.path for each in findings})
    looks = "1 file looks as if it held" if files == 1 else f"{files:,} files look as if they held"
    return f"{looks} {'a secret' if len(findings) == 1 else 'secrets'}: {_some([place(each) for each in findings])}"


def place(finding: Finding) -> str:
    """Return "config.py:12 (AWS key)", or "train.ipynb cell 3:1 (AWS key)"; cells count from 1 here, as people do."""
    cell = "" if finding.cell is None else f" cell {finding.cell + 1}"
    return f"{finding.path}{cell}:{finding.line} ({finding.kind})"


def _reason(reason: str, paths: list[str]) -> str:
    plural = "s" if reason in ("secret", "special file") and len(paths) > 1 else ""
    return f"{len(paths):,} {reason}{plural} ({_some(paths)})"


def _some(names: list[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")
