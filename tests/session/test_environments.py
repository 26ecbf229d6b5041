"""Environments through the Python API: what is kept of lock files, and that it stays."""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
from pathlib import Path

import pytest

import renex_jupyter as rx
from renex_jupyter.config import settings
from renex_jupyter.errors import RenexError
from renex_jupyter.session import current as sessions
from renex_jupyter.session.current import current
from renex_jupyter.store.keeping import gc

LOCK = b"# locked\nnumpy==1.26.0\n"
SHA256 = hashlib.sha256(LOCK).hexdigest()


@pytest.fixture
def locked(project: Path) -> Path:
    """A project whose lock file is ignored by git, and so by the files of a snapshot."""
    (project / "uv.lock").write_bytes(LOCK)
    (project / ".gitignore").write_text("uv.lock\n")
    return project


def collected() -> int:
    """Collect what nothing names, young contents too; how many contents went."""
    return gc.collect(current().store, dry_run=False, grace=-1).blobs


def test_a_snapshot_keeps_the_lock_files_although_its_files_do_not(locked: Path) -> None:
    taken = rx.snapshot()
    assert "uv.lock" not in list(rx.sql("select path from snapshot_files")["path"])
    kept = rx.sql(
        "select lock_files->>'uv.lock' as sha256 from environments where environment_id = $1", [taken.environment_id]
    )
    assert list(kept["sha256"]) == [SHA256]
    collected()
    assert current().store.blobs.get(SHA256) == LOCK
    assert rx.fsck().ok


def test_an_environment_that_was_asked_for_keeps_them_without_a_snapshot(locked: Path) -> None:
    made = rx.capture_environment()
    assert dict(made.lock_files or {}) == {"uv.lock": SHA256}
    collected()
    assert current().store.blobs.get(SHA256) == LOCK
    assert list(rx.list_environments()["environment_id"]) == [made.environment_id]


def test_a_lock_file_that_went_missing_from_the_store_is_told(locked: Path) -> None:
    rx.snapshot()
    current().store.blobs.remove(SHA256)
    report = rx.fsck()
    assert not report.ok
    assert any("uv.lock" in str(each) or SHA256[:8] in str(each) for each in report.damages)


@pytest.mark.parametrize("whole", [True, False])
def test_an_export_carries_the_lock_files(locked: Path, whole: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    with rx.start_run("train"):
        pass
    rx.export_store("out.zip", None if whole else "train")
    monkeypatch.setenv("RENEX_STORE", os.fspath(locked / "other/.renex"))
    sessions.reset()
    rx.import_store("out.zip")
    assert current().store.layout.root == locked / "other/.renex"
    assert current().store.blobs.get(SHA256) == LOCK
    assert rx.fsck().ok


def test_looking_keeps_nothing(locked: Path) -> None:
    rx.snapshot(label="start")
    (locked / "uv.lock").write_bytes(b"another\n")
    rx.diff("start")
    assert not current().store.blobs.is_there(hashlib.sha256(b"another\n").hexdigest())


def test_a_lock_file_goes_with_the_last_snapshot_of_its_environment(locked: Path) -> None:
    first, second = rx.snapshot("one"), rx.snapshot("two")
    rx.purge(first.snapshot_id)
    collected()
    assert current().store.blobs.is_there(SHA256)
    rx.purge(second.snapshot_id)
    collected()
    assert not current().store.blobs.is_there(SHA256)
    assert rx.fsck().ok
    rx.snapshot("three")
    assert current().store.blobs.get(SHA256) == LOCK


def test_a_lock_file_that_was_purged_is_not_kept_again(locked: Path) -> None:
    token = b"--index-url https://ghp-0123456789:@host.example/simple\n"
    (locked / "requirements.txt").write_bytes(token)
    rx.snapshot()
    sha256 = hashlib.sha256(token).hexdigest()
    assert current().store.blobs.get(sha256) == token  # exactly: it is a file like others
    rx.purge(secret="ghp-0123456789")
    assert not current().store.blobs.is_there(sha256)
    assert rx.fsck().ok
    taken = rx.snapshot()
    assert not current().store.blobs.is_there(sha256)
    made = rx.sql("select lock_files from environments where environment_id = $1", [taken.environment_id])
    assert "requirements.txt" not in made["lock_files"][0]
    assert rx.fsck().ok


def test_the_lock_files_beside_a_notebook_count(locked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (locked / "study").mkdir()
    (locked / "study/a.ipynb").write_text("{}")
    (locked / "study/environment.yml").write_text("dependencies: []\n")
    monkeypatch.setenv("RENEX_NOTEBOOK", os.fspath(locked / "study/a.ipynb"))
    sessions.reset()
    assert list(rx.capture_environment().lock_files or {}) == ["study/environment.yml", "uv.lock"]


def test_what_is_imported_after_the_first_snapshot_is_in_the_requirements_and_what_was_before_stays(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = project / "env/site-packages"
    for name in ("rx-early", "rx-late"):
        module = name.replace("-", "_")
        home = site / f"{module}-1.0.dist-info"
        home.mkdir(parents=True)
        (home / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n")
        (home / "RECORD").write_text(f"{module}.py,,\n")
        (site / f"{module}.py").touch()
    monkeypatch.syspath_prepend(str(site))
    told = []
    for name in ("rx_early", "rx_late"):
        importlib.import_module(name)
        taken = rx.snapshot()
        row = rx.sql("select requirements from environments where environment_id = $1", [taken.environment_id])
        flags = rx.sql("select name from packages where environment_id = $1 and imported", [taken.environment_id])
        told.append([each for each in row["requirements"][0].split() if "rx-" in each])
        assert set(told[-1]) == {f"{each}==1.0" for each in flags["name"] if "rx-" in each}
        monkeypatch.delitem(sys.modules, name)
    assert told == [["rx-early==1.0"], ["rx-early==1.0", "rx-late==1.0"]]
    assert len(rx.list_environments()) == 1
    assert rx.fsck().ok


def test_a_secret_in_a_lock_file_that_the_tree_ignores_is_told_and_refused_where_that_is_wanted(
    locked: Path,
) -> None:
    key = "ghp_" + "a1B2c3D4e5F6" * 3
    (locked / "uv.lock").write_text(f"# locked\n# {key}\n")
    taken = rx.snapshot()
    assert [(each.path, each.line) for each in taken.findings] == [("uv.lock", 2)]
    (locked / "uv.lock").write_text(f"# another\n# {key}\n")
    settings().secrets_in_files = "block"
    try:
        with pytest.raises(RenexError, match="nothing is kept"):
            rx.snapshot()
    finally:
        settings().secrets_in_files = "warn"
    blob = hashlib.sha256((locked / "uv.lock").read_bytes()).hexdigest()
    assert not current().store.blobs.is_there(blob)


def test_a_name_is_not_taken_away_by_keeping_the_same_content_again(project: Path) -> None:
    (project / "requirements.txt").write_text("six==1.16.0\n")
    made = rx.create_environment("requirements.txt", name="prod")
    told = r"called 'prod' already, not 'tmp'(?s:.*)name_environment\('prod', 'tmp'\)"
    for name, said in (("tmp", told), ("", "called 'prod' already")):
        with pytest.raises(RenexError, match=said) as refused:
            rx.create_environment("requirements.txt", name=name)
        assert refused.value.code == "conflict"
    assert [rx.create_environment("requirements.txt", name=name).name for name in ("prod", None)] == ["prod", "prod"]
    assert rx.get_environment("prod").environment_id == made.environment_id
    assert rx.name_environment("prod", "tmp").name == "tmp"


def test_the_current_one_is_renamed_only_where_that_is_asked_for(project: Path) -> None:
    rx.capture_environment(name="mine")
    with pytest.raises(RenexError, match="called 'mine' already, not 'ours'"):
        rx.capture_environment(name="ours")
    assert rx.name_environment("current", "ours").name == "ours"
    assert rx.get_environment().name == "ours"
