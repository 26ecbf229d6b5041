"""Modules that are not imported yet: what is to be done as soon as somebody else imports them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from renex_jupyter.errors import told, warn

Arrived = Callable[[], object]


class Arrivals:
    """A finder that finds nothing by itself: it has the others find a module, and tells when that has been loaded."""

    def __init__(self) -> None:
        self._awaited: dict[str, Arrived] = {}
        self._lock = threading.Lock()

    def wait_for(self, module: str, arrived: Arrived) -> None:
        """Call `arrived` once, after the module was imported."""
        with self._lock:
            self._awaited[module] = arrived
            if self not in sys.meta_path:
                sys.meta_path.insert(0, self)

    def forget(self, module: str) -> None:
        """Wait for a module no more; a finder that waits for none is taken out of the machinery."""
        with self._lock:
            self._awaited.pop(module, None)
            if not self._awaited and self in sys.meta_path:
                sys.meta_path.remove(self)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return what the other finders say, with a loader that tells us; asked by the import machinery."""
        if name not in self._awaited:
            return None
        for finder in [each for each in sys.meta_path if each is not self]:
            spec = finder.find_spec(name, path, target) if hasattr(finder, "find_spec") else None
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    spec.loader = _Telling(spec.loader, self, name)  # type: ignore[assignment]
                return spec
        return None

    def loaded(self, name: str) -> None:
        """Tell who waits for a module."""
        arrived = self._awaited.get(name)
        self.forget(name)
        if arrived is None:
            return
        try:
            arrived()
        except Exception as error:  # noqa: BLE001  an import of the user must not fail by us
            warn(f"autolog does not see {name}: {told(error)}")


class _Telling:
    """The loader of one module, which tells when it has loaded it; in all else it is the loader that was found."""

    def __init__(self, loader: Any, arrivals: Arrivals, name: str) -> None:
        self._loader = loader
        self._arrivals = arrivals
        self._name = name

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        """Load it with its own loader, whose name it bears from then on."""
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._arrivals.loaded(self._name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)
