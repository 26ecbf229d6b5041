"""What a metric or a param may be: the tables of docs/values.md, row by row, and what happens around them."""

from __future__ import annotations

import re
import struct
import warnings
from array import array
from contextlib import ExitStack
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from disk import full_disk
from told import heard, rows

import renex_jupyter as rx
from renex_jupyter.config import settings
from renex_jupyter.records import arrays
from renex_jupyter.records.arrays import keep
from renex_jupyter.records.params import DEEPEST, keep_param
from renex_jupyter.records.values import LONGEST_NUMBER, LONGEST_VALUE
from renex_jupyter.session import current as sessions
from renex_jupyter.session import facts, points
from renex_jupyter.session.current import current
from renex_jupyter.store.format import LONGEST_LINE

PAGE = (Path(__file__).parents[2] / "docs" / "values.md").read_text()
NAMES = {each.__name__: each for each in (Decimal, Fraction, Path, array, datetime, struct, timedelta)} | {
    "np": np,
    "pd": pd,
}
OUTSIDE = re.compile(r" *\| *(?=(?:[^`]*`[^`]*`)*[^`]*$)")  # a bar that is not in backticks
METRIC_COLUMNS = ("value", "text_value", "bytes_value", "dtype", "shape")


def table(header: str) -> list[list[str]]:
    """The cells of the rows below each table of this header."""
    found = re.findall(rf"^{re.escape(header)}\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert found, header
    return [OUTSIDE.split(line)[1:-1] for text in found for line in text.splitlines()]


def meant(cell: str) -> Any:
    """The value that a cell of the documentation writes in backticks; None for an empty one."""
    return eval(cell.strip("`"), dict(NAMES)) if cell else None


def after(heading: str) -> list[list[str]]:
    """The refused values below a heading."""
    text = PAGE[PAGE.index(heading) :].split("\n## ")[0]
    return re.findall(r"^\| (`.+`) \| (unsupported_value|too_large) \|$", text, re.MULTILINE)


def same(a: Any, b: Any) -> bool:
    """Equal, and of one type; NaN is NaN, and -0.0 is not 0.0."""
    return type(a) is type(b) and (repr(a) == repr(b) if isinstance(a, float) else a == b)


def test_every_value_of_the_documented_table_comes_back_exactly(project: Path) -> None:
    listed = table("| logged | value | text_value | bytes_value | dtype | shape |")
    assert len(listed) > 35
    with heard() as said, rx.start_run():
        for place, row in enumerate(listed):
            rx.log_metric(str(place), meant(row[0]))
    assert said == []
    for folded in (False, True):
        if folded:
            current().store.fold()
        found = {each["key"]: each for each in rows("select * from metrics")}
        for place, row in enumerate(listed):
            kept = found[str(place)]
            for name, cell in zip(METRIC_COLUMNS, row[1:], strict=True):
                value = bytes(kept[name]) if isinstance(kept[name], (bytes, bytearray)) else kept[name]
                assert same(value, meant(cell)), (row[0], name, value, folded)


@pytest.mark.parametrize(("cell", "code"), after("## Metrics: what is refused"))
def test_a_refused_metric_is_one_warning_and_costs_nothing_else(project: Path, cell: str, code: str) -> None:
    value = meant(cell)
    with pytest.raises(rx.RenexError) as error:
        keep("metric 'x'", value)
    assert error.value.code == code
    assert error.value.hint
    with heard() as said, rx.start_run():
        for _ in range(3):
            rx.log_metrics({"before": 1.0, "x": value, "after": 2.0})
    assert len(said) == 1
    assert said[0].startswith("renex: metric 'x'") and error.value.hint in said[0]
    assert sorted(each["key"] for each in rows("select key from metrics")) == ["after"] * 3 + ["before"] * 3


def test_every_param_of_the_documented_table_comes_back_exactly(project: Path) -> None:
    listed = table("| logged | value | value_number |")
    with heard() as said, rx.start_run() as run:
        rx.log_params({str(place): meant(row[0]) for place, row in enumerate(listed)})
    assert said == []
    for folded in (False, True):
        if folded:
            current().store.fold()
        params = rx.get_run(run.run_id).params
        numbers = {each["key"]: each["value_number"] for each in rows("select key, value_number from params")}
        for place, row in enumerate(listed):
            assert same(params[str(place)], meant(row[1])), (row[0], params[str(place)])
            assert same(numbers[str(place)], meant(row[2])), (row[0], numbers[str(place)])


@pytest.mark.parametrize(("cell", "code"), after("A dataclass is kept as a mapping"))
def test_a_refused_param_is_one_warning_and_costs_nothing_else(project: Path, cell: str, code: str) -> None:
    with heard() as said, rx.start_run() as run:
        for _ in range(2):
            rx.log_params({"before": 1, "x": meant(cell), "after": 2})
    assert len(said) == 1
    assert said[0].startswith("renex: param 'x'")
    with pytest.raises(rx.RenexError) as error:
        keep_param("param 'x'", meant(cell))
    assert error.value.code == code
    assert rx.get_run(run.run_id).params == {"before": 1, "after": 2}


def test_the_limits_are_those_of_the_documentation() -> None:
    limits = {row[0]: row[1] for row in table("| what | limit |")}
    for what, limit in {
        "key of a metric, param or tag": points.LONGEST_KEY,
        "text of a metric or tag, in UTF-8": LONGEST_VALUE,
        "bytes or array of a metric": LONGEST_VALUE,
        "value of a param, as JSON": LONGEST_VALUE,
        "digits of a number": LONGEST_NUMBER,
        "dimensions of a list in a metric": arrays.DEEPEST,
        "lists and mappings of a param inside each other": DEEPEST,
        "params of a run, from one process": facts.MOST_PARAMS,
        "name of a run, an experiment or a namespace": points.LONGEST_KEY,
        "one record": LONGEST_LINE,
        "points that wait in memory": points.MOST_WAITING,
    }.items():
        assert f"{limit:,}" in limits[what], what
    assert f"{points.MOST_WAITING_BYTES:,}" in limits["points that wait in memory"]


def test_the_largest_value_of_the_worst_text_goes_into_one_record(project: Path) -> None:
    texts = ["\x01" * LONGEST_VALUE, "\U0001f600" * (LONGEST_VALUE // 4)]
    with heard() as said, rx.start_run():
        for step, text in enumerate(texts):
            rx.log_metric("k" * 500, text, step=step)
            rx.log_param("p", text[: LONGEST_VALUE // 7])
    assert said == []
    assert [each["text_value"] for each in rows("select text_value from metrics order by step")] == texts


class Raises:
    def __float__(self) -> float:
        raise KeyError("mine")


class Lies:
    def __float__(self) -> float:
        return 1.0

    def __eq__(self, other: object) -> bool:
        return other == 2.0

    __hash__ = None  # type: ignore[assignment]


class NoFloat:
    def __float__(self) -> float:
        return "text"  # type: ignore[return-value]


class Hostile:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


class Honest:
    def __float__(self) -> float:
        return 0.5

    def __eq__(self, other: object) -> bool:
        return other == 0.5

    __hash__ = None  # type: ignore[assignment]


class Whole:
    def __index__(self) -> int:
        return 2**60 + 1


class Device:
    """An array of a library that nobody here knows, as jax's are."""

    def __init__(self, content: Any) -> None:
        self._content = np.asarray(content)
        self.dtype, self.shape = self._content.dtype, self._content.shape

    def item(self) -> Any:
        return self._content.item()

    def __array__(self) -> Any:
        return self._content


def test_a_refusal_is_told_in_whole_sentences(project: Path) -> None:
    with rx.start_run("odd"), heard() as said:
        rx.log_metric("a", object())
        rx.log_param("b", object())
    assert len(said) == 2
    assert all(re.search(r"kept\. It is not (logged|kept) in run 'odd'\. [A-Z]", each) for each in said), said


@pytest.mark.parametrize("kind", [Raises, Lies, NoFloat, Hostile])
def test_an_object_that_is_no_number_whatever_it_says_is_refused(project: Path, kind: type) -> None:
    value = kind()
    with heard() as said, rx.start_run() as run:
        rx.log_metric("x", value)
        rx.log_param("x", value)
    assert [kind.__name__ in each for each in said] == [True, True]
    assert (rx.get_run(run.run_id).metrics, rx.get_run(run.run_id).params) == ({}, {})


def test_numbers_and_arrays_of_unknown_libraries_are_kept(project: Path) -> None:
    assert keep("m", Honest()) == (0.5, None, None, None, None)
    assert keep("m", Whole()) == (2.0**60, str(2**60 + 1), None, "int", None)
    assert keep("m", Device(np.float32(0.5))) == (0.5, None, None, None, None)
    assert keep("m", Device(np.arange(3, dtype="int8"))) == (None, None, b"\0\1\2", "int8", "[3]")


def test_a_list_that_holds_itself_is_refused(project: Path) -> None:
    endless: list[Any] = []
    endless.append(endless)
    with heard() as said, rx.start_run():
        rx.log_metric("x", endless)
        rx.log_param("x", endless)
    assert len(said) == 2 and all("nested" in each for each in said)


def test_torch_tensors_are_kept_as_arrays_are(project: Path) -> None:
    torch = pytest.importorskip("torch")
    scalar = torch.tensor(0.1, dtype=torch.bfloat16, requires_grad=True)
    assert keep("m", scalar) == (float(scalar), None, None, None, None)
    assert keep("m", torch.tensor(2**53 + 1)).text_value == str(2**53 + 1)
    matrix = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True).T
    assert keep("m", matrix) == (None, None, struct.pack("<4f", 1, 3, 2, 4), "float32", "[2,2]")
    half = torch.tensor([1.0, -2.0], dtype=torch.bfloat16)
    assert keep("m", half) == (None, None, b"\x80\x3f\x00\xc0", "bfloat16", "[2]")


@pytest.mark.parametrize("key", ["", 3, None, ["a"], "k" * 501, "\ud800"])
def test_a_key_that_is_none_raises_and_nothing_of_the_call_is_kept(project: Path, key: Any) -> None:
    with pytest.raises(rx.RenexError) as error:
        rx.log_metric(key, 1.0)
    assert error.value.code == "invalid_argument"
    assert rx.active_run() is None
    with rx.start_run() as run:
        if not isinstance(key, list):
            with pytest.raises(rx.RenexError, match=r"metric key|UTF-8"):
                rx.log_metrics({"good": 1.0, key: 2.0})
            with pytest.raises(rx.RenexError, match=r"param key|UTF-8"):
                rx.log_params({"good": 1.0, key: 2.0})
        rx.log_metric("k" * 500, 1.0)
    assert rx.get_run(run.run_id).metrics == {"k" * 500: 1.0}
    assert rx.get_run(run.run_id).params == {}


@pytest.mark.parametrize("step", ["a", "1", 1.5, 2**63, float("nan"), np.zeros(2), object()])
def test_a_step_that_is_none_raises(project: Path, step: Any) -> None:
    with rx.start_run(), pytest.raises(rx.RenexError, match="step"):
        rx.log_metric("loss", 1.0, step=step)


@pytest.mark.parametrize("wallclock", ["now", float("nan"), 1e30, datetime(2026, 1, 1)])  # noqa: DTZ001
def test_a_wallclock_that_is_none_raises(project: Path, wallclock: Any) -> None:
    with rx.start_run(), pytest.raises(rx.RenexError):
        rx.log_metric("loss", 1.0, wallclock=wallclock)


def test_after_the_last_step_there_is_no_further_one(project: Path) -> None:
    with rx.start_run():
        rx.log_metric("loss", 1.0, step=2**63 - 1)
        rx.log_metric("loss", 2.0)
    assert [each["step"] for each in rows("select step from metrics")] == [2**63 - 1] * 2


def test_where_warnings_are_errors_logging_still_does_not_raise(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings(), rx.start_run():
        warnings.simplefilter("error")
        rx.log_metric("x", object())
    assert "metric 'x'" in capsys.readouterr().err


def test_a_warning_names_the_line_that_logged(project: Path) -> None:
    with warnings.catch_warnings(record=True) as said, rx.start_run():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        rx.log_metrics({"x": object()})
        rx.log_param("x", object())
    assert [each.filename for each in said] == [__file__] * 2


def test_a_warning_names_the_line_that_left_the_run_also_through_python_itself(project: Path) -> None:
    stack = ExitStack()
    stack.enter_context(rx.start_run())
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with full_disk():
            rx.log_metric("x", 1.0)
            stack.close()
    told = [each for each in said if re.search("metrics of run|points of run", str(each.message))]
    assert [each.filename for each in told] == [__file__] * 2


def test_a_warning_of_the_store_names_the_line_that_asked(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings(), "fold_in_background", False)
    with rx.start_run("train"):
        pass
    store = current().store
    store.fold()
    for path in (*store.layout.generations.iterdir(), store.layout.current, store.layout.about):
        path.unlink()
    pack = next(path for path in store.layout.archive.iterdir() if path.is_file())
    pack.write_bytes(pack.read_bytes()[:-9])
    sessions.reset()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        rx.sql("from runs")
    texts = " ".join(str(each.message) for each in said)
    assert "made again" in texts and "is damaged" in texts
    assert {each.filename for each in said} == {__file__}


def test_a_run_takes_so_many_params_and_says_when_it_takes_no_more(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, "MOST_PARAMS", 3)
    with heard() as said, rx.start_run() as run:
        rx.log_params({str(each): each for each in range(3)})
        rx.log_params({"1": 7, "more": 1})
    assert len(said) == 1 and "3 params" in said[0]
    assert rx.get_run(run.run_id).params == {"0": 0, "1": 7, "2": 2}


def test_one_call_with_too_many_params_keeps_as_many_as_a_run_takes_and_says_so_once(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, "MOST_PARAMS", 3)
    with heard() as said, rx.start_run() as run:
        rx.log_params({str(each): each for each in range(6)})
        rx.log_params({"other": 1})
    assert len(said) == 1 and "3 params" in said[0]
    assert rx.get_run(run.run_id).params == {"0": 0, "1": 1, "2": 2}


@pytest.mark.parametrize("value", ["\ud800", 10**4300, "x" * 2**20], ids=["half a pair", "digits", "size"])
def test_what_a_param_cannot_be_comes_with_a_hint_that_a_param_can_follow(project: Path, value: object) -> None:
    with heard() as said, rx.start_run() as run:
        rx.log_param("x", value)
        rx.log_param("text", "\ud800".encode("utf-8", "backslashreplace").decode())
        rx.log_param("digits", hex(10**4300))
    (text,) = said
    assert "hex(value)" in text or "backslashreplace" in text or "its path" in text
    assert "bytes or" not in text and "mean" not in text
    assert set(rx.get_run(run.run_id).params) == {"text", "digits"}
