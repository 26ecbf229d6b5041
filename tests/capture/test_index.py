import os
import time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from trees import fill, take, worker

from renex_jupyter.capture.index import RACY_NS, Index
from renex_jupyter.store.blobs import Blobs


def wait_until_times_can_be_trusted() -> None:
    time.sleep(RACY_NS / 1e9 + 0.1)


@pytest.mark.slow
def test_an_unchanged_file_is_read_once_and_a_changed_one_again(root: Path, blobs: Path) -> None:
    target = root / "a.bin"
    target.write_bytes(b"1" * 2**21)
    wait_until_times_can_be_trusted()
    first = take(root, blobs)
    read = bytes_read(worker().pid)
    assert take(root, blobs) == first
    assert bytes_read(worker().pid) - read < 2**20
    before = target.stat()
    target.write_bytes(b"2" * 2**21)
    os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))  # same size, same mtime: ctime tells
    assert take(root, blobs).files_id != first.files_id


def bytes_read(pid: int) -> int:
    return int(Path(f"/proc/{pid}/io").read_text().split()[1])


def test_two_edits_within_one_tick_of_the_clock_are_both_seen(root: Path) -> None:
    target = fill(root, "a.txt", "0")
    ids = []
    for number in range(20):
        target.write_text(str(number % 10))
        os.utime(target, ns=(1, 1))
        ids.append(take(root).files_id)
    assert all(one != two for one, two in pairwise(ids))


@pytest.mark.parametrize(("mtime", "ctime", "trusted"), [(5, 5, True), (9, 5, False), (5, 9, False), (99, 5, True)])
def test_a_file_is_trusted_when_its_times_are_two_seconds_from_the_reading(
    mtime: int, ctime: int, trusted: bool
) -> None:
    found = SimpleNamespace(st_size=1, st_mtime_ns=mtime * 10**9, st_ctime_ns=ctime * 10**9, st_ino=1)
    index = Index()
    index.remember("a", found, "sha", 10 * 10**9)
    assert (index.recall("a", found) == "sha") == trusted


@pytest.mark.slow
def test_a_content_that_the_store_lost_is_kept_again(root: Path, blobs: Path) -> None:
    fill(root, "a.txt")
    wait_until_times_can_be_trusted()
    sha256 = take(root, blobs).entries[0].sha256 or ""
    (only,) = (path for path in blobs.rglob("*") if path.is_file())
    only.unlink()
    take(root, blobs)
    assert Blobs(blobs).has(sha256)
