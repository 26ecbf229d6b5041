"""What tests of purging share: a store with a secret in every field that takes one, and a look at all of its bytes."""

import json
import os
import time

import duckdb
import zstandard

from renex_jupyter.records.changes import Change, now
from renex_jupyter.records.metrics import Point
from renex_jupyter.store.store import Store

SECRET = 'hun"ter2\\\n-ü-secret'


DOOMED, OTHER = "d" * 32, "0" * 32


OTHERS = (
    "select name from runs where run_id = ?",
    "select key, step, value from metrics where run_id = ? order by all",
)


def record(store: Store, run: str, text: str) -> None:
    """Write a run with a snapshot, a file and points that have the text in every field that takes one."""
    blob = store.blobs.put(f"# {run}\n".encode() + b"x" * 3_000_000 + text.encode())
    tree = {
        "entries": [{"path": "a.py", "role": "code", "kind": "file", "sha256": blob}],
    }
    store.write(Change("file_parts", f"{run[0]}f" * 32, "create", tree))
    code = {
        "code_id": f"{run[0]}c" * 32,
        "cells": [{"cell_id": "1", "cell_type": "code", "source": f"pw = {text!r} {text}"}],
    }
    store.write(Change("codes", f"{run[0]}c" * 32, "create", code))
    snapshot = {
        "snapshot_id": f"5{run}",
        "run_id": run,
        "code_id": f"{run[0]}c" * 32,
        "parts": [f"{run[0]}f" * 32],
        "message": text,
    }
    store.write(Change("snapshots", f"5{run}", "create", snapshot))
    store.write(Change("runs", run, "create", {"run_id": run, "name": text, "status": "running", "started_at": now()}))
    param = {"run_id": run, "key": "token", "value": {text: [text]}, "value_text": json.dumps({"a": text})}
    store.write(Change("params", f"{run}/token", "update", param, {"value": text}))
    store.write_points([Point("run", run, "loss", step, now(), step / 3) for step in range(50)])
    store.write_points([Point("run", run, f"said/{run}", 0, now(), None, f"it says {text}")])


def a_run(store: Store, run: str = DOOMED) -> None:
    store.write(Change("runs", run, "create", {"run_id": run, "name": "train", "status": "finished"}))


def snapshot(store: Store, id_: str, run: str | None, text: bytes) -> str:
    """Record a snapshot with one file and a cell, as a session does, and return the SHA-256 of the file."""
    sha256 = store.blobs.put(text)
    tree = {"entries": [{"path": "a.csv", "role": "file", "kind": "file", "sha256": sha256}]}
    cells = [{"cell_id": "1", "cell_type": "code", "source": "1 + 1"}]
    store.ensure("file_parts", "f" * 64, tree)
    store.ensure("codes", "c" * 64, {"code_id": "c" * 64, "cells": cells})
    after = {"snapshot_id": id_, "run_id": run, "parts": ["f" * 64], "code_id": "c" * 64, "created_at": now()}
    store.write(Change("snapshots", id_, "create", {**after, "cell_states": [{}]}))
    return sha256


def age(store: Store) -> None:
    """Make every content look as if nobody had used it for three hours."""
    for path in store.layout.blobs.glob("??/*"):
        os.utime(path, (time.time() - 3 * 3600,) * 2)


def bytes_of(store: Store) -> bytes:
    """Return everything that lies in the store's files, also what is compressed or in a table."""
    result = []
    for path in sorted(store.layout.root.rglob("*")):
        if path.is_file():
            raw = path.read_bytes()
            result += [str(path).encode(), raw]
            if path.suffix == ".zst":
                result.append(zstandard.ZstdDecompressor().decompressobj().decompress(raw))
            if path.suffix == ".parquet":
                result.append(repr(duckdb.read_parquet(str(path)).fetchall()).encode())
            if path.suffix == ".duckdb":
                with duckdb.connect() as connection:
                    connection.execute(f"attach '{path}' as d (read_only)")
                    names = connection.execute(
                        "select schema_name, table_name from duckdb_tables() where database_name = 'd'"
                    )
                    for schema, table in names.fetchall():
                        result.append(repr(connection.execute(f"from d.{schema}.{table}").fetchall()).encode())
    return b"\n".join(result)


def forms(text: str) -> list[bytes]:
    escaped = {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], repr(text)[1:-1]}
    return [each.encode() for each in escaped | {repr(each)[1:-1] for each in escaped}]
