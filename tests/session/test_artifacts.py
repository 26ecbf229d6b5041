"""Artifacts: files, folders and bytes are kept once, found again, and never half."""

import hashlib
import multiprocessing
import os
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from disk import full_disk

import renex_jupyter as rx
from renex_jupyter.capture.files import stop_worker
from renex_jupyter.config import settings
from renex_jupyter.session import artifact_entries, uploads
from renex_jupyter.session.current import current
from renex_jupyter.store.keeping.gc import collect
from renex_jupyter.store.store import Store


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """Let no test change what is done about secrets for another."""
    yield
    settings().secrets_in_files = "warn"


def changes(artifact_id: str) -> list[tuple[str, Any]]:
    """Return the actions on an artifact, in order, with what they set."""
    read = current().store.reader
    rows = read.rows(
        "select action, actor, at_us, before, after from inside.changes where id = ? order by at_us", [artifact_id]
    )
    assert all(row["actor"] and row["at_us"] for row in rows)
    return [(row["action"], row) for row in rows]


def contents(project: Path) -> set[str]:
    folder = project / ".renex/blobs"
    return {each.parent.name + each.name[:62] for each in folder.glob("??/*")}


def test_uploaded_bytes_by_hash_a_file_is_an_artifact_of_the_open_run(project: Path) -> None:
    with rx.start_run("train") as run:
        made = rx.log_artifact("model.py", metadata={"epoch": 3}, step=7)
    assert made is not None
    found = rx.get_artifact(made.artifact_id)
    assert found == made
    assert (found.owner_kind, found.owner_id, found.run_id) == ("run", run.run_id, run.run_id)
    assert (found.name, found.kind, found.mode, found.step) == ("model.py", "file", "uploaded", 7)
    data = (project / "model.py").read_bytes()
    assert (found.sha256, found.size, found.uri) == (hashlib.sha256(data).hexdigest(), len(data), "model.py")
    assert found.metadata == {"epoch": 3}
    ((action, row),) = changes(made.artifact_id)
    assert action == "upload" and found.sha256 in row["after"]


def test_the_same_content_is_kept_once_however_often_it_is_logged(project: Path) -> None:
    (project / "a.bin").write_bytes(os.urandom(5000))
    (project / "b.bin").write_bytes((project / "a.bin").read_bytes())
    with rx.start_run("train"):
        before = contents(project)
        made = [rx.log_artifact(name) for name in ("a.bin", "b.bin", "a.bin")]
    assert len({each.sha256 for each in made if each}) == 1 and len({each.artifact_id for each in made if each}) == 3
    assert len(contents(project) - before - {made[0].sha256}) <= 2  # and what the state after needs
    assert sum(each == made[0].sha256 for each in contents(project)) == 1


def test_a_folder_is_one_artifact_whose_hash_hangs_on_paths_modes_and_contents(project: Path) -> None:
    folder = project / "out"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep/a").write_text("a")
    (folder / "b").write_text("b")
    with rx.start_run("train"):
        hashes = [rx.log_artifact("out").sha256]
        (folder / "b").chmod(0o755)
        hashes.append(rx.log_artifact("out").sha256)
        (folder / "b").rename(folder / "c")
        hashes.append(rx.log_artifact("out").sha256)
        (folder / "c").write_text("c")
        last = rx.log_artifact("out")
        hashes.append(last.sha256)
    assert len(set(hashes)) == 4
    assert [(e.path, e.kind) for e in last.files] == [("c", "file"), ("deep/a", "file")]
    assert (last.kind, last.size) == ("folder", 2)
    rows = rx.sql(f"select path, sha256 from artifact_files where artifact_id = '{last.artifact_id}' order by path")
    assert list(rows["path"]) == ["c", "deep/a"]


def test_names_may_have_slashes_and_are_found_again_the_newest_of_a_name(project: Path) -> None:
    with rx.start_run("train"):
        first = rx.log_artifact("model.py", "models/best.py", kind="model")
        (project / "model.py").write_text("better")
        second = rx.log_artifact("model.py", "models/best.py", kind="model")
    assert rx.get_artifact("models/best.py") == second
    assert rx.get_artifact(first.artifact_id[:12]) == first
    assert list(rx.list_artifacts(name="models/*")["artifact_id"]) == [second.artifact_id, first.artifact_id]


@pytest.mark.parametrize(
    "name", ["", " ", "../x", "a/../b", "/etc/x", "a//b", "a\0b", "x" * 501, 3, "\ud800", ".", "a/."]
)
def test_a_name_that_leads_out_or_is_none_is_refused(project: Path, name: Any) -> None:
    with pytest.raises(rx.RenexError) as caught:
        rx.log_artifact("model.py", name)
    assert caught.value.code == "invalid_argument" and caught.value.hint
    assert not (project / ".renex").exists()


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"path": "gone.bin"}, "not_found"),
        ({"path": ""}, "invalid_argument"),
        ({"path": 7}, "invalid_argument"),
        ({"path": "a\0b"}, "invalid_argument"),
        ({"path": "x" * 5000}, "not_found"),
        ({"step": 1.5}, "invalid_argument"),
        ({"step": True}, "invalid_argument"),
        ({"step": 2**70}, "invalid_argument"),
        ({"kind": ""}, "invalid_argument"),
        ({"kind": 3}, "invalid_argument"),
        ({"metadata": [1]}, "invalid_argument"),
        ({"on": "run:none"}, "not_found"),
    ],
)
def test_what_cannot_be_logged_is_told_with_a_hint_and_nothing_is_recorded(
    project: Path, given: dict[str, Any], code: str
) -> None:
    with rx.start_run("train"), pytest.raises(rx.RenexError) as caught:
        rx.log_artifact(**{"path": "model.py", **given})
    assert caught.value.code == code and caught.value.hint
    assert len(rx.list_artifacts()) == 0


def test_a_step_of_numpy_is_a_step(project: Path) -> None:
    with rx.start_run("train"):
        assert rx.log_artifact("model.py", step=np.int64(4)).step == 4


def test_without_a_run_one_is_opened_as_the_line_says(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = rx.log_artifact("model.py")
    assert "no run was open" in capsys.readouterr().out
    assert made.run_id == rx.active_run().run_id
    rx.end_run()


def test_on_says_what_it_belongs_to(project: Path) -> None:
    with rx.start_run("train") as run:
        pass
    snapshot = rx.snapshot(label="start")
    on_run = rx.log_artifact("model.py", on=run)
    on_snapshot = rx.log_artifact("model.py", on="start")
    on_experiment = rx.log_artifact("model.py", on="experiment:default")
    assert (on_run.owner_id, on_run.run_id) == (run.run_id, run.run_id)
    assert (on_snapshot.owner_kind, on_snapshot.owner_id, on_snapshot.run_id) == (
        "snapshot",
        snapshot.snapshot_id,
        None,
    )
    assert on_experiment.owner_kind == "experiment"
    assert list(rx.list_artifacts("run:train")["artifact_id"]) == [on_run.artifact_id]
    assert rx.active_run() is None


def test_lists_can_be_narrowed(project: Path) -> None:
    with rx.start_run("train"):
        rx.log_artifact("model.py", kind="model")
        rx.log_artifact("pyproject.toml")
        rx.track_artifact("model.py", "data")
    assert list(rx.list_artifacts()["name"]) == ["data", "pyproject.toml", "model.py"]
    assert list(rx.list_artifacts(kind="model")["name"]) == ["model.py"]
    assert list(rx.list_artifacts(mode="tracked")["name"]) == ["data"]
    assert list(rx.list_artifacts(name="data")["run"]) == ["train"]
    for wrong in ({"mode": "uplod"}, {"kind": 3}, {"name": 4}):
        with pytest.raises(rx.RenexError) as caught:
            rx.list_artifacts(**wrong)
        assert caught.value.code == "invalid_argument"


def test_secrets_in_metadata_are_taken_out_and_what_json_cannot_say_is_told(project: Path) -> None:
    with rx.start_run("train"), pytest.warns(UserWarning, match="'thing' of the metadata"):
        made = rx.log_artifact("model.py", metadata={"api_key": "abc123", "thing": object(), "lr": 0.1})
    assert made.metadata["lr"] == 0.1 and "thing" not in made.metadata
    assert "abc123" not in str(rx.get_artifact(made).metadata)


def test_a_file_that_is_named_like_a_secret_is_kept_with_a_warning_when_it_is_named_itself(project: Path) -> None:
    (project / "out").mkdir()
    for name in ("a", ".env"):
        (project / "out" / name).write_text(name)
    with rx.start_run("train"):
        with pytest.warns(UserWarning, match=r"'\.env' is left out: its name says that it holds a secret"):
            folder = rx.log_artifact("out")
        with pytest.warns(UserWarning, match=r"'\.env' is named like a secret and is kept"):
            assert rx.log_artifact("out/.env") is not None
    assert [e.path for e in folder.files] == ["a"]


def test_a_purged_content_does_not_come_back(project: Path) -> None:
    (project / "words.txt").write_text("hunter2-is-it")
    with rx.start_run("train"):
        rx.log_artifact("words.txt")
        held = hashlib.sha256(b"hunter2-is-it").hexdigest()
        rx.purge(secret="hunter2-is-it")
        with pytest.warns(UserWarning, match="NOT kept: conflict: what is in 'words.txt' held a secret and was purged"):
            assert rx.log_artifact("words.txt") is None
        with pytest.raises(rx.RenexError) as caught:
            uploads.keep_bytes(current(), b"hunter2-is-it", name="a", kind="text", mime=None)
    assert caught.value.code == "conflict"
    assert held not in contents(project)
    assert rx.fsck()


def test_a_full_disk_is_one_warning_nothing_is_half_kept_and_the_program_goes_on(project: Path) -> None:
    (project / "large.bin").write_bytes(os.urandom(3_000_000))
    with rx.start_run("train"):
        rx.log_artifact("model.py")
        stop_worker()  # the next one inherits the limit
        with full_disk(), pytest.warns(UserWarning, match=r"artifact 'large.bin' is NOT kept: disk_full"):
            assert rx.log_artifact("large.bin") is None
        stop_worker()
        assert list(rx.list_artifacts()["name"]) == ["model.py"]
        assert rx.log_artifact("large.bin") is not None
    assert rx.fsck()


def test_a_database_that_the_program_has_open_stays_locked(project: Path) -> None:
    held = sqlite3.connect(project / "data.db")
    held.execute("create table t (a)")
    held.execute("begin exclusive")
    with rx.start_run("train"):
        assert rx.log_artifact("data.db") is not None
        assert rx.track_artifact("data.db") is not None
    code = (
        "import sqlite3,sys\n"
        "try: sqlite3.connect('data.db', timeout=0).execute('begin exclusive')\n"
        "except sqlite3.OperationalError as e: sys.exit(str(e))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=False)
    assert "locked" in done.stderr
    held.close()


def test_an_artifact_is_deleted_once_and_gc_frees_what_only_it_held(project: Path) -> None:
    (project / "out").mkdir()
    for name in ("a", "b"):
        (project / "out" / name).write_bytes(os.urandom(500))
    (project / "out/link").symlink_to("a-name-that-nothing-else-has")
    (project / ".renexignore").write_text("out\nalone\n")
    (project / "alone").write_bytes((project / "out/a").read_bytes())
    with rx.start_run("train"):
        folder, alone = rx.log_artifact("out"), rx.log_artifact("alone")
    shas = {e.path: e.sha256 for e in folder.files}
    store = Store(project / ".renex")
    before = collect(store, dry_run=False, grace=0)
    assert rx.fsck()
    assert rx.delete_artifact(folder, dry_run=True).dry_run
    assert len(rx.list_artifacts()) == 2
    assert before.blobs == 0
    rx.delete_artifact(folder)
    (*_, (action, row)) = changes(folder.artifact_id)
    assert action == "delete" and folder.sha256 in row["before"]
    collect(store, dry_run=False, grace=0)
    assert [store.blobs.is_there(shas[name]) for name in ("a", "b", "link")] == [True, False, False]
    assert rx.verify_artifact(alone)
    for again in (folder, folder.artifact_id):
        with pytest.raises(rx.RenexError) as caught:
            rx.delete_artifact(again)
        assert caught.value.code == "not_found"


def test_what_a_checkpoint_holds_is_not_deleted(project: Path) -> None:
    with rx.start_run("train"):
        made = rx.log_checkpoint("model.py", 1)
    with pytest.raises(rx.RenexError) as caught:
        rx.delete_artifact(made)
    assert caught.value.code == "conflict" and "checkpoint" in caught.value.message
    with pytest.raises(rx.RenexError):
        rx.delete_artifact(made, dry_run=True)


KEY = "AKIA" + "Q3EGR7TBMMPWZ2XY"  # in the form of one


def test_what_looks_like_a_secret_in_a_file_is_told_with_its_line_and_never_shown(project: Path) -> None:
    with rx.start_run("train"):
        (project / "conf").mkdir()
        (project / "conf/app.ini").write_text(f"[aws]\nname = x\nid = {KEY}\n")
        (project / "one.txt").write_text(f"{KEY}\n")
        with pytest.warns(UserWarning, match=r"held a secret: conf/app\.ini:3 \(.*purge --secret") as told:
            assert rx.log_artifact("conf") is not None
        assert KEY not in str(told[0].message)
        with pytest.warns(UserWarning, match=r"one\.txt:1 "):
            assert rx.log_checkpoint("one.txt", 1) is not None
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            rx.log_artifact("one.txt")  # it was told
            settings().secrets_in_files = "ignore"
            (project / "two.txt").write_text(f"{KEY} two\n")
            rx.log_artifact("two.txt")


def test_what_looks_like_a_secret_is_refused_where_the_user_wants_that(project: Path) -> None:
    (project / "one.txt").write_text(f"{KEY}\n")
    held = hashlib.sha256((project / "one.txt").read_bytes()).hexdigest()
    settings().secrets_in_files = "block"
    with rx.start_run("train"), pytest.warns(UserWarning, match=r"NOT kept: conflict: .*one\.txt:1"):
        assert rx.log_artifact("one.txt") is None
    assert held not in contents(project)
    assert rx.log_artifact("model.py", on="run:train") is not None


def log_some(folder: str, number: int) -> None:
    os.chdir(folder)
    with rx.start_run(f"w{number}"):
        for step in range(15):
            path = Path(folder, f"same-{step}.bin")
            assert rx.log_artifact(path, step=step) is not None


def test_processes_that_log_the_same_contents_at_once_lose_none(project: Path) -> None:
    for step in range(15):
        (project / f"same-{step}.bin").write_bytes(f"{step}".encode() * 4000)
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=log_some, args=(str(project), number)) for number in range(3)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert [each.exitcode for each in workers] == [0, 0, 0]
    found = rx.list_artifacts()
    assert len(found) == 45 and found["sha256"].nunique() == 15
    assert all(map(rx.verify_artifact, found["artifact_id"]))
    assert rx.fsck()


def test_a_folder_of_too_many_files_is_refused_with_what_to_do(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifact_entries, "MOST_FILES", 2)
    (project / "out").mkdir()
    for name in "abc":
        (project / "out" / name).touch()
    with rx.start_run("train"), pytest.warns(UserWarning, match="3 files; at most 2.*Pack them into one file"):
        assert rx.log_artifact("out") is None


def test_a_hostile_name_is_escaped_where_it_is_shown(project: Path) -> None:
    with rx.start_run("train"):
        made = rx.log_artifact("model.py", "<script>alert(1)<b>")
    assert "<script>" not in made._repr_html_()


def test_artifacts_such_as_datasets_and_trained_models_or_checkpoints_can_be_uploaded_or_tracked_on_experiments_and_models(
    project: Path,
) -> None:
    rx.create_model("digits")
    for on in ("experiment:default", "model:digits"):
        with rx.start_run("train"):
            trained = rx.log_artifact("model.py", kind="model", on=on)
            data = rx.track_artifact("model.py", "data", kind="dataset", on=on)
        found = rx.list_artifacts(on)
        assert list(found["artifact_id"]) == [data.artifact_id, trained.artifact_id]
        assert list(found["mode"]) == ["tracked", "uploaded"]
        assert rx.verify_artifact(trained) and rx.verify_artifact(data)


def test_change_events_are_logged_automatically_when_artifacts_are_uploaded_downloaded_tracked_and_deleted(
    project: Path,
) -> None:
    with rx.start_run("train"):
        made, pointer = rx.log_artifact("model.py"), rx.track_artifact("model.py")
    rx.download_artifact(made)
    rx.delete_artifact(made)
    rows = dict(changes(made.artifact_id))
    assert list(rows) == ["upload", "download", "delete"]
    assert made.sha256 in rows["upload"]["after"] and made.sha256 in rows["delete"]["before"]
    assert [action for action, _ in changes(pointer.artifact_id)] == ["track"]
