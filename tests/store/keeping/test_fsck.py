"""Checking a store: it is silent about a sound one, names every damage, and changes nothing."""

import json
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from renex_jupyter.config import settings
from renex_jupyter.errors import RenexError
from renex_jupyter.records.changes import Change, now
from renex_jupyter.records.keeping import FsckReport
from renex_jupyter.records.metrics import Point
from renex_jupyter.store import archive, parquet
from renex_jupyter.store.format import END
from renex_jupyter.store.keeping.fsck import fsck
from renex_jupyter.store.keeping.rebuild import rebuild
from renex_jupyter.store.layout import Layout, find
from renex_jupyter.store.store import Store

RUN = "a" * 32


@pytest.fixture
def folded(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store with a run, a snapshot with a file, points, two folds, and a run whose journal is live."""
    monkeypatch.setattr(settings(), "fold_in_background", False)
    digest = store.blobs.put(b"print('hello')\n" * 100)
    files = [{"path": "train.py", "role": "code", "kind": "file", "sha256": digest, "size": 1500, "mode": 420}]
    tree = {"entries": files}
    for number in range(3):
        run = f"{number:032x}"
        store.write(Change("file_parts", "f" * 64, "create", tree))
        snapshot = {"snapshot_id": f"5{run[1:]}", "parts": ["f" * 64], "created_at": now()}
        store.write(Change("snapshots", f"5{run[1:]}", "create", snapshot))
        after = {"run_id": run, "name": "train", "before_snapshot_id": f"5{run[1:]}", "started_at": now()}
        store.write(Change("runs", run, "create", after))
        store.write_points([Point("run", run, "loss", step, now(), step / 7) for step in range(100)])
        if number < 2:
            store.fold()
    return store


def kinds(report: FsckReport) -> set[str]:
    return {each.kind for each in report.damages}


def flip(path: Path, place: float = 0.5) -> None:
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    content[int(len(content) * place)] ^= 0x04
    path.write_bytes(content)


def everything_in(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {str(p): (p.stat().st_mtime_ns, p.read_bytes()) for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_sound_store_has_no_damage_and_is_not_touched(folded: Store) -> None:
    before = everything_in(folded.layout.root)
    report = fsck(folded.layout)
    assert report.ok
    assert report.damages == ()
    assert report.checked["points"] == 200
    assert report.checked["contents"] == 1
    assert report.checked["references"] > 0
    assert everything_in(folded.layout.root) == before


def first(folder: Path, kind: str) -> Path:
    return parquet.files_in(folder, kind)[0]


def generation_of(store: Store) -> Path:
    return store.layout.generations / str(store.layout.generation_in_force())


def live_journal(store: Store) -> Path:
    return next(store.layout.journal.glob("*.points.jsonl"))


DAMAGES: dict[str, tuple[str, Callable[[Store], None]]] = {
    "a segment is changed": ("segment", lambda s: flip(first(s.layout.segments, ""))),
    "a segment is missing": ("segment", lambda s: first(s.layout.segments, "").unlink()),
    "a pack of points is changed": ("pack", lambda s: flip(first(s.layout.archive, archive.POINTS))),
    "a pack of changes is missing": ("pack", lambda s: first(s.layout.archive, archive.CHANGES).unlink()),
    "a line of a journal is changed": ("line", lambda s: flip(live_journal(s))),
    "a content is changed": ("content", lambda s: flip(next(s.layout.blobs.glob("??/*")))),
    "a content is missing": ("content", lambda s: next(s.layout.blobs.glob("??/*")).unlink()),
    "the published file is changed": ("published", lambda s: flip(s.layout.history, 0.0)),
    "the generation is changed": ("index", lambda s: flip(generation_of(s), 0.0)),
    "store.json is emptied": ("about", lambda s: (s.layout.about.write_text(""), None)[1]),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damage_is_found_and_named(folded: Store, what: str) -> None:
    kind, damage = DAMAGES[what]
    damage(folded)
    report = fsck(folded.layout)
    assert not report.ok
    assert kind in kinds(report)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("update inside.runs set name = 'other'", "its table runs differs"),
        ("delete from inside.changes where kind = 'snapshots'", "its changes differ"),
        ("update inside.latest set max_value = 1000", "the last values"),
        ("update inside.folded set lines = lines + 1", "lines were folded"),
        ("delete from inside.segments", "its points differ"),
    ],
)
def test_an_index_that_says_another_thing_than_the_archive_is_found(folded: Store, statement: str, said: str) -> None:
    path = generation_of(folded)
    with duckdb.connect(str(path)) as connection:
        connection.execute(statement)
    good_name = f"{path.name[:10]}.{parquet.digest(path)}.duckdb"  # as if the fold had made it so
    path.rename(path.with_name(good_name))
    folded.layout.current.write_text(good_name)
    report = fsck(folded.layout)
    assert not report.ok
    assert any(said in each.detail for each in report.damages), report.damages


def test_an_object_that_was_never_recorded_but_is_named_is_found(folded: Store) -> None:
    folded.write(Change("runs", RUN, "create", {"run_id": RUN, "name": "x", "environment_id": "e" * 64}))
    report = fsck(folded.layout)
    assert kinds(report) == {"reference"}
    assert "environment_id" in report.damages[0].detail
    folded.write(Change("environments", "e" * 64, "create", {"environment_id": "e" * 64}))
    folded.write(Change("environments", "e" * 64, "delete", {}))
    assert fsck(folded.layout).ok  # what was recorded and deleted may be named


def test_a_torn_last_line_is_told_and_harms_nothing(folded: Store) -> None:
    folded.journal.seal()
    journal = live_journal(folded)
    content = journal.read_bytes()
    journal.write_bytes(content[: content.rfind(END) - 30])
    for _ in range(2):
        report = fsck(folded.layout)
        assert report.ok
        assert kinds(report) == {"torn"}
        folded.fold()  # the file is set aside then, and still told
    assert folded.reader.rows("select count(*) as n from metrics") == [{"n": 299}]


def test_lines_that_are_missing_in_a_sealed_journal_are_told(folded: Store) -> None:
    folded.journal.seal()
    journal = live_journal(folded)
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:10] + lines[13:]))
    for _ in range(2):
        report = fsck(folded.layout)
        assert not report.ok
        assert kinds(report) == {"line"}
        assert "3 lines" in report.damages[0].detail
        folded.fold()
    assert folded.reader.rows("select count(*) as n from metrics") == [{"n": 297}]


def test_a_damaged_line_is_told_also_after_it_was_folded(folded: Store) -> None:
    folded.journal.seal()
    flip(live_journal(folded))
    folded.fold()
    report = fsck(folded.layout)
    assert not report.ok
    assert kinds(report) == {"line"}
    assert folded.reader.rows("select count(*) as n from metrics") == [{"n": 299}]


def published(store: Store, statement: str) -> None:
    with duckdb.connect(str(store.layout.history)) as client:
        client.execute(statement)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("update inside.runs set name = 'other'", "its table runs differs from the index"),
        ("delete from inside.latest", "its table latest differs from the index"),
        ("drop view metrics", "its view metrics is missing"),
    ],
)
def test_a_published_file_that_says_another_thing_is_found_and_made_anew(
    folded: Store, statement: str, said: str
) -> None:
    folded.fold()
    published(folded, "create table jottings as select 'a client may keep its own' as text")
    assert fsck(folded.layout).ok
    published(folded, statement)
    (damage,) = fsck(folded.layout).damages
    assert (damage.kind, damage.path) == ("published", "history.duckdb")
    assert said in damage.detail
    rebuild(folded.layout)
    assert fsck(folded.layout).damages == ()


def test_a_store_that_was_moved_is_sound_and_published_anew(folded: Store) -> None:
    folded.fold()
    moved = folded.layout.root.rename(folded.layout.root.with_name("moved"))
    (damage,) = fsck(Layout(moved)).damages
    assert (damage.kind, damage.detail) == (
        "stale",
        "it was published for another folder; the next fold publishes it anew",
    )
    Store(moved).fold()
    assert fsck(Layout(moved)).damages == ()


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"fromat": 1}'])
@pytest.mark.parametrize("is_published", [True, False])
def test_a_store_whose_description_is_lost_is_described_again(
    folded: Store, content: bytes | None, is_published: bool
) -> None:
    about = folded.layout.about
    before = json.loads(about.read_bytes())
    if not is_published:
        folded.layout.published.unlink()
    about.unlink() if content is None else about.write_bytes(content)
    assert find(folded.layout.project) == folded.layout.root
    with pytest.warns(UserWarning, match=r"store\.json was damaged or missing, and is made again"):
        assert len(Store(folded.layout.root).reader.rows("from runs")) == 3
    made = json.loads(about.read_bytes())
    assert made["format"] == before["format"]
    assert (made["store_id"] == before["store_id"]) == is_published
    assert fsck(folded.layout).ok


def test_a_newer_store_whose_description_is_lost_stays_a_newer_one(folded: Store) -> None:
    told = json.loads(folded.layout.published.read_text())
    folded.layout.published.write_text(json.dumps(told | {"format": 99}))
    folded.layout.about.unlink()
    with pytest.warns(UserWarning, match="made again"), pytest.raises(RenexError) as error:
        Store(folded.layout.root)
    assert error.value.code == "newer_store"


def test_what_is_none_of_ours_stops_neither_a_check_nor_a_rebuild(folded: Store) -> None:
    for name in ("superseded", "damaged", "journal", "archive", "generations", "segments", "blobs"):
        folder = folded.layout.root / name
        folder.mkdir(exist_ok=True)
        (folder / "junk").write_text("x")
        for each in ("zz", "x.jsonl", f"L0-0000000001.{'0' * 64}.parquet"):
            (folder / each).mkdir()
    assert kinds(fsck(folded.layout)) <= {"unknown", "torn", "stale", "open"}
    rebuild(folded.layout)
    folded.fold()
    report = fsck(folded.layout)
    assert report.ok
    assert "unknown" in kinds(report)
    assert len(folded.reader.rows("from runs")) == 3
