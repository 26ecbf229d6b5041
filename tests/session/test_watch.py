"""Watching: every change of the store once, in order, with actor, time, before and after."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import renex_jupyter as rx
from renex_jupyter.errors import RenexError
from renex_jupyter.records.changes import Change
from renex_jupyter.records.events import ChangeEvent
from renex_jupyter.session import current
from renex_jupyter.session.following import Following

PATIENCE = 60.0  # seconds


def changes(since: Any = 0, **filters: Any) -> list[ChangeEvent]:
    return list(rx.watch(since, timeout=0, **filters))


def short(found: list[ChangeEvent]) -> list[tuple[str, str]]:
    return [(each.action, each.object_kind) for each in found]


def test_zero_gives_every_change_there_ever_was_as_the_table_has_them(project: Path) -> None:
    with rx.start_run("train"):
        rx.log_param("lr", 0.1)
        rx.set_tag("who", "ada")
        rx.log_event("epoch_start")
    found = changes()
    table = rx.sql('select * from change_events order by "at"').to_dict("records")
    assert [each.change_id for each in found] == [row["change_id"] for row in table]
    assert [each.at for each in found] == [row["at"] for row in table]
    assert {
        ("create", "runs"),
        ("update", "runs"),
        ("update", "params"),
        ("update", "tags"),
        ("create", "events"),
    } <= set(short(found))


def test_a_change_says_who_when_before_and_after(project: Path) -> None:
    began = datetime.now(UTC)
    taken = rx.snapshot("first", label="a")
    rx.update_snapshot(taken, label="b")
    rx.delete_snapshot(taken)
    created, updated, deleted = changes(kinds="snapshots")
    assert (created.action, updated.action, deleted.action) == ("create", "update", "delete")
    assert {each.object_id for each in (created, updated, deleted)} == {taken.snapshot_id}
    assert {each.actor for each in (created, updated, deleted)} == {current.current().store.journal.actor}
    assert began < created.at < updated.at < deleted.at < datetime.now(UTC)
    assert created.after is not None
    assert created.after["label"] == "a"
    assert (updated.before, updated.after) == ({"label": "a"}, {"label": "b"})
    assert updated.namespace == "default"
    assert "update of snapshots" in str(updated)


def test_what_the_writer_did_not_know_is_told_of_the_changes_before(project: Path) -> None:
    with rx.start_run("train"):
        rx.log_params({"lr": 0.1, "depth": 3})
        rx.log_param("lr", 0.2)
        rx.set_tag("who", "ada")
        rx.set_tag("who", "bob")
    params = [each for each in changes(kinds="params") if each.object_id.endswith("/lr")]
    assert [(each.before or {}).get("value") for each in params] == [None, 0.1]
    assert [(each.after or {}).get("value") for each in params] == [0.1, 0.2]
    tags = changes(kinds="tags")
    assert [(each.before or {}).get("value") for each in tags] == [None, "ada"]
    current.current().store.write(Change("tags", tags[0].object_id, "delete", {}))
    deleted = changes(tags[-1])[-1]
    assert deleted.before is not None
    assert (deleted.before["key"], deleted.before["value"]) == ("who", "bob")
    assert changes(kinds="runs")[0].before is None


def test_nothing_given_means_from_now_on_which_is_when_it_is_called(project: Path) -> None:
    rx.log_event("before")
    watching = rx.watch(timeout=0, kinds="events")
    rx.log_event("after")  # before the first change is asked for
    assert [each.after["name"] for each in watching if each.after] == ["after"]


def test_a_cursor_goes_on_right_after_its_change(project: Path) -> None:
    for number in range(10):
        rx.log_event(f"e{number}")
    found = changes()
    for place, each in enumerate(found):
        assert changes(each.cursor) == found[place + 1 :]
    assert changes(found[4]) == found[5:]


def test_a_cursor_of_a_narrowed_watch_goes_on_from_its_change(project: Path) -> None:
    rx.log_event("one")
    rx.log_event("two")
    rx.set_tag("who", "ada")
    rx.end_run()
    one, two = changes(kinds="events")
    everything = changes()
    assert changes(one.cursor, kinds="events") == [two]
    assert changes(one.cursor) == everything[everything.index(one) + 1 :]


def test_a_namespace_and_kinds_and_actions_narrow_it(project: Path) -> None:
    rx.set_experiment("a", namespace="vision")
    rx.log_event("in vision")
    rx.set_experiment("b", namespace="text")
    rx.log_event("in text")
    assert {each.namespace for each in changes(namespace="vision")} == {"vision"}
    assert len(changes(namespace="vision", kinds=["event"])) == 1
    assert len(changes(kinds=["events"], actions=["create"])) == 2
    assert changes(actions="delete") == []


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"since": "yesterday"}, "invalid_argument"),
        ({"since": 1.5}, "invalid_argument"),
        ({"since": True}, "invalid_argument"),
        ({"since": b"c1"}, "invalid_argument"),
        ({"namespace": 3}, "invalid_argument"),
        ({"kinds": "runz"}, "not_found"),
        ({"kinds": 3}, "invalid_argument"),
        ({"kinds": [3]}, "invalid_argument"),
        ({"kinds": "codes"}, "invalid_argument"),
        ({"actions": [None]}, "invalid_argument"),
        ({"timeout": -1}, "invalid_argument"),
        ({"timeout": "long"}, "invalid_argument"),
        ({"timeout": float("nan")}, "invalid_argument"),
        ({"timeout": True}, "invalid_argument"),
    ],
)
def test_what_cannot_be_watched_is_refused_at_once(project: Path, wrong: dict[str, Any], code: str) -> None:
    rx.log_event("x")
    with pytest.raises(RenexError) as refused:
        rx.watch(**wrong)
    assert refused.value.code == code


def test_a_cursor_of_another_store_is_refused(project: Path, tmp_path: Path) -> None:
    rx.log_event("x")
    cursor = changes()[-1].cursor
    shutil.rmtree(project / ".renex")
    current.reset()
    rx.log_event("y")
    with pytest.raises(RenexError) as refused:
        rx.watch(cursor)
    assert refused.value.code == "foreign_store"


def test_a_store_that_does_not_exist_yet_is_waited_for_and_not_made(project: Path) -> None:
    watching = rx.watch(timeout=PATIENCE)
    assert not (project / ".renex").exists()
    child = elsewhere("rx.log_event('first')")
    assert next(watching).object_kind == "namespaces"
    assert child.wait() == 0
    assert list(rx.watch(timeout=0)) == []


def test_a_look_creates_nothing(project: Path) -> None:
    assert changes() == []
    assert not (project / ".renex").exists()


def test_a_timeout_counts_from_the_last_change(project: Path) -> None:
    began = time.monotonic()
    assert list(rx.watch(0, timeout=0.5)) == []
    assert time.monotonic() - began >= 0.5


def test_what_another_process_records_comes_within_a_second(project: Path) -> None:
    rx.log_event("begin")
    watching = rx.watch(kinds="events", timeout=PATIENCE)
    child = elsewhere(
        "import sys\nfor _ in range(5):\n    sys.stdin.readline(); rx.log_event('tick')", stdin=subprocess.PIPE
    )
    assert child.stdin is not None
    late = []
    for _ in range(5):
        child.stdin.write(b"\n")
        child.stdin.flush()
        change = next(watching)
        late.append((datetime.now(UTC) - change.at).total_seconds())
    child.stdin.close()
    assert child.wait() == 0
    assert min(late) < 1  # of five, on a machine that may be busy with other things


def test_it_costs_nothing_while_only_metrics_are_logged(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with rx.start_run("train"):
        rx.log_metric("loss", 1.0)
        following = Following(current.current().store, 0)
        assert following.look()
        asked: list[object] = []
        read = Following._read
        monkeypatch.setattr(Following, "_read", lambda self: asked.append(1) or read(self))
        for step in range(100):
            rx.log_metric("loss", 1.0 / (step + 1))
            assert following.look() == []
        assert asked == []


def test_a_store_that_is_deleted_and_made_anew_is_watched_on(project: Path) -> None:
    rx.log_event("old")
    watching = rx.watch(kinds="events", timeout=PATIENCE)
    shutil.rmtree(project / ".renex")
    rx.log_event("new")
    assert (next(watching).after or {})["name"] == "new"


def test_folding_rebuilding_and_collecting_give_nothing_twice(project: Path) -> None:
    watching = rx.watch(0, kinds="events", timeout=PATIENCE)
    store = current.current().store
    for number, step in enumerate([store.fold, rx.rebuild, lambda: rx.gc(dry_run=False), store.fold, rx.fsck]):
        rx.log_event(f"e{number}")
        assert (next(watching).after or {})["name"] == f"e{number}"
        step()
        assert list(rx.watch(timeout=0)) == []
    rx.log_event("last")
    assert (next(watching).after or {})["name"] == "last"


def test_what_is_purged_does_not_come_back_and_does_not_stop_it(project: Path) -> None:
    with rx.start_run("kept"):
        rx.log_param("a", 1)
    with rx.start_run("gone") as run:
        rx.log_param("b", 2)
    seen = changes()
    following = rx.watch(seen[-1].cursor, timeout=0)
    rx.purge(run.run_id)
    later = list(following)
    assert {each.action for each in later} == {"delete"}
    assert run.run_id in {each.object_id for each in later}
    assert not {each.change_id for each in later} & {each.change_id for each in seen}
    assert changes(later[-1].cursor) == []
    assert "gone" not in {(each.after or {}).get("name") for each in changes()}
    rx.log_event("after the purge")
    assert [each.object_kind for each in changes(later[-1].cursor)] == ["events"]


def test_what_is_imported_comes_once_whatever_its_time(
    project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "pyproject.toml").write_text("")
    monkeypatch.chdir(other)
    current.reset()
    for name in ("one", "two"):
        with rx.start_run(name):
            rx.log_param("lr", 0.1)
    for name in ("two", "one"):
        rx.export_store(f"{name}.zip", name)
    monkeypatch.chdir(project)
    current.reset()
    rx.log_event("here")
    cursor = changes()[-1].cursor
    rx.import_store(other / "two.zip")
    first = changes(cursor)
    assert {(each.after or {}).get("name") for each in first if each.object_kind == "runs"} >= {"two"}
    rx.import_store(other / "one.zip")  # earlier changes of the same writer
    second = changes(first[-1].cursor)
    assert {(each.after or {}).get("name") for each in second if each.object_kind == "runs"} >= {"one"}
    both = [each.change_id for each in (*first, *second)]
    assert len(both) == len(set(both))
    rx.import_store(other / "one.zip")
    assert changes(second[-1].cursor) == []


def test_many_changes_come_in_parts_and_each_once(project: Path) -> None:
    with rx.start_run("train") as run:
        for number in range(2500):
            rx.log_event(f"e{number}", on=run)
    names = [(each.after or {})["name"] for each in rx.watch(0, kinds="events", timeout=0)]
    assert names == [f"e{number}" for number in range(2500)]


def test_an_interrupt_ends_a_watch_that_waits(project: Path) -> None:
    code = """
import renex_jupyter as rx
watching = rx.watch()
try:
    print("waits", flush=True)
    next(watching)
except KeyboardInterrupt:
    print("ended")
"""
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "waits\n"
    told = []
    reader = threading.Thread(target=lambda: told.append(child.stdout.read() if child.stdout else ""))
    reader.start()
    until(lambda: child.send_signal(2) or child.poll() is not None)
    reader.join()
    child.stdout.close()
    assert "ended" in told[0]


def elsewhere(code: str, **more: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", f"import renex_jupyter as rx\n{code}"], **more)


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
