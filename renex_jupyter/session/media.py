"""What a run makes that is no number: texts, dicts, tables, images, figures and histograms, as artifacts at a step."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from renex_jupyter.capture.secrets import redact, redact_text
from renex_jupyter.errors import RenexError, invalid_argument, unsupported_value, warn
from renex_jupyter.records.documents import document
from renex_jupyter.session import artifact_words, artifacts, uploads
from renex_jupyter.session.current import current

if TYPE_CHECKING:
    import pandas as pd

    from renex_jupyter.records.artifacts import Artifact

JSON, PNG, PLOTLY = "application/json", "image/png", "application/vnd.plotly.v1+json"
IMAGE_HINT = "Give an array (HxW, HxWx3, HxWx4), a PIL image, a matplotlib figure, PNG bytes, or the path of an image."
FIGURE_HINT = "Give a figure of plotly or matplotlib; of another library log_image(array or path, name)."
Encoded = tuple[bytes, str, Mapping[str, Any] | None]  # contents, media type, metadata


def log_text(text: str, name: str, step: int | None = None, *, on: object = None) -> Artifact | None:
    """Keep a text, such as a report or what a model answered.

    What can be logged here and in the functions below, and what becomes of it, is in docs/metrics.md. Neither a value nor
    the store stops the program: what is not kept is told with a warning, and None is returned.

    Parameters
    ----------
    text : secrets of known formats are taken out of it.
    name : under which it is found again, such as "report.md"; the same name at many steps is one series.
    step : at which it was made, such as the epoch.
    on : what it belongs to, as in `log_metric`; None: the open run, which is opened if there is none.

    Raises
    ------
    RenexError : `invalid_argument` for a name or a step that is none; `not_found`, `ambiguous` for `on`.
    """

    def encoded(what: str) -> Encoded:
        if not isinstance(text, str):
            raise unsupported_value(what, text, "Give a text, such as str(value).")
        mime = artifact_words.mime_of(name) or ""
        try:
            return redact_text(text).encode(), mime if mime.startswith("text/") else "text/plain", None
        except UnicodeEncodeError as error:
            hint = "Log text.encode('utf-8', 'backslashreplace').decode()."
            raise RenexError("unsupported_value", f"{what} holds half of a surrogate pair.", hint) from error

    return _keep("text", name, step, on, encoded)


def log_dict(
    value: Mapping[str, Any] | list[Any], name: str, step: int | None = None, *, on: object = None
) -> Artifact | None:
    """Keep a dict or a list as JSON, without the values under names of secrets. Otherwise as `log_text`."""

    def encoded(what: str) -> Encoded:
        if not isinstance(value, (Mapping, list, tuple)):
            raise unsupported_value(what, value, "Give a dict or a list.")
        return document(what, redact(value)), JSON, None

    return _keep("dict", name, step, on, encoded)


def log_table(table: Any, name: str, step: int | None = None, *, on: object = None) -> Artifact | None:
    """Keep a table: as Parquet where pyarrow is installed, else as JSON. `load_table` reads both. Otherwise as `log_text`.

    Parameters
    ----------
    table : a DataFrame of pandas or polars, a table of pyarrow, a dict of columns, or a list of dicts.
    """
    from renex_jupyter.session import tables

    return _keep("table", name, step, on, lambda what: tables.encoded(what, table))


def load_table(artifact: str | Artifact) -> pd.DataFrame:
    """Return a table that was kept, verified while it is read.

    Parameters
    ----------
    artifact : what `log_table` returned, or its id or name (the newest of that name).

    Raises
    ------
    RenexError : `not_found`, `ambiguous`; `invalid_argument` for what is no table; `corrupt`.
    """
    from renex_jupyter.session import tables

    record = artifacts.get_artifact(artifact)
    if record.kind != "table" or record.sha256 is None or record.mime not in (JSON, tables.PARQUET):
        raise invalid_argument(f"{record.title} is no table.", "List those with rx.list_artifacts(kind='table').")
    return tables.decoded(current().store.blobs.get(record.sha256), record.mime)


def log_image(image: Any, name: str, step: int | None = None, *, on: object = None) -> Artifact | None:
    """Keep an image; arrays become PNG without loss. Otherwise as `log_text`.

    Parameters
    ----------
    image : an array or tensor of HxW, HxWx3 or HxWx4 (uint8, bool, or float from 0 to 1; of torch also CxHxW), an image
        of PIL, a figure of matplotlib, the bytes of a PNG, JPEG, GIF or WebP, or the path of an image.
    """
    if isinstance(image, (str, os.PathLike)):
        return _keep_path(image, name, step, on)

    def encoded(what: str) -> Encoded:
        from renex_jupyter.records import images

        if isinstance(image, (bytes, bytearray, memoryview)):
            mime = images.mime_of(bytes(image[:16]))
            if mime is None:
                raise RenexError("unsupported_value", f"{what} is bytes of no known kind of image.", IMAGE_HINT)
            return bytes(image), mime, None
        if _is_of(image, "PIL"):
            return _saved(lambda file: image.save(file, format="PNG")), PNG, None
        if hasattr(image, "savefig"):
            return _saved(lambda file: image.savefig(file, format="png")), PNG, None
        if hasattr(image, "to_plotly_json"):
            raise RenexError("unsupported_value", f"{what} is a figure of plotly.", "Use rx.log_figure(figure, name).")
        if not hasattr(image, "shape") and not isinstance(image, (list, tuple)):
            raise unsupported_value(what, image, IMAGE_HINT)
        pixels = _numpy(image)
        if (
            hasattr(image, "detach")
            and pixels.ndim == 3
            and pixels.shape[0] in (1, 3, 4)
            and pixels.shape[2] not in (3, 4)
        ):
            pixels = pixels.transpose(1, 2, 0)
        size = {"height": int(pixels.shape[0]), "width": int(pixels.shape[1])} if pixels.ndim > 1 else None
        return images.png(what, pixels), PNG, size

    return _keep("image", name, step, on, encoded)


def log_figure(figure: Any, name: str, step: int | None = None, *, on: object = None) -> Artifact | None:
    """Keep a figure: of plotly as its data and layout (JSON, never HTML), of matplotlib as PNG. Otherwise as `log_text`."""

    def encoded(what: str) -> Encoded:
        if hasattr(figure, "to_plotly_json") or (isinstance(figure, Mapping) and "data" in figure):
            from plotly.io import to_json  # type: ignore[import-untyped]

            return str(to_json(figure, validate=False)).encode(), PLOTLY, None
        drawn = figure.get_figure() if hasattr(figure, "get_figure") and not hasattr(figure, "savefig") else figure
        if hasattr(drawn, "savefig"):
            return _saved(lambda file: drawn.savefig(file, format="png")), PNG, None
        raise unsupported_value(what, figure, FIGURE_HINT)

    return _keep("figure", name, step, on, encoded)


def log_histogram(
    values: Any, name: str, step: int | None = None, bins: int = 64, *, on: object = None
) -> Artifact | None:
    """Keep how numbers are distributed, such as weights or gradients, as JSON. Otherwise as `log_text`.

    Parameters
    ----------
    values : array, tensor or list of numbers, of any shape; see `records.histograms.histogram` for what is kept of them.
    bins : of equal width, 1 to 10,000.
    """

    def encoded(what: str) -> Encoded:
        from renex_jupyter.records.histograms import histogram

        return document(what, histogram(what, _numpy(values), bins)), JSON, None

    return _keep("histogram", name, step, on, encoded)


def _keep(kind: str, name: str, step: int | None, on: object, encoded: Callable[[str], Encoded]) -> Artifact | None:
    """Keep what `encoded` makes of a value; one that is refused, or that fails by itself, is told."""
    chosen, number = artifact_words.checked_name(name), artifact_words.checked_step(step)
    what = f"{kind} '{chosen}'"
    try:
        data, mime, metadata = encoded(what)
    except RenexError as error:
        if error.code == "invalid_argument":
            raise
        warn(f"{error.message} It is not kept. {error.hint}")
        return None
    except Exception as error:  # noqa: BLE001  the value's own
        warn(f"{what} is not kept: its value raised {type(error).__name__}.")
        return None
    with uploads.kept_or_told(what):
        return uploads.keep_bytes(
            current(), data, name=chosen, kind=kind, mime=mime, step=number, metadata=metadata, on=on
        )
    return None  # type: ignore[unreachable]  # mypy does not see that the block may swallow


def _keep_path(path: str | os.PathLike[str], name: str, step: int | None, on: object) -> Artifact | None:
    """Keep the file of an image, which another process reads."""
    chosen, number = artifact_words.checked_name(name), artifact_words.checked_step(step)
    found = artifact_words.checked_path(path)
    if not (artifact_words.mime_of(found.name) or "").startswith("image/"):
        warn(f"image '{chosen}' is not kept: '{found.name}' is not named like an image. {IMAGE_HINT}")
        return None
    session = current()
    with uploads.kept_or_told(f"image '{chosen}'"):
        owner, run_id = uploads.owner_of(session, on)
        return uploads.keep_path(session, found, name=chosen, kind="image", step=number, owner=owner, run_id=run_id)
    return None  # type: ignore[unreachable]  # as above


def _saved(save: Callable[[Any], Any]) -> bytes:
    import io

    file = io.BytesIO()
    save(file)
    return file.getvalue()


def _is_of(value: Any, library: str) -> bool:
    return any(each.__module__.partition(".")[0] == library for each in type(value).__mro__)


def _numpy(value: Any) -> Any:
    """Return an array of numpy; of a tensor that is elsewhere, in a graph, or of a number that numpy does not know, too."""
    import numpy as np

    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float() if "bfloat16" in str(value.dtype) else value
        return value.numpy()
    return np.asarray(value)
