"""What a model asks of a version before an alias may name it."""

from pathlib import Path
from typing import Any

import pytest

import renex_jupyter as rx
from renex_jupyter import RenexError


@pytest.fixture
def digits(project: Path) -> Any:
    (project / "model.bin").write_bytes(b"weights")
    rx.register_model("digits", path="model.bin", metrics={"latency_ms": 25.0})
    return rx.get_model("digits")


def reasons() -> list[str]:
    return list(rx.policy_history("digits")["reason"])[::-1]


def aliases() -> dict[str, int]:
    return dict(rx.get_model("digits").aliases)


def test_require_blocks_an_alias_until_it_is_met(digits: Any) -> None:
    rx.set_policy("digits", "require", alias="champion", where="latency_ms < 20", description=True, labels=["audited"])
    with pytest.raises(RenexError) as refused:
        rx.set_alias("digits", "champion", 1, reason="looks good")
    assert refused.value.code == "policy_failed"
    assert refused.value.message == (
        "v1 of model 'default/digits' may not be 'champion': latency_ms 25, needs < 20, it has no description, "
        "it has no label 'audited' (policy 'required for champion')."
    )
    assert "force=True" in refused.value.hint
    assert aliases() == {}
    assert reasons()[-1].startswith("v1 may not be champion: latency_ms 25, needs < 20")
    rx.log_metric("latency_ms", 12.0, on="digits:1")
    rx.update_model_version("digits:1", description="the first")
    rx.set_label("digits", "audited", 1)
    rx.set_alias("digits", "champion", 1)
    assert aliases() == {"champion": 1}
    assert reasons()[-1] == "v1 may be champion: latency_ms 12 < 20, has a description, has the label 'audited'"


def test_require_waits_for_what_is_not_measured(digits: Any) -> None:
    rx.set_policy("digits", "require", alias=["champion", "challenger"], datasets=["test"], metrics=["accuracy"])
    for alias in ("champion", "challenger"):
        with pytest.raises(RenexError, match="accuracy is not measured on dataset 'test'"):
            rx.set_alias("digits", alias, 1)
    rx.log_metric("accuracy", 0.5, on="digits:1", dataset="test")
    rx.set_alias("digits", "champion", 1)


def test_require_blocks_only_its_own_alias_and_without_one_every_alias(digits: Any) -> None:
    rx.set_policy("digits", "require", alias="champion", where="latency_ms < 20")
    rx.set_alias("digits", "challenger", 1)
    rx.set_policy("digits", "require", "words", description=True)
    with pytest.raises(RenexError, match="it has no description"):
        rx.set_alias("digits", "shadow", 1)
    rx.disable_policy("digits", "words")
    rx.set_alias("digits", "shadow", 1)


def test_require_is_overridden_with_force_and_a_reason_which_is_recorded(digits: Any) -> None:
    rx.set_policy("digits", "require", alias="champion", where="latency_ms < 20")
    rx.set_alias("digits", "champion", 1, force=True, reason="hot fix")
    assert aliases() == {"champion": 1}
    assert "hot fix" in rx.sql("select reason from aliases")["reason"][0]


def test_require_blocks_the_label_policy_too(digits: Any) -> None:
    rx.set_policy("digits", "require", alias="champion", where="latency_ms < 20")
    rx.set_policy("digits", "label", alias="champion", metric="accuracy")
    made = rx.register_model("digits", path="model.bin", metrics={"accuracy": 0.9, "latency_ms": 30.0})
    assert aliases() == {}
    assert "v2 not promoted: latency_ms 30, needs < 20 (required)" in reasons()
    rx.log_metric("latency_ms", 10.0, on=made)
    assert aliases() == {"champion": 2}


def test_require_says_everything_that_several_policies_ask(digits: Any) -> None:
    rx.set_policy("digits", "require", "fast", where="latency_ms < 20")
    rx.set_policy("digits", "require", "told", description=True)
    with pytest.raises(RenexError, match=r"needs < 20 \(policy 'fast'\); it has no description \(policy 'told'\)"):
        rx.set_alias("digits", "champion", 1)
