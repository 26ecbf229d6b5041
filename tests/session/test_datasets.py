"""Datasets: made of frames and files, numbered, compared, split, predicted on, and deleted with all that is theirs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import renex_jupyter as rx
from renex_jupyter.session.current import current


def frame(rows: int = 40) -> pd.DataFrame:
    numbers = np.arange(rows)
    return pd.DataFrame({
        "id": [f"k{each}" for each in numbers], "age": numbers % 7, "sex": np.where(numbers % 2, "f", "m"),
        "group": numbers // 4, "y": numbers % 3 == 0,
    })  # fmt: skip


def adult(data: object = None, **more: object) -> object:
    return rx.create_dataset("adult", frame() if data is None else data, **{"key": "id", "target": "y", **more})


def test_the_same_rows_in_any_order_and_format_are_one_version(project: Path) -> None:
    made = frame()
    first = adult(made)
    made.to_csv("a.csv", index=False)
    made.to_parquet("a.parquet")
    made.to_json("a.jsonl", orient="records", lines=True)
    import pyarrow as pa

    same = (
        "a.csv",
        "a.parquet",
        "a.jsonl",
        pa.table(made),
        made.sample(frac=1, random_state=1),
        made[made.columns[::-1]],
    )
    for each in same:
        assert adult(each).dataset_version_id == first.dataset_version_id
    assert adult(made.assign(age=made.age.astype("int8"))).version == 1


@pytest.mark.parametrize("column", ["age", "sex", "y", "id"])
def test_a_change_in_any_cell_is_another_version(project: Path, column: str) -> None:
    made = frame()
    adult(made)
    made.loc[17, column] = {"age": 99, "sex": "x", "y": not made.loc[17, "y"], "id": "other"}[column]
    assert adult(made).version == 2


def test_a_row_that_is_there_twice_counts_twice(project: Path) -> None:
    one = rx.create_dataset("rows", {"a": [1, 1, 2]})
    assert rx.create_dataset("rows", {"a": [1, 2, 2]}).digest != one.digest
    assert rx.create_dataset("rows", {"a": [1, 2]}).version == 3


def test_rows_in_another_order_without_a_key_are_told(project: Path) -> None:
    rx.create_dataset("rows", {"a": [1, 2, 3]})
    with pytest.warns(UserWarning, match="in another order"):
        assert rx.create_dataset("rows", {"a": [3, 2, 1]}).version == 1


@pytest.mark.parametrize(
    ("data", "given", "words"),
    [
        ({"id": ["a", "b", "a"]}, {"key": "id"}, "'a' in rows 0, 2"),
        ({"id": ["a", None, "c"]}, {"key": "id"}, "NULL in row 1"),
        ({"a": [1], "b": [1, 2]}, {}, "a has 1, b has 2"),
        ({"a": [1, 2], "t": [None, None]}, {"target": "t"}, "NULL in all 2 rows"),
        ({"_key": [1, 2]}, {}, "'_key'"),
        ({"a": [1]}, {"target": "b"}, "no column"),
        ({"a": [1]}, {"target": "a", "text": "a"}, "one role"),
        ({"a": [1], "A": [2]}, {}, "one name"),
        ({"a": []}, {}, "no rows"),
        ("none.csv", {}, "none.csv"),
        ("odd.bin", {}, "does not say"),
        (7, {}, "no table"),
        ({"a": [1]}, {"task": "guessing"}, "task"),
    ],
)
def test_bad_input_is_told_with_the_rows_and_nothing_is_made(
    project: Path, data: object, given: dict[str, str], words: str
) -> None:
    with pytest.raises(rx.RenexError) as told:
        rx.create_dataset("bad", data, **given)
    assert words in str(told.value)
    assert not current().store.exists or len(rx.list_datasets(archived=True)) == 0


def test_words_of_a_csv_stay_what_a_model_predicts_and_only_true_and_false_are_booleans(project: Path) -> None:
    rows = "sold,it's big,ok,label\n" + "y,t,True,yes\nn,f,false,no\n,,,\n"
    Path("words.csv").write_text(rows)
    version = rx.create_dataset("words", "words.csv", target="label")
    assert {each.name: each.type for each in version.fields} == {
        "sold": "VARCHAR",
        "it's big": "VARCHAR",
        "ok": "BOOLEAN",
        "label": "VARCHAR",
    }
    assert version.classes == ("no", "yes")
    rx.log_predictions("words", ["yes", "yes", "no"], name="a")
    assert rx.evaluate("words", "a").metrics["accuracy"] == 0.5


def test_an_array_without_names_is_refused_at_once(project: Path) -> None:
    with pytest.raises(rx.RenexError, match="a ndarray has no names of columns") as told:
        rx.create_dataset("bad", np.zeros((50_000, 2)))
    assert "pd.DataFrame(array, columns=" in str(told.value)
    with pytest.raises(rx.RenexError, match="a Series has no names of columns"):
        rx.create_dataset("bad", pd.Series([1, 2]))


def test_a_broken_csv_is_told_with_its_line(project: Path) -> None:
    Path("bad.csv").write_text("a,b\n1,2\n3,4,5,6\n")
    with pytest.raises(rx.RenexError, match=r"line 3 of bad\.csv has 4 values"):
        rx.create_dataset("bad", "bad.csv")


def test_predictions_are_kept_in_the_order_of_the_samples_or_by_key(project: Path) -> None:
    version = adult()
    labels = frame().y.to_numpy()
    by_order = rx.log_predictions(version, labels, name="array")
    table = pd.DataFrame({"id": frame().id, "label": labels}).sample(frac=1, random_state=2)
    by_key = rx.log_predictions("adult", table, name="table")
    assert by_order.digest == by_key.digest
    assert by_order.n_samples == version.n_samples
    assert by_order.classes == ("false", "true")
    again = rx.log_predictions(version, labels, name="array")
    assert again.prediction_set_id == by_order.prediction_set_id


def test_probabilities_say_the_label(project: Path) -> None:
    version = rx.create_dataset("p", {"x": [1.0, 2.0, 3.0], "y": ["a", "b", "a"]}, target="y")
    found = rx.log_predictions(version, np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]]))
    from renex_jupyter.query.contents import open_predictions
    from renex_jupyter.store.workbench import Workbench

    with Workbench() as bench:
        open_predictions(bench, current().store.blobs, found)
        assert bench.values("select _key, label from predictions") == [("0", "a"), ("1", "b"), ("2", "b")]


@pytest.mark.parametrize(
    ("given", "more", "words"),
    [
        ([True] * 39, {}, "row 39"),
        (["no"] * 40, {}, "unknown class"),
        (pd.DataFrame({"id": ["k1", "zz"], "label": [True, True]}), {}, "row 1 ('zz')"),
        (pd.DataFrame({"id": ["k1", "k2", "k1"], "label": [True] * 3}), {}, "'k1' in rows 0, 2"),
        (np.full((40, 3), 0.3), {}, "3 classes"),
        (np.full((40, 2), 7.0), {}, "probability"),
        ([None] * 40, {}, "NULL"),
        (pd.DataFrame({"a": [1]}), {}, "of which sample"),
        ([True] * 40, {"scores": [1.0]}, "1 score"),
        ([True] * 40, {"classes": ["true", "true"]}, "twice"),
    ],
)
def test_bad_predictions_are_told_with_the_rows(
    project: Path, given: object, more: dict[str, object], words: str
) -> None:
    adult()
    with pytest.raises(rx.RenexError) as told:
        rx.log_predictions("adult", given, **more)
    assert words in str(told.value)
    assert len(rx.list_predictions()) == 0


def test_a_diff_tells_samples_columns_and_fields(project: Path) -> None:
    adult()
    other = frame().drop(index=3).assign(age=lambda each: each.age.where(each.id != "k5", 99), more=1)
    found = rx.diff_datasets("adult:1", adult(other))
    assert (found.removed, found.n_added, dict(found.changed)) == (("k3",), 0, {"k5": ("age",)})
    assert dict(found.changed_columns) == {"age": 1}
    assert [each.name for each in found.fields_added] == ["more"]
    assert not rx.diff_datasets("adult:1", "adult:1")


def test_a_split_is_the_same_for_the_same_seed_and_keeps_strata_and_groups(project: Path) -> None:
    adult(frame(300))
    by_class = rx.split_dataset("adult:1", {"train": 0.8, "test": 0.2}, stratify="y")
    assert by_class.splits == {"test": 60, "train": 240}
    rows = rx.dataset_samples(by_class)
    assert rows.groupby("split").y.mean().round(3).nunique() == 1
    assert list(rows.id) == list(frame(300).id)
    assert rx.split_dataset("adult:1", {"train": 0.8, "test": 0.2}, stratify="y").version == by_class.version
    assert rx.split_dataset("adult:1", {"train": 0.8, "test": 0.2}, seed=1, stratify="y").version > by_class.version
    by_group = rx.dataset_samples(rx.split_dataset("adult:1", {"a": 0.5, "b": 0.5}, group="group"))
    assert by_group.groupby("group").split.nunique().max() == 1
    with pytest.raises(rx.RenexError, match="together"):
        rx.split_dataset("adult", {"a": 0.5})


def test_annotations_make_a_version_and_are_joined(project: Path) -> None:
    adult()
    marks = pd.DataFrame({"id": ["k1", "k2"], "label": ["x", "y"]})
    second = rx.log_annotations("adult", marks, annotator="ana")
    assert (second.version, second.n_annotations, second.parent_id is not None) == (2, 2, True)
    assert rx.log_annotations(second, marks, annotator="ana").version == 2
    third = rx.log_annotations(second, marks, annotator="bo")
    assert third.n_annotations == 4
    assert list(rx.dataset_annotations(third, where="annotator = 'bo'").label) == ["x", "y"]
    with pytest.raises(rx.RenexError, match=r"row 0 \(sample 'zz'\)"):
        rx.log_annotations("adult", pd.DataFrame({"_key": ["zz"], "label": ["x"]}))


def test_models_metrics_notes_and_lineage_name_the_version(project: Path) -> None:
    version = adult()
    Path("m.bin").write_text("m")
    with rx.start_run("train"):
        rx.use_dataset("adult:1")
        model = rx.register_model("m", path="m.bin")
    assert (model.dataset, model.dataset_version_id) == ("default/adult:1", version.dataset_version_id)
    assert rx.register_model("m", path="m.bin", dataset="adult").dataset_version_id == version.dataset_version_id
    assert rx.register_model("m", path="m.bin", dataset="just a name").dataset_version_id is None
    rx.log_metric("accuracy", 0.9, on=model, dataset="adult:1")
    assert set(rx.sql("select dataset_version_id from evaluations").dataset_version_id) == {version.dataset_version_id}
    rx.log_metric("rows", 3, on="dataset_version:adult:1")
    rx.set_tags({"state": "clean"}, on=version)
    rx.add_note("where it is from", on="dataset:adult")
    predicted = rx.log_predictions(version, frame().y, model=model)
    edges = rx.lineage(version)
    assert {"trained_on", "version_of", "predictions_on"} <= set(edges.relation)
    assert rx.get_predictions("m:1").prediction_set_id == predicted.prediction_set_id
    assert rx.add_note("no model is named so", on="adult:1").owner_kind == "dataset_version"
    assert rx.fsck().ok


def test_a_deleted_dataset_takes_all_that_is_its_own_along(project: Path) -> None:
    version = adult()
    rx.log_predictions(version, frame().y)
    rx.set_tags({"a": "b"}, on=version)
    with pytest.raises(rx.RenexError, match="1 version"):
        rx.delete_dataset("adult")
    rx.delete_dataset("adult", versions=True)
    for table in ("datasets", "dataset_versions", "prediction_sets", "tags"):
        assert len(rx.sql(f"from {table}")) == 0, table
    assert adult().version == 1


def test_a_namespace_takes_its_datasets_along(project: Path) -> None:
    rx.create_dataset("census/adult", frame(), key="id")
    rx.update_namespace("census", new_name="people")
    assert rx.get_dataset("people/adult").versions == 1
    with pytest.raises(rx.RenexError, match="1 dataset"):
        rx.delete_namespace("people")
    assert rx.update_dataset("people/adult", name="grown", description="who").reference == "people/grown"


def test_samples_are_filtered_in_their_order(project: Path) -> None:
    adult()
    found = rx.dataset_samples("adult", where="age >= 5 and sex = 'f'", columns=["id"], limit=3)
    assert list(found.id) == ["k5", "k13", "k19"]


MAKE = """
import sys, pandas as pd, renex_jupyter as rx
for number in range(3):
    rx.create_dataset("shared", pd.DataFrame({"a": [int(sys.argv[1]), number]}))
"""


def test_two_processes_at_once_leave_no_gap_and_no_double_number(project: Path) -> None:
    makers = [subprocess.Popen([sys.executable, "-c", MAKE, str(each)]) for each in (10, 20)]
    assert [each.wait(120) for each in makers] == [0, 0]
    assert sorted(rx.list_dataset_versions("shared").version) == [1, 2, 3, 4, 5, 6]


def test_a_killed_creation_leaves_nothing_or_a_whole_version(project: Path) -> None:
    rx.create_dataset("first", {"a": [1]})
    code = "import numpy as np, renex_jupyter as rx; rx.create_dataset('big', {'a': np.arange(300_000)})"
    for delay in (0.9, 1.2, 1.5):
        maker = subprocess.Popen([sys.executable, "-c", code])
        end = time.monotonic() + delay
        while maker.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        if maker.poll() is None:
            os.kill(maker.pid, signal.SIGKILL)
        maker.wait()
        versions = rx.sql("select * from dataset_versions where dataset = 'big'")
        assert len(versions) in (0, 1)
        if len(versions):
            assert len(rx.dataset_samples("big", columns=["a"])) == 300_000


def test_an_array_of_predictions_is_tied_to_samples_by_their_order_over_many_row_groups(project: Path) -> None:
    rows = 400_000  # four row groups of a file, which threads read at one time
    version = rx.create_dataset("long", {"x": np.arange(rows), "y": np.zeros(rows)}, target="y", task="regression")
    predicted = rx.log_predictions(version, np.arange(rows, dtype=float))
    from renex_jupyter.query.contents import open_predictions
    from renex_jupyter.store.workbench import Workbench

    with Workbench(threads=4) as bench:
        open_predictions(bench, current().store.blobs, predicted)
        assert bench.values("select count(*), count(*) filter (where _key::bigint = value) from predictions") == [
            (rows, rows)
        ]


def test_a_table_of_hugging_face_is_taken_and_several_of_them_are_told(project: Path) -> None:
    import pyarrow as pa

    class Held:
        def __init__(self, table: object) -> None:
            self.table = table

    class Rows:
        column_names = ("a",)
        data = Held(pa.table({"a": [1, 2, 3]}))

    assert rx.create_dataset("rows", Rows()).n_samples == 3
    with pytest.raises(rx.RenexError, match=r"(?s)tables in it is none: train, test.*data\['train'\]"):
        rx.create_dataset("rows", {"train": Rows(), "test": Rows()})


def test_secrets_in_what_is_said_of_a_dataset_are_left_out(project: Path) -> None:
    secret = "ghp_" + "a1B2" * 9
    version = adult(description=f"read with {secret}", message=f"token {secret}")
    assert secret not in str(version.message) + str(rx.get_dataset("adult").description)


def test_notes_on_what_was_found_belong_to_that_and_not_to_its_model(project: Path) -> None:
    Path("m.bin").write_text("m")
    model = rx.register_model("m", path="m.bin")
    for version in (adult(frame(200)), adult(frame(200).assign(age=lambda each: each.age + 1))):
        rx.log_predictions(version, frame(200).y, model=model)
    report = rx.drift("adult:1", "adult:2", model=model)
    pattern = rx.keep_pattern("age >= 5", "old", dataset="adult")
    saved = rx.save_workspace("mine", "adult")
    kinds = [rx.add_note("look", on=each).owner_kind for each in (report, pattern, saved)]
    assert kinds == ["drift_report", "named_pattern", "workspace"]
    assert rx.add_note("look", on=f"drift_report:{report.drift_report_id}").owner_id == report.drift_report_id
    rx.delete_pattern("old", "adult")
    rx.delete_workspace("mine")
    assert set(rx.sql("select owner_kind from notes").owner_kind) == {"drift_report"}
