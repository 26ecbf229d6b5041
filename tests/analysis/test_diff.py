from __future__ import annotations

import math
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from states import cells, file, files, packages, replace_id

from renex_jupyter.analysis.diff import State, diff_states, flatten
from renex_jupyter.records.environments import Package
from renex_jupyter.records.snapshots import Cell, FileEntry


def of_cells(a: tuple[Cell, ...], b: tuple[Cell, ...]) -> list[tuple[str, int | None, int | None]]:
    return [(each.kind, each.before, each.after) for each in diff_states(State("a", a), State("b", b)).cells]


def of_files(a: dict[str, FileEntry], b: dict[str, FileEntry]) -> list[tuple[str, str, str | None]]:
    found = diff_states(State("a", files=a), State("b", files=b)).files
    return [(each.kind, each.path, each.before_path) for each in found]


def of_config(a: dict[str, Any], b: dict[str, Any]) -> list[tuple[str, str, Any, Any, float | None]]:
    found = diff_states(State("a", config=a), State("b", config=b)).config
    return [(each.kind, each.key, each.before, each.after, each.delta) for each in found]


def test_a_state_is_the_same_as_itself() -> None:
    state = State(
        "a", cells("x", "x", ""), files(file("f", "1")), packages(numpy="1"), "3.11", {"a": [math.nan]}, {"b": math.nan}
    )
    found = diff_states(state, state)
    assert found.same
    assert "No differences" in str(found)


def test_cells_are_the_same_by_id_even_when_rewritten() -> None:
    assert of_cells(cells("x = 1", ids="a"), cells("entirely(different)", ids="a")) == [("changed", 0, 0)]


def test_without_ids_a_cell_is_found_by_its_source_and_then_by_likeness() -> None:
    before = cells("import numpy as np", "model = fit(data, lr=0.1, epochs=10)", "plot(model)")
    after = cells("import numpy as np", "plot(model)", "model = fit(data, lr=0.2, epochs=10)", "new_thing()")
    assert of_cells(before, after) == [("changed", 1, 2), ("added", None, 3)] or of_cells(before, after) == [
        ("moved", 2, 1), ("changed", 1, 2), ("added", None, 3),
    ]  # fmt: skip


def test_the_fewest_cells_count_as_moved() -> None:
    assert of_cells(cells(*"abcde", ids="12345"), cells(*"eabcd", ids="51234")) == [("moved", 4, 0)]


def test_an_inserted_cell_moves_nothing() -> None:
    assert of_cells(cells("a", "b", ids="12"), cells("new", "a", "b", ids="312")) == [("added", None, 0)]


def test_cells_of_the_same_source_stay_in_order() -> None:
    assert of_cells(cells("x", "x"), cells("x", "x", "x")) == [("added", None, 2)]


def test_unlike_cells_and_cells_of_another_type_are_removed_and_added() -> None:
    assert of_cells(cells("load('a.csv')"), cells("for i in range(3): print(i)")) == [
        ("removed", 0, None),
        ("added", None, 0),
    ]
    assert of_cells(cells("# title"), cells("# title", kind="markdown")) == [("removed", 0, None), ("added", None, 0)]


def test_a_changed_cell_shows_its_lines_with_context() -> None:
    before = "\n".join(f"line_{n}" for n in range(20))
    after = before.replace("line_3\n", "changed\n").replace("\nline_19", "")
    (change,) = diff_states(State("a", cells(before)), State("b", cells(after))).cells
    assert change.lines == (
        " line_1", " line_2", "-line_3", "+changed", " line_4", " line_5", "", " line_17", " line_18", "-line_19",
    )  # fmt: skip


def test_only_a_changed_count_or_time_is_no_difference() -> None:
    assert (
        of_cells((Cell("a", "code", "x", 1, None, 0.1, "ok"),), (Cell("a", "code", "x", 9, None, 3.0, "error", True),))
        == []
    )


def test_hundreds_of_rewritten_cells_are_aligned_in_bounded_time() -> None:
    steps = ["".join(f"step_{n}_{line}(x)\n" for line in range(30)) for n in range(400)]
    before, after = (cells(*(f"{each}value = {side}" for each in steps)) for side in (1, 2))
    began = time.process_time()
    assert of_cells(before, after) == [("changed", n, n) for n in range(400)]
    assert time.process_time() - began < 20  # measured 0.3 s


@given(
    st.lists(st.sampled_from(["a", "b = 1", "c"]), max_size=8),
    st.lists(st.sampled_from(["a", "b = 2", "c"]), max_size=8),
)
def test_every_cell_is_told_of_once(a: list[str], b: list[str]) -> None:
    found = diff_states(State("a", cells(*a)), State("b", cells(*b))).cells
    before = [each.before for each in found if each.before is not None]
    after = [each.after for each in found if each.after is not None]
    assert len(set(before)) == len(before)
    assert len(set(after)) == len(after)
    assert len(a) - len(before) == len(b) - len(after)


def test_a_cell_that_became_text_shows_its_types_and_no_lines_where_its_source_stayed() -> None:
    (change,) = diff_states(State("a", cells("# x", ids="a")), State("b", cells("# x", ids="a", kind="markdown"))).cells
    assert (change.kind, change.before_type, change.cell_type, change.lines) == ("changed", "code", "markdown", ())
    assert "code -> markdown cell 1 (of 1)" in next(map(str, change.as_lines()))


def test_a_cell_may_change_and_move_and_a_moved_one_is_known_by_its_first_line() -> None:
    a, b = cells("1", "x = 2", "y = 3", "z\n4", ids="abcd"), cells("z\n4", "y = 33", "1", "x = 2", ids="dcab")
    text = str(diff_states(State("a", a), State("b", b)))
    assert "~ code cell 1 (of 4), moved from 4\n        z\n" in text
    assert "~ code cell 2 (of 4), moved from 3\n      - y = 3\n      + y = 33" in text


def test_ids_that_are_there_twice_pair_first_with_first() -> None:
    assert of_cells(cells("a", "b", ids="xx"), cells("a", "b", "c", ids="xxx")) == [("added", None, 2)]


def test_a_cell_that_was_split_is_changed_and_its_other_half_added() -> None:
    before = "import numpy\nimport pandas\nimport os\nprint(1)"
    after = ("import numpy\nimport pandas\nimport os", "print(1)")
    expected = [("changed", 0, 0), ("added", None, 1)]
    assert of_cells(cells(before, ids="a"), cells(*after, ids="ab")) == expected
    assert of_cells(cells(before), cells(*after)) == expected


def test_five_hundred_cells_are_compared_in_bounded_time() -> None:
    sources = [
        f"step_{n} = load({n})\n" + "\n".join(f"plot(step_{n}, {line})" for line in range(20)) for n in range(500)
    ]
    rewritten = [each.replace(", 7)", ", seven)") if n % 3 else each for n, each in enumerate(sources)]
    began = time.process_time()
    assert [kind for kind, _, _ in of_cells(cells(*sources), cells(*rewritten))] == ["changed"] * 333
    names = [f"id-{n}" for n in range(500)]
    turned = of_cells(
        tuple(map(replace_id, cells(*sources), names)),
        tuple(map(replace_id, cells(*rewritten[100:], *rewritten[:100]), [*names[100:], *names[:100]])),
    )
    assert time.process_time() - began < 20  # measured 0.5 s beside other work
    assert len(turned) == 333 + 100 // 3 + 1


def test_another_notebook_is_told() -> None:
    assert "Two notebooks: a.ipynb and b.ipynb." in str(
        diff_states(State("a", notebook="a.ipynb"), State("b", cells("x"), notebook="b.ipynb"))
    )


def test_a_metric_is_told_by_its_share_too_and_a_config_value_is_not() -> None:
    a, b = (State("s", config={"lr": value}, metrics={"acc": value, "zero": value - 0.91}) for value in (0.91, 0.93))
    text = str(diff_states(a, b))
    assert "~ acc 0.91 -> 0.93 (+0.02, +2.2 %)" in text
    assert "~ lr 0.91 -> 0.93 (+0.02)" in text
    assert "~ zero 0 -> 0.02 (+0.02)" in text


def test_files_are_added_removed_changed_and_renamed() -> None:
    a = files(file("old.py", "content"), file("gone", "x"), file("data,1.csv", "1"), file("same", "s"))
    b = files(file("new.py", "content"), file("fresh", "y"), file("data,1.csv", "2"), file("same", "s"))
    assert of_files(a, b) == [
        ("changed", "data,1.csv", None), ("added", "fresh", None), ("removed", "gone", None), ("renamed", "new.py", "old.py"),
    ]  # fmt: skip


def test_two_files_that_swap_their_contents_are_both_changed() -> None:
    a, b = files(file("a", "1"), file("b", "2")), files(file("a", "2"), file("b", "1"))
    assert of_files(a, b) == [("changed", "a", None), ("changed", "b", None)]


def test_of_several_copies_the_one_that_keeps_its_name_is_renamed() -> None:
    a = files(file("a/one.py", "x"), file("a/two.py", "x"))
    b = files(file("b/two.py", "x"), file("b/three.py", "x"), file("b/four.py", "x"))
    assert of_files(a, b) == [
        ("renamed", "b/four.py", "a/one.py"), ("added", "b/three.py", None), ("renamed", "b/two.py", "a/two.py"),
    ]  # fmt: skip


def test_a_folder_with_very_many_files_is_renamed_in_no_time() -> None:
    a = files(*(file(f"a/{n}", "x" if n % 2 else f"{n}") for n in range(20_000)))
    b = files(*(file(f"b/{n}", "x" if n % 2 else f"{n}") for n in range(20_000)))
    began = time.process_time()
    found = of_files(a, b)
    assert time.process_time() - began < 20  # measured 0.2 s
    assert all(kind == "renamed" and path[2:] == (before or "")[2:] for kind, path, before in found)


def test_empty_files_folders_and_pointed_at_files_are_no_renames() -> None:
    a = files(
        file("a/__init__.py", "", size=0),
        file("a", "", kind="dir", sha256=None),
        file("a/big", "", sha256=None, size=9),
    )
    b = files(
        file("b/__init__.py", "", size=0),
        file("b", "", kind="dir", sha256=None),
        file("b/big", "", sha256=None, size=9),
    )
    assert {kind for kind, _, _ in of_files(a, b)} == {"added", "removed"}


def test_a_mode_alone_is_a_change_and_is_shown() -> None:
    found = diff_states(
        State("a", files=files(file("run.sh", "x"))), State("b", files=files(file("run.sh", "x", mode=0o755)))
    )
    assert "~ run.sh (same content, mode 644 -> 755)" in str(found)


def test_packages_and_the_interpreter_went_up_or_down() -> None:
    a = State("a", packages=packages(numpy="1.10", old="1", pip="9", odd="2026a-x!"), python="3.11.7")
    b = State("b", packages=packages(numpy="1.9", new="2", pip="10", odd="2026b-x!"), python="3.12.0")
    found = diff_states(a, b)
    assert [(each.kind, each.key) for each in found.packages] == [
        ("upgraded", "python"), ("added", "new"), ("downgraded", "numpy"), ("changed", "odd"), ("removed", "old"),
        ("upgraded", "pip"),
    ]  # fmt: skip
    assert "~ numpy 1.10 -> 1.9 (downgraded)" in str(found)
    assert "environment: 1 added, 1 changed, 1 downgraded, 1 removed, 2 upgraded" in str(found)


def test_the_same_version_from_elsewhere_is_a_changed_package() -> None:
    a = State(
        "a", packages={"mine": Package("mine", "1.0"), "her": Package("her", "1", origin="git+https://h/her@aaa")}
    )
    b = State(
        "b",
        packages={
            "mine": Package("mine", "1.0", origin="editable /src/mine"),
            "her": Package("her", "1", origin="git+https://h/her@bbb"),
        },
    )
    found = diff_states(a, b)
    assert [(each.kind, each.key) for each in found.packages] == [("changed", "her"), ("changed", "mine")]
    assert "~ mine 1.0 from an index -> editable /src/mine" in str(found)


def test_a_package_that_spells_its_name_in_another_way_is_the_same_one() -> None:
    a, b = (
        State("a", packages=packages(typing_extensions="4")),
        State("b", packages=packages(**{"Typing-Extensions": "4"})),
    )
    assert diff_states(a, b).same


def test_a_package_that_is_imported_now_is_no_difference() -> None:
    a, b = ({"x": Package("x", "1", imported=imported)} for imported in (False, True))
    assert diff_states(State("a", packages=a), State("b", packages=b)).same


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (1, 1.0),
        (math.nan, math.nan),
        (math.nan, "NaN"),
        ("Infinity", math.inf),
        ((1, 2), [1, 2]),
        ({}, {}),
        (None, None),
    ],
)
def test_values_that_mean_the_same_are_equal(before: Any, after: Any) -> None:
    assert of_config({"x": before}, {"x": after}) == []


@pytest.mark.parametrize(
    ("before", "after", "delta"),
    [
        (0, 0.5, 0.5),
        (0.0, None, None),
        (0.1, 0.0, -0.1),
        (1, True, None),
        ("1", 1, None),
        (math.nan, 1.0, None),
        (math.inf, 1.0, None),
        (10**400, 1, None),
        ([1], [1, 2], None),
        (False, 0, None),
    ],
)
def test_values_that_differ_are_told_with_their_numeric_difference(
    before: Any, after: Any, delta: float | None
) -> None:
    ((kind, key, _, _, found),) = of_config({"x": before}, {"x": after})
    assert (kind, key) == ("changed", "x")
    assert found == delta


def test_zero_is_a_value_and_not_a_missing_one() -> None:
    assert of_config({}, {"a": 0.0}) == [("added", "a", None, 0.0, None)]
    assert of_config({"a": 0}, {}) == [("removed", "a", 0, None, None)]
    assert "+ a 0" in str(diff_states(State("a"), State("b", metrics={"a": 0.0})))
    assert "- a 0" in str(diff_states(State("a", metrics={"a": 0}), State("b")))


def test_a_value_none_that_came_or_went_is_told() -> None:
    assert of_config({}, {"a": None}) == [("added", "a", None, None, None)]


def test_nested_config_is_compared_by_dotted_keys() -> None:
    assert flatten({"a": {"b": {"c": 1}, "d": {}}, "e": [{"f": 1}]}) == {"a.b.c": 1, "a.d": {}, "e": [{"f": 1}]}
    assert of_config({"opt": {"lr": 0.1, "name": "sgd"}}, {"opt": {"lr": 0.2, "name": "sgd"}}) == [
        ("changed", "opt.lr", 0.1, 0.2, 0.1)
    ]
