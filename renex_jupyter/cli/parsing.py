"""A parser of verbs that neither prints its errors nor ends the process."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from renex_jupyter.errors import invalid_argument


class Parser(argparse.ArgumentParser):
    """A parser that raises our error instead of ending the process."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse what a verb does not know with its own usage; argparse would leave that to the parser of all verbs."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        raise invalid_argument(message + ".", f"Usage: {' '.join(self.format_usage().split()[1:])}")

    def exit(self, _status: int = 0, _message: str | None = None) -> NoReturn:
        raise HelpShown


class HelpShown(Exception):
    """The help was printed."""


def add_verb(verbs: Any, name: str, words: str, *, aliases: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Add the parser of a verb, which says of itself what the list says of it."""
    said = f"{words[0].upper()}{words[1:]}."
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=words, description=said, aliases=aliases)
    return parser
