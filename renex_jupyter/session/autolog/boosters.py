"""What XGBoost and LightGBM have in common: `train` and `cv`, and estimators that train by these."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from renex_jupyter.session.autolog.fits import Fit, Options, outermost
from renex_jupyter.session.autolog.patching import Call, Patch, watch

Around = Callable[[Options, str, Call], Iterator[None]]  # with the name of the function
Log = Callable[[Fit, Any], None]  # what the trained estimator says of itself


def watch_booster(
    module: Any,
    engine: str,
    estimators: Sequence[str],
    around: Around,
    log: Log,
    options: Options,
    patches: list[Patch],
) -> None:
    """Watch the package, and the names that its own modules have for the same functions.

    Parameters
    ----------
    engine : the module that defines `train` and `cv`, without the name of the package.
    estimators : classes of its `sklearn`; those that define a `fit` of their own are watched.
    """
    library = module.__name__
    defined, sklearn = sys.modules[f"{library}.{engine}"], sys.modules.get(f"{library}.sklearn")
    for place in (module, defined, sklearn):
        watch(place, "train", partial(around, options, "train"), patches)
    for place in (module, defined):
        watch(place, "cv", partial(around, options, "cv"), patches)
    for name in estimators:
        estimator = getattr(sklearn, name, None)
        if estimator is not None and "fit" in vars(estimator):
            watch(estimator, "fit", partial(_around_fit, library, log, options), patches)


def _around_fit(library: str, log: Log, options: Options, call: Call) -> Iterator[None]:
    estimator = call.args[0]
    with outermost(call, library, type(estimator).__name__, options, subject=estimator) as fit:
        if fit is not None:
            fit.log_params(estimator.get_params, leave_out_none=True)
        yield
        if fit is not None and call.error is None:
            log(fit, estimator)


def given_to(call: Call, default: int) -> tuple[dict[str, Any], int]:
    """Return the params and the number of rounds that a call of `train` or `cv` was given."""
    params = call.args[0] if call.args else call.kwargs.get("params", {})
    rounds = call.args[2] if len(call.args) > 2 else call.kwargs.get("num_boost_round", default)
    return dict(params or {}), rounds
