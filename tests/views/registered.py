"""Models, policies and events in a store, as any process writes them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from renex_jupyter import ids
from renex_jupyter.records.changes import Change, fields, now
from renex_jupyter.records.events import FINISH, START, Event
from renex_jupyter.records.experiments import Note
from renex_jupyter.records.metrics import Point
from renex_jupyter.records.models import Decision, Model, ModelVersion
from renex_jupyter.store.store import Store


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
