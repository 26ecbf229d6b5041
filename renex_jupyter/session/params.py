"""Params and tags of the open run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from renex_jupyter.errors import unsupported_value
from renex_jupyter.session.runs import run_to_log_on


def log_param(key: str, value: Any) -> None:
    """Keep one param of the open run; see `log_params`."""
    log_params({key: value})


def log_params(params: Mapping[str, Any]) -> None:
    """Keep params of the open run; a param that is logged again is overwritten, and the change is an event.

    Raises
    ------
    RenexError : `unsupported_value` when a value is no number, text, list or mapping of such; none is kept then.
    """
    if not isinstance(params, Mapping):
        raise unsupported_value("params", params, "Give a dict, such as {'lr': 0.1}.")
    run_to_log_on().set_params(params)


def set_tag(key: str, value: Any) -> None:
    """Put a tag on the open run; see `set_tags`."""
    set_tags({key: value})


def set_tags(tags: Mapping[str, Any]) -> None:
    """Put tags on the open run; a value is kept as text."""
    run_to_log_on().set_tags(tags)
