"""Exporting: a file for its owner alone, whole or not at all, from whatever the store still has."""

import subprocess
import sys
from pathlib import Path

import pytest
from exports import contents, everything, run_ids

from renex_jupyter.errors import RenexError
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
