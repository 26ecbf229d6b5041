"""Purging beside others who record: what they write, know and are about to name."""

import os
import subprocess
import sys

import pytest
from purgeable import DOOMED, OTHER, SECRET, a_run, age, bytes_of, forms, record, snapshot

from renex_jupyter.records.changes import Change
from renex_jupyter.store.keeping.fsck import fsck
from renex_jupyter.store.keeping.purge import purge
from renex_jupyter.store.store import Store

pytestmark = pytest.mark.usefixtures("nobody_else_folds")


WRITER = """
import sys, time
from pathlib import Path
from renex_jupyter.records.changes import Change, now
from renex_jupyter.records.metrics import Point
from renex_jupyter.store.store import Store
from renex_jupyter.store.keeping.transfer import export_store, import_store
store = Store(Path(sys.argv[1])); run, secret = "b" * 32, sys.argv[2]
store.write(Change("runs", run, "create", {"run_id": run, "name": secret}))
step = 0
print("up", flush=True)
while sys.stdin.readline():
    for _ in range(100):
        store.write_points([Point("run", run, "loss", step, now(), 0.5, None)])
        store.write_points([Point("run", run, "text", step, now(), None, secret)])
        step += 1
    print(step, flush=True)
"""


def test_what_another_process_is_writing_is_rewritten_in_its_place(store: Store) -> None:
    record(store, OTHER, "plain")
    command = [sys.executable, "-c", WRITER, str(store.layout.root), SECRET]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdin and writer.stdout and writer.stdout.readline() == "up\n"
        for round_ in range(2):
            writer.stdin.write("go\n")
            writer.stdin.flush()
            assert writer.stdout.readline() == f"{100 * round_ + 100}\n"
            if round_ == 0:
                done = purge(Store(store.layout.root), secret=SECRET)
                assert done.points == 100
                left = bytes_of(store)
                assert [form for form in forms(SECRET) if form in left] == []
                assert fsck(store.layout).damages == ()
        writer.stdin.close()
        assert writer.wait() == 0
    store.fold()
    rows = store.reader.rows("select key, count(*) as n, count(distinct text_value) as texts from metrics "
                             "where run_id = ? group by key order by key", ["b" * 32])  # fmt: skip
    assert rows == [{"key": "loss", "n": 200, "texts": 0}, {"key": "text", "n": 200, "texts": 2}]


def test_a_run_that_another_process_wrote_goes_while_that_goes_on(store: Store) -> None:
    command = [sys.executable, "-c", WRITER, str(store.layout.root), SECRET]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdin and writer.stdout and writer.stdout.readline() == "up\n"
        writer.stdin.write("go\n")
        writer.stdin.flush()
        writer.stdout.readline()
        assert purge(Store(store.layout.root), object_id="b" * 32).points == 200
        left = bytes_of(store)
        assert [form for form in forms(SECRET) if form in left] == []
        writer.stdin.close()
        writer.wait()
    store.fold()
    assert store.reader.rows("select * from metrics") == []
    assert fsck(store.layout).damages == ()


def test_code_that_was_purged_is_recorded_again_by_a_process_that_knew_it(store: Store) -> None:
    code = {"code_id": "c" * 64, "cells": []}
    store.ensure("codes", "c" * 64, code)
    store.write(Change("snapshots", "5" * 32, "create", {"snapshot_id": "5" * 32, "code_id": "c" * 64}))
    purge(Store(store.layout.root), object_id="5" * 32)
    assert not store.having("codes", ["c" * 64])
    store.ensure("codes", "c" * 64, code)
    assert store.having("codes", ["c" * 64])


def test_a_content_that_a_snapshot_beside_it_is_about_to_name_stays(store: Store) -> None:
    a_run(store)
    sha256 = snapshot(store, "5" * 32, DOOMED, b"1,2,3")
    store.fold()
    age(store)
    other = Store(store.layout.root)
    assert other.blobs.put(b"1,2,3") == sha256  # its record comes later
    done = purge(Store(store.layout.root), object_id=DOOMED)
    assert (done.blobs, done.kept_young) == (0, 1)
    snapshot(other, "6" * 32, None, b"1,2,3")
    assert store.blobs.get(sha256) == b"1,2,3"
    assert fsck(store.layout).damages == ()


def test_code_that_a_snapshot_names_while_the_purge_works_is_there_at_its_end(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_run(store)
    other = Store(store.layout.root)
    snapshot(other, "5" * 32, DOOMED, b"1,2,3")
    other.journal.seal()
    replace, switches = os.replace, []

    def beside(source: str, target: str) -> None:
        """Take a snapshot in the last moment before the records of the run are gone."""
        switches.extend(["CURRENT"] if str(target).endswith("CURRENT") else [])
        if len(switches) == 2:  # the first one folds what was sealed
            switches.append("done")
            snapshot(other, "6" * 32, None, b"1,2,3")
        replace(source, target)

    monkeypatch.setattr(os, "replace", beside)
    purge(Store(store.layout.root), object_id=DOOMED)
    rows = Store(store.layout.root).reader.rows("select snapshot_id, source from snapshot_cells")
    assert rows == [{"snapshot_id": "6" * 32, "source": "1 + 1"}]
    assert fsck(store.layout).damages == ()
