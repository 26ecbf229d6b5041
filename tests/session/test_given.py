"""Words, labels and paths that a user gives a snapshot."""

import os
from pathlib import Path

import pytest

import renex_jupyter as rx
from renex_jupyter.errors import RenexError
from renex_jupyter.records.snapshots import Snapshot
from renex_jupyter.session.given import chosen_paths


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    (folder / "data/raw").mkdir(parents=True)
    (folder / "pyproject.toml").touch()
    (folder / ".gitignore").write_text("data/\n*.csv\n")
    for name in ("data/a.csv", "data/raw/b.csv", "c.csv", ".env", "train.py"):
        (folder / name).write_text(name)
    (tmp_path / "outside.csv").write_text("no")
    monkeypatch.chdir(folder)
    return folder


def kept(snapshot: Snapshot) -> set[str]:
    rows = rx.sql("select path from snapshot_files where snapshot_id = ? and kind = 'file'", [snapshot.snapshot_id])
    return set(rows["path"]) - {"pyproject.toml", ".gitignore", "train.py"}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("c.csv", {"c.csv"}),
        (["c.csv", Path("data/a.csv")], {"c.csv", "data/a.csv"}),
        ("*.csv", {"c.csv"}),
        ("data/**/*.csv", {"data/a.csv", "data/raw/b.csv"}),
        ("data", {"data/a.csv", "data/raw/b.csv"}),
        (".env", {".env"}),
        ("*", {"c.csv", "data/a.csv", "data/raw/b.csv"}),  # a pattern names no secret
        (None, set()),
    ],
)
def test_paths_and_patterns_are_kept_although_they_are_ignored(project: Path, given: object, found: set[str]) -> None:
    assert kept(rx.snapshot(files=given)) == found


def test_a_path_may_be_absolute_or_relative_to_the_working_folder(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert chosen_paths(project, str(project / "c.csv")) == ["c.csv"]
    monkeypatch.chdir(project / "data")
    assert chosen_paths(project, "raw/b.csv") == ["data/raw/b.csv"]
    assert chosen_paths(project, "../c.csv") == ["c.csv"]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("no-such.csv", "not_found"),
        ("no-such-*.csv", "not_found"),
        ("../outside.csv", "invalid_argument"),
        ("../*.csv", "not_found"),
        ("/etc/passwd", "invalid_argument"),
        ("", "invalid_argument"),
        ([None], "invalid_argument"),
        (["c.csv", "typo"], "not_found"),
    ],
)
def test_a_path_that_means_nothing_here_is_refused_and_nothing_is_kept(project: Path, given: object, code: str) -> None:
    with pytest.raises(RenexError) as caught:
        rx.snapshot(files=given)
    assert caught.value.code == code
    assert not (project / ".renex").exists()


@pytest.mark.parametrize("label", ["now", " x", "x ", "a\nb", " ", "a\tb"])
def test_a_label_that_nobody_could_use_is_refused(project: Path, label: str) -> None:
    taken = rx.snapshot("one")
    for attempt in (lambda: rx.snapshot(label=label), lambda: rx.update_snapshot(taken, label=label)):
        with pytest.raises(RenexError) as caught:
            attempt()
        assert caught.value.code == "invalid_argument"


def test_an_empty_label_is_none_and_an_empty_word_means_no_snapshot(project: Path) -> None:
    taken = rx.snapshot("one", label="")
    assert rx.get_snapshot(taken.snapshot_id).label is None
    for ask in (rx.get_snapshot, rx.delete_snapshot, rx.checkout, rx.get_run, rx.diff):
        for word in ("", "  "):
            with pytest.raises(RenexError) as caught:
                ask(word)
            assert caught.value.code == "invalid_argument"
    assert len(rx.list_snapshots()) == 1


def test_a_file_of_which_only_the_size_is_kept_counts_as_left_out(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from renex_jupyter.config import settings

    monkeypatch.setattr(settings(), "max_file_size", 100)
    (project / "large.bin").write_bytes(os.urandom(101))
    told = rx.snapshot(dry_run=True)
    assert "large.bin" not in {each.path for each in told.largest}
    taken = rx.snapshot()
    assert taken.summary.startswith("3 files (") and "101" not in taken.summary
    assert rx.get_snapshot(taken).summary == taken.summary
    assert "1 too large (large.bin)" in taken.line


def test_the_dry_run_and_the_diff_count_the_same(project: Path) -> None:
    rx.snapshot("one")
    (project / "train.py").chmod(0o755)
    (project / "new.py").write_text("new")
    (project / "pyproject.toml").unlink()
    told, found = rx.snapshot(dry_run=True), rx.diff()
    assert (told.new, told.changed, told.gone) == (1, 1, 1)
    assert sorted(each.kind for each in found.files) == ["added", "changed", "removed"]
    assert rx.list_snapshots().shape[0] == 1


def test_a_snapshot_says_what_was_purged_from_it_and_no_more_that_it_is_there(project: Path) -> None:
    secret = "ghp_" + "Zx8Kq2Lm9Rt4Vb7Nc1Ws5Ye3Pa6Ud0Hf8Jg2"
    (project / "train.py").write_text(f"key = '{secret}'\n")
    taken = rx.snapshot("leak")
    assert [each.path for each in taken.findings] == ["train.py"]
    rx.purge(secret=secret)
    again = rx.get_snapshot(taken)
    assert again.findings == ()
    assert ("train.py", "purged") in {(each.path, each.reason) for each in again.left_out}
