"""PyTorch Lightning: `Trainer.fit`, by a callback that the trainer has while it fits."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from renex_jupyter.session.autolog.fits import Fit, Options, fit_with_curves, outermost
from renex_jupyter.session.autolog.kept_models import keep_checkpoint
from renex_jupyter.session.autolog.patching import Call, Patch, watch

LIBRARY = "lightning"
SAID = ("max_epochs", "max_steps", "precision", "accumulate_grad_batches", "gradient_clip_val", "num_devices")


def watch_trainer(module: Any, options: Options, patches: list[Patch]) -> None:
    """Watch the trainer of one of the two names that Lightning has."""
    trainer = getattr(module, "Trainer", None)
    watch(trainer, "fit", partial(_around, options, True), patches)
    for name in ("validate", "test"):
        watch(trainer, name, partial(_around, options, False), patches)


MODULES: dict[str, Callable[[Any, Options, list[Patch]], None]] = {
    "lightning.pytorch": watch_trainer,
    "pytorch_lightning": watch_trainer,
}


def _around(options: Options, trains: bool, call: Call) -> Iterator[None]:
    trainer = call.args[0]
    model = call.args[1] if len(call.args) > 1 else call.kwargs.get("model")
    with outermost(call, LIBRARY, type(model).__name__, options, subject=trainer, opens=trains) as fit:
        mine = None
        if fit is not None and fit_with_curves(LIBRARY) is fit and getattr(trainer, "is_global_zero", True):
            with fit.guarded():
                mine = _callback(fit, trainer)
                trainer.callbacks.append(mine)
            if trains:
                fit.log_params(lambda: _params(trainer, model))
        try:
            yield
        finally:
            if mine in trainer.callbacks:
                trainer.callbacks.remove(mine)
        if fit is not None and call.error is None:
            _log_end(fit, trainer, trains)


def _params(trainer: Any, model: Any) -> dict[str, Any]:
    said = {name: getattr(trainer, name, None) for name in SAID}
    said["parameters"] = sum(each.numel() for each in model.parameters())
    return {**said, **dict(getattr(model, "hparams", None) or {})}


def _log_end(fit: Fit, trainer: Any, trains: bool) -> None:
    """Log what a training in other processes brought back, and keep the checkpoints that it left."""
    with fit.guarded():
        if not trains or fit.logged_nothing:
            fit.log_metrics(dict(trainer.callback_metrics), trainer.global_step)
    if not trains or not fit.options.models:
        return
    with fit.guarded():
        for each in getattr(trainer, "checkpoint_callbacks", ()):
            paths = {path: None for path in (each.best_model_path, each.last_model_path) if path}
            for path in paths:
                found = re.search(r"step=(\d+)", path)
                step = int(found[1]) if found else int(trainer.global_step)
                keep_checkpoint(fit, path, step)


def _callback(fit: Fit, trainer: Any) -> Any:
    """Return what Lightning calls while it fits; to another process it goes as a callback that does nothing."""
    package = type(trainer).__mro__[-2].__module__.partition(".trainer")[0]
    base = sys.modules[package].Callback
    curves = Curves(fit)
    hooks: dict[str, Any] = {
        "on_train_batch_end": lambda _self, trainer, *_rest, **_more: curves.batch_ended(trainer),
        "on_validation_end": lambda _self, trainer, *_rest: curves.validation_ended(trainer),
        "on_train_epoch_end": lambda _self, trainer, *_rest: curves.epoch_ended(trainer),
        "on_train_epoch_start": lambda _self, trainer, *_rest: curves.ended(trainer),
        "on_save_checkpoint": lambda _self, trainer, *_rest: curves.saved(trainer),
        "on_train_end": lambda _self, trainer, *_rest: curves.ended(trainer),
        "on_exception": lambda _self, trainer, *_rest: curves.ended(trainer),
        "__reduce__": lambda _self: (base, ()),
        "__deepcopy__": lambda _self, _memo: base(),
    }
    return type("Autolog", (base,), hooks)()


class Curves:
    """Logs what the model logs: per batch, per validation, per epoch, each once.

    Lightning has all of it in one dict, with what was logged last: a key belongs to where it was first seen.
    """

    def __init__(self, fit: Fit) -> None:
        self._fit = fit
        self._of: dict[str, str] = {}  # by key: batch, validation, epoch
        self._late: tuple[int, set[str]] | None = None  # step of the last epoch's end, and what was logged there

    def batch_ended(self, trainer: Any) -> None:
        """Log what belongs to batches, as often as the trainer does."""
        every = self._fit.options.every_n_steps or getattr(trainer, "log_every_n_steps", 0) or 50
        with self._fit.guarded():
            values = self._values(trainer, "batch")
            if trainer.global_step % every == 0:
                self._log(values, trainer.global_step)

    def validation_ended(self, trainer: Any) -> None:
        """Log what a validation gave; that of the check before the training is none."""
        with self._fit.guarded():
            values = self._values(trainer, "validation")
            if not trainer.sanity_checking:
                self._log(values, trainer.global_step)

    def epoch_ended(self, trainer: Any) -> None:
        """Log what belongs to epochs, and which one it was."""
        with self._fit.guarded():
            values = self._values(trainer, "epoch")
            self._log({**values, "epoch": trainer.current_epoch}, trainer.global_step)
            self._late = (trainer.global_step, set(values))

    def saved(self, trainer: Any) -> None:
        """Log that a checkpoint is written."""
        self._fit.log_event("checkpoint", {"step": trainer.global_step, "epoch": trainer.current_epoch})

    def ended(self, trainer: Any) -> None:
        """Log what the model itself logged at the end of an epoch, after callbacks were called."""
        with self._fit.guarded():
            self._log_late(trainer)

    def _log_late(self, trainer: Any) -> None:
        if self._late is None:
            return
        (step, logged), self._late = self._late, None
        found = self._values(trainer, "late")
        self._log({key: value for key, value in found.items() if key not in logged}, step)

    def _values(self, trainer: Any, where: str) -> Mapping[str, Any]:
        found = dict(trainer.callback_metrics)
        found = {key: value for key, value in found.items() if f"{key}_step" not in found}  # which says the same
        for key in found:
            self._of.setdefault(key, where)
        return {key: value for key, value in found.items() if self._of[key] == where}

    def _log(self, values: Mapping[str, Any], step: int) -> None:
        self._fit.log_metrics({key: float(value) for key, value in values.items()}, step)
