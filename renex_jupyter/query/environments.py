"""Questions about environments."""

from __future__ import annotations

import json
from typing import Any

from renex_jupyter import ids
from renex_jupyter.errors import RenexError, ambiguous, not_found, text_argument
from renex_jupyter.records.environments import Environment, Package
from renex_jupyter.store.reader import Reader

HINT = "Give the name or the id of an environment, or 'current'."
LISTING = "%renex env ls"


def find_environment(read: Reader, wanted: object) -> str:
    """Return the id of what a name, an id or a unique prefix means, or what has an `environment_id`.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    word = text_argument(getattr(wanted, "environment_id", None) or wanted, "the word for an environment", HINT)
    if found := holder_of(read, word):
        return found
    prefix = ids.prefix(word)
    query = "select environment_id as id from inside.environments where starts_with(environment_id, ?) order by 1"
    fitting = [row["id"] for row in read.rows(query, [prefix])] if prefix else []
    if len(fitting) > 1:
        raise ambiguous("id", word, [ids.short(each) for each in fitting])
    if not fitting:
        known = read.rows("select coalesce(name, environment_id[:8]) as name from inside.environments")
        raise not_found("environment", word, [row["name"] for row in known], listing=LISTING)
    return str(fitting[0])


def holder_of(read: Reader, name: str) -> str | None:
    """Return the id of the environment that bears a name."""
    rows = read.rows("select environment_id as id from inside.environments where name = ? order by 1", [name])
    return str(rows[0]["id"]) if rows else None


def get_environment(read: Reader, environment_id: str) -> Environment:
    """Return an environment by its whole id.

    Raises
    ------
    RenexError : `not_found`.
    """
    rows = read.rows("select * from inside.environments where environment_id = ?", [environment_id])
    if not rows:
        raise not_found("environment", environment_id, listing=LISTING)
    row = {name: value for name, value in rows[0].items() if value is not None}
    names = set(Environment.__dataclass_fields__)
    try:
        packages = tuple(_package(each) for each in _json(row.pop("packages", None)) or ())
        locks = _json(row.pop("lock_files", None))
        told = {name: value for name, value in row.items() if name in names}
        return Environment(
            **{"python": "", "implementation": "", "platform": "", **told}, packages=packages, lock_files=locks
        )
    except (TypeError, ValueError, AttributeError) as error:
        hint = "renex fsck says more."
        raise RenexError(
            "corrupt", f"the record of environment {ids.short(environment_id)} does not read.", hint
        ) from error


def listed(read: Reader) -> list[dict[str, Any]]:
    """Return every environment, the newest first: its columns, and how many packages, runs and snapshots it has."""
    return read.rows(
        """
        select environment_id, python, implementation, platform, name,
               coalesce(json_array_length(packages), 0)::bigint as packages,
               (select count(*) from runs r where r.environment_id = e.environment_id) as runs,
               (select count(*) from snapshots s where s.environment_id = e.environment_id) as snapshots,
               (select make_timestamptz(min(at_us)) from inside.changes c
                where c.kind = 'environments' and c.id = e.environment_id) as created_at
        from inside.environments e order by created_at desc, environment_id"""
    )


def runs_with(read: Reader, environment_id: str) -> tuple[dict[str, Any], ...]:
    """Return run_id and name of the runs in an environment, the newest first."""
    query = "select run_id, name from runs where environment_id = ? order by started_at desc"
    return tuple(read.rows(query, [environment_id]))


def snapshots_with(read: Reader, environment_id: str) -> tuple[dict[str, Any], ...]:
    """Return snapshot_id and words of the snapshots with an environment, the newest first."""
    query = """
        select snapshot_id, coalesce(label, message) as words from snapshots
        where environment_id = ? and not coalesce(hidden, false) order by created_at desc"""
    return tuple(read.rows(query, [environment_id]))


def _package(told: dict[str, Any]) -> Package:
    return Package(told["name"], told["version"], bool(told.get("imported")), told.get("origin"))


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value
