"""Questions for failure patterns that were found, those that have a name, and how models measured on these."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from renex_jupyter import ids
from renex_jupyter.errors import ambiguous, not_found
from renex_jupyter.records.failure_patterns import FailurePattern, NamedPattern, PatternMeasure
from renex_jupyter.records.predicates import from_json
from renex_jupyter.store.reader import Reader

if TYPE_CHECKING:
    import pandas as pd

LISTING = "%renex patterns ls"
_NAMED = """
    (select n.*, d.namespace || '/' || d.name as dataset
     from inside.named_patterns n join inside.datasets d using (dataset_id))"""
_MEASURES = """
    (select m.*, n.name as pattern, n.error, n.dataset_id from inside.pattern_measures m
     join inside.named_patterns n using (named_pattern_id))"""


def find_failure_pattern(read: Reader, wanted: str) -> FailurePattern | None:
    """Return the pattern that a search found, by its id or a unique prefix; None for a word that is no id of one.

    Raises
    ------
    RenexError : `ambiguous`.
    """
    prefix = ids.prefix(wanted)
    if not prefix:
        return None
    rows = read.rows(
        """select p.*, s.error from inside.failure_patterns p join inside.pattern_searches s using (pattern_search_id)
        where starts_with(failure_pattern_id, ?) order by failure_pattern_id""",
        [prefix],
    )
    if len(rows) > 1:
        raise ambiguous("id", wanted, [ids.short(row["failure_pattern_id"]) for row in rows])
    return _as_pattern(rows[0]) if rows else None


def clusters_of(read: Reader, failure_pattern_id: str | None) -> dict[str, list[list[float]]]:
    """Return the centres of the clusters of embeddings that the search of a pattern made, by column."""
    if failure_pattern_id is None:
        return {}
    rows = read.rows(
        """select s.params from inside.pattern_searches s join inside.failure_patterns p using (pattern_search_id)
        where failure_pattern_id = ?""",
        [failure_pattern_id],
    )
    found: dict[str, list[list[float]]] = json.loads(rows[0]["params"] or "{}").get("clusters", {}) if rows else {}
    return found


def named_patterns(read: Reader, dataset_id: str | None = None) -> list[NamedPattern]:
    """Return the named patterns of a dataset, or of all, the oldest first."""
    query = f"select * from {_NAMED} where $id is null or dataset_id = $id order by created_at, named_pattern_id"
    return [_as_named(row) for row in read.rows(query, {"id": dataset_id})]


def find_named(read: Reader, wanted: str, dataset_id: str | None) -> NamedPattern:
    """Return the pattern that a name, an id or a unique prefix means; a name goes before an id.

    Raises
    ------
    RenexError : `not_found` with the nearest name, `ambiguous` for a name that patterns of several datasets have.
    """
    there = named_patterns(read, dataset_id)
    prefix = ids.prefix(wanted)
    found = [each for each in there if each.name == wanted] or [
        each for each in there if prefix and each.named_pattern_id.startswith(prefix)
    ]
    if len(found) > 1:
        raise ambiguous(
            "name", wanted, [f"{each.name} of {each.dataset}" for each in found], hint="Say of which dataset."
        )
    if not found:
        raise not_found("named pattern", wanted, [each.name for each in there], listing=LISTING)
    return found[0]


def measures(read: Reader, named_ids: Collection[str], prediction_set_id: str | None = None) -> list[PatternMeasure]:
    """Return how patterns measured, on one set of predictions or on all, the oldest first."""
    query = f"""
        select * from {_MEASURES} where list_contains($ids::varchar[], named_pattern_id)
        and ($set is null or prediction_set_id = $set) order by created_at, pattern_measure_id"""
    rows = read.rows(query, {"ids": list(named_ids), "set": prediction_set_id})
    return [_as_measure(row) for row in rows]


def previous_measures(
    read: Reader, named_ids: Collection[str], model_version_id: str, dataset_version_id: str
) -> dict[str, PatternMeasure]:
    """Return of each pattern how the version before it of the same model measured, the nearest that did.

    Of several measures of one version that on the same version of the dataset is meant, then the newest.
    """
    query = f"""
        select m.* from {_MEASURES} m
        join inside.model_versions v using (model_version_id)
        join inside.model_versions this on this.model_version_id = $model and this.model_id = v.model_id
        where list_contains($ids::varchar[], named_pattern_id) and v.version < this.version
        qualify row_number() over (partition by named_pattern_id
            order by v.version desc, m.dataset_version_id = $dataset desc, m.created_at desc, pattern_measure_id) = 1"""
    params = {"ids": list(named_ids), "model": model_version_id, "dataset": dataset_version_id}
    return {row["named_pattern_id"]: _as_measure(row) for row in read.rows(query, params)}


def measures_of_model(read: Reader, model_id: str, named_ids: Collection[str]) -> list[PatternMeasure]:
    """Return how patterns measured on the versions of a model, the newest first."""
    query = f"""
        select m.* from {_MEASURES} m join inside.model_versions v using (model_version_id)
        where v.model_id = $model and list_contains($ids::varchar[], named_pattern_id)
        order by m.created_at desc, pattern_measure_id"""
    return [_as_measure(row) for row in read.rows(query, {"model": model_id, "ids": list(named_ids)})]


def patterns_of_model(read: Reader, model_id: str, dataset: str | None, namespace: str) -> list[NamedPattern]:
    """Return the named patterns that versions of a model are compared by.

    Parameters
    ----------
    dataset : name of one, "adult", "vision/adult", with or without a version; the patterns of that one where there is such
        a dataset. Else those of all datasets that a version of the model predicted on.
    """
    if dataset is not None:
        home, _, name = dataset.rpartition("/")
        query = """select dataset_id from inside.datasets where name in ($name, $bare) and namespace = $home
            order by name = $name desc, created_at limit 1"""
        bare = name.rpartition(":")[0] or name
        rows = read.rows(query, {"name": name, "bare": bare, "home": home or namespace})
        if rows:
            return named_patterns(read, rows[0]["dataset_id"])
    query = """
        select distinct v.dataset_id from inside.prediction_sets p join inside.dataset_versions v using (dataset_version_id)
        join inside.model_versions m using (model_version_id) where m.model_id = ?"""
    wanted = {row["dataset_id"] for row in read.rows(query, [model_id])}
    return [each for each in named_patterns(read) if each.dataset_id in wanted]


def newest_sets(read: Reader, dataset_id: str, limit: int) -> list[str]:
    """Return the ids of the newest set of predictions of each model version on a dataset, the oldest version first."""
    query = """
        select prediction_set_id from (
            select p.prediction_set_id, p.created_at, v.version as dataset_version, m.version from inside.prediction_sets p
            join inside.dataset_versions v using (dataset_version_id)
            join inside.model_versions m using (model_version_id)
            where v.dataset_id = $dataset
            qualify row_number() over (partition by model_version_id order by v.version desc, p.created_at desc) = 1
            order by created_at desc limit $limit
        ) order by version, created_at"""
    return [row["prediction_set_id"] for row in read.rows(query, {"dataset": dataset_id, "limit": limit})]


def named_frame(read: Reader, dataset_id: str | None) -> pd.DataFrame:
    """Return named patterns with their newest measure as a DataFrame, by dataset and name."""
    return read.frame(
        f"""
        select n.name, n.dataset, n.predicate_text, n.error, m.error_rate, m.base_rate, m.previous_rate, m.p_value, m.change,
            m.support, v.namespace || '/' || v.model || ':' || v.version as model, m.created_at as measured_at,
            n.description, n.created_by, n.created_at, n.named_pattern_id
        from {_NAMED} n
        left join (
            select * from inside.pattern_measures
            qualify row_number() over (partition by named_pattern_id order by created_at desc, pattern_measure_id) = 1
        ) m using (named_pattern_id)
        left join model_versions v using (model_version_id)
        where $id is null or n.dataset_id = $id order by n.dataset, n.name, n.created_at""",
        {"id": dataset_id},
    )


def measure_frame(read: Reader, measure_ids: Collection[str]) -> pd.DataFrame:
    """Return measures as a DataFrame, the worst changes first."""
    return read.frame(
        f"""
        select m.pattern, m.change, m.error_rate, m.previous_rate, m.p_value, m.base_rate, m.support, m.error,
            v.namespace || '/' || v.model || ':' || v.version as model, m.created_at, m.prediction_set_id,
            m.named_pattern_id, m.pattern_measure_id
        from {_MEASURES} m left join model_versions v using (model_version_id)
        where list_contains($ids::varchar[], pattern_measure_id)
        order by coalesce(change, 'z') = 'worse' desc, error_rate - base_rate desc nulls last, pattern""",
        {"ids": list(measure_ids)},
    )


def _as_pattern(row: Mapping[str, Any]) -> FailurePattern:
    said = {name: value for name, value in row.items() if value is not None}
    said["predicate"] = from_json(json.loads(row["predicate"]))
    said["contributions"] = json.loads(row["contributions"] or "{}")
    return FailurePattern(**said)


def _as_named(row: Mapping[str, Any]) -> NamedPattern:
    return NamedPattern(**{**row, "predicate": from_json(json.loads(row["predicate"]))})


def _as_measure(row: Mapping[str, Any]) -> PatternMeasure:
    return PatternMeasure(**{name: value for name, value in row.items() if name != "dataset_id"})
