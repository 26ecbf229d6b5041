"""What a model asks of a version before an alias may name it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from renex_jupyter.session.current import Session


def check_required(session: Session, model: Mapping[str, Any], version: Mapping[str, Any], alias: str) -> None:
    """Refuse an alias to a version that does not meet what the policies of kind `require` ask for it.

    Parameters
    ----------
    model, version : rows of `inside.models` and of `model_versions`.

    Raises
    ------
    RenexError : `policy_failed`, with what is not met.
    """
