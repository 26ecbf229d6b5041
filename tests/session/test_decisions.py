"""Decisions about versions: who, when, why."""

from pathlib import Path

import pytest

import renex_jupyter as rx
from renex_jupyter.records.changes import Change
from renex_jupyter.session import current as sessions


def refused(code: str, do: object, *given: object, **named: object) -> rx.RenexError:
    with pytest.raises(rx.RenexError) as refusal:
        do(*given, **named)  # type: ignore[operator]
    assert refusal.value.code == code, refusal.value
    return refusal.value


@pytest.fixture
def digits(project: Path) -> str:
    """A model with three versions, of which the first is the champion."""
    (project / "w").write_text("w")
    for _ in range(3):
        rx.register_model("digits", path="w")
    rx.set_alias("digits", "champion", 1)
    rx.set_alias("digits", "production", 1)
    return "digits"


def test_a_version_is_retired_with_a_reason_that_says_who_and_when(digits: str) -> None:
    decision = rx.retire_version("digits:2", "  leaks the test set ")
    assert (decision.decision, decision.reason, decision.reference) == (
        "retire", "leaks the test set", "default/digits:2")  # fmt: skip
    assert decision.author and decision.created_at and "retired" in str(decision)
    kept = rx.get_model_version("digits:2")
    assert kept.status == "retired" and kept.decisions == (decision,)
    assert "leaks the test set" in str(kept) and "(retired)" in kept.title
    row = rx.sql("select model, version, decision, reason, author from decisions").iloc[0]
    assert list(row)[:4] == ["digits", 2, "retire", "leaks the test set"] and row.author == decision.author


def test_a_version_that_an_alias_names_is_retired_by_force_only_and_loses_it(digits: str) -> None:
    error = refused("conflict", rx.retire_version, "digits:1", "bad")
    assert "'champion' and 'production'" in error.message and "replace_version" in error.hint
    assert rx.get_model_version("digits:1").status == "active"
    rx.retire_version("digits@champion", "bad", force=True)
    assert rx.get_model(digits).aliases == {}
    refused("not_found", rx.load_model, "digits@champion")


def test_a_version_is_replaced_by_another_which_gets_all_its_aliases_at_once(digits: str) -> None:
    decision = rx.replace_version("digits@champion", 3, "better on the test set")
    assert (decision.reference, decision.successor) == ("default/digits:1", "default/digits:3")
    assert "replaced by default/digits:3" in str(decision)
    assert rx.get_model(digits).aliases == {"champion": 3, "production": 3}
    old, new = rx.get_model_version("digits:1"), rx.get_model_version("digits:3")
    assert old.status == "retired" and old.decisions == (decision,)
    assert decision.replaced_by == new.model_version_id and new.status == "active"
    written = rx.sql(
        """select writer, seq from change_events where object_kind in ('aliases', 'decisions')
        or (object_kind = 'model_versions' and action = 'update') order by seq desc limit 4"""
    )
    assert list(written.seq) == list(range(written.seq[0], written.seq[0] - 4, -1))  # one write
    reason = rx.sql("select reason from aliases where alias = 'champion'").reason[0]
    assert reason == "v3 replaces v1: better on the test set"


def test_a_retired_version_is_restored_and_is_latest_again(digits: str) -> None:
    rx.retire_version("digits:3", "bad")
    assert rx.get_model_version("digits").version == 2
    rx.restore_version("digits:3", "was not that bad")
    assert rx.get_model_version("digits").version == 3
    assert [each.decision for each in rx.get_model_version("digits:3").decisions] == ["retire", "restore"]
    refused("conflict", rx.restore_version, "digits:3", "again")


def test_a_decision_needs_a_reason(digits: str) -> None:
    for reason in ("", "  ", None, 3):
        refused("invalid_argument", rx.retire_version, "digits:2", reason)
        refused("invalid_argument", rx.restore_version, "digits:2", reason)
        refused("invalid_argument", rx.replace_version, "digits:2", 3, reason)
    with pytest.raises(TypeError):
        rx.retire_version("digits:2")  # type: ignore[call-arg]
    assert rx.sql("from decisions").empty


def test_what_cannot_be_decided_changes_nothing(digits: str, project: Path) -> None:
    rx.register_model("letters", path="w")
    refused("invalid_argument", rx.replace_version, "digits:1", 1, "itself")
    refused("invalid_argument", rx.replace_version, "digits:1", "letters:1", "another model")
    refused("not_found", rx.replace_version, "digits:1", 9, "not there")
    refused("not_found", rx.retire_version, "digits:9", "not there")
    rx.retire_version("digits:2", "bad")
    refused("conflict", rx.replace_version, "digits:1", 2, "retired")
    error = refused("conflict", rx.retire_version, "digits:2", "again")
    assert "bad" in error.message
    assert rx.get_model(digits).aliases == {"champion": 1, "production": 1}
    assert len(rx.sql("from decisions")) == 1


def test_a_reason_is_kept_without_secrets(digits: str) -> None:
    decision = rx.retire_version("digits:2", "see https://ada:hunter2@host/")
    assert "hunter2" not in decision.reason and "ada" in decision.reason


def test_a_decision_is_shown_escaped(digits: str) -> None:
    assert "<b>" not in rx.retire_version("digits:2", "<b>bad</b>")._repr_html_()


def released(project: Path) -> str:
    """Register two versions of a model of which a policy lets the first go, and return its reference."""
    for content in ("one", "two"):
        (project / "w").write_text(content)
        rx.register_model("faces", path="w")
    rx.set_policy("faces", "retain", keep_last=1)
    rx.evaluate_policies("faces", dry_run=False)
    return "faces:1"


def test_a_version_whose_contents_a_policy_let_go_is_neither_retired_nor_restored(project: Path) -> None:
    ref = released(project)
    for do in (rx.retire_version, rx.restore_version):
        error = refused("conflict", do, ref, "no reason")
        assert "is released" in error.message and "register it anew" in error.hint
    error = refused("conflict", rx.set_alias, "faces", "champion", 1)
    assert "is released" in error.message and "Restore" not in error.hint
    found = rx.get_model_version(ref)
    assert found.status == "released" and found.decisions == ()


def test_a_released_version_that_is_replaced_stays_released(project: Path) -> None:
    ref = released(project)
    rx.set_alias("faces", "champion", 1, force=True, reason="to see")
    rx.replace_version(ref, 2, "it cannot be loaded")
    assert rx.get_model_version(ref).status == "released"
    assert rx.get_model("faces").aliases == {"champion": 2}


def test_a_retired_version_whose_contents_are_gone_is_not_restored(digits: str) -> None:
    rx.retire_version("digits:2", "slow")
    artifact_id = rx.get_model_version("digits:2").artifact_id
    session = sessions.current()
    session.begin()
    session.store.write(Change("artifacts", artifact_id, "delete", {}))
    error = refused("conflict", rx.restore_version, "digits:2", "fast enough")
    assert "are there no more" in error.message
    assert rx.get_model_version("digits:2").status == "retired"
