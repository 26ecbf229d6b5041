"""Model versions: registered from anything, with where they come from, and never changed."""

import dataclasses
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

import renex_jupyter as rx


def refused(code: str, do: object, *given: object, **named: object) -> rx.RenexError:
    with pytest.raises(rx.RenexError) as refusal:
        do(*given, **named)  # type: ignore[operator]
    assert refusal.value.code == code, refusal.value
    return refusal.value


@pytest.fixture
def weights(project: Path) -> Path:
    """A trained model."""
    path = project / "model.bin"
    path.write_bytes(b"weights")
    return path


def test_a_model_version_is_a_trained_model_it_includes_the_model_binary_related_files_metadata_and_metrics(
    project: Path,
) -> None:
    folder = project / "bundle"
    (folder / "data").mkdir(parents=True)
    (folder / "model.bin").write_bytes(b"weights")
    (folder / "data/handles.json").write_text('["s3://bucket/train"]')
    made = rx.register_model(
        "digits", path=folder, metadata={"sensor": 7}, metrics={"accuracy": 0.9}, params={"lr": 0.1}, dataset="mnist"
    )
    assert (made.version, made.metadata, made.metrics, made.dataset) == (1, {"sensor": 7}, {"accuracy": 0.9}, "mnist")
    assert made.params == {"lr": 0.1}
    loaded = rx.load_model(made)
    assert (loaded / "model.bin").read_bytes() == b"weights" and (loaded / "data/handles.json").exists()
    files = rx.sql("select path from artifact_files where artifact_id = ? order by path", [made.artifact_id])
    assert list(files.path) == ["data/handles.json", "model.bin"]


def test_model_versions_are_always_related_to_a_model(weights: Path) -> None:
    made = rx.register_model("digits", path=weights)
    assert made.model_id == rx.get_model("digits").model_id
    lineage = rx.sql("select to_kind, to_id from lineage where from_id = ?", [made.model_version_id])
    assert ("model", made.model_id) in set(lineage.itertuples(index=False, name=None))


def test_model_metrics_can_be_expressed_as_simple_key_value_pairs(weights: Path) -> None:
    made = rx.register_model("digits", path=weights, metrics={"accuracy": 0.9, "loss": math.nan, "n": 3})
    assert made.metrics["accuracy"] == 0.9 and math.isnan(made.metrics["loss"]) and made.metrics["n"] == 3.0
    refused("invalid_argument", rx.register_model, "digits", path=weights, metrics={"name": "svc"})
    refused("invalid_argument", rx.register_model, "digits", path=weights, metrics=[0.9])
    refused("invalid_argument", rx.register_model, "digits", path=weights, params=[0.9])


def test_numbers_count_from_1_for_each_model(weights: Path) -> None:
    assert [rx.register_model("digits", path=weights).version for _ in range(3)] == [1, 2, 3]
    assert rx.register_model("vision/digits", path=weights).version == 1


def test_the_same_contents_become_a_version_again_which_says_so(weights: Path) -> None:
    first = rx.register_model("digits", path=weights)
    again = rx.register_model("digits", path=weights)
    assert first.same_as is None and again.same_as == 1
    assert "the same as those of v1" in str(again) and "the same" not in str(first)
    weights.write_bytes(b"others")
    assert rx.register_model("digits", path=weights).same_as is None


def test_a_version_of_a_finished_run_knows_where_it_comes_from(weights: Path) -> None:
    rx.create_experiment("mine", framework="scikit-learn")
    rx.set_experiment("mine")
    with rx.start_run("train") as run:
        rx.log_params({"lr": 0.1, "dataset": "mnist"})
        rx.log_metric("accuracy", 0.9)
        rx.log_metric("system/cpu_percent", 50.0)
        rx.log_artifact(weights, kind="model")
    kept = rx.get_run(run)
    made = rx.register_model("digits", run=run, metrics={"f1": 0.8})
    assert (made.run_id, made.run, made.environment_id) == (run.run_id, "train", kept.environment_id)
    assert made.snapshot_id == kept.after_snapshot_id and not made.of_state_before
    assert made.params == {"lr": 0.1, "dataset": "mnist"} and made.metrics == {"accuracy": 0.9, "f1": 0.8}
    assert (made.dataset, made.framework) == ("mnist", "scikit-learn")
    assert rx.register_model("digits", run=run, dataset="other", framework="own").dataset == "other"


def test_a_version_of_a_run_that_is_open_has_the_state_before_it_and_says_so(weights: Path) -> None:
    with rx.start_run("train") as run:
        rx.log_metric("accuracy", 0.9)
        made = rx.register_model("digits", path=weights)
        rx.log_metric("accuracy", 0.1)
        rx.log_param("late", 1)
    assert made.run_id == run.run_id and made.snapshot_id == rx.get_run(run).before_snapshot_id
    assert made.of_state_before and "state before its run" in str(made)
    assert made == dataclasses.replace(rx.get_model_version("digits:1"))
    assert rx.get_model_version("digits:1").metrics == {"accuracy": 0.9}  # as they were when it was registered
    assert rx.get_model_version("digits:1").params == {}


def test_an_artifact_is_registered_by_id_record_or_name_and_no_byte_is_copied(weights: Path, project: Path) -> None:
    with rx.start_run("train") as run:
        artifact = rx.log_artifact(weights, "final.bin")
        by_name = rx.register_model("digits", artifact="final.bin")
    blobs = sorted(path.name for path in (project / ".renex/blobs").rglob("*"))
    by_id = rx.register_model("digits", artifact=artifact.artifact_id[:12])
    by_record = rx.register_model("digits", artifact=artifact)
    of_run = rx.register_model("digits", artifact="final.bin", run=run)
    assert sorted(path.name for path in (project / ".renex/blobs").rglob("*")) == blobs
    for made in (by_name, by_id, by_record, of_run):
        own = rx.get_artifact(made.artifact_id)
        assert (own.owner_kind, own.owner_id) == ("model_version", made.model_version_id)
        assert (own.sha256, own.kind, made.run_id) == (artifact.sha256, "model", run.run_id)
    assert len({made.artifact_id for made in (by_name, by_id, by_record, of_run)} | {artifact.artifact_id}) == 5
    error = refused("not_found", rx.register_model, "digits", artifact="finl.bin", run=run)
    assert "did you mean 'final.bin'" in error.hint


def test_a_checkpoint_is_registered_with_its_own_metrics_before_those_of_its_run(weights: Path) -> None:
    with rx.start_run("train") as run:
        rx.log_metrics({"accuracy": 0.5, "loss": 2.0})
        checkpoint = rx.log_checkpoint(weights, 3, metrics={"accuracy": 0.9})
        made = rx.register_model("digits")  # the open run's newest
    assert (made.checkpoint_id, made.run_id) == (checkpoint.checkpoint_id, run.run_id)
    assert made.metrics == {"accuracy": 0.9, "loss": 2.0}
    assert rx.register_model("digits", checkpoint=checkpoint).checkpoint_id == checkpoint.checkpoint_id
    assert rx.register_model("digits", checkpoint=checkpoint.checkpoint_id[:12]).version == 3
    relations = rx.sql("select relation from lineage where from_id = ?", [made.model_version_id])
    assert {"converted_from", "trained_by", "trained_from", "trained_in", "holds"} <= set(relations.relation)
    refused("invalid_argument", rx.register_model, "digits", checkpoint=rx.get_run(run))


def test_of_a_run_its_newest_model_or_checkpoint_is_taken(weights: Path) -> None:
    with rx.start_run("train") as run:
        rx.log_artifact(weights, "notes.txt")
        refused("invalid_argument", rx.register_model, "digits")
        rx.log_checkpoint(weights, 1)
        model = rx.log_artifact(weights, "model", kind="model")
        assert rx.register_model("digits").checkpoint_id is None
        last = rx.log_checkpoint(weights, 2)
    assert rx.register_model("digits", run="train").checkpoint_id == last.checkpoint_id
    assert model is not None and run is not None


def test_a_version_is_made_of_just_one_thing(weights: Path) -> None:
    assert "path=" in refused("invalid_argument", rx.register_model, "digits").hint
    refused("invalid_argument", rx.register_model, "digits", path=weights, artifact="x")
    refused("invalid_argument", rx.register_model, "digits", checkpoint="x", run="y")
    refused("not_found", rx.register_model, "digits", path="nowhere")
    refused("not_found", rx.register_model, "digits", path=weights, run="nowhere")
    refused("invalid_argument", rx.register_model, "digits", path=weights, labels="small")
    refused("invalid_argument", rx.register_model, "digits", path=weights, labels=["a:b"])
    refused("invalid_argument", rx.register_model, "digits", path=weights, description=3)
    assert rx.sql("from model_versions").empty and rx.sql("from models").empty
    assert rx.register_model("digits", path=weights).version == 1  # no number was used


def test_an_artifact_whose_contents_are_gone_becomes_no_version(weights: Path, project: Path) -> None:
    with rx.start_run("train"):
        artifact = rx.log_artifact(weights)
    for path in (project / ".renex/blobs").glob(f"{artifact.sha256[:2]}/{artifact.sha256[2:]}*"):
        path.unlink()
    refused("not_found", rx.register_model, "digits", artifact=artifact)
    assert rx.sql("from model_versions").empty


@pytest.mark.parametrize(
    ("word", "number"),
    [("digits", 2), ("digits:1", 1), ("digits:v2", 2), ("digits@champion", 1), ("digits@latest", 2),
     ("default/digits:1", 1), (" digits:2 ", 2)],
)  # fmt: skip
def test_a_version_is_found_by_reference(weights: Path, word: str, number: int) -> None:
    made = [rx.register_model("digits", path=weights) for _ in range(2)]
    rx.set_alias("digits", "champion", 1)
    found = rx.get_model_version(word)
    assert found.version == number
    version_id = made[number - 1].model_version_id
    assert rx.get_model_version(version_id) == rx.get_model_version(version_id[:12]) == found
    assert rx.get_model_version(version_id.upper()) == found


@pytest.mark.parametrize(
    ("word", "code", "said"),
    [("digits:7", "not_found", "default/digits:1"), ("digits:99999999999999999999", "not_found", "digits:1"),
     ("digits@champoin", "not_found", "did you mean 'default/digits@champion'"), ("digit:1", "not_found", "digits"),
     ("other/digits:1", "not_found", "did you mean 'default/digits'"), ("digits:champion", "invalid_argument", "@"),
     ("digits:0", "not_found", ""), ("", "invalid_argument", ""), ("a:b:c", "invalid_argument", ""),
     ("digits@", "invalid_argument", ""), (":3", "invalid_argument", ""), (3, "invalid_argument", ""),
     (None, "invalid_argument", ""), ("digits:-1", "invalid_argument", ""), ("'; drop table x --", "not_found", "")],
)  # fmt: skip
def test_a_bad_reference_is_told_with_what_is_near(weights: Path, word: object, code: str, said: str) -> None:
    rx.register_model("digits", path=weights)
    rx.set_alias("digits", "champion", 1)
    error = refused(code, rx.get_model_version, word)
    assert error.hint and said in error.hint


def test_versions_are_listed_with_their_words_and_metrics(weights: Path) -> None:
    with rx.start_run("train"):
        rx.log_metric("accuracy", 0.8)
        rx.register_model("digits", path=weights, labels=["small"], description="first")
    made = rx.register_model("digits", path=weights, metrics={"accuracy": 0.9})
    rx.set_alias("digits", "champion", 1)
    rx.log_metric("accuracy", 0.95, on=made)
    rx.log_metric("accuracy", 0.7, on=made, dataset="test")
    frame = rx.list_model_versions("digits")
    assert list(frame.version) == [2, 1] and list(frame.aliases) == [[], ["champion"]]
    assert list(frame.labels) == [[], ["small"]] and list(frame.status) == ["active", "active"]
    assert frame.run[1] == "train" and frame.description[1] == "first" and frame.registered_by[0]
    assert list(frame["metrics.accuracy"]) == [0.95, 0.8]
    assert frame["metrics.accuracy@test"][0] == 0.7 and math.isnan(frame["metrics.accuracy@test"][1])
    kept = rx.get_model_version("digits:2")
    assert kept.metrics == {"accuracy": 0.9} and kept.logged == {"accuracy": 0.95, "accuracy@test": 0.7}
    rx.create_model("empty")
    assert rx.list_model_versions("empty").empty and "version" in rx.list_model_versions("empty")
    refused("not_found", rx.list_model_versions, "nothing")


def test_only_the_words_of_a_version_change(weights: Path) -> None:
    made = rx.register_model("digits", path=weights, description="d", metadata={"a": 1})
    changed = rx.update_model_version("digits:1", description="e", metadata={})
    assert changed == dataclasses.replace(made, description="e", metadata=None)
    refused("invalid_argument", rx.update_model_version, made)
    with pytest.raises(TypeError):
        rx.update_model_version(made, metrics={"accuracy": 1.0})
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.version = 7  # type: ignore[misc]
    weights.write_bytes(b"overwritten")
    assert rx.load_model("digits:1").read_bytes() == b"weights"


def test_a_number_is_never_given_again(weights: Path) -> None:
    first, second = (rx.register_model("digits", path=weights, labels=["small"]) for _ in range(2))
    assert rx.delete_model_version("digits:2").model_version_id == second.model_version_id
    refused("not_found", rx.get_model_version, "digits:2")
    refused("not_found", rx.get_model_version, second)
    assert rx.register_model("digits", path=weights).version == 3
    assert rx.sql("select * from labels").empty
    assert len(rx.sql("select * from artifacts")) == 2 and first.version == 1


def test_a_number_is_never_given_again_also_after_a_fold_in_another_process(weights: Path, project: Path) -> None:
    for _ in range(3):
        rx.register_model("digits", path=weights)
    rx.delete_model_version("digits:3")
    code = (
        "import renex_jupyter as rx; from renex_jupyter.session import current; current.current().store.fold(); "
        "print(rx.register_model('digits', path='model.bin').version)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=project)
    assert told.stdout.strip() == "4"


def test_a_version_that_an_alias_names_is_deleted_only_with_the_alias(weights: Path) -> None:
    rx.register_model("digits", path=weights)
    rx.set_alias("digits", "champion", 1)
    assert "champion" in refused("conflict", rx.delete_model_version, "digits:1").message
    rx.delete_model_version("digits:1", aliases=True)
    assert rx.get_model("digits").aliases == {} and rx.get_model("digits").versions == 0
    refused("not_found", rx.get_model_version, "digits@latest")


def test_a_version_outlives_its_run_and_the_artifact_that_it_was_made_of(weights: Path, project: Path) -> None:
    with rx.start_run("train") as run:
        artifact = rx.log_artifact(weights)
        rx.register_model("digits", artifact=artifact)
    rx.delete_artifact(artifact)
    rx.purge(run.run_id)
    assert rx.load_model("digits:1").read_bytes() == b"weights"
    assert rx.get_model_version("digits:1").run is None


def test_load_returns_a_path_to_verified_contents_and_never_unpickles(weights: Path, project: Path) -> None:
    (project / "evil.pkl").write_bytes(b"cos\nsystem\n(S'touch unpickled'\ntR.")
    rx.register_model("digits", path="evil.pkl")
    path = rx.load_model("digits")
    assert isinstance(path, Path) and path.name == "evil.pkl" and path.read_bytes().startswith(b"cos")
    assert not (project / "unpickled").exists() and "pickle" not in rx.load_model.__module__
    path.chmod(0o600)
    path.write_bytes(b"somebody has written here")
    assert rx.load_model("digits").read_bytes().startswith(b"cos")  # verified by its hash at each load
    assert rx.load_model("digits", to=project / "out").read_bytes() == rx.load_model("digits").read_bytes()


def test_a_damaged_content_is_not_loaded(weights: Path, project: Path) -> None:
    made = rx.register_model("digits", path=weights)
    sha256 = rx.get_artifact(made.artifact_id).sha256
    (blob,) = (project / ".renex/blobs").glob(f"{sha256[:2]}/{sha256[2:]}*")
    blob.chmod(0o600)
    blob.write_bytes(b"damaged")
    refused("corrupt", rx.load_model, "digits", to=project / "out")
    assert not (project / "out").exists()


def test_it_is_known_when_and_where_models_are_consumed(weights: Path, project: Path) -> None:
    with rx.start_run("train"):
        made = rx.register_model("digits", path=weights)
        rx.load_model("digits")
    rx.set_alias("digits", "champion", 1)
    with rx.start_run("serve") as serving:
        path = rx.load_model("digits@champion")
    events = rx.sql(
        """select actor, "at", after->>'to' as place, after->>'asked' as asked, after->>'host' as host,
        after->>'in_run' as run from change_events where object_kind = 'model_versions' and action = 'download'
        and object_id = ? order by "at" """,
        [made.model_version_id],
    )
    assert list(events.asked) == ["digits", "digits@champion"]
    assert events.place[1] == str(path) and events.host[1] == os.uname().nodename and events.run[1] == serving.run_id
    assert events.actor[1] and events["at"][1]
    links = rx.sql("select from_id from lineage where relation = 'uses' and to_id = ?", [made.model_version_id])
    assert list(links.from_id) == [serving.run_id]  # not the run that made it
    assert rx.get_model_version("digits:1").run == "train"  # a download changes nothing of the version


def test_a_retired_version_is_loaded_by_its_number_with_a_warning(weights: Path) -> None:
    rx.register_model("digits", path=weights)
    rx.retire_version("digits:1", "leaks the test set")
    refused("not_found", rx.load_model, "digits")
    with pytest.warns(UserWarning, match=r"default/digits:1' is retired: leaks the test set"):
        assert rx.load_model("digits:1").read_bytes() == b"weights"


def test_a_place_in_a_store_is_refused_and_what_is_there_is_not_overwritten(weights: Path, project: Path) -> None:
    rx.register_model("digits", path=weights)
    refused("unsafe_path", rx.load_model, "digits", to=project / ".renex/blobs/x")
    weights.write_bytes(b"mine")
    refused("conflict", rx.load_model, "digits", to=weights)
    assert weights.read_bytes() == b"mine"
    assert rx.load_model("digits", to=weights, force=True).read_bytes() == b"weights"


def test_a_tracked_artifact_becomes_a_version_too(weights: Path) -> None:
    with rx.start_run("train"):
        tracked = rx.track_artifact(weights)
        made = rx.register_model("digits", artifact=tracked)
    assert rx.get_artifact(made.artifact_id).mode == "tracked"
    assert rx.load_model("digits").read_bytes() == b"weights"
    weights.write_bytes(b"changed")
    refused("conflict", rx.load_model, "digits")


def test_many_params_with_secrets_and_odd_values_are_kept_as_those_of_the_run(weights: Path) -> None:
    with rx.start_run("train"):
        rx.log_params({"api_key": "hunter2", "nested": {"a": [1, 2]}, "none": None, "text": "<b>&"})
        made = rx.register_model("digits", path=weights, params={"password": "hunter2"}, description="<script>")
    assert made.params["nested"] == {"a": [1, 2]} and made.params["none"] is None
    assert "hunter2" not in str(made.params) and "<script>" not in made._repr_html_()
