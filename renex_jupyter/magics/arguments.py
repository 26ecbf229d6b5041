"""What a magic's line says: quotes, `key=value` words, and errors on one line."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

from IPython.core.error import UsageError

from renex_jupyter.capture.values import read_values
from renex_jupyter.cli.verbs import split
from renex_jupyter.config import REPLAY_VARIABLE
from renex_jupyter.errors import RenexError, invalid_argument
from renex_jupyter.records.changes import plain

F = TypeVar("F", bound=Callable[..., Any])


def plainly(method: F) -> F:
    """Show an error of ours as one line, and an interrupt, without a traceback of our code."""

    @wraps(method)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        try:
            return method(*args, **kwargs)
        except RenexError as error:
            raise UsageError(error.line) from None
        except KeyboardInterrupt as stop:  # where it came to us is nothing to who stopped a cell
            raise KeyboardInterrupt(*stop.args) from None

    return wrapped  # type: ignore[return-value]


@contextmanager
def passed_over_in_replays() -> Iterator[None]:
    """Let a magic that asks the history fail in no cell that is done again: the history of then is not there."""
    try:
        yield
    except RenexError as error:
        if REPLAY_VARIABLE not in os.environ:
            raise
        print(f"renex: passed over, since a rerun has a history of its own: {error.message}")


def parse(magic: Any, line: str) -> Any:
    """Return the arguments of a magic's line; IPython's own splitter would leave the quotes on and cut `a='b c'` in two."""
    try:
        return magic.parser.parse_args(split(line))
    except UsageError as error:
        raise invalid_argument(f"{error}.", f"%{magic.__name__}? explains every option.") from None


def name_and_params(words: Sequence[str], names: Mapping[str, Any], usage: str) -> tuple[str, dict[str, Any]]:
    """Return a task's name and its params from `NAME key=value ...`; a value may be the name of a variable."""
    titles = [word for word in words if "=" not in word]
    if len(titles) != 1:
        found = "no name" if not titles else f"{len(titles)} names ({', '.join(titles[:4])})"
        raise invalid_argument(
            f"a task takes one name, here is {found}.", f"Usage: {usage}, without spaces around '='."
        )
    return titles[0], dict(_param(word, names) for word in words if "=" in word)


def _param(word: str, names: Mapping[str, Any]) -> tuple[str, Any]:
    key, _, text = word.partition("=")
    if not key.isidentifier():
        raise invalid_argument(
            f"'{key}' is not a name for a param.", "Use letters, digits and _, without spaces around '='."
        )
    if not text:
        raise invalid_argument(f"param '{key}' has no value.", f"Write {key}=0.1, or {key}='' for an empty text.")
    if text in names and text.isidentifier():
        return key, plain(names[text])
    return key, read_values(word, {})[key]
