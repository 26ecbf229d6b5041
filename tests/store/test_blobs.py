import hashlib
import io
import os
import stat
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renex_jupyter.errors import RenexError
from renex_jupyter.records import paths
from renex_jupyter.store.blobs import CHUNK, Blobs, away_name

NOISE = os.urandom(5000)


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


def only_file(blobs: Blobs) -> Path:
    (path,) = (each for each in blobs.folder.rglob("*") if each.is_file())
    return path


@pytest.mark.parametrize("data", [b"", b"x", b"text " * 1000, NOISE, os.urandom(CHUNK + 7), b"z" * (3 * CHUNK)])
def test_a_content_comes_back_as_it_was(blobs: Blobs, data: bytes) -> None:
    sha256 = blobs.put(data)
    assert sha256 == hashlib.sha256(data).hexdigest()
    assert blobs.put_stream(io.BytesIO(data)) == (sha256, len(data))
    assert blobs.get(sha256) == data
    assert blobs.has(sha256)


def test_text_is_compressed_and_noise_is_not(blobs: Blobs) -> None:
    text = blobs.put(b"step,loss\n" * 1000)
    path = blobs.folder / text[:2] / f"{text[2:]}.zst"
    assert path.stat().st_size < 200
    noise = blobs.put(NOISE)
    assert (blobs.folder / noise[:2] / noise[2:]).read_bytes() == NOISE


def test_nobody_else_can_read_a_content_and_nobody_can_change_it(blobs: Blobs) -> None:
    blobs.put(NOISE)
    path = only_file(blobs)
    assert stat.S_IMODE(path.stat().st_mode) == 0o400
    assert {stat.S_IMODE(each.stat().st_mode) for each in (blobs.folder, path.parent)} == {0o700}


def test_a_content_that_is_there_is_not_written_again(blobs: Blobs) -> None:
    blobs.put(NOISE)
    before = only_file(blobs).stat()
    blobs.put(NOISE)
    blobs.put_stream(io.BytesIO(NOISE))
    after = only_file(blobs).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_putting_an_old_content_again_shows_the_collector_that_it_is_in_use(blobs: Blobs) -> None:
    blobs.put(NOISE)
    path = only_file(blobs)
    os.utime(path, (0, 0))
    blobs.put(NOISE)
    assert time.time() - path.stat().st_mtime < 60


@pytest.mark.parametrize("data", [NOISE, b"text " * 1000])
@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b"", lambda b: b[:20] + bytes([b[20] ^ 1]) + b[21:]])
def test_a_damaged_content_is_never_handed_out(blobs: Blobs, data: bytes, damage) -> None:
    sha256 = blobs.put(data)
    path = only_file(blobs)
    broken = damage(path.read_bytes())
    path.chmod(0o600)
    path.write_bytes(broken)
    with pytest.raises(RenexError) as caught:
        blobs.get(sha256)
    assert caught.value.code == "corrupt"


def test_a_missing_content_is_not_found(blobs: Blobs) -> None:
    with pytest.raises(RenexError) as caught:
        blobs.get("0" * 64)
    assert caught.value.code == "not_found"
    assert not blobs.has("0" * 64)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "0" * 63, "G" * 64, "0" * 64 + "\n"])
def test_only_a_hash_can_become_a_path(blobs: Blobs, name: str) -> None:
    with pytest.raises(RenexError) as caught:
        blobs.has(name)
    assert caught.value.code == "invalid_argument"


def test_a_content_that_is_a_link_is_not_followed(blobs: Blobs, tmp_path: Path) -> None:
    sha256 = blobs.put(NOISE)
    path = only_file(blobs)
    (tmp_path / "elsewhere").write_bytes(NOISE)
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RenexError):
        blobs.get(sha256)


def test_a_source_that_fails_leaves_nothing_behind(blobs: Blobs) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise OSError(5, "Input/output error")
            return super().read(10)

    with pytest.raises(RenexError):
        blobs.put_stream(Broken(NOISE))
    assert list(blobs.folder.rglob("*")) == []


def test_a_write_that_fails_is_told_and_leaves_nothing_behind(tmp_path: Path) -> None:
    script = f"""
import os, resource, signal, sys
from pathlib import Path
from renex_jupyter.errors import RenexError
from renex_jupyter.store.blobs import Blobs
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
blobs = Blobs(Path({str(tmp_path)!r}) / "blobs")
try:
    blobs.put(os.urandom(100_000))
except RenexError as error:
    print(error.code, len(list(blobs.folder.rglob("*"))))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["disk_full", "0"]


def test_a_large_content_is_never_in_memory(blobs: Blobs, tmp_path: Path) -> None:
    source = tmp_path / "large"
    with source.open("wb") as file:
        for _ in range(32):
            file.write(os.urandom(CHUNK))
    tracemalloc.start()
    with source.open("rb") as file:
        sha256, size = blobs.put_stream(file)
    with (tmp_path / "copy").open("wb") as file:
        blobs.copy_to(sha256, file)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size == 32 * CHUNK
    assert peak < 8 * CHUNK
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()


@pytest.mark.slow
def test_a_killed_writer_leaves_no_content_that_is_not_whole(tmp_path: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from renex_jupyter.store.blobs import Blobs
blobs = Blobs(Path(sys.argv[1]))
while True:
    print(blobs.put(os.urandom(200_000) + b"a" * 300_000), flush=True)
"""
    blobs = Blobs(tmp_path / "blobs")
    acknowledged: list[str] = []
    for turn in range(8):
        child = subprocess.Popen([sys.executable, "-c", script, blobs.folder], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        acknowledged.append(child.stdout.readline().strip())
        time.sleep(0.01 * turn)
        child.kill()
        acknowledged += [line.strip() for line in child.stdout if len(line) == 65]
        child.wait()
        child.stdout.close()
    there = [path.parent.name + path.stem for path in blobs.folder.glob("??/*")]
    assert set(acknowledged) <= set(there)
    assert all(hashlib.sha256(blobs.get(each)).hexdigest() == each for each in there)


@given(st.binary().map(os.fsdecode) | st.text(alphabet="%:0aF/\udcff"))
def test_a_path_of_any_bytes_survives_as_valid_text(path: str) -> None:
    text = paths.to_text(path)
    text.encode()
    assert paths.from_text(text) == path


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda path: not path.startswith("%:")))
def test_an_ordinary_path_is_kept_as_it_is(path: str) -> None:
    assert paths.to_text(path) == path


@pytest.mark.parametrize("data", [b"squeezed " * 100, os.urandom(900)], ids=["compressed", "plain"])
def test_a_content_that_a_collection_looks_at_is_read_there_and_put_anew(blobs: Blobs, data: bytes) -> None:
    sha256 = blobs.put(data)
    [path] = blobs.folder.glob("??/*")
    path.rename(away_name(path))
    assert blobs.get(sha256) == data
    assert blobs.is_there(sha256)
    assert not blobs.has(sha256)
    assert blobs.put(data) == sha256
    assert path.exists()
    blobs.remove(sha256)
    assert not blobs.is_there(sha256)
