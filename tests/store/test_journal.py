"""The journal: whole lines, one write, and what a reader does with a torn one."""

import errno
import json
import multiprocessing
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from renex_jupyter.errors import RenexError
from renex_jupyter.records.changes import Change, now
from renex_jupyter.records.metrics import Point
from renex_jupyter.store import journal as journals
from renex_jupyter.store import lines, locks
from renex_jupyter.store.format import END, line_is_whole
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
            assert line_is_whole(line)
            json.loads(line)


def test_a_changed_byte_is_noticed(store: Store) -> None:
    store.write_points([point(7)])
    (line,) = journal_files(store)[0].read_bytes().splitlines(keepends=True)
    for place in range(len(line) - 1):
        damaged = bytearray(line)
        damaged[place] ^= 1
        assert not line_is_whole(bytes(damaged)), place


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
    path.write_bytes(content[: content.rfind(END)])
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
    process.join(60)
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
    assert answers.get(timeout=60) == 2
    process.join(60)
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


def test_a_link_is_not_ours_and_its_target_stays_as_it_is(tmp_path: Path) -> None:
    target, link, pipe = tmp_path / "target", tmp_path / "link", tmp_path / "pipe"
    target.write_text("x")
    target.chmod(0o755)
    link.symlink_to(target)
    os.mkfifo(pipe)
    for path in (link, pipe):
        assert locks.is_held(path)  # nobody folds it or removes it
        assert not locks.is_open_by_a_client(path)
    assert stat.S_IMODE(target.stat().st_mode) == 0o755
    assert not locks.is_held(target)
    assert not locks.is_open_by_a_client(target)
    with pytest.raises(FileNotFoundError):
        locks.is_held(tmp_path / "nothing")


def test_a_file_that_was_synced_in_the_background_gets_its_end_line(store: Store) -> None:
    store.write_points([point(0)])
    until = time.monotonic() + 60
    while store.journal.points.dirty and time.monotonic() < until:
        time.sleep(0.05)
    assert not store.journal.points.dirty
    store.journal.seal()
    (path,) = journal_files(store)
    assert lines.count_if_whole(path) == 1


@pytest.mark.parametrize("end", ["sync", "seal"])
def test_the_end_of_a_run_waits_for_the_background_and_tells_what_it_met(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    begun, go_on, done = threading.Event(), threading.Event(), []

    def refuse(descriptor: int) -> None:
        if threading.current_thread() is not journal._syncer:  # those of other tests are at it, too
            return
        begun.set()
        go_on.wait(60)
        done.append(descriptor)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fdatasync", refuse)  # the disk, which cannot be broken on purpose
    journal = journals.Journal(tmp_path, rotate_bytes=10**6, sync_interval=0.01)
    journal.write_points([point(0)])
    assert begun.wait(60)
    threading.Timer(0.3, go_on.set).start()
    with pytest.raises(RenexError):
        getattr(journal, end)()
    assert done
    getattr(journal, end)()  # it is told once


def test_everything_is_synced_again_while_the_background_may_still_be_at_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = journals.Journal(tmp_path, rotate_bytes=10**6, sync_interval=60)
    journal.write_points([point(0)])
    for descriptor in journal._unsynced():  # as the background begins
        os.close(descriptor)
    synced = []

    def note(descriptor: int) -> None:
        if threading.current_thread() is threading.main_thread():  # not those of other tests
            synced.append(descriptor)

    monkeypatch.setattr(os, "fdatasync", note)
    journal.sync()
    assert synced == [journal.points.descriptor]


REENTRANT = """
import itertools, os, random, signal, sys, time
from pathlib import Path
from renex_jupyter.store import journal as journals
from renex_jupyter.store.format import number_line, point_head
journal = journals.Journal(Path(sys.argv[1]), rotate_bytes=4000, sync_interval=0.05)
line = lambda kind, n: number_line(point_head("run", "r", kind), n, n, 0.5)
numbers = itertools.count()
def handler(*_):  # another thread may take a signal and hand it over late: then one handler meets the next
    journal.append_points(line("inner", next(numbers)))
signal.signal(signal.SIGALRM, handler)
outer, until = 0, time.monotonic() + 3
while time.monotonic() < until:
    signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, 6e-5))
    journal.append_points(line("outer", outer))
    outer += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
points = journal.points
print(outer, next(numbers), points.descriptor is None or points.size == os.fstat(points.descriptor).st_size)
journal.seal()
"""


@pytest.mark.slow
def test_a_handler_that_writes_in_the_middle_of_a_write_loses_and_doubles_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", REENTRANT, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    outer, inner, counted = ended.stdout.split()
    assert counted == "True"
    found: dict[str, list[int]] = {"outer": [], "inner": []}
    for entry in journals.files_in(tmp_path):
        part = lines.read_part(Path(entry.path))
        assert (part.bad, part.torn, part.missing) == (0, False, 0)
        assert lines.count_if_whole(Path(entry.path)) in (None, len(part.lines))
        for line in part.lines:
            record = json.loads(line)
            found[record["k"]].append(record["s"])
    assert int(inner) > 10
    assert {kind: sorted(steps) for kind, steps in found.items()} == {
        "outer": list(range(int(outer))),
        "inner": list(range(int(inner))),
    }


def test_a_write_within_a_write_is_counted_once_and_leaves_the_file_open(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write_points([point(0)])
    real, file = os.write, store.journal.points

    def write(descriptor: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", real)
        written = real(descriptor, data)
        store.write_points([point(2)])  # a signal comes right after the kernel took the first
        store.journal.seal()
        return written

    monkeypatch.setattr(os, "write", write)
    store.write_points([point(1)])
    (path,) = journal_files(store)
    assert locks.is_held(path)
    assert file.size == path.stat().st_size
    store.journal.seal()
    assert [row["step"] for row in store.reader.rows("select step from metrics")] == [0, 1, 2]
    assert len(lines.read_part(path).lines) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_file_that_is_sealed_can_be_folded_while_a_forked_child_lives(store: Store) -> None:
    store.write_points([point(0)])
    child = os.fork()
    if not child:
        time.sleep(60)
        os._exit(0)
    try:
        store.journal.seal()
        assert store.fold() == 1
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
