"""What a user gives a snapshot: words, config and metrics."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from glob import glob, has_magic
from pathlib import Path
from typing import Any

from renex_jupyter.capture import values
from renex_jupyter.capture.secrets import is_secret_file, redact
from renex_jupyter.errors import invalid_argument, not_found, shown, text_argument
from renex_jupyter.session.current import current
from renex_jupyter.session.points import checked_name

NOW = "now"  # the present state, where a snapshot is named


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
    if label is None or label == "":
        return
    hint = 'Use one like "baseline", on one line.'
    if checked_name("snapshot", label, '"baseline"') == NOW:
        raise invalid_argument(f"'{NOW}' means the present state wherever a snapshot is named.", hint)
    if label != label.strip() or not label.isprintable():
        raise invalid_argument(
            f"the label {shown(label)} begins or ends with a blank, or has what nobody can type.", hint
        )


def chosen_paths(project: Path, given: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None) -> list[str]:
    """Return the paths, relative to the project, that words of the user mean: each a path, or a pattern such as `*.csv`.

    A path is relative to the project or else to the working folder; a pattern is relative to the project, and `**` stands
    for any folders.

    Raises
    ------
    RenexError : `not_found` for what means nothing there, `invalid_argument` for what lies outside of the project.
    """
    words = [] if given is None else [given] if isinstance(given, (str, os.PathLike)) else list(given)
    for word in words:
        if not isinstance(word, (str, os.PathLike)):
            raise invalid_argument(
                f"{shown(word)} is no path.", "Give a path in the project, or a pattern such as *.csv."
            )
    return [each for word in words for each in _meant(project, os.fspath(word))]


def _meant(project: Path, word: str) -> list[str]:
    if not word.strip():
        raise invalid_argument("an empty text is no path.", "Give a path in the project, or a pattern such as *.csv.")
    for place in (project / word, Path.cwd() / word):
        if os.path.lexists(place):
            inside = Path(os.path.normpath(place))  # not through links: a link in the project is a part of it
            if not inside.is_relative_to(project):
                raise invalid_argument(f"{word} lies outside of {project}.", "Copy it into the project.")
            return [inside.relative_to(project).as_posix()]
    found = glob(word, root_dir=project, recursive=True, include_hidden=True) if has_magic(word) else []  # noqa: PTH207
    named = [Path(each).as_posix() for each in found if not is_secret_file(Path(each).as_posix())]
    inside_only = [each for each in named if not each.startswith((os.pardir, "/"))]
    if not inside_only:
        raise not_found("file", word, listing="!ls")
    return inside_only
