"""Checkpoints that become versions by themselves."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import renex_jupyter as rx


@pytest.fixture
def digits(project: Path) -> Any:
    (project / "model.bin").write_bytes(b"weights")
    rx.register_model("digits", path="model.bin")
    return rx.get_model("digits")


def versions() -> list[tuple[int, str | None]]:
    """Return number and checkpoint of the versions that were converted."""
    rows = rx.sql("select version, checkpoint_id from model_versions where checkpoint_id is not null order by version")
    return list(zip(rows["version"], rows["checkpoint_id"], strict=True))


def said() -> list[str]:
    frame = rx.policy_history("digits")
    return list(frame[frame["kind"] == "convert"]["reason"])[::-1]


def test_convert_a_checkpoint_that_is_good_enough_becomes_a_version(project: Path, digits: Any) -> None:
    rx.set_policy("digits", "convert", metric="accuracy", better_than=0.9)
    with rx.start_run("train"):
        kept = []
        for step, accuracy in enumerate([0.8, 0.95]):
            (project / "w.bin").write_bytes(b"step %d" % step)
            kept.append(rx.log_checkpoint("w.bin", step, {"accuracy": accuracy}))
    assert versions() == [(2, kept[1].checkpoint_id)]
    first, second = said()
    assert first.startswith("checkpoint of step 0 (") and first.endswith("not converted: accuracy 0.8, needs > 0.9")
    assert second.endswith("became v2: accuracy 0.95 > 0.90")
    assert rx.load_model("digits:2").read_bytes() == b"step 1"
    made = rx.get_model_version("digits:2")
    assert made.metrics["accuracy"] == 0.95 and made.run_id == kept[1].run_id
    row = rx.sql("select * from policy_results where verdict = 'met'").iloc[0]
    assert (row["subject_kind"], row["subject_id"]) == ("checkpoint", kept[1].checkpoint_id)


def test_convert_only_what_is_better_than_every_version_so_far(project: Path, digits: Any) -> None:
    rx.set_policy("digits", "convert", metric="accuracy", best=True)
    with rx.start_run("train"):
        for step, accuracy in enumerate([0.8, 0.7, 0.8, 0.9]):
            (project / "w.bin").write_bytes(b"step %d" % step)
            rx.log_checkpoint("w.bin", step, {"accuracy": accuracy})
    assert [number for number, _ in versions()] == [2, 3]
    assert said()[1].endswith("not converted: accuracy 0.7 vs 0.8 of v2, needs more")
    assert said()[3].endswith("became v3: accuracy 0.9 vs 0.8 of v2")


def test_convert_waits_for_a_metric_that_is_logged_later_and_converts_once(digits: Any) -> None:
    rx.set_policy("digits", "convert", metric="accuracy", dataset="test", better_than=0.9)
    with rx.start_run("train"):
        kept = rx.log_checkpoint("model.bin", 1)
    assert said()[-1].endswith("waits: accuracy is not measured on dataset 'test'")
    rx.log_metric("accuracy", 0.95, on=kept, dataset="test")
    rx.log_metric("accuracy", 0.96, on=kept, dataset="test")
    rx.evaluate_policies("digits", dry_run=False)
    assert versions() == [(2, kept.checkpoint_id)]


def test_convert_then_label_in_one_go(digits: Any) -> None:
    rx.set_policy("digits", "convert", metric="accuracy", better_than=0.9)
    rx.set_policy("digits", "label", alias="champion", metric="accuracy")
    with rx.start_run("train"):
        rx.log_checkpoint("model.bin", 1, {"accuracy": 0.95})
    assert rx.get_model("digits").aliases == {"champion": 2}


def test_convert_takes_only_checkpoints_of_its_experiment_run_and_namespace(digits: Any) -> None:
    rx.set_policy("digits", "convert", where="accuracy > 0.5", experiment="ours", run=["train*"])
    for namespace, experiment, name in [
        (None, "ours", "train-1"),
        (None, "theirs", "train-2"),
        (None, "ours", "other"),
        ("elsewhere", "ours", "train-3"),
    ]:
        rx.set_experiment(experiment, namespace=namespace or "default")
        with rx.start_run(name):
            rx.log_checkpoint("model.bin", 1, {"accuracy": 0.9})
    rows = rx.sql("select r.name from model_versions v join runs r using (run_id) where checkpoint_id is not null")
    assert list(rows["name"]) == ["train-1"]


def test_convert_a_dry_run_says_what_would_become_a_version_and_on_demand_it_does(digits: Any) -> None:
    with rx.start_run("train"):
        for step, accuracy in enumerate([0.8, 0.7, 0.9]):
            rx.log_checkpoint("model.bin", step, {"accuracy": accuracy})
    rx.set_policy("digits", "convert", metric="accuracy", best=True)
    found = rx.evaluate_policies("digits")
    assert [each.verdict for each in found] == ["met", "unmet", "met"]
    assert versions() == []
    rx.evaluate_policies("digits", dry_run=False)
    assert [number for number, _ in versions()] == [2, 3]
    assert len(rx.evaluate_policies("digits")) == 1


RACE = """
import sys
import renex_jupyter as rx
sys.stdin.readline()
rx.log_metric("accuracy", 0.95, on="checkpoint:" + sys.argv[1])
rx.evaluate_policies("digits", dry_run=False)
"""


def test_convert_a_checkpoint_becomes_one_version_whatever_processes_ask_at_once(digits: Any) -> None:
    with rx.start_run("train"):
        kept = rx.log_checkpoint("model.bin", 1)
    rx.set_policy("digits", "convert", metric="accuracy", better_than=0.9)
    racers = [
        subprocess.Popen([sys.executable, "-c", RACE, kept.checkpoint_id], stdin=-1, stderr=-1, text=True)
        for _ in range(3)
    ]
    for each in racers:
        assert each.stdin
        each.stdin.write("\n")
        each.stdin.flush()
    for each in racers:
        _, errors = each.communicate(timeout=240)
        assert each.returncode == 0, errors
    assert versions() == [(2, kept.checkpoint_id)]
    assert len([each for each in said() if "became" in each]) == 1
