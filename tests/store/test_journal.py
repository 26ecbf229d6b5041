"""The journal: whole lines, one write, and what a reader does with a torn one."""

import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from renex_jupyter.errors import RenexError
from renex_jupyter.records.changes import Change, now
from renex_jupyter.records.metrics import Point
from renex_jupyter.store import journal as journals
from renex_jupyter.store import lines, locks
from renex_jupyter.store.store import Store


def point(step: int, value: float = 0.5, run: str = "a" * 32) -> Point:
    return Point("run", run, "loss", step, now(), value)


def journal_files(store: Store) -> list[Path]:
    return [Path(entry.path) for entry in journals.files_in(store.layout.journal)]


def test_opening_a_store_creates_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / ".renex")
    assert not store.exists
    assert list(tmp_path.iterdir()) == []


def test_every_line_is_json_and_carries_its_checksum(store: Store) -> None:
    store.write(Change("runs", "a" * 32, "create", {"name": 'quo"te\nnew ü 😀'}))
    store.write_points([point(0, float("nan")), point(1, float("-inf")), point(2, 1e-320)])
    for path in journal_files(store):
        for line in path.read_bytes().splitlines(keepends=True):
            assert journals.line_is_whole(line)
            json.loads(line)


def test_a_changed_byte_is_noticed(store: Store) -> None:
    store.write_points([point(7)])
    (line,) = journal_files(store)[0].read_bytes().splitlines(keepends=True)
    for place in range(len(line) - 1):
        damaged = bytearray(line)
        damaged[place] ^= 1
        assert not journals.line_is_whole(bytes(damaged)), place


def test_a_torn_last_line_is_passed_over(store: Store) -> None:
    store.write_points([point(step) for step in range(3)])
    store.journal.sync()
    path = journal_files(store)[0]
    whole = path.read_bytes()
    for cut in range(len(whole) - 2, whole.rfind(b"\n", 0, -1) + 1, -7):
        path.write_bytes(whole[:cut])
        assert [row["step"] for row in store.reader.rows("select step from metrics order by step")] == [0, 1]


def test_a_live_file_is_locked_and_a_sealed_one_is_not(store: Store) -> None:
    store.write_points([point(0)])
    (path,) = journal_files(store)
    assert locks.is_held(path)
    store.journal.seal()
    assert not locks.is_held(path)


def test_a_file_is_sealed_when_it_is_full(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    folder.mkdir()
    journal = journals.Journal(folder, rotate_bytes=1000, sync_interval=1.0)
    for step in range(50):
        journal.write_points([point(step)])
    files = journals.files_in(folder)
    assert len(files) > 3
    assert sum(len(lines.read_part(Path(f.path)).lines) for f in files) == 50
    sealed = [Path(f.path) for f in files if not locks.is_held(Path(f.path))]
    assert [lines.count_if_whole(path) for path in sealed] == [len(lines.read_part(path).lines) for path in sealed]


def test_any_changed_byte_of_a_sealed_file_shows_in_its_end_line(store: Store) -> None:
    store.write_points([point(step) for step in range(3)])
    store.journal.seal()
    (path,) = journal_files(store)
    content = path.read_bytes()
    assert lines.count_if_whole(path) == 3
    for place in range(0, len(content) - 1, 3):
        path.write_bytes(content[:place] + bytes([content[place] ^ 2]) + content[place + 1 :])
        assert lines.count_if_whole(path) is None, place
    path.write_bytes(content[:-1])  # only the line's end is missing
    assert lines.count_if_whole(path) == 3
    path.write_bytes(content[: content.rfind(journals.END)])
    assert lines.count_if_whole(path) is None
    assert len(lines.read_part(path).lines) == 3


def test_threads_lose_no_point(store: Store) -> None:
    def log(thread: int) -> None:
        for step in range(200):
            store.write_points([point(step, thread, f"{thread:032x}")])

    threads = [threading.Thread(target=log, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = store.reader.rows("select run_id, count(*) as n, count(distinct step) as steps from metrics group by run_id")
    assert [(row["n"], row["steps"]) for row in rows] == [(200, 200)] * 8


def test_a_forked_child_writes_its_own_file_and_both_keep_everything(store: Store) -> None:
    store.write_points([point(0)])

    def child() -> None:
        store.write_points([point(step) for step in range(100, 110)])

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(30)
    assert process.exitcode == 0
    store.write_points([point(1)])
    assert len(journal_files(store)) == 2
    assert [r["step"] for r in store.reader.rows("select step from metrics order by step")] == [0, 1, *range(100, 110)]


def test_a_full_disk_is_one_clear_error_and_keeps_what_was_written(store: Store) -> None:
    store.write_points([point(step) for step in range(10)])
    size = journal_files(store)[0].stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    was = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, before[1]))  # the kernel takes 20 bytes of the next line
    try:
        with pytest.raises(RenexError) as error:
            store.write_points([point(10)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, was)
    assert error.value.code == "disk_full"
    store.write_points([point(11)])
    assert [r["step"] for r in store.reader.rows("select step from metrics order by step")] == [*range(10), 11]


WRITER = """
import sys, time
from pathlib import Path
from renex_jupyter.records.changes import now
from renex_jupyter.records.metrics import Point
from renex_jupyter.store.store import Store
store = Store(Path(sys.argv[1])); step = 0
while True:
    store.write_points([Point("run", sys.argv[2], "loss", step, now(), 0.5)])
    sys.stdout.write(f"{step}\\n"); sys.stdout.flush(); step += 1
"""


@pytest.mark.slow
def test_twenty_killed_writers_lose_no_acknowledged_point(store: Store) -> None:
    acknowledged: dict[str, int] = {}
    for round_ in range(20):
        run = f"{round_:032x}"
        command = [sys.executable, "-c", WRITER, str(store.layout.root), run]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for _ in range(50 + 37 * round_):
                last = writer.stdout.readline()
            os.kill(writer.pid, signal.SIGKILL)
            rest = writer.stdout.read().splitlines()
            whole = [line for line in [last.strip(), *rest] if line.isdigit()]
        acknowledged[run] = int(whole[-2] if len(whole) > 1 else whole[-1])  # the last line may be cut short
        if round_ % 5 == 4:
            store.fold()
    rows = store.reader.rows("select run_id, count(*) as n, max(step) as top from metrics group by run_id")
    assert {row["run_id"] for row in rows} == set(acknowledged)
    for row in rows:
        assert row["top"] >= acknowledged[row["run_id"]]
        assert row["n"] == row["top"] + 1


def test_a_forked_child_can_ask_too(store: Store) -> None:
    store.write_points([point(0)])
    assert len(store.reader.rows("select * from metrics")) == 1
    context = multiprocessing.get_context("fork")
    answers = context.Queue()

    def child() -> None:
        store.write_points([point(1)])
        answers.put(len(store.reader.rows("select * from metrics")))

    process = context.Process(target=child)
    process.start()
    assert answers.get(timeout=30) == 2
    process.join(30)
    assert process.exitcode == 0


def test_a_record_that_no_reader_would_take_is_refused_before_it_is_written(store: Store) -> None:
    store.write(Change("runs", "a" * 32, "create", {"name": "x", "run_id": "a" * 32}))
    for write in (
        lambda: store.write(Change("runs", "a" * 32, "update", {"name": "x" * 17_000_000})),
        lambda: store.write_points([Point("run", "a" * 32, "k", 0, now(), None, "x" * 17_000_000)]),
    ):
        with pytest.raises(RenexError) as error:
            write()
        assert error.value.code == "too_large"
    store.write(Change("runs", "a" * 32, "update", {"name": "y" * 1_000_000}))
    assert store.reader.rows("select len(name) as n from runs") == [{"n": 1_000_000}]
    store.fold()
    assert store.reader.rows("select len(name) as n from runs") == [{"n": 1_000_000}]


def test_a_short_write_after_an_uncounted_one_takes_back_only_itself(store: Store) -> None:
    store.write_points([point(step) for step in range(5)])
    file = store.journal.points
    file.size = 0  # as if an interrupt had come between the write and its count
    size = journal_files(store)[0].stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    was = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, before[1]))
    try:
        with pytest.raises(RenexError):
            store.write_points([point(5)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, was)
    assert len(store.reader.rows("select * from metrics")) == 5
