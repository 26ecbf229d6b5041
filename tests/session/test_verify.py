"""A run is verified: what makes it different is found and named, for every way in which it can be."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from again import notebook, task

import renex_jupyter as rx
from renex_jupyter.config import settings
from renex_jupyter.errors import RenexError
from renex_jupyter.query.verifications import get_verification
from renex_jupyter.records.changes import Change
from renex_jupyter.session import verifying
from renex_jupyter.session.current import current
from renex_jupyter.session.results import result_of

LOGS = "for i in range(3):\n    rx.log_metric('loss', 1 / (i + 1), i)\n"


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setattr(settings(), "system_metrics_interval", 0.0)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))


def test_a_command_that_gives_the_same_is_reproduced(project: Path) -> None:
    (project / "data.csv").write_text("1,2\n")
    run = task(project, f"{LOGS}open('out.txt', 'w').write(open('data.csv').read() * 2)", params={"lr": 0.1})
    found = rx.verify(run)
    assert (found.verdict, found.reason) == ("reproduced", "")
    assert found.compared == {"points": 3, "params": 1, "files": 1}
    (kept,) = rx.sql("select * from verifications").to_dict("records")
    assert (kept["verdict"], kept["run_id"], kept["rerun_run_id"]) == ("reproduced", run.run_id, found.rerun_run_id)


def test_it_stays_reproduced_when_the_project_has_changed_since(project: Path) -> None:
    (project / "data.csv").write_text("1,2\n")
    run = task(project, f"rx.log_metric('size', len(open('data.csv').read()))\n{LOGS}")
    (project / "train.py").write_text("raise SystemExit(3)\n")
    (project / "data.csv").unlink()
    assert rx.verify(run).verdict == "reproduced"
    assert not (project / "data.csv").exists()


def test_a_last_digit_is_close(project: Path) -> None:
    counter = project.parent / f"{project.name}-counter"
    counter.write_text("0")
    run = task(
        project,
        f"n = int(open({str(counter)!r}).read()); open({str(counter)!r}, 'w').write(str(n + 1))\n"
        "rx.log_metric('loss', 0.5 + n * 1e-9)\n",
    )
    found = rx.verify(run)
    assert found.verdict == "close"
    assert [each.what for each in found.differences] == ["loss"]
    assert rx.verify(run, rerun=found.rerun_run_id, relative_tolerance=0, absolute_tolerance=0).verdict == "different"


def test_params_and_files_that_are_others_are_differences(project: Path) -> None:
    run = task(
        project, "import os\nrx.log_param('noise', os.urandom(4).hex())\nopen('r.bin', 'wb').write(os.urandom(4))\n"
    )
    found = rx.verify(run, confirm=False)
    assert [(each.kind, each.what) for each in found.differences] == [("param", "noise"), ("file", "r.bin")]
    assert rx.verify(run, ignore=["noise", "file:r.*"]).verdict == "reproduced"


def test_a_large_file_of_which_only_the_size_was_kept_is_taken_from_the_project_while_it_is_the_same(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings(), "max_file_size", 1000)
    (project / "large.csv").write_text("1" * 2000)
    run = task(project, "rx.log_metric('size', len(open('large.csv').read()))\nopen('large.csv', 'a').close()\n")
    found = rx.verify(run)
    assert (found.verdict, found.compared["files"]) == ("reproduced", 0)
    (project / "large.csv").write_text("2" * 2000)
    found = rx.verify(run)
    assert found.verdict == "failed"
    assert "large.csv" in found.reason


def test_a_rerun_that_fails_where_the_run_finished_has_failed(project: Path) -> None:
    marker = project.parent / f"{project.name}-marker"
    run = task(project, f"import os\nos.mkdir({str(marker)!r})\n{LOGS}")
    found = rx.verify(run)
    assert found.verdict == "failed"
    assert "FileExistsError" in found.reason
    assert [each.kind for each in found.differences] == ["status", "points"]


def test_a_recorded_failure_is_reproduced_by_the_same_failure(project: Path) -> None:
    run = task(project, "rx.log_metric('loss', 1.0)\nraise SystemExit(3)\n")
    assert rx.verify(run).verdict == "reproduced"


def test_a_run_that_cannot_be_started_has_failed_with_the_reason(project: Path) -> None:
    (project / "train.sh").write_text("exit 0\n")
    run = rx.run_task(["sh", "train.sh", "--password", "hunter2"], name="secret")
    found = rx.verify(run)
    assert (found.verdict, found.rerun_run_id) == ("failed", None)
    assert found.reason.startswith("it could not be started: conflict: run 'secret' had a secret")
    with pytest.raises(RenexError, match="no run 'nobody'"):
        rx.verify("nobody")
    with pytest.raises(RenexError, match="no tolerance"):
        rx.verify(run, relative_tolerance=-1)


def test_cells_that_ran_out_of_order_are_done_again_as_they_ran(project: Path) -> None:
    cells = [
        "%%task sum\nrx.log_metric('total', x)",
        "x = 1",
        "x = x + 10",
        "1 / 0",
    ]
    notebook(project, cells, order=[2, 3, 3, 4, 1])
    assert rx.get_run("sum").metrics == {"total": 21.0}
    found = rx.verify("sum")
    assert (found.verdict, found.compared["points"]) == ("reproduced", 1)


def test_blocks_of_a_notebook_that_end_in_a_later_cell_are_whole(project: Path) -> None:
    cells = [
        "with rx.start_run('first') as run:\n    rx.log_metric('a', 1.0)",
        "rx.start_run('second'); rx.log_metric('b', 1.0, 0)",
        "rx.log_metric('b', 2.0, 1)",
        "rx.end_run()\nopen('late.txt', 'w').close()",
    ]
    notebook(project, cells)
    assert rx.verify("first").compared["points"] == 1
    found = rx.verify("second")
    assert (found.verdict, found.compared) == ("reproduced", {"points": 2, "params": 0, "files": 0})


def test_a_cell_that_failed_is_reproduced_when_it_fails_again(project: Path) -> None:
    notebook(project, ["%%task broken\nrx.log_metric('a', 1.0)\nraise ValueError('no')"])
    assert rx.get_run("broken").status == "failed"
    found = rx.verify("broken")
    assert (found.verdict, found.differences) == ("reproduced", ())


def test_the_runs_of_a_script_are_done_again_with_the_script(project: Path) -> None:
    source = """
import renex_jupyter as rx
for name in ("one", "two"):
    with rx.start_run(name):
        rx.log_params({"name": name})
        rx.log_metric("length", len(name) * 2.0)
"""
    (project / "script.py").write_text(source)
    subprocess.run([sys.executable, "script.py"], cwd=project, check=True)
    found = rx.verify("two")
    assert (found.verdict, found.compared["params"]) == ("reproduced", 1)
    assert rx.get_run(found.rerun_run_id).name == "two"


def test_what_verify_returns_is_what_is_kept(project: Path) -> None:
    found = rx.verify(task(project, LOGS))
    kept = get_verification(current().store.reader, found.verification_id)
    assert (kept.verdict, kept.name, kept.rerun_run_id) == (found.verdict, "train", found.rerun_run_id)
    assert result_of(current(), rx.get_run("train")).params == {}


def test_the_magic_verifies_in_the_notebook_itself_and_is_left_out_of_a_replay(project: Path) -> None:
    cells = ["%%task first\nrx.log_metric('a', 1.0)", "%renex verify first", "%%task second\nrx.log_metric('b', 2.0)"]
    made = notebook(project, cells)
    (shown,) = (each for each in made.cells[2].outputs if each.output_type == "execute_result")
    assert "run 'first': reproduced" in shown.data["text/plain"]
    assert "Run &#x27;first&#x27;: reproduced" in shown.data["text/html"]
    assert rx.verify("second").verdict == "reproduced"
    assert sorted(rx.search_runs()["name"]) == ["first", "first", "second", "second"]


def test_a_param_that_is_logged_no_more_is_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WITH_DEPTH", "1")
    source = "import os\nif os.environ.get('WITH_DEPTH'):\n    rx.log_param('depth', 3)\n"
    run = task(project, f"{LOGS}{source}", params={"lr": 0.1})
    monkeypatch.delenv("WITH_DEPTH")
    found = rx.verify(run, confirm=False)
    assert [(each.kind, each.what, each.now) for each in found.differences] == [("param", "depth", None)]


def test_a_replay_that_opens_another_run_in_its_place_has_failed(project: Path) -> None:
    notebook(project, [f"%%task first\n{LOGS}", f"%%task second\n{LOGS}"])
    rx.purge(rx.get_run("first").run_id)
    found = rx.verify("second")
    assert found.verdict == "failed"
    assert "run 'first' was opened in its place" in found.reason


def test_a_run_is_compared_with_its_own_reruns_only(project: Path) -> None:
    run, other = task(project, LOGS), task(project, LOGS)
    second = rx.rerun(rx.rerun(run, echo=lambda _: None), echo=lambda _: None)
    for wrong in (run, other):
        with pytest.raises(RenexError, match="is no rerun of 'train'") as caught:
            rx.verify(run, rerun=wrong)
        assert caught.value.code == "invalid_argument"
    with rx.start_run("open") as running:
        for one, rerun in ((run, running.run_id), (running.run_id, None)):
            with pytest.raises(RenexError, match="'open' is still running"):
                rx.verify(one, rerun=rerun)
    assert rx.sql("select * from verifications").empty
    assert rx.verify(run, rerun=second).verdict == "reproduced"


def test_a_failure_of_another_kind_with_the_same_exit_code_has_failed(project: Path) -> None:
    (project / ".gitignore").write_text("data\n")
    (project / "data").write_text("x")
    run = task(project, "raise ValueError(open('data').read())\n")
    found = rx.verify(run)
    assert (found.verdict, found.reason.partition(":")[0]) == (
        "failed",
        "a file is missing that the kept state never had, as it is ignored or came from elsewhere",
    )
    assert found.ignore_files == (".gitignore",)
    assert "not compared   what .gitignore leaves out" in str(found)


def test_what_was_ignored_on_request_is_told_and_kept(project: Path) -> None:
    found = rx.verify(task(project, LOGS), ignore=["loss", "file:*.log"])
    assert found.ok and "ignoring loss, file:*.log" in found.line and "ignored" in str(found)
    assert found.as_dict()["ignored"] == ["loss", "file:*.log"]
    (kept,) = rx.sql("select ignored from verifications")["ignored"]
    assert json.loads(kept) == ["loss", "file:*.log"]


def test_a_good_verdict_says_what_it_does_not_rest_on(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = rx.verify(task(project, LOGS), ignore=["*"])
    assert (found.verdict, found.reason) == ("reproduced", verifying.NOTHING)
    assert found.line.endswith(f" reproduced · ignoring * · {verifying.NOTHING}")
    monkeypatch.setattr(settings(), "max_file_size", 1000)
    run = task(project, f"{LOGS}import os\nopen('noise', 'wb').write(os.urandom(2000))\n")
    found = rx.verify(run)
    assert (found.verdict, found.compared["files"]) == ("reproduced", 0)
    assert found.reason.startswith("not compared: noise (only its size is known")


def test_a_rerun_that_someone_stopped_gives_no_verdict(project: Path) -> None:
    run = task(project, LOGS)
    stopped = rx.rerun(run, echo=lambda _: None)
    current().store.write(Change("runs", stopped.run_id, "update", {"status": "stopped"}))
    with pytest.raises(RenexError, match="was stopped") as caught:
        rx.verify(run, rerun=stopped)
    assert caught.value.code == "interrupted"
    assert rx.sql("select * from verifications").empty


def test_a_third_run_that_ends_otherwise_proves_nothing_and_loses_nothing(project: Path) -> None:
    counter = project.parent / f"{project.name}-counter"
    counter.write_text("0")
    run = task(
        project,
        f"n = int(open({str(counter)!r}).read()); open({str(counter)!r}, 'w').write(str(n + 1))\n"
        "rx.log_metric('loss', n)\nif n == 2:\n    raise ValueError\n",
    )
    found = rx.verify(run)
    assert len(rx.search_runs("rerun_of is not null")) == 2
    assert found.verdict == "different"
    assert "randomness" not in found.reason.partition(":")[0]


def test_what_earlier_cells_write_is_no_output_of_a_later_run(project: Path) -> None:
    first = "%%task first\nimport time\nopen('stamp.txt', 'w').write(str(time.time()))"
    second = "%%task second\nrx.log_metric('k', 1.5)\nopen('res.txt', 'w').write('same')"
    notebook(project, [first, second])
    found = rx.verify("second")
    assert (found.verdict, found.differences) == ("reproduced", ())
    assert found.compared == {"points": 1, "params": 0, "files": 1}
    assert [each.path for each in rx.get_run(str(found.rerun_run_id)).files] == ["res.txt"]


def test_integers_beyond_any_float_are_compared(project: Path) -> None:
    run = task(project, "import random\nrx.log_param('big', 10**400 + random.randrange(10**9))\n")
    found = rx.verify(run, confirm=False)
    assert [(each.what, each.close) for each in found.differences] == [("big", False)]
    assert rx.sql("select * from verifications").shape[0] == 1
