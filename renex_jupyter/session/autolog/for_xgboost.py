"""XGBoost: `train`, `cv` and the estimators; each evaluation of each iteration, by a callback."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from typing import Any

from renex_jupyter.session.autolog.fits import Fit, Options, fit_with_curves, outermost
from renex_jupyter.session.autolog.kept_models import keep_data
from renex_jupyter.session.autolog.patching import Call, Patch, watch

LIBRARY = "xgboost"
ESTIMATORS = ("XGBModel", "XGBClassifier", "XGBRegressor", "XGBRanker", "XGBRFClassifier", "XGBRFRegressor")
SAID = ("num_boost_round", "early_stopping_rounds", "maximize", "nfold", "seed")


def watch_xgboost(module: Any, options: Options, patches: list[Patch]) -> None:
    """Watch the package, and the names that its own modules have for the same functions."""
    training, sklearn = sys.modules["xgboost.training"], sys.modules.get("xgboost.sklearn")
    for place in (module, training, sklearn):
        watch(place, "train", partial(_around_train, options, "train"), patches)
    for place in (module, training):
        watch(place, "cv", partial(_around_train, options, "cv"), patches)
    for name in ESTIMATORS:
        estimator = getattr(sklearn, name, None)
        if estimator is not None and "fit" in vars(estimator):
            watch(estimator, "fit", partial(_around_fit, options), patches)


MODULES: dict[str, Callable[[Any, Options, list[Patch]], None]] = {"xgboost": watch_xgboost}


def _around_fit(options: Options, call: Call) -> Iterator[None]:
    estimator = call.args[0]
    with outermost(call, LIBRARY, type(estimator).__name__, options, subject=estimator) as fit:
        if fit is not None:
            fit.log_params(estimator.get_params, leave_out_none=True)
        yield
        if fit is not None and call.error is None:
            _log_trained(fit, estimator.get_booster())


def _around_train(options: Options, what: str, call: Call) -> Iterator[None]:
    with outermost(call, LIBRARY, f"xgboost.{what}", options) as fit:
        if fit is not None:
            given = call.args[0] if call.args else call.kwargs.get("params", {})
            rounds = call.args[2] if len(call.args) > 2 else call.kwargs.get("num_boost_round", 10)
            said = {name: call.kwargs[name] for name in SAID if call.kwargs.get(name) is not None}
            fit.log_params(lambda: {**dict(given), "num_boost_round": rounds, **said})
        logs = fit_with_curves(LIBRARY)
        if logs is not None:
            with logs.guarded():
                # Ours is the first: XGBoost asks no callback any more after one that stops the training.
                others = call.kwargs.get("callbacks") or []
                call.kwargs["callbacks"] = [_callback(logs), *others]
        yield
        if fit is not None and call.error is None and what == "train":
            _log_trained(fit, call.result)


def _callback(fit: Fit) -> Any:
    """Return what XGBoost calls after each iteration; it takes instances of a class of its own only."""
    base = import_module("xgboost.callback").TrainingCallback

    def after_iteration(_self: Any, _model: Any, epoch: int, evals_log: Mapping[str, Mapping[str, Any]]) -> bool:
        if fit.is_due(epoch):
            _log_iteration(fit, epoch, evals_log)
        return False

    return type("Autolog", (base,), {"after_iteration": after_iteration})()


def _log_iteration(fit: Fit, epoch: int, evals_log: Mapping[str, Mapping[str, Any]]) -> None:
    with fit.guarded():
        values: dict[str, float] = {}
        for data, metrics in evals_log.items():
            for name, history in metrics.items():
                last = history[-1]
                if isinstance(last, tuple):  # of a cross-validation
                    values[f"{data}/{name}_mean"], values[f"{data}/{name}_std"] = map(float, last)
                else:
                    values[f"{data}/{name}"] = float(last)
        fit.log_metrics(values, epoch)


def _log_trained(fit: Fit, booster: Any) -> None:
    with fit.guarded():
        found = {name: booster.attr(name) for name in ("best_iteration", "best_score")}
        fit.log_metrics({name: float(value) for name, value in found.items() if value is not None})
    if fit.options.models:
        keep_data(fit, "model.ubj", lambda: bytes(booster.save_raw("ubj")))
