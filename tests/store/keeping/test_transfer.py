"""Export and import: everything arrives as it was and once, and nothing that comes from elsewhere is trusted."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

import renex_jupyter as rx
from renex_jupyter.config import settings
from renex_jupyter.errors import RenexError
from renex_jupyter.records.changes import Change, now
from renex_jupyter.records.metrics import Point
from renex_jupyter.session import current as sessions
from renex_jupyter.store.journal import seal_line
from renex_jupyter.store.keeping import gc
from renex_jupyter.store.keeping.fsck import fsck
from renex_jupyter.store.keeping.purge import purge
from renex_jupyter.store.keeping.transfer import export_store, import_store
from renex_jupyter.store.store import Store

TABLES = (
    *(
        "namespaces",
        "experiments",
        "sessions",
        "tasks",
        "runs",
        "params",
        "tags",
        "metrics",
        "latest_metrics",
        "snapshots",
    ),
    *("snapshot_files", "snapshot_cells", "cell_executions", "environments", "packages", "hardware", "change_events"),
)


@pytest.fixture(autouse=True, scope="module")
def nobody_folds_in_the_background() -> Iterator[None]:
    before, settings().fold_in_background = settings().fold_in_background, False
    yield
    settings().fold_in_background = before


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two runs, a child run, a snapshot, and files of which each run adds one; half of it is folded."""
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "pyproject.toml").write_text("")
    sessions.reset()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with rx.start_run("first", tags={"team": "a"}):
            (folder / "first.csv").write_text("a,b\n1,2\n" * 500)
            rx.log_params({"lr": 0.1, "depth": [1, 2]})
            for step, value in enumerate([0.5, float("nan"), float("-inf"), 1e308]):
                rx.log_metric("loss", value, step=step)
            with rx.start_run("child", nested=True):
                rx.log_metric("loss", 3, step=0)
        sessions.current().store.fold()
        (folder / "second.bin").write_bytes(os.urandom(3000))
        with rx.start_run("second"):
            rx.log_metric("accuracy", 0.9, step=0)
        rx.snapshot("kept", label="kept", metrics={"acc": 1.0})
    return folder


@pytest.fixture
def source(recorded: Path, tmp_path: Path) -> Store:
    """The store of that project, to do with it what one likes."""
    return Store(shutil.copytree(recorded, tmp_path / "source") / ".renex")


@pytest.fixture
def target(tmp_path: Path) -> Store:
    """A store that is not there yet."""
    return Store(tmp_path / "target" / ".renex")


def everything(store: Store) -> dict[str, list[str]]:
    """Return every row of every public table as text."""
    fresh = Store(store.layout.root)
    return {table: sorted(map(repr, fresh.reader.rows(f"from {table}"))) for table in TABLES}


def contents(store: Store) -> set[str]:
    return {each.sha256 for each in gc.contents_in(store.layout.blobs)}


def run_ids(store: Store) -> dict[str, str]:
    return {row["name"]: row["run_id"] for row in store.reader.rows("select name, run_id from runs")}


def refused(target: Store, path: Path) -> RenexError:
    """Import what must be refused, and make sure that nothing came of it."""
    before = sorted(target.layout.root.rglob("*"))
    with pytest.raises(RenexError) as caught:
        import_store(target, path)
    assert sorted(target.layout.root.rglob("*")) == before
    return caught.value


def test_a_whole_store_arrives_as_it_was(source: Store, target: Store, tmp_path: Path) -> None:
    made = export_store(source, tmp_path / "all.zip")
    assert (made.runs, made.points, made.damaged) == (3, 6, ())
    assert (tmp_path / "all.zip").stat().st_size == made.bytes
    came = import_store(target, tmp_path / "all.zip")
    assert (came.changes, came.points, came.blobs, came.already_there) == (made.changes, 6, made.blobs, 0)
    assert everything(target) == everything(source)
    assert contents(target) == contents(source)
    for sha256 in contents(target):
        target.blobs.get(sha256)


def test_only_the_owner_can_read_an_exported_file(source: Store, tmp_path: Path) -> None:
    export_store(source, tmp_path / "all.zip")
    assert (tmp_path / "all.zip").stat().st_mode & 0o777 == 0o600


def test_importing_twice_or_into_the_source_doubles_nothing(source: Store, target: Store, tmp_path: Path) -> None:
    made = export_store(source, tmp_path / "all.zip")
    lines = made.changes + made.points
    before = everything(source)
    import_store(target, tmp_path / "all.zip")
    for store in (target, source):
        came = import_store(store, tmp_path / "all.zip")
        assert (came.changes, came.points, came.blobs, came.already_there) == (0, 0, 0, lines)
        assert everything(store) == before
        Store(store.layout.root).fold()
        assert everything(store) == before


def test_single_runs_first_and_everything_then_gives_everything_once(
    source: Store, target: Store, tmp_path: Path
) -> None:
    ids = run_ids(source)
    for name in ("second", "first"):
        export_store(source, tmp_path / f"{name}.zip", [ids[name]])
        import_store(target, tmp_path / f"{name}.zip")
    export_store(source, tmp_path / "all.zip")
    import_store(target, tmp_path / "all.zip")
    import_store(target, tmp_path / "first.zip")
    assert everything(target) == everything(source)
    assert contents(target) == contents(source)


def test_a_run_arrives_with_what_it_needs_and_without_the_rest(source: Store, target: Store, tmp_path: Path) -> None:
    made = export_store(source, tmp_path / "run.zip", [run_ids(source)["first"]])
    assert made.runs == 2
    import_store(target, tmp_path / "run.zip")
    assert set(run_ids(target)) == {"first", "child"}
    came, there = everything(target), everything(source)
    for table in TABLES:
        assert set(came[table]) <= set(there[table]), table
    for table in ("params", "tags", "namespaces", "experiments", "environments", "packages", "hardware", "sessions"):
        assert came[table] == there[table], table
    assert {row["key"] for row in target.reader.rows("select key from metrics")} == {"loss"}
    files = {row["path"] for row in target.reader.rows("select path from snapshot_files")}
    assert files == {"first.csv", "pyproject.toml"}
    assert [row for row in target.reader.rows("select label from snapshots") if row["label"]] == []
    named = {row["sha256"] for row in target.reader.rows("select sha256 from snapshot_files")}
    assert contents(target) == named


def test_a_single_run_makes_a_sound_store(source: Store, target: Store, tmp_path: Path) -> None:
    export_store(source, tmp_path / "run.zip", [run_ids(source)["child"]])
    import_store(target, tmp_path / "run.zip")
    assert fsck(target.layout).damages == ()


def test_a_purged_content_does_not_come_back(source: Store, tmp_path: Path) -> None:
    export_store(source, tmp_path / "old.zip")
    sha256 = next(iter(contents(source)))
    source.write(Change("blobs", sha256, "delete", {}))
    (path,) = source.layout.blobs.glob(f"{sha256[:2]}/{sha256[2:]}*")
    path.unlink()
    assert import_store(source, tmp_path / "old.zip").blobs == 0
    assert sha256 not in contents(source)
    assert export_store(source, tmp_path / "new.zip").damaged == ()


@pytest.mark.parametrize("name", ["first", "second"])
def test_what_was_purged_does_not_come_back_with_an_older_export(
    source: Store, target: Store, tmp_path: Path, name: str
) -> None:
    export_store(source, tmp_path / "old.zip")
    for store in (source, target):
        import_store(store, tmp_path / "old.zip")
        purge(store, object_id=run_ids(store)[name])
        before, held = everything(store), contents(store)
        came = import_store(store, tmp_path / "old.zip")
        assert (came.changes, came.points, came.blobs) == (0, 0, 0)
        assert (everything(store), contents(store)) == (before, held)
        assert fsck(store.layout).ok


def test_a_text_that_was_purged_does_not_come_back_with_an_older_export(source: Store, tmp_path: Path) -> None:
    source.write(Change("tags", "t", "create", {"owner_kind": "run", "owner_id": "r", "key": "k", "value": "hunter2"}))
    export_store(source, tmp_path / "old.zip")
    purge(source, secret="hunter2")
    came = import_store(source, tmp_path / "old.zip")
    assert (came.changes, came.points, came.blobs) == (0, 0, 0)
    assert "hunter2" not in repr(everything(source))


def test_an_imported_state_can_be_checked_out(
    source: Store, target: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_store(source, tmp_path / "all.zip")
    import_store(target, tmp_path / "all.zip")
    monkeypatch.chdir(target.layout.project)
    sessions.reset()
    rx.checkout("kept", "back")
    for name in ("first.csv", "second.bin"):
        assert (target.layout.project / "back" / name).read_bytes() == (tmp_path / "source" / name).read_bytes()


def test_a_change_made_after_the_first_import_arrives_with_the_second(
    source: Store, target: Store, tmp_path: Path
) -> None:
    export_store(source, tmp_path / "old.zip")
    import_store(target, tmp_path / "old.zip")
    gone, renamed = run_ids(source)["second"], run_ids(source)["first"]
    source.write(Change("runs", gone, "delete", {}), Change("runs", renamed, "update", {"name": "best"}))
    export_store(source, tmp_path / "new.zip")
    import_store(target, tmp_path / "new.zip")
    assert set(run_ids(target)) == {"best", "child"}
    import_store(target, tmp_path / "old.zip")
    assert set(run_ids(target)) == {"best", "child"}


def test_what_a_living_writer_has_not_folded_is_exported_and_comes_back_once(store: Store, tmp_path: Path) -> None:
    store.write(Change("runs", "a" * 32, "create", {"name": "train"}))
    store.write_points([Point("run", "a" * 32, "loss", step, now(), step) for step in range(3)])
    made = export_store(store, tmp_path / "live.zip")
    assert (made.changes, made.points) == (1, 3)
    assert import_store(store, tmp_path / "live.zip").already_there == 4
    store.write_points([Point("run", "a" * 32, "loss", 3, now(), 3)])
    for _ in range(2):
        assert store.reader.rows("select count(*) as n from metrics") == [{"n": 4}]
        store.fold()
    export_store(store, tmp_path / "more.zip")
    other = Store(tmp_path / "other" / ".renex")
    assert import_store(other, tmp_path / "live.zip").points == 3
    assert import_store(other, tmp_path / "more.zip").points == 1


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


# --- what comes from elsewhere -----------------------------------------------------------------------------------------

Members = dict[str, bytes]


def unpacked(path: Path) -> Members:
    with zipfile.ZipFile(path) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def packed(path: Path, members: Members, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as made:
        for name, data in members.items():
            made.writestr(name, data)
    return path


def with_lines(members: Members, folder: Path, name: str, query: str) -> Members:
    """Replace the rows of a Parquet member by those of a query over `given`."""
    (folder / "given").write_bytes(members[name])
    with duckdb.connect() as connection:
        connection.execute(f"create view given as from read_parquet('{folder / 'given'}')")
        connection.create_function("seal", lambda body: seal_line(body).decode()[:-1], ["VARCHAR"], "VARCHAR")
        connection.execute(f"copy ({query}) to '{folder / 'made'}' (format parquet)")
    return {**members, name: (folder / "made").read_bytes()}


def changes(*said: dict[str, Any]) -> str:
    """Return SQL that adds changes of one object to the given ones; their CRCs fit."""
    whole = {"v": 1, "u": "eve", "a": "create", "t": "runs", "i": "e" * 32, "ns": None, "b": None, "d": {}}
    bodies = [json.dumps({**whole, "n": n, "at": n, **more}).replace("'", "''") for n, more in enumerate(said, 1)]
    rows = [f"select '66-eeeeeeee.000000.jsonl', {line}, seal('{body}')" for line, body in enumerate(bodies)]
    return " union all ".join(["from given", *rows])


def change(**more: Any) -> str:
    return changes(more)


@pytest.fixture
def members(source: Store, tmp_path: Path) -> Members:
    export_store(source, tmp_path / "good.zip")
    return unpacked(tmp_path / "good.zip")


def test_the_helper_makes_files_that_are_accepted(members: Members, target: Store, tmp_path: Path) -> None:
    same = with_lines(members, tmp_path, "changes.parquet", change(d={"name": "forged", "started_at": 5}))
    import_store(target, packed(tmp_path / "made.zip", same))
    assert "forged" in run_ids(target)


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/evil", "blobs/../evil", "blobs/abc", "changes.parquet/", "BLOBS/" + "0" * 64, "x\ny"]
)
def test_a_member_with_a_foreign_name_is_refused(members: Members, target: Store, tmp_path: Path, name: str) -> None:
    error = refused(target, packed(tmp_path / "bad.zip", {**members, name: b"x"}))
    assert error.code == "corrupt"
    assert "as no exported store has" in error.message


def test_compressed_members_are_refused_because_they_may_be_bombs(
    members: Members, target: Store, tmp_path: Path
) -> None:
    assert refused(target, packed(tmp_path / "bad.zip", members, zipfile.ZIP_DEFLATED)).code == "corrupt"


def test_a_member_that_is_there_twice_is_refused(members: Members, target: Store, tmp_path: Path) -> None:
    path = packed(tmp_path / "bad.zip", members)
    sha256 = next(name for name in members if name.startswith("blobs/")).removesuffix(".zst")
    with zipfile.ZipFile(path, "a") as made:
        made.writestr(sha256 if sha256 not in members else sha256 + ".zst", b"other")
    assert "two members" in refused(target, path).message


def test_a_content_under_another_hash_is_refused(members: Members, target: Store, tmp_path: Path) -> None:
    error = refused(target, packed(tmp_path / "bad.zip", {**members, "blobs/" + "0" * 64: b"not this"}))
    assert (error.code, "another hash" in error.message) == ("corrupt", True)


def test_a_content_that_is_no_zstd_is_refused(members: Members, target: Store, tmp_path: Path) -> None:
    bad = {**members, "blobs/" + "0" * 64 + ".zst": b"not compressed at all"}
    assert refused(target, packed(tmp_path / "bad.zip", bad)).code == "corrupt"


@pytest.mark.parametrize("missing", ["renex.json", "changes.parquet", "points.parquet"])
def test_a_file_without_its_parts_is_no_export(members: Members, target: Store, tmp_path: Path, missing: str) -> None:
    del members[missing]
    assert refused(target, packed(tmp_path / "bad.zip", members)).code == "invalid_argument"


def test_what_is_no_zip_and_what_is_not_there_is_told(target: Store, tmp_path: Path) -> None:
    (tmp_path / "bad.zip").write_bytes(b"hello")
    assert refused(target, tmp_path / "bad.zip").code == "invalid_argument"
    assert refused(target, tmp_path / "none.zip").code == "not_found"


def test_a_newer_format_is_refused_with_its_number(members: Members, target: Store, tmp_path: Path) -> None:
    about = {**json.loads(members["renex.json"]), "format": 7}
    error = refused(target, packed(tmp_path / "bad.zip", {**members, "renex.json": json.dumps(about).encode()}))
    assert (error.code, "format 7" in error.message) == ("newer_store", True)
    newer = with_lines(members, tmp_path, "changes.parquet", change(v=9))
    error = refused(target, packed(tmp_path / "bad.zip", newer))
    assert (error.code, "format 9" in error.message) == ("newer_store", True)


@pytest.mark.parametrize(
    "about", [b"", b"[]", b"{}", b'{"format": "1"}', b'{"format": true}', b'{"format": 0}', b"[" * 9999]
)
def test_a_file_that_does_not_say_what_it_is_is_refused(
    members: Members, target: Store, tmp_path: Path, about: bytes
) -> None:
    assert refused(target, packed(tmp_path / "bad.zip", {**members, "renex.json": about})).code == "corrupt"


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("changes.parquet", "select *, 1 as more from given"),
        ("changes.parquet", "select name, line::varchar as line, text from given"),
        ("changes.parquet", "select line, name, text from given"),
        ("changes.parquet", "from given union all from given"),
        ("changes.parquet", "select '../../evil.jsonl' as name, line, text from given"),
        ("changes.parquet", "select replace(name, '.jsonl', '.points.jsonl') as name, line, text from given"),
        ("changes.parquet", "select name, -1 - line as line, text from given"),
        ("changes.parquet", "select null::varchar as name, line, text from given"),
        ("changes.parquet", "select name, line, replace(text, 'first', 'worst') as text from given"),
        ("changes.parquet", "select name, line, text || ' ' as text from given"),
        ("changes.parquet", "from given union all select name, line + 1000, text from given"),
        ("changes.parquet", "from given union all select name, 5000 + line, seal('[1]') from given limit 1000"),
        ("changes.parquet", change(v="1")),
        ("changes.parquet", change(n=-1)),
        ("changes.parquet", change(n=2**64)),
        ("changes.parquet", change(at=2**63 - 1)),
        ("changes.parquet", change(t="runs; drop table runs")),
        ("changes.parquet", change(i=5)),
        ("changes.parquet", change(d=[1])),
        ("changes.parquet", change(d={"started_at": "soon"})),
        ("changes.parquet", changes({"d": {"started_at": "soon"}}, {"d": {"started_at": 5}})),
        ("changes.parquet", changes({"d": {"started_at": "soon"}}, {"a": "delete"})),
        ("changes.parquet", change(d={"exit_code": 1e99})),
        ("changes.parquet", change(d={"exit_code": float("nan")})),
        ("changes.parquet", change(d={"name": "\ud800"})),
        ("changes.parquet", change(t="snapshots", d={"files_id": "f", "created_at": 2**63 - 1})),
        ("points.parquet", "select * replace (9223372036854775807 - line as w) from given"),
        ("points.parquet", "select * replace ('%%%' as b) from given"),
        ("points.parquet", "select * replace (null::bigint as s) from given"),
        ("points.parquet", "select * replace (replace(name, '.points', '') as name) from given"),
        ("points.parquet", "from given union all from given"),
        ("points.parquet", "select * exclude (h) from given"),
    ],
)
def test_lines_that_no_journal_holds_are_refused(
    members: Members, target: Store, tmp_path: Path, name: str, query: str
) -> None:
    bad = with_lines(members, tmp_path, name, query)
    assert refused(target, packed(tmp_path / "bad.zip", bad)).code == "corrupt"


def test_a_file_with_random_damage_is_refused_or_makes_no_difference(
    source: Store, members: Members, tmp_path: Path
) -> None:
    good = (tmp_path / "good.zip").read_bytes()
    wanted, rng = everything(source), random.Random(3)
    damages: list[Callable[[bytearray], None]] = [
        lambda data: data.__setitem__(rng.randrange(len(data)), rng.randrange(256)),
        lambda data: data.__delitem__(slice(rng.randrange(len(data)), None)),
        lambda data: data.__delitem__(slice(at := rng.randrange(len(data)), at + rng.randrange(50))),
    ]
    codes = set()
    for turn in range(60):
        data = bytearray(good)
        damages[turn % 3](data)
        (tmp_path / "bad.zip").write_bytes(data)
        target = Store(tmp_path / f"target{turn}" / ".renex")
        try:
            import_store(target, tmp_path / "bad.zip")
        except RenexError as error:
            codes.add(error.code)
            assert not target.exists
        else:
            assert everything(target) == wanted
    assert codes == {"corrupt", "invalid_argument"}


IMPORTER = """
import sys
from pathlib import Path
from renex_jupyter.store.store import Store
from renex_jupyter.store.keeping.transfer import import_store
print("ready", flush=True)
import_store(Store(Path(sys.argv[1])), Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_an_import_that_is_killed_leaves_the_records_as_they_were(tmp_path: Path) -> None:
    origin = Store(tmp_path / "origin" / ".renex")
    for number in range(50):
        sha256 = origin.blobs.put(os.urandom(100))
        origin.write(Change("runs", f"{number:032x}", "create", {"name": "came", "error": sha256}))
    origin.write_points([Point("run", "0" * 32, "loss", step, now(), step) for step in range(20_000)])
    assert export_store(origin, tmp_path / "all.zip").blobs == 50
    found = set()
    for turn in range(10):
        store = Store(tmp_path / f"target{turn}" / ".renex")
        store.write(Change("runs", "f" * 32, "create", {"name": "mine"}))
        command = [sys.executable, "-c", IMPORTER, str(store.layout.root), str(tmp_path / "all.zip")]
        child = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(turn * 0.15)
        child.kill()
        child.communicate()
        held = how_much(store)
        assert held in ((1, 0), (51, 20_000))
        found.add((held, bool(contents(store))))
        store.fold()
        import_store(store, tmp_path / "all.zip")
        assert how_much(store) == (51, 20_000)
    assert ((1, 0), True) in found  # cut off behind the contents and before the records


def how_much(store: Store) -> tuple[int, int]:
    """Return the number of runs and of metric points."""
    rows = Store(store.layout.root).reader.rows(
        "select (select count(*) from runs) r, (select count(*) from metrics) m"
    )
    return rows[0]["r"], rows[0]["m"]
