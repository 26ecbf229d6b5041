"""The params of a model as JSON can say them: short, and without what only this process understands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from renex_jupyter.records.keys import LONGEST_KEY

MOST = 300  # params of one training
LONGEST_TEXT = 500  # characters of one
MOST_ITEMS = 50  # of a list or a mapping
DEEPEST = 4


def described(params: Mapping[Any, Any], *, leave_out_none: bool = False) -> dict[str, Any]:
    """Return params as they are logged: at most `MOST`, each a number, a short text, or a small list or mapping.

    Parameters
    ----------
    leave_out_none : for libraries where None means that nothing was said.
    """
    said: dict[str, Any] = {}
    for key, value in params.items():
        name = str(key)[:LONGEST_KEY]
        if len(said) >= MOST or not name.strip():
            continue
        if not (leave_out_none and value is None):
            said[name] = said_by_value(value)
    return said


def said_by_value(value: Any) -> Any:
    """Return one value as it is logged."""
    return _said(value, 0)


def _said(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return _cut(value)
    if isinstance(value, Mapping):
        if depth >= DEEPEST or len(value) > MOST_ITEMS:
            return f"{type(value).__name__} of {len(value)}"
        return {_cut(str(key)): _said(each, depth + 1) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        if depth >= DEEPEST or len(value) > MOST_ITEMS:
            return f"{type(value).__name__} of {len(value)}"
        return [_said(each, depth + 1) for each in value]
    return _object(value, depth)


def _object(value: Any, depth: int) -> Any:
    """Say what an object is: a number of numpy or torch by its value, an array by its shape, others by their names."""
    kind = type(value).__name__
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        if shape == () and hasattr(value, "item"):
            return _said(value.item(), depth + 1) if depth < DEEPEST else kind
        return f"{kind}{tuple(map(int, shape))} {getattr(value, 'dtype', '')}".strip()
    named = getattr(value, "__qualname__", None)
    if isinstance(named, str):  # a function or a class
        return _cut(f"{getattr(value, '__module__', '')}.{named}".lstrip("."))
    if hasattr(value, "get_params"):  # an estimator, whose params have keys of their own
        return kind
    text = _cut(str(value))
    return kind if " at 0x" in text else text


def _cut(text: str) -> str:
    whole = text.encode(errors="replace").decode()
    return whole if len(whole) <= LONGEST_TEXT else f"{whole[:LONGEST_TEXT]}..."
