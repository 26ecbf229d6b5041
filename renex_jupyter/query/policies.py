"""Questions about policies, and what these have to know of versions and checkpoints."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from renex_jupyter.ids import short
from renex_jupyter.query.goals import said_of
from renex_jupyter.records.models import ACTIVE
from renex_jupyter.records.policies import RELEASED, Policy, Subject
from renex_jupyter.store.reader import Reader
from renex_jupyter.store.tables import among

if TYPE_CHECKING:
    import pandas as pd

CHECKPOINT, VERSION = "checkpoint", "model_version"


def policies_of(read: Reader, model_id: str | None = None, *, enabled: bool = True) -> list[Policy]:
    """Return the policies of a model, or of all (None), the oldest first.

    Parameters
    ----------
    enabled : only those that are.
    """
    query = f"""
        select policy_id, model_id, name, kind, rule, enabled, set_by, created_at from inside.policies
        where ($model is null or model_id = $model) {"and coalesce(enabled, true)" if enabled else ""}
        order by created_at, policy_id"""
    rows = read.rows(query, {"model": model_id})
    return [
        Policy(**{**row, "rule": json.loads(row["rule"] or "{}"), "enabled": row["enabled"] is not False})
        for row in rows
    ]


def policy_frame(read: Reader, model_id: str | None) -> pd.DataFrame:
    """Return the policies of a model, or of all, as a DataFrame."""
    return read.frame(
        """select policy_id, namespace, model, name, kind, rule, coalesce(enabled, true) as enabled, set_by, created_at
        from policies where $model is null or model_id = $model order by namespace, model, created_at, policy_id""",
        {"model": model_id},
    )


def history_frame(read: Reader, model_id: str, name: str | None, limit: int) -> pd.DataFrame:
    """Return what the policies of a model said, the newest first."""
    return read.frame(
        """select created_at, policy, kind, version, verdict, reason, subject_kind, subject_id, facts, policy_id, result_id
        from policy_results join (select result_id, model_id from inside.policy_results) using (result_id)
        where model_id = $model and ($name is null or policy = $name)
        order by created_at desc, result_id limit $limit""",
        {"model": model_id, "name": name, "limit": limit},
    )


def models_of(read: Reader, owner_kind: str, owner_id: str) -> list[dict[str, Any]]:
    """Return model_id and model_version_id of the versions that metrics of an owner speak of.

    Those are the version itself, and for a checkpoint the versions that were made of it; an evaluation speaks of what
    it evaluates.
    """
    query = """
        with seen as (
            select $kind as kind, $id as id
            union all
            select owner_kind, owner_id from inside.evaluations where $kind = 'evaluation' and evaluation_id = $id
        )
        select distinct v.model_id, v.model_version_id, v.version from inside.model_versions v join seen
        on (kind = 'model_version' and v.model_version_id = seen.id) or (kind = 'checkpoint' and v.checkpoint_id = seen.id)
        order by version"""
    return read.rows(query, {"kind": owner_kind, "id": owner_id})


def checkpoint_of(read: Reader, owner_kind: str, owner_id: str) -> str | None:
    """Return the id of the checkpoint that metrics of an owner speak of."""
    if owner_kind == CHECKPOINT:
        return owner_id
    if owner_kind != "evaluation":
        return None
    query = "select owner_id from inside.evaluations where evaluation_id = ? and owner_kind = 'checkpoint'"
    rows = read.rows(query, [owner_id])
    return str(rows[0]["owner_id"]) if rows else None


def goal_of(read: Reader, rule: Mapping[str, Any]) -> str:
    """Return whether more or less is better of the metric of a rule, as it or `define_metric` says; else max."""
    if rule.get("goal"):
        return str(rule["goal"])
    return (said_of(read, rule["metric"]) if rule.get("metric") else None) or "max"


def versions_of(read: Reader, model_id: str) -> list[Subject]:
    """Return the versions of a model with everything that a policy may ask of them, the oldest first."""
    rows = read.rows(
        """select model_version_id, version, status, description, metrics, checkpoint_id, artifact_id, created_at,
            exists (select 1 from inside.artifacts a where a.artifact_id = v.artifact_id) as has_contents
        from inside.model_versions v where model_id = ? order by version""",
        [model_id],
    )
    metrics = _metrics_of_versions(read, model_id)
    aliases, labels = _words(read, "alias", model_id), _words(read, "label", model_id)
    return [
        Subject(
            VERSION,
            row["model_version_id"],
            f"v{row['version']}",
            row["created_at"],
            metrics={**_numbers(row["metrics"]), **metrics.get(row["model_version_id"], {})},
            number=row["version"],
            status=(row["status"] or ACTIVE) if row["has_contents"] else RELEASED,
            aliases=aliases.get(row["version"], ()),
            labels=labels.get(row["version"], ()),
            description=row["description"],
            checkpoint_id=row["checkpoint_id"],
            artifact_id=row["artifact_id"],
        )
        for row in rows
    ]


def checkpoints_of(
    read: Reader, namespace: str, rule: Mapping[str, Any], checkpoint_id: str | None = None
) -> list[Subject]:
    """Return the checkpoints that a policy of kind `convert` may take, the oldest first.

    Parameters
    ----------
    namespace : of the model; checkpoints of its runs.
    rule : limits them further by `experiment` and `run`, both of which may hold `*`.
    checkpoint_id : only this one.
    """
    rows = read.rows(
        """select c.checkpoint_id, c.step, c.created_at, r.name, r.experiment
        from inside.checkpoints c join inside.runs r using (run_id)
        where r.namespace = $namespace and ($wanted is null or checkpoint_id = $wanted)
            and exists (select 1 from inside.artifacts a where a.artifact_id = c.artifact_id)
        order by c.created_at, c.checkpoint_id""",
        {"namespace": namespace, "wanted": checkpoint_id},
    )
    rows = [row for row in rows if _fits(row["experiment"], rule, "experiment") and _fits(row["name"], rule, "run")]
    metrics = _metrics_of_checkpoints(read, [row["checkpoint_id"] for row in rows])
    return [
        Subject(
            CHECKPOINT,
            row["checkpoint_id"],
            f"checkpoint of step {row['step']} ({short(row['checkpoint_id'])})",
            row["created_at"],
            metrics=metrics.get(row["checkpoint_id"], {}),
            checkpoint_id=row["checkpoint_id"],
        )
        for row in rows
    ]


def last_verdicts(read: Reader, policy_ids: Iterable[str]) -> dict[tuple[str, str], tuple[str, str]]:
    """Return the last verdict and reason that is recorded, by policy and subject."""
    query = f"""
        select policy_id, subject_id, arg_max(verdict, (created_at, result_id)) as verdict,
            arg_max(reason, (created_at, result_id)) as reason
        from inside.policy_results where {among("policy_id", list(policy_ids))} group by policy_id, subject_id"""
    return {(row["policy_id"], row["subject_id"]): (row["verdict"], row["reason"]) for row in read.rows(query)}


def holder_of(read: Reader, model_id: str, alias: str) -> int | None:
    """Return the number of the version that an alias names."""
    rows = read.rows("select version from inside.aliases where model_id = ? and alias = ?", [model_id, alias])
    return rows[0]["version"] if rows else None


def _words(read: Reader, what: str, model_id: str) -> dict[int, tuple[str, ...]]:
    """Return the aliases, or the labels, by the number of their version."""
    query = f"""
        select version, list({what} order by {what}) as words from inside.{"aliases" if what == "alias" else "labels"}
        where model_id = ? and version is not null group by version"""
    return {row["version"]: tuple(row["words"]) for row in read.rows(query, [model_id])}


# What was measured on the newest version of a dataset, "people:3", was measured on the dataset, "people", too.
_EVALUATIONS = """
    select evaluation_id, owner_kind, owner_id, dataset, 1 as as_said from inside.evaluations
    union all
    select evaluation_id, owner_kind, owner_id, regexp_replace(dataset, ':v?[0-9]+$', ''), 0
    from inside.evaluations
    join (select dataset_version_id from inside.dataset_versions
          qualify row_number() over (partition by dataset_id order by version desc) = 1) using (dataset_version_id)
    where regexp_matches(dataset, ':v?[0-9]+$')"""


def _metrics_of_versions(read: Reader, model_id: str) -> dict[str, dict[str, float]]:
    """Return what was measured of each version: on itself, else on its checkpoint, else on its run before it was made."""
    query = f"""
        with versions as (
            select model_version_id, checkpoint_id, run_id, created_at from inside.model_versions where model_id = $model
        ), evaluations as ({_EVALUATIONS}), measured as (
            select model_version_id, 4 as rank, null as dataset, 'model_version' as owner_kind, model_version_id as owner_id
            from versions
            union all
            select model_version_id, 3 + e.as_said, e.dataset, 'evaluation', e.evaluation_id from versions
            join evaluations e on e.owner_kind = 'model_version' and e.owner_id = model_version_id
            union all
            select model_version_id, 1 + e.as_said, e.dataset, 'evaluation', e.evaluation_id from versions v
            join evaluations e on e.owner_kind = 'checkpoint' and e.owner_id = v.checkpoint_id
        )
        select model_version_id, case when dataset is null then key else key || '@' || dataset end as name,
            arg_max(value, rank) as value
        from inside.latest l join measured using (owner_kind, owner_id) group by all"""
    found: dict[str, dict[str, float]] = {}
    for row in [*_of_runs(read, model_id), *read.rows(query, {"model": model_id})]:
        found.setdefault(row["model_version_id"], {})[row["name"]] = row["value"]
    return found


def _of_runs(read: Reader, model_id: str) -> list[dict[str, Any]]:
    """Return what runs reached on datasets, for the versions that were made of them, not of a checkpoint, after that."""
    evaluated = """
        from inside.model_versions v join inside.evaluations e on e.owner_kind = 'run' and e.owner_id = v.run_id
        where v.model_id = $model and v.checkpoint_id is null"""
    if not read.rows(f"select 1 as there {evaluated} limit 1", {"model": model_id}):
        return []
    return read.rows(
        f"""select model_version_id, key || '@' || dataset as name,
            arg_max(value, {{step: step, last: wallclock}}) as value
        from inside.points p join (
            select v.model_version_id, v.created_at as made_at, e.evaluation_id, e.dataset {evaluated}
        ) on p.owner_kind = 'evaluation' and p.owner_id = evaluation_id
        where value is not null and wallclock <= made_at group by all""",
        {"model": model_id},
    )


def _metrics_of_checkpoints(read: Reader, checkpoint_ids: Sequence[str]) -> dict[str, dict[str, float]]:
    if not checkpoint_ids:
        return {}
    query = f"""
        select checkpoint_id, case when dataset is null then key else key || '@' || dataset end as name,
            arg_max(value, as_said) as value
        from inside.latest join (
            select checkpoint_id, null as dataset, 1 as as_said, 'checkpoint' as owner_kind, checkpoint_id as owner_id
            from inside.checkpoints where {among("checkpoint_id", checkpoint_ids)}
            union all
            select owner_id, dataset, as_said, 'evaluation', evaluation_id from ({_EVALUATIONS})
            where owner_kind = 'checkpoint' and {among("owner_id", checkpoint_ids)}
        ) using (owner_kind, owner_id) group by all"""
    found: dict[str, dict[str, float]] = {}
    for row in read.rows(query):
        found.setdefault(row["checkpoint_id"], {})[row["name"]] = row["value"]
    return found


def _fits(name: str | None, rule: Mapping[str, Any], key: str) -> bool:
    return key not in rule or any(fnmatchcase(name or "", each) for each in rule[key])


def _numbers(text: str | None) -> dict[str, float]:
    """Return the numbers of a JSON object; NaN and the infinities stand there as text."""
    found = {}
    for name, value in (json.loads(text) if text else {}).items():
        if isinstance(value, (int, float)) or value in ("NaN", "Infinity", "-Infinity"):
            found[name] = float(value)
    return found
