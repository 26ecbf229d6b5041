"""What changes of params and tags say was there before."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import renex_jupyter as rx


def changes(kind: str) -> list[tuple[str, Any, Any]]:
    """Return the key of each change, and the value before and after it, as the table says them."""
    query = 'select before, after from change_events where object_kind = ? order by "at", writer, seq'
    rows = rx.sql(query, [kind]).itertuples()
    told = [(json.loads(row.before if isinstance(row.before, str) else "{}"), json.loads(row.after)) for row in rows]
    return [(after["key"], before.get("value"), after["value"]) for before, after in told]


def test_an_overwritten_param_says_what_it_was(project: Path) -> None:
    with rx.start_run("train"):
        rx.log_params({"lr": 0.1, "depth": 3})
        rx.log_param("lr", {"from": 0.2})
        rx.log_param("lr", "auto")
    wanted = [("lr", None, 0.1), ("depth", None, 3), ("lr", 0.1, {"from": 0.2}), ("lr", {"from": 0.2}, "auto")]
    assert changes("params") == wanted


def test_an_overwritten_secret_is_in_no_change(project: Path) -> None:
    with rx.start_run("train"):
        rx.log_param("api_key", "hunter2")
        rx.log_param("api_key", "hunter3")
    assert all("hunter" not in path.read_text("utf-8", "replace") for path in (project / ".renex/journal").iterdir())


def test_an_overwritten_tag_says_what_it_was_however_it_was_set_or_taken_away(project: Path) -> None:
    with rx.start_run("train") as run:
        rx.set_tag("who", "ada")
        rx.set_tag("who", "bob")
        rx.set_tag("who", "eve", on=run.run_id)
        rx.set_tag("who", "joe")
        rx.delete_tag("who")
        rx.set_tag("who", "ada")
    found = [(before, after) for _, before, after in changes("tags")]
    assert found == [(None, "ada"), ("ada", "bob"), ("bob", "eve"), ("eve", "joe"), ("joe", None), (None, "ada")]


def test_what_another_process_wrote_is_told_by_watch_alone(project: Path) -> None:
    with rx.start_run("train"):
        rx.log_param("lr", 0.1)
        code = "import renex_jupyter as rx; rx.log_param('lr', 0.2)"
        subprocess.run([sys.executable, "-c", code], check=True)
    assert changes("params") == [("lr", None, 0.1), ("lr", None, 0.2)]
    told = list(rx.watch(0, kinds="params", timeout=0))
    assert [(each.before or {}).get("value") for each in told] == [None, 0.1]
