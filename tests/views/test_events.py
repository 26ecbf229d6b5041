"""The feed of events and changes, from a real store."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from recorded import Project
from registered import Registry

from renex_jupyter.query import feeds
from renex_jupyter.query.feeds import CHANGE, EVENT, EVERYTHING, Wanted
from renex_jupyter.records.changes import Change, now
from renex_jupyter.store.store import Store
from renex_jupyter.views.event import EventDetail
from renex_jupyter.views.events import EventsList
from renex_jupyter.views.models import ModelsList
from renex_jupyter.views.sentences import sentences


@pytest.fixture
def registry(project: Project) -> Registry:
    return Registry(project.store)


def new_list(what: str = "") -> EventsList:
    events = EventsList(lambda: None)
    events.bar.filter = what
    return events


def rows(registry: Registry, what: str = "") -> list[dict[str, Any]]:
    return new_list(what).ask(registry.store.reader).rows


def told(registry: Registry, kind: str = EVERYTHING) -> list[str]:
    """Sentences of changes as they stand in the feed, the newest first, without who."""
    read, actor = registry.store.reader, f"{registry.store.journal.actor} "
    found = sentences(read, feeds.list_feed(read, Wanted(CHANGE, kind)))
    return [each.removeprefix(actor) for each in found]


def test_events_and_changes_stand_in_one_order_the_newest_first(registry: Registry) -> None:
    registry.event("downloaded", source="airflow", wallclock=now() - timedelta(minutes=1))
    registry.model("digits")
    registry.event("deployed", source="airflow")
    found = [(row["sign"], row["what"]) for row in rows(registry)]
    actor = registry.store.journal.actor
    assert found == [("event", "deployed"), ("change", f"{actor} created model vision/digits"), ("event", "downloaded")]
    assert [row["sign"] for row in rows(registry, EVENT)] == ["event", "event"]
    assert [row["sign"] for row in rows(registry, CHANGE)] == ["change"]


def test_a_start_and_its_finish_are_one_entry_with_what_it_took(project: Project, registry: Registry) -> None:
    run = project.run("train", status="running")
    began = now() - timedelta(minutes=5)
    done = registry.span("epoch", began, 62.0, source="trainer", owner_kind="run", owner_id=run, metadata={"epoch": 1})
    going = registry.span("epoch", began + timedelta(minutes=2), None, source="trainer", owner_kind="run", owner_id=run)
    registry.event("save", phase="finish")
    alone, second, first = rows(registry, EVENT)
    assert (first["id"], first["sign"], first["took"]) == (f"event:{done}", "span", 62.0)
    assert (first["under"]["text"], first["under"]["took"]) == ("trainer · run train", 62.0)
    since = {"since": (began + timedelta(minutes=2)).timestamp() * 1000}
    assert (second["id"], second["took"], second["under"]["took"]) == (f"event:{going}", since, since)
    assert (second["what"], second["sign"]) == ("epoch goes on", "going")
    assert (alone["what"], alone["sign"], alone["took"]) == ("save finished", "event", None)
    assert feeds.count_feed(registry.store.reader, Wanted(EVENT)) == 3


def test_an_event_of_a_run_that_is_over_goes_on_no_more(project: Project, registry: Registry) -> None:
    vanished = {"status": "running", "pid": 1, "pid_started": 1.0, "boot_id": "of another boot"}
    over, gone = project.run("over"), project.run("gone", **vanished)
    for run in (over, gone):
        registry.span("epoch", now() - timedelta(minutes=5), None, owner_kind="run", owner_id=run, run_id=run)
    registry.span("deploy", now() - timedelta(minutes=9), None)
    *ended, deploy = rows(registry, EVENT)
    for row in ended:
        assert (row["what"], row["sign"], row["took"]) == ("epoch: no finish was logged", "span", None)
        detail = EventDetail(lambda *_: None)
        picture = detail.ask(registry.store.reader, row["id"])
        detail.draw(picture)
        assert ["took", "no finish was logged"] in detail.widgets[0].content["facts"]
    assert (deploy["what"], deploy["sign"]) == ("deploy goes on", "going")


def test_a_version_that_a_decision_retires_or_restores_is_one_entry(registry: Registry) -> None:
    model = registry.model("digits")
    decided, edited = registry.version(model, 1), registry.version(model, 2)
    write = registry.store.write
    for decision, after, before in (("retire", "retired", "active"), ("restore", "active", "retired")):
        write(Change("model_versions", decided, "update", {"status": after}, {"status": before}))
        registry.decision(model, decided, decision, "leaked labels")
    write(Change("model_versions", decided, "update", {"description": "new"}))
    write(Change("model_versions", decided, "update", {"status": "released"}))
    write(Change("model_versions", edited, "update", {"status": "retired"}))
    assert told(registry, "")[:5] == [
        "retired vision/digits v2",
        "changed status of version vision/digits v1 to released",
        "changed description of version vision/digits v1 to new",
        "restored vision/digits v1: leaked labels",
        "retired vision/digits v1: leaked labels",
    ]
    assert len(told(registry, "")) == feeds.count_feed(registry.store.reader, Wanted(CHANGE)) == 8
    assert "retired vision/digits v1" in told(registry, "model_versions")
    assert "retired vision/digits v1" in told(registry)


def test_what_happened_at_one_time_is_paired_in_the_order_in_which_it_was_logged(registry: Registry) -> None:
    at = now()
    for number, phase in enumerate(("start", "finish", "start", "finish")):
        registry.event("tick", phase=phase, wallclock=at, logged_at=at + timedelta(milliseconds=number))
    assert [(row["sign"], row["took"]) for row in rows(registry, EVENT)] == [("span", 0.0)] * 2
    assert registry.store.reader.rows("select duration_s from event_spans") == [{"duration_s": 0.0}] * 2


def test_aliases_and_labels_are_told_with_where_they_were(registry: Registry) -> None:
    model = registry.model("digits")
    registry.alias(model, "champion", 5, was=3)
    registry.alias(model, "champion", None, was=5)
    registry.label(model, "shipped", 5)
    assert told(registry)[:3] == [
        "set label shipped of vision/digits to v5",
        "took alias champion of vision/digits away (was v5)",
        "set alias champion of vision/digits to v5 (was v3)",
    ]


def test_what_happened_to_models_is_told_in_words(registry: Registry) -> None:
    model = registry.model("digits")
    version = registry.version(model, 7)
    registry.verdict(model, version, "unmet", "v7 not promoted: accuracy 0.941 vs 0.940 of v5, needs +0.002")
    registry.decision(model, version, "retire", "leaked labels")
    registry.note("model_version", version, "Fails on 7\nwith a bar.")
    write = registry.store.write
    write(Change("model_versions", version, "update", {"status": "retired"}, {"status": "active"}))
    write(Change("model_versions", version, "update", {"description": "new"}, {"description": "old"}))
    write(Change("models", model, "update", {"owner": "ada", "task": "t", "starred": True, "metadata": {}}))
    write(Change("model_versions", version, "download", {"to": "/x"}))
    assert told(registry) == [
        "fetched vision/digits v7",
        "changed owner, task, starred and 1 more of model vision/digits",
        "changed description of version vision/digits v7 to new (was old)",
        "retired vision/digits v7",
        "noted on model version vision/digits v7: Fails on 7 with a bar.",
        "retired vision/digits v7: leaked labels",
        "vision/digits: v7 not promoted: accuracy 0.941 vs 0.940 of v5, needs +0.002",
        "created policy best of vision/digits",
        "registered vision/digits v7",
        "created model vision/digits",
    ]


def test_what_happened_to_datasets_is_told_in_words_and_patterns_as_one(registry: Registry) -> None:
    dataset, night = registry.dataset("roads"), {"column": "light", "op": "=", "value": "night"}
    first = registry.dataset_version(dataset, 1, message="first export")
    second = registry.dataset_version(dataset, 2, n_samples=1200)
    version = registry.version(registry.model("signs"), 3)
    predictions = registry.predictions(second, version)
    registry.predictions(first, name="by hand")
    found = registry.pattern_search(second, predictions, model_version_id=version)
    registry.patterns(found, night, {"column": "rain", "op": "=", "value": True})
    registry.patterns(found, night, status="too small")
    registry.pattern_search(first, predictions)
    kept = registry.kept_pattern(dataset, "night images", night)
    registry.pattern_measure(kept, 0.19, previous_rate=0.12, change="worse")
    write = registry.store.write
    write(Change("datasets", dataset, "update", {"description": "Images."}, {}))
    looked = {"dataset_id": dataset, "reference_version_id": first, "current_version_id": second, "proposal": "retrain"}
    write(Change("drift_reports", "r", "create", looked))
    for what, model in (("retrain", version), ("keep", None)):
        decided = {"decision": what, "reason": "winter", "model_version_id": model, "drift_report_id": "r"}
        write(Change("decisions", what, "create", decided))
    write(Change("decisions", "keep", "update", {"drift_report_id": "r"}))
    write(Change("workspaces", "w", "create", {"dataset_id": dataset, "name": "night"}))
    write(Change("workspace_versions", "w1", "create", {"workspace_id": "w", "version": 1, "message": "for Monday"}))
    write(Change("workspaces", "w", "delete", {}, {"dataset_id": dataset, "name": "night"}))
    write(Change("named_patterns", kept, "delete", {}, {"dataset_id": dataset, "name": "night images"}))
    assert told(registry, "") == [
        "deleted kept pattern night images of vision/roads",
        "deleted workspace night of vision/roads",
        "saved workspace w v1: for Monday",  # what it was called went with it
        "created workspace night of vision/roads",
        "decided to keep after drift of vision/roads v2: winter",
        "decided to retrain vision/signs v3 after drift of vision/roads v2: winter",
        "looked at drift of vision/roads v1 to vision/roads v2: retrain",
        "changed description of dataset vision/roads to Images.",
        "kept pattern night images of vision/roads: light = 'night'",
        "searched for failure patterns on vision/roads v1: none found",
        "searched for failure patterns of vision/signs v3 on vision/roads v2: 2 confirmed, 1 too small",
        "logged predictions of by hand on vision/roads v1 (500 samples)",
        "logged predictions of vision/signs v3 on vision/roads v2 (500 samples)",
        "registered vision/signs v3",
        "created model vision/signs",
        "created dataset version vision/roads v2 (1,200 samples)",
        "created dataset version vision/roads v1 (500 samples): first export",
        "created dataset vision/roads",
    ]
    assert len(told(registry)) == 18 + 5  # with patterns, measures, and what was written to a decision


def test_a_search_finds_changes_by_the_name_of_their_dataset(registry: Registry) -> None:
    roads = registry.dataset_version(registry.dataset("roads"), 1)
    registry.pattern_search(roads, registry.predictions(roads, name="by hand"))
    registry.dataset_version(registry.dataset("people"), 1)
    events = new_list()
    for words, count in {"ROADS": 4, "vision/people": 2, "hand roads": 1}.items():
        events.bar.search = words
        assert events.ask(registry.store.reader).shown == count


def test_what_happened_to_runs_is_told_in_words(project: Project, registry: Registry) -> None:
    run = project.run("train", status="running")
    project.param(run, "lr", 0.1)
    write = registry.store.write
    write(Change("tags", "t", "set", {"owner_kind": "run", "owner_id": run, "key": "team", "value": "a"}))
    write(Change("tags", "t", "update", {"value": None}, {"value": "a"}))
    write(Change("checkpoints", "c", "create", {"checkpoint_id": "c", "run_id": run, "step": 10}))
    about = {"artifact_id": "a", "owner_kind": "run", "owner_id": run, "name": "model.pt", "size": 2_000_000}
    write(Change("artifacts", "a", "upload", about))
    write(Change("runs", run, "update", {"status": "finished", "duration_s": 62.0}, {"status": "running"}))
    write(Change("runs", run, "update", {"name": "trained"}, {"name": "train"}))
    write(Change("runs", run, "update", {"starred": True}, {"starred": False}))
    write(Change("runs", run, "update", {"archived": False}, {"archived": True}))
    assert told(registry) == [
        "took from the archive run trained",
        "starred run trained",
        "changed name of run trained to trained (was train)",
        "run trained finished after 1 min 2 s",
        "kept artifact model.pt of run trained (2.0 MB)",
        "kept checkpoint of step 10 of run trained",
        "took tag team of run trained away (was a)",
        "set tag team of run trained to a",
        "set param lr of run trained to 0.1",
        "started run train",
    ]


def test_an_object_that_was_deleted_keeps_its_name(project: Project, registry: Registry) -> None:
    run = project.run("train")
    model = registry.model("digits")
    registry.store.write(Change("runs", run, "delete", {}), Change("models", model, "delete", {}))
    assert sorted(told(registry)[:2]) == ["deleted model vision/digits", "deleted run train"]


def test_a_change_that_is_not_what_we_write_is_told_all_the_same(registry: Registry) -> None:
    for after in ({"name": ["x"], "text": {}}, {"owner_kind": 3, "owner_id": []}, {"reason": {}}):
        for kind in ("artifacts", "runs", "notes", "model_versions", "policy_results", "tags"):
            registry.store.write(Change(kind, "odd", "create", after))
    registry.store.write(Change("snapshots", "odd", "a new action", {}))
    assert len(told(registry)) == 19


def test_what_comes_in_numbers_is_left_out_until_it_is_asked_for(project: Project, registry: Registry) -> None:
    run = project.run("train")
    for key in "abc":
        project.param(run, key, 1)
    events = new_list()
    assert [row["what"].split()[-2:] for row in events.ask(registry.store.reader).rows] == [["run", "train"]]
    events.bar.filter = CHANGE
    page = events.ask(registry.store.reader)
    assert page.choices == ["everything", "params", "runs"]
    events.bar.choice = "params"
    assert events.ask(registry.store.reader).shown == 3
    events.bar.choice = "everything"
    assert events.ask(registry.store.reader).shown == 4
    events.bar.filter = EVENT
    assert events.bar.choice == ""


def test_events_are_filtered_by_their_source(registry: Registry) -> None:
    registry.event("deployed", source="airflow")
    registry.event("request", source="inference")
    registry.event("nobody")
    events = new_list(EVENT)
    assert events.ask(registry.store.reader).choices == ["airflow", "inference"]
    events.bar.choice = "inference"
    assert [row["what"] for row in events.ask(registry.store.reader).rows] == ["request"]


def test_a_search_finds_changes_by_the_name_of_their_object(project: Project, registry: Registry) -> None:
    run = project.run("baseline")
    registry.store.write(Change("runs", run, "update", {"starred": True}))
    model = registry.model("digits")
    registry.version(model, 1)
    registry.alias(model, "champion", 1)
    registry.event("deployed", source="airflow", metadata={"model": "digits"})
    events = new_list()
    for words, count in {"baseline": 2, "digits": 4, "champion digits": 1, "airflow": 1, "no such": 0}.items():
        events.bar.search = words
        page = events.ask(registry.store.reader)
        assert (page.shown, len(page.rows), page.total) == (count, count, 6)


def test_an_opened_change_tells_its_fields_before_and_after(registry: Registry) -> None:
    model = registry.model("digits")
    registry.alias(model, "champion", 5, was=3)
    detail = EventDetail(lambda *_: None)
    events = new_list(CHANGE)
    detail.draw(detail.ask(registry.store.reader, events.ask(registry.store.reader).rows[0]["id"]))
    content = detail.head.content
    assert content["title"]["text"].endswith("set alias champion of vision/digits to v5 (was v3)")
    assert content["changes"][0] == ["version", "3", "5"]
    fields = [name for name, *_ in content["changes"]]
    assert ("alias_id" in fields, "alias" in fields) == (False, True)
    created = {name: after for name, _, after in content["changes"]}["created_at"]
    assert created[:2] == "20"  # a moment, and no microseconds
    facts = dict(content["facts"])
    assert (facts["action"], facts["namespace"]) == ("set", "vision")
    assert facts["by"] == registry.store.journal.actor


def test_an_opened_event_tells_its_metadata_and_leads_to_its_run(project: Project, registry: Registry) -> None:
    run = project.run("train")
    registry.span(
        "epoch", now() - timedelta(minutes=5), 62.0, owner_kind="run", owner_id=run, run_id=run, metadata={"epoch": 1}
    )
    acts: list[tuple[str, str]] = []
    detail = EventDetail(lambda *act: acts.append(act))
    [row] = rows(registry, EVENT)
    detail.draw(detail.ask(registry.store.reader, row["id"]))
    facts = dict(detail.head.content["facts"])
    assert (facts["took"], facts["of"]) == ("1 min 2 s", "run train")
    assert detail.head.content["metadata"] == [["epoch", "1"]]
    detail.head._handle_custom_msg({"action": "show-run", "of": row["id"]}, [])
    assert acts == [("show-run", run)]
    detail.draw(detail.ask(registry.store.reader, "change:no.1"))
    assert detail.head.content == {}


def test_of_ten_thousand_events_a_page_is_brought_and_the_last_page_holds_the_first(registry: Registry) -> None:
    began = now() - timedelta(days=1)
    for first in range(0, 10_000, 1000):
        made = [
            registry.change_of_event(f"n{first + n}", wallclock=began + timedelta(seconds=first + n))
            for n in range(1000)
        ]
        registry.store.write(*made)
    events = new_list()
    events.table.page_size = 30
    events.draw(events.ask(registry.store.reader))
    assert (events.table.total, events.bar.total, len(events.table.rows)) == (10_000, 10_000, 30)
    assert events.table.rows[0]["what"] == "n9999"
    events.table.page = 9_999
    events.draw(events.ask(registry.store.reader))
    assert (events.table.rows[-1]["what"], events.table.page) == ("n0", 333)


def test_pages_hold_each_entry_once(project: Project, registry: Registry) -> None:
    at = now()
    for number in range(40):
        registry.event(f"e{number}", wallclock=at)
        project.run(f"r{number}")
    read = registry.store.reader
    found = [each["id"] for page in range(8) for each in feeds.list_feed(read, Wanted(), limit=10, offset=10 * page)]
    assert len(set(found)) == len(found) == 80


def test_hostile_text_of_events_has_no_controls(registry: Registry) -> None:
    hostile = "<b>x</b>\x1b[31m\u202ey"
    registry.event(hostile, source=hostile, metadata={hostile: hostile})
    detail = EventDetail(lambda *_: None)
    [row] = rows(registry, EVENT)
    detail.draw(detail.ask(registry.store.reader, row["id"]))
    assert row["what"] == "<b>x</b>[31my"
    shown = f"{row} {detail.head.content}"
    assert "\\x1b" not in shown
    assert "\\u202e" not in shown


def test_where_only_changes_are_the_word_for_events_says_how_to_write_one(registry: Registry) -> None:
    registry.model("digits")
    events = new_list(EVENT)
    events.draw(events.ask(registry.store.reader))
    assert "rx.log_event(" in events.table.empty
    events.bar.search = "nothing"
    events.draw(events.ask(registry.store.reader))
    assert events.table.empty == "Nothing matches."


WORK = """
from pathlib import Path
import renex_jupyter as rx

with rx.start_run("train") as run:
    with rx.event("epoch", source="trainer", metadata={"epoch": 1}):
        Path("model.pt").write_bytes(b"weights")
    rx.register_model("digits", path="model.pt", run=run, metrics={"accuracy": 0.9})
rx.set_policy("digits", "label", "best", alias="champion", metric="accuracy", margin=0.002)
rx.register_model("digits", path="model.pt", metrics={"accuracy": 0.95})
rx.set_alias("digits", "staging", 1)
rx.set_alias("digits", "staging", 2)
rx.retire_version("digits:1", "leaked labels")
rx.log_event("deployed", source="airflow", on="digits:2")
"""


def test_what_the_public_functions_write_is_listed_and_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'p'\n")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RENEX")}
    subprocess.run([sys.executable, "-c", WORK], cwd=tmp_path, env=environment, check=True, capture_output=True)
    store = Store(tmp_path / ".renex")
    actor = f"{store.journal.actor} "
    found = [row["what"].removeprefix(actor) for row in new_list().ask(store.reader).rows]
    assert found[0] == "deployed"
    assert {
        "epoch",
        "started run train",
        "created model default/digits",
        "registered default/digits v2",
        "set alias staging of default/digits to v2 (was v1)",
        "set alias champion of default/digits to v2",
        "created policy best of default/digits",
        "retired default/digits v1: leaked labels",
    } <= set(found)
    assert any(each.startswith("default/digits: v2 promoted to champion") for each in found)
    [model] = ModelsList(lambda: None).ask(store.reader).rows
    assert [each[0] for each in model["chips"]] == ["champion v2", "staging v2", "2 versions"]
    assert (model["metric0"], model["verdict"]["state"]) == ("0.95", "met")
