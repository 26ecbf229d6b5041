"""A change: the unit that the journal keeps of every object."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from renex_jupyter.errors import unsupported_value


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """One creation, update or deletion of one object."""

    kind: str  # the table of the object: "runs"
    id: str
    action: str  # create, update, delete, checkout
    after: Mapping[str, Any]  # the fields that this change sets; a missing one stays as it was
    before: Mapping[str, Any] | None = None  # the same fields as they were, where known
    namespace: str | None = None


def now() -> datetime:
    """Return this moment in UTC."""
    return datetime.now(UTC)


def to_microseconds(moment: datetime) -> int:
    """Return whole microseconds since the epoch; a naive datetime is refused because nobody knows its zone."""
    if moment.tzinfo is None:
        raise unsupported_value("a time without a zone", moment, "Use an aware datetime or seconds since the epoch.")
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


DERIVED = {"derived": True}  # `field(metadata=DERIVED)`: is asked of other tables, and no column of the record's own


def fields(record: Any) -> dict[str, Any]:
    """Return a record's fields that are set, by column name (not recursive: a field may hold plain JSON)."""
    pairs = ((f.name, getattr(record, f.name)) for f in dataclasses.fields(record) if "derived" not in f.metadata)
    return {name: value for name, value in pairs if value is not None}


def plain(value: Any) -> Any:
    """Return `value` as JSON can hold it: times as microseconds, NaN and inf as text, numpy scalars as numbers.

    Raises
    ------
    RenexError : `unsupported_value` for anything that JSON, a time or a number cannot say.
    """
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else _named(value)
    if isinstance(value, datetime):
        return to_microseconds(value)
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    item = getattr(value, "item", None)  # numpy and torch scalars
    if callable(item) and getattr(value, "shape", ()) == () and not isinstance(got := item(), type(value)):
        return plain(got)
    raise unsupported_value("a value", value, "Keep numbers, text, lists, mappings, or convert it first.")


def _named(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def to_json(value: Any) -> str:
    """Return `plain(value)` as one line of JSON."""
    return json.dumps(plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
