"""One dataset: what is known of it, its versions, and of one of them its facts and where models fail on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from renex_jupyter.query import dataset_lists as questions
from renex_jupyter.records import display
from renex_jupyter.store.reader import Reader
from renex_jupyter.views import dataset_facts, text
from renex_jupyter.views.detail import Detail
from renex_jupyter.views.patterns import Patterns, PatternsPicture
from renex_jupyter.views.table import Table

PAGE = 10  # versions on one
COLUMNS: tuple[dict[str, Any], ...] = (
    {"key": "version", "label": "Version", "kind": "text", "sortable": True, "main": True},
    {"key": "n_samples", "label": "Samples", "kind": "number", "sortable": True, "align": "right"},
    {"key": "size", "label": "Size", "kind": "number", "align": "right", "width": 360},
    {"key": "created_at", "label": "When", "kind": "time", "sortable": True, "width": 360},
    {"key": "digest", "label": "Digest", "kind": "number", "width": 480},
)


@dataclass(frozen=True)
class DatasetPicture:
    """What is shown of one dataset at one moment."""

    dataset: Mapping[str, Any]
    kept: Sequence[Mapping[str, Any]]
    notes: Sequence[Mapping[str, Any]]
    rows: list[dict[str, Any]]
    version: Mapping[str, Any] | None  # the one that is selected, else the newest; None without any
    sets: Sequence[Mapping[str, Any]]
    notes_of_version: Sequence[Mapping[str, Any]]
    patterns: PatternsPicture | None


class DatasetDetail:
    """The widgets of the selected dataset.

    Parameters
    ----------
    changed : is called when their reader asks for something else.
    act : is called with the name of an action (insert, close) and the code of a cell.
    hosted : whether the page can insert cells for this kernel.
    """

    def __init__(self, changed: Callable[[], None], act: Callable[[str, str], None], *, hosted: bool) -> None:
        self.head, self.version = Detail(), Detail()
        self.versions = Table(
            columns=list(COLUMNS), page_size=PAGE, sort_key="version", kind="dataset_version", caption="Versions",
            empty="No version yet.",
        )  # fmt: skip
        self.patterns = Patterns(changed, lambda code: act("insert", code), hosted=hosted)
        self._hosted, self._act = hosted, act
        self._shown: DatasetPicture | None = None
        self._of: str | None = None  # the dataset that the reader has chosen a version and a page of
        self.versions.observe(lambda _: changed(), ["page", "sort_key", "sort_descending", "selected"])
        self.head.on_msg(self._on_head)
        self.version.on_msg(self._on_version)

    @property
    def widgets(self) -> list[Any]:
        """The parts in their order."""
        return [self.head, self.versions, self.version, *self.patterns.widgets]

    def ask(self, read: Reader, dataset_id: str) -> DatasetPicture | None:
        """Return what to show of a dataset, or None when there is no such dataset (any more)."""
        dataset = questions.get_dataset(read, dataset_id)
        if dataset is None:
            return None
        anew = dataset_id != self._of
        page = 0 if anew else self.versions.page_of(dataset["versions"])
        sort_key, descending = ("version", True) if anew else (self.versions.sort_key, self.versions.sort_descending)
        versions = questions.list_versions(
            read, dataset_id, order_by=sort_key, descending=descending, limit=PAGE, offset=page * PAGE
        )
        version = questions.get_version(read, None if anew else self.versions.chosen, newest_of=dataset_id)
        version_id = version["dataset_version_id"] if version else ""
        return DatasetPicture(
            dataset,
            questions.kept_patterns(read, [dataset_id]).get(dataset_id, []),
            questions.notes_of(read, dataset_id, None),
            [_row(each) for each in versions],
            version,
            questions.prediction_sets(read, version_id) if version else [],
            questions.notes_of(read, dataset_id, version_id) if version else [],
            self.patterns.ask(read, version) if version else None,
        )

    def draw(self, picture: DatasetPicture | None) -> None:
        """Show a dataset, or nothing."""
        self._shown = picture
        dataset = picture.dataset if picture else None
        with self.versions.hold_sync():
            if dataset is None or dataset["dataset_id"] != self._of:
                self.versions.forget()
                self.versions.sort_key, self.versions.sort_descending = "version", True
            self._of = dataset["dataset_id"] if dataset else None
            self.versions.empty = "No version yet." if dataset else ""
            self.versions.fill(picture.rows if picture else [], dataset["versions"] if dataset else 0)
        self.head.actions = self._actions_of_dataset(dataset)
        self.head.content = dataset_facts.head_of(dataset, picture.kept, picture.notes) if dataset and picture else {}
        version = picture.version if picture else None
        self.version.actions = self._actions_of_version(version)
        self.version.content = (
            dataset_facts.version_of(version, picture.sets, picture.notes_of_version) if version and picture else {}
        )
        self.patterns.draw(picture.patterns if picture else None)

    def _actions_of_dataset(self, dataset: Mapping[str, Any] | None) -> list[dict[str, Any]]:
        if dataset is None:
            return []
        codes, name = dataset_facts.codes_of_dataset(dataset), dataset_facts.name_of(dataset)
        return dataset_facts.actions(dataset["dataset_id"], name, codes, hosted=self._hosted)

    def _actions_of_version(self, version: Mapping[str, Any] | None) -> list[dict[str, Any]]:
        if version is None:
            return []
        codes, name = dataset_facts.codes_of_version(version), dataset_facts.reference_of(version)
        return dataset_facts.actions(version["dataset_version_id"], name, codes, hosted=self._hosted)

    def _on_head(self, _: Any, message: Any, __: Any) -> None:
        if self._shown is None or not _is_for(message, self._shown.dataset["dataset_id"]):
            return
        self._do(str(message.get("action", "")), dataset_facts.codes_of_dataset(self._shown.dataset))

    def _on_version(self, _: Any, message: Any, __: Any) -> None:
        version = self._shown.version if self._shown else None
        if version is not None and _is_for(message, version["dataset_version_id"]):
            self._do(str(message.get("action", "")), dataset_facts.codes_of_version(version))

    def _do(self, action: str, codes: Mapping[str, str]) -> None:
        word, _, label = action.partition(":")
        if word == "close":
            self._act("close", "")
        elif word == "insert" and label in codes:
            self._act("insert", codes[label])


def _is_for(message: Any, object_id: str) -> bool:
    return isinstance(message, dict) and message.get("of") in (None, "", object_id)


def _row(version: Mapping[str, Any]) -> dict[str, Any]:
    about = [text.line(version["message"] or ""), text.line(version["source"] or "")]
    patterns = version["patterns"]
    chips = [
        *([[display.count(version["sets"], "prediction set"), "", "label"]] if version["sets"] else []),
        *([[display.count(patterns, "failure pattern"), "of the newest searches", "label"]] if patterns else []),
    ]
    return {
        "id": version["dataset_version_id"],
        "version": f"v{version['version']}",
        "n_samples": text.short_count(version["n_samples"]),
        "size": display.size(version["size"]),
        "created_at": text.milliseconds(version["created_at"]),
        "digest": (version["digest"] or "")[:8],
        "chips": chips,
        "under": {"text": about[0]} if about[0] else None,
        "notes": {
            "version": "\n".join([f"v{version['version']}", *filter(None, about)]),
            "n_samples": f"{version['n_samples'] or 0:,}",
            "digest": version["digest"] or "",
        },
    }
