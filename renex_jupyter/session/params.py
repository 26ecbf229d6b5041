"""Params and tags of the open run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from renex_jupyter.errors import invalid_argument
from renex_jupyter.session.runs import run_to_log_on
from renex_jupyter.session.tags import put_tags


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


def set_tag(key: str, value: Any, on: object = None) -> None:
    """Put a tag on the open run, or on anything; see `set_tags`."""
    set_tags({key: value}, on)


def set_tags(tags: Mapping[str, Any], on: object = None) -> None:
    """Put tags on the open run, or on anything; a value is kept as text, one that is set again is overwritten.

    Parameters
    ----------
    on : what they are put on: what our functions return, or a word such as 'run:train', 'experiment:digits',
        'vision/digits:3'; None: the open run. Then this warns and raises as `log_params` does.

    Raises
    ------
    RenexError : `invalid_argument` for what is no mapping, or a key that is none; `not_found`, `ambiguous` for `on`.
    """
    if not isinstance(tags, Mapping):
        raise invalid_argument(f"tags are no {type(tags).__name__}.", "Give a dict, such as {'who': 'ada'}.")
    if on is not None:
        put_tags(tags, on)
        return
    run = run_to_log_on("tags")
    if run is not None:
        run.set_tags(tags)
