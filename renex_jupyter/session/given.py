"""What a user gives a snapshot: words, config and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from renex_jupyter.capture import values
from renex_jupyter.capture.secrets import redact
from renex_jupyter.errors import text_argument
from renex_jupyter.session.current import current
from renex_jupyter.session.points import checked_name


def read_given(given: Any, what: str, names: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return config or metrics as a dict from whatever the user gave; `names` are the variables that a word may mean."""
    names = current().names if names is None else names
    if given is None:
        return {}
    if isinstance(given, str):
        found = values.read_values(given, names)
    elif isinstance(given, (list, tuple)):
        found = {key: value for each in given for key, value in read_given(each, what, names).items()}
    elif isinstance(given, Path):
        found = values.read_values(str(given), {})
    else:
        found = values.from_object(given, what)
    return (
        values.metrics_from(found) if what == "metrics" else {key: redact(value, key) for key, value in found.items()}
    )


def check_words(message: str | None, label: str | None) -> None:
    """Refuse what is no text, or no name."""
    if message is not None:
        text_argument(message, "the message of a snapshot", 'Use a text, such as "before the new loss".')
    if label is not None and label != "":
        checked_name("snapshot", label, '"baseline"')
