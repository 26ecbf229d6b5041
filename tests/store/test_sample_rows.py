"""The views of rows over records that nobody of ours would have written."""

import pytest

from renex_jupyter.records.changes import Change
from renex_jupyter.store.store import Store
from renex_jupyter.store.workbench import Workbench

GOOD = "1" * 32


def put(store: Store, id_: str, **more: object) -> None:
    fields = {"dataset_id": "d", "version": 1, "fields": [], "files": [], **more}
    store.write(Change("dataset_versions", id_, "create", fields))


@pytest.fixture
def rows(store: Store) -> Store:
    """A store with a version of two samples."""
    with Workbench() as bench:
        source = bench.folder / "rows.parquet"
        bench.write("select unnest(['a', 'b']) as _key, 'it''s' as \"x\"\"; y\", 5 as \"X\"", source)
        sha256 = store.blobs.put(source.read_bytes())
    files = [{"role": "samples", "sha256": sha256, "size": 1, "rows": 2}]
    put(store, GOOD, files=files, fields=[{"name": 'x"; y', "type": "VARCHAR", "role": "text"}])
    put(store, "2" * 32, files=files, fields=[{"name": "not there", "type": "VARCHAR", "role": "text"}])
    put(store, "it's; drop", files=files)
    return store


@pytest.mark.parametrize(
    "bad",
    [
        {"files": "no list"},
        {"files": [1]},
        {"files": [{"role": "samples", "sha256": "../../etc/passwd"}]},
        {"files": [{"role": "samples", "sha256": "f" * 64}]},
        {"files": {"role": "samples"}},
        {"files": None},
    ],
)
def test_a_strange_record_hides_only_itself(rows: Store, bad: dict[str, object]) -> None:
    put(rows, "3" * 32, **bad)
    query = "select dataset_version_id as id, count(*) as n, min(text) as said from samples group by all order by 1"
    expected = [{"id": GOOD, "n": 2, "said": "it's"}, {"id": "it's; drop", "n": 2, "said": None}]
    assert rows.reader.rows(query) == expected
    assert rows.reader.rows("select * from annotations union all by name select * from predictions") == []
    rows.fold()
    assert rows.reader.rows(query) == expected
    assert Store(rows.layout.root).reader.rows(query) == expected
