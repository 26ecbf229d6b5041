"""Plain PyTorch: the norms of a model's parameters and gradients, by hooks that can be taken away."""

from __future__ import annotations

import threading
import time
import weakref
from typing import Any, Self

from renex_jupyter.errors import RenexError, invalid_argument, shown, told, warn
from renex_jupyter.session.runs import run_to_log_on

MOST = 200  # tensors whose norms are logged by their names; of a larger model only the norms over all are


class ModelWatch:
    """A model whose norms are logged, from now until `stop`; as a context manager until the end of the block."""

    def __init__(self, model: Any, every: int) -> None:
        self.every = every
        self._model = weakref.ref(model)
        self._step = -1  # of the forward pass that is under way, or was the last
        self._norms: dict[str, Any] = {}  # of gradients, by parameter, of the last backward pass; still on their device
        self._lock = threading.Lock()
        self._told = False
        self._handles = [model.register_forward_pre_hook(_Forward(self))]
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                self._handles.append(parameter.register_hook(_Gradient(self, name)))

    def stop(self) -> None:
        """Take the hooks away, and log what was seen last."""
        handles, self._handles = self._handles, []
        for each in handles:
            each.remove()
        if handles:
            self._log()

    def forward(self, model: Any) -> None:
        """Count a forward pass of the training, and log what the backward pass before it gave."""
        if model.training and self._handles:
            self._log()
            self._step += 1

    def backward(self, name: str, gradient: Any) -> None:
        """Keep the norm of a gradient, where it is one that is logged."""
        if self._step % self.every == 0 and self._handles:
            try:
                norm = gradient.detach().norm()
            except Exception as error:  # noqa: BLE001  a sparse gradient, perhaps
                self._tell(error)
                return
            with self._lock:
                self._norms[name] = norm

    def _log(self) -> None:
        with self._lock:
            norms, self._norms = self._norms, {}
        if not norms:
            return
        try:
            values = self._values(norms)
            run = run_to_log_on("norms")
            if run is not None:
                run.points.log(list(values.items()), self._step, time.time_ns() // 1000)
        except Exception as error:  # noqa: BLE001  whatever it is, it is our fault and not the user's
            self._tell(error)

    def _values(self, norms: dict[str, Any]) -> dict[str, float]:
        gradients = {name: float(norm) for name, norm in norms.items()}
        model = self._model()
        named = dict(model.named_parameters()) if model is not None else {}
        parameters = {name: float(each.detach().norm()) for name, each in named.items() if name in norms}
        values = {}
        for what, found in (("gradients", gradients), ("parameters", parameters)):
            if len(found) <= MOST:
                values.update({f"{what}/{name}": norm for name, norm in found.items()})
            if found:
                values[f"{what}/all"] = sum(norm**2 for norm in found.values()) ** 0.5
        return values

    def _tell(self, error: Exception) -> None:
        if not self._told:
            self._told = True
            why = error.line if isinstance(error, RenexError) else told(error)
            warn(f"norms of the model are not recorded: {why}; the training itself goes on.")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<watch of a model, every {self.every} steps, {'on' if self._handles else 'stopped'}>"


class _Forward:
    """Hook of the model; in a copy, or in a file, of the model it is one that changes nothing and needs nothing of us."""

    def __init__(self, watch: ModelWatch) -> None:
        self._watch = watch

    def __call__(self, model: Any, _inputs: Any) -> None:
        self._watch.forward(model)

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, ({}, "get")  # `{}.get(model, inputs)` gives the inputs as they were

    def __deepcopy__(self, _memo: Any) -> Any:
        return {}.get


class _Gradient:
    """Hook of one parameter."""

    def __init__(self, watch: ModelWatch, name: str) -> None:
        self._watch = watch
        self._name = name

    def __call__(self, gradient: Any) -> None:
        self._watch.backward(self._name, gradient)


def watch_model(model: Any, *, every: int = 100) -> ModelWatch:
    """Log the norms of a PyTorch model's gradients and parameters while it trains: `rx.watch_model(model, every=50)`.

    Metrics: `gradients/NAME` and `parameters/NAME` (Euclidean norms, by the names of `model.named_parameters()`), and
    `gradients/all`, `parameters/all` over all of them; the step is the number of the forward pass in training, from 0.
    Several backward passes of one forward pass count with the last one. Nothing of this ever stops a training.

    Parameters
    ----------
    every : log one forward pass in so many.

    Returns
    -------
    ModelWatch : `.stop()` takes every hook away; a model that is saved or copied meanwhile has none that needs us.

    Raises
    ------
    RenexError : `invalid_argument` for what is no `torch.nn.Module`, or an `every` that is none.
    """
    if not (hasattr(model, "register_forward_pre_hook") and hasattr(model, "named_parameters")):
        raise invalid_argument(f"{shown(model)} is no PyTorch model.", "Give a torch.nn.Module.")
    if type(every) is not int or every < 1:
        raise invalid_argument(f"every={shown(every)} is no whole number above 0.", "Use every=100.")
    return ModelWatch(model, every)
