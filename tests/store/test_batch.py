"""Contents that become durable together are all there, or not at all."""

import hashlib
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from renex_jupyter.errors import RenexError
from renex_jupyter.store import batch as batches
from renex_jupyter.store.batch import FEW, Batch
from renex_jupyter.store.blobs import CHUNK, Blobs


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


def left(blobs: Blobs) -> list[Path]:
    return [path for path in blobs.folder.rglob("*") if path.is_file()] if blobs.folder.exists() else []


@pytest.mark.parametrize("count", [1, FEW + 5])
@pytest.mark.parametrize("flusher", ["syncfs", "none", "failing"])
def test_contents_are_there_after_a_flush_and_not_before(
    blobs: Blobs, count: int, flusher: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if flusher != "syncfs":
        monkeypatch.setattr(batches, "_flusher", lambda: None if flusher == "none" else lambda _: False)
    batch = Batch(blobs)
    datas = [b"%d" % number * (number * 1000 + 1) for number in range(count)]
    sums = [batch.put(data) for data in datas]
    assert all(map(batch.has, sums)) and not any(map(blobs.is_there, sums))
    batch.flush()
    assert [blobs.get(sha256) for sha256 in sums] == datas
    assert len(left(blobs)) == count
    assert {oct(path.stat().st_mode & 0o777) for path in left(blobs)} == {"0o400"}


def test_each_content_is_written_once(blobs: Blobs) -> None:
    kept = blobs.put(b"kept")
    batch = Batch(blobs)
    large = os.urandom(3 * CHUNK + 5)
    assert [batch.put(b"twice"), batch.put(b"kept"), batch.put(b"twice")][1] == kept
    for _ in range(2):
        assert batch.put_stream(io.BytesIO(large)) == (hashlib.sha256(large).hexdigest(), len(large))
    assert len(left(blobs)) == 3
    batch.flush()
    assert len(left(blobs)) == 3
    assert blobs.get(hashlib.sha256(large).hexdigest()) == large


def test_what_is_refused_is_not_kept(blobs: Blobs) -> None:
    refused = hashlib.sha256(b"no").hexdigest()
    batch = Batch(blobs)
    assert batch.put(b"no", refused=[refused]) == refused
    assert batch.put_stream(io.BytesIO(b"no"), refused=[refused]) == (refused, 2)
    batch.flush()
    assert left(blobs) == []


def test_what_is_given_up_leaves_nothing_behind(blobs: Blobs) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell():
                raise OSError(28, "No space left on device")
            return super().read(10)

    batch = Batch(blobs)
    batch.put(b"one")
    with pytest.raises(RenexError) as caught:
        batch.put_stream(Broken(b"x" * 20))
    assert caught.value.code == "disk_full"
    batch.give_up()
    assert left(blobs) == []
    assert not batch.has(hashlib.sha256(b"one").hexdigest())


KEEPING = """
import sys
from pathlib import Path
from renex_jupyter.store.batch import Batch
from renex_jupyter.store.blobs import Blobs
batch = Batch(Blobs(Path(sys.argv[1])))
for number in range(100_000):
    batch.put(b"%d" % number * 50)
    if number % 50 == 49:
        batch.flush()
        print(number, flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.05, 0.1, 0.2, 0.4])
def test_a_killed_writer_leaves_whole_contents_only(blobs: Blobs, delay: float) -> None:
    writer = subprocess.Popen([sys.executable, "-c", KEEPING, str(blobs.folder)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout
    flushed = int(writer.stdout.readline())
    time.sleep(delay)
    writer.send_signal(signal.SIGKILL)
    flushed = max([flushed, *map(int, writer.stdout.read().splitlines())])
    writer.wait()
    for number in range(flushed + 1):
        data = b"%d" % number * 50
        assert blobs.get(hashlib.sha256(data).hexdigest()) == data
    for path in left(blobs):
        if not path.name.startswith("."):
            blobs.verify(path.parent.name + path.name[:62])
