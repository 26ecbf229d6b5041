"""The outputs of a notebook, as they are kept: without the secrets that a cell has printed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from renex_jupyter.capture.secrets import redact_text

BINARY = ("image/", "audio/", "video/", "font/", "application/pdf", "application/octet-stream")
TEXT_IMAGE = "image/svg+xml"


def without_secrets(document: dict[str, Any]) -> dict[str, Any]:
    """Return a notebook whose outputs, widgets included, bear no secret of a known format; all else stays as it is."""
    cells, metadata = [_cell(each) for each in document["cells"]], document.get("metadata")
    if isinstance(metadata, Mapping) and "widgets" in metadata:
        return {**document, "cells": cells, "metadata": {**metadata, "widgets": _told(metadata["widgets"])}}
    return {**document, "cells": cells}


def _cell(cell: dict[str, Any]) -> dict[str, Any]:
    outputs = cell.get("outputs")
    if not isinstance(outputs, list) or not outputs:
        return cell
    return {**cell, "outputs": [_output(each) for each in outputs]}


def _output(output: Any) -> Any:
    if not isinstance(output, Mapping):
        return output
    told = {name: _told(each) for name, each in output.items() if name in ("text", "traceback", "evalue")}
    data = output.get("data")
    if isinstance(data, Mapping):
        told["data"] = {mime: each if _is_binary(mime) else _told(each) for mime, each in data.items()}
    return {**output, **told}


def _is_binary(mime: object) -> bool:
    return str(mime).startswith(BINARY) and mime != TEXT_IMAGE


def _told(value: Any) -> Any:
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, list):
        if not any(isinstance(each, (str, list, dict)) for each in value):
            return value  # the numbers of a figure, of which there may be millions
        return _lines(value) if all(isinstance(each, str) for each in value) else [_told(each) for each in value]
    if isinstance(value, Mapping):
        return {name: _told(each) for name, each in value.items()}
    return value


def _lines(texts: list[str]) -> list[str]:
    """A text is kept as a list of its lines, and a secret, such as a private key, may stand in more than one of them."""
    whole = "".join(texts)
    if whole.splitlines(keepends=True) != texts:
        return [redact_text(each) for each in texts]  # words, which only glued together are a text
    told = redact_text(whole)
    return texts if told == whole else told.splitlines(keepends=True)
