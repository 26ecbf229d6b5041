"""Changes after a position: each once, in order, whatever came late; and the text that keeps a position."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import Project

from renex_jupyter.errors import RenexError
from renex_jupyter.query.changes import INTERNAL, changes_after, checked_kinds, position_now
from renex_jupyter.records import cursors
from renex_jupyter.records.changes import Change
from renex_jupyter.records.cursors import START, Position
from renex_jupyter.store import format as lines
from renex_jupyter.store.journal import Journal

STORE = "0123456789abcdef"


def write(project: Project, count: int, kind: str = "tags", namespace: str | None = None) -> None:
    project.store.write(
        *(Change(kind, f"x{i}", "update", {"value": str(i)}, namespace=namespace) for i in range(count))
    )


def told(project: Project, position: Position, **filters: Any) -> list[tuple[str, int]]:
    return [(each.writer, each.seq) for each in changes_after(project.store.reader, position, **filters) if each.wanted]


def test_what_follows_a_position_is_each_change_once(project: Project) -> None:
    write(project, 10)
    writer = project.store.journal.writer
    everything = told(project, START)
    assert everything == [(writer, number) for number in range(1, 11)]
    middle = START.after(everything[:4])
    assert told(project, middle) == everything[4:]
    assert told(project, position_now(project.store.reader)) == []


def test_a_limit_cuts_the_same_order(project: Project) -> None:
    write(project, 50)
    position, found = START, list[tuple[str, int]]()
    while part := changes_after(project.store.reader, position, limit=7):
        found += [(each.writer, each.seq) for each in part]
        position = position.after((each.writer, each.seq) for each in part)
    assert found == told(project, START)


def test_folded_and_unfolded_changes_are_one_sequence(project: Project) -> None:
    for _ in range(3):
        write(project, 5)
        project.store.fold()
    write(project, 5)
    assert [number for _, number in told(project, START)] == list(range(1, 21))


def test_parts_of_other_objects_are_passed_over_and_count_as_seen(project: Project) -> None:
    for kind in INTERNAL:
        write(project, 1, kind)
    write(project, 1)
    found = changes_after(project.store.reader, START)
    assert [each.wanted for each in found] == [False] * len(INTERNAL) + [True]
    assert [each.row["after"] for each in found[:-1]] == [None] * len(INTERNAL)  # which may be large, and are not read


def test_filters_choose_by_namespace_kind_and_action(project: Project) -> None:
    write(project, 1, namespace="vision")
    write(project, 1, "params", namespace="vision")
    write(project, 1)
    assert [number for _, number in told(project, START, namespace="vision")] == [1, 2]
    assert [number for _, number in told(project, START, namespace="vision", kinds=["params"])] == [2]
    assert told(project, START, actions=["create"]) == []
    assert [number for _, number in told(project, START, kinds=[])] == []


def test_one_writer_is_told_in_its_order_and_several_by_time(project: Project) -> None:
    folder = project.store.layout.journal
    write(project, 1)
    writers = [Journal(folder, rotate_bytes=2**20, sync_interval=1.0) for _ in range(3)]
    rng = random.Random(1)
    expected = [(project.store.journal.writer, 1)]
    for number in range(60):
        pen = rng.choice(writers)
        pen.write_changes([Change("tags", f"y{number}", "update", {"value": "1"})])
        expected.append((pen.writer, sum(writer == pen.writer for writer, _ in expected) + 1))
    assert told(project, START) == expected


def test_a_clock_that_went_back_does_not_reorder_a_writer(project: Project) -> None:
    write(project, 1)
    folder, change = project.store.layout.journal, Change("tags", "x", "update", {"value": "1"})
    made = [lines.change_line(change, number, at, "ada") for number, at in ((1, 5000), (2, 1000), (3, 7000))]
    (folder / "77-00000001.000000.jsonl").write_bytes(b"".join(made))
    assert [number for writer, number in told(project, START) if writer == "77-00000001"] == [1, 2, 3]


def test_a_change_that_comes_late_with_an_old_time_and_a_low_number_comes_once(project: Project) -> None:
    write(project, 3)
    folder, change = project.store.layout.journal, Change("tags", "x", "update", {"value": "1"})
    late = {number: lines.change_line(change, number, 1000 + number, "ada") for number in range(1, 10)}
    (folder / "77-00000001.000005.jsonl").write_bytes(late[5] + late[9])
    position = position_now(project.store.reader)
    (folder / "77-00000001.000001.jsonl").write_bytes(late[1] + late[2] + late[7])
    found = told(project, position)
    assert found == [("77-00000001", 1), ("77-00000001", 2), ("77-00000001", 7)]
    assert told(project, position.after(found)) == []
    assert position.after(found).seen["77-00000001"] == ((1, 2), (5, 5), (7, 7), (9, 9))


def test_a_torn_line_is_not_told_until_it_is_whole(project: Project) -> None:
    write(project, 1)
    path = project.store.layout.journal / "77-00000001.000000.jsonl"
    line = lines.change_line(Change("tags", "x", "update", {"value": "1"}), 1, 1000, "ada")
    path.write_bytes(line[: len(line) // 2])
    assert len(told(project, START)) == 1
    path.write_bytes(line)
    assert len(told(project, START)) == 2


def test_kinds_are_tables_and_a_singular_is_meant_as_well(project: Project) -> None:
    assert checked_kinds(["run", "model_versions"]) == ["runs", "model_versions"]
    with pytest.raises(RenexError, match="did you mean 'runs'"):
        checked_kinds(["runz"])
    with pytest.raises(RenexError, match="'codes' are not told"):
        checked_kinds(["codes"])


POSITIONS = st.dictionaries(
    st.from_regex(r"[0-9]{1,7}-[0-9a-f]{8}", fullmatch=True),
    st.lists(st.integers(1, 10_000), min_size=1, max_size=30),
    max_size=20,
)


@given(POSITIONS)
def test_a_position_survives_its_text(numbers: dict[str, list[int]]) -> None:
    position = START.after((writer, each) for writer, some in numbers.items() for each in some)
    assert cursors.from_text(cursors.to_text(position, STORE), STORE) == position
    seen = {(writer, number) for writer, first, last in position.ranges() for number in range(first, last + 1)}
    assert seen == {(writer, each) for writer, some in numbers.items() for each in some}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "c1",
        "c2.0123456789abcdef.eNoDAAAAAAE.00000000",
        "; drop table runs",
        None,
        b"c1",
        "c1." + STORE + "." + "A" * 5_000_000 + ".00000000",
    ],
)
def test_what_is_no_cursor_is_refused(text: object) -> None:
    with pytest.raises(RenexError, match="no cursor") as refused:
        cursors.from_text(text, STORE)
    assert refused.value.code == "invalid_argument"
    assert len(str(refused.value)) < 400


def test_each_damaged_character_of_a_cursor_is_noticed() -> None:
    whole = cursors.to_text(START.after([("12-0a0b0c0d", 7), ("3-01020304", 1)]), STORE)
    for place, character in enumerate(whole):
        damaged = whole[:place] + ("b" if character != "b" else "c") + whole[place + 1 :]
        with pytest.raises(RenexError):
            cursors.from_text(damaged, STORE)
    with pytest.raises(RenexError):
        cursors.from_text(whole[:-1], STORE)


def test_a_cursor_of_another_store_is_refused() -> None:
    text = cursors.to_text(START.after([("12-0a0b0c0d", 7)]), STORE)
    with pytest.raises(RenexError) as refused:
        cursors.from_text(text, "f" * 16)
    assert refused.value.code == "foreign_store"


def test_a_cursor_of_a_thousand_writers_is_of_some_kilobytes() -> None:
    rng = random.Random(2)
    position = START.after((f"{rng.randrange(4_000_000)}-{rng.getrandbits(32):08x}", 1) for _ in range(1000))
    assert len(cursors.to_text(position, STORE)) < 20_000
