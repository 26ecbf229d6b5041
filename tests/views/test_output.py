"""What a run printed, as the panel shows it."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from recorded import Project

from renex_jupyter.query.runs import get_run
from renex_jupyter.store import run_folders
from renex_jupyter.views import text
from renex_jupyter.views.printed import CHARS, LINES, MOST, Printed, last_lines


def turned_to(project: Project, run_id: str) -> Printed:
    printed = Printed(lambda: None)
    printed.show(get_run(project.store.reader, run_id))
    printed.look(project.store)
    return printed


def test_the_output_of_a_running_run_grows(project: Project) -> None:
    run = project.run("r", status="running")
    project.printed(run, "one\n")
    printed = turned_to(project, run)
    assert (printed.box.text, printed.box.notice, printed.box.more) == ("one\n", "", False)
    project.printed(run, "two\n")
    printed.look(project.store)
    assert printed.box.text == "one\ntwo\n"
    project.printed(run, "… 7 bytes left out …\nlast", "output.tail")
    printed.look(project.store)
    assert printed.box.text == "one\ntwo\n… 7 bytes left out …\nlast"


def test_an_ended_run_shows_what_is_recorded_of_it(project: Project) -> None:
    sha256 = project.store.blobs.put(b"all of it\n")
    run = project.run("r", output_sha256=sha256, output_size=12_345)
    printed = turned_to(project, run)
    assert (printed.box.label, printed.box.text) == ("Output (12.3 kB)", "all of it\n")


def test_a_run_that_printed_nothing_has_no_box(project: Project) -> None:
    assert turned_to(project, project.run("r")).box.label == ""


def test_nothing_is_read_again_that_did_not_change_nor_while_the_box_is_closed(project: Project) -> None:
    run = project.run("r", status="running")
    log = project.printed(run, "one\n")
    printed = turned_to(project, run)
    about = log.stat()
    log.write_text("two\n")
    os.utime(log, ns=(about.st_atime_ns, about.st_mtime_ns))
    printed.look(project.store)
    assert printed.box.text == "one\n"
    printed.box.opened = False
    printed.look(project.store)
    assert (printed.box.label, printed.box.text) == ("Output", "")
    printed.box.opened = True
    printed.look(project.store)
    assert printed.box.text == "two\n"


def test_between_the_end_of_a_run_and_its_record_the_output_stays(project: Project) -> None:
    run = project.run("r", status="running")
    log = project.printed(run, "one\n")
    printed = turned_to(project, run)
    log.unlink()
    printed.look(project.store)
    assert printed.box.text == "one\n"


def test_long_output_shows_its_end_and_all_of_it_when_asked(project: Project) -> None:
    run = project.run("r", status="running")
    project.printed(run, "".join(f"{number}\n" for number in range(1000)))
    printed = turned_to(project, run)
    assert printed.box.text == "".join(f"{number}\n" for number in range(1000 - LINES, 1000))
    assert (printed.box.more, printed.box.notice) == (True, "The last 200 lines of 1,000.")
    printed.box.whole = True
    printed.look(project.store)
    assert (printed.box.text[:4], printed.box.more, printed.box.notice) == ("0\n1\n", False, "")
    other = project.run("other", status="running")
    printed.show(get_run(project.store.reader, other))
    assert (printed.box.text, printed.box.whole) == ("", False)


def test_one_endless_line_is_cut_too() -> None:
    assert len(last_lines("x" * 10**6)) == CHARS
    assert last_lines("") == ""
    assert last_lines("\n\n") == "\n\n"


def test_controls_and_turned_writing_are_taken_out(project: Project) -> None:
    assert text.plain("10%\r50%\r100%\r\ndone\x1b\x07\x00\x9b \u202eevil\t.\n") == "100%\ndone evil\t.\n".replace(
        "100%", "100%"
    )


def test_a_missing_content_is_told_in_the_box(project: Project) -> None:
    printed = turned_to(project, project.run("r", output_sha256="0" * 64))
    assert printed.box.text == ""
    assert "not_found" in printed.box.notice


def test_output_that_the_store_could_not_take_is_shown_without_secrets(project: Project) -> None:
    key = "AKIA" + "Z7QXW3EJ5K2LMNPR"
    run = project.run("r", output_size=11)
    for name, said in zip(run_folders.PRINTED, (f"one {key}\n", "two\n"), strict=True):
        project.printed(run, said, name)
    box = turned_to(project, run).box
    assert (box.label, box.notice) == ("Output (11 B)", "")
    assert box.text.startswith("one ") and box.text.endswith("\ntwo\n")
    assert key not in box.text


@pytest.mark.parametrize("name", ["output.log", *run_folders.PRINTED])
@pytest.mark.parametrize("made", [os.mkfifo, lambda path: path.symlink_to("/etc/passwd")])
def test_a_hostile_store_makes_the_panel_neither_wait_nor_look_elsewhere(project: Project, name: str, made) -> None:
    run = project.run("r", status="running")
    project.printed(run, "").unlink()
    made(project.store.layout.runs / run / name)
    assert turned_to(project, run).box.label == ""


def test_an_id_is_no_path(project: Project, tmp_path: Path) -> None:
    (tmp_path / "output.log").write_text("secret")
    outside = os.path.relpath(tmp_path, project.store.layout.runs)
    run = project.run("r", run_id=outside, status="running")
    project.store.layout.runs.mkdir(exist_ok=True)
    assert (project.store.layout.runs / run / "output.log").exists()
    assert turned_to(project, run).box.label == ""


def test_a_huge_content_is_cut(project: Project) -> None:
    sha256 = project.store.blobs.put(b"x" * (MOST + 10))
    printed = Printed(lambda: None)
    run = project.made("r")
    printed.show(replace(run, output_sha256=sha256))
    printed.box.whole = True
    printed.look(project.store)
    assert len(printed.box.text) == MOST


def test_a_secret_that_a_running_run_prints_is_not_shown(project: Project) -> None:
    run = project.run("r", status="running")
    key = "AKIA" + "Z7QXW3EJ5K2LMNPR"
    project.printed(run, f"using {key}\n")
    shown = turned_to(project, run).box.text
    assert key not in shown
    assert shown.startswith("using ")
