"""The first bytes of an image say how large it is."""

from __future__ import annotations

import io
import struct

import pytest
from pictures import jpeg, png

from renex_jupyter.capture.formats.image_sizes import image_size


def webp(kind: bytes, rest: bytes) -> bytes:
    return b"RIFF" + bytes(4) + b"WEBP" + kind + bytes(4) + rest


IMAGES = {
    "png": png(300, 7),
    "gif": b"GIF89a" + struct.pack("<HH", 300, 7),
    "bmp": b"BM" + bytes(12) + struct.pack("<Iii", 40, 300, 7),
    "bmp from the top": b"BM" + bytes(12) + struct.pack("<Iii", 40, 300, -7),
    "bmp of OS/2": b"BM" + bytes(12) + struct.pack("<IHH", 12, 300, 7),
    "jpeg": jpeg(300, 7),
    "jpeg that says it stands upright": jpeg(300, 7, 1),
    "jpeg upside down": jpeg(300, 7, 3, "<"),
    "jpeg turned": jpeg(7, 300, 6),
    "jpeg turned, other byte order": jpeg(7, 300, 8, "<"),
    "webp": webp(b"VP8 ", bytes(3) + b"\x9d\x01\x2a" + struct.pack("<HH", 300, 7)),
    "webp without loss": webp(b"VP8L", b"\x2f" + struct.pack("<I", 299 | 6 << 14)),
    "webp with more": webp(b"VP8X", bytes(4) + (299).to_bytes(3, "little") + (6).to_bytes(3, "little")),
}


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_says_its_size(name: str) -> None:
    assert image_size(io.BytesIO(IMAGES[name])) == (300, 7)


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_that_is_cut_off_anywhere_says_none_or_its_size(name: str) -> None:
    whole = IMAGES[name]
    for end in range(min(len(whole), 120)):
        assert image_size(io.BytesIO(whole[:end])) in (None, (300, 7))


@pytest.mark.parametrize("content", [b"", b"text", b"\xff\xd8\xff\xd9", b"\xff\xd8junk", png(0, 5), b"II*\0"])
def test_what_is_no_image_has_no_size(content: bytes) -> None:
    assert image_size(io.BytesIO(content)) is None
