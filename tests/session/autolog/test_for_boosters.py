"""XGBoost and LightGBM, the real ones."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from autolog_seen import artifacts, keys, params, runs, series, statuses
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from told import heard

import renex_jupyter as rx

xgboost = pytest.importorskip("xgboost")
lightgbm = pytest.importorskip("lightgbm")
pytestmark = pytest.mark.filterwarnings("ignore")

X, Y = load_breast_cancer(return_X_y=True)


@pytest.fixture(autouse=True)
def on(project: Path) -> None:
    rx.autolog("xgboost", "lightgbm", "sklearn")


def _xgboost(**more: Any) -> tuple[Any, dict[str, Any]]:
    result: dict[str, Any] = {}
    data = xgboost.DMatrix(X, Y)
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 2, "eval_metric": ["auc", "logloss"]},
        data,
        5,
        evals=[(data, "train")],
        evals_result=result,
        verbose_eval=False,
        **more,
    )
    return booster, result


def _lightgbm(**more: Any) -> tuple[Any, dict[str, Any]]:
    result: dict[str, Any] = {}
    data = lightgbm.Dataset(X, Y)
    callbacks = [lightgbm.record_evaluation(result), *more.pop("callbacks", [])]
    booster = lightgbm.train(
        {"objective": "binary", "max_depth": 2, "metric": ["auc", "binary_logloss"], "verbose": -1},
        data,
        5,
        valid_sets=[data.create_valid(X, Y)],
        callbacks=callbacks,
        **more,
    )
    return booster, result


def _steps(values: list[float]) -> list[tuple[int, Any]]:
    return [(step, pytest.approx(value)) for step, value in enumerate(values)]


def test_xgboost_logs_each_evaluation_of_each_iteration() -> None:
    booster, result = _xgboost()
    assert runs() == ["xgboost.train"] and statuses() == ["finished"]
    assert series("train/auc") == _steps(result["train"]["auc"])
    assert series("train/logloss") == _steps(result["train"]["logloss"])
    assert params()["max_depth"] == "2" and params()["num_boost_round"] == "5"
    assert booster.num_boosted_rounds() == 5


def test_lightgbm_logs_each_evaluation_of_each_iteration() -> None:
    booster, result = _lightgbm()
    assert runs() == ["lightgbm.train"] and statuses() == ["finished"]
    assert series("valid_0/auc") == _steps(result["valid_0"]["auc"])
    assert series("valid_0/binary_logloss") == _steps(result["valid_0"]["binary_logloss"])
    assert params()["max_depth"] == "2" and params()["num_boost_round"] == "5"
    assert booster.num_trees() == 5


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_one_iteration_in_n_is_logged_where_that_is_asked_for(library: str) -> None:
    rx.autolog(library, every_n_steps=2)
    (_xgboost if library == "xgboost" else _lightgbm)()
    assert [step for step, _ in series("train/auc" if library == "xgboost" else "valid_0/auc")] == [0, 2, 4]


def test_early_stopping_stops_as_before_and_its_last_iteration_is_there() -> None:
    train, valid = xgboost.DMatrix(X[:300], Y[:300]), xgboost.DMatrix(X[300:], Y[300:])
    given = [xgboost.callback.EarlyStopping(2)]
    said = {"objective": "binary:logistic", "eval_metric": "error"}
    booster = xgboost.train(said, train, 200, evals=[(valid, "valid")], callbacks=given, verbose_eval=False)
    assert len(given) == 1
    assert len(series("valid/error")) == booster.num_boosted_rounds() < 200
    assert series("best_iteration") == [(0, float(booster.best_iteration))]
    data = lightgbm.Dataset(X[:300], Y[:300])
    other = lightgbm.train(
        {"objective": "binary", "metric": "binary_error", "verbose": -1},
        data,
        200,
        valid_sets=[data.create_valid(X[300:], Y[300:])],
        callbacks=[lightgbm.early_stopping(2, verbose=False)],
    )
    assert len(series("valid_0/binary_error")) == other.best_iteration + 2 < 200


def test_cross_validations_log_mean_and_spread_of_each_iteration() -> None:
    found = xgboost.cv({"objective": "binary:logistic", "eval_metric": "auc"}, xgboost.DMatrix(X, Y), 4, nfold=3)
    assert series("test/auc_mean") == _steps(list(found["test-auc-mean"]))
    assert series("test/auc_std") == _steps(list(found["test-auc-std"]))
    found = lightgbm.cv({"objective": "binary", "metric": "auc", "verbose": -1}, lightgbm.Dataset(X, Y), 4, nfold=3)
    assert series("valid/auc") == _steps(found["valid auc-mean"])
    assert series("valid/auc_std") == _steps(found["valid auc-stdv"])
    assert runs() == ["xgboost.cv", "lightgbm.cv"]


def _estimators() -> list[Any]:
    return [
        xgboost.XGBClassifier(n_estimators=3, max_depth=2, eval_metric="auc"),
        lightgbm.LGBMClassifier(n_estimators=3, max_depth=2, metric="auc", verbose=-1),
    ]


@pytest.mark.parametrize("which", [0, 1])
def test_an_estimator_is_one_run_with_its_iterations(which: int) -> None:
    model = _estimators()[which].fit(X, Y, eval_set=[(X[:100], Y[:100])])
    assert runs() == [type(model).__name__]
    key = ("validation_0/auc", "valid_0/auc")[which]
    assert [step for step, _ in series(key)] == [0, 1, 2]
    assert params()["max_depth"] == "2" and "null" not in params().values()
    assert pickle.loads(pickle.dumps(model)).predict(X).shape == Y.shape
    assert b"renex" not in pickle.dumps(model)
    assert clone(model).get_params() == model.get_params()


@pytest.mark.parametrize("which", [0, 1])
def test_many_trainings_inside_of_one_are_one_run_without_their_iterations(which: int) -> None:
    GridSearchCV(_estimators()[which], {"max_depth": [1, 2]}, cv=2, n_jobs=2).fit(X, Y)
    cross_val_score(_estimators()[which], X, Y, cv=2)
    assert runs() == ["GridSearchCV", f"cross_validate {type(_estimators()[which]).__name__}"]
    assert {key for key in keys() if key.endswith("/auc")} == set()


def test_the_last_step_of_a_pipeline_logs_its_iterations() -> None:
    model = make_pipeline(StandardScaler(), _estimators()[0])
    model.fit(X, Y, xgbclassifier__eval_set=[(X, Y)], xgbclassifier__verbose=False)
    assert runs() == ["Pipeline"] and len(series("validation_0/auc")) == 3


def test_a_training_that_fails_fails_its_run_and_raises_its_own_exception() -> None:
    def fails(*_: Any) -> Any:
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match=r"^mine$"):
        _xgboost(obj=fails)
    with pytest.raises(RuntimeError, match=r"^mine$"):
        _lightgbm(callbacks=[fails])
    assert statuses() == ["failed", "failed"]


def test_what_is_given_is_the_same_afterwards_and_the_model_is_the_same_as_without() -> None:
    callbacks: list[Any] = []
    with heard() as said:
        booster, _ = _xgboost(callbacks=callbacks)
        other, _ = _lightgbm()
    assert callbacks == [] and said == []
    rx.autolog(disable=True)
    assert bytes(_xgboost()[0].save_raw("ubj")) == bytes(booster.save_raw("ubj"))
    assert _lightgbm()[0].model_to_string() == other.model_to_string()
    assert len(runs()) == 2


def test_loading_a_model_logs_nothing(project: Path) -> None:
    rx.autolog(disable=True)
    _xgboost()[0].save_model(project / "a.ubj")
    _lightgbm()[0].save_model(project / "b.txt")
    rx.autolog()
    xgboost.Booster(model_file=project / "a.ubj").predict(xgboost.DMatrix(X))
    lightgbm.Booster(model_file=project / "b.txt").predict(X)
    assert runs() == []


def test_models_are_kept_in_the_format_of_their_library() -> None:
    rx.autolog("xgboost", "lightgbm", models=True)
    booster, _ = _xgboost()
    other, _ = _lightgbm()
    assert artifacts() == [("model.txt", "model"), ("model.ubj", "model")]
    assert other.num_trees() == 5
    found = rx.list_artifacts(name="model.ubj")
    path = rx.download_artifact(found.artifact_id[0])
    again = xgboost.Booster(model_file=path)
    assert np.array_equal(again.predict(xgboost.DMatrix(X)), booster.predict(xgboost.DMatrix(X)))


def test_turning_it_off_puts_back_the_very_same_functions() -> None:
    places = [xgboost, xgboost.training, xgboost.sklearn, lightgbm, lightgbm.engine, lightgbm.sklearn]
    places += [xgboost.XGBModel, xgboost.XGBClassifier, xgboost.XGBRFRegressor, lightgbm.LGBMModel, lightgbm.LGBMRanker]
    rx.autolog(disable=True)
    before = [dict(vars(each)) for each in places]
    rx.autolog()
    assert all(vars(each).items() != was.items() for each, was in zip(places, before, strict=True))
    rx.autolog(disable=True)
    for each, was in zip(places, before, strict=True):
        assert [name for name, value in was.items() if vars(each)[name] is not value] == []
