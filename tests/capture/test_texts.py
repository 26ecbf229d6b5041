"""Small files read now, by the process that reads the project."""

import os
from pathlib import Path

import pytest

from renex_jupyter.capture import texts as reading
from renex_jupyter.capture.files import read_texts


def test_what_can_be_read_is_and_the_rest_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a b.txt").write_bytes(b"\xff\0text")
    (tmp_path / "large.txt").write_bytes(b"x" * 101)
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / os.fsdecode(b"odd\xff")).write_bytes(b"odd")
    paths = ["a b.txt", "large.txt", "link", "folder", "pipe", "gone", "%:odd%FF"]
    found = read_texts(tmp_path, paths, limit=100, timeout=60)
    assert found == {"a b.txt": b"\xff\0text", "link": b"/etc/passwd", "%:odd%FF": b"odd"}


def test_all_together_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST", 250)
    for name in "abcd":
        (tmp_path / name).write_bytes(b"x" * 100)
    assert list(reading.texts(str(tmp_path), "abcd", 100, lambda: None)) == ["a", "b"]
