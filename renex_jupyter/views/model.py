"""One model: what is known of it, its versions side by side, and the version selected among them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from renex_jupyter.query import model_lists as questions
from renex_jupyter.records.models import ACTIVE
from renex_jupyter.store.reader import Reader
from renex_jupyter.views import model_facts, text
from renex_jupyter.views.detail import Detail
from renex_jupyter.views.models import headline
from renex_jupyter.views.table import Table

PAGE = 20  # versions on one
METRIC_WIDTHS = (0, 0, 480, 640, 640)


@dataclass(frozen=True)
class ModelPicture:
    """What is shown of one model at one moment."""

    model: Mapping[str, Any]
    said: Mapping[str, Sequence[Mapping[str, Any]]]
    columns: list[dict[str, Any]]
    rows: list[dict[str, Any]]
    version: Mapping[str, Any] | None
    said_of_version: Mapping[str, Sequence[Mapping[str, Any]]]


class ModelDetail:
    """The widgets of the selected model.

    Parameters
    ----------
    changed : is called when their reader asks for something else.
    act : is called with the name of an action (insert, show-run, close) and what it is about: code, or the id of a run.
    hosted : whether the page can insert cells for this kernel.
    """

    def __init__(self, changed: Callable[[], None], act: Callable[[str, str], None], *, hosted: bool) -> None:
        self.head, self.version = Detail(), Detail()
        self.versions = Table(page_size=PAGE, sort_key="version", kind="version", caption="Versions", empty="")
        self._hosted, self._act, self._changed = hosted, act, changed
        self._shown: ModelPicture | None = None
        self._of: str | None = None  # the model that the reader has chosen a version and a page of
        self.versions.observe(lambda _: changed(), ["page", "sort_key", "sort_descending", "selected"])
        self.head.on_msg(self._on_head)
        self.version.on_msg(self._on_version)

    @property
    def widgets(self) -> list[Any]:
        """The parts in their order."""
        return [self.head, self.versions, self.version]

    def ask(self, read: Reader, model_id: str) -> ModelPicture | None:
        """Return what to show of a model, or None when there is no such model (any more)."""
        model = questions.get_model(read, model_id)
        if model is None:
            return None
        anew = model_id != self._of
        page = 0 if anew else self.versions.page_of(model["versions"])
        sort_key, descending = ("version", True) if anew else (self.versions.sort_key, self.versions.sort_descending)
        versions = questions.list_versions(
            read, model_id, order_by=sort_key, descending=descending, limit=PAGE, offset=page * PAGE
        )
        chosen = None if anew else self.versions.chosen
        version = questions.get_version(read, chosen) if chosen else None
        keys = headline(versions, sort_key.removeprefix(questions.METRIC))[: len(METRIC_WIDTHS)]
        return ModelPicture(
            model,
            questions.said_of_model(read, model),
            columns(keys),
            [row(each, keys) for each in versions],
            version,
            questions.said_of_version(read, version["model_version_id"]) if version else {},
        )

    def draw(self, picture: ModelPicture | None) -> None:
        """Show a model, or nothing."""
        self._shown = picture
        model = picture.model if picture else None
        with self.versions.hold_sync():
            if model is None or model["model_id"] != self._of:
                self.versions.forget()
                self.versions.sort_key, self.versions.sort_descending = "version", True
            self._of = model["model_id"] if model else None
            if picture and model:
                self.versions.fill(picture.rows, model["versions"], picture.columns)
            else:
                self.versions.fill([], 0, [])
        self.head.actions = model_facts.actions_of_model(model, hosted=self._hosted) if model else []
        self.head.content = model_facts.head_of(model, picture.said) if model and picture else {}
        version = picture.version if picture else None
        self.version.actions = model_facts.actions_of_version(version, hosted=self._hosted) if version else []
        self.version.content = model_facts.version_of(version, picture.said_of_version) if version and picture else {}

    def _on_head(self, _: Any, message: Any, __: Any) -> None:
        if self._shown and _is_for(message, self._shown.model["model_id"]):
            action = str(message.get("action", ""))
            self._act(action, model_facts.code_of_model(self._shown.model) if action == "insert" else "")

    def _on_version(self, _: Any, message: Any, __: Any) -> None:
        version = self._shown.version if self._shown else None
        if version is None or not _is_for(message, version["model_version_id"]):
            return
        action = str(message.get("action", ""))
        if action == "close":
            self.versions.selected = []
        elif action == "insert":
            self._act(action, model_facts.code_of_version(version))
        elif action == "show-run" and version["run_id"]:
            self._act(action, version["run_id"])


def _is_for(message: Any, object_id: str) -> bool:
    return isinstance(message, dict) and message.get("of") in (None, "", object_id)


def columns(keys: Sequence[str]) -> list[dict[str, Any]]:
    """Return the columns of versions with their metrics side by side; by each of these they can be ordered."""
    metrics = [
        {"key": f"{questions.METRIC}{key}", "label": text.line(key, 80), "kind": "number", "sortable": True, "align": "right",
         "width": METRIC_WIDTHS[place]}
        for place, key in enumerate(keys)
    ]  # fmt: skip
    return [
        {"key": "version", "label": "Version", "kind": "text", "sortable": True, "main": True},
        *metrics,
        {"key": "created_at", "label": "When", "kind": "time", "sortable": True, "width": 360},
        {"key": "registered_by", "label": "By", "kind": "number", "width": 640},
    ]


def row(version: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """Return a version as a row."""
    status = version["status"] or ACTIVE
    status_chip = [[text.line(status), f"status {text.line(status)}", "label"]] if status != ACTIVE else []
    number = f"v{version['version']}"
    about = [f"{number} ({status})", *filter(None, [text.line(version["description"] or "")])]
    return {
        "id": version["model_version_id"],
        "version": number,
        **{f"{questions.METRIC}{key}": text.short_number(version["metrics"].get(key)) for key in keys},
        "created_at": text.milliseconds(version["created_at"]),
        "registered_by": text.line(version["registered_by"] or "", 60),
        "chips": [*model_facts.version_chips(version), *status_chip],
        "notes": {
            "version": "\n".join(about),
            **{f"{questions.METRIC}{key}": f"{value:.8g}" for key, value in version["metrics"].items() if key in keys},
        },
    }
