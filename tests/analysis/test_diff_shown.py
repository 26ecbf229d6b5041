"""A diff as text, as a page and as JSON."""

from __future__ import annotations

import json
import math
import re

from states import cells, file, files, packages

from renex_jupyter.analysis.diff import Diff, State, diff_states
from renex_jupyter.records.environments import Package


def everything() -> Diff:
    a = State(
        "a1b2 base",
        cells("lr = 0.1\nfit(lr)", ids="a"),
        files(file("x.csv", "1")),
        packages(numpy="1"),
        "3.11",
        {"lr": 0.1},
        {"acc": 0.9},
    )
    b = State(
        "now",
        cells("lr = 0.2\nfit(lr)", ids="a"),
        files(file("x.csv", "22")),
        packages(numpy="2"),
        "3.11",
        {"lr": 0.2},
        {"acc": math.nan},
    )
    return diff_states(a, b)


def test_the_text_shows_each_part_on_lines_with_signs() -> None:
    assert str(everything()).splitlines() == [
        "a1b2 base -> now: 1 cell, 1 file, 1 package, 1 config value, 1 metric",
        "code: 1 changed",
        "  ~ code cell 1 (of 1)",
        "      - lr = 0.1",
        "      + lr = 0.2",
        "        fit(lr)",
        "files: 1 changed",
        "  ~ x.csv (1 B -> 2 B)",
        "environment: 1 upgraded",
        "  ~ numpy 1 -> 2 (upgraded)",
        "config: 1 changed",
        "  ~ lr 0.1 -> 0.2 (+0.1)",
        "metrics: 1 changed",
        "  ~ acc 0.9 -> nan",
    ]


def test_it_goes_through_strict_json() -> None:
    found = json.loads(json.dumps(everything().as_dict(), allow_nan=False))
    assert found["same"] is False
    assert found["metrics"] == [
        {"kind": "changed", "key": "acc", "before": 0.9, "after": "NaN", "delta": None, "relative": None}
    ]
    assert found["code"][0]["lines"][0] == "-lr = 0.1"


def test_hostile_text_reaches_neither_page_nor_terminal() -> None:
    bad = "<script>alert(1)</script>\x1b[2J\u202e"
    found = diff_states(
        State(bad, cells("x", ids="a"), files(file(bad, "1")), {bad: Package(bad, bad)}, bad, {bad: bad}, {bad: 1}),
        State(bad, cells(bad, ids="a"), files(), {}, "", {}, {}),
    )
    page = found._repr_html_()
    assert "<script" not in page
    for text in (page, str(found)):
        assert "\x1b" not in text
        assert "\u202e" not in text
    same = diff_states(State(bad), State(bad))
    assert "<script" not in same._repr_html_()


def test_colours_come_from_the_theme_with_a_fallback() -> None:
    page = everything()._repr_html_()
    assert re.findall(r"(?:color|family):(?!var\(--jp-[\w-]+, )", page) == []


def test_what_is_long_is_folded_up_in_a_cell() -> None:
    few, many = (State("b", cells("\n".join("x" * n)), files(*(file(f"{m}", "x") for m in range(n)))) for n in (5, 100))
    assert diff_states(State("a"), few)._repr_html_().count("<details open>") == 3  # both parts and the cell
    page = diff_states(State("a"), many)._repr_html_()
    assert (page.count("<details open>"), page.count("<details>")) == (1, 2)
    assert "+ code cell 1 (of 1) (100 lines)" in page


def test_a_very_long_difference_is_cut_for_the_eye_and_whole_in_the_data() -> None:
    many = files(*(file(f"f{n:05}", "x") for n in range(5000)))
    found = diff_states(State("a"), State("b", files=many, config={"long": "x" * 10_000}))
    assert len(str(found)) < 10_000
    assert "and 4,800 lines more" in str(found)
    assert len(found.as_dict()["files"]) == 5000
