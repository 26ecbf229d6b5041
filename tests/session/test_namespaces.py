"""Namespaces: created on first use, described, renamed with all that is in them, archived, deleted when empty."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from another import Another

import renex_jupyter as rx
from renex_jupyter.capture.secrets import REDACTED
from renex_jupyter.errors import RenexError
from renex_jupyter.session import current as sessions


def run(name: str, experiment: str = "digits", namespace: str = "vision") -> str:
    rx.set_experiment(experiment, namespace=namespace)
    with rx.start_run(name) as made:
        rx.log_metric("loss", 1.0)
    return made.run_id


def names(**given: Any) -> list[str]:
    return list(rx.list_namespaces(**given)["name"])


def test_namespaces_are_automatically_created_when_a_new_experiment_specifies_the_namespace(project: Path) -> None:
    run("train", namespace="vision/cats")
    assert names() == ["vision/cats"]
    found = rx.get_namespace("vision/cats")
    assert (found.experiments, found.runs, found.models) == (1, 1, 0)


def test_a_namespace_is_what_was_said_of_it(project: Path) -> None:
    made = rx.create_namespace("vision", description="<b>eyes</b>", owner="ada", metadata={"team": 3, "api_key": "a1"})
    assert rx.get_namespace("vision") == made == rx.create_namespace("vision", owner="ada")
    assert made.metadata == {"team": 3, "api_key": REDACTED}
    assert "&lt;b&gt;eyes&lt;/b&gt;" in made._repr_html_() and "<b>eyes" not in made._repr_html_()
    changed = rx.update_namespace("vision", description="", metadata={"team": 4})
    assert (changed.description, changed.owner, changed.metadata) == (None, "ada", {"team": 4})
    with pytest.raises(
        RenexError, match="conflict: namespace 'vision' is there already; its owner is 'ada', not 'bob'"
    ):
        rx.create_namespace("vision", owner="bob")


def test_a_renamed_namespace_takes_all_along_that_is_in_it(project: Path) -> None:
    inside = run("train")
    rx.create_model("reader", namespace="vision")
    rx.snapshot("by hand")
    rx.update_namespace("vision", new_name="sight")
    assert names() == ["sight"]
    assert rx.get_run(inside).namespace == "sight"
    assert (rx.get_experiment("sight/digits").runs, rx.get_namespace("sight").models) == (1, 1)
    for table in ("runs", "experiments", "models", "snapshots"):
        assert set(rx.sql(f"select namespace from {table}")["namespace"]) == {"sight"}, table
    again = run("later", namespace="vision")  # the name is free again, and means another one
    assert (rx.get_run(again).namespace, names()) == ("vision", ["sight", "vision"])


def test_a_process_that_logs_into_a_renamed_namespace_goes_on_in_it(project: Path) -> None:
    with Another(project) as other:
        other.does(
            "rx.set_experiment('digits', namespace='vision'); run = rx.start_run('first'); rx.log_metric('a', 1)"
        )
        rx.update_namespace("vision", new_name="sight")
        other.does("rx.log_metric('a', 2); rx.end_run()\nwith rx.start_run('second'): pass")
        other.does("rx.set_experiment('others')\nwith rx.start_run('third'): pass")
    found = rx.search_runs(order_by="started_at")
    assert list(found["name"]) == ["first", "second", "third"]
    assert set(found["namespace"]) == {"sight"} and names() == ["sight"]
    assert list(rx.sql("select value from metrics order by step")["value"]) == [1.0, 2.0]


def test_a_name_that_another_one_has_is_a_conflict(project: Path) -> None:
    rx.create_namespace("a")
    rx.create_namespace("b")
    with pytest.raises(RenexError, match="conflict: there is a namespace 'b' already"):
        rx.update_namespace("a", new_name="b")
    assert names() == ["a", "b"]
    assert rx.update_namespace("a", new_name="a").name == "a"


def test_an_archived_namespace_is_in_no_list_but_can_be_had(project: Path) -> None:
    run("train")
    rx.update_namespace("vision", archived=True)
    assert names() == [] and names(archived=True) == ["vision"]
    assert len(rx.list_experiments()) == 0 and len(rx.list_experiments("vision")) == 1
    assert rx.get_namespace("vision").archived
    assert not rx.update_namespace("vision", archived=False).archived and names() == ["vision"]


def test_only_an_empty_namespace_is_deleted_and_its_name_can_be_used_again(project: Path) -> None:
    run("train")
    rx.add_note("soon empty", on="namespace:vision")
    with pytest.raises(RenexError, match="conflict: namespace 'vision' holds 1 experiment, 1 run, 2 snapshots"):
        rx.delete_namespace("vision")
    rx.delete_experiment("vision/digits", runs=True)
    assert rx.delete_namespace("vision").name == "vision"
    assert names() == [] and len(rx.sql("from notes")) == 0
    with pytest.raises(RenexError, match="not_found: no namespace 'vision'"):
        rx.get_namespace("vision")
    run("again")
    assert rx.get_namespace("vision").runs == 1


def test_processes_that_use_a_name_first_at_once_end_with_one(project: Path) -> None:
    rx.create_namespace("gone")
    rx.delete_namespace("gone")  # its usual id is used up: every process would take a new one
    with Another(project) as one, Another(project) as two:
        for each in (one, two):
            each.does("from renex_jupyter.session.current import current; current().begin(); current().store.reader")
        for place in range(8):
            for each in (one, two):
                each.begin(f"current().ensure_experiment('gone', 'e{place}'); rx.create_namespace('n{place}')")
            for each in (one, two):
                each.ended()
    assert names() == ["gone", *(f"n{place}" for place in range(8))]
    assert sorted(rx.list_experiments()["name"]) == [f"e{place}" for place in range(8)]


@pytest.mark.parametrize(
    ("action", "code"),
    [
        (lambda: rx.create_namespace(""), "invalid_argument"),
        (lambda: rx.create_namespace(7), "invalid_argument"),  # type: ignore[arg-type]
        (lambda: rx.create_namespace("x" * 501), "invalid_argument"),
        (lambda: rx.create_namespace("x", metadata=[1]), "invalid_argument"),  # type: ignore[arg-type]
        (lambda: rx.create_namespace("x", metadata={"a": object()}), "unsupported_value"),
        (lambda: rx.create_namespace("x", description=3), "invalid_argument"),  # type: ignore[arg-type]
        (lambda: rx.update_namespace("vision"), "invalid_argument"),
        (lambda: rx.update_namespace("vision", archived="yes"), "invalid_argument"),  # type: ignore[arg-type]
        (lambda: rx.update_namespace("visoin", owner="ada"), "not_found"),
        (lambda: rx.get_namespace(None), "invalid_argument"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_is_refused_with_a_hint(project: Path, action: Any, code: str) -> None:
    rx.create_namespace("vision")
    with pytest.raises(RenexError) as caught:
        action()
    assert (caught.value.code, bool(caught.value.hint)) == (code, True)
    assert names() == ["vision"]


def test_looking_before_anything_is_recorded_creates_nothing(project: Path) -> None:
    for look in (rx.list_namespaces, rx.list_experiments, lambda: rx.get_experiment("x")):
        with pytest.raises(RenexError, match="nothing is recorded yet"):
            look()
    assert not sessions.current().store.exists
