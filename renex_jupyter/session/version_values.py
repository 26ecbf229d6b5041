"""Params and metrics that a user gives a version, checked, and without secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from renex_jupyter.capture.secrets import redact
from renex_jupyter.errors import invalid_argument, shown
from renex_jupyter.records.keys import checked
from renex_jupyter.records.params import keep_param
from renex_jupyter.records.values import keep_scalar


def kept_params(given: object) -> dict[str, Any]:
    """Return params that a user gives a version.

    Raises
    ------
    RenexError : `invalid_argument`, `unsupported_value`, `too_large`.
    """
    if not isinstance(given, Mapping):
        raise invalid_argument(f"params are no {type(given).__name__}.", "Use a dict, such as {'lr': 0.1}.")
    return {checked("param", key): redact(keep_param(f"param '{key}'", each)[0], key) for key, each in given.items()}


def kept_metrics(given: object) -> dict[str, float]:
    """Return metrics that a user gives a version: each is one number.

    Raises
    ------
    RenexError : `invalid_argument`.
    """
    hint = "Use a dict of numbers, such as {'accuracy': 0.94}."
    if not isinstance(given, Mapping):
        raise invalid_argument(f"metrics are no {type(given).__name__}.", hint)
    return {checked("metric", key): _number(key, value, hint) for key, value in given.items()}


def _number(key: str, value: object, hint: str) -> float:
    item = getattr(value, "item", None)  # numpy and torch scalars
    plain = item() if callable(item) and getattr(value, "shape", None) == () else value
    kept = None if isinstance(plain, (str, bytes)) else keep_scalar(f"metric '{key}'", plain)
    if kept is None or kept.value is None:
        raise invalid_argument(f"metric '{key}' is {shown(value)}, which is no number.", hint)
    return kept.value
