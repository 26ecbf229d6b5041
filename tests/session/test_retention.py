"""Letting contents of versions go by a policy, and never those that are needed."""

import os
from pathlib import Path
from typing import Any

import pytest

import renex_jupyter as rx
from renex_jupyter import RenexError


@pytest.fixture
def digits(project: Path) -> Any:
    """A model with five versions, each with contents of its own."""
    for number, accuracy in enumerate([0.99, 0.5, 0.6, 0.7, 0.65], start=1):
        (project / "model.bin").write_bytes(f"weights {number}".encode() * 1000)
        rx.register_model("digits", path="model.bin", metrics={"accuracy": accuracy})
    return rx.get_model("digits")


def statuses() -> dict[int, str]:
    rows = rx.sql("select version, coalesce(status, 'active') as status from model_versions order by version")
    return dict(zip(rows["version"], rows["status"], strict=True))


def blobs(project: Path) -> list[Path]:
    return [each for each in (project / ".renex/blobs").rglob("*") if each.is_file()]


def free(project: Path) -> int:
    """Free what nothing names, as on another day, and return how many contents went."""
    before = blobs(project)
    for each in before:
        os.utime(each, (0, 0))
    rx.gc(dry_run=False)
    return len(before) - len(blobs(project))


def test_retain_shows_what_would_go_and_why_the_others_stay_and_then_releases_it(project: Path, digits: Any) -> None:
    rx.set_alias("digits", "champion", 3)
    rx.set_label("digits", "audited", 4)
    policy = rx.set_policy("digits", "retain", keep_last=1, keep_best=1, metric="accuracy")
    assert policy.name == "keep last 1 or best 1 by accuracy"
    found = {each.version: each.reason for each in rx.evaluate_policies("digits")}
    nothing = "it is neither labelled, named by an alias nor among the last 1 nor among the best 1 by accuracy"
    assert found == {
        1: "v1 stays: it is among the best 1 by accuracy",
        2: f"v2 can go: {nothing}",
        3: "v3 stays: it is champion",
        4: "v4 stays: it has the label audited",
        5: "v5 stays: it is the newest, it is among the last 1",
    }
    assert set(statuses().values()) == {"active"}
    done = rx.evaluate_policies("digits", dry_run=False)
    assert {each.version: each.reason for each in done if each.verdict == "unmet"} == {2: f"v2 released: {nothing}"}
    assert statuses() == {1: "active", 2: "released", 3: "active", 4: "active", 5: "active"}
    with pytest.raises(RenexError, match="released"):
        rx.load_model("digits:2")
    for version in (1, 3, 4, 5):
        assert rx.load_model(f"digits:{version}").exists()
    assert free(project) == 1
    for version in (1, 3, 4, 5):
        assert rx.load_model(f"digits:{version}", project / f"v{version}").exists()
    assert rx.fsck().ok


def test_retain_a_released_version_keeps_its_row_and_its_story(digits: Any) -> None:
    rx.set_policy("digits", "retain", keep_last=1)
    rx.evaluate_policies("digits", dry_run=False)
    assert statuses() == {1: "released", 2: "released", 3: "released", 4: "released", 5: "active"}
    version = rx.get_model_version("digits:2")
    assert (version.status, version.metrics["accuracy"]) == ("released", 0.5)
    assert rx.get_model_version("digits@latest").version == 5
    actions = rx.sql("select object_kind, action from change_events order by seq desc limit 60")
    assert ("artifacts", "delete") in set(actions.itertuples(index=False, name=None))
    assert [each.version for each in rx.evaluate_policies("digits")] == [5]
    with pytest.raises(RenexError):
        rx.set_alias("digits", "champion", 2)


def test_retain_releases_nothing_by_itself_when_versions_are_registered(project: Path, digits: Any) -> None:
    rx.set_policy("digits", "retain", keep_last=1)
    rx.register_model("digits", path="model.bin")
    assert set(statuses().values()) == {"active"}
    recorded = rx.policy_history("digits")
    assert len(recorded) == 6
    assert recorded[recorded["version"] == 5]["reason"].tolist() == [
        "v5 can go: it is neither labelled, named by an alias nor among the last 1"
    ]


def test_retain_of_one_version_releases_only_that(digits: Any) -> None:
    rx.set_policy("digits", "retain", keep_last=1)
    rx.evaluate_policies("digits", 2, dry_run=False)
    assert statuses() == {1: "active", 2: "released", 3: "active", 4: "active", 5: "active"}


def test_retain_always_keeps_the_newest_and_what_is_young(digits: Any) -> None:
    rx.set_policy("digits", "retain", younger_than="30d")
    assert {each.verdict for each in rx.evaluate_policies("digits")} == {"met"}
    rx.set_policy("digits", "retain", "keep younger than 30d", younger_than="0s")
    found = rx.evaluate_policies("digits", dry_run=False)
    assert [each.version for each in found if each.verdict == "met"] == [5]
    assert statuses()[5] == "active"


def test_retain_waits_for_what_is_not_measured_because_it_may_be_the_best(digits: Any) -> None:
    rx.set_policy("digits", "retain", keep_best=1, metric="accuracy", dataset="test")
    found = rx.evaluate_policies("digits", dry_run=False)
    assert {each.verdict for each in found} == {"met", "waiting"}
    assert set(statuses().values()) == {"active"}
    for number in (1, 2, 3, 4, 5):
        rx.log_metric("accuracy", number / 10, on=f"digits:{number}", dataset="test")
    rx.evaluate_policies("digits", dry_run=False)
    assert statuses() == {1: "released", 2: "released", 3: "released", 4: "released", 5: "active"}


def test_retain_contents_that_a_checkpoint_holds_stay_with_it(project: Path) -> None:
    (project / "model.bin").write_bytes(b"of a checkpoint")
    with rx.start_run("train"):
        kept = rx.log_checkpoint("model.bin", 1)
        first = rx.register_model("digits", checkpoint=kept)
        (project / "model.bin").write_bytes(b"another")
        rx.register_model("digits", path="model.bin")
    rx.set_policy("digits", "retain", keep_last=1)
    rx.evaluate_policies("digits", dry_run=False)
    assert free(project) == 0
    assert rx.get_model_version(first).status == "released"
    assert rx.last_checkpoint("train").path.read_bytes() == b"of a checkpoint"
    assert rx.fsck().ok


def test_retain_a_version_that_gets_an_alias_before_it_goes_stays(digits: Any) -> None:
    rx.set_policy("digits", "retain", keep_last=1)
    assert [each.version for each in rx.evaluate_policies("digits") if each.verdict == "unmet"] == [4, 3, 2, 1]
    rx.set_alias("digits", "champion", 2)
    rx.evaluate_policies("digits", dry_run=False)
    assert statuses()[2] == "active"
    assert rx.load_model("digits@champion").exists()


def test_retain_a_dry_run_tells_what_goes_as_the_alias_leaves_it(digits: Any) -> None:
    rx.set_alias("digits", "champion", 2)
    rx.set_policy("digits", "label", alias="champion", metric="accuracy")
    rx.set_policy("digits", "retain", keep_last=1)

    def going(dry_run: bool) -> list[int | None]:
        found = rx.evaluate_policies("digits", dry_run=dry_run)
        return [each.version for each in found if each.kind == "retain" and each.verdict == "unmet"]

    assert going(dry_run=True) == [4, 3, 2]  # the best, v1, would be the champion
    assert rx.get_model("digits").aliases == {"champion": 2} and set(statuses().values()) == {"active"}
    assert going(dry_run=False) == [4, 3, 2]
    assert rx.get_model("digits").aliases == {"champion": 1}


def test_what_one_policy_keeps_no_other_one_lets_go(digits: Any) -> None:
    rx.set_policy("digits", "retain", "few", keep_last=1)
    rx.set_policy("digits", "retain", "best", keep_best=2, metric="accuracy")
    found = {(each.policy, each.version): (each.verdict, each.reason) for each in rx.evaluate_policies("digits")}
    assert found["few", 1] == (
        "met",
        "v1 stays: policy 'best' keeps it, it is among the best 2 by accuracy",
    )
    assert found["few", 2][0] == found["best", 2][0] == "unmet"
    assert found["best", 5] == ("met", "v5 stays: it is the newest")
    rx.evaluate_policies("digits", dry_run=False)
    assert statuses() == {1: "active", 2: "released", 3: "released", 4: "active", 5: "active"}
    rx.disable_policy("digits", "best")
    rx.evaluate_policies("digits", dry_run=False)
    assert statuses() == {1: "released", 2: "released", 3: "released", 4: "released", 5: "active"}
