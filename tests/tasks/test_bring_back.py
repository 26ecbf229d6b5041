"""What an action left in its checkout goes to the project; what cannot go there is neither lost nor does it stop the rest."""

import os
import resource
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from renex_jupyter.tasks.bring_back import Brought, bring_back, look_through

NOBODY = 65534
MEMORY = Path("/dev/shm")


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file grows beyond a size: the kernel refuses it, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    was = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, was)


@contextmanager
def without_privileges() -> Iterator[Path]:
    """Work as somebody whom modes bind, in a folder of theirs."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(NOBODY)
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        yield folder
    finally:
        os.seteuid(was)
        for each in folder.rglob("*"):
            if each.is_dir():
                each.chmod(0o700)
        shutil.rmtree(folder)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system than the project."""
    if not MEMORY.is_dir() or MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is one file system only")
    folder = Path(tempfile.mkdtemp(dir=MEMORY))
    yield folder
    shutil.rmtree(folder)


def brought(top: Path, project: Path, unwanted: Callable[[str], bool] = lambda path: False, **more) -> Brought:
    project.mkdir(exist_ok=True)
    given = {"looks": {}, "before": {}, "left_over": project / "outputs", **more}
    return bring_back(top, project, unwanted=unwanted, **given)


def test_a_file_that_has_no_room_stays_and_the_others_come_back(tmp_path: Path, elsewhere: Path) -> None:
    (elsewhere / "a-big").write_bytes(b"x" * 5_000_000)
    (elsewhere / "small").write_bytes(b"small")
    with room_for(1_000_000):
        found = brought(elsewhere, tmp_path / "project")
    assert found.written == ["small"]
    assert [path for path, _ in found.failed] == ["a-big"]
    assert (elsewhere / "a-big").stat().st_size == 5_000_000
    assert [each.name for each in (tmp_path / "project").iterdir()] == ["small"]  # nothing that was begun


def test_a_folder_that_nobody_may_read_does_not_cost_the_others() -> None:
    with without_privileges() as home:
        top = home / "work"
        for folder in ("a", "closed", "z"):
            (top / folder).mkdir(parents=True)
            (top / folder / "file").write_text(folder)
        looks = look_through(top / "z") and {"closed/old": (0o100644, 1, 1, 1, 1)}
        (top / "closed").chmod(0)
        found = brought(top, home / "project", looks=looks)
        assert found.written == ["a/file", "z/file"]
        assert found.failed == [("closed", "Permission denied")]
        assert found.removed == []  # nobody can know it


def test_a_folder_that_turns_into_a_link_meanwhile_is_not_gone_through(tmp_path: Path) -> None:
    top, outside = tmp_path / "work", tmp_path / "outside"
    for folder in (top / "a", top / "b", outside):
        folder.mkdir(parents=True)
        (folder / "file").write_text("x")

    def swap(path: str) -> bool:
        if path == "a/file":
            (top / "b").rename(tmp_path / "away")
            (top / "b").symlink_to(outside)
        return False

    found = brought(top, tmp_path / "project", swap)
    assert (found.written, [path for path, _ in found.failed]) == (["a/file"], ["b/file"])
    assert (outside / "file").exists()


@pytest.mark.parametrize("same_disk", [True, False])
def test_a_file_that_turns_into_a_link_meanwhile_brings_nothing_in(
    tmp_path: Path, request: pytest.FixtureRequest, *, same_disk: bool
) -> None:
    top = tmp_path / "work" if same_disk else request.getfixturevalue("elsewhere")
    top.mkdir(exist_ok=True)
    (tmp_path / "secret").write_text("not the container's")
    for name in ("a", "file"):
        (top / name).write_text("x")

    def swap(path: str) -> bool:
        if path == "a":
            (top / "file").unlink()
            (top / "file").symlink_to(tmp_path / "secret")
        return False

    found = brought(top, tmp_path / "project", swap)
    assert (found.written, [path for path, _ in found.failed]) == (["a"], ["file"])
    assert [each.name for each in (tmp_path / "project").iterdir()] == ["a"]


def test_a_path_that_is_too_long_for_the_system_is_gone_down_part_by_part(tmp_path: Path) -> None:
    top = tmp_path / "work"
    top.mkdir()
    here = os.open(top, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=here)
        inner = os.open("d" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    found = brought(top, tmp_path / "project")
    assert found.written == ["/".join(["d" * 250] * 20 + ["file"])]


def test_nobody_runs_what_comes_back_as_its_owner(tmp_path: Path) -> None:
    top = tmp_path / "work"
    top.mkdir()
    (top / "tool").write_text("x")
    (top / "tool").chmod(0o6755)
    assert brought(top, tmp_path / "project").written == ["tool"]
    assert (tmp_path / "project" / "tool").stat().st_mode & 0o7777 == 0o755
