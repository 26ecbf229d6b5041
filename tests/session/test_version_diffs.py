"""Two versions compared."""

import json
from pathlib import Path

import pytest

import renex_jupyter as rx


@pytest.fixture
def bundle(project: Path) -> Path:
    """A trained model of several files."""
    folder = project / "bundle"
    folder.mkdir()
    (folder / "model.bin").write_bytes(b"weights")
    (folder / "vocab.txt").write_text("a b c")
    return folder


def trained(bundle: Path, name: str, params: dict[str, object], accuracy: float) -> None:
    with rx.start_run(name):
        rx.log_params(params)
        rx.log_metric("accuracy", accuracy)
    rx.register_model("digits", path=bundle, run=name)


def test_two_versions_are_compared_over_params_metrics_files_dataset_and_code(bundle: Path, project: Path) -> None:
    trained(bundle, "one", {"lr": 0.1, "depth": 3, "net": {"units": 8}, "dataset": "v1"}, 0.9)
    (bundle / "model.bin").write_bytes(b"other weights")
    (bundle / "vocab.txt").unlink()
    (bundle / "config.json").write_text("{}")
    (project / "model.py").write_text("def model():\n    return 2\n")
    trained(bundle, "two", {"lr": 0.2, "net": {"units": 8}, "dropout": 0.5, "dataset": "v2"}, 0.95)
    found = rx.compare_versions("digits:1", "digits:2")
    assert (found.a, found.b, found.same, found.code) == ("default/digits:1", "default/digits:2", False, "different")
    assert {(each.kind, each.key) for each in found.params} == {
        ("changed", "lr"), ("removed", "depth"), ("added", "dropout"), ("changed", "dataset")}  # fmt: skip
    (accuracy,) = found.metrics
    assert (accuracy.before, accuracy.after) == (0.9, 0.95) and accuracy.delta == pytest.approx(0.05)
    (dataset,) = found.facts
    assert (dataset.key, dataset.before, dataset.after) == ("dataset", "v1", "v2")
    files = {each.path: (each.kind, each.before_size, each.after_size) for each in found.files}
    assert files == {
        "model.bin": ("changed", 7, 13), "vocab.txt": ("removed", 5, None), "config.json": ("added", None, 2)
    }  # fmt: skip
    text = str(found)
    assert "accuracy 0.9 -> 0.95 (+0.05, +5.56 %)" in text and "model.bin (7 B -> 13 B)" in text
    assert "code: different (1 file" in text and "units" not in text
    assert json.dumps(found.as_dict()) and found.as_dict()["code"] == "different"


def test_what_is_equal_is_told_when_it_is_asked_for(bundle: Path) -> None:
    trained(bundle, "one", {"lr": 0.1, "seed": 3}, 0.9)
    trained(bundle, "two", {"lr": 0.2, "seed": 3}, 0.9)
    found = rx.compare_versions("digits:1", 2, unchanged=True)
    assert found.unchanged == {"facts": {}, "params": {"seed": 3}, "metrics": {"accuracy": 0.9}}
    assert "seed 3" in str(found) and "seed" not in str(rx.compare_versions("digits:1", 2))
    assert found.code == "equal"


def test_a_version_does_not_differ_from_itself_nor_from_the_same_registered_again(bundle: Path) -> None:
    rx.register_model("digits", path=bundle)
    rx.register_model("digits", path=bundle)
    assert rx.compare_versions("digits:1", "digits:1").same
    found = rx.compare_versions("digits:1", "@latest")
    assert found.same and "No differences between default/digits:1 and default/digits:2." in str(found)
    assert "Their contents are the same." in found.notes and found.code == "unknown"
    assert "The environment of default/digits:1 is not known." in found.notes


def test_packages_that_differ_are_told(bundle: Path, project: Path) -> None:
    trained(bundle, "one", {}, 0.9)
    made = rx.get_model_version("digits:1")
    (project / "requirements.txt").write_text("numpy==1.0\n")
    other = rx.create_environment(project)
    run = rx.run_task(["true"], name="elsewhere")
    from renex_jupyter.records.changes import Change
    from renex_jupyter.session.current import current

    current().store.write(Change("runs", run.run_id, "update", {"environment_id": other.environment_id}))
    rx.register_model("digits", path=bundle, run=run)
    found = rx.compare_versions(made, 2)
    assert any(each.key == "numpy" and each.after == "1.0" for each in found.packages)
    assert "environment:" in str(found) and "numpy" in str(found)


def test_metrics_that_were_logged_since_and_those_on_a_dataset_are_compared_too(bundle: Path) -> None:
    one = rx.register_model("digits", path=bundle, metrics={"accuracy": 0.9})
    two = rx.register_model("digits", path=bundle, metrics={"accuracy": 0.9})
    rx.log_metric("accuracy", 0.7, on=one, dataset="test")
    rx.log_metric("accuracy", 0.8, on=two, dataset="test")
    assert [(each.key, each.before, each.after) for each in rx.compare_versions(one, two).metrics] == [
        ("accuracy@test", 0.7, 0.8)
    ]


def test_versions_of_two_models_and_of_one_file_are_compared(bundle: Path) -> None:
    rx.register_model("digits", path=bundle / "model.bin")
    rx.register_model("vision/letters", path=bundle / "vocab.txt")
    found = rx.compare_versions("digits", "vision/letters:1")
    assert {each.path for each in found.files} == {"model.bin", "vocab.txt"}
    assert rx.compare_versions(rx.get_model("digits"), rx.get_model("vision/letters")).b == "vision/letters:1"
    for word, code in (("digits:9", "not_found"), (9, "not_found"), (None, "invalid_argument")):
        with pytest.raises(rx.RenexError) as refusal:
            rx.compare_versions("digits:1", word)
        assert refusal.value.code == code


def test_a_comparison_is_shown_in_a_cell_with_every_stored_text_escaped(bundle: Path) -> None:
    rx.register_model("digits", path=bundle, params={"<img src=x>": "<b>"}, dataset="<i>")
    rx.register_model("digits", path=bundle)
    html = rx.compare_versions("digits:1", 2)._repr_html_()
    assert "<img" not in html and "<b>&" not in html and "<i>" not in html and "&lt;img" in html
