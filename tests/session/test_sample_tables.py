"""The rows of datasets and of predictions in SQL."""

import subprocess
import sys
from pathlib import Path

import duckdb
import pandas as pd
import pytest

import renex_jupyter as rx
from renex_jupyter.records.datasets import DatasetVersion
from renex_jupyter.session import current as sessions
from renex_jupyter.store.keeping.fsck import fsck
from renex_jupyter.store.keeping.gc import collect
from renex_jupyter.store.keeping.purge import purge

JOINED = """
    select s.attributes->>'city' as city, avg((p.label <> s.target)::int) as error
    from predictions p join samples s using (dataset_version_id, sample_key) group by all order by 1"""
ELSEWHERE = """
import pandas as pd, renex_jupyter as rx
rx.create_dataset("second", pd.DataFrame({"other": [1, 2, 3]}))
"""

pytestmark = pytest.mark.usefixtures("project")


def people(name: str = "people") -> DatasetVersion:
    frame = pd.DataFrame(
        {
            "city": ["Rome", "O'Slo", "Rome", None],
            "na\"m'e; drop": [1.0, float("nan"), 3.0, 4.0],
            "rich": [True, False, True, None],
            "part": ["train", "test", "train", "test"],
        }
    )
    return rx.create_dataset(name, frame, target="rich", split="part")


def outside(query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(sessions.current().store.layout.history), read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_samples_and_predictions_join_in_sql() -> None:
    version = people()
    rx.log_predictions("people", [True, True, False, True], name="m")
    assert rx.sql(JOINED).values.tolist()[:2] == [["O'Slo", 1.0], ["Rome", 0.5]]
    row = rx.sql("select * from samples where sample_key = '0'").iloc[0]
    assert (row["dataset_version_id"], row["target"], row["split"]) == (version.dataset_version_id, "true", "train")
    name = "select attributes->>$name as found from samples order by sample_key limit 1"
    assert rx.sql(name, {"name": "na\"m'e; drop"})["found"].tolist() == ["1.0"]


def test_another_program_sees_the_rows_too() -> None:
    people()
    rx.log_predictions("people", [True, True, False, True], name="m")
    sessions.current().store.fold()
    assert outside(JOINED)[:2] == [("O'Slo", 1.0), ("Rome", 0.5)]


def test_rows_that_another_process_adds_are_seen() -> None:
    people()
    assert rx.sql("select count(*) as n from samples")["n"].tolist() == [4]
    subprocess.run([sys.executable, "-c", ELSEWHERE], check=True)
    assert rx.sql("select count(*) as n from samples")["n"].tolist() == [7]


def test_without_datasets_the_tables_are_empty_and_listed() -> None:
    rx.snapshot()
    assert {"samples", "annotations", "predictions"} <= set(rx.sql("show tables")["name"])
    for name in ("samples", "annotations", "predictions"):
        assert rx.sql(f"select * from {name}").empty


def test_annotations_have_their_attributes_as_json() -> None:
    people()
    rx.log_annotations(
        "people", pd.DataFrame({"_key": ["0"], "kind": ["class"], "label": ["x"], "attributes": ['{"a": 1}']})
    )
    assert rx.sql("select label, attributes->>'a' as a from annotations").values.tolist() == [["x", "1"]]


def test_a_version_whose_file_is_gone_or_damaged_does_not_hide_the_others() -> None:
    first, second = people(), rx.create_dataset("second", pd.DataFrame({"other": [1, 2, 3]}))
    third = rx.create_dataset("third", pd.DataFrame({"other": [1, 2]}))
    assert rx.sql("select count(*) as n from samples")["n"].tolist() == [9]
    blobs = sessions.current().store.blobs
    blobs.remove(first.files[0].sha256)
    damaged = blobs.plain(third.files[0].sha256)
    damaged.chmod(0o600)
    damaged.write_bytes(b"PAR1 no more")
    seen = rx.sql("select distinct dataset_version_id as id from samples")["id"].tolist()
    assert seen == [second.dataset_version_id]
    sessions.current().store.fold()
    assert outside("select count(*) from samples") == [(3,)]


def test_a_content_that_is_kept_compressed_is_unpacked() -> None:
    import zstandard

    version = people()
    plain = sessions.current().store.blobs.plain(version.files[0].sha256)
    Path(f"{plain}.zst").write_bytes(zstandard.compress(plain.read_bytes()))
    plain.unlink()
    assert rx.sql("select count(*) as n from samples")["n"].tolist() == [4]
    assert not Path(f"{plain}.zst").exists()


def test_a_secret_in_the_rows_is_purged_with_its_file() -> None:
    lines = [f"{number} nothing" for number in range(5000)]
    kept = rx.create_dataset("kept", pd.DataFrame({"said": lines}))
    said = rx.create_dataset("said", pd.DataFrame({"said": [*lines, "my hunter2hunter2"]}))
    listed = rx.create_dataset(
        "listed", pd.DataFrame({"said": [[each, "x"] for each in [*lines, 'a "hunter2hunter2']]})
    )
    rx.sql("select count(*) from samples")
    store = sessions.current().store
    assert purge(store, secret="hunter2hunter2").blobs == 2
    assert [store.blobs.is_there(each.files[0].sha256) for each in (kept, said, listed)] == [True, False, False]
    assert rx.sql("select count(*) as n from samples")["n"].tolist() == [5000]
    store.fold()
    assert outside("select count(*) from samples") == [(5000,)]
    assert fsck(store.layout).damages == ()
    with pytest.raises(rx.RenexError, match="gone"):
        rx.dataset_samples("said")


def test_a_deleted_dataset_frees_its_files_and_takes_along_what_was_found_in_it() -> None:
    frame = pd.DataFrame({"city": ["a", "b"] * 50, "size": range(100), "y": ["x", "z"] * 50})
    version = rx.create_dataset("doomed", frame, target="y")
    predictions = rx.log_predictions("doomed", ["x"] * 100, name="m")
    found = rx.failure_patterns("doomed", predictions)
    if found.patterns:
        rx.keep_pattern(found.patterns[0], "kept")
        rx.measure_patterns("doomed", predictions)
    rx.drift("doomed", by=2)
    rx.save_workspace("view", "doomed", filter="size >= 50")
    counted = (
        "prediction_sets",
        "pattern_searches",
        "failure_patterns",
        "named_patterns",
        "drift_reports",
        "workspaces",
    )
    counts = {name: int(rx.sql(f"select count(*) as n from {name}")["n"][0]) for name in counted}
    assert all(counts.values()), counts
    store = sessions.current().store
    rx.delete_dataset("doomed", versions=True)
    collect(store, dry_run=False, grace=0)
    for each in (*version.files, *predictions.files):
        assert not store.blobs.is_there(each.sha256)
    for name in (*counted, "dataset_versions", "pattern_measures", "workspace_versions", "samples", "predictions"):
        assert rx.sql(f"select * from {name}").empty, name
    assert outside("select count(*) from samples") == [(0,)]
    assert fsck(store.layout).damages == ()


def test_a_dataset_outlives_the_run_that_made_it_and_is_purged() -> None:
    with rx.start_run("maker") as run:
        people()
    purge(sessions.current().store, object_id=run.run_id)
    assert rx.sql("select count(*) as n from samples")["n"].tolist() == [4]
    assert len(rx.dataset_samples("people")) == 4
