"""Keras: `Model.fit`, by a callback that is given to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from typing import Any

from renex_jupyter.session.autolog.fits import Fit, Options, fit_with_curves, outermost
from renex_jupyter.session.autolog.kept_models import keep_saved
from renex_jupyter.session.autolog.patching import Call, Patch, watch

LIBRARY = "keras"
CALLBACKS = 6  # at which position, after the model, they may be given: x, y, batch_size, epochs, verbose, callbacks
SAID = ("batch_size", "epochs", "validation_split", "steps_per_epoch", "initial_epoch")
VALIDATION = "val_"


def watch_model(module: Any, options: Options, patches: list[Patch]) -> None:
    """Watch the class of all models."""
    watch(module.Model, "fit", partial(_around_fit, options), patches)


MODULES: dict[str, Callable[[Any, Options, list[Patch]], None]] = {"keras": watch_model}


def _around_fit(options: Options, call: Call) -> Iterator[None]:
    model = call.args[0]
    with outermost(call, LIBRARY, type(model).__name__, options, subject=model) as fit:
        logs = fit_with_curves(LIBRARY)
        if logs is not None:
            with logs.guarded():
                _add(call, _callback(logs))
        if fit is not None:
            fit.log_params(lambda: _params(model, call))
        yield
        if fit is not None and call.error is None and options.models:
            keep_saved(fit, "model.keras", model.save)


def _add(call: Call, callback: Any) -> None:
    """Give one callback more, in a list that is a new one."""
    given = call.args[CALLBACKS] if len(call.args) > CALLBACKS else call.kwargs.get("callbacks")
    if hasattr(given, "append") and hasattr(given, "on_epoch_end"):  # a list of Keras' own, with its model
        return
    several = [] if given is None else list(given) if isinstance(given, (list, tuple)) else [given]
    if len(call.args) > CALLBACKS:
        call.args = (*call.args[:CALLBACKS], [*several, callback], *call.args[CALLBACKS + 1 :])
    else:
        call.kwargs["callbacks"] = [*several, callback]


def _callback(fit: Fit) -> Any:
    base = import_module("keras").callbacks.Callback

    def on_epoch_end(_self: Any, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        with fit.guarded():
            fit.log_metrics({_key(name): float(value) for name, value in (logs or {}).items()}, epoch)

    def on_train_batch_end(self: Any, _batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self.batches = getattr(self, "batches", 0) + 1
        if fit.options.every_n_steps and fit.is_due(self.batches - 1):
            with fit.guarded():
                values = {f"batch/{name}": float(value) for name, value in (logs or {}).items()}
                fit.log_metrics(values, self.batches - 1)

    hooks: dict[str, Any] = {"on_epoch_end": on_epoch_end}
    if fit.options.every_n_steps:  # Keras fetches the losses of each batch for whoever asks for them
        hooks["on_train_batch_end"] = on_train_batch_end
    return type("Autolog", (base,), hooks)()


def _key(name: str) -> str:
    return f"validation/{name.removeprefix(VALIDATION)}" if name.startswith(VALIDATION) else f"training/{name}"


def _params(model: Any, call: Call) -> dict[str, Any]:
    names = ("x", "y", "batch_size", "epochs", "verbose")
    given = {**dict(zip(names, call.args[1:], strict=False)), **call.kwargs}
    said = {name: given[name] for name in SAID if given.get(name) is not None}
    optimizer = getattr(model, "optimizer", None)
    for name, value in (optimizer.get_config() if optimizer is not None else {}).items():
        if value is not None:
            said["optimizer" if name == "name" else f"optimizer/{name}"] = value
    loss = getattr(model, "loss", None)
    if loss is not None:
        said["loss"] = loss if isinstance(loss, (str, dict, list)) else type(loss).__name__
    if getattr(model, "built", False):
        said["parameters"] = model.count_params()
    return said
