"""Lines of texts and of files."""

from __future__ import annotations

import json
import random
import time
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from renex_jupyter.analysis.diff import State, diff_states
from renex_jupyter.analysis.file_lines import LARGEST, MOST_FILES, comparable, with_lines
from renex_jupyter.analysis.lines import _unified, line_changes
from renex_jupyter.records.diffs import Diff, FileChange
from renex_jupyter.records.snapshots import FileEntry

TEXTS = st.lists(st.sampled_from("abcde"), max_size=30)


@given(TEXTS, TEXTS)
def test_the_lines_tell_both_texts(a: list[str], b: list[str]) -> None:
    lines = list(_unified(a, b))
    assert [line[1:] for line in lines if line[0] != "+"] == a
    assert [line[1:] for line in lines if line[0] != "-"] == b


@given(st.lists(st.integers(0, 900), min_size=250, max_size=400), st.randoms(use_true_random=False))
def test_so_do_those_of_long_texts(numbers: list[int], choice: random.Random) -> None:
    a = list(map(str, numbers))
    b = [line for line in a if choice.random() > 0.1] + ["new"] * choice.randint(0, 5)
    choice.shuffle(block := b[100:150])
    b[100:150] = block
    lines = list(_unified(a, b))
    assert [line[1:] for line in lines if line[0] != "+"] == a
    assert [line[1:] for line in lines if line[0] != "-"] == b


def test_few_changes_in_a_long_text_are_told_as_few() -> None:
    a = [f"{n},{n * n}" for n in range(20_000)]
    b = [*a[:50], "new", *a[50:9000], *a[9001:19_000], "other", *a[19_001:]]
    began = time.process_time()
    changed = [line for line in line_changes("\n".join(a), "\n".join(b)) if line[:1] in ("+", "-")]
    assert changed == ["+new", "-9000,81000000", "-19000,361000000", "+other"]
    assert time.process_time() - began < 10  # measured 0.1 s


def test_the_worst_texts_take_bounded_time() -> None:
    one, other = ("\n".join(random.Random(seed).choices("01", k=40_000)) for seed in (1, 2))
    began = time.process_time()
    assert line_changes(one, other)
    assert time.process_time() - began < 10  # measured 0.1 s; the usual search needs minutes


def entry(size: int, **more: object) -> FileEntry:
    return replace(FileEntry("f", "file", "file", f"{size}" * 8, size, 0o644), **more)  # type: ignore[arg-type]


def compared(before: bytes | None, after: bytes | None) -> FileChange:
    a, b = State("a", files={"f": entry(1)}), State("b", files={"f": entry(2)})
    (change,) = with_lines(diff_states(a, b), {"f": (before, after)}).files
    return change


def test_a_text_file_has_lines_and_any_other_says_why_not() -> None:
    assert compared(b"a\nb\n", b"a\nc\n").lines == (" a", "-b", "+c")
    assert [compared(*sides).note for sides in ((b"a\0", b"b"), (b"\xff", b"b"), (None, b"b"), (b"a\r\n", b"a\n"))] == [
        "not text",
        "not text",
        "content not kept",
        "only line ends differ",
    ]


def notebook(source: list[str] | str, output: str) -> bytes:
    cell = {"cell_type": "code", "source": source, "outputs": [output]}
    return json.dumps({"cells": [cell, {"cell_type": "markdown", "source": "text"}]}).encode()


def test_another_notebook_of_the_project_is_compared_by_its_cells() -> None:
    def of(before: bytes, after: bytes) -> FileChange:
        a, b = (State("s", files={"b.ipynb": entry(n, path="b.ipynb")}) for n in (1, 2))
        (change,) = with_lines(diff_states(a, b), {"b.ipynb": (before, after)}).files
        return change

    lines = of(notebook(["x = 1\n", "y"], "1"), notebook("x = 2\ny", "2")).lines
    assert lines == (" # %% [code]", "-x = 1", "+x = 2", " y", " # %% [markdown]")
    assert of(notebook("x", "1"), notebook("x", "2")).note == "only outputs or metadata differ"
    for broken in (b"{}", b"[1]", b"", b"nothing", b"[" * 100_000, b"\0"):
        assert of(broken, notebook("x", "2")).note == "not a notebook that can be read"


def test_a_very_long_difference_of_a_file_is_cut_and_says_so() -> None:
    change = compared(b"", b"x\n" * 5000)
    assert (len(change.lines), change.note) == (1000, "4,000 lines more")


def wanted(a: FileEntry, b: FileEntry) -> bool:
    one, other = State("a", files={"f": a}), State("b", files={"f": b})
    return bool(comparable(diff_states(one, other), one, other))


def test_only_what_is_small_and_differs_in_content_is_read() -> None:
    assert wanted(entry(1), entry(2))
    assert wanted(entry(1, kind="link"), entry(2, kind="link"))
    assert not wanted(entry(1), entry(LARGEST + 1))
    assert not wanted(entry(1), entry(1, mode=0o755))
    assert not wanted(entry(1, kind="link"), entry(2))


def many(sha256: str) -> dict[str, FileEntry]:
    return {f"f{n:04}": FileEntry(f"f{n:04}", "file", "file", sha256, 1, 0o644) for n in range(MOST_FILES + 5)}


def test_of_very_many_files_only_some_are_compared_by_lines() -> None:
    a, b = State("a", files=many("1" * 64)), State("b", files=many("2" * 64))
    found = diff_states(a, b)
    some = comparable(found, a, b)
    shown: Diff = with_lines(found, {each.path: (b"1", b"2") for each in some})
    assert (len(some), len(shown.files)) == (MOST_FILES, MOST_FILES + 5)
    assert {each.note for each in shown.files} == {"", "one of too many to show its lines"}
