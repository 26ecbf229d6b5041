"""A store of every format that was ever released opens for ever, whatever is left of it."""

import json
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from renex_jupyter.config import settings
from renex_jupyter.errors import RenexError
from renex_jupyter.records.changes import Change
from renex_jupyter.store.keeping.fsck import fsck
from renex_jupyter.store.keeping.rebuild import rebuild
from renex_jupyter.store.layout import FORMAT, Layout
from renex_jupyter.store.store import Store

HERE = Path(__file__).parent
FROZEN = sorted(path.name.partition(".")[0] for path in HERE.glob("*.tar.xz"))


@pytest.fixture(autouse=True)
def nobody_else_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings(), "fold_in_background", False)


@pytest.fixture(params=FROZEN)
def frozen(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Layout, dict[str, Any]]:
    """A copy of a frozen store, and what it must answer."""
    with tarfile.open(HERE / f"{request.param}.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    for path in (tmp_path / "store", *(tmp_path / "store").rglob("*")):
        os.chown(path, os.getuid(), os.getgid())
        path.chmod(path.stat().st_mode & 0o700)  # the filter lets everybody into folders
    return Layout(tmp_path / "store"), json.loads((HERE / f"{request.param}.json").read_text())


def answers(layout: Layout, expected: dict[str, Any]) -> dict[str, list[str]]:
    read = Store(layout.root).reader
    result = {}
    for table, told in expected.items():
        names = ", ".join("round(mean, 9)" if name == "mean" else f'"{name}"' for name in told["columns"])
        result[table] = sorted(repr(tuple(row.values())) for row in read.rows(f"select {names} from {table}"))
    return result


def test_the_present_format_is_frozen() -> None:
    assert str(FORMAT) in FROZEN


def as_it_is(_layout: Layout) -> None:
    pass


def without_generation(layout: Layout) -> None:
    shutil.rmtree(layout.generations)
    layout.generations.mkdir(mode=0o700)


def without_index(layout: Layout) -> None:
    without_generation(layout)
    layout.current.unlink()
    layout.history.unlink()
    shutil.rmtree(layout.segments)


def of_another_version(layout: Layout) -> None:
    with duckdb.connect(str(layout.generations / str(layout.generation_in_force()))) as connection:
        connection.execute("update inside.made set schema = 'of an older program'")
        connection.execute("alter table inside.runs drop column boot_id")


@pytest.mark.parametrize("left", [as_it_is, without_generation, without_index, of_another_version])
@pytest.mark.parametrize("then", ["read", "fold", "rebuild"])
def test_it_answers_as_on_its_first_day(
    frozen: tuple[Layout, dict[str, Any]], left: Callable[[Layout], None], then: str
) -> None:
    layout, expected = frozen
    left(layout)
    if then == "fold":
        Store(layout.root).fold()
    if then == "rebuild":
        rebuild(layout)
    assert answers(layout, expected) == {table: told["rows"] for table, told in expected.items()}
    if then != "read":
        assert {each.kind for each in fsck(layout).damages} <= {"torn"}


def test_an_older_index_is_made_anew_beside_and_switched(frozen: tuple[Layout, dict[str, Any]]) -> None:
    layout, told = frozen
    before = layout.generation_in_force()
    of_another_version(layout)
    Store(layout.root).fold()
    after = layout.generation_in_force()
    assert after != before
    with duckdb.connect(str(layout.history), read_only=True) as outside:
        assert len(outside.execute("select * from runs").fetchall()) == len(told["runs"]["rows"])


def test_it_goes_on(frozen: tuple[Layout, dict[str, Any]]) -> None:
    layout, expected = frozen
    store = Store(layout.root)
    run = store.reader.rows("select run_id from runs where name = 'open'")[0]["run_id"]
    store.write(Change("runs", run, "update", {"status": "finished"}, {"status": "running"}))
    store.fold()
    told = {table: len(each["rows"]) for table, each in expected.items()} | {"change_events": None}
    now = {table: len(rows) for table, rows in answers(layout, expected).items()} | {"change_events": None}
    assert now == told
    assert Store(layout.root).reader.rows("select status from runs where name = 'open'") == [{"status": "finished"}]
    blobs = store.reader.rows("select distinct sha256 from snapshot_files where sha256 is not null")
    assert all(store.blobs.get(each["sha256"]) is not None for each in blobs)


def test_a_newer_store_is_refused_with_its_version_and_not_touched(frozen: tuple[Layout, dict[str, Any]]) -> None:
    layout, _ = frozen
    about = json.loads(layout.about.read_text()) | {"format": FORMAT + 1}
    layout.about.write_text(json.dumps(about))
    before = {path: path.stat().st_mtime_ns for path in layout.root.rglob("*")}
    with pytest.raises(RenexError, match=f"format {FORMAT + 1}, this program knows {FORMAT}") as error:
        Store(layout.root)
    assert error.value.code == "newer_store"
    assert {path: path.stat().st_mtime_ns for path in layout.root.rglob("*")} == before
