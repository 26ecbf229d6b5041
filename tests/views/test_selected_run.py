"""The selected run, from a real store."""

from recorded import Project

from renex_jupyter.records.runs import Run
from renex_jupyter.views.run import RunDetail, actions_of, rest_of


def new_detail(acts: list[tuple[str, Run]] | None = None, *, hosted: bool = True) -> RunDetail:
    said: list[tuple[str, Run]] = [] if acts is None else acts
    return RunDetail(lambda: None, lambda name, run: said.append((name, run)), hosted=hosted)


def test_the_first_group_of_metrics_is_plotted_and_another_can_be_chosen(project: Project) -> None:
    run = project.run("r")
    for key in ("train/acc", "train/loss", "val/loss"):
        project.log(run, key, 1.0, 0.5)
    detail = new_detail()
    picture = detail.ask(project.store.reader, run)
    assert picture is not None
    assert (picture.choices, picture.choice) == (["train", "val"], "train")
    assert [line["meta"] for line in picture.figure["data"]] == ["train/acc", "train/loss"]
    detail.plot.choice = "val"
    picture = detail.ask(project.store.reader, run)
    assert picture is not None
    assert [line["meta"] for line in picture.figure["data"]] == ["val/loss"]


def test_a_failed_run_shows_its_error_and_params_as_text(project: Project) -> None:
    run = project.run("<i>r</i>", status="failed", error="boom\n  <script>")
    project.param(run, "<b>", "<i>")
    detail = new_detail()
    picture = detail.ask(project.store.reader, run)
    detail.draw(picture)
    assert picture is not None
    assert detail.head.content["error"] == "boom\n  <script>"
    assert rest_of(picture)["params"] == [["<b>", "<i>"]]


def test_a_run_that_is_not_there_is_nothing_to_show(project: Project) -> None:
    project.run("r")
    assert new_detail().ask(project.store.reader, "0" * 32) is None


def test_many_metrics_are_cut_with_a_word_about_it(project: Project) -> None:
    run = project.run("r")
    for number in range(15):
        project.log(run, f"m{number:02}", 1.0)
    picture = new_detail().ask(project.store.reader, run)
    assert picture is not None
    assert len(picture.figure["data"]) == 12
    assert picture.notice == "The first 12 of 15 metrics."
    assert len(picture.metrics) == 15


def test_a_button_acts_on_the_run_that_is_shown(project: Project) -> None:
    acts: list[tuple[str, Run]] = []
    detail = new_detail(acts)
    run = project.run("r", notebook="a.ipynb")
    detail.draw(detail.ask(project.store.reader, run))
    detail.head._handle_custom_msg({"action": "insert"}, [])
    assert [(name, each.run_id) for name, each in acts] == [("insert", run)]


def test_without_the_side_panel_code_is_copied_not_inserted(project: Project) -> None:
    run = project.run("r", notebook="a.ipynb")
    picture = new_detail().ask(project.store.reader, run)
    assert picture is not None
    assert [each["label"] for each in actions_of(picture.run, hosted=False)] == ["Copy code", "Copy id"]
    assert [each["name"] for each in actions_of(picture.run, hosted=True)] == ["open", "insert", "copy"]
