"""Folding and reading: the same answer before, during and after."""

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest

from renex_jupyter.config import settings
from renex_jupyter.errors import RenexError
from renex_jupyter.records.changes import Change, now, to_microseconds
from renex_jupyter.records.metrics import Point
from renex_jupyter.store import archive, building, parquet, sweep
from renex_jupyter.store import layout as layouts
from renex_jupyter.store.building import Building
from renex_jupyter.store.keeping.rebuild import rebuild
from renex_jupyter.store.keeping.transfer import export_store, import_store
from renex_jupyter.store.store import Store

RUN = "a" * 32


def open_run(store: Store, run_id: str = RUN, **more: object) -> None:
    after = {"run_id": run_id, "name": "train", "status": "running", "started_at": now(), **more}
    store.write(Change("runs", run_id, "create", after))


def test_a_field_keeps_its_last_value_whether_folded_or_not(store: Store) -> None:
    rng = random.Random(0)
    last = {"name": "train", "status": "running"}
    open_run(store)
    for turn in range(40):
        field = rng.choice(["name", "status"])
        last[field] = f"{field}{turn}"
        store.write(Change("runs", RUN, "update", {field: last[field]}))
        if rng.random() < 0.3:
            store.fold()
        assert store.reader.rows("select name, status from runs") == [last]


def test_a_field_set_to_none_is_null_and_a_missing_one_stays(store: Store) -> None:
    open_run(store, error="boom")
    store.write(Change("runs", RUN, "update", {"error": None}))
    for _ in range(2):
        assert store.reader.rows("select name, error from runs") == [{"name": "train", "error": None}]
        store.fold()


def test_an_old_record_that_is_folded_late_does_not_win(tmp_path: Path) -> None:
    early, late = Store(tmp_path / ".renex"), Store(tmp_path / ".renex")
    open_run(early)
    late.write(Change("runs", RUN, "update", {"name": "newer"}))
    late.fold()  # only its own file is sealed: `early` is still live
    early.fold()
    assert early.reader.rows("select name from runs") == [{"name": "newer"}]


def test_a_deleted_object_is_gone_and_its_history_is_not(store: Store) -> None:
    open_run(store)
    store.fold()
    store.write(Change("runs", RUN, "delete", {}))
    for _ in range(2):
        assert store.reader.rows("select * from runs") == []
        actions = store.reader.rows('select action from change_events order by "at"')
        assert [row["action"] for row in actions] == ["create", "delete"]
        store.fold()


def test_points_are_the_same_before_and_after_folding(store: Store) -> None:
    values = [0.1, float("nan"), float("inf"), float("-inf"), 5e-324, -0.0, 1e308]
    store.write_points([Point("run", RUN, "loss", i, now(), value) for i, value in enumerate(values)])
    query = "select step, value, wallclock from metrics order by step"
    before = store.reader.rows(query)
    assert store.fold() == 1
    after = store.reader.rows(query)
    assert [repr(row) for row in after] == [repr(row) for row in before]
    assert [repr(row["value"]) for row in after] == [repr(value) for value in values]


@pytest.mark.parametrize("few", [10_000, 0], ids=["few series", "many series"])
def test_segments_are_in_order_however_many_series_there_are(
    store: Store, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(building, "_FEW_SERIES", few)
    rng = random.Random(0)
    keys = ["loss", "Loss", "val/loss", "", "ß", "a\0b", "it's", "\U0001f600"]
    wanted = [
        (rng.choice(["run", "dataset"]), rng.choice("ab") * 32, rng.choice(keys), rng.randrange(9), now(), number / 7)
        for number in range(500)
    ]
    store.write_points([Point(*fields) for fields in wanted])
    store.fold()
    [segment] = store.layout.segments.glob("*.parquet")
    columns = "owner_kind, owner_id, key, step, epoch_us(wallclock), value"
    found = duckdb.sql(f"select {columns} from '{segment}'").fetchall()
    expected = [(*row[:4], to_microseconds(row[4]), row[5]) for row in wanted]
    assert found == sorted(expected, key=lambda row: (row[0], row[1], row[2].encode(), row[3], row[4]))


def test_points_of_which_nobody_says_what_they_belong_to_do_not_stop_a_fold(store: Store) -> None:
    for owner in (None, "run"):
        store.write_points([Point(owner, RUN, "loss", step, now(), 0.5) for step in range(3)])  # type: ignore[arg-type]
        store.write_points([Point(None, RUN, "loss", 3, now(), 0.5)])  # type: ignore[arg-type]
        before = store.reader.rows("select count(*) as n from inside.points")
        store.fold()
        assert store.reader.rows("select count(*) as n from inside.points") == before
    assert [row["n"] for row in before] == [8]


def test_a_fold_that_is_interrupted_writes_nothing_any_more(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    numbered = Building._number_series

    def slowly(self: Building, *words: Any) -> bool:
        time.sleep(0.2)  # between two statements
        return numbered(self, *words)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    store.write_points([Point("run", RUN, "loss", step, now(), step / 3) for step in range(100_000)])
    with monkeypatch.context() as patch:
        patch.setattr(Building, "_number_series", slowly)
        patch.setattr(Building, "_pack", interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.fold()
    assert not list(store.layout.segments.glob("*.parquet"))
    store.fold()
    assert store.reader.rows("select count(*) as n from metrics") == [{"n": 100_000}]


def test_two_writers_and_folds_between_them_double_nothing(tmp_path: Path) -> None:
    one, two = Store(tmp_path / ".renex"), Store(tmp_path / ".renex")
    for step in range(100):
        for store in (one, two):
            store.write_points([Point("run", RUN, store.journal.writer, step, now(), step)])
        if step % 10 == 0:
            (one if step % 20 else two).fold()
        assert one.reader.rows("select count(*) as n from metrics") == [{"n": 2 * (step + 1)}]
    rows = two.reader.rows("select key, count(*) as n, count(distinct step) as steps from metrics group by key")
    assert [(row["n"], row["steps"]) for row in rows] == [(100, 100)] * 2


def test_history_opens_in_any_duckdb_client_while_we_go_on(store: Store) -> None:
    open_run(store)
    store.write_points([Point("run", RUN, "loss", 0, now(), 0.25)])
    store.fold()
    outside = duckdb.connect(str(store.layout.history), read_only=True)
    assert outside.execute("select name from runs").fetchall() == [("train",)]
    assert outside.execute("select value from metrics").fetchall() == [(0.25,)]
    for step in range(1, 4):  # nobody waits for the client, and it keeps its answer
        store.write_points([Point("run", RUN, "loss", step, now(), 0.25)])
        store.fold()
    assert outside.execute("select count(*) from metrics").fetchall() == [(1,)]
    outside.close()
    again = duckdb.connect(str(store.layout.history), read_only=True)
    assert again.execute("select count(*) from metrics").fetchall() == [(4,)]


def test_a_lost_index_is_remade_from_the_journal(store: Store) -> None:
    open_run(store)
    store.write_points([Point("run", RUN, "loss", step, now(), step) for step in range(5)])
    store.fold()
    for path in [store.layout.current, store.layout.history, *store.layout.generations.iterdir()]:
        path.unlink()
    fresh = Store(store.layout.root)
    assert fresh.reader.rows("select name from runs") == [{"name": "train"}]
    fresh.fold()
    assert fresh.layout.generation_in_force() and fresh.layout.history.exists()
    assert fresh.reader.rows("select count(*) as n from metrics") == [{"n": 5}]


def test_a_damaged_line_is_left_out_and_counted(store: Store) -> None:
    store.write_points([Point("run", RUN, "loss", step, now(), 0.5) for step in range(3)])
    store.journal.seal()
    (path,) = store.layout.journal.glob("*.points.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"s":1', b'"s":7'))
    store.fold()
    assert [r["step"] for r in store.reader.rows("select step from metrics order by step")] == [0, 2]


FOLDER = """
import os, signal, sys
from renex_jupyter.store.fold import main
left = int(sys.argv[2])
def count(event, arguments):
    global left
    left -= event in ("open", "os.rename", "os.remove", "os.link") and str(arguments[0]).startswith(sys.argv[1])
    if left == 0:
        left -= 1  # a kill is an event, too
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(count)
main(sys.argv[1], doubted=False)
"""


@pytest.mark.slow
def test_a_folder_killed_anywhere_loses_and_doubles_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings(), "fold_in_background", False)
    total = 0
    for strike in range(2, 75, 5):  # of what it does with files, until it removes the journal
        store.write_points([Point("run", RUN, "loss", total + i, now(), 0.5) for i in range(500)])
        total += 500
        open_run(store, f"{total:032x}")
        store.journal.seal()
        command = [sys.executable, "-c", FOLDER, str(store.layout.root), str(strike)]
        assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
        counted = store.reader.rows("select count(*) as n, count(distinct step) as steps from metrics")
        assert counted == [{"n": total, "steps": total}]
        assert store.reader.rows("select count(*) as n from runs") == [{"n": total // 500}]
    monkeypatch.setattr(sweep, "GRACE", -1.0)  # what was written just now is nobody's
    store.fold()
    assert store.reader.rows("select count(*) as n from metrics") == [{"n": total}]
    left = [path.name for path in store.layout.root.rglob(".*.tmp*")]
    assert left == []


def test_a_newer_store_is_refused_with_its_version(store: Store) -> None:
    open_run(store)
    store.layout.about.write_text('{"format": 99, "store_id": "x"}')
    with pytest.raises(RenexError, match="format 99") as error:
        Store(store.layout.root)
    assert error.value.code == "newer_store"


def test_a_store_is_found_upward_and_made_beside_the_project(tmp_path: Path) -> None:
    deep = tmp_path / "project" / "notebooks" / "a"
    deep.mkdir(parents=True)
    assert layouts.place_for_new(deep) == deep / ".renex"
    (tmp_path / "project" / "pyproject.toml").touch()
    assert layouts.place_for_new(deep) == tmp_path / "project" / ".renex"
    layouts.create(tmp_path / "project" / ".renex")
    assert layouts.find(deep) == tmp_path / "project" / ".renex"


@pytest.mark.parametrize("mark", [".git", "pyproject.toml", ".renexignore"])
def test_the_nearest_mark_of_a_project_says_where_a_store_is_made(tmp_path: Path, mark: str) -> None:
    inner = tmp_path / "notebooks"
    (inner / "a").mkdir(parents=True)
    (tmp_path / "pyproject.toml").touch()
    (inner / mark).touch()  # empty: that it is there says enough
    assert layouts.place_for_new(inner / "a") == inner / ".renex"
    assert layouts.place_for_new(tmp_path) == tmp_path / ".renex"


def test_the_notebooks_of_this_repository_are_a_project_of_their_own() -> None:
    notebooks = Path(__file__).parents[2] / "notebooks"
    assert layouts.place_for_new(notebooks) == notebooks / ".renex"


def test_a_generation_that_is_damaged_or_missing_is_passed_over_and_built_anew(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings(), "fold_in_background", False)
    open_run(store)
    store.write_points([Point("run", RUN, "loss", step, now(), step) for step in range(5)])
    store.fold()
    generation = store.layout.generations / str(store.layout.generation_in_force())
    for damage in (lambda: generation.write_bytes(b"no database"), generation.unlink):
        damage()
        fresh = Store(store.layout.root)
        assert fresh.reader.rows("select name from runs") == [{"name": "train"}]
        assert fresh.reader.rows("select count(*) as n from metrics") == [{"n": 5}]
    fresh.write_points([Point("run", RUN, "loss", 5, now(), 5)])
    assert fresh.fold() == 1
    assert fresh.reader.rows("select count(*) as n from metrics") == [{"n": 6}]


@pytest.mark.parametrize("name", ["../../evil.duckdb", "/tmp/evil.duckdb", "x", ""])
def test_a_generation_of_another_name_or_place_is_not_opened(store: Store, name: str) -> None:
    open_run(store)
    store.fold()
    store.layout.current.write_text(name)
    assert store.layout.generation_in_force() is None
    assert Store(store.layout.root).reader.rows("select name from runs") == [{"name": "train"}]


def test_a_generation_with_a_view_in_place_of_a_table_is_not_read(store: Store) -> None:
    open_run(store)
    store.fold()
    generation = store.layout.generations / str(store.layout.generation_in_force())
    with duckdb.connect(str(generation)) as connection:
        connection.execute("drop table inside.namespaces")
        connection.execute("create view inside.namespaces as select content as name from read_text('/etc/hostname')")
    assert Store(store.layout.root).reader.rows("select name from namespaces") == []


def test_a_store_that_moved_is_published_for_its_new_place(store: Store, tmp_path: Path) -> None:
    store.write_points([Point("run", RUN, "loss", 0, now(), 0.5)])
    store.fold()
    store.layout.root.rename(tmp_path / "moved")
    moved = Store(tmp_path / "moved")
    assert moved.reader.rows("select count(*) as n from metrics") == [{"n": 1}]
    deadline = time.monotonic() + 60
    while moved.layout.has_moved():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with duckdb.connect(str(moved.layout.history), read_only=True) as outside:
        assert outside.execute("select count(*) from metrics").fetchall() == [(1,)]


def test_folding_runs_no_code_of_the_store_or_the_project(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    open_run(store)
    project = store.layout.project
    for folder in (project, store.layout.root):
        (folder / "duckdb.py").write_text(f"open({str(project / 'ran')!r}, 'w')")
    monkeypatch.chdir(project)
    store.settle()
    deadline = time.monotonic() + 60
    while not store.layout.history.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not (project / "ran").exists()


def test_nobody_else_may_read_a_file_of_the_store(store: Store) -> None:
    open_run(store)
    store.write_points([Point("run", RUN, "loss", 0, now(), 0.5)])
    store.blobs.put(b"content")
    store.fold()
    for path in [store.layout.root, *store.layout.root.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_full_journal_is_folded_also_after_the_store_was_deleted(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        open_run(store)
        store.settle()
    while store._folding:
        time.sleep(0.05)
    shutil.rmtree(store.layout.root)
    assert store.forget_if_gone()
    monkeypatch.setattr(settings(), "rotate_bytes", 1000)
    store.write_points([Point("run", RUN, "loss", step, now(), 0.5) for step in range(20)])
    deadline = time.monotonic() + 60
    while not store.layout.history.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_every_zero_keeps_its_sign_in_folds_merges_rebuilds_and_exports(store: Store, tmp_path: Path) -> None:
    def signs(of: Store) -> list[bool]:
        rows = of.reader.rows("select signbit(value) as negative from metrics order by step")
        return [row["negative"] for row in rows]

    expected = []
    for start in range(0, 20, 2):
        expected += [False, True] if start % 4 else [True, False]
        values = [-0.0 if negative else 0.0 for negative in expected[-2:]]
        store.write_points([Point("run", RUN, "loss", start + i, now(), value) for i, value in enumerate(values)])
        assert signs(store) == expected
        store.fold()
        assert signs(store) == expected
    export_store(Store(store.layout.root), tmp_path / "backup.zip")
    parquet.files_in(store.layout.archive, archive.POINTS)[0].unlink()
    rebuild(store.layout)
    assert signs(Store(store.layout.root)) == expected
    other = Store(tmp_path / "other" / ".renex")
    import_store(other, tmp_path / "backup.zip")
    assert signs(other) == expected
