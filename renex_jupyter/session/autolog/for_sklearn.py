"""scikit-learn: the fit of an estimator that predicts, a search, a cross-validation."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from types import FunctionType
from typing import Any

from renex_jupyter.session.autolog.described import said_by_value
from renex_jupyter.session.autolog.fits import Fit, Options, is_inside, nested, outermost
from renex_jupyter.session.autolog.kept_models import keep_pickled
from renex_jupyter.session.autolog.patching import MISSING, Around, Call, Patch, watch

LIBRARY = "sklearn"
METHODS = ("fit", "fit_predict")
MOST_SECONDS = 5.0  # that predicting the training data may take, by what a part of it takes
PART = 500  # rows of that part
MOST_CANDIDATES = 1000  # of a search whose scores are logged
CURVES = {"loss_curve_": "training/loss", "validation_scores_": "validation/score", "train_score_": "training/loss"}
NUMBERS = ("n_iter_", "inertia_", "oob_score_")
ALSO = frozenset({"joblib.parallel"})  # watched for scikit-learn, and is there also without it


def watch_estimators(module: Any, options: Options, patches: list[Patch]) -> None:
    """Watch the estimators below that of `sklearn.base`, and those that come with modules that are imported later."""
    around = partial(_around_fit, options)
    for each in _below(module.BaseEstimator):
        _watch_methods(each, around, patches)
    _watch_arriving(module.BaseEstimator, around, patches)


def watch_validation(module: Any, options: Options, patches: list[Patch]) -> None:
    """Watch `cross_validate`, by which `cross_val_score` works, too."""
    around = partial(_around_validation, options)
    for place in (module, sys.modules.get(f"{module.__name__}._validation")):
        watch(place, "cross_validate", around, patches)


def watch_parallel(module: Any, _options: Options, patches: list[Patch]) -> None:
    """Have the threads that scikit-learn starts inside of a training be part of it."""
    watch(module.Parallel, "__call__", _around_parallel, patches)


MODULES: dict[str, Callable[[Any, Options, list[Patch]], None]] = {
    "sklearn.base": watch_estimators,
    "sklearn.model_selection": watch_validation,
    "joblib.parallel": watch_parallel,
}


def _below(base: type) -> list[type]:
    found: dict[type, None] = {}
    rest: list[type] = base.__subclasses__()
    while rest:
        each = rest.pop()
        if each not in found:
            found[each] = None
            rest += each.__subclasses__()
    return list(found)


def _watch_methods(estimator: type, around: Around, patches: list[Patch]) -> None:
    """Watch the methods that a class of scikit-learn itself defines.

    Classes of a notebook are pickled with all that they hold when they go to a worker: they stay as they are.
    """
    if estimator.__module__.partition(".")[0] == "sklearn":
        for name in METHODS:
            if isinstance(vars(estimator).get(name), FunctionType):
                watch(estimator, name, around, patches)


def _watch_arriving(base: Any, around: Around, patches: list[Patch]) -> None:
    """Watch the classes that will be defined below a class."""
    name, on = "__init_subclass__", [True]
    before = vars(base).get(name, MISSING)

    def defined(cls: Any, /, **kwargs: Any) -> None:
        if before is MISSING:
            super(base, cls).__init_subclass__(**kwargs)
        else:
            before.__func__(cls, **kwargs)
        if on[0]:
            _watch_methods(cls, around, patches)

    wrapper: Any = classmethod(defined)
    setattr(base, name, wrapper)
    patches.append(Patch(base, name, before, wrapper, on))


def _around_fit(options: Options, call: Call) -> Iterator[None]:
    estimator: Any = call.args[0] if call.args else None
    if not _predicts(estimator):
        with nested():  # data that is prepared is no training, nor what is trained for that
            yield
        return
    with outermost(call, LIBRARY, type(estimator).__name__, options, subject=estimator) as fit:
        if fit is not None:
            fit.curves_at = 2 if hasattr(estimator, "named_steps") else 1  # the last step of a pipeline trains
            fit.log_tags({"estimator": f"{type(estimator).__module__}.{type(estimator).__qualname__}"})
            fit.log_params(lambda: estimator.get_params(deep=True))
        yield
        if fit is not None and call.error is None:
            _log_fitted(fit, estimator, _argument(call, 1, "X"), _argument(call, 2, "y"))
            if options.models:
                keep_pickled(fit, estimator)


def _predicts(estimator: Any) -> bool:
    """Whether it is a model; of a pipeline its last step says so, others that ask a part of theirs may have none yet."""
    asked = estimator if hasattr(estimator, "named_steps") else type(estimator)
    return hasattr(asked, "predict") or hasattr(asked, "fit_predict")


def _around_validation(options: Options, call: Call) -> Iterator[None]:
    estimator = _argument(call, 0, "estimator")
    with outermost(call, LIBRARY, f"cross_validate {type(estimator).__name__}", options) as fit:
        if fit is not None:
            fit.log_params(lambda: estimator.get_params(deep=True))
        yield
        if fit is not None and isinstance(call.result, dict):
            for key, values in call.result.items():
                with fit.guarded():
                    if getattr(getattr(values, "dtype", None), "kind", "") == "f":
                        _log_series(fit, f"cv/{key}", values)
                        fit.log_metrics({f"cv/{key}_mean": float(values.mean()), f"cv/{key}_std": float(values.std())})


def _around_parallel(call: Call) -> Iterator[None]:
    """Mark the tasks of scikit-learn, and all that are made inside of a training, as part of that."""
    of_sklearn = type(call.args[0]).__module__.partition(".")[0] == "sklearn"
    if not (of_sklearn or is_inside()):
        yield
        return
    tasks = _argument(call, 1, "iterable")
    marked: Any = ((Part(function), args, kwargs) for function, args, kwargs in tasks)
    call.args, call.kwargs = (call.args[0], list(marked) if hasattr(tasks, "__len__") else marked), {}
    yield


class Part:
    """A task of joblib that is part of a training; in another process it is the task alone, which needs nothing of us."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with nested():
            return self.function(*args, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial, (self.function,)


def _argument(call: Call, position: int, name: str) -> Any:
    return call.args[position] if len(call.args) > position else call.kwargs.get(name)


def _log_series(fit: Fit, key: str, values: Any) -> None:
    for step, value in enumerate(values[:MOST_CANDIDATES]):
        fit.log_metrics({key: float(value)}, step)


def _log_fitted(fit: Fit, estimator: Any, X: Any, y: Any) -> None:  # noqa: N803  as scikit-learn calls them
    """Log what a fitted estimator says of itself, and how well it predicts what it was trained on."""
    shape = getattr(X, "shape", None) or ((len(X),) if hasattr(X, "__len__") else ())
    fit.log_metrics(dict(zip(("training/rows", "training/columns"), map(int, shape), strict=False)))
    trained = estimator.steps[-1][1] if hasattr(estimator, "named_steps") else estimator
    for name, key in CURVES.items():
        with fit.guarded():
            values = vars(trained).get(name)
            if values is not None and len(values):
                _log_series(fit, key, values)
    for name in NUMBERS:
        with fit.guarded():
            value = getattr(trained, name, None)
            if getattr(value, "shape", ()) == () and isinstance(value, (int, float)):
                fit.log_metrics({f"training/{name.rstrip('_')}": value})
    if hasattr(estimator, "cv_results_"):
        _log_search(fit, estimator)
    if y is not None and shape:
        with fit.guarded():
            _log_scores(fit, estimator, X, y, int(shape[0]))


def _log_search(fit: Fit, search: Any) -> None:
    with fit.guarded():
        for key, values in search.cv_results_.items():
            if key.startswith(("mean_test_", "std_test_")) or key == "mean_fit_time":
                _log_series(fit, f"cv/{key}", values)
    with fit.guarded():
        if hasattr(search, "best_score_"):
            fit.log_metrics({"cv/best_score": float(search.best_score_)})
    fit.log_params(lambda: {f"best/{key}": value for key, value in getattr(search, "best_params_", {}).items()})
    with fit.guarded():
        from renex_jupyter.session.media import log_table

        log_table(_columns(search.cv_results_), "cv_results", on=fit.active)


def _log_scores(fit: Fit, estimator: Any, X: Any, y: Any, rows: int) -> None:  # noqa: N803  as above
    """Log scores on the training data, unless its prediction would take long."""
    base, metrics = import_module("sklearn.base"), import_module("sklearn.metrics")
    classifies, regresses = base.is_classifier(estimator), base.is_regressor(estimator)
    if rows < 2 or not (classifies or regresses) or not hasattr(estimator, "predict"):
        return
    begun = time.perf_counter()
    estimator.predict(X.iloc[:PART] if hasattr(X, "iloc") else X[:PART])
    if (time.perf_counter() - begun) * rows / min(rows, PART) > MOST_SECONDS:
        return
    said = estimator.predict(X)
    if regresses:
        squared = float(metrics.mean_squared_error(y, said))
        scores = {"r2": metrics.r2_score(y, said), "mae": metrics.mean_absolute_error(y, said), "rmse": squared**0.5}
    elif import_module("sklearn.utils.multiclass").type_of_target(y) in ("binary", "multiclass"):
        shared = {"average": "weighted", "zero_division": 0}
        precision, recall, f1, _ = metrics.precision_recall_fscore_support(y, said, **shared)
        scores = {"accuracy": metrics.accuracy_score(y, said), "precision": precision, "recall": recall, "f1": f1}
    else:
        scores = {}
    fit.log_metrics({f"training/{name}": float(value) for name, value in scores.items()})


def _columns(results: dict[str, Any]) -> dict[str, list[Any]]:
    """Return the candidates of a search as columns, each of one type; those of several types are text."""
    columns: dict[str, list[Any]] = {}
    for name, values in results.items():
        said = [said_by_value(each) for each in (values.tolist() if hasattr(values, "tolist") else values)]
        kinds = {type(each) for each in said} - {type(None)}
        if not kinds <= {int, float} and kinds not in ({str}, {bool}):
            said = [each if isinstance(each, str) or each is None else json.dumps(each) for each in said]
        columns[name] = said
    return columns
