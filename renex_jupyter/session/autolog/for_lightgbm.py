"""LightGBM: `train`, `cv` and the estimators; each evaluation of each iteration, by a callback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from renex_jupyter.session.autolog.boosters import given_to, watch_booster
from renex_jupyter.session.autolog.fits import Fit, Options, fit_with_curves, outermost
from renex_jupyter.session.autolog.kept_models import keep_data
from renex_jupyter.session.autolog.patching import Call, Patch

LIBRARY = "lightgbm"
ESTIMATORS = ("LGBMModel", "LGBMClassifier", "LGBMRegressor", "LGBMRanker")
SAID = ("nfold", "stratified", "shuffle", "seed")
ROUNDS = 100  # where a call does not say how many
CALLBACKS = {"train": 8, "cv": 12}  # at which position they may be given


def watch_lightgbm(module: Any, options: Options, patches: list[Patch]) -> None:
    """Watch the package."""
    watch_booster(module, "engine", ESTIMATORS, _around_train, _log_estimator, options, patches)


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


def _around_train(options: Options, what: str, call: Call) -> Iterator[None]:
    with outermost(call, LIBRARY, f"lightgbm.{what}", options) as fit:
        if fit is not None:
            said = {name: call.kwargs[name] for name in SAID if name in call.kwargs}
            fit.log_params(lambda: _params(call) | said)
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


def _params(call: Call) -> dict[str, Any]:
    params, rounds = given_to(call, ROUNDS)
    return {"num_boost_round": rounds, **params}  # which may say the number of rounds, too


def _log_estimator(fit: Fit, estimator: Any) -> None:
    with fit.guarded():
        _log_trained(fit, estimator.booster_)


def _log_trained(fit: Fit, booster: Any) -> None:
    with fit.guarded():
        if booster.best_iteration > 0:
            fit.log_metrics({"best_iteration": booster.best_iteration})
        for data, scores in (booster.best_score or {}).items():
            fit.log_metrics({f"best/{data}/{name}": float(value) for name, value in scores.items()})
    if fit.options.models:
        keep_data(fit, "model.txt", lambda: booster.model_to_string().encode())
