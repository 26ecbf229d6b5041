"""The verbs of events and changes."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from terminal import refused, say, told

import renex_jupyter as rx


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


Capture = pytest.CaptureFixture[str]


def test_an_event_is_logged_with_source_metadata_and_time(capsys: Capture) -> None:
    found = told(capsys, "event", "deploy", "--source", "ci", "--meta", "build=12", "who=ada", "--at", "1.5")
    assert (found["name"], found["source"]) == ("deploy", "ci")
    assert found["wallclock"] == "1970-01-01T00:00:01.500000+00:00"
    (listed,) = told(capsys, "events")
    assert json.loads(listed["metadata"]) == {"build": 12, "who": "ada"}
    assert "deploy" in say(capsys, "event", "deploy")


def test_a_start_and_a_finish_of_two_commands_are_a_span(capsys: Capture) -> None:
    say(capsys, "event", "ingest", "--start", "--at", "2026-03-01T12:00:00+00:00")
    say(capsys, "event", "ingest", "--finish", "--at", "2026-03-01T12:00:07+00:00")
    (row,) = told(capsys, "time", "experiment:default")
    assert (row["name"], row["spans"], row["open"], row["total_s"]) == ("ingest", 1, 0, 7.0)


def test_an_event_may_be_of_a_run(capsys: Capture) -> None:
    with rx.start_run("train") as run:
        pass
    found = told(capsys, "event", "looked at", "--on", "run:train")
    assert found["run_id"] == run.run_id
    assert [each["name"] for each in told(capsys, "events", "train")] == ["looked at"]
    assert refused(capsys, "event", "x", "--on", "run:none")["code"] == "not_found"
    assert refused(capsys, "event", "")["code"] == "invalid_argument"
    assert refused(capsys, "event", "x", "--at", "whenever")["code"] == "invalid_argument"
    assert refused(capsys, "event", "x", "--start", "--finish")["code"] == "invalid_argument"


def test_lines_of_json_on_standard_input_are_events_and_a_bad_one_is_told(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ['{"event": "a_start", "metadata": {"n": 1}}', "no json", '{"event": "a_end"}', "", '{"other": 1}', "[1]"]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines)))
    from renex_jupyter.cli.main import main

    assert main(["event", "-", "--json"]) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"events": 2, "not_understood": 3}
    assert "line 2 is no event" in captured.err
    monkeypatch.setattr("sys.stdin", io.StringIO(lines[0]))
    assert "1 event logged" in say(capsys, "event", "-")


def test_the_list_is_narrowed(capsys: Capture) -> None:
    for name in ("a", "b", "b"):
        say(capsys, "event", name, "--source", f"s{name}")
    assert len(told(capsys, "events", "--name", "b")) == 2
    assert len(told(capsys, "events", "--source", "sa", "--since", "1h")) == 1
    assert len(told(capsys, "events", "-n", "1")) == 1


def test_time_tells_where_it_goes(capsys: Capture) -> None:
    with rx.start_run("train"), rx.event("epoch"), rx.event("checkpoint"):
        pass
    shown = say(capsys, "time")
    assert all(each in shown for each in ("epoch", "checkpoint", "total_s", "share"))


def test_a_timeline_is_a_page(capsys: Capture, project: Path) -> None:
    with rx.start_run("train"), rx.event("epoch</script><script>alert(1)</script>"):
        pass
    say(capsys, "timeline", "--to", "page.html")
    page = (project / "page.html").read_text()
    assert "plotly" in page
    assert "<script>alert(1)" not in page
    assert refused(capsys, "timeline", "--to", "none/page.html")["code"] == "not_found"


def test_watch_tells_each_change_on_a_line_of_json_with_its_cursor(capsys: Capture) -> None:
    for name in ("a", "b"):
        say(capsys, "event", name)
    first, second = lines(say(capsys, "watch", "--json", "--since", "0", "--kinds", "events", "--until-idle", "0"))
    assert [each["after"]["name"] for each in (first, second)] == ["a", "b"]
    words = ("watch", "--json", "--since", first["cursor"], "--kinds", "events", "--until-idle", "0")
    assert lines(say(capsys, *words)) == [second]
    assert "b" in say(capsys, "watch", "--since", first["cursor"], "--until-idle", "0")
    assert say(capsys, "watch", "--for", "0") == ""
    assert say(capsys, "watch", "--since", "0", "--namespace", "vision", "--until-idle", "0") == ""
    assert refused(capsys, "watch", "--since", "x")["code"] == "invalid_argument"
    assert refused(capsys, "watch", "--for", "-1")["code"] == "invalid_argument"


def test_watch_follows_other_processes_and_an_interrupt_ends_it(capsys: Capture) -> None:
    say(capsys, "event", "begin")
    command = [sys.executable, "-m", "renex_jupyter.cli.main", "watch", "--json", "--since", "0", "--kinds", "events"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert json.loads(child.stdout.readline())["after"]["name"] == "begin"
    say(capsys, "event", "later")
    assert json.loads(child.stdout.readline())["after"]["name"] == "later"
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert (child.returncode, out, err) == (130, "", "")


def test_watch_ends_when_nobody_reads_any_more(capsys: Capture) -> None:
    for number in range(5):
        say(capsys, "event", f"e{number}")
    command = f"{sys.executable} -m renex_jupyter.cli.main watch --since 0 --until-idle 0 | head -1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True, timeout=120)
    assert len(done.stdout.splitlines()) == 1
    assert "Traceback" not in done.stderr


def lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]
