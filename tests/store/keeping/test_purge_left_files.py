"""What runs have left in their folders, and a purge of a secret: only what holds it goes, and whatever is in doubt is told."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from purgeable import DOOMED, a_run

from renex_jupyter.store import run_folders
from renex_jupyter.store.keeping import apart
from renex_jupyter.store.keeping.purge import purge
from renex_jupyter.store.store import Store

pytestmark = pytest.mark.usefixtures("nobody_else_folds")

SECRET = "hunter2-secret"
POWERLESS = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all")


@pytest.fixture
def folder(store: Store) -> Path:
    """The folder of a run that is over, with a folder of files that are kept."""
    a_run(store)
    store.fold()
    made = store.layout.runs / DOOMED
    (made / run_folders.KEPT / "below").mkdir(parents=True)
    return made


def test_a_secret_takes_only_the_files_that_hold_it(store: Store, folder: Path) -> None:
    kept = folder / run_folders.KEPT
    (kept / "model.bin").write_bytes(b"days of training")
    across = b"x" * (run_folders.CHUNK - 5) + SECRET.encode()  # in two of the parts that are read
    (kept / "below" / "log.txt").write_bytes(across)
    (kept / "wide.txt").write_bytes(SECRET.encode("utf-16-le"))
    (folder / "output.log").write_text("nothing")
    done = apart.purge(store.layout.root, object_id=None, secret=SECRET)
    assert sorted(path.name for path in folder.rglob("*")) == ["below", "kept", "model.bin"]
    assert sorted(done.removed) == [str(kept / "below" / "log.txt"), str(kept / "wide.txt")]
    assert {row for row in done.rows() if row[0] == "REMOVED" and row[1]} == {
        ("REMOVED", each) for each in done.removed
    }
    assert (done.title, done.still_in) == ("purged", ())


def test_a_secret_that_nothing_holds_takes_nothing(store: Store, folder: Path) -> None:
    (folder / run_folders.KEPT / "model.bin").write_bytes(b"days of training")
    (folder / run_folders.PRINTED[0]).write_text("said\n")
    done = purge(store, secret="unrelated")
    assert (done.title, done.files, done.removed, done.still_in) == ("nothing to purge was found", 0, (), ())
    assert (folder / run_folders.KEPT / "model.bin").exists() and (folder / run_folders.PRINTED[0]).exists()


def test_no_link_is_followed_and_no_pipe_is_opened(store: Store, folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine.txt").write_text(SECRET)
    kept = folder / run_folders.KEPT
    os.mkfifo(kept / "pipe")
    (kept / "to_a_file").symlink_to(outside / "mine.txt")
    (kept / "to_a_folder").symlink_to(outside)
    (kept / "says_it").symlink_to(f"/nowhere/{SECRET}")
    (folder / run_folders.PRINTED[0]).symlink_to(outside / "mine.txt")
    done = purge(store, secret=SECRET)
    assert (outside / "mine.txt").read_text() == SECRET
    assert done.removed == (str(kept / "says_it"),)
    assert sorted(path.name for path in kept.iterdir()) == ["below", "pipe", "to_a_file", "to_a_folder"]


@pytest.mark.skipif(
    os.name != "posix" or (os.geteuid() == 0 and shutil.which("setpriv") is None),
    reason="only where modes of files hold, or root can do without its powers",
)
def test_what_cannot_be_read_or_removed_is_told_and_stays(
    store: Store, folder: Path, request: pytest.FixtureRequest
) -> None:
    kept = folder / run_folders.KEPT
    (kept / "closed.txt").write_text(SECRET)
    (kept / "closed.txt").chmod(0)
    if os.access(
        kept / "closed.txt", os.R_OK
    ):  # root reads and removes everything: without its powers it is as all are
        again = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"{__file__}::{request.node.name}"]
        assert "RENEX_POWERLESS" not in os.environ  # else it would begin again and again
        environment = {**os.environ, "RENEX_POWERLESS": "1"}
        done = subprocess.run([*POWERLESS, *again], env=environment, capture_output=True, text=True, check=False)
        assert "1 passed" in done.stdout, done.stdout
        return
    (kept / "below" / "fixed.txt").write_text(SECRET)
    (kept / "below").chmod(0o500)
    (kept / "shut").mkdir(0)
    (kept / "half").mkdir()
    (kept / "half" / "a.txt").write_text(SECRET)
    (kept / "half").chmod(0o400)
    done = purge(store, secret=SECRET)
    assert sorted(str(each).removeprefix(f"{kept}/") for each in done.still_in) == [
        f"{path}, maybe: Permission denied" for path in ("below/fixed.txt", "closed.txt", "half/a.txt", "shut")
    ]
    assert (kept / "closed.txt").exists()
    purge(store, object_id=DOOMED)
    assert not folder.exists()


def test_a_name_that_holds_it_is_told_and_its_file_stays(store: Store, folder: Path) -> None:
    kept = folder / run_folders.KEPT
    (kept / f"{SECRET}.bin").write_bytes(b"days of training")
    done = purge(store, secret=SECRET)
    assert [str(each) for each in done.still_in] == [f"{kept / SECRET}.bin, its name"]
    assert (kept / f"{SECRET}.bin").exists()


def test_what_holds_it_is_named_without_it(store: Store, folder: Path) -> None:
    (folder / run_folders.KEPT / f"{SECRET}.txt").write_text(SECRET)
    done = purge(store, secret=SECRET)
    assert done.removed == (str(folder / run_folders.KEPT / "[purged].txt"),)


def test_output_in_two_files_is_searched_as_one_text(store: Store, folder: Path) -> None:
    said = f"it says {SECRET}\n"
    for name, part in zip(run_folders.PRINTED, (said[:12], said[12:]), strict=True):
        (folder / name).write_text(part)
    (folder / run_folders.KEPT / "below").rmdir()
    (folder / run_folders.KEPT).rmdir()
    assert len(purge(store, secret=SECRET).removed) == 2
    assert not folder.exists()


def test_what_lies_too_deep_for_a_path_is_told(store: Store, folder: Path) -> None:
    here, name = Path.cwd(), "d" * 250
    os.chdir(folder / run_folders.KEPT)
    try:
        for depth in range(20):
            if depth == 10:
                Path("said.txt").write_text(SECRET)
            Path(name).mkdir()
            os.chdir(name)
        Path("said.txt").write_text(SECRET)
    finally:
        os.chdir(here)
    done = apart.purge(store.layout.root, object_id=None, secret=SECRET)
    assert [each.rpartition("/")[2] for each in done.removed] == ["said.txt"]
    assert [each.doubt for each in done.still_in] == ["maybe: File name too long"]
    assert [label for label, _ in done.rows()].count("STILL IN") == 1
    purge(store, object_id=DOOMED)
    assert not folder.exists()
