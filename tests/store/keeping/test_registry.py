"""What is kept with a run and about models goes with a purge, an export and a collection as it must."""

from pathlib import Path

import pytest
from exports import contents, everything
from purgeable import DOOMED, OTHER, SECRET, age, bytes_of, forms

from renex_jupyter.records.changes import Change, now
from renex_jupyter.records.metrics import Point
from renex_jupyter.store.keeping.fsck import fsck
from renex_jupyter.store.keeping.gc import collect
from renex_jupyter.store.keeping.purge import purge
from renex_jupyter.store.keeping.rebuild import rebuild
from renex_jupyter.store.keeping.transfer import export_store, import_store
from renex_jupyter.store.store import Store

pytestmark = pytest.mark.usefixtures("nobody_else_folds")

MODEL, VERSION = "m" * 32, "v" * 32


def trained(store: Store, run: str, weights: bytes) -> str:
    """Record a run with a checkpoint, what was measured of it, and a model version made of it; return the content's SHA-256."""
    sha256 = store.blobs.put(weights)
    begin = run[0]
    artifact, checkpoint, evaluation = (f"{letter}{begin}" * 16 for letter in "acv")
    file = {"name": "model.pt", "kind": "file", "mode": "uploaded", "sha256": sha256, "size": len(weights)}
    measured = {"owner_kind": "checkpoint", "owner_id": checkpoint, "dataset": "test"}
    written = {"run_id": run, "step": 3, "artifact_id": artifact}
    store.write(
        Change("runs", run, "create", {"run_id": run, "name": "train", "status": "finished", "started_at": now()}),
        Change("artifacts", artifact, "upload", {**file, "owner_kind": "run", "owner_id": run, "run_id": run}),
        Change("checkpoints", checkpoint, "create", {**written, "created_at": now()}),
        Change("evaluations", evaluation, "create", measured),
        Change(
            "events", f"e{begin}" * 16, "create", {"owner_kind": "run", "owner_id": run, "run_id": run, "name": "epoch"}
        ),
        Change(
            "notes", f"n{begin}" * 16, "create", {"owner_kind": "checkpoint", "owner_id": checkpoint, "text": "good"}
        ),
        Change(
            "links",
            f"l{begin}" * 16,
            "create",
            {"from_kind": "run", "from_id": run, "relation": "uses", "to_kind": "artifact"},
        ),
    )
    store.write_points(
        [
            Point("run", run, "loss", 0, now(), 0.5),
            Point("checkpoint", checkpoint, "accuracy", 3, now(), 0.9),
            Point("evaluation", evaluation, "accuracy", 3, now(), 0.8),
        ]
    )
    return sha256


def registered(store: Store, run: str, sha256: str) -> None:
    """Record a model version with contents of its own, made of a run's checkpoint."""
    own = {"name": "model.pt", "kind": "model", "mode": "uploaded", "sha256": sha256, "owner_kind": "model_version"}
    store.write(
        Change("models", MODEL, "create", {"namespace": "vision", "name": "digits", "created_at": now()}),
        Change("artifacts", "o" * 32, "upload", {**own, "owner_id": VERSION}),
        Change(
            "model_versions",
            VERSION,
            "register",
            {"model_id": MODEL, "version": 1, "run_id": run, "artifact_id": "o" * 32},
        ),
    )


def owners(store: Store) -> set[str]:
    return {row["owner_id"] for row in store.reader.rows("select distinct owner_id from metrics")}


def test_a_purged_run_takes_its_artifacts_checkpoints_events_notes_and_their_metrics_along(store: Store) -> None:
    trained(store, DOOMED, b"weights of a run that goes")
    kept = trained(store, OTHER, b"weights of a run that stays")
    age(store)
    purge(store, object_id=DOOMED)
    for table in ("artifacts", "checkpoints", "evaluations", "events", "notes"):
        assert len(store.reader.rows(f"select * from {table}")) == 1, table
    assert len(store.reader.rows("select * from inside.links")) == 1
    assert owners(store) == {OTHER, "c0" * 16, "v0" * 16}
    assert contents(store) == {kept}
    assert fsck(store.layout).ok


def test_a_run_that_was_deleted_can_still_be_purged(store: Store) -> None:
    trained(store, DOOMED, b"weights")
    for kind, id_ in (("runs", DOOMED), ("artifacts", "ad" * 16), ("checkpoints", "cd" * 16)):
        store.write(Change(kind, id_, "delete", {}, {"name": "a name that must go"}))
    age(store)
    purge(store, object_id=DOOMED)
    assert b"a name that must go" not in bytes_of(store)
    assert owners(store) == set()
    assert collect(store, dry_run=False, grace=0).blobs == 1  # nothing named it any more
    assert fsck(store.layout).ok


def test_a_model_version_stays_whole_when_the_run_that_trained_it_is_purged(store: Store) -> None:
    sha256 = trained(store, DOOMED, b"weights")
    registered(store, DOOMED, sha256)
    age(store)
    purge(store, object_id=DOOMED)
    rows = store.reader.rows("select version, sha256 from model_versions join artifacts using (artifact_id)")
    assert rows == [{"version": 1, "sha256": sha256}]
    assert store.blobs.get(sha256) == b"weights"
    assert fsck(store.layout).ok


def test_a_run_is_exported_with_its_artifacts_and_checkpoints_and_their_metrics(
    source: Store, target: Store, tmp_path: Path
) -> None:
    sha256 = trained(source, DOOMED, b"weights")
    trained(source, OTHER, b"other weights")
    registered(source, DOOMED, sha256)
    export_store(source, tmp_path / "run.zip", [DOOMED])
    import_store(target, tmp_path / "run.zip")
    assert owners(target) == {DOOMED, "cd" * 16, "vd" * 16}
    assert contents(target) == {sha256}
    counts = {
        table: target.reader.rows(f"select count(*) as n from inside.{table}")[0]["n"]
        for table in ("artifacts", "checkpoints", "evaluations", "events", "notes", "links", "model_versions")
    }
    assert counts == {**dict.fromkeys(counts, 1), "model_versions": 0}
    assert fsck(target.layout).ok


def test_what_a_purged_run_had_does_not_come_back_with_an_older_export(store: Store, tmp_path: Path) -> None:
    trained(store, DOOMED, b"weights")
    trained(store, OTHER, b"other weights")
    export_store(store, tmp_path / "old.zip")
    age(store)
    purge(store, object_id=DOOMED)
    before = everything(store), contents(store)
    came = import_store(store, tmp_path / "old.zip")
    assert (came.changes, came.points, came.blobs) == (0, 0, 0)
    assert (everything(store), contents(store)) == before


def test_a_collection_keeps_what_an_artifact_names_and_frees_it_when_that_is_deleted(store: Store) -> None:
    one, other = store.blobs.put(b"one file"), store.blobs.put(b"a file of a folder")
    files = [{"path": "a/b.txt", "kind": "file", "sha256": other, "size": 18, "mode": 420}]
    store.write(
        Change("artifacts", "a" * 32, "upload", {"name": "x", "mode": "uploaded", "sha256": one}),
        Change("artifacts", "b" * 32, "upload", {"name": "y", "mode": "uploaded", "sha256": "f" * 64, "files": files}),
    )
    age(store)
    assert collect(store, dry_run=False, grace=0).blobs == 0
    assert fsck(store.layout).ok
    store.write(Change("artifacts", "b" * 32, "delete", {}, {"name": "y"}))
    assert collect(store, dry_run=False, grace=0).blobs == 1
    assert contents(store) == {one}


def test_a_content_of_an_artifact_that_is_missing_is_found(store: Store) -> None:
    sha256 = store.blobs.put(b"weights")
    store.write(Change("artifacts", "a" * 32, "upload", {"name": "model.pt", "mode": "uploaded", "sha256": sha256}))
    store.blobs.remove(sha256)
    (damage,) = fsck(store.layout).damages
    assert sha256 in damage.path.replace("/", "")
    assert "model.pt" in damage.detail


def test_a_secret_that_stands_in_a_registry_is_replaced_everywhere(store: Store) -> None:
    told = f"because {SECRET}"
    store.write(
        Change("namespaces", SECRET, "create", {"name": SECRET, "metadata": {SECRET: [SECRET]}}),
        Change("models", MODEL, "create", {"namespace": SECRET, "name": "digits", "description": told}),
        Change(
            "aliases", f"{MODEL}/{SECRET}", "set", {"model_id": MODEL, "alias": SECRET, "version": 1, "reason": told}
        ),
        Change("aliases", f"{MODEL}/{SECRET}", "set", {"reason": "newer"}, {"reason": told}),
        Change("labels", f"{MODEL}/{SECRET}", "set", {"model_id": MODEL, "label": SECRET, "version": 1}),
        Change("decisions", "d" * 32, "create", {"model_id": MODEL, "decision": "retire", "reason": told}),
        Change(
            "policies", "p" * 32, "create", {"model_id": MODEL, "kind": "label", "rule": {"where": told, SECRET: 1}}
        ),
        Change("policy_results", "q" * 32, "verdict", {"model_id": MODEL, "reason": told, "facts": {SECRET: told}}),
        Change("events", "e" * 32, "create", {"name": told, "source": told, "metadata": {"a": {SECRET: told}}}),
        Change("notes", "n" * 32, "create", {"text": told}),
        Change("artifacts", "a" * 32, "track", {"name": told, "uri": f"s3://{SECRET}/x", "mode": "tracked"}),
        Change("metric_definitions", SECRET, "update", {"description": told}),
        Change("model_versions", VERSION, "register", {"model_id": MODEL, "version": 1, "params": {SECRET: SECRET}}),
    )
    purge(store, secret=SECRET)
    left = bytes_of(store)
    assert [form for form in forms(SECRET) if form in left] == []
    (row,) = store.reader.rows("select reason from policy_results")
    assert row["reason"] == "because [purged]"
    rebuild(store.layout)
    assert fsck(store.layout).ok
