"""Runs are renamed, moved, starred, archived, and deleted with all that is theirs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from another import Another

import renex_jupyter as rx
from renex_jupyter.errors import RenexError
from renex_jupyter.query import runs as query
from renex_jupyter.session.current import current
from renex_jupyter.store.keeping import gc

OWN = (
    "runs",
    "params",
    "tags",
    "metrics",
    "latest_metrics",
    "metric_summaries",
    "notes",
    "events",
    "artifacts",
    "checkpoints",
)


def counted(*tables: str) -> list[int]:
    return [len(rx.sql(f"from {table}")) for table in tables]


def full_run(project: Path, name: str = "train") -> str:
    """A run with something of every kind, and a child."""
    (project / "weights").write_text(f"weights of {name}")
    with rx.start_run(name, tags={"keep": "yes"}) as run:
        rx.log_param("lr", 0.1)
        rx.log_metric("loss", 1.0)
        rx.log_event("epoch_start")
        rx.add_note("seen")
        rx.log_artifact("weights")
        rx.log_checkpoint("weights", 3, metrics={"accuracy": 0.9})
        with rx.start_run(f"{name} child"):
            rx.log_metric("loss", 2.0)
    return run.run_id


def test_a_run_is_renamed_moved_starred_and_archived(project: Path) -> None:
    with rx.start_run("train") as run, rx.start_run("child"):
        pass
    with rx.start_run("other"):
        pass
    edited = rx.update_run("train", name="baseline", experiment="digits", namespace="vision", starred=True)
    assert (edited.name, edited.experiment, edited.namespace, edited.starred) == ("baseline", "digits", "vision", True)
    assert (rx.get_run("child").experiment, rx.get_run("child").namespace) == ("digits", "vision")
    assert rx.get_run("other").experiment == "default" and rx.get_experiment("vision/digits").runs == 2
    rx.update_run(run, archived=True)
    read = current().store.reader
    assert [row["name"] for row in query.list_runs(read)] == ["other", "child"] and query.count_runs(read) == 2
    assert rx.get_run("baseline").archived and len(rx.search_runs(archived=True)) == 3
    assert sorted(rx.search_runs()["name"]) == ["child", "other"]
    with pytest.raises(RenexError, match="neither True nor False"):
        rx.search_runs(archived="yes")
    rx.update_run("baseline", archived=False, starred=False)
    assert query.count_runs(read) == 3
    rows = rx.sql(
        "select after from change_events where object_id = ? and action = 'update' and before is not null", [run.run_id]
    )
    assert '{"starred":true,"name":"baseline"}' in list(rows["after"])


def test_a_run_that_runs_is_renamed_and_moved_and_logs_on(project: Path) -> None:
    with Another(project) as other:
        run_id = other.does("run = rx.start_run('train'); said = run.run_id")
        rx.update_run(run_id, name="baseline", experiment="digits")
        other.does("rx.log_metric('loss', 1.0); rx.end_run()")
    found = rx.get_run(run_id)
    assert (found.name, found.experiment, found.status, found.metrics) == (
        "baseline",
        "digits",
        "finished",
        {"loss": 1.0},
    )


def test_a_listing_tells_the_parent_of_a_nested_run(project: Path) -> None:
    with rx.start_run("search") as outer, rx.start_run("depth 2"):
        pass
    parents = rx.search_runs().set_index("name")["parent_run_id"]
    assert parents["depth 2"] == outer.run_id and pd.isna(parents["search"])
    assert f"part of      {outer.run_id[:8]}" in str(rx.get_run("depth 2"))


def test_a_deleted_run_is_in_no_table_with_all_that_is_its_own(project: Path) -> None:
    run_id = full_run(project)
    with rx.start_run("other"):
        rx.log_metric("loss", 3.0)
        rx.set_tag("a", "b")
    told = rx.delete_run(run_id, dry_run=True)
    assert told.dry_run and [each.name for each in told.children] == ["train child"]
    assert told.counts["runs"] == 2 and told.counts["checkpoints"] == 1 and told.counts["notes"] == 1
    assert len(rx.search_runs()) == 3
    assert rx.delete_run(run_id).counts == told.counts
    gone = {each.object_kind: each.before for each in rx.watch(0, actions="delete", timeout=0)}
    assert gone["runs"]["name"] and gone["params"]["key"] and gone["artifacts"]["name"]
    assert gone["checkpoints"]["step"] is not None and gone["artifacts"]["owner_kind"] and all(gone.values())
    said = rx.sql("select object_kind, before from change_events where action = 'delete'")
    assert '"key"' in set(said["before"][said["object_kind"] == "params"]).pop() and said["before"].notna().all()
    assert counted(*OWN) == [1, 0, 1, 1, 1, 1, 0, 0, 0, 0]
    assert set(rx.list_snapshots(hidden=True)["run_id"]) == {rx.get_run("other").run_id}
    assert "train" not in str(rx.search_runs().to_dict()) and rx.fsck().ok
    with pytest.raises(RenexError, match="not_found"):
        rx.get_run(run_id)
    current().store.fold()
    assert counted(*OWN) == [1, 0, 1, 1, 1, 1, 0, 0, 0, 0]


def test_the_contents_of_a_deleted_run_are_freed(project: Path) -> None:
    run_id = full_run(project)
    (project / "weights").unlink()
    with rx.start_run("other"):
        pass
    store = current().store
    assert gc.collect(store, dry_run=True, grace=0.0).blobs == 0
    rx.delete_run(run_id)
    assert gc.collect(store, dry_run=False, grace=0.0).blobs >= 1
    assert rx.fsck().ok and gc.collect(store, dry_run=True, grace=0.0).blobs == 0


def test_a_snapshot_that_somebody_else_needs_stays(project: Path) -> None:
    with rx.start_run("train") as run:
        by_hand = rx.snapshot("by hand")
    found = rx.get_run(run)
    before, after = found.before_snapshot_id, found.after_snapshot_id
    assert before and after
    rx.update_snapshot(before, label="start")
    told = rx.delete_run(run)
    assert {each.snapshot_id: each.reason for each in told.kept} == {
        before: "it is labelled start",
        by_hand.snapshot_id: "it has a message",
    }
    assert set(rx.list_snapshots(hidden=True)["snapshot_id"]) == {before, by_hand.snapshot_id}
    assert rx.fsck().ok


def test_a_state_that_another_run_or_a_model_version_names_stays(project: Path) -> None:
    full_run(project)
    version = rx.register_model("reader", checkpoint=rx.list_checkpoints("train")["checkpoint_id"][0])
    told = rx.delete_run("train")
    assert [each.reason for each in told.kept] == ["a model version names it"]
    assert rx.load_model("reader:1").exists()
    assert rx.get_model_version("reader:1").artifact_id == version.artifact_id
    gc.collect(current().store, dry_run=False, grace=0.0)
    assert rx.load_model("reader:1").exists() and rx.fsck().ok


def test_a_run_that_is_open_here_or_elsewhere_is_not_deleted(project: Path) -> None:
    with (
        rx.start_run("train") as run,
        pytest.raises(RenexError, match=r"conflict: run 'train' .* is open in this session"),
    ):
        rx.delete_run(run)
    with Another(project) as other:
        other.does(f"run = rx.start_run(run_id='{run.run_id}')")  # goes on with it
        for dry_run in (True, False):
            with pytest.raises(RenexError, match=r"conflict: run 'train' .* runs in process"):
                rx.delete_run(run, dry_run=dry_run)
        other.does("rx.end_run()\nouter = rx.start_run('outer')\nwith rx.start_run('inner', nested=True): pass")
        with pytest.raises(RenexError, match="conflict: run 'outer'"):
            rx.delete_run("outer")
        rx.delete_run("inner")
        other.does("rx.end_run()")
    rx.delete_run(run)
    rx.delete_run("outer")
    assert counted("runs") == [0]


def test_a_run_whose_process_was_killed_is_deleted(project: Path) -> None:
    code = "import renex_jupyter as rx, os, signal; rx.start_run('train'); os.kill(os.getpid(), signal.SIGKILL)"
    subprocess.run([sys.executable, "-c", code], cwd=project, env=dict(os.environ), check=False)
    assert rx.delete_run("train").run.status == "lost"
    assert counted("runs", "snapshots") == [0, 0]


def test_a_name_of_several_runs_deletes_none(project: Path) -> None:
    for _ in range(2):
        with rx.start_run("train"):
            pass
    with pytest.raises(RenexError, match="ambiguous"):
        rx.delete_run("train")
    for word in ("", 7, "nobody"):
        with pytest.raises(RenexError, match=r"invalid_argument|not_found"):
            rx.delete_run(word)  # type: ignore[arg-type]
    with pytest.raises(RenexError, match="nothing to change"):
        rx.update_run(rx.search_runs()["run_id"][0])
    assert counted("runs") == [2]
