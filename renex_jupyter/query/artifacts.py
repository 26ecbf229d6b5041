"""Questions about artifacts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from renex_jupyter import ids
from renex_jupyter.errors import ambiguous, invalid_argument, not_found, shown
from renex_jupyter.records.artifacts import Artifact, ArtifactFile
from renex_jupyter.store.reader import Reader

if TYPE_CHECKING:
    import pandas as pd

HINT = "Give an artifact, its id, the beginning of it, or its name."
LISTING = "rx.list_artifacts()"
_HOLDERS = """
    select 'checkpoint' as kind, checkpoint_id as id, 'of step ' || step as said from inside.checkpoints
    where artifact_id = $id
    union all
    select 'model_version', model_version_id, 'of ' || namespace || '/' || model || ':' || version from model_versions
    where artifact_id = $id"""


def find_artifact(read: Reader, wanted: object) -> str:
    """Return the id of what a record with an `artifact_id`, a name (the newest that has it), an id or a prefix means.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument` for what means nothing.
    """
    given = getattr(wanted, "artifact_id", None)
    word = given if isinstance(given, str) and given else wanted
    if not isinstance(word, str) or not word.strip():
        raise invalid_argument(f"{shown(wanted)} is no artifact.", HINT)
    word = word.removeprefix("artifact:")
    named = (
        "select artifact_id as id from inside.artifacts where name = ? order by created_at desc, artifact_id limit 1"
    )
    prefix = ids.prefix(word)
    fitting = "select artifact_id as id from inside.artifacts where starts_with(artifact_id, ?) order by artifact_id"
    rows = [] if given else read.rows(named, [word])
    rows = rows or (read.rows(fitting, [prefix]) if prefix else [])
    if not rows:
        known = [row["name"] for row in read.rows("select distinct name from inside.artifacts limit 1000")]
        raise not_found("artifact", word, known, listing=LISTING)
    if len(rows) > 1 and rows[0]["id"] != prefix:
        raise ambiguous("id", word, [f"artifact {ids.short(row['id'])}" for row in rows])
    return str(rows[0]["id"])


def get_artifact(read: Reader, artifact_id: str) -> Artifact:
    """Return the artifact that has exactly this id.

    Raises
    ------
    RenexError : `not_found`.
    """
    rows = read.rows("select * from inside.artifacts where artifact_id = ?", [artifact_id])
    if not rows:
        raise not_found("artifact", artifact_id, listing=LISTING)
    return as_artifact(rows[0])


def as_artifact(row: dict[str, Any]) -> Artifact:
    """Return the record of a row of the table."""
    metadata, files = row.pop("metadata"), row.pop("files")
    entries = None if files is None else tuple(ArtifactFile(**each) for each in json.loads(files))
    return Artifact(**row, metadata=json.loads(metadata) if metadata else None, files=entries)


def namespace_of(read: Reader, artifact: Artifact) -> str | None:
    """Return the namespace that an artifact's changes bear: that of its creation."""
    query = "select namespace from inside.changes where kind = 'artifacts' and id = ? and namespace is not null limit 1"
    rows = read.rows(query, [artifact.artifact_id])
    return rows[0]["namespace"] if rows else None


def holders(read: Reader, artifact_id: str) -> list[str]:
    """Return the checkpoints and model versions whose contents an artifact is, in words."""
    return [
        f"{row['kind'].replace('_', ' ')} {ids.short(row['id'])} {row['said']}"
        for row in read.rows(_HOLDERS, {"id": artifact_id})
    ]


def list_artifacts(
    read: Reader,
    owners: Sequence[tuple[str, str]] | None,
    *,
    kind: str | None = None,
    name: str | None = None,
    mode: str | None = None,
) -> pd.DataFrame:
    """Return artifacts, the newest first.

    Parameters
    ----------
    owners : kind and id of objects; None: of all.
    name : as it is, or a pattern with `*` and `?`.
    """
    conditions, params = ["true"], dict[str, Any]()
    if owners is not None:
        conditions.append("list_contains($owners::varchar[], owner_kind || ':' || owner_id)")
        params["owners"] = [f"{kind}:{owner}" for kind, owner in owners]
    for column, wanted in (("kind", kind), ("mode", mode)):
        if wanted is not None:
            conditions.append(f"a.{column} = ${column}")
            params[column] = wanted
    if name is not None:
        conditions.append("a.name glob $name" if any(each in name for each in "*?") else "a.name = $name")
        params["name"] = name
    return read.frame(
        f"""select a.artifact_id, a.name, a.kind, a.mode, a.size, json_array_length(a.files)::bigint as files, a.step,
                a.owner_kind, a.owner_id, a.run_id, r.name as run, a.uri, a.mime, a.sha256, a.metadata, a.created_at
            from inside.artifacts a left join inside.runs r on r.run_id = a.run_id
            where {" and ".join(conditions)} order by a.created_at desc, a.artifact_id""",
        params,
    )
