"""What a purge takes out: some objects with their points, or a text wherever it stands."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from renex_jupyter.store import tables

MARK = "[purged]"


@dataclass(frozen=True, slots=True)
class Doomed:
    """A test for every record, and the record without what must go."""

    objects: frozenset[tuple[str, str]] = frozenset()  # kind, id
    owners: frozenset[str] = frozenset()  # of points
    secret: str = ""
    _forms: tuple[str, ...] = field(init=False, default=())  # the secret as it stands in a text, and in JSON in a text

    def __post_init__(self) -> None:
        forms = {self.secret, json.dumps(self.secret)[1:-1], json.dumps(self.secret, ensure_ascii=False)[1:-1]} - {""}
        object.__setattr__(self, "_forms", tuple(sorted(forms, key=len, reverse=True)))

    @property
    def mark(self) -> str:
        """What stands in the place of the secret; never longer than it, so that a line can be rewritten in its place."""
        return MARK if len(self.secret.encode()) >= len(MARK) else "*" * len(self.secret.encode())

    @property
    def forms_in_files(self) -> tuple[bytes, ...]:
        """The secret as it may stand in a file."""
        return tuple(form.encode("utf-8", "surrogatepass") for form in self._forms)

    def change(self, record: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return a change without what must go, itself when nothing must, None when it must go as a whole."""
        if (record.get("t"), record.get("i")) in self.objects:
            return None
        return self._blotted(record) if self.secret else record

    def point(self, record: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the fields of a point without what must go, or None."""
        if record.get("i") in self.owners:
            return None
        return self._blotted(record) if self.secret else record

    def points(self, lines: str) -> str:
        """Return a SELECT of the fields of points without what must go."""
        if self.secret:
            text = {name: f"{self._replaced(name)} as {name}" for name in ("i", "k", "x", "t", "h")}
            columns = ", ".join(text.get(name, name) for name in ("name", "line", *tables.POINT_LINE))
            inside = f"b is not null and contains(hex(from_base64(b)), '{self.secret.encode().hex().upper()}')"
            return f"select {columns} from ({lines}) where not coalesce({inside}, false)"
        return f"select * from ({lines})" + (
            f" where i not in {tables.literal(tuple(self.owners))}" if self.owners else ""
        )

    def _replaced(self, column: str) -> str:
        result = column
        for form in self._forms:
            result = f"replace({result}, {tables.literal(form)}, '{self.mark}')"
        return result

    def _blotted(self, value: Any) -> Any:
        """Return a value in which the mark stands in the place of the secret, the value itself where it is not in it."""
        if isinstance(value, str):
            for form in self._forms:
                value = value.replace(form, self.mark)
            return value
        if isinstance(value, Mapping):
            made = {self._blotted(key): self._blotted(each) for key, each in value.items()}
            return value if made == value else made
        if isinstance(value, list):
            made_list = [self._blotted(each) for each in value]
            return value if made_list == value else made_list
        return value
