"""What can be the key of a metric, a param or a tag."""

from __future__ import annotations

from typing import Any

from renex_jupyter.errors import invalid_argument

LONGEST_KEY = 500  # characters, also of a name


def checked(what: str, key: Any) -> str:
    """Return a key of a metric, param or tag, if it can be one.

    Raises
    ------
    RenexError : `invalid_argument`.
    """
    if not isinstance(key, str) or not key or len(key) > LONGEST_KEY:
        shown = f"{key[:40]!r}... of {len(key):,} characters" if isinstance(key, str) and key else f"{key!r}"
        raise invalid_argument(f"{shown} is not a {what} key.", f"Use a text of 1 to {LONGEST_KEY} characters.")
    try:
        key.encode()
    except UnicodeEncodeError as error:
        raise invalid_argument(f"{key!r} cannot be written as UTF-8.", "Use another key.") from error
    return key
