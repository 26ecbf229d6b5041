"""Exporting: a file for its owner alone, whole or not at all, from whatever the store still has."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from exports import contents, everything, run_ids

from renex_jupyter.errors import RenexError
from renex_jupyter.store import locks
from renex_jupyter.store.keeping import transfer
from renex_jupyter.store.keeping.transfer import export_store, import_store
from renex_jupyter.store.store import Store

pytestmark = pytest.mark.usefixtures("nobody_else_folds")


def test_only_the_owner_can_read_an_exported_file(source: Store, tmp_path: Path) -> None:
    export_store(source, tmp_path / "all.zip")
    assert (tmp_path / "all.zip").stat().st_mode & 0o777 == 0o600


def test_an_index_that_is_gone_keeps_nobody_from_exporting(source: Store, target: Store, tmp_path: Path) -> None:
    source.fold()
    wanted = everything(source)
    subprocess.run(["rm", "-r", source.layout.generations, source.layout.segments], check=True)
    source.layout.generations.mkdir()
    source.layout.segments.mkdir()
    fresh = Store(source.layout.root)
    ids = list(run_ids(fresh).values())
    export_store(fresh, tmp_path / "all.zip", ids)
    import_store(target, tmp_path / "all.zip")
    assert everything(target)["metrics"] == wanted["metrics"]
    assert everything(target)["runs"] == wanted["runs"]


def test_a_damaged_content_is_left_out_and_told_and_an_import_heals_it(
    source: Store, target: Store, tmp_path: Path
) -> None:
    export_store(source, tmp_path / "good.zip")
    sha256 = next(iter(contents(source)))
    (path,) = source.layout.blobs.glob(f"{sha256[:2]}/{sha256[2:]}*")
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    made = export_store(source, tmp_path / "bad.zip")
    assert made.damaged == (sha256,)
    assert sha256[:8] in str(made)
    import_store(target, tmp_path / "bad.zip")
    assert contents(target) == contents(source) - {sha256}
    assert import_store(source, tmp_path / "good.zip").blobs == 1
    source.blobs.get(sha256)
    assert export_store(source, tmp_path / "again.zip").damaged == ()


def test_a_missing_content_is_told(source: Store, tmp_path: Path) -> None:
    sha256 = next(iter(contents(source)))
    (path,) = source.layout.blobs.glob(f"{sha256[:2]}/{sha256[2:]}*")
    path.unlink()
    assert export_store(source, tmp_path / "all.zip").damaged == (sha256,)


def test_an_existing_file_is_never_written_over(source: Store, tmp_path: Path) -> None:
    (tmp_path / "all.zip").write_bytes(b"mine")
    with pytest.raises(RenexError) as caught:
        export_store(source, tmp_path / "all.zip")
    assert caught.value.code == "conflict"
    assert (tmp_path / "all.zip").read_bytes() == b"mine"


@pytest.mark.parametrize(("room", "codes"), [(1000, {"disk_full", "corrupt"}), (9000, {"disk_full"})])
def test_a_full_disk_leaves_no_half_written_file(source: Store, tmp_path: Path, room: int, codes: set[str]) -> None:
    script = f"""
import resource, signal
from pathlib import Path
from renex_jupyter.errors import RenexError
from renex_jupyter.store.store import Store
from renex_jupyter.store.keeping.transfer import export_store
store = Store(Path({str(source.layout.root)!r}))
store.reader.rows("from runs")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room}))
try:
    export_store(store, Path({str(tmp_path / "out" / "all.zip")!r}))
except RenexError as error:
    print(error.code)
"""
    (tmp_path / "out").mkdir()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in codes, done.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_a_file_that_appears_while_the_export_works_is_not_written_over(
    source: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = transfer._write_zip

    def beside(*arguments: Any) -> None:
        write(*arguments)
        (tmp_path / "all.zip").write_bytes(b"mine")

    monkeypatch.setattr(transfer, "_write_zip", beside)
    with pytest.raises(RenexError) as caught:
        export_store(source, tmp_path / "all.zip")
    assert caught.value.code == "conflict"
    assert (tmp_path / "all.zip").read_bytes() == b"mine"
    assert {path.name for path in tmp_path.iterdir()} == {"all.zip", "source"}


KILLED = """
import os, sys
from pathlib import Path
from renex_jupyter.store.keeping import transfer
from renex_jupyter.store.store import Store
transfer._write_zip = lambda *arguments: os._exit(9)
transfer.export_store(Store(Path(sys.argv[1])), Path(sys.argv[2]))
"""


def test_what_a_killed_export_left_goes_with_a_later_one_and_what_is_at_work_stays(
    source: Store, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    command = [sys.executable, "-c", KILLED, str(source.layout.root), str(out / "first.zip")]
    assert subprocess.run(command, check=False).returncode == 9
    assert len(list(out.iterdir())) == 1
    at_work = out / f".other.zip.12345678{transfer.UNFINISHED}"
    at_work.mkdir()
    with locks.hold(at_work / transfer.LOCK, timeout=0):
        for folder in list(out.iterdir()):
            os.utime(folder, (0, 0))
        export_store(source, out / "second.zip")
    assert {path.name for path in out.iterdir()} == {"second.zip", at_work.name}


READ_ONLY = """
import errno, os, sys
from pathlib import Path
import renex_jupyter as rx
from renex_jupyter.store.keeping.transfer import export_store
from renex_jupyter.store.store import Store
root = sys.argv[1]
def refuse(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and arguments[0].startswith(root):
        if arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), arguments[0])
    if event in ("os.remove", "os.rename", "os.mkdir", "os.utime", "os.chmod") and str(arguments[0]).startswith(root):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), arguments[0])
sys.addaudithook(refuse)
print(export_store(Store(Path(root)), Path(sys.argv[2])).runs)
"""


def test_a_store_that_can_only_be_read_is_exported(source: Store, tmp_path: Path) -> None:
    command = [sys.executable, "-c", READ_ONLY, str(source.layout.root), str(tmp_path / "all.zip")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "3\n", done.stderr


def test_a_place_that_is_not_there_is_what_the_error_is_about(source: Store, tmp_path: Path) -> None:
    with pytest.raises(RenexError, match=r"gone/all\.zip cannot be written") as caught:
        export_store(source, tmp_path / "gone" / "all.zip")
    assert caught.value.code == "not_found"
    assert "place" in caught.value.hint
