"""Params and tags of one run: what can be kept is kept, what cannot is told and never stops the program."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from renex_jupyter.capture.secrets import REDACTED, redact, redact_text
from renex_jupyter.errors import RenexError, warn
from renex_jupyter.records.changes import Change, to_json
from renex_jupyter.records.keys import checked
from renex_jupyter.records.params import keep_param, too_many
from renex_jupyter.records.runs import Run
from renex_jupyter.records.values import checked_text
from renex_jupyter.session.current import Session

MOST_PARAMS = 10_000  # of one run


class Facts:
    """Takes the params and tags of one run."""

    def __init__(self, session: Session, run: Run) -> None:
        self.session = session
        self.run = run
        self._params: set[str] = set()  # the keys that this process logged
        self._had: dict[tuple[int, str, str], Any] = {}  # by process, table and key: what it wrote last
        self._told: set[tuple[str, str]] = set()  # key and reason of what was refused

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Keep params.

        Raises
        ------
        RenexError : `invalid_argument` for a key that is none; no param of the call is kept then.
        """
        keys = [checked("param", key) for key in params]
        rows = [row for key in keys if (row := self._kept(self._param, key, params[key]))]
        self._write("params", rows)

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Put tags on the run; a value is kept as text. Raises as `set_params` does."""
        keys = [checked("tag", key) for key in tags]
        self._write("tags", [row for key in keys if (row := self._kept(self._tag, key, tags[key]))])

    def _param(self, key: str, value: Any) -> dict[str, Any] | None:
        if key not in self._params and len(self._params) >= MOST_PARAMS:
            refused = too_many(f"run '{self.run.name}'", MOST_PARAMS)
            self._tell("", f"{refused.message} More are not kept; {refused.hint}")
            return None
        said, number = keep_param(f"param '{key}'", value)
        said = redact(said, key)
        shown = said if isinstance(said, str) else to_json(said)
        number = None if said == REDACTED else number
        self._params.add(key)
        return {"run_id": self.run.run_id, "key": key, "value": said, "value_text": shown, "value_number": number}

    def _tag(self, key: str, value: Any) -> dict[str, Any]:
        text = checked_text(f"tag '{key}'", str(redact(value, key)))
        return {"owner_kind": "run", "owner_id": self.run.run_id, "key": key, "value": text}

    def _kept(self, make: Callable[[str, Any], dict[str, Any] | None], key: str, value: Any) -> dict[str, Any] | None:
        """Return a row; one that cannot be made is told, once per key and reason."""
        try:
            return make(key, value)
        except RenexError as error:
            self._tell(key, f"{error.message} It is not kept in run '{self.run.name}'. {error.hint}")
        except Exception as error:  # noqa: BLE001  the value's own __str__
            self._tell(key, f"'{key}' is not kept in run '{self.run.name}': its value raised {type(error).__name__}.")
        return None

    def _tell(self, key: str, text: str) -> None:
        if (key, text) not in self._told:
            self._told.add((key, text))
            warn(text)

    def note_tag(self, key: str, value: str | None) -> None:
        """Take note of what this process made of a tag, None: it took it away, without asking here."""
        self._had[os.getpid(), "tags", key] = value

    def _change(self, kind: str, row: dict[str, Any]) -> Change:
        """Return the change that sets a param or a tag. What was there before is told as far as this process wrote it:
        no logging looks anything up.
        """
        place = (os.getpid(), kind, row["key"])
        was = self._had.get(place)
        self._had[place] = row["value"]
        before = None if was is None else {"value": was}
        return Change(kind, f"{self.run.run_id}/{row['key']}", "update", row, before, self.run.namespace)

    def _write(self, kind: str, rows: list[dict[str, Any]]) -> None:
        """Write rows with one write; what the store does not take is written with the next record that it takes."""
        changes = [self._change(kind, row) for row in rows]
        session = self.session
        try:
            session.write_what_is_left()  # an older value must not be written after a newer one
            session.store.write(*changes)
        except (RenexError, OSError) as error:
            session.unwritten.extend(changes)
            reason = redact_text(error.line if isinstance(error, RenexError) else str(error))
            self._tell("", f"{kind} of run '{self.run.name}' cannot be written yet; they wait in memory: {reason}")
