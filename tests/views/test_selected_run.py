"""The selected run, from a real store."""

from datetime import UTC, datetime

from recorded import Project

from renex_jupyter.records.changes import Change, now
from renex_jupyter.records.runs import FileChange, Run
from renex_jupyter.views.facts import RunFacts, actions_of, head_of, rest_of
from renex_jupyter.views.run import RunDetail


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
    assert (picture.metrics.choices, picture.metrics.choice) == (["train", "val"], "train")
    assert [line["meta"] for line in picture.metrics.figure["data"]] == ["train/acc", "train/loss"]
    detail.plot.choice = "val"
    picture = detail.ask(project.store.reader, run)
    assert picture is not None
    assert [line["meta"] for line in picture.metrics.figure["data"]] == ["val/loss"]


def test_a_failed_run_shows_its_error_and_params_as_text(project: Project) -> None:
    run = project.run("<i>r</i>", status="failed", error="boom\n  <script>")
    project.param(run, "<b>", "<i>")
    detail = new_detail()
    picture = detail.ask(project.store.reader, run)
    detail.draw(picture)
    assert picture is not None
    assert detail.head.content["error"] == "boom\n  <script>"
    assert rest_of(picture.facts)["params"] == [["<b>", "<i>"]]


def test_a_run_that_is_not_there_is_nothing_to_show(project: Project) -> None:
    project.run("r")
    assert new_detail().ask(project.store.reader, "0" * 32) is None


def test_many_metrics_are_cut_with_a_word_about_it(project: Project) -> None:
    run = project.run("r")
    for number in range(15):
        project.log(run, f"m{number:02}", 1.0)
    picture = new_detail().ask(project.store.reader, run)
    assert picture is not None
    assert len(picture.metrics.figure["data"]) == 12
    assert picture.metrics.notice == "The first 12 of 15 metrics."
    assert len(picture.facts.metrics) == 15


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


def test_what_the_machine_measured_stands_apart_and_is_read_when_it_is_opened(project: Project) -> None:
    run = project.run("r")
    for key in ("loss", "system/cpu_percent", "system/memory_bytes", "system/gpu0/memory_bytes", "system/odd"):
        project.log(run, key, 1.0, 0.5)
    detail = new_detail()
    picture = detail.ask(project.store.reader, run)
    assert picture is not None
    assert picture.metrics.choices == ["(no group)"]
    assert [each["key"] for each in picture.facts.metrics] == ["loss"]
    assert picture.system.choices == ["CPU", "Memory", "GPU memory", "Other"]
    assert picture.system.figure == {}
    detail.system.opened, detail.system.choice = True, "Memory"
    picture = detail.ask(project.store.reader, run)
    assert picture is not None
    assert [line["meta"] for line in picture.system.figure["data"]] == ["memory_bytes"]
    assert picture.system.figure["layout"]["yaxis"]["ticksuffix"] == "B"
    assert picture.system.figure["layout"]["xaxis"]["title"]["text"] == "time [s]"


def test_the_facts_tell_where_it_ran_what_it_took_and_whether_it_was_reproduced(project: Project) -> None:
    before, after = project.snapshot(), project.snapshot()
    action = {"argv": ["python", "<b>.py"], "image": "python:3.12"}
    run = project.run(
        "r", executor="container", action=action, exit_code=0, duration_s=75.0, peak_memory_bytes=2 * 10**9,
        environment_id="e" * 64, before_snapshot_id=before, after_snapshot_id=after, rerun_of="a" * 32,
    )  # fmt: skip
    project.store.write(Change("environments", "e" * 64, "create", {"environment_id": "e" * 64, "python": "3.12.1"}))
    for verdict, reason, second in (("failed", "no disk", 1), ("different", "numpy 1.26 -> 2.0", 2)):
        verification = {"verification_id": verdict, "run_id": run, "verdict": verdict, "reason": reason}
        when = datetime(2026, 1, 1, second=second, tzinfo=UTC)
        project.store.write(Change("verifications", verdict, "create", {**verification, "created_at": when}))
    picture = new_detail().ask(project.store.reader, run)
    assert picture is not None
    facts = dict(rest_of(picture.facts)["facts"])
    assert facts["verified"] == "different: numpy 1.26 -> 2.0"
    assert (facts["ran"], facts["command"]) == ("in a container python:3.12", "python <b>.py")
    assert (facts["exit code"], facts["peak memory"]) == ("0", "2.0 GB")
    assert (facts["environment"], facts["rerun of"]) == ("eeeeeeee · Python 3.12.1", "aaaaaaaa")
    assert facts["files"] == "none changed"


def test_the_files_that_a_run_made_are_listed_up_to_a_number(project: Project) -> None:
    files = tuple(FileChange(f"out/{number:03}", "created", 1000) for number in range(60))
    run = Run("0" * 32, "r", now(), files=(*files, FileChange("zz", "deleted", None)))
    shown = rest_of(RunFacts(run, [], []))
    assert dict(shown["facts"])["files"] == "60 created, 1 deleted"
    assert shown["files"]["changes"][0] == ["+", "out/000", "1.0 kB"]
    assert shown["files"]["changes"][50:] == [["", "and 11 more", ""]]


def test_a_running_run_ticks_and_an_ended_one_says_how_long_it_took(project: Project) -> None:
    going = head_of(RunFacts(Run("0" * 32, "r", now()), [], []))["title"]
    ended = head_of(RunFacts(Run("0" * 32, "r", now(), status="finished", duration_s=2.0), [], []))["title"]
    assert (going["since"] is None, going["seconds"]) == (False, None)
    assert (ended["since"], ended["seconds"]) == (None, 2.0)
