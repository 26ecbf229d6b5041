"""Loops that tell how far they are."""

from __future__ import annotations

import io
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from told import heard, refused, rows

import renex_jupyter as rx
from renex_jupyter import RenexError
from renex_jupyter.session.current import current
from renex_jupyter.session.progress import line


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _values(key: str) -> list[float]:
    return [each["value"] for each in rows(f"select value from metrics where key = '{key}' order by step")]


def _spans() -> list[tuple[str, str]]:
    found = rows("select name, phase from events where source = 'track' order by wallclock, phase desc")
    return [(each["name"], each["phase"]) for each in found]


def test_a_loop_gives_what_the_iterable_gives(project: Path) -> None:
    assert list(rx.track(range(5))) == [0, 1, 2, 3, 4]
    assert list(rx.track(each for each in "abc")) == ["a", "b", "c"]
    assert list(rx.track([])) == []
    assert dict(rx.track({"a": 1}.items())) == {"a": 1}
    loop = rx.track([1, 2])
    assert (list(loop), list(loop)) == ([1, 2], [1, 2])


def test_its_length_is_that_of_the_iterable() -> None:
    assert len(rx.track(range(5))) == 5
    with pytest.raises(TypeError):
        len(rx.track(each for each in "abc"))  # type: ignore[arg-type]
    assert rx.track(each for each in "") and not rx.track([])


def test_a_loop_logs_how_far_it_came_and_is_a_span(project: Path) -> None:
    with rx.start_run("train"):
        for _ in rx.track(range(4), "epochs"):
            pass
    assert _values("progress/epochs") == [1.0]
    assert _values("progress/epochs/items") == [4.0]
    assert _values("progress/epochs/rate")[0] > 0
    assert _spans() == [("epochs", "start"), ("epochs", "finish")]
    assert rx.where_time_goes("train").name.tolist() == ["epochs"]


def test_points_come_while_it_runs(project: Path) -> None:
    with rx.start_run("train"):
        for _ in rx.track(range(4), "epochs", every=1e-9):
            pass
    assert _values("progress/epochs") == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_a_generator_has_a_share_only_where_the_total_is_told(project: Path) -> None:
    with rx.start_run("train"):
        for _ in rx.track(iter("abcd"), "unknown"):
            pass
        for _ in rx.track(iter("abcd"), "told", total=8):
            pass
    assert _values("progress/unknown") == [] and _values("progress/unknown/items") == [4.0]
    assert _values("progress/told") == [0.5]


def test_without_an_open_run_nothing_is_logged_and_none_is_opened(project: Path) -> None:
    for _ in rx.track(range(3), "epochs", every=1e-9):
        pass
    assert not (project / ".renex").exists()


def test_a_break_ends_it_well(project: Path) -> None:
    with rx.start_run("train"):
        for each in rx.track(range(10), "epochs"):
            if each == 3:
                break
        for _ in rx.track(range(2), "after"):
            pass
    assert _values("progress/epochs") == [0.3] and _values("progress/after") == [1.0]
    ended = rows("select metadata from events where name = 'epochs' and phase = 'finish'")[0]["metadata"]
    assert '"stopped"' in ended and '"items":3' in ended.replace(" ", "")


def test_an_exception_of_the_block_passes_and_ends_it(project: Path) -> None:
    def divide() -> None:
        for each in rx.track(range(10), "epochs"):
            1 / (each - 2)

    with rx.start_run("train"), pytest.raises(ZeroDivisionError):
        divide()
    assert _values("progress/epochs") == [0.2]
    assert _spans() == [("epochs", "start"), ("epochs", "finish")]


def test_an_exception_of_the_iterable_passes_as_it_is(project: Path) -> None:
    def items() -> Iterator[int]:
        yield 1
        raise KeyError("mine")

    with rx.start_run("train"), pytest.raises(KeyError, match="mine"):
        list(rx.track(items(), "items"))
    assert _values("progress/items/items") == [1.0]
    ended = rows("select metadata from events where phase = 'finish'")[0]["metadata"]
    assert "KeyError" in ended


def test_loops_inside_of_each_other_share_one_line(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    for _ in rx.track(range(2), "epochs", every=1e-9):
        for _ in rx.track(range(3), "batches", every=1e-9):
            pass
    said = terminal.getvalue()
    assert "epochs 50% 1/2" in said and " | batches 100% 3/3" in said
    assert said.count("\n") == 1 and said.endswith("\n")


def test_loops_without_a_name_are_told_apart(project: Path) -> None:
    with rx.start_run("train"):
        for _ in rx.track(range(2)):
            for _ in rx.track(range(2)):
                pass
    assert _values("progress/loop") == [1.0] and _values("progress/loop 2") == [1.0, 1.0]


def test_it_is_quiet_where_nobody_looks(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for _ in rx.track(range(3), "epochs", every=1e-9):
        pass
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")


def test_a_terminal_that_is_gone_stops_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(Terminal):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Gone())
    assert list(rx.track(range(3), every=1e-9)) == [0, 1, 2]


def test_a_fault_of_the_store_is_one_warning(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with rx.start_run("train") as run, heard() as said, monkeypatch.context() as patched:
        patched.setattr(run, "points", None)
        assert list(rx.track(range(3), "epochs", every=1e-9)) == [0, 1, 2]
    assert len(said) == 1 and "'epochs'" in said[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", 7),
        ("name", ""),
        ("name", "a\0b"),
        ("total", -1),
        ("total", 1.5),
        ("total", True),
        ("every", 0),
        ("every", -1.0),
        ("every", float("nan")),
        ("every", "1"),
    ],
)
def test_an_argument_that_is_none_is_refused(name: str, value: Any) -> None:
    with pytest.raises(RenexError) as error:
        rx.track([1], **{name: value})
    assert refused(error, value)


def test_what_cannot_be_iterated_over_is_refused() -> None:
    with pytest.raises(RenexError) as error:
        rx.track(7)  # type: ignore[arg-type]
    assert refused(error, 7)


def test_an_item_costs_no_look_at_the_store(project: Path) -> None:
    with rx.start_run("train"):
        for _ in rx.track(itertools.repeat(None, 100_000), "many", every=3600.0):
            pass
    assert len(_values("progress/many/items")) == 1
    assert current().runs == []


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (line("epochs", 9, 20, 3.0), "epochs 45% 9/20, 3/s, 0:03 left"),
        (line("epochs", 1, 3, 0.01), "epochs 33% 1/3, 100 s each, 3:20 left"),
        (line("rows", 1234567, None, 1e6), "rows 1,234,567, 1,000,000/s"),
        (line("rows", 20, 20, 2.5), "rows 100% 20/20, 2.5/s"),
        (line("rows", 2, 40_000, 1.0), "rows 0% 2/40,000, 1/s, 11:06:38 left"),
        (line("rows", 3, 4, 1.0, "stopped"), "rows 75% 3/4, 1/s, stopped"),
        (line("none", 0, 0, 0.0), "none 0, 0/s"),
    ],
)
def test_the_line_says_it_in_few_words(said: str, expected: str) -> None:
    assert said == expected
