"""`history.duckdb` in the hands of other programs: whatever they do to it, recording and reading go on."""

import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from renex_jupyter.records.changes import Change, now
from renex_jupyter.records.metrics import Point
from renex_jupyter.store.store import Store

RUN = "a" * 32
CLIENT = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1])
for line in sys.stdin:
    print(connection.execute(line).fetchall(), flush=True)
"""


class Client:
    """Another program that holds the published file open for reading and writing."""

    def __init__(self, path: Path) -> None:
        path.chmod(0o600)  # it is read-only, but its owner may do as he likes
        self.process = subprocess.Popen(
            [sys.executable, "-c", CLIENT, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.ask("select 1") == "[(1,)]"

    def ask(self, query: str) -> str:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(query + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def leave(self) -> None:
        self.process.communicate()

    def die(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def published(store: Store) -> Store:
    """A store with one run, one point and a published file."""
    store.write(Change("runs", RUN, "create", {"run_id": RUN, "name": "train", "started_at": now()}))
    log_and_fold(store, 0)
    return store


@pytest.fixture
def client(published: Store) -> Iterator[Client]:
    client = Client(published.layout.history)
    yield client
    client.die()


def log_and_fold(store: Store, step: int) -> None:
    store.write_points([Point("run", RUN, "loss", step, now(), 0.5)])
    store.fold()


def log_of(store: Store) -> Path:
    return store.layout.history.with_name("history.duckdb.wal")


def points_seen_outside(store: Store) -> int:
    with duckdb.connect(str(store.layout.history), read_only=True) as outside:
        (count,) = outside.execute("select count(*) from metrics").fetchall()[0]
    return int(count)


def points_seen(store: Store) -> int:
    return int(store.reader.rows("select count(*) as n from metrics")[0]["n"])


def log_of_the_first_file(store: Store) -> bytes:
    """Return what a client wrote beside the first published file, and make the second one."""
    client = Client(store.layout.history)
    client.ask("create table scratch as select 1")
    found = log_of(store).read_bytes()
    client.die()
    log_and_fold(store, 1)
    return found


def garbage(store: Store) -> bytes:
    log_and_fold(store, 1)
    return b"\x00garbage\xff" * 500


@pytest.mark.parametrize("left_over", [garbage, log_of_the_first_file])
def test_a_log_that_was_left_behind_keeps_no_newer_file_from_opening(
    published: Store, left_over: Callable[[Store], bytes]
) -> None:
    log_of(published).write_bytes(left_over(published))
    if left_over is log_of_the_first_file:
        with pytest.raises(duckdb.Error, match="WAL"):  # this is what the next file is kept from
            points_seen_outside(published)
    assert points_seen(published) == 2
    log_and_fold(published, 2)
    assert not log_of(published).exists()
    assert points_seen_outside(published) == points_seen(published) == 3


@pytest.mark.parametrize("end", [Client.leave, Client.die])
@pytest.mark.parametrize("writes", ["before", "after"])
def test_a_client_that_holds_the_file_for_writing_is_in_nobodys_way(
    published: Store, client: Client, writes: str, end: Callable[[Client], None]
) -> None:
    if writes == "before":
        client.ask("create table scratch as select 1")
    for step in range(1, 4):
        log_and_fold(published, step)
        assert points_seen_outside(published) == points_seen(published) == step + 1
        assert client.ask("select count(*) from metrics") == "[(1,)]"  # what it opened, it keeps
    if writes == "after":  # its log lies beside a newer file now
        client.ask("create table scratch as select 1")
        assert log_of(published).exists()
    assert points_seen(published) == 4
    end(client)
    assert points_seen(published) == points_seen(Store(published.layout.root)) == 4
    log_and_fold(published, 4)
    assert points_seen_outside(published) == points_seen(published) == 5
    assert not log_of(published).exists()


def test_what_a_client_changed_in_its_file_changes_nothing_of_ours(published: Store, client: Client) -> None:
    client.ask("delete from inside.runs")
    client.ask("checkpoint")
    client.leave()
    assert published.reader.rows("select name from runs") == [{"name": "train"}]
    log_and_fold(published, 1)
    with duckdb.connect(str(published.layout.history), read_only=True) as outside:
        assert outside.execute("select name from runs").fetchall() == [("train",)]


def test_its_owner_may_open_it_for_writing(published: Store) -> None:
    assert stat.S_IMODE(published.layout.history.stat().st_mode) == 0o600  # DuckDB opens it so unless told otherwise
