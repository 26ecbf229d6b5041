import hashlib
import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from renex_jupyter.capture.files import capture_files, stop_worker
from renex_jupyter.errors import RenexError
from renex_jupyter.records.snapshots import FileEntry
from renex_jupyter.store.blobs import Blobs
from renex_jupyter.tasks.checkout import CheckoutResult, write_tree
from renex_jupyter.tasks.plan import MARKER, safe_parts


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "work" / "out"


def file(blobs: Blobs, path: str, data: bytes = b"x", *, mode: int = 0o644, kind: str = "file") -> FileEntry:
    return FileEntry(path, "file", kind, blobs.put(data), len(data), mode)


def folder(path: str, mode: int = 0o755) -> FileEntry:
    return FileEntry(path, "file", "dir", None, 0, mode)


def check_out(entries: list[FileEntry], blobs: Blobs, target: Path, **options) -> CheckoutResult:
    return write_tree(entries, blobs, target, **{"snapshot_id": "5" * 32, **options})


def refused(code: str, entries: list[FileEntry], blobs: Blobs, target: Path, **options) -> RenexError:
    """Expect the code, and that the neighbourhood of the target stays as it is."""
    before = tree(blobs.folder.parent)
    with pytest.raises(RenexError) as caught:
        check_out(entries, blobs, target, **options)
    assert caught.value.code == code
    assert tree(blobs.folder.parent) == before
    return caught.value


def tree(root: Path) -> dict[str, str]:
    """Describe all there is below a folder, but for empty parents of a target."""
    return {str(p.relative_to(root)): describe(p) for p in root.rglob("*") if p.name != "work"}


def describe(path: Path) -> str:
    found = path.lstat()
    if path.is_symlink():
        return f"-> {path.readlink()}"
    content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
    return f"{stat.S_IMODE(found.st_mode):o} {content}"


def test_a_captured_tree_comes_back_byte_for_byte(tmp_path: Path, blobs: Blobs, target: Path) -> None:
    project = tmp_path / "project"
    for path, data in {"src/a.py": b"1", "a,b\nc.csv": b"2", "deep/er/x.bin": os.urandom(2**21)}.items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_bytes(data)
    (project / os.fsdecode(b"caf\xe9")).write_bytes(b"3")
    (project / "empty").mkdir(mode=0o700)
    (project / "link").symlink_to("../nowhere")
    (project / "src/a.py").chmod(0o755)
    captured = capture_files(project, blobs.folder, max_file_size=2**30, timeout=30)
    stop_worker()
    result = check_out(list(captured.entries), blobs, target)
    marker = target / MARKER
    assert json.loads(marker.read_text())["snapshot_id"] == "5" * 32
    assert "created_at" in json.loads(marker.read_text())
    marker.unlink()
    assert tree(target) == tree(project)
    assert result == CheckoutResult(str(target), 5, 2**21 + 3, ())


def test_the_folder_that_a_checkout_made_is_not_captured_again(tmp_path: Path, blobs: Blobs) -> None:
    check_out([file(blobs, "a.py")], blobs, tmp_path / "project" / "old")
    captured = capture_files(tmp_path / "project", None, max_file_size=2**30, timeout=30)
    stop_worker()
    assert captured.entries == ()


def test_the_notebook_stands_in_for_the_file_of_its_path(blobs: Blobs, target: Path) -> None:
    on_disk, notebook = (
        FileEntry("n.ipynb", role, "file", blobs.put(data), 2, 0o644)
        for role, data in (("code", b"no"), ("notebook", b"{}"))
    )
    result = check_out([file(blobs, "a.py"), on_disk, notebook], blobs, target)
    assert (target / "n.ipynb").read_bytes() == b"{}"
    assert result.skipped == ()
    assert (result.files, result.size) == (2, 3)


def test_a_file_without_a_kept_content_is_reported(blobs: Blobs, target: Path) -> None:
    result = check_out([FileEntry("big.bin", "file", "file", None, 10**10, 0o644)], blobs, target)
    assert result.skipped == (("big.bin", "its content was not kept"),)
    assert [each.name for each in target.iterdir()] == [MARKER]


def test_no_mode_but_permission_bits_comes_back(blobs: Blobs, target: Path) -> None:
    check_out([file(blobs, "tool", mode=0o6755), file(blobs, "shut", mode=0o400), folder("d", 0o7500)], blobs, target)
    modes = [stat.S_IMODE((target / name).stat().st_mode) for name in ("tool", "shut", "d")]
    assert modes == [0o755, 0o400, 0o500]


UNSAFE = """
/etc/passwd ../x a/../../x a/./b . .. a//b a/ .git/config .GIT/hooks/post-checkout sub/.git .Git .renex/store.json
sub/.Renex/x .git./config .git... .renex-checkout a/.renex-checkout %:..%2Fx %:%2Fx %:a%00
""".split()  # noqa: SIM905


@pytest.mark.parametrize("path", [*UNSAFE, "", "a\0b", ".git ", ".git . ", ".g\u200cit/config", "\uff0egit/x"])
@pytest.mark.parametrize("place", ["file", "folder", "link", "notebook"])
def test_a_path_that_leads_out_or_into_a_repository_is_refused(
    blobs: Blobs, target: Path, path: str, place: str
) -> None:
    good = file(blobs, "good.py")
    entries = {
        "file": [good, file(blobs, path)],
        "folder": [good, folder(path)],
        "link": [good, file(blobs, path, b"t", kind="link")],
        "notebook": [good, FileEntry(path, "notebook", "file", good.sha256, 1, 0o644)],
    }[place]
    refused("unsafe_path", entries, blobs, target)
    assert not target.exists()


@settings(deadline=None)  # it may wait for its turn on a busy machine
@given(st.text(alphabet="./ga\0\\.it%:2FE", max_size=12))
def test_a_path_that_is_accepted_stays_inside(path: str) -> None:
    try:
        parts = safe_parts(path)
    except RenexError:
        return
    inside = os.path.normpath("/".join(("/top", *parts)))
    assert inside.startswith("/top/")
    assert len(Path(inside).parts) == 2 + len(parts)


@pytest.mark.parametrize(
    "paths", [("a", "a/b"), ("a/b", "a/b/c/d"), ("a", "a")], ids=["file-above", "file-far-above", "the-same-twice"]
)
@pytest.mark.parametrize("kind", ["file", "link"])
def test_nothing_lies_below_a_file_or_a_link(blobs: Blobs, target: Path, paths: tuple[str, str], kind: str) -> None:
    refused("unsafe_path", [file(blobs, paths[0], b"/tmp", kind=kind), file(blobs, paths[1])], blobs, target)


def test_an_entry_of_an_unknown_kind_is_refused(blobs: Blobs, target: Path) -> None:
    refused("unsafe_path", [file(blobs, "a", kind="device")], blobs, target)


def test_a_link_comes_back_as_a_link_wherever_it_leads(blobs: Blobs, target: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    check_out(
        [file(blobs, "l", os.fsencode(outside), kind="link"), file(blobs, "m", b"a\0b", kind="link")], blobs, target
    )
    assert (target / "l").readlink() == outside
    assert not outside.exists()
    assert not os.path.lexists(target / "m")


def test_a_missing_content_stops_before_anything_is_there(blobs: Blobs, target: Path) -> None:
    refused("not_found", [file(blobs, "a"), FileEntry("b", "file", "file", "0" * 64, 1, 0o644)], blobs, target)
    assert not target.parent.exists()


@pytest.mark.parametrize("force", [False, True])
def test_a_damaged_content_stops_before_anything_is_in_place(blobs: Blobs, target: Path, force: bool) -> None:
    entries = [file(blobs, "a", b"new"), file(blobs, "b", b"damaged")]
    damaged = next(p for p in blobs.folder.rglob("*") if p.is_file() and p.read_bytes() == b"damaged")
    damaged.chmod(0o600)
    damaged.write_bytes(b"DAMAGED")
    if force:
        target.mkdir(parents=True)
        (target / "a").write_bytes(b"old")
    refused("corrupt", entries, blobs, target, force=force)
    assert target.exists() == force


def test_a_folder_that_is_not_empty_is_not_overwritten_and_the_files_are_named(blobs: Blobs, target: Path) -> None:
    target.mkdir(parents=True)
    for name in "abcdefg":
        (target / name).write_text("mine")
    told = refused("conflict", [file(blobs, name) for name in "abcdefh"], blobs, target)
    assert "6 of its files would be overwritten: a, b, c, d, e ..." in told.message
    assert told.hint


def test_an_empty_folder_is_filled(blobs: Blobs, target: Path) -> None:
    target.mkdir(parents=True)
    check_out([file(blobs, "a")], blobs, target)
    assert (target / "a").read_bytes() == b"x"


def test_force_replaces_the_files_of_the_tree_and_leaves_all_others(blobs: Blobs, target: Path) -> None:
    (target / "d").mkdir(parents=True)
    (target / ".git").mkdir()
    for name in ("a", "d/b", "d/other", ".git/config"):
        (target / name).write_text("mine")
    open_before = (target / "a").open()
    check_out([file(blobs, "a"), file(blobs, "d/b"), file(blobs, "e/f"), folder("g", 0)], blobs, target, force=True)
    assert {n: (target / n).read_text() for n in ("a", "d/b", "e/f", "d/other", ".git/config")} == {
        **dict.fromkeys(("a", "d/b", "e/f"), "x"),
        **dict.fromkeys(("d/other", ".git/config"), "mine"),
    }
    assert open_before.read() == "mine"
    assert (target / "g").is_dir()
    assert [p.name for p in target.parent.iterdir()] == ["out"]


def test_force_goes_through_no_link_that_lies_in_the_target(blobs: Blobs, target: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    target.mkdir(parents=True)
    (target / "d").symlink_to(outside)
    refused("unsafe_path", [file(blobs, "d/x")], blobs, target, force=True)
    refused("unsafe_path", [folder("d/e")], blobs, target, force=True)
    refused("unsafe_path", [folder("d")], blobs, target, force=True)
    (outside / "f").write_text("mine")
    (target / "f").symlink_to(outside / "f")
    check_out([file(blobs, "f")], blobs, target, force=True)
    assert (outside / "f").read_text() == "mine"
    assert not (target / "f").is_symlink()


def test_a_link_that_appears_after_the_check_is_not_gone_through(blobs: Blobs, target: Path, tmp_path: Path) -> None:
    """The check is passed with a real folder, which is swapped for a link while the contents are read."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (target / "d").mkdir(parents=True)
    (target / "keep").write_text("mine")

    class Swapping(Blobs):
        def descriptor(self, sha256):
            if not (target / "d").is_symlink():
                (target / "d").rmdir()
                (target / "d").symlink_to(outside)
            return super().descriptor(sha256)

    with pytest.raises(RenexError) as caught:
        check_out([file(blobs, "d/x")], Swapping(blobs.folder), target, force=True)
    assert caught.value.code == "unsafe_path"
    assert list(outside.iterdir()) == []


def test_force_does_not_turn_a_folder_into_a_file_or_back(blobs: Blobs, target: Path) -> None:
    (target / "d").mkdir(parents=True)
    (target / "f").write_text("mine")
    refused("conflict", [file(blobs, "d")], blobs, target, force=True)
    refused("conflict", [file(blobs, "f/x")], blobs, target, force=True)


@pytest.mark.parametrize("force", [False, True])
def test_a_target_that_is_a_link_a_file_or_a_repository_is_refused(tmp_path: Path, blobs: Blobs, force: bool) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "file").write_text("mine")
    (tmp_path / ".git").mkdir()
    refused("unsafe_path", [file(blobs, "a")], blobs, tmp_path / "link", force=force)
    refused("conflict", [file(blobs, "a")], blobs, tmp_path / "file", force=force)
    refused("unsafe_path", [file(blobs, "a")], blobs, tmp_path / ".git", force=force)
    refused("unsafe_path", [file(blobs, "a")], blobs, tmp_path / ".git/hooks", force=force)
    refused("unsafe_path", [file(blobs, "a")], blobs, Path("/"), force=force)


def test_a_relative_target_is_relative_to_here(blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a/b")
    assert check_out([file(blobs, "x")], blobs, Path("../c")).path == str(tmp_path / "a/c")


def test_a_write_that_fails_leaves_nothing_behind(blobs: Blobs, target: Path) -> None:
    too_long = file(blobs, "n" * 300)
    with pytest.raises(RenexError):
        check_out([file(blobs, "a"), too_long], blobs, target)
    assert list(target.parent.iterdir()) == []
