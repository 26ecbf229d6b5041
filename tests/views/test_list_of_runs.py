"""The list of runs, from a real store."""

import math

import pytest
from recorded import Project

from renex_jupyter import ids
from renex_jupyter.views.runs import RunsList
from renex_jupyter.views.table import Table


def new_list() -> RunsList:
    return RunsList(lambda: None)


def test_a_row_holds_what_its_columns_name(project: Project) -> None:
    run = project.run("baseline", duration_s=1.5)
    project.param(run, "lr", 0.1)
    project.log(run, "loss", 1.0, math.nan, 0.25)
    [row] = new_list().ask(project.store.reader).rows
    assert (row["id"], row["status"], row["name"], row["metric"], row["duration_s"]) == (
        run, "finished", "baseline", "0.25", 1.5,
    )  # fmt: skip
    assert row["spark"] == [1.0, None, 0.25]
    assert "lr = 0.1" in row["notes"]["name"]


def test_a_failed_run_says_why_and_a_running_one_since_when(project: Project) -> None:
    project.run("broken", status="failed", error="ValueError: no")
    project.run("going", status="running")
    rows = {row["name"]: row for row in new_list().ask(project.store.reader).rows}
    assert rows["broken"]["notes"]["status"] == "failed: ValueError: no"
    assert rows["going"]["duration_s"] == {"since": rows["going"]["started_at"]}
    assert (rows["going"]["since"], rows["broken"]["since"]) == (rows["going"]["started_at"], None)


def test_a_starred_run_has_a_star_and_a_run_inside_of_another_names_that(project: Project) -> None:
    outer, unnamed = project.run("outer", starred=True), project.run("")
    project.run("inner", parent_run_id=outer)
    project.run("alone", parent_run_id=unnamed)
    project.run("orphan", parent_run_id="0" * 32)
    found = new_list().ask(project.store.reader).rows
    rows = {row["name"]: row["under"] for row in found}
    assert rows["★ outer"] is None and f"outer ({ids.short(outer)}), starred" in [row["notes"]["name"] for row in found]
    assert rows["inner"] == {"text": "in outer"}
    assert rows["alone"] == {"text": f"in {ids.short(unnamed)}"}
    assert rows["orphan"] == {"text": f"in {ids.short('0' * 32)}"}


def test_the_name_of_a_run_has_no_controls(project: Project) -> None:
    project.run("two\nlines \u202eturned\x1b[31m")
    project.run("\u202e")
    unnamed, named = new_list().ask(project.store.reader).rows
    assert named["name"] == "two lines turned[31m"
    assert unnamed["name"] == ids.short(unnamed["id"])
    assert "\u202e" not in named["notes"]["name"] + unnamed["notes"]["name"]


def test_the_metric_of_most_runs_stands_in_the_head_and_others_show_their_own(project: Project) -> None:
    for name in ("a", "b"):
        project.log(project.run(name), "loss", 0.5)
    project.log(project.run("c"), "accuracy", 0.75)
    runs = new_list()
    page = runs.ask(project.store.reader)
    assert page.metric == "loss"
    assert {row["name"]: row["metric"] for row in page.rows} == {"a": "0.5", "b": "0.5", "c": "accuracy 0.75"}
    runs.bar.choice = "accuracy"
    assert runs.ask(project.store.reader).metric == "accuracy"


@pytest.mark.parametrize(
    ("logged", "shown"),
    [
        (["lr", "train/loss"], "train/loss"),
        (["train/loss", "val/loss", "test_acc"], "val/loss"),
        (["train_loss", "Loss"], "Loss"),
        (["loss", "accuracy"], "loss"),
        (["accuracy", "loss"], "accuracy"),
        (["time", "epoch"], "time"),
        (["glossary", "classes", "F1"], "F1"),
        (["lr", "val-rmse2", "score"], "val-rmse2"),
    ],
)
def test_of_metrics_that_as_many_runs_have_the_one_named_as_a_result_is_shown(
    project: Project, logged: list[str], shown: str
) -> None:
    run = project.run("r")
    for key in logged:
        project.log(run, key, 0.5)
    page = new_list().ask(project.store.reader)
    assert page.metric == shown
    assert page.metrics == sorted(logged)


def test_a_run_without_the_common_metric_shows_its_own_result(project: Project) -> None:
    for name in "ab":
        project.log(project.run(name), "loss", 0.5)
    run = project.run("c")
    project.log(run, "lr", 0.1)
    project.log(run, "val/accuracy", 0.75)
    rows = {row["name"]: row["metric"] for row in new_list().ask(project.store.reader).rows}
    assert rows["c"] == "val/accuracy 0.75"


def test_a_search_counts_what_it_shows_and_starts_on_the_first_page(project: Project) -> None:
    for number in range(7):
        project.run(f"run-{number}", status="failed" if number < 3 else "finished")
    runs = new_list()
    runs.table.page_size, runs.table.page = 2, 3
    runs.draw(runs.ask(project.store.reader))
    assert (runs.table.total, runs.table.page, len(runs.table.rows)) == (7, 3, 1)
    runs.bar.search = "failed"
    runs.draw(runs.ask(project.store.reader))
    assert (runs.table.total, runs.table.page, runs.bar.shown, runs.bar.total) == (3, 0, 3, 7)


def test_a_page_beyond_the_end_becomes_the_last_one(project: Project) -> None:
    project.run("only")
    runs = new_list()
    runs.table.page = 9
    runs.draw(runs.ask(project.store.reader))
    assert (runs.table.page, len(runs.table.rows)) == (0, 1)


def test_rows_are_ordered_as_the_head_says(project: Project) -> None:
    for name, seconds in (("b", 1.0), ("a", 3.0), ("c", 2.0)):
        project.run(name, duration_s=seconds)
    runs = new_list()
    runs.table.sort_key, runs.table.sort_descending = "duration_s", True
    assert [row["name"] for row in runs.ask(project.store.reader).rows] == ["a", "c", "b"]
    runs.table.sort_key, runs.table.sort_descending = "name", False
    assert [row["name"] for row in runs.ask(project.store.reader).rows] == ["a", "b", "c"]


def test_a_long_series_is_thinned_for_its_line(project: Project) -> None:
    run = project.run("long")
    project.log(run, "loss", *(float(step % 97) for step in range(5000)))
    [row] = new_list().ask(project.store.reader).rows
    assert 20 <= len(row["spark"]) <= 60
    assert max(row["spark"]) == 96


def test_what_the_machine_measured_is_no_metric_of_the_list(project: Project) -> None:
    for name in "ab":
        project.log(project.run(name), "system/cpu_percent", 99.0)
    project.log(project.run("c"), "loss", 0.5)
    page = new_list().ask(project.store.reader)
    assert (page.metric, page.metrics) == ("loss", ["loss"])
    assert {row["metric"] for row in page.rows} == {"0.5", ""}


def test_a_page_asks_for_what_it_may_and_for_nothing_else() -> None:
    table = Table(total=3)
    for asked in ({"selected": ["a"], "page": 2}, {"total": 9}, {"page": "hostile", "sort_descending": False}):
        table._handle_custom_msg({"asked": asked}, [])
    assert (table.selected, table.page, table.total, table.sort_descending) == (["a"], 2, 3, False)
