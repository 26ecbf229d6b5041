"""Purging: no byte of it is left in any file, and everything else is as it was."""

import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest
import zstandard
from IPython.core.interactiveshell import InteractiveShell

import renex_jupyter as rx
from renex_jupyter.config import settings
from renex_jupyter.errors import RenexError
from renex_jupyter.records.changes import Change, now
from renex_jupyter.records.metrics import Point
from renex_jupyter.store.keeping.fsck import fsck
from renex_jupyter.store.keeping.purge import purge
from renex_jupyter.store.keeping.transfer import export_store, import_store
from renex_jupyter.store.liveness import identity
from renex_jupyter.store.store import Store

SECRET = 'hun"ter2\\\n-ü-secret'
DOOMED, OTHER = "d" * 32, "0" * 32


@pytest.fixture(autouse=True)
def nobody_else_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings(), "fold_in_background", False)


def record(store: Store, run: str, text: str) -> None:
    """Write a run with a snapshot, a file and points that have the text in every field that takes one."""
    blob = store.blobs.put(f"# {run}\n".encode() + b"x" * 3_000_000 + text.encode())
    tree = {
        "files_id": f"{run[0]}f" * 32,
        "entries": [{"path": "a.py", "role": "code", "kind": "file", "sha256": blob}],
    }
    store.write(Change("file_trees", f"p{run}", "create", tree))
    code = {
        "code_id": f"{run[0]}c" * 32,
        "cells": [{"cell_id": "1", "cell_type": "code", "source": f"pw = {text!r} {text}"}],
    }
    store.write(Change("codes", f"{run[0]}c" * 32, "create", code))
    snapshot = {
        "snapshot_id": f"5{run}",
        "run_id": run,
        "code_id": f"{run[0]}c" * 32,
        "files_id": f"{run[0]}f" * 32,
        "message": text,
    }
    store.write(Change("snapshots", f"5{run}", "create", snapshot))
    store.write(Change("runs", run, "create", {"run_id": run, "name": text, "status": "running", "started_at": now()}))
    param = {"run_id": run, "key": "token", "value": {text: [text]}, "value_text": json.dumps({"a": text})}
    store.write(Change("params", f"{run}/token", "update", param, {"value": text}))
    store.write_points([Point("run", run, "loss", step, now(), step / 3) for step in range(50)])
    store.write_points([Point("run", run, f"said/{run}", 0, now(), None, f"it says {text}")])


def age(store: Store) -> None:
    """Make every content look as if nobody had used it for three hours."""
    for path in store.layout.blobs.glob("??/*"):
        os.utime(path, (time.time() - 3 * 3600,) * 2)


def bytes_of(store: Store) -> bytes:
    """Return everything that lies in the store's files, also what is compressed or in a table."""
    result = []
    for path in sorted(store.layout.root.rglob("*")):
        if path.is_file():
            raw = path.read_bytes()
            result += [str(path).encode(), raw]
            if path.suffix == ".zst":
                result.append(zstandard.ZstdDecompressor().decompressobj().decompress(raw))
            if path.suffix == ".parquet":
                result.append(repr(duckdb.read_parquet(str(path)).fetchall()).encode())
            if path.suffix == ".duckdb":
                with duckdb.connect() as connection:
                    connection.execute(f"attach '{path}' as d (read_only)")
                    names = connection.execute(
                        "select schema_name, table_name from duckdb_tables() where database_name = 'd'"
                    )
                    for schema, table in names.fetchall():
                        result.append(repr(connection.execute(f"from d.{schema}.{table}").fetchall()).encode())
    return b"\n".join(result)


def forms(text: str) -> list[bytes]:
    escaped = {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], repr(text)[1:-1]}
    return [each.encode() for each in escaped | {repr(each)[1:-1] for each in escaped}]


OTHERS = (
    "select name from runs where run_id = ?",
    "select key, step, value from metrics where run_id = ? order by all",
)


@pytest.mark.parametrize("folded", ["all", "none", "half"])
def test_no_byte_of_a_secret_is_left(store: Store, folded: str) -> None:
    record(store, DOOMED, SECRET)
    if folded != "none":
        store.fold()
    record(store, OTHER, "plain")
    if folded == "all":
        store.fold()
    assert any(form in bytes_of(store) for form in forms(SECRET))
    before = [store.reader.rows(query, [OTHER]) for query in OTHERS]
    done = purge(Store(store.layout.root), secret=SECRET)
    assert (done.records, done.points, done.blobs) == (4, 1, 1)
    left = bytes_of(store)
    assert [form for form in forms(SECRET) if form in left] == []
    fresh = Store(store.layout.root)
    assert [fresh.reader.rows(query, [OTHER]) for query in OTHERS] == before
    assert fresh.reader.rows("select name from runs where run_id = ?", [DOOMED]) == [{"name": "[purged]"}]
    assert fresh.reader.rows("select count(*) as n from metrics where run_id = ?", [DOOMED]) == [{"n": 51}]
    assert fsck(store.layout).damages == ()


@pytest.mark.parametrize("folded", [True, False])
def test_no_byte_of_a_run_is_left_but_its_id(store: Store, folded: bool) -> None:
    record(store, DOOMED, SECRET)
    store.write(Change("runs", DOOMED, "update", {"status": "finished"}))
    record(store, OTHER, "plain")
    if folded:
        store.fold()
    before = [store.reader.rows(query, [OTHER]) for query in OTHERS]
    age(store)
    done = purge(Store(store.layout.root), object_id=DOOMED)
    assert (done.records, done.points, done.blobs) == (6, 51, 1)
    left = bytes_of(store)
    assert [form for form in forms(SECRET) if form in left] == []
    fresh = Store(store.layout.root)
    assert [fresh.reader.rows(query, [OTHER]) for query in OTHERS] == before
    assert fresh.reader.rows("select * from runs where run_id = ?", [DOOMED]) == []
    assert fresh.reader.rows("select * from latest_metrics where run_id = ?", [DOOMED]) == []
    assert fsck(store.layout).damages == ()
    events = fresh.reader.rows("select action from change_events where object_id = ?", [DOOMED])
    assert events == [{"action": "delete"}]


def test_a_snapshot_goes_and_what_another_one_names_stays(store: Store) -> None:
    record(store, OTHER, "plain")
    shared = {"snapshot_id": "6" * 32, "code_id": "0c" * 32, "files_id": "0f" * 32, "message": SECRET}
    store.write(Change("snapshots", "6" * 32, "create", shared))
    store.fold()
    done = purge(Store(store.layout.root), object_id="6" * 32)
    assert (done.records, done.points, done.blobs) == (1, 0, 0)
    fresh = Store(store.layout.root)
    assert len(fresh.reader.rows("select * from snapshot_cells")) == 1
    assert len(fresh.reader.rows("select * from snapshot_files")) == 1
    assert fsck(store.layout).damages == ()


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


def test_a_running_run_is_not_purged(store: Store) -> None:
    store.write(Change("runs", OTHER, "create", {"run_id": OTHER, "status": "running", **identity()}))
    with pytest.raises(RenexError, match="still running") as error:
        purge(store, object_id=OTHER)
    assert error.value.code == "conflict"


def test_what_is_not_there_or_too_short_is_refused(store: Store) -> None:
    store.write(Change("runs", OTHER, "create", {"run_id": OTHER, "name": "x"}))
    for arguments, code in (({"object_id": "e" * 32}, "not_found"), ({"secret": "abc"}, "invalid_argument")):
        with pytest.raises(RenexError) as error:
            purge(store, **arguments)
        assert error.value.code == code


def test_code_that_was_purged_is_recorded_again_by_a_process_that_knew_it(store: Store) -> None:
    code = {"code_id": "c" * 64, "cells": []}
    store.ensure("codes", "c" * 64, code)
    store.write(Change("snapshots", "5" * 32, "create", {"snapshot_id": "5" * 32, "code_id": "c" * 64}))
    purge(Store(store.layout.root), object_id="5" * 32)
    assert not store.has("codes", "c" * 64)
    store.ensure("codes", "c" * 64, code)
    assert store.has("codes", "c" * 64)


def test_a_reader_that_knew_it_forgets_it(store: Store) -> None:
    other = Store(store.layout.root)
    record(other, DOOMED, SECRET)  # in the live journal of a process that goes on
    assert store.reader.rows("select name from runs") == [{"name": SECRET}]
    purge(Store(store.layout.root), secret=SECRET)
    assert store.reader.rows("select name from runs") == [{"name": "[purged]"}]


def test_an_outside_client_sees_nothing_of_it(store: Store, tmp_path: Path) -> None:
    record(store, DOOMED, SECRET)
    store.fold()
    purge(Store(store.layout.root), secret=SECRET)
    with duckdb.connect(str(store.layout.history), read_only=True) as outside:
        assert outside.execute("select name from runs").fetchall() == [("[purged]",)]
        assert outside.execute("select count(*) from metrics").fetchall() == [(51,)]


def test_what_was_purged_in_a_live_journal_changes_no_number_of_another_line(store: Store, tmp_path: Path) -> None:
    """By its number a point is known again when an export of before the purge is imported."""
    for run in (DOOMED, OTHER):
        store.write(Change("runs", run, "create", {"run_id": run, "name": "x"}))
    for step in range(10):
        store.write_points([Point("run", run, "loss", step, now(), step / 3) for run in (DOOMED, OTHER)])
    store.journal.changes.seal()  # so that the run is known, and its points stay in a live file
    exported = tmp_path / "before.zip"
    export_store(Store(store.layout.root), exported)
    purge(Store(store.layout.root), object_id=DOOMED)
    for _ in range(2):
        import_store(Store(store.layout.root), exported)
        rows = store.reader.rows(
            "select run_id, count(*) as n, count(distinct step) as steps from metrics group by run_id"
        )
        assert rows == [{"run_id": OTHER, "n": 10, "steps": 10}]
        store.fold()
    assert fsck(store.layout).damages == ()


def snapshot(store: Store, id_: str, run: str | None, text: bytes) -> str:
    """Record a snapshot with one file and a cell, as a session does, and return the SHA-256 of the file."""
    sha256 = store.blobs.put(text)
    tree = {"files_id": "f" * 64, "entries": [{"path": "a.csv", "role": "file", "kind": "file", "sha256": sha256}]}
    cells = [{"cell_id": "1", "cell_type": "code", "source": "1 + 1"}]
    store.ensure("file_trees", "f" * 64, tree)
    store.ensure("codes", "c" * 64, {"code_id": "c" * 64, "cells": cells})
    after = {"snapshot_id": id_, "run_id": run, "files_id": "f" * 64, "code_id": "c" * 64, "created_at": now()}
    store.write(Change("snapshots", id_, "create", {**after, "cell_states": [{}]}))
    return sha256


def a_run(store: Store, run: str = DOOMED) -> None:
    store.write(Change("runs", run, "create", {"run_id": run, "name": "train", "status": "finished"}))


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


def test_a_content_that_was_recorded_again_after_its_purge_is_missed(store: Store, tmp_path: Path) -> None:
    a_run(store)
    sha256 = snapshot(store, "5" * 32, DOOMED, b"token=hunter2")
    purge(Store(store.layout.root), secret="hunter2")
    assert not store.blobs.is_there(sha256)
    assert fsck(store.layout).damages == ()
    snapshot(store, "6" * 32, None, b"token=hunter2")
    export_store(Store(store.layout.root), tmp_path / "new.zip")
    store.blobs.remove(sha256)
    assert [each.kind for each in fsck(store.layout).damages] == ["content"]
    assert import_store(Store(store.layout.root), tmp_path / "new.zip").blobs == 1
    assert fsck(store.layout).damages == ()


def test_an_import_brings_what_a_newer_record_names_though_it_was_purged_here(store: Store, tmp_path: Path) -> None:
    a_run(store)
    sha256 = snapshot(store, "5" * 32, DOOMED, b"token=hunter2")
    export_store(Store(store.layout.root), tmp_path / "old.zip")
    here = Store(tmp_path / "here" / ".renex")
    import_store(here, tmp_path / "old.zip")
    purge(Store(here.layout.root), secret="hunter2")
    assert import_store(Store(here.layout.root), tmp_path / "old.zip").blobs == 0
    snapshot(store, "6" * 32, None, b"token=hunter2")
    export_store(Store(store.layout.root), tmp_path / "new.zip")
    assert import_store(Store(here.layout.root), tmp_path / "new.zip").blobs == 1
    assert here.blobs.is_there(sha256)


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


def test_a_content_that_a_killed_collection_left_halfway_is_searched(store: Store) -> None:
    a_run(store)
    sha256 = store.blobs.put(b"token=hunter2")
    (path,) = store.layout.blobs.glob("??/*")
    path.rename(store.layout.blobs / f".{path.parent.name}{path.name}.gone")
    assert purge(Store(store.layout.root), secret="hunter2").blobs == 1
    assert b"hunter2" not in bytes_of(store)
    assert not store.blobs.is_there(sha256)


KILLED = """
import os, sys
from pathlib import Path
import renex_jupyter as rx
from renex_jupyter.config import settings
from renex_jupyter.store.keeping.purge import purge
from renex_jupyter.store.store import Store
settings().fold_in_background = False
left = int(sys.argv[3])
def count(event, arguments):
    global left
    if event in ("os.rename", "os.remove"):
        left -= 1
        if left == 0:
            os._exit(9)
sys.addaudithook(count)
purge(Store(Path(sys.argv[1])), object_id=sys.argv[2])
"""


@pytest.mark.parametrize("strike", [8, 16])
def test_a_purge_that_was_killed_is_done_again(store: Store, strike: int) -> None:
    record(store, DOOMED, SECRET)
    store.write(Change("runs", DOOMED, "update", {"status": "finished"}))
    store.fold()
    age(store)
    command = [sys.executable, "-c", KILLED, str(store.layout.root), DOOMED, str(strike)]
    assert subprocess.run(command, check=False).returncode == 9
    purge(Store(store.layout.root), object_id=DOOMED)
    left, unnamed = bytes_of(store), contents_of(store)
    assert [form for form in forms(SECRET) if form in left and form not in unnamed] == []
    assert Store(store.layout.root).reader.rows("select * from inside.codes") == []
    assert fsck(store.layout).damages == ()


def contents_of(store: Store) -> bytes:
    """Return the contents that nothing names any more: a collection frees them."""
    return b"\n".join(store.blobs.get(path.parent.name + path.name[:62]) for path in store.layout.blobs.glob("??/*"))


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


def test_the_cell_that_purges_a_secret_is_recorded_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    shell = InteractiveShell()
    shell.run_line_magic("load_ext", "renex_jupyter")
    for cell in ("import renex_jupyter as rx; rx.start_run('x'); rx.end_run()", "rx.purge(secret='hunter2')", "1 + 1"):
        shell.run_cell(cell, store_history=True)
    rx.snapshot()
    store = Store(tmp_path / ".renex")
    sources = [row["source"] for row in store.reader.rows("select source from cell_executions order by seq")]
    assert sources[1:] == ["rx.purge(secret='*******')", "1 + 1"]
    assert b"hunter2" not in bytes_of(store)


def test_an_id_of_a_purge_that_was_killed_may_be_given_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RENEX_STORE", str(tmp_path / ".renex"))
    store = Store(tmp_path / ".renex")
    a_run(store)
    store.write(Change("runs", DOOMED, "delete", {"reason": "purged"}))
    store.journal.seal()
    assert rx.purge(DOOMED).records == 1
    with pytest.raises(RenexError) as error:
        rx.purge("e" * 32)
    assert error.value.code == "not_found"
