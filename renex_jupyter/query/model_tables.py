"""Models, and the versions of one, as DataFrames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from renex_jupyter.query.model_lists import list_versions as page_of_versions
from renex_jupyter.records.models import ACTIVE
from renex_jupyter.store.reader import Reader

if TYPE_CHECKING:
    import pandas as pd

ALL = 2**31  # rows
MODEL_COLUMNS = (
    "namespace", "name", "versions", "latest", "aliases", "task", "description", "owner", "starred", "archived",
    "created_at", "registered_at", "model_id",
)  # fmt: skip
VERSION_COLUMNS = (
    "version", "aliases", "labels", "status", "description", "run", "created_at", "registered_by", "dataset",
    "framework", "run_id", "model_version_id",
)  # fmt: skip


def list_models(read: Reader, namespace: str | None, *, archived: bool) -> pd.DataFrame:
    """Return models, see `renex_jupyter.session.models.list_models`."""
    import pandas as pd

    query = f"""
        select namespace, name, coalesce(versions, 0) as versions, latest, task, description, owner,
               coalesce(starred, false) as starred, coalesce(archived, false) as archived, created_at, registered_at, model_id
        from inside.models left join (
            select model_id, count(*) as versions, max(created_at) as registered_at,
                   max(version) filter (where coalesce(status, '{ACTIVE}') = '{ACTIVE}') as latest
            from inside.model_versions group by model_id
        ) using (model_id)
        where ($namespace is null or namespace = $namespace) and ($archived or not coalesce(archived, false))
        order by coalesce(starred, false) desc, coalesce(registered_at, created_at) desc, namespace, name"""
    rows = read.rows(query, {"namespace": namespace, "archived": archived})
    aliases: dict[str, dict[str, int]] = {}
    for row in read.rows(
        "select model_id, alias, version from inside.aliases where version is not null order by alias"
    ):
        aliases.setdefault(row["model_id"], {})[row["alias"]] = int(row["version"])
    told = [{**row, "aliases": aliases.get(row["model_id"], {})} for row in rows]
    frame = pd.DataFrame(told, columns=list(MODEL_COLUMNS))
    return frame.astype({"versions": "int64", "latest": "Int64"})


def list_versions(read: Reader, model_id: str) -> pd.DataFrame:
    """Return the versions of a model, see `renex_jupyter.session.versions.list_model_versions`."""
    import pandas as pd

    rows = page_of_versions(read, model_id, limit=ALL)
    names = _run_names(read, model_id)
    keys = sorted({key for row in rows for key in row["metrics"]})
    told = [
        {
            **{name: row.get(name) for name in VERSION_COLUMNS},
            "status": row["status"] or ACTIVE,
            "run": names.get(row["run_id"]),
            **{f"metrics.{key}": row["metrics"].get(key) for key in keys},
        }
        for row in rows
    ]
    frame = pd.DataFrame(told, columns=[*VERSION_COLUMNS, *(f"metrics.{key}" for key in keys)])
    return frame.astype({"version": "int64", **{f"metrics.{key}": "float64" for key in keys}})


def _run_names(read: Reader, model_id: str) -> dict[Any, str]:
    query = """
        select run_id, name from inside.runs
        where run_id in (select run_id from inside.model_versions where model_id = ?)"""
    return {row["run_id"]: row["name"] for row in read.rows(query, [model_id])}
