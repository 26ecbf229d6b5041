"""scikit-learn, the real one."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from autolog_seen import artifacts, events, keys, params, runs, series, statuses
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.cluster import DBSCAN, KMeans
from sklearn.datasets import load_diabetes, load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier, StackingClassifier, VotingClassifier
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from told import heard, rows

import renex_jupyter as rx

X, Y = load_iris(return_X_y=True)


@pytest.fixture(autouse=True)
def on(project: Path) -> None:
    rx.autolog("sklearn")


def _tree(**more: Any) -> DecisionTreeClassifier:
    return DecisionTreeClassifier(max_depth=2, random_state=0, **more)


def test_a_fit_without_an_open_run_is_a_run_of_its_own() -> None:
    model = _tree()
    with heard() as said:
        assert model.fit(X, Y) is model
    assert said == []
    assert runs() == ["DecisionTreeClassifier"] and statuses() == ["finished"]
    assert rx.active_run() is None
    assert params()["max_depth"] == "2" and params()["criterion"] == "gini"
    assert series("training/accuracy") == [(0, pytest.approx(model.score(X, Y)))]
    assert series("training/rows") == [(0, 150.0)] and series("training/columns") == [(0, 4.0)]
    assert {"training/f1", "training/precision", "training/recall", "training/seconds"} <= keys()
    assert events() == [("fit", "start"), ("fit", "finish")]
    tags = {each["key"]: each["value"] for each in rows("select key, value from tags")}
    assert tags["autolog"] == "sklearn" and tags["estimator"] == "sklearn.tree._classes.DecisionTreeClassifier"
    assert artifacts() == []


def test_a_fit_logs_on_the_open_run_and_leaves_it_open() -> None:
    with rx.start_run("mine") as run:
        _tree().fit(X, Y)
        assert rx.active_run() is run
        _tree().fit(X, Y)
    assert runs() == ["mine"] and len(series("training/accuracy")) == 2


def test_a_regressor_says_how_well_it_fits() -> None:
    features, target = load_diabetes(return_X_y=True, as_frame=True)
    model = LinearRegression().fit(features, target)
    assert series("training/r2") == [(0, pytest.approx(model.score(features, target)))]
    assert {"training/mae", "training/rmse"} <= keys()


def test_losses_of_an_estimator_are_a_series() -> None:
    model = MLPClassifier((4,), max_iter=5, random_state=0)
    model.fit(X, Y)
    assert series("training/loss") == [(step, pytest.approx(loss)) for step, loss in enumerate(model.loss_curve_)]
    assert series("training/n_iter") == [(0, 5.0)]


def test_a_pipeline_is_one_run_with_the_params_of_its_steps() -> None:
    make_pipeline(StandardScaler(), PCA(2), _tree()).fit(X, Y)
    assert runs() == ["Pipeline"]
    assert params()["decisiontreeclassifier__max_depth"] == "2" and params()["pca__n_components"] == "2"


def test_preparing_data_opens_no_run() -> None:
    StandardScaler().fit_transform(X)
    PCA(2).fit(X)
    SelectFromModel(_tree()).fit(X, Y)
    make_pipeline(StandardScaler(), PCA(2)).fit_transform(X)
    assert runs() == []


@pytest.mark.parametrize("jobs", [None, 2])
def test_a_grid_search_is_one_run_with_its_candidates(jobs: int | None) -> None:
    search = GridSearchCV(_tree(), {"min_samples_leaf": [1, 40]}, n_jobs=jobs, cv=3).fit(X, Y)
    assert runs() == ["GridSearchCV"]
    assert params()["best/min_samples_leaf"] == str(search.best_params_["min_samples_leaf"])
    assert series("cv/best_score") == [(0, pytest.approx(search.best_score_))]
    scores = search.cv_results_["mean_test_score"]
    assert series("cv/mean_test_score") == [(step, pytest.approx(score)) for step, score in enumerate(scores)]
    assert artifacts() == [("cv_results", "table")]
    table = rx.load_table("cv_results")
    assert table["mean_test_score"].tolist() == pytest.approx(list(scores))
    assert table["param_min_samples_leaf"].tolist() == [1, 40]
    assert search.predict(X).shape == (150,)


def test_candidates_of_several_kinds_are_kept_as_a_table() -> None:
    several = [{"max_features": [None, "sqrt", 2, 0.5]}, {"class_weight": [{0: 1, 1: 2, 2: 3}, "balanced"]}]
    with heard() as said:
        GridSearchCV(_tree(), several, cv=2).fit(X, Y)
    assert said == []
    table = rx.load_table("cv_results")
    assert table["param_max_features"].fillna("").tolist() == ["", "sqrt", "2", "0.5", "", ""]
    assert table["params"][4] == '{"class_weight": {"0": 1, "1": 2, "2": 3}}'


@pytest.mark.parametrize("backend", ["threading", "multiprocessing", "loky"])
def test_workers_of_joblib_open_no_runs(backend: str) -> None:
    import joblib

    with joblib.parallel_backend(backend, n_jobs=2):
        voting = VotingClassifier([("a", _tree()), ("b", LogisticRegression(max_iter=500))], n_jobs=2)
        GridSearchCV(voting, {"voting": ["hard", "soft"]}, cv=2).fit(X, Y)
        StackingClassifier([("a", _tree())], cv=2, n_jobs=2).fit(X, Y)
    assert runs() == ["GridSearchCV", "StackingClassifier"]


def test_a_forest_in_threads_is_one_run() -> None:
    RandomForestClassifier(20, n_jobs=4).fit(X, Y)
    assert runs() == ["RandomForestClassifier"]


def test_a_cross_validation_is_one_run_with_a_score_per_fold() -> None:
    scores = cross_val_score(_tree(), X, Y, cv=4)
    assert runs() == ["cross_validate DecisionTreeClassifier"]
    assert series("cv/test_score") == [(fold, pytest.approx(score)) for fold, score in enumerate(scores)]
    assert series("cv/test_score_mean") == [(0, pytest.approx(scores.mean()))]


@pytest.mark.parametrize("jobs", [None, 2])
def test_a_cross_validation_that_was_imported_before_opens_no_runs_of_its_folds(jobs: int | None) -> None:
    found = cross_validate(_tree(), X, Y, cv=3, n_jobs=jobs)
    assert len(found["test_score"]) == 3
    assert runs() == []
    _tree().fit(X, Y)
    assert runs() == ["DecisionTreeClassifier"]


def test_methods_that_call_each_other_are_one_fit() -> None:
    GaussianMixture(2).fit(X)
    GaussianMixture(2).fit_predict(X)
    DBSCAN().fit_predict(X)
    KMeans(2, n_init=1).fit_transform(X)
    assert runs() == ["GaussianMixture", "GaussianMixture", "DBSCAN", "KMeans"]


def test_loading_copying_and_asking_a_model_logs_nothing() -> None:
    rx.autolog("sklearn", disable=True)
    model = _tree().fit(X, Y)
    rx.autolog("sklearn")
    again = pickle.loads(pickle.dumps(model))
    clone(again)
    copy.deepcopy(again).predict(X)
    assert again.score(X, Y) == model.score(X, Y)
    assert runs() == []


def test_estimators_and_their_methods_are_pickled_as_before() -> None:
    model = _tree()
    assert pickle.loads(pickle.dumps(model.fit)).__self__.max_depth == 2
    assert pickle.loads(pickle.dumps(DecisionTreeClassifier.fit)) is DecisionTreeClassifier.fit
    assert pickle.dumps(model.fit(X, Y))
    rx.autolog(disable=True)
    assert b"renex" not in pickle.dumps(model)


def test_an_estimator_of_a_notebook_goes_to_workers_as_it_is() -> None:
    class Mine(ClassifierMixin, BaseEstimator):
        def fit(self, features: Any, target: Any) -> Mine:
            self.classes_ = np.unique(target)
            return self

        def predict(self, features: Any) -> Any:
            return np.full(len(features), self.classes_[0])

    assert not hasattr(Mine.fit, "__wrapped__")
    GridSearchCV(Mine(), {}, n_jobs=2, cv=2).fit(X, Y)
    assert runs() == ["GridSearchCV"]


def test_a_fit_that_fails_fails_its_run_and_raises_its_own_exception() -> None:
    with pytest.raises(ValueError, match="Number of labels=149") as error:
        _tree().fit(X, Y[:-1])
    assert statuses() == ["failed"] and rx.active_run() is None
    assert "Number of labels=149" in rows("select error from runs")[0]["error"]
    assert error.value.__context__ is None
    with rx.start_run("mine") as run:
        with pytest.raises(ValueError, match="Number of labels=149"):
            _tree().fit(X, Y[:-1])
        assert rx.active_run() is run
    assert statuses() == ["failed", "finished"]


def test_an_interrupt_stops_the_run_and_passes() -> None:
    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        GridSearchCV(_tree(), {}, scoring=interrupted, cv=2).fit(X, Y)
    assert statuses() == ["stopped"] and rx.active_run() is None


def test_a_store_that_cannot_be_written_costs_a_warning_and_no_fit(project: Path) -> None:
    (project / ".renex").write_text("in the way")
    with heard() as said:
        model = _tree().fit(X, Y)
    assert model.score(X, Y) > 0.9
    assert len(said) == 1 and "the training itself goes on" in said[0]


class Hostile(DecisionTreeClassifier):
    """Raises whenever it is asked for anything that training does not ask for."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        if deep:
            raise RuntimeError("no params")
        return super().get_params(deep=False)

    def predict(self, features: Any, check_input: bool = True) -> Any:
        raise RuntimeError("no predictions")

    def __repr__(self) -> str:
        raise RuntimeError("no text")


def test_whatever_an_estimator_raises_when_it_is_asked_is_one_warning() -> None:
    with heard() as said:
        model = Hostile(max_depth=1).fit(X, Y)
    assert model.tree_.node_count == 3
    assert len(said) == 1 and "no params" in said[0]
    assert runs() == ["Hostile"] and statuses() == ["finished"]
    assert "training/seconds" in keys()


def test_where_warnings_are_errors_a_fault_of_ours_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Hostile().fit(X, Y)
    assert "no params" in capsys.readouterr().err


def test_params_are_kept_short_and_as_json_says_them() -> None:
    model = GridSearchCV(
        _tree(class_weight={0: 1, 1: np.float32(2)}), {"max_depth": range(1, 3)}, scoring=lambda *_: 0.5
    )
    model.fit(X, Y)
    said = params()
    assert "at 0x" not in "".join(said.values())
    assert said["estimator"] == "DecisionTreeClassifier"
    assert said["estimator__class_weight"] == '{"0":1,"1":2.0}'


def test_threads_that_fit_at_once_have_a_run_each() -> None:
    go = threading.Barrier(4)
    failed: list[Exception] = []

    def fit() -> None:
        try:
            go.wait(60)
            _tree().fit(X, Y)
        except Exception as error:  # noqa: BLE001  told below
            failed.append(error)

    threads = [threading.Thread(target=fit) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert failed == []
    assert runs() == ["DecisionTreeClassifier"] * 4 and set(statuses()) == {"finished"}
    per_run = rows("select count(*) as points from metrics where key = 'training/accuracy' group by run_id")
    assert [each["points"] for each in per_run] == [1] * 4


def _fit_in_a_worker(_: int) -> float:
    return float(_tree().fit(X, Y).score(X, Y))


@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_a_worker_process_opens_no_run(way: str) -> None:
    with multiprocessing.get_context(way).Pool(2) as pool:
        assert min(pool.map(_fit_in_a_worker, range(4))) > 0.9
    assert runs() == []
    with rx.start_run("mine"), multiprocessing.get_context(way).Pool(2) as pool:
        pool.map(_fit_in_a_worker, range(4))
    assert runs() == ["mine"] and keys() == set()


SPAWNING = """
import multiprocessing
from sklearn.linear_model import LinearRegression
import renex_jupyter as rx

rx.autolog("sklearn")  # also in each worker, which imports this script

def fit(number):
    return LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0]).n_features_in_

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(fit, range(2)) == [1, 1]
    fit(0)
"""


def test_a_worker_that_imports_the_script_again_opens_no_run(project: Path) -> None:
    (project / "script.py").write_text(SPAWNING)
    subprocess.run([sys.executable, "script.py"], timeout=200, check=True)
    assert runs() == ["LinearRegression"]


FORKING = """
import multiprocessing
from sklearn.linear_model import LinearRegression
import renex_jupyter as rx

rx.autolog("sklearn")

def fit():
    with rx.start_run("own", nested=True):
        LinearRegression().fit([[1.0], [2.0], [3.0]], [1.0, 2.0, 3.0])

process = multiprocessing.get_context("fork").Process(target=fit)
process.start()
process.join()
assert process.exitcode == 0
"""


def test_a_worker_logs_on_a_run_that_it_opened_itself(project: Path) -> None:
    (project / "script.py").write_text(FORKING)  # a process of tests has threads that a fork would leave behind
    subprocess.run([sys.executable, "script.py"], timeout=200, check=True)
    assert runs() == ["own"] and "training/r2" in keys()


def test_a_run_that_is_opened_while_it_trains_is_part_of_it() -> None:
    class Inner(LinearRegression):
        def _decision_function(self, features: Any) -> Any:
            with rx.start_run("inside"):
                rx.log_metric("seen", 1.0)
            return super()._decision_function(features)

    Inner().fit(X, Y)
    found = rows("select name, parent_run_id is not null as nested, status from runs order by name")
    assert {(each["name"], each["nested"], each["status"]) for each in found} == {
        ("Inner", False, "finished"),
        ("inside", True, "finished"),
    }


def test_frames_lists_and_one_row_are_data_too() -> None:
    KMeans(2, n_init=1).fit(pd.DataFrame(X))
    _tree().fit(X.tolist(), Y.tolist())
    DecisionTreeClassifier().fit([[1.0]], [1])
    assert len(series("training/rows")) == 3
    assert len(series("training/accuracy")) == 1


def test_a_prediction_that_would_take_long_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from renex_jupyter.session.autolog import for_sklearn

    monkeypatch.setattr(for_sklearn, "MOST_SECONDS", 0.0)
    _tree().fit(X, Y)
    assert "training/accuracy" not in keys() and "training/rows" in keys()


def test_models_are_kept_where_they_are_asked_for() -> None:
    rx.autolog("sklearn", models=True)
    model = _tree().fit(X, Y)
    assert artifacts() == [("model.pkl", "model")]
    again = pickle.loads(rx.download_artifact(rx.list_artifacts(kind="model").artifact_id[0]).read_bytes())
    assert np.array_equal(again.predict(X), model.predict(X))
