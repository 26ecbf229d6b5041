"""What a magic's line says: quotes, `key=value` words, and errors on one line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar

from IPython.core.error import UsageError

from renex_jupyter.capture.values import read_values
from renex_jupyter.cli.verbs import split
from renex_jupyter.errors import RenexError, invalid_argument

F = TypeVar("F", bound=Callable[..., Any])


def plainly(method: F) -> F:
    """Show an error of ours as one line, without a traceback of our code."""

    @wraps(method)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        try:
            return method(*args, **kwargs)
        except RenexError as error:
            raise UsageError(error.line) from None

    return wrapped  # type: ignore[return-value]


def parse(magic: Any, line: str) -> Any:
    """Return the arguments of a magic's line; IPython's own splitter would leave the quotes on and cut `a='b c'` in two."""
    return magic.parser.parse_args(split(line))


def name_and_params(words: Sequence[str], usage: str) -> tuple[str, dict[str, Any]]:
    """Return a task's name and its params from `NAME key=value ...`."""
    names = [word for word in words if "=" not in word]
    if len(names) != 1:
        found = "no name" if not names else f"{len(names)} names ({', '.join(names[:4])})"
        raise invalid_argument(f"a task takes one name, here is {found}.", f"Usage: {usage}")
    params: dict[str, Any] = {}
    for word in words:
        if "=" in word:
            key, _, value = word.partition("=")
            if not key.isidentifier():
                raise invalid_argument(f"'{key}' is not a name for a param.", "Use letters, digits and _.")
            params.update(read_values(f"{key}={value}", {}))
    return names[0], params
