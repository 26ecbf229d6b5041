"""Tracked artifacts: nothing is copied, and whether a thing is still what it was can be asked."""

import hashlib
import os
import sys
import threading
from collections.abc import Iterator
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

import renex_jupyter as rx
from renex_jupyter.session.current import current


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


@pytest.fixture(autouse=True)
def run(project: Path) -> Iterator[None]:
    with rx.start_run("train"):
        yield


def contents(project: Path) -> list[Path]:
    return sorted((project / ".renex/blobs").glob("??/*"))


def test_a_file_is_tracked_by_uri_checksum_and_size_and_nothing_is_copied(project: Path) -> None:
    data = os.urandom(100_000)
    (project / "data.csv").write_bytes(data)
    before = contents(project)
    made = rx.track_artifact("data.csv", kind="dataset", metadata={"rows": 3})
    assert contents(project) == before
    assert (made.mode, made.name, made.kind, made.uri) == ("tracked", "data.csv", "dataset", "data.csv")
    assert (made.sha256, made.size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert rx.get_artifact(made) == made
    rows = current().store.reader.rows("select action from inside.changes where id = ?", [made.artifact_id])
    assert [row["action"] for row in rows] == ["track"]


def test_verify_says_ok_changed_missing_and_again_ok(project: Path) -> None:
    data = project / "data.csv"
    data.write_text("a,b\n")
    made = rx.track_artifact("data.csv")
    assert (bool(rx.verify_artifact(made)), rx.verify_artifact(made).verdict) == (True, "ok")
    before = data.stat()
    data.write_text("a,c\n")  # as many bytes, and the same time of change
    os.utime(data, ns=(before.st_atime_ns, before.st_mtime_ns))
    check = rx.verify_artifact("data.csv")
    assert (bool(check), check.verdict) == (False, "changed") and "SHA-256" in check.reason
    data.write_text("a,b,c\n")
    assert "bytes now" in rx.verify_artifact(made).reason
    data.unlink()
    assert rx.verify_artifact(made).verdict == "missing"
    data.write_text("a,b\n")
    assert rx.verify_artifact(made)


def test_a_folder_is_tracked_with_its_entries_and_what_changed_is_named(project: Path) -> None:
    (project / "images").mkdir()
    for name in ("a.png", "b.png"):
        (project / "images" / name).write_text(name)
    made = rx.track_artifact("images")
    assert made.kind == "folder" and [e.path for e in made.files] == ["a.png", "b.png"]
    assert rx.verify_artifact(made)
    (project / "images/c.png").touch()
    assert rx.verify_artifact(made).reason == "'c.png' is new"
    (project / "images/c.png").unlink()
    (project / "images/b.png").write_text("B.png")
    assert rx.verify_artifact(made).reason == "'b.png' is another one"
    (project / "images/b.png").unlink()
    assert rx.verify_artifact(made).verdict == "changed"


def test_a_project_that_moved_finds_what_lies_in_it(
    project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "data.csv").write_text("a")
    rx.track_artifact("data.csv")
    rx.end_run()
    from renex_jupyter.session import current as sessions

    sessions.reset()
    moved = tmp_path_factory.mktemp("elsewhere") / "p"
    project.rename(moved)
    monkeypatch.chdir(moved)
    assert rx.verify_artifact("data.csv")
    monkeypatch.chdir("/")
    moved.rename(project)


def test_file_uris_and_paths_outside_of_the_project_are_read(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("data") / "a b.csv"
    other.write_text("a")
    for uri in (other.as_uri(), str(other), other):
        made = rx.track_artifact(uri)
        assert (made.name, made.uri, made.size) == ("a b.csv", str(other), 1)
        assert rx.verify_artifact(made)


def test_a_checksum_that_is_given_is_not_computed_and_a_wrong_one_is_seen_by_verify(project: Path) -> None:
    (project / "data.csv").write_text("a")
    right = hashlib.sha256(b"a").hexdigest()
    made = rx.track_artifact("data.csv", sha256=right.upper(), size=1)
    assert (made.sha256, made.size) == (right, 1) and rx.verify_artifact(made)
    wrong = rx.track_artifact("data.csv", sha256="0" * 64)
    assert rx.verify_artifact(wrong).verdict == "changed"
    elsewhere = rx.track_artifact("/mnt/of/another/machine.csv", sha256=right)
    assert rx.verify_artifact(elsewhere).verdict == "missing"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (("gone.csv",), "not_found"),
        (("",), "invalid_argument"),
        ((3,), "invalid_argument"),
        (("s3://bucket/a b",), "invalid_argument"),
        (("file://other-host/data",), "invalid_argument"),
        (("model.py", None, "abc"), "invalid_argument"),
        (("model.py", "../x"), "invalid_argument"),
        (("model.py", None, None, -1), "invalid_argument"),
        (("model.py", None, None, "9"), "invalid_argument"),
    ],
)
def test_what_cannot_be_tracked_is_told_with_a_hint(project: Path, given: tuple[Any, ...], code: str) -> None:
    names = ("uri", "name", "sha256", "size")
    with pytest.raises(rx.RenexError) as caught:
        rx.track_artifact(**dict(zip(names, given, strict=False)))
    assert caught.value.code == code and caught.value.hint
    assert len(rx.list_artifacts()) == 0


def test_passwords_and_signatures_in_a_uri_are_not_kept(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.warns(UserWarning, match="has no checksum") as warned:
        made = rx.track_artifact("https://ada:hunter2xyz@host/data.csv?access_token=abcdef123456")
    told = made.uri + " ".join(str(each.message) for each in warned) + str(rx.verify_artifact(made))
    assert "hunter2xyz" not in told and "abcdef123456" not in told
    assert made.name == "data.csv"


def test_without_fsspec_a_remote_thing_is_tracked_without_a_checksum_as_it_is_said(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)  # import says that there is none
    with pytest.warns(UserWarning, match="has no checksum.*fsspec is not installed.*renex_jupyter.remote"):
        made = rx.track_artifact("s3://bucket/data.csv")
    assert (made.sha256, made.size, made.uri) == (None, None, "s3://bucket/data.csv")
    check = rx.verify_artifact(made)
    assert check.verdict == "unreachable" and "renex_jupyter[remote]" in check.reason
    with pytest.raises(rx.RenexError) as caught:
        rx.download_artifact(made)
    assert caught.value.code == "environment_unavailable" and caught.value.hint


def test_remote_things_are_hashed_verified_and_downloaded_through_fsspec(project: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.pipe("/bucket/data.csv", b"a,b\n")
    made = rx.track_artifact("memory://bucket/data.csv")
    assert (made.sha256, made.size) == (hashlib.sha256(b"a,b\n").hexdigest(), 4)
    assert rx.verify_artifact(made)
    assert rx.download_artifact(made).read_bytes() == b"a,b\n"
    assert rx.download_artifact(made, "copy.csv").read_bytes() == b"a,b\n"
    memory.pipe("/bucket/data.csv", b"a,c\n")
    assert rx.verify_artifact(made).verdict == "changed"
    with pytest.raises(rx.RenexError) as caught:
        rx.download_artifact(made, "other.csv")
    assert caught.value.code == "conflict" and not (project / "other.csv").exists()
    memory.rm("/bucket/data.csv")
    assert rx.verify_artifact(made).verdict == "missing"
    assert rx.track_artifact("nonsense://x/y", sha256=made.sha256).sha256 == made.sha256
    assert rx.verify_artifact("y").verdict == "unreachable"


def test_a_file_of_a_web_server_is_tracked_and_verified(project: Path) -> None:
    pytest.importorskip("fsspec")
    pytest.importorskip("aiohttp")
    (project / "data.csv").write_text("a,b\n")
    server = HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        made = rx.track_artifact(f"http://127.0.0.1:{server.server_port}/data.csv")
        assert made.size == 4 and rx.verify_artifact(made)
        (project / "data.csv").unlink()
        assert rx.verify_artifact(made).verdict == "missing"
    finally:
        server.shutdown()
        server.server_close()
    assert rx.verify_artifact(made).verdict == "unreachable"


def test_a_tracked_thing_is_handed_out_where_it_lies_or_copied_and_only_as_it_was(project: Path) -> None:
    (project / "data").mkdir()
    (project / "data/a").write_text("a")
    made = rx.track_artifact("data")
    before = contents(project)
    assert rx.download_artifact(made) == project / "data"
    assert (rx.download_artifact(made, "copy") / "a").read_text() == "a"
    assert contents(project) == before
    assert not [each for each in names(project) if each.startswith(".renex-")]
    (project / "data/a").write_text("b")
    for to in (None, "other"):
        with pytest.raises(rx.RenexError) as caught:
            rx.download_artifact(made, to)
        assert caught.value.code == "conflict" and "'a' is another one" in caught.value.message
    assert not (project / "other").exists()


def test_deleting_what_is_tracked_leaves_the_thing(project: Path) -> None:
    (project / "data.csv").write_text("a")
    done = rx.delete_artifact(rx.track_artifact("data.csv"))
    assert (project / "data.csv").exists() and "stays" in str(done)
