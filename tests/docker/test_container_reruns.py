"""What ran in a container is done again in its image, and nothing of it comes into the project."""

from __future__ import annotations

from pathlib import Path

import pytest
from daemons import IMAGE, Daemon

import renex_jupyter as rx
from renex_jupyter.config import settings
from renex_jupyter.session.work import WORK_SEEN


def test_a_command_is_done_again_in_its_image_and_the_project_stays(daemon: Daemon, project: Path) -> None:
    (project / "data.txt").write_text("1\n")
    script = 'cat data.txt >> out.txt; echo \'{"key": "size", "value": 2}\' >> "$RENEX_JOURNAL"; pwd'
    run = rx.run_task(["sh", "-c", script], name="task", executor="container", image=IMAGE, echo=lambda _: None)
    assert (project / "out.txt").read_text() == "1\n"
    (project / "out.txt").unlink()
    (project / "data.txt").write_text("2\n")
    said: list[str] = []
    found = rx.verify(run, echo=said.append)
    assert (found.verdict, found.compared) == ("reproduced", {"points": 1, "params": 0, "files": 1}), found
    again = rx.get_run(found.rerun_run_id)
    assert again.action is not None
    assert (again.executor, again.action["image"], "".join(said).strip()) == ("container", IMAGE, WORK_SEEN)
    assert (again.environment_id, again.action["image_id"]) == (None, (run.action or {})["image_id"])
    assert sorted(each.name for each in project.iterdir()) == [".renex", "data.txt"]


def test_a_rerun_takes_the_image_of_then_also_when_its_name_is_another_ones(daemon: Daemon, project: Path) -> None:
    name = "renex-test-moves:1"
    daemon.ask("tag", IMAGE, name)
    run = rx.run_task(["sh", "-c", "cat /made 2>&1 > out.txt || true"], executor="container", image=name, echo=str)
    container = daemon.ask("create", IMAGE, "true").strip()
    made = daemon.ask("commit", "--change", "LABEL other=1", container, name).strip()
    daemon.ask("rm", container)
    then = (run.action or {})["image_id"]
    assert made != then
    again = rx.rerun(run, echo=str)
    assert (again.status, (again.action or {})["image"], (again.action or {})["image_id"]) == ("finished", name, then)
    other = rx.rerun(run, image=name, echo=str)
    assert (other.action or {})["image_id"] == made


def test_the_script_of_then_is_run_in_a_container_also_by_its_full_path_and_what_it_only_reads_stays(
    daemon: Daemon, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings(), "max_file_size", 1000)
    (project / "large.txt").write_text("1" * 2000)
    (project / "go.sh").write_text("wc -c < large.txt > size.txt\n")
    run = rx.run_task(["sh", str(project / "go.sh")], name="task", echo=lambda _: None)
    (project / "go.sh").write_text("exit 3\n")
    found = rx.verify(run, executor="container", image=IMAGE, echo=lambda _: None)
    assert (found.verdict, found.compared["files"]) == ("reproduced", 1), found
    again = rx.rerun(found.rerun_run_id, echo=lambda _: None)
    assert (again.executor, again.status, (again.action or {})["image"]) == ("container", "finished", IMAGE)
