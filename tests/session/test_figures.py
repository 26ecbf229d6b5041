"""Figures and galleries in a cell, over a real store with datasets and predictions in it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import renex_jupyter as rx
from renex_jupyter.errors import RenexError
from renex_jupyter.records.failure_patterns import FailurePatterns

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module", autouse=True)
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pd.DataFrame]:
    """A project with a dataset of people, in which young women are often predicted wrong, and one of numbers."""
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("people")
        (root / "pyproject.toml").write_text("[project]\nname='p'\n")
        patch.chdir(root)
        rng = np.random.default_rng(0)
        n = 3000
        ages, sexes, truth = rng.integers(18, 80, n), rng.choice(["F", "M"], n), rng.choice(["no", "yes"], n)
        frame = pd.DataFrame({"age": ages, "sex": sexes, "y": truth})
        frame.loc[0, "sex"] = HOSTILE
        wrong = rng.random(n) < np.where((frame["age"] < 35) & (frame["sex"] == "F"), 0.6, 0.1)
        said = frame["y"].where(~wrong, frame["y"].map({"no": "yes", "yes": "no"}))
        sure = rng.uniform(0.5, 1, n)
        yes = np.where(said == "yes", sure, 1 - sure)
        rx.create_dataset("people", frame, target="y")
        rx.log_predictions(
            "people", said, probabilities=np.stack([1 - yes, yes], 1), classes=["no", "yes"], name="first"
        )
        rx.log_predictions("people", frame["y"], name="perfect")
        rx.create_dataset("ages", frame[["age", "sex"]], target="age")
        rx.log_predictions("ages", frame["age"] + 1.0, name="older")
        yield frame.assign(said=said)


@pytest.fixture(scope="module")
def found() -> FailurePatterns:
    return rx.failure_patterns("people", "first", record=False)


def test_failure_patterns_and_one_of_them_are_drawn(found: FailurePatterns) -> None:
    figure = rx.pattern_figure(found)
    assert len(figure.data[0].x) == len(found)
    assert found.title.split()[0] in figure.layout.title.text
    assert list(rx.pattern_figure(found[0]).data[0].x) == [found[0].error_rate]
    assert list(rx.pattern_figure(list(found)[:2]).data[0].x) == [each.error_rate for each in found[:2]]
    steps = rx.waterfall(found[0]).data[0].x
    assert sum(each for each in steps if each is not None) == pytest.approx(found[0].error_rate)


def test_a_heatmap_counts_the_samples_of_a_filter(people: pd.DataFrame) -> None:
    figure = rx.heatmap("people", "first", "age", "sex", where="age >= 30 and sex in ('F', 'M')")
    chosen = people[(people["age"] >= 30) & people["sex"].isin(["F", "M"])]
    assert f"of all {len(chosen):,}" in figure.layout.title.text
    assert list(figure.layout.yaxis.ticktext) == ["F", "M"]
    women = chosen[(chosen["sex"] == "F")]
    assert np.nanmax(np.array(figure.data[1].z[0], dtype=float)) > (women["y"] != women["said"]).mean()


def test_a_heatmap_takes_columns_whatever_their_case_and_refuses_others() -> None:
    assert rx.heatmap("people", "first", "AGE", "Sex").layout.xaxis.title.text == "age"
    for a, b, options in (
        ("age", "nothing", {}),
        ("age", "AGE", {}),
        ("age", "sex", {"bins": 1}),
        ("age", "sex", {"least": 0}),
    ):
        with pytest.raises(RenexError) as told:
            rx.heatmap("people", "first", a, b, **options)
        assert told.value.code == "invalid_argument"
    with pytest.raises(RenexError, match="no sample has a prediction"):
        rx.heatmap("people", "first", "age", "sex", where="age > 1000")


def test_a_cell_of_the_confusion_matrix_selects_its_samples(people: pd.DataFrame) -> None:
    figure = rx.confusion_figure("people", "first")
    actual, predicted = figure.data[0].customdata[1][0]
    rows = rx.confusion_samples("people", "first", actual=actual, predicted=predicted)
    wanted = people[(people["y"] == actual) & (people["said"] == predicted)]
    assert (actual, predicted) == ("yes", "no")
    assert sorted(rows["_key"], key=int) == [str(each) for each in wanted.index]
    assert list(rows.columns[:4]) == ["_key", "actual", "predicted", "score"]
    assert rows["score"].is_monotonic_decreasing
    assert len(rx.confusion_samples("people", "first", actual=actual, predicted=predicted, limit=2)) == 2
    assert len(rx.confusion_samples("people", "first", actual="yes", predicted="(no prediction)")) == 0
    assert rx.confusion_figure(rx.evaluate("people", "first", log=False)).data[0].text == figure.data[0].text
    for wrong in ({}, {"actual": "yes", "limit": -1}):
        with pytest.raises(RenexError):
            rx.confusion_samples("people", "first", **wrong)


def test_curves_calibration_and_residuals_are_drawn() -> None:
    assert "AUC" in rx.roc_figure("people", "first").data[0].name
    assert "AP" in rx.precision_recall_figure("people", "first").data[0].name
    calibration = rx.calibration("people", "first")
    drawn = rx.calibration_figure("people", "first")
    assert list(drawn.data[1].y) == [each.observed for each in calibration.bins]
    assert rx.calibration_figure(calibration).data[1].x == drawn.data[1].x
    assert set(rx.residual_figure("ages").data[0].y) == {-1.0}


def test_two_sets_of_predictions_are_drawn_side_by_side() -> None:
    figure = rx.comparison_figure("people", "first", "perfect")
    assert figure.data[-1].x[0] == 0.0 < figure.data[-2].x[0]
    compared = rx.compare_predictions("people", "first", "perfect")
    assert rx.comparison_figure(compared).data[-2].x == figure.data[-2].x


def test_drift_is_drawn(people: pd.DataFrame) -> None:
    rx.create_dataset("older people", people.assign(age=people["age"] + 20)[["age", "sex", "y"]], target="y")
    report = rx.drift("people", "older people", record=False)
    assert len(rx.drift_figure(report).data[0].y) == len(report.results)


def test_what_is_no_result_is_refused() -> None:
    for draw, what in (
        (rx.pattern_figure, "people"),
        (rx.pattern_figure, 3),
        (rx.waterfall, "people"),
        (rx.drift_figure, None),
    ):
        with pytest.raises(RenexError) as told:
            draw(what)
        assert told.value.code == "invalid_argument"


def test_a_gallery_of_a_pattern_shows_what_is_wrong_first(found: FailurePatterns, people: pd.DataFrame) -> None:
    pattern = found[0]
    gallery = rx.sample_gallery(pattern, predictions="first", limit=10)
    assert gallery.total == pattern.support + (pattern.holdout_support or 0)
    assert all(people.loc[int(each.key), "y"] != people.loc[int(each.key), "said"] for each in gallery.samples)
    assert gallery.samples[0].verdict.endswith("✗") and len(gallery.keys) == 10
    assert "age" in gallery.columns and pattern.predicate_text in str(gallery)


def test_a_gallery_needs_no_predictions_and_shows_the_columns_that_are_asked_for() -> None:
    rx.create_dataset("alone", pd.DataFrame({"a": [1.5, None], "b": [HOSTILE, "x"]}))
    gallery = rx.sample_gallery("alone", columns=["B"], where="a is null")
    assert (gallery.columns, gallery.samples[0].values, gallery.total) == (("b",), ("x",), 1)
    page = rx.sample_gallery("alone")._repr_html_()
    assert "<img" not in page and "&lt;img" in page and "<table" in page
    for wrong in ({"limit": 0}, {"limit": 10_000}, {"columns": "b"}, {"columns": ["c"]}, {"where": "nothing = 1"}):
        with pytest.raises(RenexError):
            rx.sample_gallery("alone", **wrong)
    with pytest.raises(RenexError) as told:
        rx.sample_gallery("alone", predictions="missing")
    assert told.value.code == "not_found"


def test_a_gallery_filters_by_what_was_predicted(people: pd.DataFrame) -> None:
    gallery = rx.sample_gallery("people", where="predicted = 'yes' and actual = 'no'", predictions="first", limit=3)
    assert gallery.total == ((people["said"] == "yes") & (people["y"] == "no")).sum()


def pictures(gallery: Any) -> list[bool]:
    return [each.image is not None for each in gallery.samples]


def test_pictures_are_read_from_files_and_what_is_none_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "b.png").write_text("<svg onload=alert(1)>")
    secret = tmp_path / "secret.txt"
    secret.write_text("password")
    paths = [str(tmp_path / "a.png"), str(tmp_path / "b.png"), str(secret), str(tmp_path / "none.png"), str(tmp_path)]
    rx.create_dataset("files", pd.DataFrame({"image": paths}), image="image")
    gallery = rx.sample_gallery("files")
    assert pictures(gallery) == [True, False, False, False, False]
    assert gallery.note is not None and gallery.note.startswith("4 of the pictures")
    page = gallery._repr_html_()
    assert page.count('<img alt="0" src="data:image/png;base64,') == 1 == page.count("<img")
    assert "onload" not in page and "password" not in page


def test_pictures_are_read_from_a_folder_of_images(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(PNG)
    rx.create_dataset("animals", tmp_path, format="imagefolder")
    gallery = rx.sample_gallery("animals")
    assert pictures(gallery) == [True, True] and gallery.note is None


def test_pictures_are_read_from_bytes_and_numbers() -> None:
    rx.create_dataset("bytes", pd.DataFrame({"image": [PNG, b"GIF87a but no", b"no"]}), image="image")
    assert pictures(rx.sample_gallery("bytes")) == [True, True, False]  # a browser shows nothing of the second
    rx.create_dataset("numbers", pd.DataFrame({"image": [[0.0] * 63 + [16.0], [1.0] * 63]}), image="image")
    assert pictures(rx.sample_gallery("numbers")) == [True, False]
