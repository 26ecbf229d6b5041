"""An exported file that comes from elsewhere is not trusted."""

import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from exports import Members, change, changes, everything, packed, refused, run_ids, unpacked, with_lines, with_sums

from renex_jupyter.errors import RenexError
from renex_jupyter.store.keeping.transfer import export_store, import_store
from renex_jupyter.store.store import Store

pytestmark = pytest.mark.usefixtures("nobody_else_folds")


@pytest.fixture
def members(source: Store, tmp_path: Path) -> Members:
    export_store(source, tmp_path / "good.zip")
    return unpacked(tmp_path / "good.zip")


def test_the_helper_makes_files_that_are_accepted(members: Members, target: Store, tmp_path: Path) -> None:
    same = with_lines(members, tmp_path, "changes.parquet", change(d={"name": "forged", "started_at": 5}))
    import_store(target, packed(tmp_path / "made.zip", with_sums(same)))
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
    assert refused(target, packed(tmp_path / "bad.zip", with_sums(bad))).code == "corrupt"


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
