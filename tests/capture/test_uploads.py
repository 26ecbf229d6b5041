"""Files and folders that are kept as they are: whole, bounded in memory, and no link is followed out."""

import hashlib
import os
import threading
from pathlib import Path

import pytest
from trees import fill

from renex_jupyter.capture import files
from renex_jupyter.capture.files import upload
from renex_jupyter.errors import RenexError
from renex_jupyter.store.blobs import Blobs


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_file_is_kept_by_its_content_with_its_mode(root: Path, blobs: Path) -> None:
    fill(root, "model.bin", "weights").chmod(0o750)
    found = upload(root / "model.bin", blobs)
    (entry,) = found.entries
    assert not found.is_folder
    assert (entry.path, entry.kind, entry.sha256, entry.size, entry.mode) == (
        "model.bin",
        "file",
        sha256(b"weights"),
        7,
        0o750,
    )
    assert Blobs(blobs).get(sha256(b"weights")) == b"weights"


def test_without_blobs_nothing_is_written(root: Path, blobs: Path) -> None:
    fill(root, "a", "1")
    assert upload(root / "a", None).entries[0].sha256 == sha256(b"1")
    assert not blobs.exists()


def test_a_folder_is_kept_with_links_empty_folders_and_modes(root: Path, blobs: Path) -> None:
    fill(root, "m/config.json", "{}").chmod(0o600)
    fill(root, "m/deep/er/weights", "w")
    (root / "m/empty").mkdir(mode=0o700)
    (root / "m/link").symlink_to("config.json")
    found = upload(root / "m", blobs)
    assert [(e.path, e.kind, e.mode) for e in found.entries] == [
        ("config.json", "file", 0o600),
        ("deep/er/weights", "file", 0o644),
        ("empty", "dir", 0o700),
        ("link", "link", 0o777),
    ]
    assert Blobs(blobs).get(found.entries[3].sha256 or "") == b"config.json"


def test_a_link_inside_of_a_folder_is_never_followed_out_of_it(root: Path, blobs: Path) -> None:
    fill(root, "outside/private", "private")
    fill(root, "m/a", "a")
    (root / "m/file").symlink_to(root / "outside/private")
    (root / "m/folder").symlink_to(root / "outside")
    found = upload(root / "m", blobs)
    assert [(e.path, e.kind) for e in found.entries] == [("a", "file"), ("file", "link"), ("folder", "link")]
    assert not Blobs(blobs).is_there(sha256(b"private"))


def test_a_link_that_is_named_itself_is_followed(root: Path, blobs: Path) -> None:
    fill(root, "runs/7/best.pt", "best")
    (root / "latest.pt").symlink_to("runs/7/best.pt")
    (root / "latest").symlink_to("runs/7")
    assert upload(root / "latest.pt", blobs).entries[0].sha256 == sha256(b"best")
    assert [e.path for e in upload(root / "latest", blobs).entries] == ["best.pt"]


def test_what_is_named_like_a_secret_and_version_control_are_left_out_of_a_folder_and_told(
    root: Path, blobs: Path
) -> None:
    for path in (".env", "a", ".git/config", "sub/.GIT/config", "sub/id_rsa", ".renex/store.json"):
        fill(root, f"m/{path}", path)
    found = upload(root / "m", blobs, reserved={".git", ".renex"})
    assert [e.path for e in found.entries] == ["a"]
    assert sorted(e.path for e in found.left_out) == [".env", ".git", ".renex", "sub/.GIT", "sub/id_rsa"]


def test_a_pipe_in_a_folder_is_told_and_not_waited_for(root: Path, blobs: Path) -> None:
    fill(root, "m/a", "a")
    os.mkfifo(root / "m/pipe")
    found = upload(root / "m", blobs, timeout=60)
    assert [(e.path, e.reason) for e in found.left_out] == [("pipe", "it is no file, folder or link")]
    with pytest.raises(RenexError) as caught:
        upload(root / "m/pipe", blobs, timeout=60)
    assert caught.value.code == "invalid_argument"


def test_names_that_are_no_utf8_are_kept_and_can_be_told(root: Path, blobs: Path) -> None:
    (root / "m").mkdir()
    Path(os.fsdecode(os.fsencode(root / "m") + b"/caf\xe9")).write_text("x")
    assert [e.path for e in upload(root / "m", blobs).entries] == ["%:caf%E9"]


def test_a_content_that_was_purged_is_refused_and_nothing_of_its_folder_is_kept(root: Path, blobs: Path) -> None:
    fill(root, "m/a", "harmless")
    fill(root, "m/b", "hunter2-is-it")
    for path in (root / "m", root / "m/b"):
        with pytest.raises(RenexError) as caught:
            upload(path, blobs, purged={sha256(b"hunter2-is-it")})
        assert caught.value.code == "conflict" and "purged" in caught.value.message
    assert not Blobs(blobs).is_there(sha256(b"hunter2-is-it")) and not Blobs(blobs).is_there(sha256(b"harmless"))


@pytest.mark.parametrize("path", ["nothing", "m/nothing"])
def test_what_is_not_there_is_not_found(root: Path, blobs: Path, path: str) -> None:
    (root / "m").mkdir()
    with pytest.raises(RenexError) as caught:
        upload(root / path, blobs)
    assert caught.value.code == "not_found"


def test_a_file_that_always_changes_is_refused(root: Path, blobs: Path) -> None:
    target = root / "growing"
    target.write_bytes(os.urandom(2**20) * 48)
    stop = threading.Event()

    def grow() -> None:
        with target.open("ab", buffering=0) as file:
            while not stop.is_set():
                file.write(b"x")

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        with pytest.raises(RenexError) as caught:
            upload(target, blobs)
    finally:
        stop.set()
        thread.join()
    assert caught.value.code == "conflict" and "changed while it was read" in caught.value.message
    assert not [path for path in blobs.rglob("*") if path.is_file()]


def test_a_large_file_takes_little_memory(root: Path, blobs: Path) -> None:
    with (root / "large").open("wb") as file:
        for _ in range(300):
            file.write(os.urandom(2**20))
    upload(root / "large", None)  # the process is there
    worker = files._uploads.worker
    assert worker is not None
    status = Path(f"/proc/{worker.process.pid}/status")
    Path(f"/proc/{worker.process.pid}/clear_refs").write_text("5")  # the peak from now on
    upload(root / "large", blobs)
    peak = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    now = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    assert peak - now < 100_000, (peak, now)  # KiB of a file of 300 MiB
    assert peak < 200_000


def test_only_some_paths_of_a_folder_are_looked_at(root: Path) -> None:
    for name in ("a", "b", "c/d"):
        fill(root, name, name)
    found = upload(root, None, only=["a", "c/d", "gone", "a/x"])
    assert [(e.path, e.sha256) for e in found.entries] == [("a", sha256(b"a")), ("c/d", sha256(b"c/d"))]


def test_a_worker_that_was_killed_is_started_again(root: Path, blobs: Path) -> None:
    fill(root, "a", "1")
    upload(root / "a", blobs)
    worker = files._uploads.worker
    assert worker is not None
    worker.process.kill()
    fill(root, "a", "2")
    assert upload(root / "a", blobs).entries[0].sha256 == sha256(b"2")


def test_an_upload_keeps_no_capture_waiting(root: Path, blobs: Path) -> None:
    fill(root, "a", "1")
    with files._uploads.lock:  # a large one is under way
        tree = files.capture_files(root, blobs, max_file_size=2**20, timeout=60)
    assert [e.path for e in tree.entries] == ["a"]
