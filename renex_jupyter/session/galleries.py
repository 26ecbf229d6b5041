"""Samples of a filter or of a failure pattern to look at, the worst predicted first."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from renex_jupyter.capture.pictures import LARGEST, read_pictures, small_picture
from renex_jupyter.errors import RenexError, invalid_argument, shown
from renex_jupyter.ids import SHA256
from renex_jupyter.query.predicate_columns import known_column
from renex_jupyter.records import images
from renex_jupyter.records.datasets import KEY, DatasetVersion
from renex_jupyter.records.failure_patterns import FailurePattern
from renex_jupyter.records.galleries import Gallery, Shown
from renex_jupyter.records.predicates import Predicate
from renex_jupyter.records.predicates import columns as columns_of
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.filters import as_predicate
from renex_jupyter.session.opened_predictions import Laid, chosen, laid_open
from renex_jupyter.store.conditions import condition
from renex_jupyter.store.workbench import quoted

MOST = 200  # samples of one gallery
COLUMNS = 6  # that are shown where none are asked for
HIDDEN_ROLES = ("key", "target", "image", "embedding")
IMAGE_HINT = (
    "Pictures are read from bytes, from files at the path that the column says, or from the contents of the store."
)


def sample_gallery(
    dataset: Any,
    *,
    where: Any = None,
    predictions: Any = None,
    model: Any = None,
    columns: Sequence[str] | None = None,
    error: str = "auto",
    limit: int = 24,
) -> Gallery:
    """Return samples to look at, with their pictures where the dataset has images; the worst predicted come first.

    Parameters
    ----------
    dataset : version of a dataset, or a failure pattern, whose samples are meant.
    where : a filter: a text such as "age >= 30", a predicate, a pattern; with predictions also of "predicted", "actual".
    predictions, model : what was predicted on the samples; None: the newest there are, if any.
    columns : shown beside each sample; None: those of the filter, and the first few others.
    error : what the order is by, as in `rx.failure_patterns`.
    limit : most samples, up to 200.

    Raises
    ------
    RenexError : `not_found`, `invalid_argument`.
    """
    _check(columns, limit)
    session = current()
    if isinstance(dataset, FailurePattern):
        pattern, dataset = dataset, dataset.dataset_version_id
        where = pattern if where is None else where
        error = pattern.error if error == "auto" else error
        predictions = _predicted_by(session, pattern) if predictions is None and model is None else predictions
    wanted = chosen(predictions, model)
    try:
        with laid_open(session, dataset, predictions=wanted) as laid:
            return _with_predictions(session, laid, as_predicate(where), columns, error, limit)
    except RenexError as problem:
        if wanted is not None or problem.code != "not_found":
            raise
    with laid_open(session, dataset) as laid:
        return _without(session, laid, as_predicate(where), columns, limit)


def _predicted_by(session: Session, pattern: FailurePattern) -> str | None:
    found = session.store.reader.rows(
        "select prediction_set_id from inside.pattern_searches where pattern_search_id = ?", [pattern.pattern_search_id]
    )
    return found[0]["prediction_set_id"] if found else None


def _with_predictions(
    session: Session, laid: Laid, where: Predicate, columns: Sequence[str] | None, error: str, limit: int
) -> Gallery:
    from renex_jupyter.session.pattern_rows import ROWS, lay_rows

    bench = laid.bench
    rows = lay_rows(bench, laid.version, laid.predictions, error=error)
    text, values = condition(as_predicate(where, bench.columns(ROWS)))
    said = [each for each in ("actual", "predicted") if each in bench.columns(ROWS)]
    told = ", ".join(f"any_value({each})::varchar as said_{each}" for each in said)
    bench.run(
        f"""create or replace table picked as
        select {KEY}, max(error) as said_error{f", {told}" if told else ""} from {ROWS} where {text} group by {KEY}""",
        values,
    )
    binary = rows.binary
    found = _gallery(session, laid, where, columns, limit, "said_error desc nulls last,")
    verdicts = {row[KEY]: row for row in bench.rows(f"from picked where {KEY} in (select unnest(?))", [found.keys])}
    samples = [
        Shown(
            each.key,
            each.values,
            verdicts[each.key].get("said_actual"),
            verdicts[each.key].get("said_predicted"),
            verdicts[each.key]["said_error"],
            each.image,
        )
        for each in found.samples
    ]
    columns_shown = found.columns
    if not binary:
        samples = [
            Shown(each.key, (*each.values, _text(each.error)), each.actual, each.predicted, each.error, each.image)
            for each in samples
        ]
        columns_shown = (*columns_shown, rows.error.name)
    return Gallery(found.dataset, found.where, columns_shown, tuple(samples), found.total, found.pictures, found.note)


def _without(session: Session, laid: Laid, where: Predicate, columns: Sequence[str] | None, limit: int) -> Gallery:
    text, values = condition(as_predicate(where, laid.bench.columns("samples")))
    laid.bench.run(f"create or replace table picked as select {KEY} from samples where {text}", values)
    return _gallery(session, laid, where, columns, limit, "")


def _gallery(
    session: Session, laid: Laid, where: Predicate, columns: Sequence[str] | None, limit: int, order: str
) -> Gallery:
    """Return the samples of the table `picked`."""
    bench, version = laid.bench, laid.version
    names = _columns(bench.columns("samples"), version, where, columns)
    image = next(iter(version.named("image")), None)
    digest = "sha256" if image is not None and "sha256" in bench.columns("samples") else None
    wanted = [f"s.{quoted(each)}" for each in dict.fromkeys([*names, *filter(None, [image, digest])])]
    rows = bench.rows(
        f"""select {", ".join([f"s.{KEY}", *wanted])} from picked p join samples s on s.{KEY} = p.{KEY}
        order by {order} s.{KEY} limit {limit}"""
    )
    pictures = _pictures(session, version, rows, image, digest) if image is not None else [None] * len(rows)
    missing = sum(each is None for each in pictures) if image is not None else 0
    return Gallery(
        version.reference,
        str(where),
        tuple(names),
        tuple(
            Shown(str(row[KEY]), tuple(_text(row[name]) for name in names), image=picture)
            for row, picture in zip(rows, pictures, strict=True)
        ),
        int(bench.value("select count(*) from picked") or 0),
        image is not None,
        f"{missing:,} of the pictures cannot be shown. {IMAGE_HINT}" if missing else None,
    )


def _columns(
    types: Collection[str], version: DatasetVersion, where: Predicate, columns: Sequence[str] | None
) -> list[str]:
    if columns is not None:
        known = dict.fromkeys([each for each in types if each != KEY], "")
        return [known_column(each, known) for each in columns]
    roles = {each.name: each.role for each in version.fields}
    lower = {each.lower() for each in columns_of(where)}
    asked = [each for each in types if each.lower() in lower and each != KEY]
    texts = [each for each in types if roles.get(each) == "text"]
    others = [each for each in types if each != KEY and roles.get(each) not in HIDDEN_ROLES]
    return list(dict.fromkeys([*asked, *texts, *others]))[: max(COLUMNS, len(asked))]


def _pictures(
    session: Session, version: DatasetVersion, rows: Sequence[dict[str, Any]], image: str, digest: str | None
) -> list[str | None]:
    """Return the data URI of each sample's image; None where there is none that can be shown."""
    found = [_kept(session, row[image], row[digest] if digest else None) for row in rows]
    places = [
        _path(session, version, row[image]) if data is None else None for row, data in zip(rows, found, strict=True)
    ]
    read = iter(read_pictures([each for each in places if each is not None]))
    return [
        _uri(data if data is not None else (next(read) if place is not None else None))
        for data, place in zip(found, places, strict=True)
    ]


def _kept(session: Session, value: Any, sha256: Any) -> bytes | None:
    """Return the image that a value holds itself, or that is among the contents of the store."""
    if isinstance(value, dict):  # as Hugging Face keeps images
        value = value.get("bytes")
    if isinstance(value, (bytes, bytearray, memoryview)):
        return small_picture(bytes(value))
    if isinstance(value, (list, tuple)) or type(value).__module__ == "numpy":
        return _drawn(value)
    blobs = session.store.blobs
    if isinstance(sha256, str) and SHA256.fullmatch(sha256) and blobs.is_there(sha256):
        with suppress(RenexError):
            return small_picture(blobs.get(sha256))
    return None


def _drawn(value: Any) -> bytes | None:
    """Return numbers as a picture: in rows, or as many as make a square; the largest is white."""
    import numpy as np

    with suppress(RenexError, ValueError, TypeError):
        pixels = np.asarray(value, dtype=float)
        side = math.isqrt(pixels.size)
        if pixels.ndim == 1 and side * side == pixels.size:
            pixels = pixels.reshape(side, side)
        low, high = float(np.min(pixels)), float(np.max(pixels))
        if pixels.ndim in (2, 3) and math.isfinite(low) and math.isfinite(high):
            png = images.png("picture", (pixels - low) / ((high - low) or 1.0))
            return png if len(png) <= LARGEST else None
    return None


def _path(session: Session, version: DatasetVersion, value: Any) -> Path | None:
    """Return where the file of an image lies: at the path itself, below the source of the dataset, or below the project."""
    if isinstance(value, dict):
        value = value.get("path")
    if not isinstance(value, str) or not value or "\0" in value:
        return None
    source = Path(version.source) if version.source and "\0" not in version.source else None
    root = session.store.layout.root.parent
    folders = [*([root / source, (root / source).parent] if source is not None else []), root]
    places = [folder / value for folder in folders]  # an absolute path stays itself
    with suppress(OSError):
        return next((each for each in places if each.exists()), places[0])
    return None


def _uri(data: bytes | None) -> str | None:
    mime = images.mime_of(data) if data is not None else None
    return f"data:{mime};base64,{b64encode(data).decode()}" if data is not None and mime is not None else None


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (bytes, bytearray)):
        return f"{len(value):,} bytes"
    return str(value)


def _check(columns: Any, limit: Any) -> None:
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MOST:
        raise invalid_argument(f"limit {shown(limit)} is no number of samples from 1 to {MOST}.", "Use limit=24.")
    if columns is not None and (isinstance(columns, str) or not all(isinstance(each, str) for each in columns)):
        raise invalid_argument(f"columns {shown(columns)} are no list of names.", 'Give such as ["age", "sex"].')
