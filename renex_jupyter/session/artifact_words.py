"""What an artifact is called and what is said of it: taken from the user, checked, and without secrets."""

from __future__ import annotations

import mimetypes
import operator
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from renex_jupyter.capture.secrets import redact, redact_text
from renex_jupyter.errors import RenexError, invalid_argument, shown, text_argument, warn
from renex_jupyter.records.changes import plain
from renex_jupyter.records.keys import LONGEST_KEY
from renex_jupyter.records.paths import to_text
from renex_jupyter.session.current import Session

NAME_HINT = f'Use a text of 1 to {LONGEST_KEY} characters, such as "models/best.pt", without ".." in it.'
KIND_HINT = 'Use a word, such as "model".'


def place(session: Session, path: Path) -> str:
    """Return where a thing lies, relative to the project if it is in it, so that both can be moved."""
    return redact_text(to_text(session.relative(Path(os.path.normpath(path))) or str(path)))


def checked_path(path: object) -> Path:
    """Return an absolute path.

    Raises
    ------
    RenexError : `invalid_argument`; `not_found` where nothing is.
    """
    hint = "Give the path of a file or a folder."
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise invalid_argument(f"{shown(path)} is no path.", hint)
    text = os.fspath(path)
    if not isinstance(text, str) or "\0" in text:
        raise invalid_argument(f"{shown(path)} is no path.", hint)
    found = Path(text).expanduser().absolute()
    if not os.path.exists(found):  # noqa: PTH110  a path that is too long is none, and no error
        raise RenexError(
            "not_found", f"nothing is at {to_text(str(found))}.", f"Check the path; it is relative to {Path.cwd()}."
        )
    return found


def default_name(path: Path) -> str:
    """Return the name of an artifact that nobody named."""
    return checked_name(to_text(Path(os.path.normpath(path)).name or "root"))


def checked_name(name: object) -> str:
    """Return the name of an artifact, if it can be one.

    Raises
    ------
    RenexError : `invalid_argument`.
    """
    text = text_argument(name, "the name of an artifact", NAME_HINT)
    wrong = next((part for part in text.split("/") if part in ("", ".", "..")), None)
    if wrong is not None or "\0" in text or not text.strip() or len(text) > LONGEST_KEY:
        raise invalid_argument(f"{shown(name)} cannot be the name of an artifact.", NAME_HINT)
    return text


def checked_kind(kind: object) -> str:
    """Return a kind, if it can be one."""
    text = text_argument(kind, "the kind of an artifact", KIND_HINT)
    if not text.strip() or len(text) > LONGEST_KEY:
        raise invalid_argument(f"{shown(kind)} cannot be the kind of an artifact.", KIND_HINT)
    return text


def checked_step(step: object) -> int | None:
    """Return a step as a whole number."""
    try:
        if step is None or isinstance(step, bool):
            raise TypeError
        number = operator.index(step)  # type: ignore[arg-type]
    except TypeError:
        if step is None:
            return None
        raise invalid_argument(
            f"step {shown(step)} is no whole number.", "Use one such as the number of the epoch."
        ) from None
    if not -(2**63) <= number < 2**63:
        raise invalid_argument(f"step {shown(step)} is too large.", "Use at most 63 bits.")
    return number


def kept_metadata(metadata: object, name: str) -> dict[str, Any] | None:
    """Return metadata as JSON can hold it, without secrets; what cannot be kept is told and left out.

    Raises
    ------
    RenexError : `invalid_argument` for what is no mapping.
    """
    if metadata is None:
        return None
    if not isinstance(metadata, Mapping):
        raise invalid_argument(f"metadata are no {type(metadata).__name__}.", "Give a dict, such as {'epoch': 3}.")
    kept = {}
    for key, value in metadata.items():
        try:
            kept[str(key)] = plain(redact(value, str(key)))
        except RenexError as error:
            warn(f"'{key}' of the metadata of '{name}' is not kept: {error.line}")
    return kept


# What Python's own list does not have, or has only where the system's is installed.
_TYPES = {".md": "text/markdown", ".markdown": "text/markdown", ".parquet": "application/vnd.apache.parquet"}


def mime_of(name: str) -> str | None:
    """Return the media type that a name says."""
    return _TYPES.get(PurePosixPath(name).suffix.lower()) or mimetypes.guess_type(name)[0]
