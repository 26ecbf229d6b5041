"""SliceFinder: the search as scikit-learn has its estimators."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import renex_jupyter as rx
from renex_jupyter.errors import RenexError

N = 600


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 80, N),
            "job": rng.choice(["clerk", "farmer", "o'neil", None], N),
            "is_night": rng.random(N) < 0.4,
        }
    )


@pytest.fixture(scope="module")
def errors(frame: pd.DataFrame) -> np.ndarray:
    rng = np.random.default_rng(4)
    bad = (frame["job"] == "farmer") & frame["is_night"]
    return (rng.random(N) < np.where(bad, 0.9, 0.05)).astype(float)


def test_the_slice_that_errs_is_first_and_has_its_numbers(frame: pd.DataFrame, errors: np.ndarray) -> None:
    finder = rx.SliceFinder(k=3).fit(frame, errors)
    best = finder.top_slices_.iloc[0]
    chosen = ((frame["job"] == "farmer") & frame["is_night"]).to_numpy()
    assert best["predicate"] == "is_night = true and job = 'farmer'"
    assert (best["size"], best["sum_error"], best["max_error"]) == (chosen.sum(), errors[chosen].sum(), 1.0)
    assert best["error_rate"] == pytest.approx(errors[chosen].mean())
    assert best["divergence"] == pytest.approx(errors[chosen].mean() - errors.mean())
    assert len(finder.top_slices_) == len(finder.predicates_) == len(finder.found_.slices) <= 3
    assert list(finder.top_slices_["score"]) == sorted(finder.top_slices_["score"], reverse=True)


def test_its_predicates_select_the_rows_that_it_counted(frame: pd.DataFrame, errors: np.ndarray) -> None:
    finder = rx.SliceFinder(k=8, alpha=0.99, min_support=10).fit(frame, errors)
    chosen = finder.transform(frame)
    assert list(chosen.sum(axis=0)) == list(finder.top_slices_["size"])
    assert list((chosen * errors[:, None]).sum(axis=0)) == list(finder.top_slices_["sum_error"])
    assert list(finder.transform(frame.iloc[:50]).sum(axis=0)) == list(chosen[:50].sum(axis=0))


def test_arrow_and_columns_of_a_mapping_give_what_a_frame_gives(frame: pd.DataFrame, errors: np.ndarray) -> None:
    expected = rx.SliceFinder().fit(frame, errors).top_slices_
    for table in (
        pa.Table.from_pandas(frame),
        {name: frame[name] for name in frame},
        frame.set_index(np.arange(N) + 7),
    ):
        pd.testing.assert_frame_equal(
            rx.SliceFinder().fit(table, pd.Series(errors, index=np.arange(N) + 7)).top_slices_, expected
        )


def test_a_polars_frame_gives_what_a_frame_gives(frame: pd.DataFrame, errors: np.ndarray) -> None:
    polars = pytest.importorskip("polars")
    expected = rx.SliceFinder().fit(frame, errors).top_slices_
    found = rx.SliceFinder().fit(polars.from_pandas(frame), polars.Series(errors)).top_slices_
    pd.testing.assert_frame_equal(found, expected)


def test_an_array_has_names_by_number_or_as_given() -> None:
    rng = np.random.default_rng(0)
    array = rng.integers(0, 4, (400, 3))
    bad = (array[:, 1] == 2).astype(float)
    assert rx.SliceFinder(k=1).fit(array, bad).top_slices_["predicate"][0].startswith("x1")
    finder = rx.SliceFinder(k=1).fit(array, bad, feature_names=["a", "b", "c"])
    assert finder.feature_names_in_ == ["a", "b", "c"] and finder.n_features_in_ == 3
    assert (finder.transform(array)[:, 0] == (array[:, 1] == 2)).all()


def test_parameters_are_read_set_and_cloned_as_scikit_learn_does() -> None:
    from sklearn.base import clone

    finder = rx.SliceFinder(k=4, alpha=0.9)
    assert clone(finder).get_params() == finder.get_params() == {**rx.SliceFinder().get_params(), "k": 4, "alpha": 0.9}
    assert finder.set_params(k=7) is finder and finder.k == 7
    assert repr(finder).startswith("SliceFinder(k=7, alpha=0.9")
    with pytest.raises(RenexError, match="no parameter 'depth'"):
        finder.set_params(depth=3)


def test_it_works_where_scikit_learn_is_not_installed() -> None:
    program = (
        "import sys; sys.modules['sklearn'] = None; sys.modules['scipy'] = None\n"
        "import numpy as np, renex_jupyter as rx\n"
        "x = np.arange(400).reshape(200, 2) % 5\n"
        "print(rx.SliceFinder(k=1).fit(x, x[:, 0] == 3).top_slices_['size'][0])"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert told.stdout.strip() == "40", told.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda e: e[:-2], "600 rows, and there are 598 errors: row 598 of X is the first without an error"),
        (lambda e: np.append(e, 0), "600 rows, and there are 601 errors: error 600 is the first without a row"),
        (lambda e: np.where(np.arange(N) == 5, -1, e), "row 5 has -1"),
        (
            lambda e: np.where(np.arange(N) >= 590, np.nan, e),
            "row 590 has nan, row 591 has nan, row 592 has nan and 7 more",
        ),
        (lambda e: np.where(np.arange(N) == 9, np.inf, e), "row 9 has inf"),
        (lambda e: ["bad"] * N, "no numbers"),
        (lambda e: e.reshape(-1, 2), "shape"),
    ],
)
def test_wrong_errors_are_refused_with_their_rows(frame: pd.DataFrame, errors: np.ndarray, change, said: str) -> None:
    with pytest.raises(RenexError, match="invalid_argument") as refused:
        rx.SliceFinder().fit(frame, change(errors))
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (lambda f: f.assign(empty=None), "column 'empty' has no value in any of its rows, 0 to 599"),
        (lambda f: f.assign(error=1), "X has a column 'error'"),
        (lambda f: f.assign(Job=1), "more than once"),
        (lambda f: f[[]], "X has no column"),
        (lambda f: f["age"].to_numpy(), "1 dimensions"),
        (lambda f: 7, "0 dimensions"),
    ],
)
def test_tables_that_cannot_be_searched_are_refused(frame: pd.DataFrame, errors: np.ndarray, table, said: str) -> None:
    with pytest.raises(RenexError, match="invalid_argument") as refused:
        rx.SliceFinder().fit(table(frame), errors)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "option",
    [{"k": 0}, {"alpha": 0}, {"alpha": 1.1}, {"min_support": 0}, {"max_level": True}, {"bins": 1}, {"time_budget": 0}],
)
def test_parameters_out_of_their_range_are_refused_when_they_are_used(
    frame: pd.DataFrame, errors: np.ndarray, option
) -> None:
    with pytest.raises(RenexError, match=next(iter(option))):
        rx.SliceFinder(**option).fit(frame, errors)


def test_what_is_asked_before_fit_is_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(RenexError, match="fit"):
        _ = rx.SliceFinder().top_slices_
    with pytest.raises(RenexError, match="fit"):
        rx.SliceFinder().transform(frame)


def test_rows_of_another_table_need_its_columns(frame: pd.DataFrame, errors: np.ndarray) -> None:
    finder = rx.SliceFinder().fit(frame, errors)
    with pytest.raises(RenexError, match="no column 'job'"):
        finder.transform(frame.drop(columns="job"))


def test_a_fit_without_errors_has_no_slices_and_says_why(frame: pd.DataFrame) -> None:
    finder = rx.SliceFinder().fit(frame, np.zeros(N))
    assert finder.top_slices_.empty and finder.found_.reason == "every error is 0"
    assert finder.transform(frame).shape == (N, 0)
