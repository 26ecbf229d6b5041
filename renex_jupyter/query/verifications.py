"""What a run gave, and what it takes to do it again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from renex_jupyter.errors import not_found
from renex_jupyter.ids import short
from renex_jupyter.records.runs import Run
from renex_jupyter.records.snapshots import CellExecution
from renex_jupyter.records.verifications import Difference, Verification
from renex_jupyter.store.reader import Reader


def logged_points(read: Reader, run_id: str) -> list[dict[str, Any]]:
    """Return every point of a run, ordered by key, step and time: key, step, value, exact.

    Returns
    -------
    dicts; `exact` is what a number does not say: the text, the type and shape, and the SHA-256 of the bytes.
    """
    query = """
        select key, step, value,
               case when coalesce(text_value, dtype, shape) is null and bytes_value is null then null
                    else concat_ws(' ', text_value, dtype, shape, sha256(bytes_value)) end as exact
        from metrics where run_id = ? order by key, step, wallclock"""
    return read.rows(query, [run_id])


def replayed_cells(read: Reader, run: Run) -> list[CellExecution]:
    """Return the recorded cells of a run's session in their order, up to the one in which the run ended.

    Returns
    -------
    Those that ran before recording began are the first, without a time. Empty where the cell that opened the run was
    not recorded: it did not end.
    """
    query = "select * exclude (execution_id) from inside.cell_executions where session_id = ? order by seq"
    cells = [CellExecution(**row) for row in read.rows(query, [run.session_id])]
    end = run.ended_at or run.started_at
    opened = [
        place
        for place, each in enumerate(cells)
        if each.started_at is not None
        and each.started_at <= run.started_at
        and (each.duration_s is None or (run.started_at - each.started_at).total_seconds() <= each.duration_s)
    ]
    if not opened:
        return []
    later = [place for place, each in enumerate(cells) if each.started_at is not None and each.started_at < end]
    return cells[: max(opened[-1], *later) + 1]


def place_in_session(read: Reader, run: Run) -> int:
    """Return how many runs the session of a run had opened before it; reruns are not done again with it."""
    query = """
        select count(*) as n from inside.runs
        where session_id = $session and rerun_of is null and (started_at, run_id) < ($started, $run)"""
    values = {"session": run.session_id, "started": run.started_at, "run": run.run_id}
    return int(read.rows(query, values)[0]["n"])


def twin_of(read: Reader, run: Run, second: Run) -> str:
    """Return the id of another run of a run's session and name that has the very params of a rerun.

    "" where none has them, or the run has them itself.
    """
    query = """
        with given as (
            select run_id, list({k: key, v: value::varchar} order by key) as params from inside.params group by run_id)
        select run_id from inside.runs join given using (run_id)
        where session_id = $session and name = $name and run_id <> $run and rerun_of is null and kind <> 'command'
          and params = (select params from given where run_id = $second)
          and params is distinct from (select params from given where run_id = $run)
        order by started_at limit 1"""
    values = {"session": run.session_id, "name": run.name, "run": run.run_id, "second": second.run_id}
    rows = read.rows(query, values)
    return str(rows[0]["run_id"]) if rows else ""


def were_side_by_side(read: Reader, run: Run) -> bool:
    """Whether a run, or one of its session and name, was open next to one in which it does not lie, as in threads."""
    query = """
        select run_id, name, parent_run_id as parent, started_at, coalesce(ended_at, started_at) as ended_at
        from inside.runs where session_id = ? and rerun_of is null and kind <> 'command' order by started_at, run_id"""
    rows = read.rows(query, [run.session_id])
    parents = {row["run_id"]: row["parent"] for row in rows}
    still: list[dict[str, Any]] = []  # open
    for row in rows:
        still = [each for each in still if each["ended_at"] > row["started_at"]]
        around = _around(parents, row["run_id"])
        if any(run.name in (each["name"], row["name"]) and each["run_id"] not in around for each in still):
            return True
        still.append(row)
    return False


def open_beside(read: Reader, run: Run) -> str:
    """Return name and id of a run that changed the same project while a run did; "" where none was open then."""
    query = """
        select run_id, name, parent_run_id as parent from inside.runs
        where rerun_of is null and started_at < ? and coalesce(ended_at, started_at) > ? order by started_at"""
    rows = read.rows(query, [run.ended_at or run.started_at, run.started_at])
    parents = {row["run_id"]: row["parent"] for row in rows}
    around = {run.run_id, *_around(parents, run.run_id)}
    apart = (row for row in rows if row["run_id"] not in around and run.run_id not in _around(parents, row["run_id"]))
    return next((f"'{row['name']}' {short(row['run_id'])}" for row in apart), "")


def _around(parents: Mapping[str, str | None], run_id: str) -> set[str]:
    found: set[str] = set()
    outer = parents.get(run_id)
    while outer and outer not in found:
        found.add(outer)
        outer = parents.get(outer)
    return found


def session_of(read: Reader, session_id: str | None) -> dict[str, Any]:
    """Return the columns of a session, or an empty dict."""
    rows = read.rows("select * from inside.sessions where session_id = ?", [session_id])
    return rows[0] if rows else {}


def get_verification(read: Reader, verification_id: str) -> Verification:
    """Return one verification.

    Raises
    ------
    RenexError : `not_found`.
    """
    query = "select v.*, r.name from inside.verifications v left join inside.runs r using (run_id)"
    rows = read.rows(f"{query} where verification_id = ?", [verification_id])
    if not rows:
        raise not_found("verification", verification_id)
    row = rows[0]
    row["differences"] = tuple(Difference(**each) for each in json.loads(row["differences"] or "[]"))
    row["ignored"] = tuple(json.loads(row["ignored"] or "[]"))
    return Verification(**{**row, "name": row["name"] or "", "reason": row["reason"] or ""})
