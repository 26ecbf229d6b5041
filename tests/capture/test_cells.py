from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
import pytest

from renex_jupyter.capture.cells import capture_code
from renex_jupyter.capture.notebook import LiveNotebook, read_document
from renex_jupyter.records.snapshots import CellExecution, Code, cells_in_words

AT = datetime(2024, 1, 1, tzinfo=UTC)
PRINTED = {"output_type": "stream", "name": "stdout", "text": ["1\n"]}


def code(source: str, cell_id: str | None = None, **more: Any) -> dict[str, Any]:
    cell = {"cell_type": "code", "source": source, "metadata": {}, "outputs": [], "execution_count": None, **more}
    return cell if cell_id is None else {**cell, "id": cell_id}


def notebook(*cells: dict[str, Any], minor: int = 5) -> dict[str, Any]:
    return {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": minor}


def ran(seq: int, source: str, cell_id: str | None = None, status: str | None = "ok") -> CellExecution:
    return CellExecution("s", seq, source, cell_id, seq, AT, 0.5, status)


def capture(
    *executions: CellExecution,
    live: dict[str, Any] | None = None,
    disk: dict[str, Any] | None = None,
    name: str | None = "a.ipynb",
) -> Code:
    path = Path("/project") / name if name else None
    shown = None if live is None else LiveNotebook(None, True, live)
    return capture_code(Path("/project"), path, executions, live=shown, document=disk)


def kept(found: Code) -> Any:
    assert found.document is not None
    document = json.loads(found.document)
    ids = [cell["id"] for cell in document["cells"] if "id" in cell]
    assert len(set(ids)) == len(ids)  # asked first: `validate` repairs what it finds
    nbformat.validate(document)
    return document


def test_unsaved_cells_win_over_the_file_and_the_file_over_the_history() -> None:
    live, disk, execution = notebook(code("live", "a")), notebook(code("disk", "a")), ran(1, "history")
    found = [capture(execution, live=live, disk=disk), capture(execution, disk=disk), capture(execution), capture()]
    assert [each.source for each in found] == ["live", "disk", "history", "none"]
    assert [[cell.source for cell in each.cells] for each in found] == [["live"], ["disk"], ["history"], []]
    assert found[-1].document is None
    for each in found[:-1]:
        kept(each)


def test_each_cell_bears_its_last_execution() -> None:
    disk = notebook(code("x = 1", "a"), code("x = 2", "b"), {"cell_type": "markdown", "source": "x = 1", "id": "c"})
    a, b, c = capture(ran(1, "x = 1", "a"), ran(2, "x = 1", "a", "error"), disk=disk).cells
    assert (a.status, a.execution_count, a.executed_at, a.duration_s, a.stale) == ("error", 2, AT, 0.5, False)
    assert (b.status, b.execution_count, b.stale) == (None, None, False)
    assert c.status is None


def test_a_cell_that_was_edited_since_it_ran_is_stale_and_a_trailing_newline_is_no_edit() -> None:
    disk = notebook(code("x = 2", "a"), code("y = 1\n", "b"))
    a, b = capture(ran(1, "x = 1", "a"), ran(2, "y = 1", "b"), disk=disk).cells
    assert (a.stale, b.stale) == (True, False)


def test_without_ids_the_same_source_counts() -> None:
    disk = notebook(code("x = 1"), minor=4)
    (cell,) = capture(ran(1, "x = 1", "gone"), disk=disk).cells
    assert (cell.cell_id, cell.status) == (None, "ok")
    assert kept(capture(disk=disk))["nbformat_minor"] == 4


def test_a_cell_that_never_ran_does_not_inherit_from_a_twin_that_did() -> None:
    twin, never = capture(ran(1, "df.head()", "a"), disk=notebook(code("df.head()", "a"), code("df.head()", "b"))).cells
    assert (twin.status, never.status) == ("ok", None)


def test_the_running_cell_is_shown_as_running() -> None:
    (cell,) = capture(ran(1, "%snapshot", "a", "running"), disk=notebook(code("%snapshot", "a"))).cells
    assert cell.status == "running"


def test_the_history_gives_each_source_once_in_order() -> None:
    found = capture(ran(1, "a = 1", "1"), ran(2, "b = 1", "2"), ran(3, "a = 1", "1", "error"), ran(4, " "), name=None)
    assert [(cell.source, cell.status) for cell in found.cells] == [("a = 1", "error"), ("b = 1", "ok")]
    assert found.notebook is None


def test_the_id_covers_name_type_and_source_and_nothing_else() -> None:
    base = capture(disk=notebook(code("x", "a"), code("y", "b")))
    same = [
        capture(disk=notebook(code("x", "other"), code("y", outputs=[PRINTED], execution_count=7))),
        capture(ran(1, "x", "a"), live=notebook(code("x", "a"), code("y", "b"))),
    ]
    different = [
        capture(disk=notebook(code("y", "b"), code("x", "a"))),
        capture(disk=notebook(code("x", "a"), code("y", "b"), code("", "c"))),
        capture(disk=notebook(code("xy", "a"), code("", "b"))),
        capture(disk=notebook(code("x", "a"), {"cell_type": "raw", "source": "y", "id": "b"})),
        capture(disk=notebook(code("x", "a"), code("y", "b")), name="sub/a.ipynb"),
    ]
    assert {each.code_id for each in same} == {base.code_id}
    assert len({each.code_id for each in [base, *different]}) == 6


def test_unchanged_cells_keep_the_outputs_that_are_on_disk() -> None:
    disk = notebook(code("x", "a", outputs=[PRINTED], execution_count=3), code("y", "b", outputs=[PRINTED]))
    live = notebook(code("x", "a"), code("edited", "b"), code("new", "c"))
    cells = kept(capture(live=live, disk=disk))["cells"]
    assert [bool(cell["outputs"]) for cell in cells] == [True, False, False]
    assert cells[0]["execution_count"] == 3


@pytest.mark.parametrize(
    "document",
    [
        notebook(code("x"), code("y", "a"), code("z", "a")),
        notebook(code("x", "not an id!"), minor=4),
        {"cells": [{"cell_type": "code", "source": "x", "metadata": {"trusted": True}}]},
        {"cells": [{"cell_type": "heading", "source": "x", "outputs": 3}, {"source": "y"}], "metadata": None},
        {
            "cells": [{"cell_type": "markdown", "source": "x", "outputs": [], "execution_count": 1}],
            "nbformat_minor": "5",
        },
    ],
)
def test_what_a_hand_left_out_is_completed_to_a_valid_notebook(document: dict[str, Any]) -> None:
    text = json.dumps(kept(capture(disk=document)))
    assert "trusted" not in text


def test_ids_that_were_made_up_for_the_file_are_not_taken_for_ids_of_cells() -> None:
    assert [cell.cell_id for cell in capture(disk=notebook(code("x"), code("y", "b"))).cells] == [None, "b"]


def test_a_notebook_that_nobody_edited_is_kept_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    made = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell("x = 1\nprint('ü')\n", outputs=[nbformat.v4.new_output("stream", text="1\n2\n")])
        ]
    )
    nbformat.write(made, path)
    document = read_document(path)
    assert document is not None
    shown = dict(reversed({**document["cells"][0], "outputs": []}.items()))  # a browser has an order of its own
    for live in (None, LiveNotebook(path, False, {**document, "cells": [shown]})):
        found = capture_code(tmp_path, path, (), live=live, document=document)
        assert found.document == path.read_text()


def test_a_notebook_outside_the_project_goes_by_its_name(tmp_path: Path) -> None:
    found = capture_code(tmp_path / "project", tmp_path / "a.ipynb", (), live=None, document=notebook())
    assert found.notebook == "a.ipynb"


def test_the_browser_names_the_notebook_where_nobody_else_does(tmp_path: Path) -> None:
    live = LiveNotebook(tmp_path / "sub/renamed.ipynb", True, notebook())
    assert capture_code(tmp_path, None, (), live=live, document=None).notebook == "sub/renamed.ipynb"


def states(found: Code) -> list[str]:
    return [cell.state for cell in found.cells]


def test_each_cell_says_what_was_run_of_it_and_the_line_counts_it() -> None:
    markdown = {"cell_type": "markdown", "source": "# title", "id": "m"}
    cells = [markdown, *(code(f"{name} = 1", name) for name in "abcde"), code("  ", "blank")]
    runs = [ran(1, "a = 1", "a"), ran(2, "c = 1", "c"), ran(3, "d = 0", "d"), ran(4, "b = 1", "b", "running")]
    found = capture(*runs, disk=notebook(*cells))
    assert states(found) == ["", "run", "out of order", "run", "changed since run", "never run", ""]
    words = cells_in_words(found.cells)
    assert words == "7 cells (1 changed since it ran, 1 out of order, 1 never run)"


def test_a_cell_that_was_changed_and_ran_too_late_is_both() -> None:
    found = capture(ran(1, "b", "b"), ran(2, "c", "c"), ran(3, "old", "a"), disk=notebook(*map(code, "abc", "abc")))
    assert states(found) == ["changed since run, out of order", "run", "run"]


def test_a_cell_that_ran_again_in_its_turn_is_in_order() -> None:
    runs = [ran(1, "b", "b"), ran(2, "a", "a"), ran(3, "b", "b"), ran(4, "c", "c")]
    assert states(capture(*runs, disk=notebook(*map(code, "abc", "abc")))) == ["run", "run", "run"]


def test_where_nothing_is_known_to_have_run_no_cell_is_said_to_have_never_run() -> None:
    assert cells_in_words(capture(disk=notebook(code("x", "a"), code("y", "b"))).cells) == "2 cells"
    other = capture(ran(1, "z"), disk=notebook(code("x", "a")))
    assert cells_in_words(other.cells) == "1 cell"


def test_a_cell_of_which_only_the_count_is_known_has_run() -> None:
    before = CellExecution("s", 1, "x", None, 1)  # as the recorder fills it from the history
    assert states(capture(before, disk=notebook(code("x", "a")))) == ["run"]


@pytest.mark.parametrize("rounds", [1, 2])
def test_twins_that_a_client_without_ids_runs_top_down_are_in_order(rounds: int) -> None:
    sources = ["df.head()", "df = df * 2", "df.head()"]
    runs = [ran(3 * turn + seq, source) for turn in range(rounds) for seq, source in enumerate(sources, start=1)]
    found = capture(*runs, disk=notebook(*map(code, sources, "abc")))
    assert states(found) == ["run", "run", "run"]
    assert [cell.execution_count for cell in found.cells] == [3 * rounds - 2, 3 * rounds - 1, 3 * rounds]


def test_of_twins_the_first_is_the_one_that_ran_when_only_one_did() -> None:
    found = capture(ran(1, "x"), ran(2, "y"), disk=notebook(*map(code, "xyx", "abc")))
    assert states(found) == ["run", "run", "never run"]


def test_the_history_is_in_no_order_but_that_of_the_runs() -> None:
    assert states(capture(ran(1, "a"), ran(2, "b"), ran(3, "a"), name=None)) == ["run", "run"]
