"""Which libraries are logged by themselves: turned on and off by one call, for those that are imported now or later."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from html import escape
from typing import Any

from renex_jupyter.errors import RenexError, invalid_argument, shown, told, warn
from renex_jupyter.session.autolog import (
    for_keras,
    for_lightgbm,
    for_lightning,
    for_sklearn,
    for_transformers,
    for_xgboost,
)
from renex_jupyter.session.autolog.arrivals import Arrivals
from renex_jupyter.session.autolog.fits import Options
from renex_jupyter.session.autolog.patching import Patch

Watch = Callable[[Any, Options, list[Patch]], None]  # given a module: adds what is watched of it

# By library, by module: a module is watched as soon as it is there. None of them is ever imported from here.
LIBRARIES: dict[str, dict[str, Watch]] = {
    "sklearn": for_sklearn.MODULES,
    "xgboost": for_xgboost.MODULES,
    "lightgbm": for_lightgbm.MODULES,
    "lightning": for_lightning.MODULES,
    "keras": for_keras.MODULES,
    "transformers": for_transformers.MODULES,
}
ALSO_CALLED = {
    "scikit-learn": "sklearn",
    "pytorch_lightning": "lightning",
    "pytorch-lightning": "lightning",
    "huggingface": "transformers",
}


@dataclass(frozen=True, slots=True)
class Autologging:
    """What is logged by itself now."""

    on: tuple[str, ...] = ()  # libraries that are imported and watched
    waiting: tuple[str, ...] = ()  # libraries that are watched as soon as they are imported
    models: tuple[str, ...] = ()  # those of them whose trained models are kept

    def __str__(self) -> str:
        if not self.on and not self.waiting:
            return "autolog: off"
        parts = [f"on for {', '.join(self.on)}"] if self.on else []
        parts += [f"waits for the import of {', '.join(self.waiting)}"] if self.waiting else []
        parts += [f"keeps models of {', '.join(self.models)}"] if self.models else []
        return f"autolog: {'; '.join(parts)}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


class _Switch:
    """One library that was turned on."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.patches: list[Patch] = []
        self.arrived: set[str] = set()  # modules that are watched
        self.awaited: set[str] = set()


_switches: dict[str, _Switch] = {}
_arrivals: dict[str, Arrivals] = {}  # by library: each may wait for the same module
_lock = threading.RLock()  # nothing is imported while it is held: an import may wait for it


def autolog(
    *libraries: str, disable: bool = False, models: bool = False, every_n_steps: int | None = None
) -> Autologging:
    """Log what training libraries do by itself; nothing is until this is called, and nothing any more when it is undone.

    A training logs on the open run; where none is open, on one that is opened around it and ends with it. What a
    training does inside, such as the fits of a grid search, is part of it. No fault of this ever stops a training.

    Parameters
    ----------
    libraries : some of sklearn, xgboost, lightgbm, lightning, keras, transformers; none: all of them. One that is not
        imported yet is watched as soon as it is; it is never imported by this.
    disable : put everything back exactly as it was.
    models : keep trained models and checkpoints, too.
    every_n_steps : log every n-th iteration or batch; None: as often as the library itself does (see docs/autolog.md).

    Returns
    -------
    Autologging : what is on now.

    Raises
    ------
    RenexError : `invalid_argument` for a library that is none of them or an option that is none; nothing changes then.
    """
    chosen = [_library(each) for each in libraries] or list(LIBRARIES)
    for name, value in (("disable", disable), ("models", models)):
        if not isinstance(value, bool):
            raise invalid_argument(f"{name}={shown(value)} is neither True nor False.", f"Use {name}=True.")
    if every_n_steps is not None and (type(every_n_steps) is not int or every_n_steps < 1):
        raise invalid_argument(f"every_n_steps={shown(every_n_steps)} is no whole number above 0.", "Use 10.")
    with _lock:
        for library in chosen:
            _turn_off(library)
            if not disable:
                _turn_on(library, Options(models=models, every_n_steps=every_n_steps))
        return _now()


def _library(given: Any) -> str:
    name = ALSO_CALLED.get(given, given) if isinstance(given, str) else given
    if isinstance(name, str) and name in LIBRARIES:
        return name
    known = ", ".join(LIBRARIES)
    if name in ("torch", "pytorch"):
        hint = "Use rx.watch_model(model) for its gradients, and rx.log_metric for its loss."
        raise invalid_argument("plain PyTorch has no training function that could be watched.", hint)
    near = get_close_matches(str(name), LIBRARIES, n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    raise invalid_argument(f"autolog does not know the library {shown(given)}.", f"{hint}It knows {known}.")


def _turn_off(library: str) -> None:
    switch = _switches.pop(library, None)
    if switch is None:
        return
    for module in switch.awaited:
        _arrivals[library].forget(module)
    for patch in reversed(switch.patches):
        try:
            patch.stop()
        except Exception as error:  # noqa: BLE001  the others are to be put back, too
            warn(f"autolog of {library}: '{patch.name}' stays watched, and logs nothing: {told(error)}")


def _turn_on(library: str, options: Options) -> None:
    switch = _switches[library] = _Switch(options)
    arrivals = _arrivals.setdefault(library, Arrivals())
    for module in LIBRARIES[library]:
        switch.awaited.add(module)
        arrivals.wait_for(module, lambda library=library, module=module: _look(library, module))  # type: ignore[misc]
        if _is_loaded(module):  # asked last: it may just have been loaded
            _look(library, module)


def _is_loaded(module: str) -> bool:
    found = sys.modules.get(module)
    return found is not None and not getattr(getattr(found, "__spec__", None), "_initializing", False)


def _look(library: str, module: str) -> None:
    """Watch a module that has been loaded."""
    with _lock:
        switch = _switches.get(library)
        if switch is None or module in switch.arrived:
            return
        switch.arrived.add(module)
        switch.awaited.discard(module)
        _arrivals[library].forget(module)
        try:
            LIBRARIES[library][module](sys.modules[module], switch.options, switch.patches)
        except Exception as error:  # noqa: BLE001  another version of the library, perhaps
            why = error.line if isinstance(error, RenexError) else told(error)
            warn(f"autolog of {library} does not see {module}: {why}")


def _now() -> Autologging:
    on = tuple(name for name, switch in _sorted() if switch.patches and switch.arrived - for_sklearn.ALSO)
    waiting = tuple(name for name, _ in _sorted() if name not in on)
    models = tuple(name for name, switch in _sorted() if switch.options.models)
    return Autologging(on, waiting, models)


def _sorted() -> list[tuple[str, _Switch]]:
    return [(name, _switches[name]) for name in LIBRARIES if name in _switches]
