"""What trainings have logged."""

from __future__ import annotations

from typing import Any

from told import rows

from renex_jupyter.session.current import current


def runs() -> list[str]:
    """The names of the runs, in order."""
    if not current().store.exists:
        return []
    return [each["name"] for each in rows("select name from runs order by started_at, run_id")]


def statuses() -> list[str]:
    return [each["status"] for each in rows("select status from runs order by started_at, run_id")]


def keys() -> set[str]:
    """The metrics of all runs."""
    return {each["key"] for each in rows("select distinct key from metrics")}


def series(key: str) -> list[tuple[int, float]]:
    """The steps and values of a metric."""
    found = rows(f"select step, value from metrics where key = '{key}' order by step, wallclock")
    return [(each["step"], each["value"]) for each in found]


def params() -> dict[str, Any]:
    """The params of all runs, as text."""
    return {each["key"]: each["value_text"] for each in rows("select key, value_text from params")}


def artifacts() -> list[tuple[str, str]]:
    found = rows("select name, kind from artifacts order by name")
    return [(each["name"], each["kind"]) for each in found]


def events() -> list[tuple[str, str | None]]:
    found = rows("select name, phase from events order by wallclock, phase desc")
    return [(each["name"], each["phase"]) for each in found]
