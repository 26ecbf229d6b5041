"""Purging a secret: in words, numbers and bytes, in damaged files and behind links."""

import base64
import json
import os
from pathlib import Path

import pytest
from purgeable import DOOMED, a_run, bytes_of, snapshot

from renex_jupyter.records.changes import Change, now
from renex_jupyter.records.metrics import Point
from renex_jupyter.store import archive, losses, parquet
from renex_jupyter.store.keeping.fsck import fsck
from renex_jupyter.store.keeping.purge import purge
from renex_jupyter.store.store import Store

pytestmark = pytest.mark.usefixtures("nobody_else_folds")


@pytest.mark.parametrize(
    ("word", "folded"),
    [("runs", True), ("create", False), ("status", False), ("finished", True), ("snapshot_id", True), ("file", False)],
)
def test_a_secret_that_is_a_word_of_ours_breaks_no_record(store: Store, word: str, folded: bool) -> None:
    a_run(store)
    snapshot(store, "5" * 32, DOOMED, b"1,2,3")
    store.write(Change("runs", DOOMED, "update", {"notebook": f"{word}.ipynb"}))
    store.write(Change("params", f"{DOOMED}/p", "update", {"run_id": DOOMED, "key": "p", "value": {word: word}}))
    if folded:
        store.fold()
    purge(Store(store.layout.root), secret=word)
    read = Store(store.layout.root).reader
    assert read.rows("select run_id, status, notebook like '%' || $word || '%' as left from runs", {"word": word}) == [
        {"run_id": DOOMED, "status": "finished", "left": False}
    ]
    assert read.rows("select sha256 is not null as named, role from snapshot_files") == [
        {"named": True, "role": "file"}
    ]
    assert read.rows("select source from snapshot_cells") == [{"source": "1 + 1"}]
    assert read.rows("select contains(value::varchar, $word) as left from params", {"word": word}) == [{"left": False}]
    assert fsck(store.layout).damages == ()


@pytest.mark.parametrize("folded", [True, False])
def test_a_number_and_bytes_that_are_the_secret_go(store: Store, folded: bool) -> None:
    a_run(store)
    other = Store(store.layout.root)
    param = {"run_id": DOOMED, "key": "pin", "value": 12345678, "value_text": "12345678", "value_number": 12345678.0}
    other.write(Change("params", f"{DOOMED}/pin", "update", param))
    other.write_points([Point("run", DOOMED, "raw", 0, now(), None, None, b"my 12345678 x", "bytes", None)])
    if folded:
        other.fold()
    purge(Store(store.layout.root), secret="12345678")
    read = Store(store.layout.root).reader
    assert read.rows("select value, value_text, value_number from params") == [
        {"value": '"******"', "value_text": "[purged]", "value_number": None}
    ]
    assert read.rows("select * from metrics") == []
    left = bytes_of(store)
    assert [each for each in (b"12345678", base64.b64encode(b"my 12345678 x")) if each in left] == []
    assert fsck(store.layout).damages == ()


def test_a_notebook_with_a_secret_of_several_lines_goes(store: Store) -> None:
    a_run(store)
    cell = {"cell_type": "code", "source": ['key = """-- BEGIN --\n', "MIIEsecret\n", '-- END --"""']}
    snapshot(store, "5" * 32, DOOMED, json.dumps({"cells": [cell]}, indent=1).encode())
    assert purge(Store(store.layout.root), secret="-- BEGIN --\nMIIEsecret\n-- END --").blobs == 1
    assert b"MIIEsecret" not in bytes_of(store)


@pytest.mark.parametrize("folded", [True, False])
def test_a_secret_of_several_lines_goes_from_records_where_it_is_indented(store: Store, folded: bool) -> None:
    indented = "def f():\n    -- BEGIN --\r\n    MIIEsecret\r\n    -- END --\n"
    a_run(store)
    other = Store(store.layout.root)
    other.write(Change("runs", DOOMED, "update", {"notebook": indented}))
    other.write_points([Point("run", DOOMED, "said", 0, now(), None, indented)])
    if folded:
        other.fold()
    purge(Store(store.layout.root), secret="-- BEGIN --\nMIIEsecret\n-- END --")
    assert b"MIIEsecret" not in bytes_of(store)
    rows = Store(store.layout.root).reader.rows("select notebook, text_value from runs join metrics using (run_id)")
    assert rows == [dict.fromkeys(("notebook", "text_value"), "def f():\n    [purged]\n")]
    assert fsck(store.layout).damages == ()


def test_a_content_that_a_killed_collection_left_halfway_is_searched(store: Store) -> None:
    a_run(store)
    sha256 = store.blobs.put(b"token=hunter2")
    (path,) = store.layout.blobs.glob("??/*")
    path.rename(store.layout.blobs / f".{path.parent.name}{path.name}.gone")
    assert purge(Store(store.layout.root), secret="hunter2").blobs == 1
    assert b"hunter2" not in bytes_of(store)
    assert not store.blobs.is_there(sha256)


def test_only_damaged_files_in_which_it_may_stand_go(store: Store) -> None:
    a_run(store)
    store.layout.damaged.mkdir()
    for name, text in (
        ("1-a.000000.jsonl", f"torn {DOOMED}"),
        ("2-a.000000.jsonl", "else"),
        ("3-a.000000.jsonl", "hunter2"),
    ):
        (store.layout.damaged / name).write_text(text)
    pack = f"L0-0000000001.{'0' * 64}.changes.parquet"
    (store.layout.damaged / pack).write_bytes(b"not a pack")
    purge(Store(store.layout.root), object_id=DOOMED)
    assert sorted(path.name[:2] for path in store.layout.damaged.iterdir()) == ["2-", "3-", "L0"]
    done = purge(Store(store.layout.root), secret="hunter2")
    assert done.unreadable == 1
    assert [path.name[:2] for path in store.layout.damaged.iterdir()] == ["2-"]


@pytest.mark.parametrize("accepted", [False, True])
def test_what_is_noted_of_a_loss_is_no_text_of_the_users(store: Store, accepted: bool) -> None:
    a_run(store)
    store.write_points([Point("run", DOOMED, "loss", 0, now(), 0.5)])
    store.fold()
    (pack,) = parquet.files_in(store.layout.archive, archive.POINTS)
    for path in (pack, *store.layout.generations.iterdir(), *store.layout.segments.iterdir(), store.layout.current):
        path.unlink()
    store.fold()
    if accepted:
        losses.accept(store.layout)
    before = list(losses.losses_of(store.layout))
    for secret in (pack.name.split(".")[1][:8], "records"):
        purge(Store(store.layout.root), secret=secret)
    assert [each.accepted for each in before] == [accepted]
    assert list(losses.losses_of(store.layout)) == before


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_what_a_link_points_at_is_not_rewritten(store: Store, tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    a_run(store)
    notes = tmp_path / "notes.txt"
    notes.write_text("my password is hunter2\n")
    (store.layout.journal / "999-abcdef01.000000.jsonl").symlink_to(notes)
    with notes.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # as a writer that lives would
        purge(Store(store.layout.root), secret="hunter2")
    assert notes.read_text() == "my password is hunter2\n"
