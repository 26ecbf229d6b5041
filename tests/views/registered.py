"""Models, policies and events in a store, as any process writes them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from renex_jupyter import ids
from renex_jupyter.records.changes import Change, fields, now
from renex_jupyter.records.datasets import Dataset
from renex_jupyter.records.events import FINISH, START, Event
from renex_jupyter.records.experiments import Note
from renex_jupyter.records.metrics import Point
from renex_jupyter.records.models import Decision, Model, ModelVersion
from renex_jupyter.records.predicates import from_json
from renex_jupyter.store.store import Store

FIELDS = [
    {"name": "age", "type": "BIGINT", "role": "attribute"},
    {"name": "label", "type": "VARCHAR", "role": "target"},
]


class Registry:
    """Writes into the store of a project."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def model(self, name: str, namespace: str = "vision", **columns: Any) -> str:
        model = Model(ids.new_id(), name, now(), namespace, **columns)
        self.store.write(Change("models", model.model_id, "create", fields(model), namespace=namespace))
        return model.model_id

    def version(self, model_id: str, number: int, **columns: Any) -> str:
        change = self.change_of_version(model_id, number, **columns)
        self.store.write(change)
        return change.id

    def change_of_version(self, model_id: str, number: int, **columns: Any) -> Change:
        made = columns.pop("created_at", now())
        version = ModelVersion(ids.new_id(), model_id, "", number, ids.new_id(), made, registered_by="ada", **columns)
        return Change("model_versions", version.model_version_id, "register", fields(version), namespace="vision")

    def alias(self, model_id: str, alias: str, version: int | None, was: int | None = None, reason: str = "") -> None:
        self._named("aliases", "alias", model_id, alias, version, was, {"reason": reason} if reason else {})

    def label(self, model_id: str, label: str, version: int | None) -> None:
        self._named("labels", "label", model_id, label, version, None, {})

    def _named(
        self,
        table: str,
        noun: str,
        model_id: str,
        name: str,
        version: int | None,
        was: int | None,
        more: dict[str, Any],
    ) -> None:
        own_id = f"{model_id}/{name}"
        after = {f"{noun}_id": own_id, "model_id": model_id, noun: name, "version": version, "created_at": now()}
        before = {"version": was} if was is not None else None
        action = "remove" if version is None else "set"
        self.store.write(Change(table, own_id, action, {**after, "set_by": "ada", **more}, before, "vision"))

    def verdict(self, model_id: str, version_id: str, verdict: str, reason: str, policy: str = "best") -> None:
        policy_id = ids.content_id([model_id, policy])[:32]
        rule = {"policy_id": policy_id, "model_id": model_id, "name": policy, "kind": "label", "created_at": now()}
        result_id = ids.new_id()
        said = {"result_id": result_id, "policy_id": policy_id, "model_id": model_id, "subject_kind": "model_version"}
        said |= {"subject_id": version_id, "verdict": verdict, "reason": reason, "created_at": now()}
        self.store.write(
            Change("policies", policy_id, "create", rule, namespace="vision"),
            Change("policy_results", result_id, "verdict", said, namespace="vision"),
        )

    def decision(self, model_id: str, version_id: str, decision: str, reason: str) -> None:
        made = Decision(ids.new_id(), model_id, version_id, decision, reason, now(), "ada")
        self.store.write(Change("decisions", made.decision_id, "create", fields(made), namespace="vision"))

    def note(self, owner_kind: str, owner_id: str, text: str) -> None:
        note = Note(ids.new_id(), owner_kind, owner_id, text, now(), author="ada")
        self.store.write(Change("notes", note.note_id, "create", fields(note)))

    def measured(self, version_id: str, key: str, value: float, dataset: str | None = None) -> None:
        owner_kind, owner_id = "model_version", version_id
        if dataset is not None:
            owner_kind, owner_id = "evaluation", ids.content_id(["evaluation", version_id, dataset])[:32]
            about = {"evaluation_id": owner_id, "owner_kind": "model_version", "owner_id": version_id}
            self.store.write(
                Change("evaluations", owner_id, "create", {**about, "dataset": dataset, "created_at": now()})
            )
        self.store.write_points([Point(owner_kind, owner_id, key, 0, now(), value)])

    def dataset(self, name: str, namespace: str = "vision", **columns: Any) -> str:
        dataset = Dataset(ids.new_id(), name, columns.pop("created_at", now()), namespace, **columns)
        self.store.write(Change("datasets", dataset.dataset_id, "create", fields(dataset), namespace=namespace))
        return dataset.dataset_id

    def dataset_version(self, dataset_id: str, number: int, **columns: Any) -> str:
        own_id, files = ids.new_id(), [{"role": "samples", "sha256": "0" * 64, "size": 12_345, "rows": 500}]
        made = {"dataset_version_id": own_id, "dataset_id": dataset_id, "version": number, "digest": "ab" * 32}
        made |= {"n_samples": 500, "fields": FIELDS, "classes": ["no", "yes"], "splits": {"train": 400, "test": 100}}
        made |= {"files": files, "created_at": now(), "created_by": "ada", **columns}
        self.store.write(Change("dataset_versions", own_id, "create", made, namespace="vision"))
        return own_id

    def predictions(self, dataset_version_id: str, model_version_id: str | None = None, **columns: Any) -> str:
        own_id = ids.new_id()
        made = {"prediction_set_id": own_id, "dataset_version_id": dataset_version_id, "n_predictions": 500}
        made |= {"model_version_id": model_version_id, "n_samples": 500, "created_at": now(), **columns}
        self.store.write(Change("prediction_sets", own_id, "create", made, namespace="vision"))
        return own_id

    def pattern_search(self, dataset_version_id: str, prediction_set_id: str, **columns: Any) -> str:
        own_id = ids.new_id()
        made = {"pattern_search_id": own_id, "dataset_version_id": dataset_version_id, "error": "error"}
        made |= {"prediction_set_id": prediction_set_id, "n_samples": 500, "errors": 70.0, "base_rate": 0.14}
        made |= {"complete": True, "created_at": now(), **columns}
        self.store.write(Change("pattern_searches", own_id, "create", made, namespace="vision"))
        return own_id

    def patterns(self, search_id: str, *predicates: dict[str, Any], **columns: Any) -> list[str]:
        """Write failure patterns of one search, the first as its worst."""
        changes = [self._pattern(search_id, place, each, columns) for place, each in enumerate(predicates)]
        self.store.write(*changes)
        return [each.id for each in changes]

    def _pattern(self, search_id: str, place: int, predicate: dict[str, Any], columns: dict[str, Any]) -> Change:
        own_id, rate = ids.new_id(), max(0.2, 0.6 - place / 20)
        made = {"failure_pattern_id": own_id, "pattern_search_id": search_id, "position": place, "predicate": predicate}
        made |= {"predicate_text": str(from_json(predicate)), "support": 60, "errors": 60 * rate, "error_rate": rate}
        made |= {"base_rate": 0.14, "score": 1.5, "divergence": rate - 0.14, "p_value": 1e-5, "holdout_support": 55}
        made |= {"holdout_error_rate": rate - 0.05, "holdout_base_rate": 0.15, "adjusted_p_value": 1e-3}
        made |= {"status": "confirmed", "contributions": {}, "created_at": now(), **columns}
        return Change("failure_patterns", own_id, "create", made, namespace="vision")

    def kept_pattern(self, dataset_id: str, name: str, predicate: dict[str, Any]) -> str:
        own_id = ids.new_id()
        made = {"named_pattern_id": own_id, "dataset_id": dataset_id, "name": name, "predicate": predicate}
        made |= {"predicate_text": str(from_json(predicate)), "error": "error", "created_at": now()}
        self.store.write(Change("named_patterns", own_id, "create", made, namespace="vision"))
        return own_id

    def pattern_measure(self, named_pattern_id: str, error_rate: float, **columns: Any) -> None:
        own_id = ids.new_id()
        made = {"pattern_measure_id": own_id, "named_pattern_id": named_pattern_id, "error_rate": error_rate}
        made |= {"support": 60, "base_rate": 0.14, "created_at": now(), **columns}
        self.store.write(Change("pattern_measures", own_id, "create", made, namespace="vision"))

    def event(self, name: str, **columns: Any) -> str:
        change = self.change_of_event(name, **columns)
        self.store.write(change)
        return change.id

    def change_of_event(self, name: str, **columns: Any) -> Change:
        owner = (columns.pop("owner_kind", "experiment"), columns.pop("owner_id", "e"))
        event = Event(ids.new_id(), *owner, name, columns.pop("wallclock", now()), **columns)
        return Change("events", event.event_id, "create", fields(event))

    def span(self, name: str, began: datetime, seconds: float | None, **columns: Any) -> str:
        """Write something that took so long, or goes on; return the id of its start."""
        start = self.event(name, wallclock=began, phase=START, **columns)
        if seconds is not None:
            self.event(name, wallclock=began + timedelta(seconds=seconds), phase=FINISH, **columns)
        return start
