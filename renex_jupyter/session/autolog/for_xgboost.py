"""XGBoost: `train`, `cv` and the estimators; each evaluation of each iteration, by a callback."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any

from renex_jupyter.session.autolog.boosters import given_to, watch_booster
from renex_jupyter.session.autolog.fits import Fit, Options, fit_with_curves, outermost
from renex_jupyter.session.autolog.kept_models import keep_data
from renex_jupyter.session.autolog.patching import Call, Patch

LIBRARY = "xgboost"
ESTIMATORS = ("XGBModel", "XGBClassifier", "XGBRegressor", "XGBRanker", "XGBRFClassifier", "XGBRFRegressor")
ROUNDS = 10  # where a call does not say how many
SAID = ("num_boost_round", "early_stopping_rounds", "maximize", "nfold", "seed")


def watch_xgboost(module: Any, options: Options, patches: list[Patch]) -> None:
    """Watch the package."""
    watch_booster(module, "training", ESTIMATORS, _around_train, _log_estimator, options, patches)


MODULES: dict[str, Callable[[Any, Options, list[Patch]], None]] = {"xgboost": watch_xgboost}


def _around_train(options: Options, what: str, call: Call) -> Iterator[None]:
    with outermost(call, LIBRARY, f"xgboost.{what}", options) as fit:
        if fit is not None:
            said = {name: call.kwargs[name] for name in SAID if call.kwargs.get(name) is not None}
            fit.log_params(lambda: _params(call) | said)
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


def _params(call: Call) -> dict[str, Any]:
    params, rounds = given_to(call, ROUNDS)
    return {**params, "num_boost_round": rounds}


def _log_estimator(fit: Fit, estimator: Any) -> None:
    with fit.guarded():
        _log_trained(fit, estimator.get_booster())


def _log_trained(fit: Fit, booster: Any) -> None:
    with fit.guarded():
        found = {name: booster.attr(name) for name in ("best_iteration", "best_score")}
        fit.log_metrics({name: float(value) for name, value in found.items() if value is not None})
    if fit.options.models:
        keep_data(fit, "model.ubj", lambda: bytes(booster.save_raw("ubj")))
