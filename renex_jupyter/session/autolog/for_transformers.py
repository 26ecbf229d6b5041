"""Hugging Face: `Trainer.train`, by a callback that the trainer has while it trains."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from renex_jupyter.session.autolog.fits import Fit, Options, fit_with_curves, outermost
from renex_jupyter.session.autolog.kept_models import keep_checkpoint
from renex_jupyter.session.autolog.patching import Call, Patch, watch

LIBRARY = "transformers"
PARTS = ("eval", "test")  # whose metrics bear their names; all others are of the training


def watch_trainer(module: Any, options: Options, patches: list[Patch]) -> None:
    """Watch the trainer."""
    watch(module.Trainer, "train", partial(_around, options, True), patches)
    watch(module.Trainer, "evaluate", partial(_around, options, False), patches)


MODULES: dict[str, Callable[[Any, Options, list[Patch]], None]] = {"transformers.trainer": watch_trainer}


def _around(options: Options, trains: bool, call: Call) -> Iterator[None]:
    trainer = call.args[0]
    title = type(getattr(trainer, "model", None) or trainer).__name__
    with outermost(call, LIBRARY, title, options, subject=trainer, opens=trains) as fit:
        mine = None
        if fit is not None and fit_with_curves(LIBRARY) is fit and trainer.is_world_process_zero():
            with fit.guarded():
                mine = _callback(fit)
                trainer.add_callback(mine)
            if trains:
                fit.log_params(lambda: _params(trainer), leave_out_none=True)
        yield
        if fit is not None and mine is not None:
            with fit.guarded():
                trainer.remove_callback(mine)


def _params(trainer: Any) -> dict[str, Any]:
    said = dict(trainer.args.to_sanitized_dict())
    said["parameters"] = sum(each.numel() for each in trainer.model.parameters())
    return said


def _callback(fit: Fit) -> Any:
    base = import_module("transformers.trainer_callback").TrainerCallback

    def on_log(
        _self: Any, _args: Any, state: Any, _control: Any, logs: Mapping[str, Any] | None = None, **_more: Any
    ) -> None:
        with fit.guarded():
            values = {_key(name): value for name, value in (logs or {}).items() if isinstance(value, (int, float))}
            fit.log_metrics(values, state.global_step)

    def on_save(_self: Any, args: Any, state: Any, _control: Any, **_more: Any) -> None:
        with fit.guarded():
            folder = Path(args.output_dir, f"checkpoint-{state.global_step}")
            fit.log_event("checkpoint", {"step": state.global_step, "path": str(folder)})
            if fit.options.models and folder.is_dir():
                keep_checkpoint(fit, str(folder), state.global_step)

    return type("Autolog", (base,), {"on_log": on_log, "on_save": on_save})()


def _key(name: str) -> str:
    part, _, rest = name.partition("_")
    return f"{part}/{rest}" if part in PARTS and rest else f"training/{name.removeprefix('train_')}"
