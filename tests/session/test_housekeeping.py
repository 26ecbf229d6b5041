"""Snapshots kept in order: listed, edited, deleted."""

import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import nbformat
import pytest

import renex_jupyter as rx
from renex_jupyter.errors import RenexError
from renex_jupyter.records.changes import Change
from renex_jupyter.session import current as sessions
from renex_jupyter.session.alone import LOCK
from renex_jupyter.store import locks
from renex_jupyter.store.keeping import gc
from renex_jupyter.store.keeping.fsck import fsck
from renex_jupyter.store.store import Store

LONG_AGO = (0, 0)


def listed(**filters: Any) -> list[str]:
    return list(rx.list_snapshots(**filters)["message"])


def events(action: str) -> list[dict[str, Any]]:
    query = "select object_id, before, after from change_events where object_kind = 'snapshots' and action = ? order by \"at\""
    return [
        {"id": row.object_id, "before": json.loads(row.before or "null"), "after": json.loads(row.after)}
        for row in rx.sql(query, [action]).itertuples()
    ]


@pytest.fixture
def some(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three snapshots, the first of a notebook, the last in a run."""
    (project / "sub").mkdir()
    nbformat.write(nbformat.v4.new_notebook(), project / "sub" / "a.ipynb")
    monkeypatch.setenv("RENEX_NOTEBOOK", str(project / "sub" / "a.ipynb"))
    rx.snapshot("Before the change", label="start")
    monkeypatch.delenv("RENEX_NOTEBOOK")
    rx.snapshot("after the change")
    with rx.start_run("train"):
        rx.snapshot("in a run")
    return project


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["in a run", "after the change", "Before the change"]),
        ({"message": "the CHANGE"}, ["after the change", "Before the change"]),
        ({"message": "%"}, []),
        ({"label": "start"}, ["Before the change"]),
        ({"label": "start", "message": "after"}, []),
        ({"notebook": "a.ipynb"}, ["Before the change"]),
        ({"notebook": "sub/a.ipynb"}, ["Before the change"]),
        ({"notebook": "b/a.ipynb"}, []),
        ({"namespace": "default", "limit": 1}, ["in a run"]),
        ({"namespace": "other"}, []),
        ({"run": "train", "hidden": False}, ["in a run"]),
        (
            {"since": "1h", "until": datetime(9000, 1, 1, tzinfo=UTC)},
            ["in a run", "after the change", "Before the change"],
        ),
        ({"until": "1 min ago"}, []),
        ({"since": date(2020, 1, 1), "until": "2020-02-01"}, []),
        ({"until": "2020-02-01T10:00+02:00"}, []),
    ],
    ids=str,
)
def test_a_list_is_of_what_is_asked_for(some: Path, filters: dict[str, Any], expected: list[str]) -> None:
    assert listed(**filters) == expected


def test_hidden_ones_are_listed_when_asked_for_or_with_their_run(some: Path) -> None:
    assert len(listed(hidden=True)) == 5
    assert len(listed(run="train")) == 3


@pytest.mark.parametrize(
    "filters",
    [{"since": "yesterday"}, {"until": 5}, {"since": "9999999999w"}, {"limit": 0}, {"limit": "3"}, {"message": 7}],
    ids=str,
)
def test_what_cannot_choose_is_refused_with_a_hint(some: Path, filters: dict[str, Any]) -> None:
    with pytest.raises(RenexError) as caught:
        rx.list_snapshots(**filters)
    assert caught.value.code == "invalid_argument" and caught.value.hint


def test_a_hidden_snapshot_is_found_by_its_label_and_comes_back(project: Path) -> None:
    rx.snapshot("one", label="a")
    assert rx.update_snapshot("a", hidden=True).hidden
    assert listed() == []
    assert not rx.update_snapshot("a", hidden=False).hidden
    assert listed() == ["one"]
    assert [each["after"] for each in events("update")] == [{"hidden": True}, {"hidden": False}]


def test_an_edit_that_changes_nothing_leaves_no_event(project: Path) -> None:
    taken = rx.snapshot("one", label="a")
    assert rx.update_snapshot(taken, message="one", label="a", hidden=False) == rx.get_snapshot(taken)
    assert events("update") == []


def test_a_label_moves_to_the_snapshot_that_gets_it(project: Path) -> None:
    one, two = rx.snapshot("one", label="best"), rx.snapshot("two")
    said = f"label 'best' is now that of {two.snapshot_id[:8]}; it was that of {one.snapshot_id[:8]}"
    with pytest.warns(UserWarning, match=said):
        rx.update_snapshot(two, label="best")
    assert (rx.get_snapshot(one).label, rx.get_snapshot("best").snapshot_id) == (None, two.snapshot_id)
    moved = [each for each in events("update") if each["id"] == one.snapshot_id]
    assert [(each["before"], each["after"]) for each in moved] == [({"label": "best"}, {"label": None})]
    with pytest.warns(UserWarning, match="label 'best'"):
        three = rx.snapshot("three", label="best")
    assert list(rx.list_snapshots(label="best")["snapshot_id"]) == [three.snapshot_id]


TAKE = """
import sys, warnings
import renex_jupyter as rx
from renex_jupyter.session import alone
alone.WAIT = 100.0  # a slow machine must not end it
warnings.simplefilter("ignore")
for n in range(6):
    rx.update_snapshot(sys.argv[1], label="best")
    rx.snapshot(f"{sys.argv[1]} {n}", label="best")
"""


def test_a_label_is_that_of_one_when_several_kernels_give_it(project: Path) -> None:
    ids = [rx.snapshot(f"{n}").snapshot_id for n in range(3)]
    command = [sys.executable, "-c", TAKE]
    kernels = [subprocess.Popen([*command, each], cwd=project, stderr=subprocess.PIPE, text=True) for each in ids]
    assert [(kernel.wait(), kernel.communicate()[1]) for kernel in kernels] == [(0, "")] * 3
    assert len(rx.list_snapshots(label="best")) == 1
    assert len(rx.list_snapshots()) == 3 + 18


def test_an_edit_waits_for_another_one_and_says_so_when_that_takes_too_long(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rx.snapshot(label="a")
    monkeypatch.setattr("renex_jupyter.session.alone.WAIT", 0.1)
    with locks.hold(project / ".renex" / LOCK, timeout=1):
        for change in (lambda: rx.update_snapshot("a", message="x"), lambda: rx.delete_snapshot("a")):
            with pytest.raises(RenexError) as caught:
                change()
            assert caught.value.code == "locked"
        assert rx.snapshot("b", label="a").label == "a"  # it is taken all the same
    assert rx.get_snapshot("a").message == "b"


def test_a_deleted_snapshot_is_gone_and_its_change_says_what_it_was(project: Path) -> None:
    kept = rx.snapshot("kept")
    taken = rx.snapshot("one", label="zz", config={"long": "x" * 1000})
    child = rx.snapshot("child")
    assert "would be deleted" in str(rx.delete_snapshot("zz", dry_run=True))
    assert len(listed()) == 3
    assert "is deleted" in str(rx.delete_snapshot("zz"))
    assert listed() == ["child", "kept"]
    for wanted in ("zz", taken.snapshot_id, taken):
        with pytest.raises(RenexError) as caught:
            rx.get_snapshot(wanted)
        assert caught.value.code == "not_found"
    (event,) = events("delete")
    assert (event["id"], event["before"]["label"], event["before"]["message"]) == (taken.snapshot_id, "zz", "one")
    assert "config" not in event["before"]
    assert rx.get_snapshot(child).parent_id == taken.snapshot_id
    assert rx.delete_snapshot(child).snapshot.message == "child"
    assert (rx.snapshot().parent_id, rx.get_snapshot(kept).message) == (taken.snapshot_id, "kept")
    assert rx.fsck().ok


@pytest.mark.parametrize("folded", [False, True])
def test_a_change_that_knows_of_no_deletion_does_not_bring_a_snapshot_back(project: Path, folded: bool) -> None:
    taken = rx.snapshot("mistake")
    rx.delete_snapshot(taken.snapshot_id)
    store = sessions.current().store
    store.write(Change("snapshots", taken.snapshot_id, "checkout", {"path": "folder", "files": 1}))
    if folded:
        store.fold()
    assert rx.list_snapshots().empty


def test_a_deleted_snapshot_can_be_purged_by_its_whole_id(project: Path) -> None:
    gone = rx.snapshot("a word that must go", label="gone")
    rx.snapshot("kept")
    rx.delete_snapshot("gone")
    rx.purge(gone.snapshot_id)
    held = [path for path in (project / ".renex").rglob("*") if path.is_file() and b"must go" in path.read_bytes()]
    assert (held, listed()) == ([], ["kept"])
    assert rx.fsck().ok


def test_the_state_of_a_run_goes_only_with_its_run(project: Path) -> None:
    with rx.start_run("train") as run:
        inside = rx.snapshot("inside")
    found = rx.get_run(run.run_id)
    for side in ("before", "after"):
        with pytest.raises(RenexError, match=f"the state {side} run 'train'") as caught:
            rx.delete_snapshot(getattr(found, f"{side}_snapshot_id"))
        assert (caught.value.code, run.run_id[:8] in caught.value.hint) == ("conflict", True)
    rx.delete_snapshot(inside)
    assert len(listed(hidden=True)) == 2


def test_a_label_that_two_have_is_not_enough_to_delete(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = rx.snapshot("one", label="a")
    monkeypatch.setattr("renex_jupyter.session.alone.WAIT", 0.1)
    with locks.hold(project / ".renex" / LOCK, timeout=1):
        rx.snapshot("two", label="a")
    with pytest.raises(RenexError) as caught:
        rx.delete_snapshot("a")
    assert (caught.value.code, one.snapshot_id[:8] in caught.value.message) == ("ambiguous", True)
    assert rx.delete_snapshot(one.snapshot_id[:10]).snapshot.message == "one"


def on_disk(store: Store) -> int:
    return sum(each.size for each in gc.contents_in(store.layout.blobs))


@pytest.mark.parametrize("folded", [False, True])
def test_what_only_a_deleted_snapshot_held_is_freed_by_the_next_collection(project: Path, folded: bool) -> None:
    rx.snapshot("small")
    (project / "big.bin").write_bytes(os.urandom(500_000))
    rx.snapshot("big", label="big")
    (project / "big.bin").unlink()
    store = sessions.current().store
    before = on_disk(store)
    for each in gc.contents_in(store.layout.blobs):
        os.utime(each.path, LONG_AGO)
    assert gc.collect(store, dry_run=False).blobs == 0
    rx.delete_snapshot("big")
    if folded:
        store.fold()
    assert gc.collect(store, dry_run=False, grace=0).blobs == 1
    assert on_disk(store) < before - 500_000 + 1000
    report = fsck(store.layout)
    assert report.ok, report
    rx.checkout(rx.list_snapshots()["snapshot_id"][0], to="back")
    assert (project / "back" / "model.py").exists()


def test_a_deleted_snapshot_stays_away_after_rebuild_and_import(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    older = tmp_path_factory.mktemp("exports") / "older.zip"
    rx.snapshot("kept")
    rx.snapshot("gone", label="gone")
    rx.export_store(older)
    rx.delete_snapshot("gone")
    rx.rebuild()
    assert listed() == ["kept"]
    rx.import_store(older)
    assert listed() == ["kept"]
    newer = older.with_name("newer.zip")
    rx.export_store(newer)
    other = tmp_path_factory.mktemp("other")
    os.chdir(other)
    sessions.reset()
    rx.import_store(older)
    assert listed() == ["gone", "kept"]
    rx.import_store(newer)
    assert listed() == ["kept"]
    assert rx.fsck().ok
