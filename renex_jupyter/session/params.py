"""Params and tags of the open run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from renex_jupyter.errors import invalid_argument
from renex_jupyter.session.runs import run_to_log_on


def log_param(key: str, value: Any) -> None:
    """Keep one param of the open run; see `log_params`."""
    log_params({key: value})


def log_params(params: Mapping[str, Any]) -> None:
    """Keep params of the open run; a param that is logged again is overwritten, and the change is an event.

    No value stops the program: one that JSON cannot say exactly (see docs/values.md), that is larger than 1 MiB, or that
    is the 10,001st of its run is left out with one warning per run, key and reason. Params that the store does not take
    wait in memory, with a warning, and are written with the next record that it takes.

    Raises
    ------
    RenexError : `invalid_argument` for what is no mapping, or a key that is none; no param of the call is kept then.
    """
    if not isinstance(params, Mapping):
        raise invalid_argument(f"params are no {type(params).__name__}.", "Give a dict, such as {'lr': 0.1}.")
    run = run_to_log_on("params")
    if run is not None:
        run.set_params(params)


def set_tag(key: str, value: Any) -> None:
    """Put a tag on the open run; see `set_tags`."""
    set_tags({key: value})


def set_tags(tags: Mapping[str, Any]) -> None:
    """Put tags on the open run; a value is kept as text. Warns and raises as `log_params` does."""
    if not isinstance(tags, Mapping):
        raise invalid_argument(f"tags are no {type(tags).__name__}.", "Give a dict, such as {'who': 'ada'}.")
    run = run_to_log_on("tags")
    if run is not None:
        run.set_tags(tags)
