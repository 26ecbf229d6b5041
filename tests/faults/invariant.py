"""What must hold after any fault, asked in a fresh process."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import children
import duckdb
import ledger

import renex_jupyter as rx
from renex_jupyter.config import settings
from renex_jupyter.records.changes import Change, now
from renex_jupyter.records.metrics import Point
from renex_jupyter.store.keeping.fsck import fsck
from renex_jupyter.store.store import Store

Records = dict[tuple[str, str], Any]
OURS = "after the fault"  # metric key and param key of what the invariant itself records
MOST = 20  # sentences in one message
METRICS = "select owner_id, key, step, coalesce(value::varchar, text_value) as value from metrics"
PARAMS = "select run_id, key, value_text as value from params"
SNAPSHOTS = "select snapshot_id, files_id, code_id, environment_id from snapshots where not coalesce(hidden, false)"
NUMBERS = "select count(*) - count(distinct (writer, seq)) as doubled from inside.changes"
FILES = "select snapshot_id, path, sha256 from snapshot_files where kind = 'file' order by all"


def invariant(root: Path, *ledgers: Path, deep: bool = False) -> None:
    """Fail unless `wrong_with` finds nothing."""
    wrong = wrong_with(root, *ledgers, deep=deep)
    assert not wrong, "\n".join(wrong[:MOST])


def wrong_with(root: Path, *ledgers: Path, deep: bool = False) -> list[str]:
    """Return what is wrong: the store must hold what the ledgers promise, work at once, and be clean after one fold.

    Parameters
    ----------
    deep : also log and take a snapshot through the public interface, and ask fsck, which costs half a second.
    """
    wrong: list[str] = children.ask(_wrong, root, ledger.read(*ledgers), deep)
    return wrong


def look(root: Path) -> Records:
    """Return every record of a store as a fresh process sees it."""
    records: Records = children.ask(_look, root)
    return records


def _look(_say: Callable[[Any], None], root: Path) -> Records:
    return found_in(Store(root))


def found_in(store: Store) -> Records:
    """Return the records of a store; one that is there twice has a list of its values."""
    if not store.exists:
        return {}
    rows = [(("point", f"{r['owner_id']}/{r['key']}/{r['step']}"), r["value"]) for r in store.reader.rows(METRICS)]
    rows += [(("param", f"{r['run_id']}/{r['key']}"), r["value"]) for r in store.reader.rows(PARAMS)]
    trees: dict[str, dict[str, str]] = {}
    for row in store.reader.rows(FILES):
        trees.setdefault(row["snapshot_id"], {})[row["path"]] = row["sha256"]
    rows += [(("snapshot", r["snapshot_id"]), trees.get(r["snapshot_id"], {})) for r in store.reader.rows(SNAPSHOTS)]
    records: Records = {}
    for key, value in rows:
        records[key] = [records[key], value] if key in records else value
    return records


def _wrong(_say: Callable[[Any], None], root: Path, promised: ledger.Promised, deep: bool) -> list[str]:
    """Return what is wrong, each thing as a sentence."""
    os.chdir(root.parent)
    settings().fold_in_background = False
    _grow_old(root)
    before = found_in(Store(root))
    wrong = _compare(before, promised) + _contents(Store(root), before)
    ours = _work(root, deep)
    after = found_in(Store(root))
    if after != before | ours:
        wrong.append(f"after a fold other records are there: {_difference(after, before | ours)}")
    doubled = Store(root).reader.rows(NUMBERS)[0]["doubled"]
    wrong += [f"{doubled} changes bear the number of another one"] if doubled else []
    return wrong + _outside(root, after) + _clean(root) + (_damages(root) if deep else [])


def _compare(found: Records, promised: ledger.Promised) -> list[str]:
    may, must = promised.tried | promised.kept, promised.kept
    wrong = [f"lost: {key} = {value!r}" for key, value in must.items() if key not in found]
    for key, value in found.items():
        if key not in may and may and key[0] != "snapshot" and OURS not in key[1]:
            wrong.append(f"never written: {key} = {value!r}")
        elif isinstance(value, list):
            wrong.append(f"{key} is there {len(value)} times")
        elif value != may.get(key, value) is not None:
            wrong.append(f"{key} is {value!r} and was {may[key]!r}")
    for keys in promised.together:
        there = [key in found for key in keys]
        if any(there) != all(there):
            wrong.append(f"half there: {keys}")
    return wrong


def _contents(store: Store, found: Records) -> list[str]:
    """Read every file of every snapshot."""
    wrong = []
    for (kind, key), tree in found.items():
        for path, sha256 in tree.items() if kind == "snapshot" else ():
            try:
                if hashlib.sha256(store.blobs.get(sha256)).hexdigest() != sha256:
                    wrong.append(f"snapshot {key}: {path} is not what it was")
            except rx.RenexError as error:
                wrong.append(f"snapshot {key}: {path}: {error}")
    return wrong


def _work(root: Path, deep: bool) -> Records:
    """Do everything once and return what it recorded."""
    store, run = Store(root), os.urandom(16).hex()
    store.write(Change("runs", run, "create", {"run_id": run, "name": OURS, "started_at": now()}))
    store.write_points([Point("run", run, OURS, 0, now(), 0.5)])
    ours: Records = {("point", f"{run}/{OURS}/0"): "0.5"}
    if deep:
        rx.session.current.reset()
        with rx.start_run(OURS) as active:
            rx.log_metric(OURS, 1.0)
            rx.log_param(OURS, 0.1)
        ours |= {("point", f"{active.run_id}/{OURS}/0"): "1.0", ("param", f"{active.run_id}/{OURS}"): "0.1"}
        taken = rx.snapshot(OURS).snapshot_id
        tree = {r["path"]: r["sha256"] for r in store.reader.rows(f"{FILES[:-13]} and snapshot_id = ?", [taken])}
        ours["snapshot", taken] = tree
        rx.session.current.current().store.journal.seal()
    store.fold()
    return ours


def _outside(root: Path, found: Records) -> list[str]:
    """Ask the published file what it holds."""
    with duckdb.connect(str(root / "history.duckdb"), read_only=True) as client:
        counts = [client.execute(f"select count(*) from ({each})").fetchall()[0][0] for each in (METRICS, PARAMS)]
    kinds = Counter(kind for kind, _ in found)
    ours = [kinds["point"], kinds["param"]]
    return [] if counts == ours else [f"history.duckdb has {counts} points and params, the reader {ours}"]


def _grow_old(root: Path) -> None:
    """Let an hour pass for temporary files: a young one may belong to somebody who is alive."""
    for path in root.rglob(".*.tmp*"):
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 3600))


def _clean(root: Path) -> list[str]:
    downloads = (
        root / "downloads"
    )  # what lies in it has the modes of the artifacts, and the folder itself keeps others out
    seen = [p for p in (root, *root.rglob("*")) if downloads not in p.parents]
    wrong = [f"{p} may be read by others" for p in seen if p.lstat().st_mode & 0o077]
    blobs = root / "blobs"  # a content that is being written has no age: they are swept by gc
    left = [path for path in root.rglob(".*.tmp*") if blobs not in path.parents]
    return wrong + [f"left behind: {path}" for path in left]


def _damages(root: Path) -> list[str]:
    """Return what fsck finds; a last line that was torn off is no damage, it was never acknowledged."""
    report = fsck(Store(root).layout)
    return [] if report.ok else [f"fsck: {damage}" for damage in report.damages]


def _difference(one: Records, other: Records) -> str:
    gone = [key for key in other if key not in one][:3]
    new = [key for key in one if key not in other][:3]
    changed = [(key, one[key], other[key]) for key in one if key in other and one[key] != other[key]][:3]
    return f"gone {gone}, new {new}, changed {changed}"
