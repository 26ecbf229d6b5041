"""Watching while everything happens: eight writers, kills, folds, rebuilds, collections, purges and imports."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import children
import pytest

import renex_jupyter as rx
from renex_jupyter.config import settings
from renex_jupyter.records.changes import Change
from renex_jupyter.records.events import ChangeEvent
from renex_jupyter.session import current
from renex_jupyter.store.keeping.rebuild import rebuild

Say = Callable[[object], None]
WRITERS, CHANGES = 8, 300


def write(say: Say, number: int, project: Path, meeting: Any) -> str:
    """Write changes, in journals so small that they are sealed all the time; return the writer."""
    os.chdir(project)
    settings().fold_in_background, settings().rotate_bytes = False, 4000
    store = current.current().store
    rng = random.Random(number)
    meeting.wait(240)
    written = 0
    while written < CHANGES:
        count = min(rng.choice((1, 1, 1, 7)), CHANGES - written)
        parts = range(written, written + count)
        store.write(*(Change("tags", f"{number}/{n}", "update", {"value": str(n)}) for n in parts))
        written += count
        if rng.random() < 0.03:
            store.fold()
        if number == 0 and written % 100 == 0:
            rebuild(store.layout)
        if number == 1 and rng.random() < 0.02:
            rx.gc(dry_run=False)
    return store.journal.writer


def write_until_killed(say: Say, project: Path) -> None:
    os.chdir(project)
    settings().fold_in_background = False
    store = current.current().store
    say(store.journal.writer)
    number = 0
    while True:
        number += 1
        store.write(Change("tags", f"k/{number}", "update", {"value": "x" * 3000}))
        if number == 50:
            say("many")


def watched(
    project: Path, wanted: Callable[[list[ChangeEvent]], bool], found: list[ChangeEvent], since: Any = 0
) -> None:
    """Collect changes until there are those that are wanted."""
    for change in rx.watch(since, kinds="tags", timeout=120):
        found.append(change)
        if wanted(found):
            return


@pytest.mark.slow
def test_under_eight_writers_every_change_comes_once_and_in_order_per_writer(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    current.reset()
    meeting = children.meeting(WRITERS)
    found: list[ChangeEvent] = []
    every = WRITERS * CHANGES
    watching = threading.Thread(target=watched, args=(project, lambda seen: len(seen) >= every, found))
    watching.start()
    alive = [children.Child(write, number, project, meeting) for number in range(WRITERS)]
    writers = children.answers(alive, 240, behind="BrokenBarrierError")
    watching.join(240)
    assert not watching.is_alive()
    found += list(rx.watch(found[-1].cursor, kinds="tags", timeout=0))  # nothing comes twice, later
    assert len(found) == every == len({each.change_id for each in found})
    for number, writer in enumerate(writers):
        mine = [each for each in found if each.writer == writer]
        assert [each.object_id for each in mine] == [f"{number}/{n}" for n in range(CHANGES)]
        assert [each.seq for each in mine] == sorted(each.seq for each in mine)
        assert [each.at for each in mine] == sorted(each.at for each in mine)


@pytest.mark.slow
def test_from_each_cursor_on_come_exactly_the_changes_after_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    current.reset()
    meeting = children.meeting(3)
    found: list[ChangeEvent] = []
    watching = threading.Thread(target=watched, args=(project, lambda seen: len(seen) >= 3 * CHANGES, found))
    watching.start()
    alive = [children.Child(write, number, project, meeting) for number in range(3)]
    children.answers(alive, 240, behind="BrokenBarrierError")
    watching.join(240)
    everything = {each.change_id for each in found}
    for place in random.Random(3).sample(range(len(found)), 20):
        later = {each.change_id for each in rx.watch(found[place].cursor, kinds="tags", timeout=0)}
        assert later == everything - {each.change_id for each in found[: place + 1]}


@pytest.mark.slow
def test_of_a_writer_that_is_killed_comes_what_is_whole_and_never_a_part(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    current.reset()
    found: list[ChangeEvent] = []
    done = threading.Event()

    def follow() -> None:
        for change in rx.watch(0, kinds="tags"):
            if change.object_id == "end":
                break
            found.append(change)
        done.set()

    watching = threading.Thread(target=follow, daemon=True)
    watching.start()
    writers = []
    for _ in range(5):
        child = children.Child(write_until_killed, project)
        writers.append(child.says())
        assert child.says() == "many"
        assert child.process.pid is not None
        os.kill(child.process.pid, signal.SIGKILL)
        child.wait()
        torn = max(
            (project / ".renex/journal").glob(f"{writers[-1]}.*.jsonl"), key=lambda path: path.name, default=None
        )
        if torn is not None:  # as if the kill had come in the middle of a write
            with torn.open("ab") as file:
                file.write(b'{"v":1,"n":999999,"at":1,"u":"ada","a":"update","t":"tags","i":"torn"')
    current.current().store.fold()
    current.current().store.write(Change("tags", "end", "update", {"value": "1"}))
    assert done.wait(120)
    assert "torn" not in {each.object_id for each in found}
    for writer in writers:
        mine = [each for each in found if each.writer == writer]
        assert [each.object_id for each in mine] == [f"k/{n}" for n in range(1, len(mine) + 1)]
        assert len(mine) >= 50
        assert all((each.after or {})["value"] == "x" * 3000 for each in mine)


@pytest.mark.slow
def test_purges_and_imports_while_it_watches_give_nothing_twice(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    current.reset()
    for number in range(4):
        with rx.start_run(f"run {number}"):
            rx.set_tag("n", number)
    rx.export_store(tmp_path / "all.zip")
    found: list[ChangeEvent] = []
    with rx.on_change(found.append, 0):
        for number in range(3):
            rx.purge(rx.get_run(f"run {number}").run_id)
            rx.import_store(tmp_path / "all.zip")  # nothing that was purged comes back
            with rx.start_run(f"new {number}"):
                rx.set_tag("n", number)
            current.current().store.fold()
    ids = [each.change_id for each in found]
    assert len(ids) == len(set(ids))
    table = set(rx.sql("select change_id from change_events")["change_id"])
    assert table <= set(ids)
    assert {(each.after or {}).get("name") for each in found} >= {"new 0", "new 1", "new 2"}
