"""What a purge takes out: some objects with their points, or a text wherever a user may have said it."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from renex_jupyter.store import tables
from renex_jupyter.store.sought import Sought

MARK = "[purged]"
PURGED = "purged"  # the reason in the record of a deletion: an import brings nothing of it back
# Columns of JSON whose keys and numbers are the user's, too.
FREE = frozenset(
    {
        "config",
        "metrics",
        "value",
        "lock_files",
        "metadata",
        "params",
        "rule",
        "facts",
        "splits",
        "predicate",
        "contributions",
        "results",
        "performance",
        "spec",
    }
)
# Columns, also inside of JSON, whose values are words of ours: a secret that is one of them must not break a record.
OURS = frozenset(
    {
        "status",
        "kind",
        "executor",
        "role",
        "cell_type",
        "owner_kind",
        "notebook_source",
        "reason",
        "rerun_of",
        "mode",
        "phase",
        "goal",
        "summary",
        "verdict",
        "decision",
        "replaced_by",
        "subject_kind",
        "from_kind",
        "to_kind",
        "relation",
        "change",
        "proposal",
    }
)
REASONED = ("aliases", "decisions", "policy_results")  # kinds whose `reason` is a text of the user
# Kinds whose ids may have a name in them that the user chose.
NAMED = ("params", "tags", "namespaces", "metric_definitions", "aliases", "labels")
NUMBERS = frozenset({"value_number"})
_NESTED = {
    "path",
    "role",
    "sha256",
    "size",
    "mode",
    "cell_type",
    "source",
    "version",
    "imported",
    "stale",
    "reason",
    "out_of_order",
    "mtime_ns",
    "origin",
    "line",
    "cell",
    "name",
    "type",
    "rows",
}


@dataclass(frozen=True, slots=True)
class Doomed:
    """A test for every record, and the record without what must go."""

    objects: frozenset[tuple[str, str]] = frozenset()  # kind, id
    owners: frozenset[str] = frozenset()  # of points
    secret: str = ""
    _forms: tuple[str, ...] = field(init=False, default=())  # the secret as it stands in a text, in JSON, and in Python
    # What no file may have in it: the secret, and its lines where something else stands between them, as in notebooks.
    sought: Sought = field(init=False, default=Sought(()))

    def __post_init__(self) -> None:
        said = {self.secret, repr(self.secret)[1:-1]}
        told = said | _in_json(said)  # also as a text of JSON in a cell, which a notebook has in JSON again
        forms = told | _in_json(told)
        object.__setattr__(self, "_forms", tuple(sorted(forms - {""}, key=len, reverse=True)))
        lines = [line.strip() for line in self.secret.splitlines() if line.strip()]
        apart = tuple(Doomed(secret=line).forms_in_files for line in lines if lines[1:])
        forms_elsewhere = dict.fromkeys((*self.forms_in_files, *_otherwise_encoded(self.secret)))
        object.__setattr__(self, "sought", Sought(tuple(forms_elsewhere), apart))

    @property
    def mark(self) -> str:
        """What stands in the place of the secret; never longer than it, so that a line can be rewritten in its place."""
        return _mark(len(self.secret.encode()))

    @property
    def forms_in_files(self) -> tuple[bytes, ...]:
        """The secret as it may stand in a file."""
        return tuple(form.encode("utf-8", "surrogatepass") for form in self._forms)

    @property
    def traces(self) -> tuple[str, ...]:
        """What stands in every record that must go: the forms of the secret, or the ids."""
        return self._forms or tuple(sorted({id_ for _, id_ in self.objects} | self.owners))

    def text(self, value: str) -> str:
        """Return a text in which the mark stands in the place of the secret."""
        for form in self._forms:
            value = value.replace(form, self.mark)
        if not self.sought.lines:
            return value
        data = self.sought.without_lines(value.encode("utf-8", "surrogatepass"), lambda size: _mark(size).encode())
        return data.decode("utf-8", "surrogatepass")

    def change(self, record: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return a change without what must go, itself when nothing must, None when it must go as a whole."""
        if (record.get("t"), record.get("i")) in self.objects:
            return record if _is_note(record) else None
        if not self.secret:
            return record
        made = {**record}
        made.update({name: self._told(record[name]) for name in ("b", "d") if name in record})
        if record.get("t") in REASONED:
            made.update({name: self._reasoned(made[name]) for name in ("b", "d") if name in made})
        names = ("u", "ns", "i") if record.get("t") in NAMED else ("u", "ns")
        made.update({name: self.text(record[name]) for name in names if isinstance(record.get(name), str)})
        return record if made == record else made

    def point(self, record: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the fields of a point without what must go, or None."""
        if record.get("i") in self.owners:
            return None
        if not self.secret:
            return record
        if record.get("b") and any(form in b64decode(record["b"]) for form in self.forms_in_files):
            return None
        made = {**record, **{name: self.text(record[name]) for name in ("k", "x") if isinstance(record.get(name), str)}}
        return record if made == record else made

    def points(self, lines: str) -> str:
        """Return a SELECT of the fields of points without what must go."""
        if self.secret:
            text = {name: f"{self._replaced(name)} as {name}" for name in ("k", "x")}
            columns = ", ".join(text.get(name, name) for name in ("name", "line", *tables.POINT_LINE))
            found = " or ".join(
                f"contains(hex(from_base64(b)), '{form.hex().upper()}')" for form in self.forms_in_files
            )
            return f"select {columns} from ({lines}) where not coalesce({found}, false)"
        return f"select * from ({lines})" + (
            f" where i not in {tables.literal(tuple(self.owners))}" if self.owners else ""
        )

    def _replaced(self, column: str) -> str:
        result = column
        for form in self._forms:
            result = f"replace({result}, {tables.literal(form)}, '{self.mark}')"
        return result

    def _told(self, value: Any) -> Any:
        """Return the fields of a record, or what is nested in one, without the secret; names and words of ours stay."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self._told(each) for each in value]
        if isinstance(value, Mapping):
            return {self._key(name): self._field(name, each) for name, each in value.items()}
        return value

    def _reasoned(self, told: Any) -> Any:
        return (
            {**told, "reason": self._told(told["reason"])} if isinstance(told, Mapping) and "reason" in told else told
        )

    def _key(self, name: str) -> str:
        return name if name in _NESTED or name in _columns() else self.text(name)

    def _field(self, name: str, value: Any) -> Any:
        if name in FREE:
            return self._free(value)
        if name in NUMBERS:
            return None if self._is_secret(value) else value
        return value if name in OURS or name.endswith(("_id", "sha256")) else self._told(value)

    def _free(self, value: Any) -> Any:
        """Return JSON of the user's without the secret, be it a key, a text or a number."""
        if isinstance(value, Mapping):
            return {self.text(name): self._free(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self._free(each) for each in value]
        if self._is_secret(value):
            return "*" * (len(json.dumps(value)) - 2)  # with its quotes not longer than the number
        return self.text(value) if isinstance(value, str) else value

    def _is_secret(self, value: Any) -> bool:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return is_number and json.dumps(value) in (self.secret, f"{self.secret}.0")


def _mark(size: int) -> str:
    """Return what stands in the place of so many bytes."""
    return MARK if size >= len(MARK) else "*" * size


def _otherwise_encoded(text: str) -> tuple[bytes, ...]:
    """Return a text as files have it that are not in UTF-8."""
    found = []
    for encoding in ("utf-16-le", "utf-16-be", "latin-1", "cp1252"):
        with suppress(UnicodeEncodeError):
            found.append(text.encode(encoding))
    return tuple(filter(None, found))


def _in_json(texts: Iterable[str]) -> set[str]:
    return {json.dumps(text, ensure_ascii=ascii_)[1:-1] for text in texts for ascii_ in (True, False)}


@cache
def _columns() -> set[str]:
    return {name for table in tables.schema().tables.values() for name, _ in table.columns}


def _is_note(record: Mapping[str, Any]) -> bool:
    """Say whether a change is what a purge leaves behind."""
    told = record.get("d")
    return record.get("a") == "delete" and isinstance(told, Mapping) and told.get("reason") == PURGED
