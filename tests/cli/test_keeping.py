"""Keeping the store, as a user does it: from a terminal, from Python and from a notebook."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

import renex_jupyter as rx
from renex_jupyter.config import settings
from renex_jupyter.records.keeping import Collected, Damage, Exported, FsckReport
from renex_jupyter.session.current import current
from renex_jupyter.store.keeping import apart
from renex_jupyter.store.keeping.fsck import fsck


def renex(folder: Path, *words: str, said: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "renex_jupyter.cli.main", *words]
    return subprocess.run(
        command, cwd=folder, env=dict(os.environ), input=said, capture_output=True, text=True, check=False
    )


def answer(folder: Path, *words: str, said: str = "") -> dict:
    done = renex(folder, *words, "--json", said=said)
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "pyproject.toml").write_text("")
    monkeypatch.setattr(
        settings(), "fold_in_background", False
    )  # one that is late makes files again that a test took away
    with rx.start_run("train"):
        rx.log_param("note", "the word is hunter2, keep it")
        rx.log_metric("loss", 0.5)
    rx.snapshot("kept", label="start")
    return folder


def an_old_content(folder: Path) -> Path:
    """Put a content there that nothing names."""
    rx_store = current().store
    sha256 = rx_store.blobs.put(os.urandom(4000))
    path = rx_store.layout.blobs / sha256[:2] / sha256[2:]
    os.utime(path, (0, 0))
    return path


def test_a_sound_store_is_told_with_exit_status_0(project: Path) -> None:
    done = renex(project, "fsck")
    assert (done.returncode, done.stderr) == (0, "")
    assert "the store is sound" in done.stdout
    report = answer(project, "fsck")
    assert report["ok"] and report["damages"] == [] and report["checked"]
    assert rx.fsck().ok


def test_a_damaged_store_is_told_with_exit_status_1_and_what_it_is(project: Path) -> None:
    path = next(path for path in (project / ".renex" / "blobs").glob("??/*"))
    path.chmod(0o600)
    path.write_bytes(b"rot")
    done = renex(project, "fsck")
    assert done.returncode == 1
    assert path.name in done.stdout
    told = json.loads(renex(project, "fsck", "--json").stdout)
    assert not told["ok"]
    assert path.name in told["damages"][0]["path"]


@pytest.mark.parametrize("verb", ["fsck", "rebuild", "gc", "export x.zip"])
def test_a_folder_without_history_says_so_with_exit_status_2_and_stays_empty(tmp_path: Path, verb: str) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    done = renex(folder, *verb.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert "nothing is recorded" in done.stderr
    assert list(folder.iterdir()) == []


def test_rebuild_makes_the_index_anew(project: Path) -> None:
    current().store.fold()
    before = rx.sql("select * from runs")
    for path in (project / ".renex" / "generations").iterdir():
        path.unlink()
    made = answer(project, "rebuild")
    assert (made["points"], made["changes"] > 3) == (1, True)
    assert rx.sql("select * from runs").equals(before)
    assert rx.fsck().ok


def lose_points(folder: Path) -> None:
    """Take a pack of points away, and the index that could make it again."""
    current().store.fold()
    root = folder / ".renex"
    for path in (*root.glob("archive/*.points.parquet"), *root.glob("generations/*"), *root.glob("segments/*")):
        path.unlink()


def test_a_rebuild_in_which_something_is_lost_has_exit_status_1(project: Path) -> None:
    assert renex(project, "rebuild").returncode == 0
    lose_points(project)
    done = renex(project, "rebuild")
    assert (done.returncode, "LOST" in done.stdout, done.stderr) == (1, True, "")
    assert renex(project, "rebuild").returncode == 0  # what was lost before is told by fsck
    assert renex(project, "fsck").returncode == 1


def test_an_export_of_a_store_that_has_lost_records_has_exit_status_1(project: Path) -> None:
    lose_points(project)
    renex(project, "rebuild")
    done = renex(project, "export", "../all.zip")
    assert done.returncode == 1
    assert "WITHOUT  1 record that was lost here before: see renex fsck" in done.stdout
    told = renex(project, "export", "../json.zip", "--json")
    assert (told.returncode, json.loads(told.stdout)["lost"]) == (1, 1)
    made = rx.export_store("../python.zip")
    assert (made.ok, made.lost) == (False, 1)
    assert all((project.parent / f"{name}.zip").exists() for name in ("all", "json", "python"))
    renex(project, "fsck", "--accept")
    done = renex(project, "export", "../accepted.zip")
    assert (done.returncode, "WITHOUT" in done.stdout) == (0, False)


def test_an_export_without_contents_that_are_damaged_has_exit_status_1(project: Path) -> None:
    path = next((project / ".renex" / "blobs").glob("??/*"))
    path.chmod(0o600)
    path.write_bytes(b"rot")
    done = renex(project, "export", "../all.zip")
    assert (done.returncode, "WITHOUT  1 content" in done.stdout) == (1, True)
    assert (project.parent / "all.zip").exists()


def test_gc_only_tells_until_it_is_told_yes(project: Path) -> None:
    path = an_old_content(project)
    told = answer(project, "gc")
    assert (told["dry_run"], told["blobs"], told["bytes"]) == (True, 1, 4000)
    assert path.exists()
    assert "renex gc --yes" in renex(project, "gc").stdout
    done = answer(project, "gc", "--yes")
    assert (done["dry_run"], done["blobs"]) == (False, 1)
    assert not path.exists()
    assert rx.gc().blobs == 0


def test_a_store_moves_to_another_machine_by_one_file(project: Path, tmp_path: Path) -> None:
    made = answer(project, "export", "../all.zip")
    assert (made["runs"], made["points"], made["damaged"]) == (1, 1, [])
    other = tmp_path / "other"
    other.mkdir()
    (other / "pyproject.toml").write_text("")
    came = answer(other, "import", "../all.zip")
    assert (came["changes"], came["points"], came["already_there"]) == (made["changes"], 1, 0)
    assert [each["name"] for each in answer(other, "ls")] == ["train"]
    assert answer(other, "import", "../all.zip")["already_there"] == made["changes"] + 1
    assert "already here" in renex(other, "import", "../all.zip").stdout


def test_single_runs_are_exported_by_name_or_prefix(project: Path, tmp_path: Path) -> None:
    with rx.start_run("other") as run:
        rx.log_metric("loss", 1)
    assert answer(project, "export", "../one.zip", "train")["points"] == 1
    assert answer(project, "export", "../both.zip", "train", run.run_id[:8])["points"] == 2
    assert rx.export_store(tmp_path / "again.zip", "train").runs == 1
    done = renex(project, "export", "../none.zip", "trian")
    assert (done.returncode, (tmp_path / "none.zip").exists()) == (2, False)
    assert "did you mean 'train'" in done.stderr


def test_of_several_runs_with_a_name_the_newest_is_exported_and_told(project: Path) -> None:
    with rx.start_run("train") as run:
        pass
    told = f"'train' is {run.run_id[:8]}, the newest of 2"
    assert told in renex(project, "export", "../one.zip", "train").stdout
    made = answer(project, "export", "../by_id.zip", run.run_id)
    assert (made["runs"], made["newest"]) == (1, [])


def test_a_name_that_several_runs_have_is_not_purged(project: Path) -> None:
    with rx.start_run("train"):
        pass
    for words in (["train"], ["train", "--yes"]):
        done = renex(project, "purge", *words)
        assert (done.returncode, "ambiguous: name 'train' fits 2: run " in done.stderr) == (2, True)
    with pytest.raises(rx.RenexError, match="ambiguous"):
        rx.purge("train")
    assert len(rx.search_runs()) == 2


@pytest.mark.parametrize("yes", [[], ["--yes"]])
def test_what_is_to_be_purged_must_be_there_with_and_without_a_yes(project: Path, yes: list[str]) -> None:
    done = renex(project, "purge", "trian", *yes)
    assert (done.returncode, "not_found" in done.stderr, "did you mean 'train'" in done.stderr) == (2, True, True)
    assert f"({rx.get_run('train').run_id[:8]}) would be" in renex(project, "purge", "train").stderr


def test_errors_of_the_child_process_come_through_as_they_are(project: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.zip").write_bytes(b"no zip")
    with pytest.raises(rx.RenexError) as caught:
        rx.import_store(tmp_path / "bad.zip")
    assert (caught.value.code, caught.value.hint) == ("invalid_argument", "renex export makes one.")
    done = renex(project, "import", "../bad.zip", "--json")
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (2, "invalid_argument")


def test_a_child_process_that_dies_is_told_with_its_last_words(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "COMMAND", ("-c", "import sys; sys.exit('out of memory')"))
    with pytest.raises(rx.RenexError) as caught:
        rx.fsck()
    assert (caught.value.code, "out of memory" in caught.value.message) == ("interrupted", True)


def test_nothing_of_the_store_is_opened_in_the_process_of_the_kernel(project: Path) -> None:
    program = """
import sys, renex_jupyter as rx
rx.sql("from runs")
opened = []
sys.addaudithook(lambda name, args: opened.append(str(args[0])) if name == "open" else None)
rx.fsck(), rx.rebuild(), rx.gc(dry_run=False), rx.export_store("../x.zip"), rx.import_store("../x.zip")
print([path for path in opened if any(part in path for part in (".duckdb", ".parquet", "/blobs/"))], len(opened) > 0)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=project, capture_output=True, text=True, check=False)
    assert done.stdout == "[] True\n", done.stdout + done.stderr


def test_purge_wants_a_yes_and_just_one_thing(project: Path) -> None:
    for words in (["start"], ["--secret"], ["--yes"], ["start", "--secret", "--yes"]):
        done = renex(project, "purge", *words, said="hunter2\n")
        assert (done.returncode, "invalid_argument" in done.stderr) == (2, True), words
    with pytest.raises(rx.RenexError):
        rx.purge()
    with pytest.raises(rx.RenexError):
        rx.purge("start", secret="hunter2")
    assert rx.get_run("train").params["note"] == "the word is hunter2, keep it"


def test_a_snapshot_is_purged_by_its_label(project: Path) -> None:
    done = answer(project, "purge", "start", "--yes")
    assert done["records"] > 0
    assert rx.list_snapshots().empty
    assert rx.fsck().ok


@pytest.mark.parametrize("way", ["stdin", "file"])
def test_a_secret_is_purged_and_never_stands_on_a_command_line(project: Path, tmp_path: Path, way: str) -> None:
    current().store.fold()
    if way == "stdin":
        answer(project, "purge", "--secret", "--yes", said="hunter2\n")
    else:
        (tmp_path / "secret").write_text("hunter2\n")
        answer(project, "purge", "--secret-file", "../secret", "--yes")
    assert "hunter2" not in rx.get_run("train").params["note"]
    left = [path for path in (project / ".renex").rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]
    assert left == []
    assert rx.fsck().ok


def test_a_secret_of_several_lines_goes_as_a_whole(project: Path) -> None:
    with rx.start_run("keyed"):
        rx.log_param("note", "it is:\n-- BEGIN --\nMIIEsecret\n-- END --")
    answer(project, "purge", "--secret", "--yes", said="-- BEGIN --\nMIIEsecret\n-- END --\n")
    assert rx.get_run("keyed").params["note"] == "it is:\n[purged]"


def test_the_secret_reaches_the_child_process_on_its_standard_input(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = tmp_path / "said.json"
    program = f"import json, sys; json.dump([sys.argv, json.load(sys.stdin)], open({str(said)!r}, 'w'))"
    monkeypatch.setattr(apart, "COMMAND", ("-c", program))
    with pytest.raises(rx.RenexError):
        rx.purge(secret="hunter2")
    argv, request = json.loads(said.read_text())
    assert (argv, request["arguments"]["secret"]) == (["-c"], "hunter2")


def test_an_interrupt_ends_the_child_process(project: Path, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    # The request ends when whoever asks has begun to wait for the answer.
    slow = f"import os, pathlib, sys, time; sys.stdin.read(); pathlib.Path({str(pid)!r}).write_text(str(os.getpid())); "
    slow += "time.sleep(600)"
    program = f"""
import signal, threading, os, time, renex_jupyter as rx
from renex_jupyter.store.keeping import apart
apart.COMMAND = ("-c", {slow!r})
def interrupt():
    while not (os.path.exists({str(pid)!r}) and os.path.getsize({str(pid)!r})): time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
try:
    rx.fsck()
except KeyboardInterrupt:
    print("interrupted")
"""
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], cwd=project, capture_output=True, text=True, check=False)
    assert done.stdout == "interrupted\n", done.stderr
    assert time.monotonic() - started < 200
    child = int(pid.read_text())
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_a_notebook_has_the_same_verbs(project: Path) -> None:
    shell = InteractiveShell()
    shell.run_line_magic("load_ext", "renex_jupyter")
    assert shell.run_line_magic("renex", "fsck").ok
    assert shell.run_line_magic("renex", "gc").dry_run
    assert shell.run_line_magic("renex", "export ../from_notebook.zip").runs == 1
    with pytest.raises(UsageError, match="--yes"):
        shell.run_line_magic("renex", "purge start")


def test_what_is_shown_is_escaped_and_says_what_counts() -> None:
    report = FsckReport(False, {"lines": 3}, (Damage("line", "<b>x</b>", "<script>"),) * 25)
    assert "<script>" not in report._repr_html_() and "&lt;script&gt;" in report._repr_html_()
    assert "and 5 more" in str(report) and "25 damages" in str(report)
    assert "could be freed" in str(Collected(True, 2, 5000, 0, 0))
    assert "--yes" not in str(Collected(True, 0, 0, 0, 0))
    assert "WITHOUT" not in str(Exported("a", 1, 1, 1, 1, 1))
    assert "WITHOUT" in str(Exported("a", 1, 1, 1, 1, 1, ("f" * 64,)))


def test_the_report_of_the_child_process_is_that_of_the_check_itself(project: Path) -> None:
    current().store.fold()
    assert rx.fsck() == fsck(current().store.layout)


def test_who_may_enter_is_told_and_changed_from_a_terminal(project: Path) -> None:
    assert "access: private" in renex(project, "access").stdout
    refused = renex(project, "access", "group")
    assert (refused.returncode, "needs the name of a group" in refused.stderr) == (2, True)
    assert answer(project, "status")["access"] == "private"
    if os.name == "posix":
        import grp

        own = grp.getgrgid(os.getegid()).gr_name
        assert answer(project, "access", "group", "--group", own, "--read-only")["group"] == own
        assert f"group '{own}' (read)" in renex(project, "status").stdout
        assert (project / ".renex").stat().st_mode & 0o7777 == 0o2750
        assert renex(project, "access", "private").returncode == 0
    assert (project / ".renex").stat().st_mode & 0o7777 == 0o700
