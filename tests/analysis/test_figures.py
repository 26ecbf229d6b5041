"""Figures as plain dicts: what they say, and that stored text stays text."""

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from renex_jupyter.analysis.error_grid import NONE, OTHERS, error_grid
from renex_jupyter.analysis.figures import ink
from renex_jupyter.analysis.figures.comparison import comparison_figure
from renex_jupyter.analysis.figures.confusion import MOST_CLASSES, confusion_figure
from renex_jupyter.analysis.figures.curves import calibration_figure, precision_recall_figure, roc_figure
from renex_jupyter.analysis.figures.drift import drift_figure
from renex_jupyter.analysis.figures.heatmap import heatmap_figure
from renex_jupyter.analysis.figures.patterns import MOST, pattern_figure
from renex_jupyter.analysis.figures.residuals import residual_figure
from renex_jupyter.analysis.figures.waterfall import by_condition, waterfall_figure
from renex_jupyter.errors import RenexError
from renex_jupyter.records.changes import now
from renex_jupyter.records.comparisons import Comparison, Place
from renex_jupyter.records.drift import ColumnDrift, ColumnWindow, DriftReport
from renex_jupyter.records.evaluations import NO_PREDICTION, NO_TRUTH, Calibration, CalibrationBin, Count
from renex_jupyter.records.predicates import Condition, every
from renex_jupyter.store.workbench import Workbench

HOSTILE = "<img src=x onerror=alert(1)><a href='javascript:x'>b</a>%{y}$x$\x1b[31m\u202e"
OUR_OWN = ("hovertemplate", "texttemplate", "tickformat", "customdata")  # no stored text is in them, or it is not drawn
PATTERN: dict[str, Any] = {
    "failure_pattern_id": "p", "predicate_text": "age < 30", "status": "confirmed", "support": 120, "error_rate": 0.4,
    "base_rate": 0.1, "holdout_support": 110, "holdout_error_rate": 0.35, "holdout_base_rate": 0.11, "adjusted_p_value": 1e-9,
}  # fmt: skip


def is_harmless(figure: dict[str, Any]) -> bool:
    """Say whether nothing of the hostile text could be markup, a link, a template, MathJax or a control."""
    said = _texts(figure)
    return all(
        not any(bad in each.replace("<br>", "") for bad in ("<", "$", "%", "\x1b", "\u202e")) for each in said
    ) and any("&lt;img" in each for each in said)


def _texts(what: Any) -> list[str]:
    if isinstance(what, dict):
        return [text for key, each in what.items() if key not in OUR_OWN for text in _texts(each)]
    if isinstance(what, (list, tuple)):
        return [text for each in what for text in _texts(each)]
    return [what] if isinstance(what, str) else []


def plain(figure: dict[str, Any]) -> dict[str, Any]:
    """Have a figure pass through JSON, as to a page."""
    return dict(json.loads(json.dumps(figure, allow_nan=False)))


def test_a_pattern_is_drawn_with_both_error_rates_beside_those_of_all_samples() -> None:
    weak = {**PATTERN, "status": "not confirmed", "holdout_error_rate": 0.1}
    figure = plain(pattern_figure([PATTERN, weak]))
    found, tested, base, other = figure["data"]
    assert (found["x"], tested["x"]) == ([0.4, 0.4], [0.35, 0.1])
    assert found["text"] == ["40 &#37; of 120"] * 2
    assert (base["x"][0], other["x"][0]) == (0.1, 0.11)
    names = [each["text"] for each in figure["layout"]["annotations"]]
    assert names == ["✓ confirmed: age &lt; 30", "✗ not confirmed: age &lt; 30"]
    assert found["marker"]["opacity"] == [1.0, 0.45]


def test_patterns_without_a_split_have_one_bar_each() -> None:
    alone = {key: None if key.startswith("holdout") else value for key, value in PATTERN.items()}
    figure = plain(pattern_figure([alone]))
    assert [each["type"] for each in figure["data"]] == ["bar", "scatter"]


def test_no_pattern_is_an_empty_figure_and_of_too_many_the_first_are_shown() -> None:
    assert pattern_figure([])["data"] == []
    assert len(pattern_figure([PATTERN] * (MOST + 5))["data"][0]["x"]) == MOST


def test_an_error_that_is_no_share_is_written_as_a_number() -> None:
    figure = pattern_figure([{**PATTERN, "error_rate": 2.5}], error="log_loss")
    assert figure["data"][0]["text"] == ["2.5 of 120"]
    assert figure["layout"]["xaxis"]["tickformat"] == ""


def test_a_waterfall_ends_at_the_rate_of_the_pattern() -> None:
    figure = plain(waterfall_figure({"a": 0.05, "b": 0.2, "c": -0.01}, 0.1))
    [steps] = figure["data"]
    assert steps["x"] == [0.1, 0.2, 0.05, -0.01, None]
    assert steps["text"] == ["10 &#37;", "+20 &#37;", "+5 &#37;", "-1 &#37;", "34 &#37;"]
    assert steps["measure"][-1] == "total"


def test_contributions_of_columns_are_named_by_their_condition() -> None:
    both = every(Condition("age", "<", 30), Condition("words", "contains", "a"), Condition("words", "contains", "b"))
    assert by_condition({"age": 0.1, "words": 0.2, "more": 0.3}, both) == {"age < 30": 0.1, "words": 0.2, "more": 0.3}


@pytest.fixture
def samples() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    n = 4000
    frame = pd.DataFrame({"age": rng.integers(18, 90, n).astype(float), "sex": rng.choice(["F", "M"], n)})
    frame.loc[::10, "age"] = math.nan
    frame["error"] = (rng.random(n) < 0.1).astype(float)
    frame.loc[5::100, "error"] = math.nan
    return frame


def test_a_grid_counts_every_sample_that_has_an_error_once(samples: pd.DataFrame) -> None:
    with Workbench(threads=1) as bench:
        bench.take("given", samples)
        bench.run("create table t as select age, sex, case when not isnan(error) then error end as error from given")
        grid = error_grid(bench, "t", "age", "sex")
    known = samples[samples["error"].notna()]
    assert sum(cell.n for row in grid.cells for cell in row) == len(known) == grid.n
    assert grid.base_rate == pytest.approx(known["error"].mean())
    assert (len(grid.a_labels), grid.a_labels[-1], grid.b_labels) == (9, NONE, ("F", "M"))
    women, nobody = known[known["sex"] == "F"], known[(known["sex"] == "F") & known["age"].isna()]
    assert sum(cell.n for cell in grid.cells[0]) == len(women)
    assert grid.cells[0][-1].n == len(nobody)
    assert grid.cells[0][-1].rate == pytest.approx(nobody["error"].mean())
    counts = [sum(row[place].n for row in grid.cells) for place in range(8)]
    assert max(counts) < 1.5 * min(counts)  # about as many in each quantile


def test_the_rarer_values_of_a_column_are_one_part() -> None:
    values = [letter for place, letter in enumerate("abcdefghijkl") for _ in range(100 - place)]
    with Workbench(threads=1) as bench:
        bench.take("given", pd.DataFrame({"a": values, "b": [n % 3 for n in range(len(values))], "error": 1.0}))
        bench.run("create table t as from given")
        grid = error_grid(bench, "t", "a", "b", bins=4)
    assert grid.a_labels == ("a", "b", "c", "d", OTHERS)
    assert grid.b_labels == ("0", "1", "2")
    assert sum(row[-1].n for row in grid.cells) == sum(100 - place for place in range(4, 12))


def test_values_of_any_text_are_parts_of_a_grid() -> None:
    strange = ["it's", '"', "\\", "\u202e", "a,b", ""]
    with Workbench(threads=1) as bench:
        bench.take("given", pd.DataFrame({"a b'": strange * 30, 'c"': [True] * 180, "error": 0.5}))
        bench.run("create table t as from given")
        grid = error_grid(bench, "t", "a b'", 'c"')
    assert set(grid.a_labels) == set(strange) and grid.b_labels == ("true",)
    assert [cell.n for cell in grid.cells[0]] == [30] * 6


def test_a_grid_of_an_unknown_column_and_of_no_errors_is_refused() -> None:
    with Workbench(threads=1) as bench:
        bench.run("create table t as select 1 as a, 2 as b, null::double as error")
        with pytest.raises(RenexError, match="there is no column 'x'"):
            error_grid(bench, "t", "a", "x")
        with pytest.raises(RenexError, match="no sample has a prediction"):
            error_grid(bench, "t", "a", "b")


def test_a_cell_with_too_few_samples_is_grey_and_says_how_many() -> None:
    with Workbench(threads=1) as bench:
        bench.run(
            "create table t as select i % 2 as a, (i = 0)::int as b, (i % 4)::double / 4 as error from range(100) r(i)"
        )
        grid = error_grid(bench, "t", "a", "b")
    small, known = plain(heatmap_figure(grid))["data"]
    assert small["z"] == [[None, None], [0, None]]
    assert known["z"][1] == [None, None] and None not in known["z"][0]
    assert small["text"][1] == ["0 &#37;<br>n 1", ""]
    assert "fewer than 20" in small["hovertext"][1][0]


def test_confusion_is_coloured_by_share_of_the_row_and_its_cells_name_their_samples() -> None:
    counts = [Count("cat", "cat", 90), Count("cat", "dog", 10), Count("dog", "dog", 3), Count(None, "dog", 2)]
    counts += [Count("dog", None, 1)]
    [data] = plain(confusion_figure(counts, ["dog", "cat"]))["data"]
    assert data["z"] == [[0.75, 0, 0.25], [0.1, 0.9, 0], [1, 0, 0]]
    assert data["customdata"][1][0] == ["cat", "dog"] and data["customdata"][2][0] == [None, "dog"]
    assert data["text"][1] == ["10", "90", ""]
    layout = confusion_figure(counts)["layout"]
    assert layout["xaxis"]["ticktext"][-1] == ink.wrapped(NO_PREDICTION, 16, 1)
    assert layout["yaxis"]["ticktext"][-1] == ink.wrapped(NO_TRUTH, 16, 1)


def test_of_very_many_classes_the_most_frequent_are_shown_and_it_is_said() -> None:
    counts = [Count(f"c{n:03}", f"c{n:03}", n + 1) for n in range(300)]
    figure = confusion_figure(counts)
    assert len(figure["data"][0]["z"]) == MOST_CLASSES
    assert "260 rarer classes are not shown" in figure["layout"]["title"]["text"]
    assert figure["layout"]["yaxis"]["ticktext"][-1] == "c299"


def test_curves_have_a_line_per_class_and_chance() -> None:
    frame = pd.DataFrame({"fpr": [0, 0.5, 1], "tpr": [0, 0.9, 1], "threshold": [math.inf, 0.5, 0.1]})
    line, chance = plain(roc_figure({"yes": frame}, {"yes": 0.7}))["data"]
    assert (line["name"], line["text"], chance["x"]) == ("yes (AUC 0.700)", ["", "from 0.5", "from 0.1"], [0, 1])
    curve = pd.DataFrame({"recall": [1, 0.0], "precision": [0.5, 1], "threshold": [0.1, math.nan]})
    many = {f"c{n}": curve for n in range(20)}
    figure = plain(precision_recall_figure(many))
    assert len(figure["data"]) == 12 and "8 more classes" in figure["layout"]["title"]["text"]


def test_calibration_shows_each_bin_and_what_it_should_be() -> None:
    bins = (CalibrationBin(0, 0.5, 100, 0.2, 0.3), CalibrationBin(0.5, 1, 25, 0.8, 0.6))
    found = Calibration(HOSTILE, 125, "uniform", bins, 0.12, 0.2, 0.1, 0.0, 0.0, 0.0, 0.0)
    ideal, marks = plain(calibration_figure(found))["data"]
    assert (ideal["x"], marks["x"], marks["y"]) == ([0, 1], [0.2, 0.8], [0.3, 0.6])
    assert marks["marker"]["size"] == [20, 13]
    assert is_harmless(calibration_figure(found))


def test_residuals_show_samples_and_the_range_of_all() -> None:
    sample = pd.DataFrame({"_key": [HOSTILE, "b"], "residual": [1.0, math.nan], "by": [2.0, 3.0]})
    bins = pd.DataFrame({"low": [0.0, 2], "high": [2.0, 4], "median": [0.0, 0.1], "q05": [-1.0, -2], "q95": [1.0, 2]})
    figure = residual_figure(sample, bins, by=HOSTILE)
    dots, high, middle, low = plain(figure)["data"]
    assert (dots["y"], middle["x"], high["y"], low["y"]) == ([1.0, None], [1, 3], [1, 2], [-1, -2])
    assert is_harmless(figure)


def report(*results: ColumnDrift) -> DriftReport:
    return DriftReport("r", "d", "v1", "v2", now(), "investigate", HOSTILE, results)


def test_drift_is_a_strip_per_column_the_worst_first() -> None:
    results = [
        ColumnDrift("calm", "numeric", "none", psi=0.01, floor=0.05),
        ColumnDrift(HOSTILE, "numeric", "alert", psi=0.9),
    ]
    figure = drift_figure(report(*results))
    bars, floors = plain(figure)["data"]
    assert (bars["x"], floors["x"]) == ([0.9, 0.01], [None, 0.05])
    assert [each[0] for each in figure["layout"]["yaxis"]["ticktext"]] == ["▲", "✓"]
    assert is_harmless(figure)
    assert drift_figure(report())["data"] == []


def test_drift_by_windows_is_a_cell_per_window() -> None:
    windows = (ColumnWindow("w1", 100, 0.02, 0.05, level="none"), ColumnWindow("w2", 100, 0.5, 0.05, level="alert"))
    figure = plain(drift_figure(report(ColumnDrift("age", "numeric", "alert", windows=windows))))
    [cells] = figure["data"]
    assert (cells["z"], cells["text"]) == ([[0.02, 0.5]], [["", "▲"]])
    assert figure["layout"]["xaxis"]["ticktext"] == ["w1", "w2"]


def compared(**columns: Any) -> Comparison:
    places = (Place("class", HOSTILE, 50, 0.2, 0.3, 0.1, 1, 6, 0.01), Place("slice", "b", 50, 0.2, 0.1, -0.1, 6, 1))
    given = {"n": 100, "error_a": 0.2, "error_b": 0.15, "difference": -0.05, "fixed": 8, "broken": 3, "places": places}
    return Comparison(
        "d:1", "v", HOSTILE, "second", "a", "b", "error", **{"only_a": 0, "only_b": 0, **given, **columns}
    )


def test_a_comparison_begins_with_all_samples_and_marks_what_is_better_and_worse() -> None:
    figure = comparison_figure(compared())
    assert [each["text"][0] for each in figure["layout"]["annotations"]] == ["▼", "▲", "▼"]
    *lines, first, second = plain(figure)["data"]
    assert (first["x"], second["x"], len(lines)) == ([0.2] * 3, [0.15, 0.3, 0.1], 3)
    assert "8 fixed, 3 broken of 100" in figure["layout"]["title"]["text"]
    assert is_harmless(figure)
    assert comparison_figure(compared(error_a=None, error_b=None, n=0, places=()))["data"] == []


def test_stored_text_is_never_markup_a_link_a_template_or_a_control() -> None:
    hostile = {**PATTERN, "predicate_text": HOSTILE, "status": HOSTILE}
    with Workbench(threads=1) as bench:
        bench.take("given", pd.DataFrame({"a": [HOSTILE] * 40, "b": [1] * 40, "error": 0.5}))
        bench.run("create table t as from given")
        grid = error_grid(bench, "t", "a", "b")
    for figure in (
        pattern_figure([hostile], title=HOSTILE),
        waterfall_figure({HOSTILE: 0.1, "b": 0.2}, 0.1, title=HOSTILE),
        heatmap_figure(grid, title=HOSTILE),
        confusion_figure([Count(HOSTILE, HOSTILE, 3)], title=HOSTILE),
        roc_figure({HOSTILE: pd.DataFrame({"fpr": [0.0], "tpr": [1.0], "threshold": [0.5]})}, title=HOSTILE),
    ):
        assert is_harmless(figure)


def test_a_text_is_wrapped_and_what_is_cut_off_ends_in_dots() -> None:
    assert ink.wrapped("one two three", 8) == "one two<br>three"
    assert ink.wrapped("word " * 100, 20, 2).endswith(" …")
    assert ink.wrapped("", 20) == ""
    assert len(ink.escaped("x" * 10_000)) < 400
