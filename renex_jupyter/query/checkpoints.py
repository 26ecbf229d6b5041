"""Questions about checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from renex_jupyter.records.artifacts import Checkpoint
from renex_jupyter.store.reader import Reader
from renex_jupyter.store.tables import among

if TYPE_CHECKING:
    import pandas as pd

NEWEST = "c.created_at desc, c.step desc, c.checkpoint_id"


def checkpoints_of(read: Reader, run_id: str) -> list[Checkpoint]:
    """Return the checkpoints of a run with their last metrics, the newest first."""
    rows = read.rows(f"select * from inside.checkpoints c where run_id = ? order by {NEWEST}", [run_id])
    return _with_metrics(read, rows)


def get_checkpoint(read: Reader, checkpoint_id: str) -> Checkpoint:
    """Return the checkpoint that has exactly this id, which is there."""
    return _with_metrics(read, read.rows("select * from inside.checkpoints where checkpoint_id = ?", [checkpoint_id]))[
        0
    ]


def list_checkpoints(
    read: Reader, *, run_id: str | None = None, experiment: tuple[str, str] | None = None
) -> pd.DataFrame:
    """Return checkpoints with a column `metrics.KEY` per metric, the newest first.

    Parameters
    ----------
    run_id, experiment : only those of one run, or of one experiment (namespace and name).
    """
    conditions, params = ["true"], dict[str, Any]()
    if run_id is not None:
        conditions.append("c.run_id = $run_id")
        params["run_id"] = run_id
    if experiment is not None:
        conditions.append("r.namespace = $namespace and r.experiment = $experiment")
        params |= {"namespace": experiment[0], "experiment": experiment[1]}
    frame = read.frame(
        f"""select c.checkpoint_id, c.step, c.run_id, r.name as run, a.name, a.kind, a.size, c.artifact_id, c.created_at
            from inside.checkpoints c
            left join inside.runs r on r.run_id = c.run_id
            left join inside.artifacts a on a.artifact_id = c.artifact_id
            where {" and ".join(conditions)} order by {NEWEST}""",
        params,
    )
    found = _metrics(read, list(frame["checkpoint_id"]))
    keys = sorted({key for values in found.values() for key in values})
    columns = {f"metrics.{key}": [found.get(each, {}).get(key) for each in frame["checkpoint_id"]] for key in keys}
    for name, values in columns.items():
        frame[name] = values
        frame[name] = frame[name].astype("float64")
    return frame


def _with_metrics(read: Reader, rows: Sequence[dict[str, Any]]) -> list[Checkpoint]:
    found = _metrics(read, [row["checkpoint_id"] for row in rows])
    return [Checkpoint(**row, metrics=found.get(row["checkpoint_id"], {})) for row in rows]


def _metrics(read: Reader, checkpoint_ids: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return the last numbers of checkpoints by their ids."""
    if not checkpoint_ids:
        return {}
    found: dict[str, dict[str, float]] = {}
    rows = read.rows(f"""
        select owner_id, key, value from inside.latest
        where owner_kind = 'checkpoint' and {among("owner_id", list(checkpoint_ids))} order by key""")
    for row in rows:
        found.setdefault(row["owner_id"], {})[row["key"]] = row["value"]
    return found
