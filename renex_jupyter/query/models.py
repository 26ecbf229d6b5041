"""Questions about models and their versions."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from renex_jupyter import ids
from renex_jupyter.errors import RenexError, ambiguous, invalid_argument, not_found, shown
from renex_jupyter.records import display
from renex_jupyter.records.experiments import DEFAULT_NAMESPACE
from renex_jupyter.records.model_words import LATEST, REFERENCE_HINT, Reference, parse
from renex_jupyter.records.models import ACTIVE, Decision, Model, ModelVersion
from renex_jupyter.store.reader import Reader

__all__ = ["as_model", "as_version", "find_model", "find_version", "latest_of", "parse"]

MODEL_HINT = "Give the name of a model, such as 'digits' or 'vision/digits', its id, or what rx.get_model() returned."
NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}  # as the journal keeps them


def find_model(read: Reader, wanted: object, namespace: str = DEFAULT_NAMESPACE) -> dict[str, Any]:
    """Return the row of a model by `[namespace/]name`, id or unique prefix, or of a record; a name goes before an id.

    Of two that have one name, as an import may leave them, it means the older.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    if isinstance(wanted, Model | ModelVersion):
        return _by_id(read, wanted)
    word = _word(wanted, MODEL_HINT)
    meant = parse(word, namespace)
    if meant.names_a_version:
        raise invalid_argument(f"'{word}' names a version, and a model is asked for.", MODEL_HINT)
    found = _named(read, meant) or _by_prefix(read, "models", "model_id", word)
    if not found:
        raise _unknown_model(read, meant)
    return found[0]


def find_version(read: Reader, wanted: object, namespace: str = DEFAULT_NAMESPACE) -> dict[str, Any]:
    """Return the row of `model_versions` that a reference, an id, a unique prefix or a record means.

    A model alone means its latest version. A name goes before an id, which may be that of the model, too.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    if isinstance(wanted, Model):
        return latest_of(read, _by_id(read, wanted))
    if isinstance(wanted, ModelVersion):
        rows = read.rows("select * from model_versions where model_version_id = ?", [wanted.model_version_id])
        if not rows:
            raise not_found("model version", wanted.reference, listing=_listing(f"{wanted.namespace}/{wanted.model}"))
        return rows[0]
    word = _word(wanted, REFERENCE_HINT)
    meant = parse(word, namespace)
    models = _named(read, meant)
    if not models and not meant.names_a_version:
        by_id = _by_prefix(read, "model_versions", "model_version_id", word)
        if by_id:
            return by_id[0]
    if not models and "/" not in word:
        models = _by_prefix(read, "models", "model_id", meant.model)
    if not models:
        models = [find_model(read, f"{meant.namespace}/{meant.model}")]
    if meant.alias is not None and meant.alias != LATEST:
        return numbered(read, models[0], _version_of_alias(read, models[0], meant.alias))
    return latest_of(read, models[0]) if meant.version is None else numbered(read, models[0], meant.version)


def numbered(read: Reader, model: Mapping[str, Any], version: int) -> dict[str, Any]:
    """Return the row of the version of a model with a number.

    Raises
    ------
    RenexError : `not_found`, which says what numbers there are.
    """
    query = "select * from model_versions where model_id = ? and version = ?"
    rows = read.rows(query, [model["model_id"], version])
    if not rows:
        said = f"{model['namespace']}/{model['name']}"
        query = "select version from inside.model_versions where model_id = ? order by version desc"
        there = [int(row["version"]) for row in read.rows(query, [model["model_id"]])]
        newest = f"Its newest is '{said}:{there[0]}'. " if there else "It has no versions. "
        raise RenexError("not_found", f"no model version '{said}:{version}'.", f"{newest}List with {_listing(said)}.")
    return rows[0]


def latest_of(read: Reader, model: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of the newest version of a model that is not retired.

    Raises
    ------
    RenexError : `not_found`, also where all of them are retired.
    """
    query = f"""
        select * from model_versions where model_id = ? and coalesce(status, '{ACTIVE}') = '{ACTIVE}'
        order by version desc limit 1"""
    rows = read.rows(query, [model["model_id"]])
    if not rows:
        said = f"{model['namespace']}/{model['name']}"
        query = "select count(*) as n from inside.model_versions where model_id = ?"
        others = read.rows(query, [model["model_id"]])[0]["n"]
        why = f"none of its {display.count(others, 'version')} is active" if others else "it has no versions"
        raise RenexError("not_found", f"no model version '{said}@{LATEST}': {why}.", f"List with {_listing(said)}.")
    return rows[0]


def _version_of_alias(read: Reader, model: Mapping[str, Any], alias: str) -> int:
    known = aliases_of(read, model["model_id"])
    if alias not in known:
        said = f"{model['namespace']}/{model['name']}"
        raise not_found("alias", f"{said}@{alias}", [f"{said}@{each}" for each in known], listing=_listing(said))
    return known[alias]


def aliases_of(read: Reader, model_id: str) -> dict[str, int]:
    """Return alias -> number of the version, in the order of the words."""
    query = "select alias, version from inside.aliases where model_id = ? and version is not null order by alias"
    return {row["alias"]: int(row["version"]) for row in read.rows(query, [model_id])}


def as_model(read: Reader, row: dict[str, Any]) -> Model:
    """Return the record of a row of `models`, with its aliases and how many versions it has."""
    query = f"""
        select count(*) as n, max(version) filter (where coalesce(status, '{ACTIVE}') = '{ACTIVE}') as latest
        from inside.model_versions where model_id = ?"""
    counted = read.rows(query, [row["model_id"]])[0]
    return Model(
        **_loaded(row, ("metadata",)),
        aliases=aliases_of(read, row["model_id"]),
        versions=int(counted["n"]),
        latest=counted["latest"],
    )


def as_version(read: Reader, row: dict[str, Any]) -> ModelVersion:
    """Return the record of a row of `model_versions`, with its aliases, labels, and what was logged on it since."""
    model_id, version_id, number = row["model_id"], row["model_version_id"], row["version"]
    where = "where model_id = ? and version = ?"
    aliases = read.rows(f"select alias from inside.aliases {where} order by alias", [model_id, number])
    labels = read.rows(f"select label from inside.labels {where} order by label", [model_id, number])
    runs = read.rows("select name, before_snapshot_id from inside.runs where run_id = ?", [row["run_id"]])
    loaded = _loaded(row, ("metadata", "params", "metrics"))
    loaded["metrics"] = numbers(loaded.get("metrics", {}))
    return ModelVersion(
        **loaded,
        aliases=tuple(each["alias"] for each in aliases),
        labels=tuple(each["label"] for each in labels),
        logged=_logged(read, version_id),
        run=runs[0]["name"] if runs else None,
        of_state_before=bool(runs and row["snapshot_id"] and runs[0]["before_snapshot_id"] == row["snapshot_id"]),
        same_as=same_contents(read, model_id, row["artifact_id"], number),
        decisions=decisions_on(read, version_id),
    )


def same_contents(read: Reader, model_id: str, artifact_id: str, number: int) -> int | None:
    """Return the number of the first version of a model, before one, whose contents have the same hash."""
    query = """
        select min(v.version) as version from inside.model_versions v
        join inside.artifacts a on a.artifact_id = v.artifact_id
        where v.model_id = ? and v.version < ?
            and a.sha256 = (select sha256 from inside.artifacts where artifact_id = ?)"""
    found = read.rows(query, [model_id, number, artifact_id])[0]["version"]
    return None if found is None else int(found)


def decisions_on(read: Reader, model_version_id: str | None) -> tuple[Decision, ...]:
    """Return what was decided about a version, the oldest first."""
    said = "namespace || '/' || model || ':' || version"
    query = f"""
        select d.*, (select {said} from model_versions v where v.model_version_id = d.model_version_id) as reference,
               (select {said} from model_versions v where v.model_version_id = d.replaced_by) as successor
        from inside.decisions d where model_version_id = ? order by created_at"""
    rows = read.rows(query, [model_version_id])
    return tuple(Decision(**{name: value for name, value in row.items() if value is not None}) for row in rows)


def numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """Return metrics as they were before JSON, which has no word for NaN and the infinities."""
    return {key: NOT_FINITE.get(str(value), value) for key, value in values.items()}


def _logged(read: Reader, model_version_id: str) -> dict[str, float]:
    query = "select key, dataset, value from model_metrics where model_version_id = ? order by dataset nulls first, key"
    rows = read.rows(query, [model_version_id])
    return {row["key"] if row["dataset"] is None else f"{row['key']}@{row['dataset']}": row["value"] for row in rows}


def _word(wanted: object, hint: str) -> str:
    if not isinstance(wanted, str) or not wanted.strip():
        raise invalid_argument(f"{shown(wanted)} names no model and no version of one.", hint)
    return wanted.strip()


def _named(read: Reader, meant: Reference) -> list[dict[str, Any]]:
    query = "select * from inside.models where namespace = ? and name = ? order by created_at, model_id limit 1"
    return read.rows(query, [meant.namespace, meant.model])


def _by_id(read: Reader, wanted: Model | ModelVersion) -> dict[str, Any]:
    rows = read.rows("select * from inside.models where model_id = ?", [wanted.model_id])
    if not rows:
        name = wanted.name if isinstance(wanted, Model) else wanted.model
        raise not_found("model", f"{wanted.namespace}/{name}", listing="%renex ls models")
    return rows[0]


def _unknown_model(read: Reader, meant: Reference) -> RenexError:
    """Return the error for a model that is not there: one of its name in another namespace is the nearest."""
    said = f"{meant.namespace}/{meant.model}"
    known = read.rows("select namespace, name from inside.models order by created_at desc")
    names = [f"{row['namespace']}/{row['name']}" for row in known]
    elsewhere = [name for row, name in zip(known, names, strict=True) if row["name"] == meant.model]
    if elsewhere:
        hint = f"did you mean '{elsewhere[0]}'? List with %renex ls models."
        return RenexError("not_found", f"no model '{said}'.", hint)
    return not_found("model", said, names, listing="%renex ls models")


def _listing(model: str) -> str:
    return f"%renex model ls {model}"


def _by_prefix(read: Reader, table: str, key: str, word: str) -> list[dict[str, Any]]:
    """Return the row of the object whose id begins so, or none."""
    prefix = ids.prefix(word)
    rows = read.rows(f"select * from {table} where starts_with({key}, ?) order by {key}", [prefix]) if prefix else []
    if len(rows) > 1 and rows[0][key] != prefix:
        raise ambiguous("id", word, [ids.short(row[key]) for row in rows])
    return rows[:1]


def _loaded(row: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Return a row without what is not set, and with its columns of JSON as values."""
    found = {name: value for name, value in row.items() if value is not None}
    return {name: json.loads(value) if name in names else value for name, value in found.items()}
