"""Downloads: verified while they are written, whole or not at all, and nothing of the user's is overwritten unasked."""

import os
import subprocess
import sys
from pathlib import Path
from threading import Event, Thread

import pytest
from disk import full_disk

import renex_jupyter as rx
from renex_jupyter.session.current import current
from renex_jupyter.store import download_folders
from renex_jupyter.store.keeping.gc import collect
from renex_jupyter.store.store import Store

FAULTS = Path(__file__).parents[1] / "faults"


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


@pytest.fixture
def folder(project: Path) -> Path:
    """A folder that is kept as the artifact "out"."""
    made = project / "out"
    (made / "deep").mkdir(parents=True)
    (made / "deep/a").write_text("a")
    (made / "run.sh").write_text("#!/bin/sh\n")
    (made / "run.sh").chmod(0o755)
    (made / "empty").mkdir()
    (made / "inside").symlink_to("deep/a")
    with rx.start_run("train"):
        rx.log_artifact("out")
    return made


def damage(project: Path, sha256: str) -> None:
    """Change a byte of a content where it is kept."""
    (path,) = (project / ".renex/blobs" / sha256[:2]).glob(f"{sha256[2:]}*")
    path.chmod(0o600)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def refusal(*args: object, **kwargs: object) -> rx.RenexError:
    with pytest.raises(rx.RenexError) as caught:
        rx.download_artifact(*args, **kwargs)
    return caught.value


def test_a_file_comes_back_byte_for_byte_wherever_it_is_wanted(project: Path) -> None:
    data = os.urandom(3_000_000)
    (project / "m.bin").write_bytes(data)
    with rx.start_run("train"):
        made = rx.log_artifact("m.bin", "models/best.bin")
    (project / "m.bin").unlink()
    (project / "there").mkdir()
    for path, expected in {
        rx.download_artifact(made, "new/name.bin"): project / "new/name.bin",
        rx.download_artifact("models/best.bin", "there"): project / "there/best.bin",
        rx.download_artifact(made.artifact_id): None,
    }.items():
        assert path.read_bytes() == data and path.is_absolute()
        assert expected is None or path == expected
    assert rx.download_artifact(made).name == "best.bin"


def test_a_folder_comes_back_with_modes_links_and_empty_folders(project: Path, folder: Path) -> None:
    path = rx.download_artifact("out", "copy")
    assert path == project / "copy"
    assert names(path) == ["deep", "empty", "inside", "run.sh"]
    assert (path / "run.sh").stat().st_mode & 0o777 == 0o755
    assert (path / "inside").readlink() == Path("deep/a") and (path / "inside").read_text() == "a"
    assert (path / "empty").is_dir()


def test_a_link_that_leads_out_is_not_written(project: Path) -> None:
    (project / "out").mkdir()
    for name, target in {"up": "../model.py", "far": "/etc/passwd", "in": "x/../file"}.items():
        (project / "out" / name).symlink_to(target)
    (project / "out/file").write_text("f")
    with rx.start_run("train"):
        rx.log_artifact("out")
    with pytest.warns(UserWarning, match="leads out of the folder"):
        path = rx.download_artifact("out", "copy")
    assert names(path) == ["file", "in"]


def test_what_is_there_with_the_same_content_stays_and_anything_else_is_not_overwritten(
    project: Path, folder: Path
) -> None:
    path = rx.download_artifact("out", "copy")
    (path / "mine").write_text("mine")
    before = (path / "run.sh").stat()
    (path / "deep/a").unlink()
    rx.download_artifact("out", "copy")
    after = (path / "run.sh").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert (path / "deep/a").read_text() == "a" and (path / "mine").read_text() == "mine"
    (path / "deep/a").write_text("changed")
    error = refusal("out", "copy")
    assert error.code == "conflict" and "deep/a" in error.message and "force=True" in error.hint
    assert (path / "deep/a").read_text() == "changed"
    rx.download_artifact("out", "copy", force=True)
    assert (path / "deep/a").read_text() == "a" and (path / "mine").read_text() == "mine"


def test_a_file_is_not_written_over_another_one_nor_over_a_folder(project: Path) -> None:
    with rx.start_run("train"):
        made = rx.log_artifact("model.py", "m.py")
    (project / "m.py").write_text("mine")
    assert refusal(made, "m.py").code == refusal(made, ".").code == "conflict"
    assert (project / "m.py").read_text() == "mine"
    (project / "sub/m.py").mkdir(parents=True)
    assert refusal(made, "sub", force=True).code == "conflict"
    rx.download_artifact(made, "m.py", force=True)
    assert (project / "m.py").read_text() == (project / "model.py").read_text()


def test_a_folder_is_not_written_through_a_link_of_the_place(project: Path, folder: Path) -> None:
    (project / "elsewhere").mkdir()
    (project / "copy").mkdir()
    (project / "copy/deep").symlink_to(project / "elsewhere")
    assert refusal("out", "copy", force=True).code == "unsafe_path"
    assert not list((project / "elsewhere").iterdir())


@pytest.mark.parametrize("to", [".git/x", ".renex/x", "a/.renex/b", ".GIT"])
def test_nothing_is_written_into_a_store_or_version_control(project: Path, to: str) -> None:
    with rx.start_run("train"):
        made = rx.log_artifact("model.py")
    assert refusal(made, to).code == "unsafe_path"
    assert refusal(made, "").code == refusal(made, "a\0b").code == refusal(made, 3).code == "invalid_argument"


def test_a_damaged_content_is_refused_and_leaves_nothing(project: Path, folder: Path) -> None:
    made = rx.get_artifact("out")
    damage(project, next(e.sha256 for e in made.files if e.path == "run.sh"))
    assert refusal("out", "copy").code == "corrupt"
    assert refusal("out").code == "corrupt"
    assert not (project / "copy").exists()
    assert not [each for each in names(project) if "renex-tmp" in each]
    check = rx.verify_artifact("out")
    assert (bool(check), check.verdict) == (False, "changed") and "run.sh" in check.reason


def test_what_lies_below_the_store_is_written_anew_when_somebody_changed_it(project: Path) -> None:
    with rx.start_run("train"):
        made = rx.log_artifact("model.py")
    path = rx.download_artifact(made)
    kept = path.read_text()
    again = rx.download_artifact(made)
    assert again == path
    path.chmod(0o600)
    path.write_text("changed by the user")
    assert rx.download_artifact(made).read_text() == kept


def test_a_content_that_was_purged_is_told_when(project: Path) -> None:
    (project / "words.txt").write_text("hunter2-is-it")
    with rx.start_run("train"):
        made = rx.log_artifact("words.txt")
        path = rx.download_artifact(made)
        rx.purge(secret="hunter2-is-it")
    assert not path.exists()
    error = refusal(made)
    assert error.code == "not_found" and "purged on" in error.message
    check = rx.verify_artifact(made)
    assert check.verdict == "missing" and "purged on" in check.reason


def test_a_collection_removes_downloads_that_nobody_asked_for_lately(project: Path) -> None:
    with rx.start_run("train"):
        old, new = (rx.download_artifact(rx.log_artifact(name)) for name in ("model.py", "pyproject.toml"))
    os.utime(old.parent, (0, 0))
    collect(Store(project / ".renex"), dry_run=False)
    assert not old.exists() and new.exists()
    assert rx.download_artifact("model.py") == old and old.exists()


def test_a_download_is_a_change_event_and_a_run_that_uses_one_says_so(project: Path) -> None:
    with rx.start_run("train"):
        made = rx.log_artifact("model.py")
    with rx.start_run("use") as run:
        path = rx.download_artifact(made)
        rx.download_artifact(made)
    rows = current().store.reader.rows(
        "select after->>'to' as place, actor from inside.changes where id = ? and action = 'download'",
        [made.artifact_id],
    )
    assert [row["place"] for row in rows] == [str(path)] * 2 and rows[0]["actor"]
    used = rx.sql("select * from lineage where relation = 'uses'")
    assert [tuple(row) for row in used.itertuples(index=False)] == [
        ("run", run.run_id, "uses", "artifact", made.artifact_id)
    ]
    assert rx.get_artifact(made) == made


def test_a_store_that_is_only_read_can_be_downloaded_from(project: Path) -> None:
    with rx.start_run("train"):
        rx.log_artifact("model.py")
    current().store.fold()
    code = (
        "import refusals; refusals.obey_modes()\n"
        "import renex_jupyter as rx; print(rx.download_artifact('model.py', 'copy.py'))"
    )
    folders = [project / ".renex", *(each for each in (project / ".renex").rglob("*") if each.is_dir())]
    for each in folders:
        each.chmod(0o500)
    try:
        path = os.pathsep.join([str(FAULTS), *sys.path])
        words = [sys.executable, "-W", "error", "-c", code]
        done = subprocess.run(words, env=dict(os.environ, PYTHONPATH=path), capture_output=True, text=True, check=False)
    finally:
        for each in folders:
            each.chmod(0o700)
    assert (done.returncode, done.stderr) == (0, "")
    assert (project / "copy.py").read_text() == (project / "model.py").read_text()


CODE = """
import sys
from pathlib import Path
import renex_jupyter as rx
print("ready", flush=True)
sys.stdin.readline()
for step in range(2):
    for name in ("model.py", "out"):
        for to in (None, "copy", f"fresh/{step}/{name}"):
            path = rx.download_artifact(name, to)
            assert path.exists(), path
    last = rx.last_checkpoint("train")
    assert last.path.read_text().startswith("def model"), last
print("done")
"""


def test_processes_that_fill_one_place_at_once_all_find_it_whole(project: Path, folder: Path) -> None:
    with rx.start_run("train"):
        rx.log_artifact("model.py")
        rx.log_checkpoint("model.py", 1)
    (project / "copy").mkdir()
    working = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", CODE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    for each in working:
        assert each.stdout is not None and each.stdout.readline() == "ready\n"
    for each in working:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    said = [each.communicate(timeout=240) for each in working]
    assert said == [("done\n", "")] * 6
    assert names(project / "copy") == ["deep", "empty", "inside", "model.py", "run.sh"]
    assert names(project / "fresh/1") == ["model.py", "out"] and names(project / "fresh/1/out") == names(folder)
    left = [each for each in project.rglob("*.renex-tmp-*") if ".renex-tmp-" in each.name]
    assert not left


def test_a_collection_leaves_alone_what_somebody_fills(project: Path) -> None:
    layout = Store(project / ".renex").layout
    with download_folders.held(layout, "place") as place:
        (place / "file").write_text("half")
        os.utime(place, (0, 0))
        assert download_folders.clear(layout, before=1) == 0
        assert (place / "file").exists()
    os.utime(place, (0, 0))
    assert download_folders.clear(layout, before=1) == 1
    assert not place.exists()


def test_a_folder_that_is_removed_while_somebody_waits_for_it_is_made_anew(project: Path) -> None:
    layout = Store(project / ".renex").layout
    first, second = Event(), Event()

    def wait() -> None:
        with download_folders.held(layout, "place") as place:
            (place / "file").write_text("there")
        second.set()

    with download_folders.held(layout, "place") as place:
        waiting = Thread(target=lambda: (first.set(), wait()))
        waiting.start()
        assert first.wait(60)
        place.rmdir()
    waiting.join(60)
    assert second.is_set() and (place / "file").read_text() == "there"


def test_a_full_disk_leaves_nothing_half(project: Path) -> None:
    (project / "m.bin").write_bytes(os.urandom(100_000))
    with rx.start_run("train"):
        made = rx.log_artifact("m.bin")
    with full_disk():
        assert refusal(made, "copy.bin").code == "disk_full"
    assert not (project / "copy.bin").exists()
    assert not [each for each in names(project) if "renex-tmp" in each]
