"""What a run gave, and what it takes to do it again."""

from __future__ import annotations

import json
from typing import Any

from renex_jupyter.errors import not_found
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
    return Verification(**{**row, "name": row["name"] or "", "reason": row["reason"] or ""})
