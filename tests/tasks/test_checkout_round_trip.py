"""Whatever tree is captured comes back byte for byte."""

import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from renex_jupyter.capture.files import capture_files, stop_worker
from renex_jupyter.records.snapshots import FileEntry
from renex_jupyter.store.blobs import Blobs
from renex_jupyter.tasks.checkout import write_tree
from renex_jupyter.tasks.plan import MARKER, folded
from renex_jupyter.tasks.staging import staged, sweep

MODES = st.sampled_from([0o644, 0o600, 0o755, 0o700, 0o444, 0o555, 0o400])
SIZES = st.one_of(st.integers(0, 300), st.sampled_from([65535, 65536, 65537, 2**20, 2**20 + 1, 3 * 2**20]))


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    """Return up to 3 MB: pieces of zeros, of text and of noise."""
    data, size = b"", draw(SIZES)
    while len(data) < size:
        piece = draw(st.sampled_from([bytes(65536), bytes(200_000), b"words of a text " * 4096, os.urandom(50_000)]))
        data += piece[: size - len(data)]
    return data


NAMES = st.one_of(
    st.sampled_from(
        [b"a", b"b", b"d", b"caf\xe9", b"caf\xc3\xa9", b"new\nline", b" ", b"%:x", b"%41", b"-rf", b"\xff" * 9, b"it's"]
    ),
    st.binary(min_size=1, max_size=12).filter(
        lambda name: (
            not {b"/", b"\0"} & {name[i : i + 1] for i in range(len(name))}
            and folded(os.fsdecode(name))[:1] not in ("", ".")
        )
    ),
)
LEAVES = st.one_of(
    st.tuples(st.just("file"), contents(), MODES, st.integers(0, 2 * 10**18)),
    st.tuples(
        st.just("link"),
        st.sampled_from([b"nowhere", b"../a", b"/etc/passwd", b"\xfe\n", b"d"]),
        st.just(0),
        st.integers(0, 10**18),
    ),
)
TREES = st.recursive(
    st.dictionaries(NAMES, LEAVES, max_size=4),
    lambda inner: st.dictionaries(NAMES, st.one_of(LEAVES, inner), max_size=4),
    max_leaves=6,
)


def build(folder: bytes, tree: dict) -> None:
    for name, each in tree.items():
        path = folder + b"/" + name
        if isinstance(each, dict):
            os.mkdir(path)  # noqa: PTH102  a name of any bytes
            build(path, each)
            continue
        kind, data, mode, mtime = each
        if kind == "link":
            os.symlink(data, path)  # noqa: PTH211  a name of any bytes
        else:
            Path(os.fsdecode(path)).write_bytes(data)
            os.chmod(path, mode)  # noqa: PTH101  a name of any bytes
        os.utime(path, ns=(mtime, mtime), follow_symlinks=False)


def described(folder: Path, root: bytes) -> dict[bytes, tuple]:
    """Return kind, mode, content and time of all there is; of folders only that they are there."""
    found: dict[bytes, tuple] = {}
    for top, folders, files in os.walk(os.fsencode(folder)):
        for name in (*folders, *files):
            path = top + b"/" + name
            about = os.lstat(path)
            if stat.S_ISLNK(about.st_mode):
                what = ("link", os.readlink(path), about.st_mtime_ns)  # noqa: PTH115
            elif stat.S_ISDIR(about.st_mode):
                what = ("dir",) if os.listdir(path) else ("dir", stat.S_IMODE(about.st_mode))  # noqa: PTH208
            else:
                what = (stat.S_IMODE(about.st_mode), Path(os.fsdecode(path)).read_bytes(), about.st_mtime_ns)
            found[path[len(root) + 1 :]] = what
    return found


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp())
    yield folder
    stop_worker()
    shutil.rmtree(folder)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(tree=TREES)
@example(tree={b"only": {b"deep": {b"er": {}}}})
def test_a_tree_comes_back_with_contents_modes_and_times(place: Path, tree: dict) -> None:
    for name in ("project", "out"):
        shutil.rmtree(place / name, ignore_errors=True)
    (place / "project").mkdir()
    build(os.fsencode(place / "project"), tree)
    blobs = Blobs(place / "blobs")
    captured = capture_files(place / "project", blobs.folder, max_file_size=2**30, timeout=60)
    here = described(place / "project", os.fsencode(place / "project"))
    write_tree(captured.entries, blobs, place / "out", snapshot_id="5" * 32)
    (place / "out" / MARKER).unlink()
    assert (captured.left_out, captured.partial) == ((), False)
    assert described(place / "out", os.fsencode(place / "out")) == here


def test_a_large_file_of_zeros_comes_back_as_a_hole(tmp_path: Path) -> None:
    blobs, size = Blobs(tmp_path / "blobs"), 10**9 + 5
    with (tmp_path / "sparse").open("wb") as file:
        file.write(b"head")
        file.seek(2**29 + 12345)
        file.write(b"middle")
        file.truncate(size)
    with (tmp_path / "sparse").open("rb") as file:
        sha256, _ = blobs.put_stream(file)
    began = time.monotonic()
    write_tree([FileEntry("s", "file", "file", sha256, size, 0o644)], blobs, tmp_path / "out", snapshot_id="5" * 32)
    took, found = time.monotonic() - began, (tmp_path / "out/s").stat()
    assert (found.st_size, found.st_blocks * 512 < 2**20) == (size, True)
    assert took < 120
    with (tmp_path / "out/s").open("rb") as file:
        assert file.read(4) == b"head"
        file.seek(2**29 + 12345)
        assert file.read(6) == b"middle"


@pytest.mark.parametrize("target", ["project", "elsewhere"])
def test_what_a_killed_checkout_left_is_swept_and_what_a_living_one_writes_is_not(tmp_path: Path, target: str) -> None:
    parent = tmp_path / target
    parent.mkdir()
    dead = parent / ".out.renex-tmp-0123abcd"
    (dead / "inner").mkdir(parents=True)
    (dead / "inner/f").write_text("x")
    (dead / MARKER).write_text("{}")
    mine = parent / ".mine.renex-tmp-0123abcd"
    mine.mkdir()
    (mine / "no marker").write_text("somebody's")
    with staged(parent, "alive", "5" * 32) as living:
        write_tree([], Blobs(tmp_path / "blobs"), parent / "new", snapshot_id="5" * 32)
        assert living.path.exists()
        with pytest.raises(BlockingIOError), (parent / living.path.name / MARKER).open():
            fcntl.flock(os.open(living.path, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
    sweep(parent)
    assert sorted(path.name for path in parent.iterdir()) == [mine.name, "new"]


def test_what_is_staged_is_no_part_of_a_project(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    with staged(tmp_path / "project", "checkout", "5" * 32) as staging:
        (staging.path / "f").write_text("x")
        (tmp_path / "project/.x.renex-tmp-01234567").mkdir()  # before it has its marker
        captured = capture_files(tmp_path / "project", None, max_file_size=2**30, timeout=30)
    stop_worker()
    assert captured.entries == ()
