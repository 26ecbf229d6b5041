"""Tab completion of the magics' options, verbs, labels and names."""

from __future__ import annotations

import shlex
from typing import Any

from renex_jupyter.cli.environment_verbs import ENVIRONMENT_VERBS
from renex_jupyter.cli.model_verbs import MODEL_VERBS
from renex_jupyter.cli.policy_verbs import POLICY_VERBS
from renex_jupyter.cli.verbs import KINDS, VERBS
from renex_jupyter.session.current import current

OPTIONS = {
    "snapshot": ("--message", "--label", "--config", "--metrics", "--files", "--out"),
    "task": ("--out", "--"),
    "rxsql": ("--out",),
}
WITH_OBJECTS = frozenset({"show", "diff", "edit", "delete", "checkout", "purge"})


def complete(shell: Any, event: Any) -> list[str]:
    """Return the words that can stand where the cursor is; never raises and never creates a store."""
    magic = event.command.lstrip("%")
    try:
        typed = event.text_until_cursor.split()
        return _words(shell, magic, typed[1:], event.symbol)
    except Exception:  # noqa: BLE001  no completion is better than a traceback between two keystrokes
        return []


def _words(shell: Any, magic: str, typed: list[str], symbol: str) -> list[str]:
    before = typed[:-1] if symbol and typed else typed
    if magic == "renex":
        return _for_renex(before)
    if magic == "snapshot" and before and before[-1] in ("-c", "--config", "--metrics"):
        return [name for name, value in shell.user_ns.items() if isinstance(value, dict) and not name.startswith("_")]
    if magic == "rxsql" and not symbol.startswith("-"):
        return _tables()
    return list(OPTIONS.get(magic, ()))


def _for_renex(before: list[str]) -> list[str]:
    if not before:
        return list(VERBS)
    if before[0] in ("ls", "list"):
        return list(KINDS)
    if before == ["env"]:
        return list(ENVIRONMENT_VERBS)
    if before == ["model"]:
        return list(MODEL_VERBS)
    if before == ["policy"]:
        return list(POLICY_VERBS)
    if before[0] in WITH_OBJECTS:
        return _objects()
    return []


def _objects() -> list[str]:
    store = current().store
    if not store.exists:
        return []
    rows = store.reader.rows(
        """
        select label as word, created_at as at_time from snapshots where label is not null
        union all select name, started_at from runs
        union all select snapshot_id[:8], created_at from snapshots where not coalesce(hidden, false)
        order by at_time desc limit 100"""
    )
    return [shlex.quote(word) for word in dict.fromkeys(row["word"] for row in rows)]


def _tables() -> list[str]:
    store = current().store
    return sorted(row["name"] for row in store.reader.rows("show tables")) if store.exists else []
