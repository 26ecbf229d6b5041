"""What a user says of an object, such as its description: checked, and without secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from renex_jupyter.capture.secrets import redact, redact_text
from renex_jupyter.errors import invalid_argument, shown, text_argument
from renex_jupyter.records.params import keep_param
from renex_jupyter.records.values import checked_text

FLAGS = ("starred", "archived")


def described(what: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields to write of those that are given; None is not, and an empty text or mapping takes one away.

    Parameters
    ----------
    what : as a message names it, such as "experiment".
    given : texts by name, `metadata` (a mapping), and the flags of `FLAGS`.

    Raises
    ------
    RenexError : `invalid_argument`; `unsupported_value` or `too_large` for what JSON cannot say, or is above 1 MiB.
    """
    return {name: _checked(what, name, value) for name, value in given.items() if value is not None}


def changed(after: Mapping[str, Any], record: object) -> dict[str, Any]:
    """Return those of some fields that are not what a record has already."""
    return {name: value for name, value in after.items() if value != getattr(record, name)}


def _checked(what: str, name: str, value: Any) -> Any:
    if name in FLAGS:
        if not isinstance(value, bool):
            raise invalid_argument(f"{name}={shown(value)} is neither True nor False.", f"Use {name}=True.")
        return value
    if name == "metadata":
        if not isinstance(value, Mapping):
            raise invalid_argument(
                f"the metadata of the {what} are no {type(value).__name__}.",
                "Give a dict, such as {'dataset': 'mnist'}.",
            )
        said, _ = keep_param(f"the metadata of the {what}", value)
        return redact(said) or None
    text_argument(value, f"the {name} of the {what}", "Use a text; an empty one takes it away.")
    return redact_text(checked_text(f"the {name} of the {what}", value)) or None
