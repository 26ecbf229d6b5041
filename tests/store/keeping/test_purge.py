"""Purging: no byte of it is left in any file, and everything else is as it was."""

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from IPython.core.interactiveshell import InteractiveShell
from purgeable import DOOMED, OTHER, OTHERS, SECRET, a_run, age, bytes_of, forms, record

import renex_jupyter as rx
from renex_jupyter.errors import RenexError
from renex_jupyter.records.changes import Change
from renex_jupyter.store.keeping.fsck import fsck
from renex_jupyter.store.keeping.purge import purge
from renex_jupyter.store.liveness import identity
from renex_jupyter.store.store import Store

pytestmark = pytest.mark.usefixtures("nobody_else_folds")


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
    shared = {"snapshot_id": "6" * 32, "code_id": "0c" * 32, "parts": ["0f" * 32], "message": SECRET}
    store.write(Change("snapshots", "6" * 32, "create", shared))
    store.fold()
    done = purge(Store(store.layout.root), object_id="6" * 32)
    assert (done.records, done.points, done.blobs) == (1, 0, 0)
    fresh = Store(store.layout.root)
    assert len(fresh.reader.rows("select * from snapshot_cells")) == 1
    assert len(fresh.reader.rows("select * from snapshot_files")) == 1
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


def test_an_outside_client_sees_nothing_of_it(store: Store, tmp_path: Path) -> None:
    record(store, DOOMED, SECRET)
    store.fold()
    purge(Store(store.layout.root), secret=SECRET)
    with duckdb.connect(str(store.layout.history), read_only=True) as outside:
        assert outside.execute("select name from runs").fetchall() == [("[purged]",)]
        assert outside.execute("select count(*) from metrics").fetchall() == [(51,)]


def test_a_reader_that_knew_it_forgets_it(store: Store) -> None:
    other = Store(store.layout.root)
    record(other, DOOMED, SECRET)  # in the live journal of a process that goes on
    assert store.reader.rows("select name from runs") == [{"name": SECRET}]
    purge(Store(store.layout.root), secret=SECRET)
    assert store.reader.rows("select name from runs") == [{"name": "[purged]"}]


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
