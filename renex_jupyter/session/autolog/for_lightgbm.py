"""LightGBM: `train`, `cv` and the estimators; each evaluation of each iteration, by a callback."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from renex_jupyter.session.autolog.fits import Fit, Options, fit_with_curves, outermost
from renex_jupyter.session.autolog.kept_models import keep_data
from renex_jupyter.session.autolog.patching import Call, Patch, watch

LIBRARY = "lightgbm"
ESTIMATORS = ("LGBMModel", "LGBMClassifier", "LGBMRegressor", "LGBMRanker")
SAID = ("nfold", "stratified", "shuffle", "seed")
CALLBACKS = {"train": 8, "cv": 12}  # at which position they may be given


def watch_lightgbm(module: Any, options: Options, patches: list[Patch]) -> None:
    """Watch the package, and the names that its own modules have for the same functions."""
    engine, sklearn = sys.modules["lightgbm.engine"], sys.modules.get("lightgbm.sklearn")
    for place in (module, engine, sklearn):
        watch(place, "train", partial(_around_train, options, "train"), patches)
    for place in (module, engine):
        watch(place, "cv", partial(_around_train, options, "cv"), patches)
    for name in ESTIMATORS:
        estimator = getattr(sklearn, name, None)
        if estimator is not None and "fit" in vars(estimator):
            watch(estimator, "fit", partial(_around_fit, options), patches)


MODULES: dict[str, Callable[[Any, Options, list[Patch]], None]] = {"lightgbm": watch_lightgbm}


class Callback:
    """What LightGBM calls after each iteration: before early stopping, which ends that by an exception."""

    order = 5
    before_iteration = False

    def __init__(self, fit: Fit) -> None:
        self._fit = fit

    def __call__(self, env: Any) -> None:
        fit = self._fit
        if not fit.is_due(env.iteration - env.begin_iteration):
            return
        with fit.guarded():
            values: dict[str, float] = {}
            for data, name, value, *rest in env.evaluation_result_list or ():
                values[f"{data}/{name}"] = float(value)
                if len(rest) > 1:  # of a cross-validation: the spread over the folds
                    values[f"{data}/{name}_std"] = float(rest[1])
            fit.log_metrics(values, env.iteration)


def _around_fit(options: Options, call: Call) -> Iterator[None]:
    estimator = call.args[0]
    with outermost(call, LIBRARY, type(estimator).__name__, options, subject=estimator) as fit:
        if fit is not None:
            fit.log_params(estimator.get_params, leave_out_none=True)
        yield
        if fit is not None and call.error is None:
            _log_trained(fit, estimator.booster_)


def _around_train(options: Options, what: str, call: Call) -> Iterator[None]:
    with outermost(call, LIBRARY, f"lightgbm.{what}", options) as fit:
        if fit is not None:
            given = call.args[0] if call.args else call.kwargs.get("params", {})
            rounds = call.args[2] if len(call.args) > 2 else call.kwargs.get("num_boost_round", 100)
            said = {name: call.kwargs[name] for name in SAID if name in call.kwargs}
            fit.log_params(lambda: {"num_boost_round": rounds, **dict(given), **said})
        logs = fit_with_curves(LIBRARY)
        if logs is not None:
            with logs.guarded():
                _add(call, CALLBACKS[what], Callback(logs))
        yield
        if fit is not None and call.error is None and what == "train":
            _log_trained(fit, call.result)


def _add(call: Call, position: int, callback: Callback) -> None:
    """Give one callback more, wherever the others are given."""
    if len(call.args) > position:
        others = call.args[position] or []
        call.args = (*call.args[:position], [*others, callback], *call.args[position + 1 :])
    else:
        call.kwargs["callbacks"] = [*(call.kwargs.get("callbacks") or []), callback]


def _log_trained(fit: Fit, booster: Any) -> None:
    with fit.guarded():
        if booster.best_iteration > 0:
            fit.log_metrics({"best_iteration": booster.best_iteration})
        for data, scores in (booster.best_score or {}).items():
            fit.log_metrics({f"best/{data}/{name}": float(value) for name, value in scores.items()})
    if fit.options.models:
        keep_data(fit, "model.txt", lambda: booster.model_to_string().encode())
