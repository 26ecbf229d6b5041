"""Questions about models and their versions."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from renex_jupyter import ids
from renex_jupyter.errors import ambiguous, invalid_argument, not_found
from renex_jupyter.records.experiments import DEFAULT_NAMESPACE
from renex_jupyter.records.models import ACTIVE, LATEST, Model, ModelVersion
from renex_jupyter.store.reader import Reader

_REFERENCE = re.compile(r"(?:(?P<namespace>.+)/)?(?P<model>[^/:@]+)(?::v?(?P<version>\d+)|@(?P<alias>[^/:@]+))?")
REFERENCE_HINT = "Write 'digits:3', 'digits@champion', 'digits@latest' or, with its namespace, 'vision/digits:3'."


@dataclass(frozen=True, slots=True)
class Reference:
    """A model, or a version of it, as a text names it."""

    namespace: str
    model: str
    version: int | None = None
    alias: str | None = None


def parse(text: str, namespace: str = DEFAULT_NAMESPACE) -> Reference:
    """Return what `[namespace/]model[:version|@alias]` says.

    Raises
    ------
    RenexError : `invalid_argument`.
    """
    found = _REFERENCE.fullmatch(text.strip())
    if found is None:
        raise invalid_argument(f"'{text}' names no model and no version of one.", REFERENCE_HINT)
    version = int(found["version"]) if found["version"] else None
    return Reference(found["namespace"] or namespace, found["model"], version, found["alias"])


def find_model(read: Reader, word: str, namespace: str = DEFAULT_NAMESPACE) -> dict[str, Any]:
    """Return the row of a model by `[namespace/]name`, id or unique prefix; a name goes before an id.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    wanted = parse(word, namespace)
    rows = read.rows(
        "select * from inside.models where namespace = ? and name = ?", [wanted.namespace, wanted.model]
    ) or _by_prefix(read, "models", "model_id", word)
    if not rows:
        known = [row["name"] for row in read.rows("select namespace || '/' || name as name from inside.models")]
        raise not_found("model", f"{wanted.namespace}/{wanted.model}", known, listing="%renex ls models")
    return rows[0]


def find_version(read: Reader, word: str, namespace: str = DEFAULT_NAMESPACE) -> dict[str, Any]:
    """Return the row of `model_versions` that a reference, an id or a unique prefix means; a model alone: its latest.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    by_id = _by_prefix(read, "model_versions", "model_version_id", word) if ids.prefix(word) else []
    if by_id:
        return by_id[0]
    wanted = parse(word, namespace)
    model = find_model(read, f"{wanted.namespace}/{wanted.model}")
    version = wanted.version
    if wanted.alias is not None and wanted.alias != LATEST:
        version = _version_of_alias(read, model, wanted.alias)
    which = "version = $version" if version is not None else f"coalesce(status, '{ACTIVE}') = '{ACTIVE}'"
    params = {"model": model["model_id"], **({"version": version} if version is not None else {})}
    query = f"select * from model_versions where model_id = $model and {which} order by version desc limit 1"
    rows = read.rows(query, params)
    if not rows:
        said = f"{model['namespace']}/{model['name']}"
        raise not_found("model version", f"{said}:{version}" if version is not None else f"{said}@{LATEST}",
                        listing=f"rx.list_model_versions('{said}')")  # fmt: skip
    return rows[0]


def _version_of_alias(read: Reader, model: dict[str, Any], alias: str) -> int:
    rows = read.rows(
        "select alias, version from inside.aliases where model_id = ? and version is not null", [model["model_id"]]
    )
    known = {row["alias"]: int(row["version"]) for row in rows}
    if alias not in known:
        said = f"{model['namespace']}/{model['name']}"
        raise not_found(
            "alias", f"{said}@{alias}", [f"{said}@{each}" for each in known], listing="rx.sql('from aliases')"
        )
    return known[alias]


def _by_prefix(read: Reader, table: str, key: str, word: str) -> list[dict[str, Any]]:
    """Return the row of the object whose id begins so, or none."""
    prefix = ids.prefix(word)
    rows = read.rows(f"select * from {table} where starts_with({key}, ?) order by {key}", [prefix]) if prefix else []
    if len(rows) > 1 and rows[0][key] != prefix:
        raise ambiguous("id", word, [ids.short(row[key]) for row in rows])
    return rows[:1]


def as_model(read: Reader, row: dict[str, Any]) -> Model:
    """Return the record of a row of `models`, with its aliases and how many versions it has."""
    model_id = row["model_id"]
    aliases = read.rows(
        "select alias, version from inside.aliases where model_id = ? and version is not null order by alias",
        [model_id],
    )
    count = read.rows("select count(*) as n from inside.model_versions where model_id = ?", [model_id])[0]["n"]
    return Model(
        **_loaded(row, ("metadata",)),
        aliases={each["alias"]: each["version"] for each in aliases},
        versions=int(count),
    )


def as_version(read: Reader, row: dict[str, Any]) -> ModelVersion:
    """Return the record of a row of `model_versions`, with its aliases and labels."""
    where = "where model_id = ? and version = ?"
    params = [row["model_id"], row["version"]]
    aliases = read.rows(f"select alias from inside.aliases {where} order by alias", params)
    labels = read.rows(f"select label from inside.labels {where} order by label", params)
    return ModelVersion(
        **_loaded(row, ("metadata", "params", "metrics")),
        aliases=tuple(each["alias"] for each in aliases),
        labels=tuple(each["label"] for each in labels),
    )


def _loaded(row: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Return a row without what is not set, and with its columns of JSON as values."""
    found = {name: value for name, value in row.items() if value is not None}
    return {name: json.loads(value) if name in names else value for name, value in found.items()}
