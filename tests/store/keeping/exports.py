"""What tests of exporting and importing share: what a store holds, and files as nobody exports them."""

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import duckdb
import pytest

from renex_jupyter.errors import RenexError
from renex_jupyter.store.format import seal_line
from renex_jupyter.store.keeping import gc
from renex_jupyter.store.keeping.transfer import import_store
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


Members = dict[str, bytes]


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


def with_sums(members: Members) -> Members:
    """Write the checksums anew, as somebody does who knows of them."""
    about = json.loads(members["renex.json"])
    sums = {name: hashlib.sha256(members[name]).hexdigest() for name in ("changes.parquet", "points.parquet")}
    about["sha256"].update(sums)
    return {**members, "renex.json": json.dumps(about).encode()}


def changes(*said: dict[str, Any]) -> str:
    """Return SQL that adds changes of one object to the given ones; their CRCs fit."""
    whole = {"v": 1, "u": "eve", "a": "create", "t": "runs", "i": "e" * 32, "ns": None, "b": None, "d": {}}
    bodies = [json.dumps({**whole, "n": n, "at": n, **more}).replace("'", "''") for n, more in enumerate(said, 1)]
    rows = [f"select '66-eeeeeeee.000000.jsonl', {line}, seal('{body}')" for line, body in enumerate(bodies)]
    return " union all ".join(["from given", *rows])


def change(**more: Any) -> str:
    return changes(more)
