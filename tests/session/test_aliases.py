"""Aliases and labels of a model: each names one version, and moves by one record."""

import json
from pathlib import Path

import pytest

import renex_jupyter as rx


def refused(code: str, do: object, *given: object, **named: object) -> rx.RenexError:
    with pytest.raises(rx.RenexError) as refusal:
        do(*given, **named)  # type: ignore[operator]
    assert refusal.value.code == code, refusal.value
    return refusal.value


@pytest.fixture
def digits(project: Path) -> str:
    """A model with three versions."""
    (project / "w").write_text("w")
    for _ in range(3):
        rx.register_model("digits", path="w")
    return "digits"


def moves(kind: str = "aliases") -> list[tuple[object, ...]]:
    query = """
        select action, before->>'version' as was, after->>'version' as version, after->>'reason' as reason
        from change_events where object_kind = ? order by "at", seq"""
    rows = rx.sql(query, [kind]).astype(object)
    return list(rows.where(rows.notna(), None).itertuples(index=False, name=None))


def test_an_alias_moves_by_one_record_that_says_before_and_after(digits: str) -> None:
    assert rx.set_alias(digits, "champion", 1, reason="first").aliases == ("champion",)
    assert rx.set_alias(digits, "champion", "v3").version == 3
    rx.delete_alias(digits, "champion", reason="broken")
    rx.set_alias(digits, "champion", "digits:2")
    assert moves() == [
        ("set", None, "1", "first"),
        ("set", "1", "3", None),
        ("remove", "3", None, "broken"),
        ("set", None, "2", None),
    ]
    assert rx.get_model(digits).aliases == {"champion": 2}
    assert rx.get_model_version("digits:3").aliases == ()
    row = rx.sql("select model, alias, version, set_by from aliases").iloc[0]
    assert (row.model, row.alias, row.version) == ("digits", "champion", 2) and row.set_by


def test_an_alias_that_is_set_to_what_it_names_writes_nothing(digits: str) -> None:
    rx.set_alias(digits, "champion", 1)
    rx.set_alias(digits, "champion", 1)
    assert len(moves()) == 1


def test_a_version_is_meant_by_number_reference_record_id_or_another_alias(digits: str) -> None:
    record = rx.get_model_version("digits:2")
    rx.set_alias(digits, "champion", 2)
    words = [2, "2", "v2", "V2", ":2", "@champion", "digits:2", "default/digits@champion", record,
             record.model_version_id]  # fmt: skip
    for place, word in enumerate(words):
        assert rx.set_alias(digits, f"word {place}", word).version == 2, word
    assert rx.set_alias(rx.get_model(digits), "newest", "@latest").version == 3
    for word in (True, None, 2.0, "", [2]):
        refused("invalid_argument", rx.set_alias, digits, "champion", word)
    refused("not_found", rx.set_alias, digits, "champion", 9)
    refused("not_found", rx.set_alias, digits, "champion", -1)


def test_a_version_of_another_model_gets_no_alias(digits: str, project: Path) -> None:
    rx.register_model("letters", path="w")
    error = refused("invalid_argument", rx.set_alias, digits, "champion", "letters:1")
    assert "default/letters:1" in error.message


@pytest.mark.parametrize("word", ["latest", "Latest", "3", "v3", "", " ", "a:b", "a/b", "a@b", "x" * 501, 3, "a\n"])
def test_latest_and_what_could_not_be_referred_to_is_no_alias(digits: str, word: object) -> None:
    assert refused("invalid_argument", rx.set_alias, digits, word, 1).hint
    assert rx.get_model(digits).aliases == {}


def test_latest_is_always_the_newest_version_that_is_not_retired(digits: str) -> None:
    assert rx.get_model_version("digits@latest").version == 3
    rx.retire_version("digits:3", "bad")
    assert rx.get_model_version("digits@latest").version == rx.get_model_version("digits").version == 2
    rx.retire_version("digits:2", "bad")
    rx.retire_version("digits:1", "bad")
    assert "none of its 3 versions is active" in refused("not_found", rx.get_model_version, "digits").message


def test_a_retired_version_gets_an_alias_by_force_only_which_is_recorded(digits: str) -> None:
    rx.retire_version("digits:1", "bad")
    assert "force=True" in refused("conflict", rx.set_alias, digits, "champion", 1).hint
    rx.set_alias(digits, "champion", 1, reason="nothing else runs", force=True)
    assert moves()[-1] == ("set", None, "1", "forced: nothing else runs")


def test_what_a_policy_requires_is_asked_before_an_alias_is_set(digits: str) -> None:
    rx.set_alias(digits, "champion", 1)
    rx.set_policy(digits, "require", alias="champion", where="accuracy > 0.9")
    refused("policy_failed", rx.set_alias, digits, "champion", 2)
    refused("policy_failed", rx.replace_version, "digits:1", 2, "newer")
    assert rx.get_model(digits).aliases == {"champion": 1} and rx.get_model_version("digits:1").status == "active"
    rx.set_alias(digits, "other", 2)
    rx.log_metric("accuracy", 0.95, on="digits:2")
    rx.set_alias(digits, "champion", 2)
    rx.set_alias(digits, "champion", 3, force=True)
    assert rx.get_model(digits).aliases == {"champion": 3, "other": 2}


def test_an_alias_that_is_not_there_is_told_with_the_nearest(digits: str) -> None:
    rx.set_alias(digits, "champion", 1)
    assert "did you mean 'champion'" in refused("not_found", rx.delete_alias, digits, "champoin").hint
    rx.delete_alias(digits, "champion")
    refused("not_found", rx.delete_alias, digits, "champion")
    refused("not_found", rx.get_model_version, "digits@champion")
    refused("not_found", rx.set_alias, "nothing", "champion", 1)


def test_a_reason_is_kept_without_secrets(digits: str, project: Path) -> None:
    rx.set_alias(digits, "champion", 1, reason="see https://ada:hunter2@host/")
    assert "hunter2" not in str(moves()) and "ada" in str(moves())
    refused("invalid_argument", rx.set_alias, digits, "champion", 2, reason=3)


def test_labels_are_unique_per_model_and_a_line_tells_which_version_loses_one(digits: str) -> None:
    assert rx.set_label(digits, "quantised", 1).labels == ("quantised",)
    with pytest.warns(UserWarning, match=r"label 'quantised' of model 'digits' is now that of v2; it was that of v1\."):
        rx.set_label(digits, "quantised", "digits:2")
    with pytest.warns(UserWarning, match="now that of v4; it was that of v2"):
        made = rx.register_model(digits, path="w", labels=["quantised", "small", "small"])
    assert made.labels == ("quantised", "small")
    assert rx.get_model_version("digits:1").labels == rx.get_model_version("digits:2").labels == ()
    rx.delete_label(digits, "small")
    assert rx.get_model_version("digits:4").labels == ("quantised",)
    refused("not_found", rx.delete_label, digits, "small")
    refused("invalid_argument", rx.set_label, digits, "a@b", 1)
    assert [each[:3] for each in moves("labels")][:2] == [("set", None, "1"), ("set", "1", "2")]


def test_two_models_may_have_the_same_alias_and_label(digits: str) -> None:
    rx.register_model("letters", path="w", labels=["small"])
    rx.set_label(digits, "small", 1)
    rx.set_alias(digits, "champion", 1)
    rx.set_alias("letters", "champion", 1)
    assert rx.get_model_version("letters@champion").labels == ("small",)


def test_who_moved_what_when_can_be_read_with_sql(digits: str) -> None:
    rx.set_alias(digits, "champion", 1)
    rx.set_alias(digits, "champion", 2, reason="better")
    model_id = rx.get_model(digits).model_id
    query = """
        select actor, "at", before, after from change_events
        where object_kind = 'aliases' and object_id = ? order by "at" desc limit 1"""
    row = rx.sql(query, [f"{model_id}/champion"]).iloc[0]
    assert row.actor and row["at"] and json.loads(row.before)["version"] == 1 and json.loads(row.after)["version"] == 2
