"""The rows of datasets and of predictions as public tables: one relation over the Parquet files of every version.

A version whose file is gone or damaged is left out, so that the others can be asked. The id of each part is a constant,
by which DuckDB passes over the files of versions that a condition rules out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb

from renex_jupyter.errors import RenexError
from renex_jupyter.records.datasets import (
    ANNOTATION_COLUMNS,
    ANNOTATIONS,
    KEY,
    PREDICTION_COLUMNS,
    PREDICTIONS,
    SAMPLES,
)
from renex_jupyter.store.blobs import Blobs
from renex_jupyter.store.tables import literal
from renex_jupyter.store.workbench import quoted

KINDS = {SAMPLES: "dataset_versions", ANNOTATIONS: "dataset_versions", PREDICTIONS: "prediction_sets"}  # whose rows
OWN = ("target", "split", "text", "image")  # roles of fields that have a column of their own, as text
_VERSION = {"dataset_version_id": "VARCHAR", "sample_key": "VARCHAR"}
COLUMNS = {
    SAMPLES: {**_VERSION, **dict.fromkeys(OWN, "VARCHAR"), "attributes": "JSON"},
    ANNOTATIONS: {**_VERSION, **ANNOTATION_COLUMNS, "attributes": "JSON"},
    PREDICTIONS: {"prediction_set_id": "VARCHAR", "model_version_id": "VARCHAR", **_VERSION, **PREDICTION_COLUMNS},
}
for _columns in COLUMNS.values():
    _columns.pop(KEY, None)


def show(
    connection: duckdb.DuckDBPyConnection, blobs: Blobs | None = None, names: tuple[str, ...] = tuple(KINDS)
) -> bool:
    """Make the views of rows in the schema `inside`; say whether those of every version are in them.

    Parameters
    ----------
    blobs : where the rows lie; None: the views have their columns, and no rows.
    """
    whole = True
    for name in names:
        parts = list(_parts(connection, blobs, name)) if blobs else []
        try:
            _create(connection, name, [part for part in parts if part])
        except duckdb.Error:  # a file is gone since, damaged, or has other columns: look which
            parts = [part if part and _can_be_read(connection, part) else None for part in parts]
            _create(connection, name, [part for part in parts if part])
        whole = whole and all(parts)
    return whole


def _create(connection: duckdb.DuckDBPyConnection, name: str, parts: list[str]) -> None:
    nothing = ", ".join(f"null::{type_} as {column}" for column, type_ in COLUMNS[name].items())
    every = " union all ".join([*parts, f"select {nothing} where false"])
    connection.execute(f"create or replace view inside.{name} as {every}")


def _can_be_read(connection: duckdb.DuckDBPyConnection, part: str) -> bool:
    try:
        connection.execute(f"describe {part}")
    except duckdb.Error:
        return False
    return True


def _parts(connection: duckdb.DuckDBPyConnection, blobs: Blobs, name: str) -> Iterator[str | None]:
    """Yield a SELECT for every version that has such rows; None where they cannot be read."""
    found = connection.execute(f"from inside.{KINDS[name]} order by 1")
    columns = [each[0] for each in found.description or ()]
    for values in found.fetchall():
        row = dict(zip(columns, values, strict=True))
        try:
            files = [each["sha256"] for each in json.loads(row["files"] or "[]") if each["role"] == name]
            if files:
                paths = [str(blobs.plain(sha256).absolute()) for sha256 in files]
                yield f"select {_selected(name, row)} from read_parquet({literal(paths)})"
        except (RenexError, TypeError, KeyError, ValueError):  # it is gone, or was not written by us
            yield None


def _selected(name: str, row: Mapping[str, Any]) -> str:
    """Return what is selected from the files of a version, in the order of `COLUMNS`."""
    own = _own(row) if name == SAMPLES else {}
    chosen = []
    for column, type_ in COLUMNS[name].items():
        if column == "sample_key":
            value = KEY
        elif column in own:
            value = own[column]
        elif column.endswith("_version_id") or column == "prediction_set_id":
            value = "null" if row[column] is None else literal(row[column])
        else:
            value = quoted(column)
        chosen.append(f"{'try_cast' if type_ == 'JSON' else 'cast'}({value} as {type_}) as {column}")
    return ", ".join(chosen)


def _own(row: Mapping[str, Any]) -> dict[str, str]:
    """Return the expressions of the columns of samples, which depend on the fields of the version."""
    fields = [(str(each["name"]), each["role"]) for each in json.loads(row["fields"] or "[]")]
    first = {role: name for name, role in reversed(fields)}
    pairs = ", ".join(f"{literal(name)}, {quoted(name)}" for name, _ in fields)
    own = {role: quoted(first[role]) if role in first else "null" for role in OWN}
    return {**own, "attributes": f"json_object({pairs})"}
