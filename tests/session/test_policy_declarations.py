"""Policies are declared, replaced, switched off and taken away."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from policed import ASKED, LABEL, champion, registered, said

import renex_jupyter as rx
from renex_jupyter import RenexError
from renex_jupyter.session import policies


@pytest.fixture
def digits(project: Path) -> Any:
    (project / "model.bin").write_bytes(b"weights")
    return rx.create_model("digits")


def test_a_policy_of_the_same_name_is_replaced_and_the_change_says_what_was(digits: Any) -> None:
    first = rx.set_policy("digits", "label", **LABEL)
    again = rx.set_policy("digits", "label", **LABEL)
    assert again == first
    other = rx.set_policy("digits", "label", **{**LABEL, "margin": 0.1})
    assert (other.policy_id, other.rule["margin"]) == (first.policy_id, 0.1)
    assert len(rx.list_policies("digits")) == 1
    changes = rx.sql("select action, before, after from change_events where object_kind = 'policies' order by seq")
    assert list(changes["action"]) == ["create", "update"]
    assert json.loads(changes["before"][1])["rule"]["margin"] == 0.002
    assert json.loads(changes["after"][1])["rule"]["margin"] == 0.1


def test_a_policy_is_switched_off_and_on_and_taken_away_and_declared_again(digits: Any) -> None:
    rx.set_policy("digits", "label", **LABEL)
    assert not rx.disable_policy("digits", ASKED).enabled
    registered(0.9)
    assert champion() is None and said() == []
    assert list(rx.list_policies("digits")["enabled"]) == [False]
    assert len(rx.evaluate_policies("digits")) == 0
    assert rx.enable_policy("digits", ASKED).enabled
    registered(0.95)
    assert champion() == 2
    rx.delete_policy("digits", ASKED)
    assert len(rx.list_policies()) == 0
    registered(0.99)
    assert champion() == 2
    assert said()
    rx.set_policy("digits", "label", **LABEL)
    registered(0.995)
    assert champion() == 4


def test_two_policies_cannot_set_one_alias(digits: Any) -> None:
    rx.set_policy("digits", "label", **LABEL)
    other = {"alias": "champion", "metric": "f1"}
    with pytest.raises(RenexError, match="to and fro") as refused:
        rx.set_policy("digits", "label", **other)
    assert refused.value.code == "conflict"
    rx.disable_policy("digits", ASKED)
    rx.set_policy("digits", "label", **other)
    with pytest.raises(RenexError, match="to and fro"):
        rx.enable_policy("digits", ASKED)


@pytest.mark.parametrize(
    ("arguments", "rule", "code", "text"),
    [
        (("digits", "label"), {"alias": "champion", "metrc": "accuracy"}, "invalid_argument", "did you mean 'metric'"),
        (("digits", "labels"), LABEL, "invalid_argument", "did you mean 'label'"),
        (("digit", "label"), LABEL, "not_found", "did you mean 'default/digits'"),
        (("digits", "label", " "), LABEL, "invalid_argument", "blank"),
        (("digits", {"metric": "a"}), {}, "invalid_argument", "without a kind"),
        (("digits", "label"), {**LABEL, "where": "1; drop table x"}, "invalid_argument", "drop"),
        ((5, "label"), LABEL, "invalid_argument", "5"),
    ],
)
def test_what_is_no_policy_is_refused_and_nothing_is_written(
    project: Path, digits: Any, arguments: Any, rule: Any, code: str, text: str
) -> None:
    with pytest.raises(RenexError, match=re.escape(text)) as refused:
        rx.set_policy(*arguments, **rule)
    assert refused.value.code == code
    assert len(rx.list_policies()) == 0


def test_a_policy_that_is_not_there_is_told_with_the_nearest_name(digits: Any) -> None:
    rx.set_policy("digits", "label", **LABEL)
    for ask in (rx.get_policy, rx.enable_policy, rx.disable_policy, rx.delete_policy, rx.policy_history):
        with pytest.raises(RenexError, match=ASKED) as refused:
            ask("digits", "champion by accuracy on tests")
        assert refused.value.code == "not_found"
    with pytest.raises(RenexError) as refused:
        rx.evaluate_policies("digits", 5)
    assert refused.value.code == "not_found"


def test_a_mapping_is_a_whole_rule(digits: Any) -> None:
    made = rx.set_policy("digits", {"kind": "label", "name": "best", **LABEL})
    assert (made.name, made.kind, made.rule) == ("best", "label", LABEL)
    assert rx.get_policy("digits", "best") == made
    assert rx.set_policy(model="digits", kind="label", name="best", **LABEL) == made


def test_policies_of_a_toml_file_are_declared_all_or_none(project: Path, digits: Any) -> None:
    file = project / "policies.toml"
    file.write_text("""
        [[policy]]
        model = "digits"
        kind = "label"
        alias = "champion"
        metric = "accuracy"
        dataset = "test"
        margin = 0.002
        where = '"latency_ms" < 20'

        [[policy]]
        kind = "evaluate"
        name = "always"
        datasets = ["test", "val"]
    """)
    with pytest.raises(RenexError, match=r"policy 2 of policies\.toml: it names no model"):
        rx.set_policies("policies.toml")
    assert len(rx.list_policies()) == 0
    made = rx.set_policies("digits", file)
    assert [(each.name, each.kind) for each in made] == [(ASKED, "label"), ("always", "evaluate")]
    assert made[0].rule["where"] == '"latency_ms" < 20'
    file.write_text(
        '[[policy]]\nmodel = "digits"\nkind = "label"\nalias = "c"\nmetric = "a"\n'
        '[[policy]]\nmodel = "digits"\nkind = "retain"\nkeep_lst = 3\n'
    )
    with pytest.raises(RenexError, match="did you mean 'keep_last'"):
        rx.set_policies(file)
    assert len(rx.list_policies()) == 2


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("x = ", "no TOML"),
        ("", "no [[policy]]"),
        ("[policy]\nkind = 'label'", "no [[policy]]"),
        ("policy = [1]", "no [[policy]]"),
        ("[[polcy]]\nkind = 'label'", "'polcy' at its top"),
        ("\udcff", "no TOML"),
    ],
)
def test_a_file_that_declares_no_policies_is_refused(project: Path, digits: Any, content: str, text: str) -> None:
    (project / "p.toml").write_text(content, errors="surrogateescape")
    with pytest.raises(RenexError, match=re.escape(text)) as refused:
        rx.set_policies("p.toml")
    assert refused.value.code == "invalid_argument"
    with pytest.raises(RenexError) as refused:
        rx.set_policies("missing.toml")
    assert refused.value.code == "not_found"


def test_policies_of_a_deleted_model_are_asked_no_more(digits: Any) -> None:
    rx.set_policy("digits", "label", **LABEL)
    rx.delete_model("digits")
    rx.register_model("digits", path="model.bin")
    assert len(rx.list_policies()) == 0


def test_what_a_deleted_policy_said_still_bears_its_name(digits: Any) -> None:
    rx.set_policy("digits", "label", **LABEL)
    registered(0.9)
    name = rx.list_policies("digits")["name"][0]
    rx.delete_policy("digits", name)
    assert set(rx.policy_history("digits")["policy"]) == {name}
    assert set(rx.sql("select kind from policy_results")["kind"]) == {"label"}


def test_a_policy_is_not_declared_for_a_model_that_is_deleted_meanwhile(
    digits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = policies.alone

    def after_a_deletion(*given: Any, **named: Any) -> Any:
        monkeypatch.setattr(policies, "alone", alone)
        rx.delete_model("digits")
        return alone(*given, **named)

    monkeypatch.setattr(policies, "alone", after_a_deletion)
    with pytest.raises(RenexError, match="no model"):
        rx.set_policy("digits", "label", **LABEL)
    assert rx.sql("select count(*) as n from inside.policies")["n"][0] == 0
