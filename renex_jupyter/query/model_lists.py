"""Questions for lists of models, and of the versions of one: a page at a time, whatever their number."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from renex_jupyter.query.orders import direction
from renex_jupyter.records.models import ACTIVE
from renex_jupyter.store.reader import Reader
from renex_jupyter.store.tables import among

CHAMPION = "champion"  # the version that bears this alias speaks for its model
METRIC = "metrics."  # a sort key that begins so names a metric of the versions
ANY_METRIC = f"{METRIC}KEY"
MOST_SAID = 20  # verdicts, decisions or notes of one object
_MODEL_ORDERS = {"name": "namespace {0}, name", "versions": "versions", "registered_at": "registered_at"}
_VERSION_ORDERS = ("version", "created_at", "status")
_ACTIVE = f"coalesce(status, '{ACTIVE}') = '{ACTIVE}'"
_COUNTED = """
    (select m.*, coalesce(versions, 0) as versions, registered_at
     from models m left join (
         select model_id, count(*) as versions, max(created_at) as registered_at from model_versions group by model_id
     ) using (model_id))"""
_KEY = "case when dataset is null then key else key || '@' || dataset end"


def count_models(read: Reader, *, search: str = "") -> int:
    """Return how many models match a search text."""
    where, params = _matching(search)
    return int(read.rows(f"select count(*) as n from models where {where}", params)[0]["n"])


def list_models(
    read: Reader,
    *,
    search: str = "",
    order_by: str = "registered_at",
    descending: bool = True,
    limit: int = 50,
    offset: int = 0,
) -> list[dict[str, Any]]:
    """Return one page of models, those that are archived last.

    Parameters
    ----------
    search : words that must all be in the name, namespace, task, owner, description, an alias or a label.
    order_by : one of name, versions, registered_at.

    Returns
    -------
    dicts of the columns of `models`, and `versions` [count], `registered_at` [UTC, of the newest version], `aliases`
    {alias: version}, the champion's first, `shown` (the version that speaks for the model: its champion, else its
    newest active one; None without any), `metrics` {key or key@dataset: value} of that version, and `verdict` (verdict,
    reason, created_at of what a policy said last, or None).

    Raises
    ------
    RenexError : `invalid_argument` for another order.
    """
    way = direction("models", order_by, _MODEL_ORDERS, descending=descending)
    where, params = _matching(search)
    order = f"{_MODEL_ORDERS[order_by].format(way)} {way} nulls last, namespace, name, model_id"
    rows = read.rows(
        f"""select * from {_COUNTED} where {where}
        order by coalesce(archived, false), {order} limit $limit offset $offset""",
        {**params, "limit": limit, "offset": offset},
    )
    ids = [row["model_id"] for row in rows]
    if not ids:
        return []
    aliases, shown, verdicts = _aliases(read, ids), _speakers(read, ids), _newest_verdicts(read, ids)
    metrics = metrics_of(read, list(shown.values()))
    return [
        {
            **row,
            "aliases": aliases.get(row["model_id"], {}),
            "shown": (speaker := shown.get(row["model_id"], {})).get("version"),
            "metrics": metrics.get(speaker.get("model_version_id", ""), {}),
            "verdict": verdicts.get(row["model_id"]),
        }
        for row in rows
    ]


def _matching(search: str) -> tuple[str, dict[str, Any]]:
    clauses, params = ["true"], {}
    for place, word in enumerate(search.split()):
        params[f"word{place}"] = word
        has = f"contains(lower({{}}), lower($word{place}))"
        own = has.format("concat_ws(' ', namespace || '/' || name, task, owner, description, model_id)")
        named = [
            f"model_id in (select model_id from {table} where {has.format(name)})"
            for table, name in (("aliases", "alias"), ("labels", "label"))
        ]
        clauses.append(f"({' or '.join([own, *named])})")
    return " and ".join(clauses), params


def _aliases(read: Reader, model_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    query = f"""
        select model_id, alias, version from aliases where {among("model_id", model_ids)}
        order by alias <> '{CHAMPION}', alias"""
    found: dict[str, dict[str, int]] = {}
    for row in read.rows(query):
        found.setdefault(row["model_id"], {})[row["alias"]] = int(row["version"])
    return found


def _speakers(read: Reader, model_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return model id -> model_version_id, version, metrics (JSON) of the version that speaks for it."""
    query = f"""
        select v.model_id, v.model_version_id, v.version, v.metrics
        from inside.model_versions v join (
            select model_id, coalesce(any_value(a.version), max(n.version) filter ({_ACTIVE})) as version
            from inside.model_versions n
            left join (select model_id, version from aliases where alias = '{CHAMPION}') a using (model_id)
            where {among("model_id", model_ids)} group by model_id
        ) using (model_id, version)"""
    return {row["model_id"]: row for row in read.rows(query)}


def metrics_of(read: Reader, versions: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return model version id -> key, or key@dataset, -> value: as registered, and over that what was logged since.

    Parameters
    ----------
    versions : rows with model_version_id and metrics (JSON).
    """
    found: dict[str, dict[str, float]] = {}
    for row in versions:
        registered = json.loads(row["metrics"]) if row["metrics"] else {}
        found[row["model_version_id"]] = {key: float(each) for key, each in registered.items() if each is not None}
    if not found:
        return {}
    query = f"""
        select model_version_id, {_KEY} as key, value from model_metrics
        where value is not null and {among("model_version_id", list(found))} order by wallclock"""
    for row in read.rows(query):
        found[row["model_version_id"]][row["key"]] = row["value"]
    return {version_id: dict(sorted(each.items())) for version_id, each in found.items()}


def _newest_verdicts(read: Reader, model_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    query = f"""
        select model_id, verdict, reason, created_at from inside.policy_results where {among("model_id", model_ids)}
        qualify row_number() over (partition by model_id order by created_at desc, result_id desc) = 1"""
    return {row["model_id"]: row for row in read.rows(query)}


def get_model(read: Reader, model_id: str) -> dict[str, Any] | None:
    """Return the columns of one model with its `versions` [count], `registered_at` and `aliases`, or None."""
    rows = read.rows(f"select * from {_COUNTED} where model_id = ?", [model_id])
    return {**rows[0], "aliases": _aliases(read, [model_id]).get(model_id, {})} if rows else None


def list_versions(
    read: Reader,
    model_id: str,
    *,
    order_by: str = "version",
    descending: bool = True,
    limit: int = 50,
    offset: int = 0,
) -> list[dict[str, Any]]:
    """Return one page of the versions of a model.

    Parameters
    ----------
    order_by : version, created_at, status, or `metrics.KEY` with a key, or key@dataset, of their metrics.

    Returns
    -------
    dicts of the columns of `model_versions`, with `metrics` as {key: value}, `aliases` and `labels` [texts].

    Raises
    ------
    RenexError : `invalid_argument` for another order.
    """
    params: dict[str, Any] = {"model": model_id, "limit": limit, "offset": offset}
    measured, order = "", order_by
    if order_by.startswith(METRIC):
        params["key"] = order_by.removeprefix(METRIC)
        measured, order, order_by = _measured(), "isnan(value), value", ANY_METRIC  # a NaN is the best of nothing
    way = direction("versions", order_by, (*_VERSION_ORDERS, ANY_METRIC), descending=descending)
    rows = read.rows(
        f"""select v.* from model_versions v {measured} where model_id = $model
        order by {order} {way} nulls last, version desc limit $limit offset $offset""",
        params,
    )
    return _told(read, model_id, rows)


def _measured() -> str:
    """Return the join that brings the `value` of a metric to each version: what was logged, else what was registered."""
    return f"""
        left join (
            select model_version_id, arg_max(value, wallclock) as logged from model_metrics where {_KEY} = $key group by all
        ) using (model_version_id),
        lateral (select coalesce(logged, try_cast(from_json(metrics, '"MAP(VARCHAR,VARCHAR)"')[$key] as double)) as value)"""


def _told(read: Reader, model_id: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    numbers = [int(row["version"]) for row in rows]
    names: dict[tuple[str, int], list[str]] = {}
    for table, name in (("aliases", "alias"), ("labels", "label")):
        query = f"""
            select {name} as name, version from {table}
            where model_id = $model and list_contains($numbers::bigint[], version) order by {name} <> '{CHAMPION}', {name}"""
        for row in read.rows(query, {"model": model_id, "numbers": numbers}) if numbers else []:
            names.setdefault((table, int(row["version"])), []).append(row["name"])
    metrics = metrics_of(read, rows)
    return [
        {
            **row,
            "metrics": metrics[row["model_version_id"]],
            "aliases": names.get(("aliases", int(row["version"])), []),
            "labels": names.get(("labels", int(row["version"])), []),
        }
        for row in rows
    ]


def get_version(read: Reader, version_id: str) -> dict[str, Any] | None:
    """Return what `list_versions` says of one version, with `run_name`; None when there is no such version."""
    query = """
        select v.*, r.name as run_name from model_versions v left join (select run_id, name from runs) r using (run_id)
        where model_version_id = ?"""
    rows = read.rows(query, [version_id])
    return _told(read, rows[0]["model_id"], rows)[0] if rows else None


def said_of_model(read: Reader, model: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return what is said of a model: see `_said`; of the verdicts the newest of each policy."""
    newest = "qualify row_number() over (partition by policy_id order by created_at desc, result_id desc) = 1"
    return _said(read, "model", "model_id", model["model_id"], newest)


def said_of_version(read: Reader, version_id: str) -> dict[str, list[dict[str, Any]]]:
    """Return what is said of a version: see `_said`."""
    return _said(read, "model_version", "model_version_id", version_id, "")


def _said(read: Reader, kind: str, key: str, object_id: str, which: str) -> dict[str, list[dict[str, Any]]]:
    """Return `verdicts` (policy, verdict, reason, created_at), `decisions` (decision, version, reason, author,
    created_at, replaced_by [number]) and `notes` (kind, text, author, created_at), the newest first.
    """
    subject = "model_id = $id" if kind == "model" else f"subject_kind = '{kind}' and subject_id = $id"
    of_model = "(select model_id from inside.model_versions v where v.model_version_id = d.model_version_id)"
    queries = {
        "verdicts": f"""
            select p.name as policy, verdict, reason, r.created_at from inside.policy_results r
            left join (select policy_id, name from inside.policies) p using (policy_id)
            where {subject} {which} order by r.created_at desc, result_id desc""",
        "decisions": f"""
            select decision, version, reason, author, created_at,
                   (select version from inside.model_versions v where v.model_version_id = d.replaced_by) as replaced_by
            from decisions d where {of_model if kind == "model" else key} = $id order by created_at desc, decision_id""",
        "notes": f"""
            select kind, text, author, created_at from notes where owner_kind = '{kind}' and owner_id = $id
            order by created_at desc, note_id""",
    }
    return {name: read.rows(f"{query} limit {MOST_SAID}", {"id": object_id}) for name, query in queries.items()}
