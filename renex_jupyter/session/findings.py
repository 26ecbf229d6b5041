"""What looks like a secret in what is kept: told once, refused where the user wants that, or passed over."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence

from renex_jupyter.capture.findings import cell_findings
from renex_jupyter.config import settings
from renex_jupyter.errors import RenexError, warn
from renex_jupyter.records.notices import TAKE_OUT, findings_line
from renex_jupyter.records.snapshots import Code, FileTree, Finding
from renex_jupyter.session.current import Session

NO_NOTEBOOK = "executed-cells.ipynb"  # as the cells of a session without a notebook are called


def with_cells(tree: FileTree, code: Code) -> FileTree:
    """Return the tree with the findings in the notebook's cells first; without any where they are to be ignored."""
    if ignored():
        return dataclasses.replace(tree, findings=())
    cells = () if code.document is None else cell_findings(code.notebook or NO_NOTEBOOK, code.cells)
    return dataclasses.replace(tree, findings=(*cells, *tree.findings))


def blocked() -> bool:
    """Say whether what has findings is refused."""
    return settings().secrets_in_files == "block"


def ignored() -> bool:
    """Say whether nobody wants to know what looks like a secret."""
    return settings().secrets_in_files == "ignore"


def refuse(findings: Sequence[Finding]) -> None:
    """Refuse what looks as if it held a secret.

    Raises
    ------
    RenexError : `conflict`, where `Renex.secrets_in_files` is "block".
    """
    if findings and blocked():
        hint = (
            "Take it out, leave the file out in .renexignore, or write `pragma: allowlist secret` on a line that is "
            'harmless. %config Renex.secrets_in_files = "warn" keeps it.'
        )
        raise RenexError("conflict", f"nothing is kept, because {findings_line(findings)}.", hint)


def tell(session: Session, findings: Sequence[Finding]) -> None:
    """Warn of findings, of each once in a session."""
    fresh = [finding for key, finding in _keyed(findings) if key not in session.told_findings]
    session.told_findings.update(key for key, _ in _keyed(findings))
    if fresh:
        warn(f"{findings_line(fresh)}. {TAKE_OUT}")


def _keyed(findings: Sequence[Finding]) -> Iterator[tuple[tuple[str, str, int], Finding]]:
    """Number the findings of a kind in one file: a line above that comes or goes does not make another one of it."""
    seen: Counter[tuple[str, str]] = Counter()
    for each in findings:
        seen[each.path, each.kind] += 1
        yield (each.path, each.kind, seen[each.path, each.kind]), each
