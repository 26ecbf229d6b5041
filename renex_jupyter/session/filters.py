"""What selects samples, in whichever form a user gives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from renex_jupyter.query.predicate_columns import checked
from renex_jupyter.query.predicate_text import parse
from renex_jupyter.records.datasets import KEY, DatasetVersion, Field
from renex_jupyter.records.predicates import EVERYTHING, Predicate, from_json


def as_predicate(value: Any, columns: DatasetVersion | Mapping[str, str] | Sequence[Field] | None = None) -> Predicate:
    """Return what a user selects samples by as a predicate.

    Parameters
    ----------
    value : a text such as "age >= 30 and sex in ('F', 'X')", a predicate, anything that has one as `.predicate` (a failure
        pattern), plain values as `records/predicates.py: from_json` takes them; None: every sample.
    columns : of what it will be asked, so that unknown names and values of another type are told here: a dataset version,
        its fields, or names with types as DuckDB says them. None: not checked.

    Raises
    ------
    RenexError : `invalid_argument`, with the place in the text, or the nearest names of columns.
    """
    if value is None:
        found: Predicate = EVERYTHING
    elif isinstance(value, str):
        found = parse(value)
    else:
        found = from_json(getattr(value, "predicate", value))
    return found if columns is None else checked(found, types_of(columns))


def types_of(columns: DatasetVersion | Mapping[str, str] | Sequence[Field]) -> dict[str, str]:
    """Return name -> type of columns; those of a dataset version have the samples' key among them."""
    if isinstance(columns, Mapping):
        return dict(columns)
    fields = columns.fields if isinstance(columns, DatasetVersion) else columns
    return {KEY: "VARCHAR", **{each.name: each.type for each in fields}}
