"""What runs printed: kept, exported and imported, freed and purged with their run, searched for a secret."""

from pathlib import Path

import pytest

import renex_jupyter as rx
from renex_jupyter.records.runs import Run
from renex_jupyter.session import current as sessions
from renex_jupyter.session.current import current
from renex_jupyter.store.keeping import gc, references
from renex_jupyter.store.keeping.fsck import fsck
from renex_jupyter.store.keeping.purge import purge
from renex_jupyter.store.keeping.transfer import export_store, import_store
from renex_jupyter.store.store import Store

SAID = "the quick brown fox"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nobody_else_folds: None) -> Run:
    """A run that has printed something."""
    (tmp_path / "pyproject.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    sessions.reset()
    script = f"printf '{SAID[:9]}'; echo '{SAID[9:]}'"  # so that the command itself does not say it
    return rx.run_task(["sh", "-c", script], name="spoken", echo=str)


def at_rest() -> Store:
    """Return the store of this project with nothing left in the files that only this process may rewrite."""
    store = current().store
    store.journal.seal()
    return store


def test_what_a_run_printed_is_a_named_content_that_no_collection_frees(run: Run) -> None:
    store = at_rest()
    assert run.output_sha256 in references.contents_of(store.reader)
    gc.collect(store, dry_run=False, grace=0)
    assert rx.run_output(run) == f"{SAID}\n"
    assert fsck(store.layout).ok


def test_a_missing_output_is_a_damage(run: Run) -> None:
    store = at_rest()
    store.blobs.remove(str(run.output_sha256))
    damages = fsck(store.layout).damages
    assert [each for each in damages if "printed" in str(each)]


@pytest.mark.parametrize("alone", [False, True])
def test_an_export_takes_what_a_run_printed_along(run: Run, tmp_path: Path, target: Store, alone: bool) -> None:
    done = export_store(at_rest(), tmp_path / "all.zip", [run.run_id] if alone else None)
    assert not done.damaged
    import_store(target, tmp_path / "all.zip")
    assert target.blobs.get(str(run.output_sha256)) == f"{SAID}\n".encode()
    assert fsck(target.layout).ok


def test_an_export_names_the_run_whose_output_is_missing(run: Run, tmp_path: Path) -> None:
    store = at_rest()
    store.blobs.remove(str(run.output_sha256))
    assert export_store(store, tmp_path / "all.zip", [run.run_id]).damaged == (run.output_sha256,)


def test_a_purged_run_takes_its_output_along(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc, "GRACE", -1.0)  # what was written just now may be freed
    purge(at_rest(), object_id=run.run_id)
    assert not current().store.blobs.is_there(str(run.output_sha256))


def test_a_purged_secret_takes_the_outputs_along_that_say_it(run: Run) -> None:
    store = at_rest()
    left = store.layout.runs / "killed"
    left.mkdir(parents=True)
    (left / "output.log").write_text(SAID)
    purge(store, secret=SAID)
    assert not left.exists()
    with pytest.raises(rx.RenexError, match="was purged on"):
        rx.run_output(run)
    assert not [p for p in store.layout.root.rglob("*") if p.is_file() and SAID.encode() in p.read_bytes()]
    assert fsck(store.layout).ok
