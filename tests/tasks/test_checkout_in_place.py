"""What changes in a folder in place, and what is refused, whatever a store says and whoever works there meanwhile."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from renex_jupyter.capture.files import capture_files, stop_worker
from renex_jupyter.errors import RenexError
from renex_jupyter.records.snapshots import FileEntry
from renex_jupyter.store.blobs import Blobs
from renex_jupyter.tasks.folders import opened
from renex_jupyter.tasks.in_place import Changes, Present, apply, compare
from renex_jupyter.tasks.plan import plan_of
from renex_jupyter.tasks.staging import staged, write_contents


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


def file(blobs: Blobs, path: str, data: bytes = b"x", *, kind: str = "file", mtime_ns: int | None = None) -> FileEntry:
    return FileEntry(path, "file", kind, blobs.put(data), len(data), 0o644, mtime_ns)


def present(project: Path, blobs: Blobs) -> Present:
    captured = capture_files(project, blobs.folder, max_file_size=2**30, timeout=30)
    stop_worker()
    left_out = {tuple(each.path.split("/")): each.reason for each in captured.left_out}
    return Present({tuple(each.path.split("/")): each for each in captured.entries}, left_out)


def bring(
    entries: list[FileEntry],
    project: Path,
    blobs: Blobs,
    *,
    between: Callable[[], object] = lambda: None,
    seen: Present | None = None,
) -> Changes:
    """Make the project that tree; do something before the first file is put in place."""
    plan = plan_of(entries, blobs)
    with opened(project) as top:
        changes = compare(top, plan, seen or present(project, blobs))
        changes.refuse()
        with staged(project, "checkout", "5" * 32) as staging:
            write_contents(staging, plan, blobs)
            between()
            apply(top, staging, plan, changes)
    return changes


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_file_that_is_changed_just_before_it_is_replaced_stays(project: Path, blobs: Blobs) -> None:
    for name in "ab":
        (project / name).write_text("mine")
    with pytest.raises(RenexError, match="b was changed") as caught:
        bring(
            [file(blobs, "a"), file(blobs, "b")], project, blobs, between=lambda: (project / "b").write_text("edited")
        )
    assert caught.value.code == "conflict"
    assert ((project / "a").read_text(), (project / "b").read_text()) == ("x", "edited")


def test_a_file_that_is_changed_just_before_it_is_removed_stays(project: Path, blobs: Blobs) -> None:
    (project / "a").write_text("mine")
    with pytest.raises(RenexError, match="a was changed"):
        bring([], project, blobs, between=lambda: (project / "a").write_text("edit"))
    assert (project / "a").read_text() == "edit"


def test_a_file_that_appears_where_a_new_one_goes_stays(project: Path, blobs: Blobs) -> None:
    with pytest.raises(RenexError, match="a was made"):
        bring([file(blobs, "a")], project, blobs, between=lambda: (project / "a").write_text("mine"))
    assert names(project) == ["a"]
    assert (project / "a").read_text() == "mine"


def test_a_file_that_is_no_more_what_was_captured_is_a_conflict(project: Path, blobs: Blobs) -> None:
    (project / "a").write_text("mine")
    seen = present(project, blobs)
    (project / "a").write_text("longer than before")
    with pytest.raises(RenexError, match=r"a \(it changes just now\)"):
        bring([file(blobs, "a")], project, blobs, seen=seen)
    assert (project / "a").read_text() == "longer than before"


@pytest.mark.parametrize("wanted", [b"then", b"past"])
def test_a_link_that_is_swapped_after_it_was_captured_is_a_conflict(project: Path, blobs: Blobs, wanted: bytes) -> None:
    """Also for one of the same length, and where the one that was captured would not have to change."""
    (project / "to").symlink_to("then")
    seen = present(project, blobs)
    (project / "to").unlink()
    (project / "to").symlink_to("mine")
    with pytest.raises(RenexError, match=r"to \(it changes just now\)"):
        bring([file(blobs, "to", wanted, kind="link")], project, blobs, seen=seen)
    assert (project / "to").readlink() == Path("mine")


def test_a_change_that_shows_in_neither_size_nor_time_is_a_conflict(project: Path, blobs: Blobs) -> None:
    (project / "a").write_text("mine")
    at = (project / "a").stat().st_mtime_ns

    def edit() -> None:
        with (project / "a").open("r+") as opened_again:
            opened_again.write("edit")
        os.utime(project / "a", ns=(at, at))

    with pytest.raises(RenexError, match="a was changed"):
        bring([file(blobs, "a")], project, blobs, between=edit)
    assert (project / "a").read_text() == "edit"


@pytest.mark.parametrize("removing", [False, True])
def test_two_names_of_one_file_are_each_replaced(project: Path, blobs: Blobs, removing: bool) -> None:
    """To take the one away changes the inode of the other: that is no edit."""
    (project / "a").write_text("mine")
    os.link(project / "a", project / "b")
    bring([] if removing else [file(blobs, "a"), file(blobs, "b")], project, blobs)
    assert {name: (project / name).read_text() for name in names(project)} == ({} if removing else {"a": "x", "b": "x"})


@pytest.mark.parametrize("can_link", [True, False])
def test_a_file_is_put_only_where_nothing_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_link: bool) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "no second names here")

    if not can_link:  # as FAT does
        monkeypatch.setattr(os, "link", refuse)
    for name in ("from/a", "from/b", "to/a"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "from/link").symlink_to("nowhere")
    with opened(tmp_path / "from") as source, opened(tmp_path / "to") as goal:
        with pytest.raises(FileExistsError):
            source.put("a", goal)
        source.put("b", goal)
        source.put("link", goal)
    assert names(tmp_path) == ["from", "from/a", "to", "to/a", "to/b", "to/link"]
    assert ((tmp_path / "to/a").read_text(), (tmp_path / "to/b").stat().st_nlink) == ("to/a", 1)
    assert (tmp_path / "to/link").readlink() == Path("nowhere")


@pytest.mark.parametrize("removing", [False, True])
def test_a_folder_that_is_swapped_for_a_link_is_not_gone_through(
    project: Path, blobs: Blobs, tmp_path: Path, removing: bool
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "f").write_text("mine")
    (project / "d").mkdir()
    (project / "d/f").write_text("kept")
    os.utime(outside / "f", ns=(1, 1))
    os.utime(project / "d/f", ns=(1, 1))

    def swap() -> None:
        (project / "d").rename(project / "away")
        (project / "d").symlink_to(outside)

    with pytest.raises(RenexError) as caught:
        bring([] if removing else [file(blobs, "d/f")], project, blobs, between=swap)
    assert caught.value.code == "unsafe_path"
    assert (names(outside), (outside / "f").read_text()) == (["f"], "mine")


def test_a_link_that_stands_for_a_folder_is_replaced_by_one(project: Path, blobs: Blobs, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "f").write_text("mine")
    (project / "d").symlink_to(outside)
    bring([file(blobs, "d/f")], project, blobs)
    assert ((outside / "f").read_text(), (project / "d/f").read_text()) == ("mine", "x")
    assert not (project / "d").is_symlink()


@pytest.mark.parametrize(
    "path", ["../f", "/f", "a/../../f", ".git/f", ".GIT/f", "d/.Renex/f", "a\0b", ".renex-checkout"]
)
@pytest.mark.parametrize("kind", ["file", "link", "dir"])
def test_a_hostile_path_changes_nothing(project: Path, blobs: Blobs, path: str, kind: str) -> None:
    (project / "mine").write_text("mine")
    with pytest.raises(RenexError) as caught:
        bring([file(blobs, "good"), file(blobs, path, kind=kind)], project, blobs)
    assert caught.value.code == "unsafe_path"
    assert names(project.parent) == sorted([*names(project.parent), "project/mine"])[: len(names(project.parent))]
    assert names(project) == ["mine"]


def test_a_hostile_present_removes_nothing_outside(project: Path, blobs: Blobs, tmp_path: Path) -> None:
    """Even if what is held named a path through a link, nothing would be looked up there."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "f").write_text("x")
    (project / "d").symlink_to(outside)
    seen = Present({("d", "f"): file(blobs, "d/f")}, {})
    bring([], project, blobs, seen=seen)
    assert names(outside) == ["f"]


def test_times_are_set_last_also_where_only_they_differ(project: Path, blobs: Blobs) -> None:
    (project / "same").write_text("x")
    (project / "to").symlink_to("x")
    inode = (project / "same").stat().st_ino
    entries = [file(blobs, "same", mtime_ns=10**18 + 7), file(blobs, "new", mtime_ns=-5)]
    bring([*entries, file(blobs, "to", kind="link", mtime_ns=123)], project, blobs)
    assert [(project / name).lstat().st_mtime_ns for name in ("same", "new", "to")] == [10**18 + 7, -5, 123]
    assert (project / "same").stat().st_ino == inode


def test_no_setuid_comes_back(project: Path, blobs: Blobs) -> None:
    (project / "a").write_text("x")
    bring([FileEntry("a", "file", "file", blobs.put(b"x"), 1, 0o6755)], project, blobs)
    assert stat.S_IMODE((project / "a").stat().st_mode) == 0o755


def test_an_empty_folder_of_the_state_stays_and_one_that_becomes_empty_goes(project: Path, blobs: Blobs) -> None:
    for name in ("stays/f", "goes/f", "deep/er/f", "half/f"):
        (project / name).parent.mkdir(parents=True)
        (project / name).write_text("mine")
    (project / "none").mkdir()
    (project / "half/.env").write_text("secret")
    bring([FileEntry("stays", "file", "dir", None, 0, 0o755)], project, blobs)
    assert names(project) == ["half", "half/.env", "stays"]
