"""A run is done again: from the state before it, in a folder of its own, as a run of its own."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from again import notebook, task

import renex_jupyter as rx
from renex_jupyter.capture.secrets import REDACTED
from renex_jupyter.config import settings
from renex_jupyter.errors import RenexError
from renex_jupyter.records.changes import Change
from renex_jupyter.session.current import current
from renex_jupyter.session.own_paths import in_command
from renex_jupyter.session.replays import without_installs
from renex_jupyter.session.rerun_plans import HIDDEN
from renex_jupyter.session.reruns import Choice, _executor, _image_and_environment
from renex_jupyter.store.keeping import gc


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setattr(settings(), "system_metrics_interval", 0.0)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))


def test_a_rerun_works_on_the_state_before_and_leaves_the_project_alone(project: Path) -> None:
    (project / "counter").write_text("1")
    rx.set_experiment("counting", namespace="numbers")
    source = "n = int(open('counter').read())\nrx.log_metric('n', n)\nopen('counter', 'w').write(str(n + 1))\n"
    recorded = task(project, source, params={"lr": 0.1})
    rx.set_experiment("default", namespace="default")
    again = rx.rerun("train", echo=lambda _: None)
    assert (project / "counter").read_text() == "2"
    assert (again.rerun_of, again.before_snapshot_id) == (recorded.run_id, recorded.before_snapshot_id)
    assert (again.metrics, again.params) == ({"n": 1.0}, {"lr": 0.1})
    assert (again.namespace, again.experiment, again.kind) == ("numbers", "counting", "command")
    assert [(each.path, each.change) for each in again.files] == [("counter", "changed")]
    assert rx.snapshot("now").namespace == "default"
    assert list((project / ".renex" / "runs").iterdir()) == []


def test_a_rerun_of_a_rerun_is_one_of_that(project: Path) -> None:
    recorded = task(project, "rx.log_metric('n', 1)\n")
    first = rx.rerun(recorded, echo=lambda _: None)
    second = rx.rerun(first, echo=lambda _: None)
    assert (second.rerun_of, second.before_snapshot_id) == (first.run_id, recorded.before_snapshot_id)


def test_the_state_that_a_run_shares_with_its_rerun_stays_until_both_are_deleted(project: Path) -> None:
    (project / "n").write_text("7")
    recorded = task(project, "rx.log_metric('n', int(open('n').read()))\n")
    (project / "n").write_text("8")
    first = rx.rerun(recorded, echo=lambda _: None)
    shared = recorded.before_snapshot_id
    told = rx.delete_run(recorded.run_id)
    assert {each.snapshot_id: each.reason for each in told.kept} == {shared: "another run names it"}
    gc.collect(current().store, dry_run=False, grace=0.0)
    assert rx.fsck().ok
    again = rx.rerun(first, echo=lambda _: None)
    assert (again.metrics, again.before_snapshot_id) == ({"n": 7.0}, shared)
    assert [each.snapshot_id for each in rx.delete_run(first.run_id).kept] == [shared]
    assert rx.delete_run(again.run_id).kept == ()
    assert shared not in set(rx.list_snapshots(hidden=True)["snapshot_id"])


def test_a_rerun_runs_in_the_folder_in_which_it_ran(project: Path) -> None:
    (project / "deep").mkdir()
    (project / "deep" / "x.txt").write_text("x")
    run = rx.run_task([sys.executable, "-c", "print(open('x.txt').read() * 3)"], name="deep", cwd=project / "deep")
    said: list[str] = []
    assert rx.rerun(run, echo=said.append).status == "finished"
    assert "".join(said).strip() == "xxx"


def test_a_command_outside_of_the_project_cannot_be_done_again(project: Path) -> None:
    outside = project.parent / f"{project.name}-outside"
    outside.mkdir()
    run = rx.run_task([sys.executable, "-c", ""], name="far", cwd=outside)
    with pytest.raises(RenexError, match="outside of the project"):
        rx.rerun(run)


def test_a_secret_on_the_command_line_is_not_made_up(project: Path) -> None:
    run = rx.run_task([sys.executable, "-c", "", "--password=hunter2"], name="secret")
    with pytest.raises(RenexError, match="had a secret on its command line") as caught:
        rx.rerun(run)
    assert caught.value.code == "conflict"


def test_a_running_run_and_a_rerun_within_a_replay_are_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with rx.start_run("open") as run, pytest.raises(RenexError, match="still running"):
        rx.rerun(run.run_id)
    done = task(project, "")
    monkeypatch.setenv("RENEX_REPLAY", "x")
    with pytest.raises(RenexError, match="starts no other one"):
        rx.rerun(done)


@pytest.mark.parametrize("wrong", [{"executor": "cloud"}, {"executor": "process", "image": "debian"}])
def test_a_place_that_is_none_is_refused(project: Path, wrong: dict[str, str]) -> None:
    with pytest.raises(RenexError) as caught:
        rx.rerun(task(project, ""), **wrong)  # type: ignore[arg-type]
    assert caught.value.code == "invalid_argument"


def test_what_ran_in_a_container_never_runs_on_this_machine_unasked(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = task(project, "open('ran', 'w')\n")
    after = {"executor": "container", "action": {**(run.action or {}), "image": "debian"}}
    current().store.write(Change("runs", run.run_id, "update", after))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{project}/no.sock")
    with pytest.raises(RenexError) as caught:
        rx.rerun(run)
    assert caught.value.code == "docker_unavailable"
    assert len(rx.search_runs()) == 1
    assert rx.rerun(run, executor="process", echo=lambda _: None).status == "finished"


def test_a_timeout_ends_a_rerun(project: Path) -> None:
    slow = project.parent / f"{project.name}-slow"
    run = task(project, f"import os, time\ntime.sleep(60 if os.path.exists({str(slow)!r}) else 0)\n")
    slow.write_text("")
    again = rx.rerun(run, timeout=2, echo=lambda _: None)
    assert again.status == "failed"
    assert "timeout" in (again.error or "")


def test_the_cells_of_a_notebook_log_nowhere_else(project: Path) -> None:
    cells = [
        "with rx.start_run('before'):\n    rx.log_metric('a', 1.0)\nrx.snapshot('kept', label='mine')",
        "import os\nwith rx.start_run('wanted'):\n    rx.log_metric('b', 2.0)\n    rx.log_param('p', 1)",
        "raise SystemExit",
    ]
    notebook(project, cells)
    snapshots = len(rx.list_snapshots())
    again = rx.rerun("wanted", echo=lambda _: None)
    assert (again.status, again.metrics, again.params, again.kind) == ("finished", {"b": 2.0}, {"p": 1}, "block")
    assert again.notebook == "work.ipynb"
    assert sorted(rx.search_runs()["name"]) == ["before", "wanted", "wanted"]
    assert len(rx.list_snapshots()) == snapshots
    third = rx.rerun(again, echo=lambda _: None)
    assert (third.rerun_of, third.metrics, third.params) == (again.run_id, {"b": 2.0}, {"p": 1})


def test_lines_that_install_packages_are_left_out_of_a_replay() -> None:
    source = (
        "%pip install x\nif True:\n    !python -m pip install y\n!uv pip install z\nprint('pip install')\n!pip list"
    )
    kept = without_installs(source)
    assert [line.split("#")[0].rstrip() for line in kept.splitlines()] == [
        "pass",
        "if True:",
        "    pass",
        "pass",
        "print('pip install')",
        "!pip list",
    ]


def test_installs_of_other_forms_are_left_out_of_a_replay_with_all_their_lines() -> None:
    source = "%pip install a \\\n  b==1\n!{sys.executable} -m pip install c\n%%pip\n!  pip3 install d\nx = 1"
    kept = [line.split("#")[0].rstrip() for line in without_installs(source).splitlines()]
    assert kept == ["pass", "pass", "%%pip", "pass", "x = 1"]
    shell = "%%bash\nset -e\nif true; then\n  pip install a \\\n    b\nfi\npython -m pip install c\necho pip install"
    kept = [line.split("#")[0].rstrip() for line in without_installs(shell).splitlines()]
    assert kept == ["%%bash", "set -e", "if true; then", "  :", "fi", ":", "echo pip install"]


def test_a_rerun_runs_the_code_of_then_also_where_it_was_named_by_its_full_path(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "src").mkdir()
    (project / "src" / "mine.py").write_text("SAYS = 'then'\n")
    (project / "main.py").write_text(
        "import mine, sys\nprint(mine.SAYS, 'then')\nopen(sys.argv[1][6:], 'w').write('x')\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{project / 'src'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    run = rx.run_task([sys.executable, str(project / "main.py"), f"--out={project}/out.txt"], name="full")
    (project / "src" / "mine.py").write_text("SAYS = 'now'\n")
    (project / "main.py").write_text("import mine\nprint(mine.SAYS, 'now')\n")
    (project / "out.txt").unlink()
    said: list[str] = []
    again = rx.rerun(run, echo=said.append)
    assert (again.status, "".join(said).strip()) == ("finished", "then then")
    assert [each.path for each in again.files] == ["out.txt"]
    assert not (project / "out.txt").exists()
    assert (again.action or {})["argv"] == (run.action or {})["argv"]


def test_only_paths_of_the_project_that_snapshots_take_are_moved(tmp_path: Path) -> None:
    project, top = tmp_path / "p", tmp_path / "top"
    (project / "env").mkdir(parents=True)
    (project / "env" / "pyvenv.cfg").touch()
    told = [
        f"{project}/env/bin/tool",
        f"-I{project}/include",
        f"{project}er/x",
        f"/other{project}",
        f"{project}/.renex/x",
    ]
    moved = in_command([*told, f"open('{project}/a')"], project, str(top), top)
    assert moved == (told[0], f"-I{top}/include", *told[2:], f"open('{top}/a')")
    assert in_command([f"{project}/not/there"], project, str(top), top) == (f"{project}/not/there",)


def test_asterisks_are_no_secret(project: Path) -> None:
    run = rx.run_task([sys.executable, "-c", "print('*** done ***')"], name="loud")
    assert rx.rerun(run, echo=lambda _: None).status == "finished"
    hidden = [
        "https://me:***@host",
        "https://***@host/x",
        "https://host/?token=***",
        REDACTED,
        "a \u2039redacted:aws key\u203a",
    ]
    assert [each for each in hidden if not HIDDEN.search(each)] == []


def test_a_rerun_in_a_container_is_done_again_in_that_image_and_fresh_means_the_recorded_environment(
    project: Path,
) -> None:
    run = task(project, "")
    after = {"kind": "cell", "executor": "container", "action": {"image": "debian"}, "rerun_of": run.run_id}
    current().store.write(Change("runs", run.run_id, "update", after))
    again = rx.get_run(run.run_id)
    assert _executor(again, Choice()) == "container"
    assert _image_and_environment(again, {}, Choice()) == ("debian", None)
    assert _image_and_environment(again, {}, Choice(environment="fresh")) == (None, run.environment_id)
    assert _image_and_environment(run, {}, Choice()) == (None, run.environment_id)


def test_a_rerun_finds_the_environment_variables_of_now(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = task(project, "import os\nrx.log_param('who', os.environ.get('WHO', 'nobody'))\n")
    monkeypatch.setenv("WHO", "ada")
    assert rx.rerun(run, echo=lambda _: None).params == {"who": "ada"}
    assert "RENEX_RUN_ID" not in os.environ


def test_a_rerun_has_the_very_bytes_of_a_command_and_of_its_folder(project: Path) -> None:
    (project / "d\udcff").mkdir()
    (project / "d\udcff" / "x").write_text("x")
    words = ["sh", "-c", 'cat x; printf %s "$1" | od -An -tx1', "x", b"a\xff%"]
    said: list[str] = []
    run = rx.run_task(words, name="bytes", cwd=project / "d\udcff", echo=said.append)
    assert "".join(said) == "x 61 ff 25\n"
    assert ((run.action or {})["argv"][-1], (run.action or {})["cwd"]) == ("%:a%FF%25", "%:d%FF")
    assert "%:a%FF%25" in str(run)
    for _ in range(2):  # a rerun of a rerun, too
        said.clear()
        run = rx.rerun(run, echo=said.append)
        assert (run.status, "".join(said)) == ("finished", "x 61 ff 25\n")
        assert ((run.action or {})["argv"][-1], (run.action or {})["cwd"]) == ("%:a%FF%25", "%:d%FF")


def test_a_folder_that_git_ignores_is_there_in_a_rerun_also_when_the_project_has_it_no_more(project: Path) -> None:
    (project / ".gitignore").write_text("build/\n")
    (project / "build" / "deep").mkdir(parents=True)
    run = rx.run_task(["sh", "-c", "pwd; echo 1 > x"], name="build", cwd="build/deep")
    assert rx.rerun(run, echo=lambda _: None).status == "finished"
    shutil.rmtree(project / "build")
    assert rx.rerun(run, echo=lambda _: None).status == "finished"
    assert not (project / "build").exists()


def test_a_folder_that_was_not_there_when_it_was_recorded_is_not_made(project: Path) -> None:
    with pytest.raises(RenexError, match="no folder"):
        rx.run_task(["true"], name="nowhere", cwd="nowhere")
    with pytest.raises(RenexError, match="no folder") as caught:
        rx.rerun("nowhere", echo=lambda _: None)
    assert caught.value.code == "not_found"
