"""ModelBox's paper, sentence by sentence: each has a test, with its words in the name, of what it promises."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import renex_jupyter as rx
from renex_jupyter.errors import RenexError

IN_ANOTHER_PROCESS = """
import sys, renex_jupyter as rx
print(rx.load_model(sys.argv[1]).read_text())
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def trained(project: Path, text: str, accuracy: float, **more: object) -> object:
    """Return a version of `vision/digits` that a run trained, measured on the dataset `test`."""
    (project / "model.txt").write_text(text)
    with rx.start_run("train"):
        rx.log_params({"lr": 0.1})
        rx.log_metric("loss", 1 - accuracy)
        version = rx.register_model("digits", path="model.txt", namespace="vision", **more)
    rx.log_metric("accuracy", accuracy, on=version, dataset="test")
    return version


def changes(**filters: object) -> list[object]:
    return list(rx.watch(since=0, timeout=0, **filters))


# Namespace


def test_a_namespace_is_a_mechanism_to_organize_related_models_or_models_published_by_a_team(project: Path) -> None:
    for name, namespace in (("digits", "vision"), ("cats", "vision"), ("spam", "text")):
        rx.create_model(name, namespace=namespace, owner="the vision team")
    assert sorted(rx.list_models("vision")["name"]) == ["cats", "digits"]
    assert rx.get_namespace("vision").models == 2
    assert sorted(rx.list_namespaces()["name"])[-2:] == ["text", "vision"]


def test_they_are_also_used_for_access_control_to_the_metadata_of_models_and_invoking_benchmarks(project: Path) -> None:
    """Each store is a folder that the operating system guards; who may enter it asks, and measures, one namespace alone."""
    version = trained(project, "weights", 0.9)
    rx.create_model("spam", namespace="text")
    assert rx.get_access().mode == "private"
    assert (project / ".renex").stat().st_mode & 0o077 == 0
    assert rx.get_access().differences == ()
    rx.set_policy("vision/digits", "evaluate", datasets=["test", "benchmark"])
    (verdict,) = rx.evaluate_policies("vision/digits").verdicts
    assert (verdict.subject_id, verdict.verdict == "met") == (version.model_version_id, False)
    assert "benchmark" in verdict.reason
    rx.log_metric("accuracy", 0.8, on=version, dataset="benchmark")
    assert rx.evaluate_policies("vision/digits").verdicts[0].verdict == "met"
    assert {each.namespace for each in changes(namespace="vision")} == {"vision"}
    assert set(rx.search_runs(namespace="text")["run_id"]) == set()


def test_namespaces_are_automatically_created_when_a_new_model_or_experiment_specifies_the_namespace(
    project: Path,
) -> None:
    rx.create_model("digits", namespace="of a model")
    rx.set_experiment("first", namespace="of an experiment")
    with rx.start_run("train"):
        pass
    assert {"of a model", "of an experiment"} <= set(rx.list_namespaces()["name"])
    assert rx.get_experiment("first", namespace="of an experiment").runs == 1


# Model


def test_a_model_is_an_object_to_track_common_metadata_and_to_apply_policies_to_solve_a_machine_learning_task(
    project: Path,
) -> None:
    metadata = {"input": [28, 28], "classes": 10}
    rx.create_model("digits", namespace="vision", task="image classification", metadata=metadata)
    rx.set_policy("vision/digits", "label", alias="champion", metric="accuracy", dataset="test")
    trained(project, "weights", 0.9)
    model = rx.get_model("vision/digits")
    assert (model.task, model.metadata, model.aliases) == ("image classification", metadata, {"champion": 1})


def test_datasets_to_evaluate_all_trained_models_of_a_task_can_be_tracked_using_this_object(project: Path) -> None:
    rx.create_model("digits", namespace="vision")
    rx.set_policy("vision/digits", "evaluate", datasets=["test", "night"], metrics=["accuracy"])
    first, second = trained(project, "one", 0.8), trained(project, "two", 0.9)
    rx.log_metric("accuracy", 0.7, on=second, dataset="night")
    said = rx.policy_history("vision/digits")
    newest = said.sort_values("created_at").groupby("version").last()
    assert newest.loc[first.version, "verdict"] != "met"
    assert "night" in newest.loc[first.version, "reason"]
    assert newest.loc[second.version, "verdict"] == "met"


def test_users_can_also_add_rules_around_retention_of_trained_versions_and_for_labelling_a_trained_model_if_it_is_better(
    project: Path,
) -> None:
    rx.create_model("digits", namespace="vision")
    rx.set_policy("vision/digits", "retain", keep_last=1, keep_aliased=True)
    rx.set_policy(
        "vision/digits",
        "label",
        alias="champion",
        metric="accuracy",
        dataset="test",
        margin=0.002,
        where="latency_ms < 20",
    )
    for accuracy, latency in ((0.940, 12), (0.941, 12), (0.990, 99), (0.950, 12)):
        version = trained(project, f"weights {accuracy}", accuracy)
        rx.log_metric("latency_ms", latency, on=version)
    assert rx.get_model("vision/digits").aliases["champion"] == 4
    reasons = " | ".join(rx.policy_history("vision/digits")["reason"])
    assert "v2 not promoted: accuracy 0.941 vs 0.940 of v1, needs +0.002" in reasons
    assert "latency_ms" in reasons
    rx.evaluate_policies("vision/digits", dry_run=False)
    kept = rx.list_model_versions("vision/digits").set_index("version")["status"]
    assert kept[4] == "active"
    assert set(kept[[1, 2, 3]]) == {"released"}


# Model version


def test_a_model_version_includes_the_model_binary_related_files_dataset_file_handles_metadata_and_model_metrics(
    project: Path,
) -> None:
    version = trained(project, "weights", 0.9, dataset="digits-train", metadata={"quantized": False})
    (project / "labels.txt").write_text("0 1 2")
    (project / "train.csv").write_text("a,b\n1,2\n")
    rx.log_artifact("labels.txt", on=version)
    rx.track_artifact("train.csv", kind="dataset", on=version)
    assert rx.load_model("vision/digits:1").read_text() == "weights"
    modes = rx.list_artifacts(on=version).set_index("name")["mode"]
    assert (modes["labels.txt"], modes["train.csv"]) == ("uploaded", "tracked")
    found = rx.get_model_version("vision/digits:1")
    assert (found.dataset, found.metadata, found.params["lr"]) == ("digits-train", {"quantized": False}, 0.1)
    (row,) = rx.list_model_versions("vision/digits").to_dict("records")
    assert row["metrics.accuracy@test"] == 0.9


def test_model_versions_are_always_related_to_a_model_and_all_the_policies_created_for_a_model_are_applied_to_them(
    project: Path,
) -> None:
    rx.create_model("digits", namespace="vision")
    rx.set_policy("vision/digits", "label", alias="champion", metric="accuracy", dataset="test")
    rx.set_policy("vision/digits", "require", alias="production", where='"accuracy@test" > 0.95')
    version = trained(project, "weights", 0.9)
    assert rx.get_model("vision/digits").model_id == version.model_id
    kinds = set(rx.sql("select kind from policy_results where version = 1")["kind"])
    assert "label" in kinds
    with pytest.raises(RenexError, match="policy_failed"):
        rx.set_alias("vision/digits", "production", 1)


# Experiments and checkpoints


def test_experiments_are_the_abstraction_to_store_metadata_and_events_from_training_jobs_which_produce_trained_models(
    project: Path,
) -> None:
    rx.create_experiment("digits", owner="ada", framework="PyTorch", external_id="wandb/7", metadata={"budget": 3})
    rx.set_experiment("digits")
    rx.log_event("preempted", source="slurm", on="experiment:digits")
    version = trained(project, "weights", 0.9)
    found = rx.get_experiment("digits")
    assert (found.owner, found.framework, found.external_id, found.metadata) == (
        "ada",
        "PyTorch",
        "wandb/7",
        {"budget": 3},
    )
    assert list(rx.list_events("experiment:digits")["name"]) == ["preempted"]
    assert rx.get_run(version.run_id).experiment == "digits"


CRASHING = """
import os, renex_jupyter as rx
with rx.start_run("train", resume=True):
    last = rx.last_checkpoint()
    begin = 0 if last is None else last.step + 1
    print("begins at", begin, flush=True)
    for step in range(begin, 6):
        open("model.txt", "w").write(f"weights {step}")
        rx.log_checkpoint("model.txt", step=step, metrics={"accuracy": step / 10})
        if step == 2 and begin == 0:
            os.kill(os.getpid(), 9)
"""


def test_checkpoints_from_experiments_are_a_means_to_get_fault_tolerant_training(project: Path) -> None:
    first, second = (
        subprocess.run([sys.executable, "-c", CRASHING], cwd=project, capture_output=True, text=True, check=False)
        for _ in range(2)
    )
    assert (first.returncode, "begins at 0" in first.stdout) == (-9, True)
    assert (second.returncode, "begins at 3" in second.stdout) == (0, True), second.stderr
    assert len(rx.search_runs()) == 1
    assert sorted(rx.list_checkpoints("train")["step"]) == list(range(6))


def test_checkpoints_can_set_up_automatic_conversions_to_models_if_the_metrics_are_good(project: Path) -> None:
    rx.create_model("digits", namespace="vision")
    rx.set_policy("vision/digits", "convert", metric="accuracy", better_than=0.3)
    rx.set_experiment("digits", namespace="vision")
    with rx.start_run("train"):
        for step in range(6):
            (project / "model.txt").write_text(f"weights {step}")
            rx.log_checkpoint("model.txt", step=step, metrics={"accuracy": step / 10})
    assert list(rx.list_model_versions("vision/digits")["version"])
    best = rx.get_model_version("vision/digits@latest")
    assert best.metrics["accuracy"] == 0.5
    assert rx.load_model("vision/digits").read_text() == "weights 5"


def test_metadata_logged_from_an_experiment_are_hyperparameters_structure_and_shape_of_the_models_losses_hardware_code(
    project: Path,
) -> None:
    (project / "train.py").write_text("print('training')\n")
    with rx.start_run("train") as run:
        rx.log_params({"lr": 0.1, "layers": 3})
        rx.log_dict({"layers": [[784, 128], [128, 10]]}, "structure")
        rx.log_metrics({"accuracy": 0.9, "loss": 0.1, "system/cpu_percent": 50.0})
        rx.log_checkpoint("train.py", step=0)
    found = rx.get_run(run.run_id)
    assert found.params == {"lr": 0.1, "layers": 3}
    assert list(rx.list_artifacts(on=run, kind="dict")["name"]) == ["structure"]
    assert {"accuracy", "loss", "system/cpu_percent"} <= set(rx.metric_history(run)["key"])
    assert len(rx.sql("select * from packages where environment_id = ?", [found.environment_id])) > 10
    files = rx.sql("select path from snapshot_files where snapshot_id = ?", [found.before_snapshot_id])
    assert "train.py" in set(files["path"])


# Metrics


def test_metrics_can_be_logged_for_experiments_and_models(project: Path) -> None:
    rx.create_experiment("digits")
    rx.create_model("digits")
    rx.log_metric("spent", 12.5, on="experiment:digits")
    rx.log_metric("served", 100, on="model:digits")
    kinds = rx.sql("select owner_kind, key, value from metrics order by key").to_dict("records")
    assert kinds == [
        {"owner_kind": "model", "key": "served", "value": 100.0},
        {"owner_kind": "experiment", "key": "spent", "value": 12.5},
    ]


def test_metrics_are_key_value_pairs_the_value_being_a_series_of_float_tensor_or_even_bytes_logged_over_time(
    project: Path,
) -> None:
    tensor = np.arange(6, dtype="float32").reshape(2, 3)
    with rx.start_run("train") as run:
        for step in range(3):
            rx.log_metrics({"loss": 1 / 3 + step, "weights": tensor + step, "raw": bytes([step, 255])}, step=step)
    assert [each.value for each in rx.metric_values("loss", run)] == [1 / 3, 1 / 3 + 1, 1 / 3 + 2]
    kept = rx.metric_values("weights", run)
    assert [each.step for each in kept] == [0, 1, 2]
    assert kept[1].value.dtype == tensor.dtype
    assert np.array_equal(kept[1].value, tensor + 1)
    assert rx.metric_values("raw", run)[2].value == b"\x02\xff"


def test_every_metric_log_can_have_a_step_and_wallclock_attribute_associated_with_them(project: Path) -> None:
    with rx.start_run("train") as run:
        rx.log_metric("accuracy", 0.5, step=-3, wallclock=1_600_000_000.25)
        rx.log_metric("accuracy", 0.6, step=7, wallclock=1_500_000_000.0)
    found = rx.metric_history(run)
    assert list(found["step"]) == [-3, 7]
    assert [each.timestamp() for each in found["wallclock"]] == [1_600_000_000.25, 1_500_000_000.0]


def test_model_metrics_can_be_expressed_as_simple_key_value_pairs(project: Path) -> None:
    version = trained(project, "weights", 0.9)
    rx.log_metrics({"latency_ms": 12, "size_mb": 3.5}, on=version)
    pairs = rx.sql("select key, value from model_metrics where version = 1 and dataset is null").set_index("key")[
        "value"
    ]
    assert (pairs["latency_ms"], pairs["size_mb"]) == (12.0, 3.5)


# Artifacts


def test_artifacts_such_as_datasets_and_trained_models_or_checkpoints_can_be_uploaded(project: Path) -> None:
    (project / "data.csv").write_text("a\n1\n")
    with rx.start_run("train") as run:
        artifact = rx.log_artifact("data.csv", kind="dataset")
        checkpoint = rx.log_checkpoint("data.csv", step=1)
    (project / "data.csv").unlink()
    assert rx.download_artifact(artifact, to=project / "back").read_text() == "a\n1\n"
    assert rx.last_checkpoint(run).path.read_text() == "a\n1\n"
    assert checkpoint.run_id == run.run_id


def test_artifacts_stored_externally_can_be_tracked_as_metadata_attached_to_experiments_and_models_objects(
    project: Path,
) -> None:
    (project / "big.bin").write_bytes(b"x" * 1000)
    rx.create_experiment("digits")
    rx.create_model("digits")
    for owner in ("experiment:digits", "model:digits"):
        artifact = rx.track_artifact("big.bin", on=owner)
        assert (artifact.mode, artifact.size) == ("tracked", 1000)
        assert rx.verify_artifact(artifact).verdict == "ok"
    (project / "big.bin").write_bytes(b"y" * 1000)
    assert rx.verify_artifact(artifact).verdict == "changed"


# External events


def test_events_are_generated_by_external_systems_running_the_training_inference_engines_or_other_services(
    project: Path,
) -> None:
    version = trained(project, "weights", 0.9)
    with rx.start_run("train"):
        rx.log_event("epoch", source="trainer", metadata={"epoch": 1})
    rx.log_event("served", source="inference", on=version, wallclock=1_600_000_000.0)
    words = ["event", "deployed", "--source", "kubernetes", "--on", "vision/digits:1"]
    done = subprocess.run(
        [sys.executable, "-m", "renex_jupyter.cli.main", *words],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = rx.sql("select name, source, owner_kind from events order by name").to_dict("records")
    assert [tuple(each.values()) for each in found] == [
        ("deployed", "kubernetes", "model_version"),
        ("epoch", "trainer", "run"),
        ("served", "inference", "model_version"),
    ]


def test_events_are_useful_for_debugging_or_operability_of_models_or_training_platforms(project: Path) -> None:
    with rx.start_run("train") as run:
        with rx.event("epoch", source="trainer"):
            rx.log_event("loss is not finite", source="trainer", metadata={"step": 17, "loss": float("nan")})
        with pytest.raises(OSError, match="disk"), rx.event("checkpoint", source="trainer"):
            raise OSError("the disk is gone")
    said = rx.list_events(run, name="loss is not finite")
    assert json.loads(said["metadata"][0]) == {"step": 17, "loss": "NaN"}
    failed = rx.list_events(run, name="checkpoint").iloc[-1]
    assert "the disk is gone" in "".join(rx.list_events(run, name="checkpoint")["metadata"].dropna().astype(str)), (
        failed
    )


def test_looking_at_the_timestamps_of_events_allows_an_engineer_to_understand_which_operation_is_taking_too_much_time(
    project: Path,
) -> None:
    began = time.time() - 100
    with rx.start_run("train") as run:
        at = began
        for _ in range(3):
            rx.log_event("epoch_start", wallclock=at)
            rx.log_event("before_checkpoint", wallclock=at + 2)
            rx.log_event("after_checkpoint", wallclock=at + 9)
            rx.log_event("epoch_finish", wallclock=at + 10)
            at += 10
    spent = rx.where_time_goes(run).set_index("name")
    assert spent.loc["epoch", "total_s"] == pytest.approx(30)
    assert spent.loc["checkpoint", "mean_s"] == pytest.approx(7)
    figure = rx.timeline(run)
    assert len(figure.data) >= 1


# Change events


def test_change_events_are_generated_when_any_metadata_about_an_experiment_or_model_is_updated_created_or_destroyed(
    project: Path,
) -> None:
    rx.create_experiment("digits")
    rx.update_experiment("digits", description="numbers")
    rx.delete_experiment("digits")
    rx.create_model("digits")
    rx.update_model("digits", description="reads numbers")
    rx.delete_model("digits")
    for kind, text in (("experiments", "numbers"), ("models", "reads numbers")):
        found = changes(kinds=[kind])
        assert [each.action for each in found] == ["create", "update", "delete"]
        assert (found[1].before, found[1].after["description"]) == ({"description": None}, text)
        assert all(each.actor and each.at for each in found)


def test_change_events_are_also_logged_automatically_when_artifacts_are_uploaded_or_downloaded(project: Path) -> None:
    (project / "a.txt").write_text("a")
    with rx.start_run("train"):
        artifact = rx.log_artifact("a.txt")
    rx.download_artifact(artifact, to=project / "back")
    found = changes(kinds=["artifacts"])
    assert [each.action for each in found] == ["upload", "download"]
    assert "back" in json.dumps(found[1].after)


def test_they_tell_when_and_where_models_are_consumed_and_when_new_models_are_created_by_experiments(
    project: Path,
) -> None:
    trained(project, "weights", 0.9)
    cursor = changes()[-1].cursor
    command = [sys.executable, "-c", IN_ANOTHER_PROCESS, "vision/digits:1"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "weights", done.stderr
    consumed = [each for each in rx.watch(since=cursor, timeout=0) if each.action == "download"]
    assert [each.object_kind for each in consumed] == ["model_versions"]
    created = [each for each in changes(kinds=["model_versions"]) if each.action == "register"]
    assert [each.after["version"] for each in created] == [1]
    assert created[0].after["run_id"]
