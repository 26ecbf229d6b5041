"""Arrays of pixels as PNG, with nothing but zlib: the same pixels give the same bytes on every machine.

References
----------
W3C, "Portable Network Graphics (PNG) Specification", third edition: 5 (datastream), 9 (filtering), 11.2 (chunks).
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np

from renex_jupyter.errors import RenexError

HINT = "Give HxW, HxWx3 or HxWx4, as uint8, bool, or float from 0 to 1."
LARGEST = 100_000_000  # pixels
_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}  # channels -> colour type of PNG
_MAGIC = {  # what a file of an image begins with
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}
Pixels = np.ndarray[Any, np.dtype[np.uint8]]


def mime_of(data: bytes) -> str | None:
    """Return what kind of image bytes are, by how they begin; None for what is none that a browser shows."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((mime for magic, mime in _MAGIC.items() if data.startswith(magic)), None)


def png(what: str, image: Any) -> bytes:
    """Return an array of pixels as PNG.

    Parameters
    ----------
    what : names the image in an error, such as "image 'samples'".
    image : (H, W) or (H, W, C), C one of 1 (grey), 2 (grey, opacity), 3 (RGB), 4 (RGB, opacity); uint8 from 0 to 255,
        bool, or float from 0 to 1, which is rounded to 256 steps.

    Raises
    ------
    RenexError : `unsupported_value` for another shape or dtype, and for numbers out of range or NaN; `too_large`.
    """
    pixels = _pixels(what, np.asarray(image))
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOURS[channels], 0, 0, 0)
    body = zlib.compress(_filtered(pixels), 6)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _pixels(what: str, array: Any) -> Pixels:
    """Return (H, W, C) uint8."""
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in _COLOURS or not array.size:
        raise _refused(what, f"has the shape {tuple(array.shape)}")
    if array.shape[0] * array.shape[1] > LARGEST:
        fact = f"{what} has {array.shape[0] * array.shape[1]:,} pixels; at most {LARGEST:,} are kept."
        raise RenexError("too_large", fact, "Log a smaller one, or its file with rx.log_artifact(path).")
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype == np.bool_:
        return np.where(array, np.uint8(255), np.uint8(0))
    if array.dtype.kind != "f":
        raise _refused(what, f"is of {array.dtype}")
    low, high = float(array.min()), float(array.max())
    if not (low >= 0 and high <= 1):  # also NaN
        raise _refused(what, f"goes from {low:g} to {high:g}")
    pixels: Pixels = np.rint(array.astype(np.float64) * 255).astype(np.uint8)
    return pixels


def _filtered(pixels: Pixels) -> bytes:
    """Return the rows, each behind the number of its filter: that whose differences are the least (section 12.7)."""
    height, width, channels = pixels.shape
    plain = pixels.reshape(height, width * channels)
    left, above = np.zeros_like(plain), np.zeros_like(plain)
    left[:, channels:] = plain[:, :-channels] if width > 1 else 0
    above[1:] = plain[:-1]
    candidates = np.stack([plain, plain - left, plain - above])  # none, sub, up; modulo 256
    costs = np.abs(candidates.view(np.int8).astype(np.int16)).sum(axis=2, dtype=np.int64)
    best = costs.argmin(axis=0)
    rows = np.empty((height, 1 + width * channels), np.uint8)
    rows[:, 0] = best
    rows[:, 1:] = candidates[best, np.arange(height)]
    return rows.tobytes()


def _refused(what: str, why: str) -> RenexError:
    return RenexError("unsupported_value", f"{what} {why}, which is no picture.", HINT)
