"""A capture that remembers the one before finds the same as one that remembers nothing."""

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from trees import fill, take, worker

from renex_jupyter.capture import files, index, reading
from renex_jupyter.capture.index import RACY_NS, Index
from renex_jupyter.capture.parts import CUT, Entry, parts_of
from renex_jupyter.capture.tree import Capture, Memory, Tree
from renex_jupyter.store.blobs import FRESH, Blobs

SECRET = "AKIA" + "QWERTYUIOPASDFGH"


def look(root: Path, memory: Memory, blobs: Path | None = None, **asked: object) -> Tree:
    request = {
        "root": str(root),
        "blobs": str(blobs) if blobs else None,
        "index": None,
        "exclude": [],
        "include": [],
        "imported": [],
        "max_file_size": 1000,
        "purged": [],
        **asked,
    }
    return Capture(request, memory, lambda: None).take()


NAMES = ("a", "b.py", "c.csv", "lib", ".gitignore", ".renexignore", "data", ".env", "__pycache__", "pyvenv.cfg", "x\ny")
RULES = ("*.csv", "lib/", "!c.csv", "data", "/a", "", "*", "!*.py")


def change_something(root: Path, chance: random.Random) -> None:
    """Do to a tree what users, programs and clocks do."""
    folders = [root, *(path for path in sorted(root.rglob("*")) if path.is_dir() and not path.is_symlink())]
    path = chance.choice(folders) / chance.choice(NAMES)
    what = chance.choice(("write", "write", "write", "remove", "folder", "link", "mode", "old time", "rename", "large"))
    there = os.path.lexists(path)
    if what == "remove" and there:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    elif what == "folder" and not there:
        path.mkdir()
    elif what == "link" and not there:
        path.symlink_to(chance.choice(("a", "..", "nowhere")))
    elif what == "mode" and there and not path.is_symlink():
        path.chmod(chance.choice((0o755, 0o700) if path.is_dir() else (0o644, 0o755)))
    elif what == "old time" and path.is_file() and not path.is_symlink():
        path.write_text(chance.choice("pq"))
        os.utime(path, ns=(1, 1))
    elif what == "rename" and there:
        path.rename(path.with_name(f"moved{chance.randrange(3)}{path.suffix}")) if path.is_file() else None
    elif what in ("write", "large") and not path.is_dir() and not path.is_symlink():
        lines = chance.sample(RULES, 2) if path.name.endswith("ignore") else [chance.choice(("1", "22", "x" * 50))]
        path.write_text("\n".join(lines) if what == "write" else "z" * 2000)


def wait_for_a_tick(clock: Path) -> None:
    """Wait until the file system's clock goes on."""
    clock.touch()
    before = clock.stat().st_mtime_ns
    while clock.stat().st_mtime_ns == before:
        time.sleep(0.001)
        clock.touch()


@pytest.mark.parametrize("seed", range(40))
def test_whatever_changes_between_two_captures_is_seen(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the clock told every change apart, so that folders that were just changed are remembered, too."""
    for module in (index, reading):
        monkeypatch.setattr(module, "RACY_NS", 0)
    chance, root, blobs = random.Random(seed), tmp_path / "project", tmp_path / "blobs"
    root.mkdir()
    for name in ("a", "lib/b.py", "data/c.csv", "data/lib/a"):
        fill(root, name)
    memory, remembered, odd = Memory(), 0, seed % 3 / 4
    for _ in range(25):
        for _ in range(chance.choice((0, 1, 1, 4))):
            change_something(root, chance)
        some = [each.relative_to(root).as_posix() for each in sorted(root.rglob("*"))]
        asked = {
            name: chance.sample(some, min(2, len(some))) if chance.random() < 0.2 else []
            for name in ("include", "exclude", "imported")
        }
        keep = None if chance.random() < odd else blobs
        wait_for_a_tick(tmp_path / "clock")
        before = memory.folders
        found = look(root, memory, keep, **asked)
        remembered += sum(
            bool(folder.entries) and before.get(path) is folder for path, folder in memory.folders.items()
        )
        assert found == look(root, Memory(), **asked)
        if keep:
            kept = [entry[3] for part in found.parts.values() for entry in part if entry[3]]
            assert all(map(Blobs(blobs).is_there, kept))
    assert remembered or odd


def test_a_folder_that_looks_the_same_is_not_gone_through_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, memory = tmp_path / "project", Memory()
    for name in ("a/1.py", "a/2.py", "b/3.py"):
        os.utime(fill(root, name), ns=(1, 1))
    time.sleep(RACY_NS / 1e9 + 0.1)
    first = look(root, memory)
    again = look(root, memory)
    assert again is first
    known = dict(memory.folders)
    fill(root, "b/4.py")
    look(root, memory)
    assert {path: memory.folders[path] is known[path] for path in ("a", "b")} == {"a": True, "b": False}


def test_contents_that_were_seen_long_ago_are_marked_again_as_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, blobs, memory = tmp_path / "project", tmp_path / "blobs", Memory()
    fill(root, "a.py")
    time.sleep(RACY_NS / 1e9 + 0.1)
    look(root, memory, blobs)
    (content,) = (path for path in blobs.rglob("*") if path.is_file())
    long_ago = time.time() - 2 * FRESH
    os.utime(content, (long_ago, long_ago))
    look(root, memory, blobs)
    assert content.stat().st_mtime == pytest.approx(long_ago)  # it was known to be fresh
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + FRESH)
    look(root, memory, blobs)
    assert content.stat().st_mtime > long_ago + FRESH


@pytest.mark.slow
def test_what_one_process_has_read_the_next_one_does_not_read_again(root: Path, blobs: Path, tmp_path: Path) -> None:
    (root / "a.bin").write_bytes(os.urandom(2**22))
    fill(root, "conf.py", f"key = '{SECRET}'")
    time.sleep(RACY_NS / 1e9 + 0.1)
    first = take(root, blobs, index=tmp_path / "index")
    files.stop_worker()
    again = take(root, blobs, index=tmp_path / "index")
    assert (again, again.findings) == (first, first.findings)
    assert [(each.path, each.line) for each in first.findings] == [("conf.py", 1)]
    assert int(Path(f"/proc/{worker().pid}/io").read_text().split()[1]) < 2**22 + 2**21  # Python itself reads a little


@pytest.mark.parametrize("damage", ["cut", "other", "sha", "version", "gone", "pipe"])
def test_a_damaged_index_only_means_that_files_are_read(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "index" / "one"
    said = Index({"a": ((1, 2, 3, 4), "a" * 64)}, {"a" * 64: ((1, "key"),)})
    said.save(path)
    assert Index.load(path) == said
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-3])
    elif damage == "other":
        path.write_bytes(b"no index")
    elif damage in ("gone", "pipe"):
        path.unlink()
        os.mkfifo(path) if damage == "pipe" else None
    else:
        Index({"a": ((1, 2, 3, 4), "../../etc")}).save(path)
        if damage == "version":
            other = subprocess.run(
                [sys.executable, "-c", "import zstandard, sys; sys.stdout.buffer.write(zstandard.compress(b'[]'))"],
                capture_output=True,
                check=True,
            ).stdout
            path.write_bytes(other)
    assert Index.load(path) == Index()


def entries(count: int) -> list[Entry]:
    return [(f"d{number % 7}/f{number}.py", "code", "file", f"{number:064x}", 1, 0o644, 5) for number in range(count)]


def test_a_changed_file_makes_one_part_anew() -> None:
    before = entries(CUT * 20)
    files_id, parts = parts_of(before)
    at = CUT * 7
    for after in (
        [*before[:at], (*before[at][:3], "f" * 64, *before[at][4:]), *before[at + 1 :]],
        [*before, ("d3/new.py", "code", "file", "e" * 64, 1, 0o644, 5)],
        before[:at] + before[at + 1 :],
    ):
        other_id, others = parts_of(after)
        assert other_id != files_id
        assert len(others.keys() - parts.keys()) <= 2
    assert len(parts) > 10


def test_times_and_order_are_no_part_of_the_id_of_a_tree() -> None:
    some = entries(CUT * 3)
    touched = [(*entry[:6], 99) for entry in reversed(some)]
    assert parts_of(touched)[0] == parts_of(some)[0]
    assert parts_of(touched)[1].keys() != parts_of(some)[1].keys()
    for change in (lambda e: (f"{e[0]}x", *e[1:]), lambda e: (*e[:5], 0o755, e[6]), lambda e: (*e[:2], "link", *e[3:])):
        assert parts_of([change(some[0]), *some[1:]])[0] != parts_of(some)[0]
