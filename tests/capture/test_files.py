import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from trees import LIMIT, fill, left_out, paths, take

from renex_jupyter.capture.index import Index
from renex_jupyter.capture.reading import Contents, LeaveOutError, open_file
from renex_jupyter.capture.tree import Capture, Memory
from renex_jupyter.capture.walk import Folder, Walk
from renex_jupyter.capture.wanted import Wanted
from renex_jupyter.records.paths import from_text
from renex_jupyter.store.blobs import Blobs


def test_every_entry_has_its_kind_role_size_mode_and_content(root: Path, blobs: Path) -> None:
    fill(root, "src/train.py", "print(1)\n").chmod(0o755)
    fill(root, "data.csv", "a,b\n")
    (root / "link").symlink_to("src/nowhere")
    (root / "empty/inner").mkdir(parents=True)
    tree = take(root, blobs)
    rows = [(e.path, e.role, e.kind, e.size) for e in tree.entries]
    assert rows == [
        ("data.csv", "file", "file", 4),
        ("empty/inner", "file", "dir", 0),
        ("link", "file", "link", 11),
        ("src/train.py", "code", "file", 9),
    ]
    contents = [Blobs(blobs).get(e.sha256) if e.sha256 else None for e in tree.entries]
    assert contents == [b"a,b\n", None, b"src/nowhere", b"print(1)\n"]
    assert tree.entries[3].mode == 0o755
    assert not tree.partial


def test_a_rename_a_swap_a_mode_and_an_edit_change_the_id_and_undoing_them_brings_it_back(root: Path) -> None:
    a, b = fill(root, "a.py", "1"), fill(root, "b.py", "2")
    ids = [take(root).files_id]
    a.rename(root / "c.py")
    ids.append(take(root).files_id)
    (root / "c.py").rename(a)
    a.write_text("2")
    b.write_text("1")
    ids.append(take(root).files_id)
    a.write_text("1")
    b.write_text("2")
    a.chmod(0o755)
    ids.append(take(root).files_id)
    (root / "empty").mkdir()
    ids.append(take(root).files_id)
    assert len(set(ids)) == len(ids)
    a.chmod(0o644)
    (root / "empty").rmdir()
    assert take(root).files_id == ids[0]


def test_a_dry_run_has_the_same_id_and_keeps_nothing(root: Path, blobs: Path) -> None:
    fill(root, "a.py")
    dry = take(root)
    assert not blobs.exists()
    assert take(root, blobs) == dry
    assert Blobs(blobs).has(dry.entries[0].sha256 or "")


def test_a_file_above_the_limit_is_pointed_at_and_its_size_counts(root: Path, blobs: Path) -> None:
    large = fill(root, "model.bin", "x" * 100)
    tree = take(root, blobs, max_file_size=99)
    assert [(e.sha256, e.size) for e in tree.entries] == [(None, 100)]
    assert left_out(tree) == {"model.bin": "too large"}
    assert not tree.partial
    assert not blobs.exists()
    large.write_text("x" * 101)
    assert take(root, max_file_size=99).files_id != tree.files_id


def test_a_large_file_is_kept_in_pieces(root: Path, blobs: Path) -> None:
    data = os.urandom(3 * 2**20 + 5)
    (root / "weights").write_bytes(data)
    tree = take(root, blobs)
    assert Blobs(blobs).get(tree.entries[0].sha256 or "") == data
    assert take(root).files_id == tree.files_id


def test_pipes_and_sockets_are_named_and_never_opened(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(root / "pipe")
    server = socket.socket(socket.AF_UNIX)
    monkeypatch.chdir(root)
    server.bind("sock")  # a whole path may be longer than a socket's may be
    tree = take(root)
    server.close()
    assert left_out(tree) == {"pipe": "special file", "sock": "special file"}
    assert tree.entries == ()


def test_what_became_a_pipe_after_it_was_listed_is_not_read(root: Path) -> None:
    os.mkfifo(root / "pipe")
    contents = Contents(str(root), None, Index(), LIMIT, frozenset(), lambda: None)
    with pytest.raises(LeaveOutError, match="special file"):
        contents._read("pipe", frozenset())


def test_a_link_is_never_followed(root: Path, tmp_path: Path, blobs: Path) -> None:
    fill(tmp_path, "outside/secret.txt", "hunter2")
    (root / "folder").symlink_to(tmp_path / "outside")
    (root / "loop").symlink_to(".")
    (root / "file").symlink_to(tmp_path / "outside/secret.txt")
    (root / ".gitignore").symlink_to(tmp_path / "outside/secret.txt")
    tree = take(root, blobs)
    assert {(e.path, e.kind) for e in tree.entries} == {(n, "link") for n in ("folder", "loop", "file", ".gitignore")}
    assert b"hunter2" not in {Blobs(blobs).get(e.sha256 or "") for e in tree.entries}


def test_a_name_of_any_bytes_is_kept_and_found_again(root: Path, blobs: Path) -> None:
    names = [b"caf\xe9.txt", "café.txt".encode(), b"a,b\nc.csv", b"100%.csv", b'"quo\\te"', b"%:x", b"d\xff/in.txt"]
    for name in names:
        path = root / os.fsdecode(name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name)
    tree = take(root, blobs)
    found = {os.fsencode(from_text(e.path)): Blobs(blobs).get(e.sha256 or "") for e in tree.entries}
    assert found == {name: name for name in names}
    assert "café.txt" in paths(tree)
    for path in paths(tree):
        path.encode()


def test_what_cannot_be_read_makes_the_tree_partial(root: Path) -> None:
    fill(root, "locked.txt").chmod(0)
    fill(root, "shut/x").parent.chmod(0)
    fill(root, "open.txt")
    script = f"""
from pathlib import Path
from typing import Any
from renex_jupyter.capture.files import capture_files
tree = capture_files(Path({str(root)!r}), None, max_file_size=10, timeout=60)
print([e.path for e in tree.entries], [(o.path, o.reason) for o in tree.left_out], tree.partial)
"""
    as_owner = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.getuid() == 0 else []
    done = subprocess.run([*as_owner, sys.executable, "-c", script], capture_output=True, text=True, check=True)
    (root / "shut").chmod(0o755)
    assert done.stdout.strip() == "['open.txt'] [('locked.txt', 'unreadable'), ('shut', 'unreadable')] True"


def test_a_file_that_changes_while_it_is_read_is_left_out_and_told(root: Path, blobs: Path) -> None:
    growing = root / "growing.bin"
    growing.write_bytes(b"x" * 2**21)
    fill(root, "still.txt")
    request = {"root": str(root), "blobs": str(blobs), "exclude": [], "include": [], "imported": [], "index": None}
    request |= {"max_file_size": LIMIT, "purged": []}

    def grow() -> None:  # asked whether to go on, before every chunk that is read
        with growing.open("ab") as file:
            file.write(b"y")

    tree = Capture(request, Memory(), grow).take()
    assert (tree.left_out, tree.partial) == ([("growing.bin", "changed while read")], True)
    assert [entry[0] for part in tree.parts.values() for entry in part] == ["still.txt"]
    assert "growing.bin" in paths(take(root, blobs))


def test_a_tree_that_is_torn_down_meanwhile_is_no_error(root: Path, blobs: Path) -> None:
    for number in range(300):
        fill(root, f"d{number}/f{number}", str(number))
    tearing = threading.Thread(
        target=lambda: subprocess.run(["rm", "-rf", *(str(p) for p in root.iterdir())], check=True)
    )
    tearing.start()
    tree = take(root, blobs)
    tearing.join()
    assert {each.reason for each in tree.left_out} <= {"vanished"}


def test_a_file_with_holes_is_kept_as_it_reads(root: Path, blobs: Path) -> None:
    with (root / "holes.bin").open("wb") as file:
        for at in (0, 5 * 2**20 + 17, 9 * 2**20):
            file.seek(at)
            file.write(os.urandom(70_000))
        file.truncate(20 * 2**20 + 3)
    sha256 = take(root, blobs, max_file_size=2**30).entries[0].sha256
    assert Blobs(blobs).get(sha256 or "") == (root / "holes.bin").read_bytes()


@pytest.mark.parametrize("what", ["folder", "above"])
def test_a_folder_that_became_a_link_after_it_was_listed_is_not_gone_into(
    root: Path, tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, "outside/inner/private.txt", "hunter2")
    fill(root, "a/inner/b.txt")
    swapped = {"folder": "a/inner", "above": "a"}[what]
    enter = Walk._folder

    def beside(walk: Walk, path: str, *others: Any) -> Folder:
        if path == "a/inner":
            (root / swapped).rename(tmp_path / "away")
            (root / swapped).symlink_to(tmp_path / ("outside/inner" if what == "folder" else "outside"))
        return enter(walk, path, *others)

    monkeypatch.setattr(Walk, "_folder", beside)
    contents = Contents(str(root), None, Index(), LIMIT, frozenset(), lambda: None)
    walk = Walk(contents, Wanted.of((), ()), lambda: None, time.time(), {})
    walk.run()
    assert walk.left_out == [("a/inner", "changed while read")]
    assert [entry for entry in walk.entries() if entry[2] == "file"] == []


def test_a_file_is_opened_without_following_a_link_anywhere_in_its_path(root: Path, tmp_path: Path) -> None:
    fill(tmp_path, "outside/private.txt", "hunter2")
    fill(root, "a/b/c.txt", "yes")
    (root / "link").symlink_to(tmp_path / "outside")
    with os.fdopen(open_file(str(root), "a/b/c.txt")) as file:
        assert file.read() == "yes"
    for path in ("link/private.txt", "a/nothing", "a/b/c.txt/d"):
        with pytest.raises(OSError, match=r"No such file|Not a directory|symbolic links"):
            open_file(str(root), path)
