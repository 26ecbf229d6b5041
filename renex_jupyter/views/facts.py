"""What is said of a run beside its pictures: its head, its buttons, and the facts below."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from renex_jupyter import ids
from renex_jupyter.records import display
from renex_jupyter.records.runs import FileChange, Run
from renex_jupyter.views import text
from renex_jupyter.views.detail import Action

MOST_FILES = 50
SIGNS = {"created": "+", "changed": "~", "deleted": "-"}
EXECUTORS = {"kernel": "in the kernel", "process": "in a process", "container": "in a container"}


@dataclass(frozen=True)
class RunFacts:
    """What is known of one run at one moment, besides its series."""

    run: Run
    metrics: Sequence[Mapping[str, Any]]  # columns of `latest_metrics`, without those of the machine
    snapshots: Sequence[Mapping[str, Any]]
    verdict: Mapping[str, Any] | None = None
    python: str = ""


def code_for(run_id: str) -> str:
    """Return the code that fetches a run in a notebook."""
    return f'import renex_jupyter as rx\n\nrun = rx.get_run("{ids.short(run_id)}")\nrun'


def actions_of(run: Run, *, hosted: bool, stop: Action | None = None) -> list[Action]:
    """Return the buttons for a run; without a page that helps, the code is copied instead of inserted."""
    first = [stop] if stop else []
    copy_id = Action(name="copy", label="Copy id", text=run.run_id)
    if not hosted:
        return [*first, Action(name="copy", label="Copy code", text=code_for(run.run_id)), copy_id]
    opening = [Action(name="open", label="Open notebook")] if run.notebook else []
    return [*first, *opening, Action(name="insert", label="Insert code"), copy_id]


def head_of(facts: RunFacts) -> dict[str, Any]:
    """Return what stands above the plot."""
    run = facts.run
    going = run.status == "running"
    return {
        "title": {
            "text": run.name or ids.short(run.run_id),
            "id": ids.short(run.run_id),
            "status": run.status,
            "closable": True,
            "since": text.milliseconds(run.started_at) if going else None,
            "seconds": None if going else run.duration_s,
        },
        "error": run.error or "",
        "metrics": [
            {
                "key": each["key"],
                "last": text.number(each["value"]),
                "low": text.number(each["min_value"]),
                "high": text.number(each["max_value"]),
                "points": str(each["points"]),
            }
            for each in facts.metrics
        ],
    }


def rest_of(facts: RunFacts) -> dict[str, Any]:
    """Return what stands below the plot."""
    run = facts.run
    return {
        "facts": [[label, text.clipped(each)] for label, each in _facts(facts) if each],
        "params": [[key, text.value(each)] for key, each in run.params.items()],
        "tags": [[key, text.clipped(each)] for key, each in run.tags.items()],
        "files": _files(run.files),
        "snapshots": [_snapshot(run, each) for each in facts.snapshots],
    }


def _facts(facts: RunFacts) -> list[tuple[str, str | None]]:
    run = facts.run
    return [
        ("verified", _verdict(facts.verdict)),
        ("experiment", f"{run.namespace}/{run.experiment}"),
        ("task", run.task),
        ("ran", _executor(run)),
        ("command", _command(run)),
        ("notebook", run.notebook),
        ("by", " on ".join(each for each in (run.user_name, run.host) if each)),
        ("exit code", None if run.exit_code is None else str(run.exit_code)),
        ("peak memory", None if run.peak_memory_bytes is None else display.size(run.peak_memory_bytes)),
        ("environment", " · ".join(filter(None, [ids.short(run.environment_id), _python(facts.python)]))),
        ("files", _file_counts(run)),
        ("rerun of", ids.short(run.rerun_of)),
    ]


def _verdict(found: Mapping[str, Any] | None) -> str:
    return ": ".join(str(each) for each in (found["verdict"], found["reason"]) if each) if found else ""


def _executor(run: Run) -> str:
    image = (run.action or {}).get("image")
    return " ".join(str(each) for each in (EXECUTORS.get(run.executor, run.executor), image) if each)


def _command(run: Run) -> str:
    argv = (run.action or {}).get("argv")
    return " ".join(str(each) for each in argv) if isinstance(argv, list) else ""


def _python(version: str) -> str:
    return f"Python {version}" if version else ""


def _file_counts(run: Run) -> str:
    """Return `2 created, 1 changed`; that nothing changed is said too, and nothing where it is not known."""
    counts = Counter(each.change for each in run.files)
    known = run.before_snapshot_id and run.after_snapshot_id
    return ", ".join(f"{counts[kind]:,} {kind}" for kind in SIGNS if counts[kind]) or ("none changed" if known else "")


def _files(files: Sequence[FileChange]) -> dict[str, Any] | None:
    if not files:
        return None
    changes = [
        [SIGNS.get(each.change, ""), text.clipped(each.path), "" if each.size is None else display.size(each.size)]
        for each in files[:MOST_FILES]
    ]
    more = [["", f"and {len(files) - MOST_FILES:,} more", ""]] if len(files) > MOST_FILES else []
    return {"changes": changes + more, "count": len(files)}


def _snapshot(run: Run, snapshot: Mapping[str, Any]) -> dict[str, str]:
    holds = [display.count(snapshot[f"{noun}s"], noun) for noun in ("cell", "file", "package")]
    return {
        "when": "before" if snapshot["snapshot_id"] == run.before_snapshot_id else "after",
        "id": ids.short(snapshot["snapshot_id"]),
        "message": text.clipped(snapshot["label"] or snapshot["message"] or ""),
        "holds": ", ".join(holds) + (" (partial)" if snapshot["partial"] else ""),
    }
