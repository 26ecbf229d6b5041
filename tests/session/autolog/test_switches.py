"""On, off, and everything as it was."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from autolog_seen import runs
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression, Ridge
from told import heard, refused

import renex_jupyter as rx
from renex_jupyter import RenexError

X, Y = load_iris(return_X_y=True)


def _below(base: type) -> list[type]:
    found = {base}
    for each in base.__subclasses__():
        found.update(_below(each))
    return list(found)


def _all_of(base: type) -> dict[str, object]:
    return {f"{each!r}{id(each)}.{name}": value for each in _below(base) for name, value in vars(each).items()}


def test_nothing_is_logged_before_autolog_is_called(project: Path) -> None:
    LinearRegression().fit(X, Y)
    assert not (project / ".renex").exists()


def test_turning_it_off_puts_back_the_very_same_functions() -> None:
    import joblib
    import sklearn.model_selection
    import sklearn.model_selection._validation as validation

    def seen() -> list[dict[str, object]]:
        places = (joblib.Parallel, sklearn.model_selection, validation)
        return [_all_of(BaseEstimator), *(dict(vars(each)) for each in places)]

    before, path = seen(), list(sys.meta_path)
    rx.autolog()
    now = seen()
    assert any(value is not before[0][name] for name, value in now[0].items() if name in before[0])
    assert "__init_subclass__" in vars(BaseEstimator)
    rx.autolog(disable=True)
    after = seen()
    for was, is_now in zip(before, after, strict=True):
        assert was.keys() == is_now.keys()
        assert [name for name, value in was.items() if is_now[name] is not value and "__" not in name] == []
    assert "__init_subclass__" not in vars(BaseEstimator)
    assert sys.meta_path == path


def test_a_library_is_turned_on_and_off_alone() -> None:
    assert rx.autolog("sklearn").on == ("sklearn",)
    assert str(rx.autolog("sklearn")) == "autolog: on for sklearn"
    said = rx.autolog("keras", "scikit-learn", models=True)
    assert "sklearn" in said.on and said.models == ("sklearn", "keras")
    assert "sklearn" not in rx.autolog("sklearn", disable=True).on
    LinearRegression().fit(X, Y)
    assert runs() == []
    assert str(rx.autolog(disable=True)) == "autolog: off"


def test_turning_it_on_twice_logs_once() -> None:
    rx.autolog("sklearn")
    rx.autolog()
    LinearRegression().fit(X, Y)
    assert runs() == ["LinearRegression"]


def test_where_somebody_patched_over_it_ours_only_passes_on() -> None:
    before = vars(Ridge)["fit"]
    rx.autolog("sklearn")
    ours = vars(Ridge)["fit"]
    calls = []

    def theirs(self: Ridge, *args: object, **kwargs: object) -> object:
        calls.append(self)
        return ours(self, *args, **kwargs)

    Ridge.fit = theirs
    try:
        rx.autolog(disable=True)
        assert vars(Ridge)["fit"] is theirs
        Ridge().fit(X, Y)
        assert len(calls) == 1 and runs() == []
        rx.autolog("sklearn")
        Ridge().fit(X, Y)
        assert len(calls) == 2 and runs() == ["Ridge"]
        rx.autolog(disable=True)
        assert vars(Ridge)["fit"] is theirs
    finally:
        Ridge.fit = before


@pytest.mark.parametrize("library", ["sklern", "torch", "", 7, None, b"sklearn"])
def test_a_library_that_it_does_not_know_is_refused_and_nothing_changes(library: object) -> None:
    with pytest.raises(RenexError) as error:
        rx.autolog("sklearn", library)  # type: ignore[arg-type]
    assert error.value.code == "invalid_argument" and error.value.hint
    LinearRegression().fit(X, Y)
    assert runs() == []


@pytest.mark.parametrize("option", ["disable", "models", "every_n_steps"])
@pytest.mark.parametrize("value", ["yes", 0, -1, 1.5])
def test_an_option_that_is_none_is_refused(option: str, value: object) -> None:
    with pytest.raises(RenexError) as error:
        rx.autolog("sklearn", **{option: value})  # type: ignore[arg-type]
    assert refused(error, value)


def test_the_answer_says_itself_in_html_without_markup() -> None:
    assert rx.autolog("sklearn")._repr_html_() == "<pre>autolog: on for sklearn</pre>"


SCRIPT = """
import json, sys
import renex_jupyter as rx
first = rx.autolog()
imported = [name for name in ("sklearn", "xgboost", "lightgbm", "joblib", "torch", "keras") if name in sys.modules]
path = [type(each).__name__ for each in sys.meta_path if type(each).__name__ == "Arrivals"]
import lightgbm
from sklearn.linear_model import LinearRegression
import sklearn.base, importlib.util
loader = type(sklearn.base.__spec__.loader).__name__, type(sklearn.base.__loader__).__name__
from sklearn.datasets import load_iris
LinearRegression().fit(*load_iris(return_X_y=True))
lightgbm.train({"verbose": -1}, lightgbm.Dataset(*load_iris(return_X_y=True)), 2)
names = rx.search_runs(order_by="started_at").name.tolist()
now = rx.autolog("keras")
off = rx.autolog(disable=True)
left = [type(each).__name__ for each in sys.meta_path if type(each).__name__ == "Arrivals"]
import xgboost
booster = xgboost.train({}, xgboost.DMatrix(*load_iris(return_X_y=True)), 2)
print(json.dumps([first.on, imported, len(path), loader, names, now.on, left, len(rx.search_runs())]))
"""


def test_what_is_imported_later_is_watched_then_and_nothing_is_imported_by_it(project: Path) -> None:
    (project / "script.py").write_text(SCRIPT)
    said = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, timeout=120, check=False)
    assert said.returncode == 0, said.stderr
    on, imported, finders, loaders, names, now, left, known = json.loads(said.stdout.splitlines()[-1])
    assert (on, imported) == ([], [])
    assert finders > 0 and left == []
    assert loaders == ["SourceFileLoader", "SourceFileLoader"]
    assert names == ["LinearRegression", "lightgbm.train"] and known == 2
    assert "sklearn" in now and "lightgbm" in now


def test_an_import_that_fails_fails_as_ever(new_keras: Callable[[str], None]) -> None:
    new_keras("raise ImportError('no backend')\n")
    rx.autolog("keras")
    with pytest.raises(ImportError, match="no backend"):
        import keras
    new_keras("class Model:\n    def fit(self):\n        return 42\n# another size\n")
    with heard() as said:
        import keras
    assert keras.Model().fit() == 42
    assert said == []


def test_a_library_that_is_not_what_it_was_is_told_once_and_works(new_keras: Callable[[str], None]) -> None:
    new_keras("def fit():\n    return 42\n")
    rx.autolog("keras")
    with heard() as said:
        import keras

        assert keras.fit() == 42
    assert len(said) == 1 and "keras" in said[0]


def test_kmeans_is_what_it_was_after_a_module_that_came_while_it_was_on() -> None:
    rx.autolog("sklearn")

    class Later(KMeans):
        pass

    assert "fit" not in vars(Later)
    Later(n_clusters=2).fit_predict(X)
    assert runs() == ["Later"]
