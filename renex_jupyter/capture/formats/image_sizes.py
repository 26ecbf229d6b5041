"""Width and height of an image as its first bytes tell: PNG, JPEG, GIF, BMP and WebP, without any library.

References
----------
PNG: https://www.w3.org/TR/png-3/#11IHDR
JPEG: ITU-T T.81, B.2.2 (frame header); orientation: Exif 2.32, tag 0x0112
GIF: https://www.w3.org/Graphics/GIF/spec-gif89a.txt, section 18
BMP: https://learn.microsoft.com/windows/win32/gdi/bitmap-header-types
WebP: https://developers.google.com/speed/webp/docs/riff_container; RFC 6386, 9.1; the lossless one: its specification, 3.4
"""

from __future__ import annotations

import struct
from typing import BinaryIO

FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # the markers of JPEG that tell the size
ALONE = frozenset((0x01, *range(0xD0, 0xD9)))  # those that have no length
ORIENTATION = 0x0112
TURNED = (5, 6, 7, 8)  # orientations in which width and height change places
Size = tuple[int, int]


def image_size(file: BinaryIO) -> Size | None:
    """Return width and height in pixels as they are shown; None where the file is no image that we know, or is cut off."""
    try:
        head = file.read(32)
        if head[:8] == b"\x89PNG\r\n\x1a\n" and head[12:16] == b"IHDR":
            size = struct.unpack(">II", head[16:24])
        elif head[:6] in (b"GIF87a", b"GIF89a"):
            size = struct.unpack("<HH", head[6:10])
        elif head[:2] == b"BM":
            size = _of_bmp(head)
        elif head[:4] == b"RIFF" and head[8:12] == b"WEBP":
            size = _of_webp(head)
        elif head[:2] == b"\xff\xd8":
            file.seek(2)
            size = _of_jpeg(file)
        else:
            return None
    except (struct.error, IndexError):
        return None
    return (size[0], size[1]) if min(size) > 0 else None


def _of_bmp(head: bytes) -> tuple[int, ...]:
    if struct.unpack("<I", head[14:18])[0] == 12:  # the header of OS/2
        return struct.unpack("<HH", head[18:22])
    width, height = struct.unpack("<ii", head[18:26])
    return width, abs(height)  # a negative height: the first row is at the top


def _of_webp(head: bytes) -> tuple[int, ...]:
    kind = head[12:16]
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", head[26:30])
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        (bits,) = struct.unpack("<I", head[21:25])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X" and len(head) >= 30:
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    return 0, 0


def _of_jpeg(file: BinaryIO) -> tuple[int, ...]:
    turned = False
    while byte := file.read(1):
        if byte != b"\xff":
            return 0, 0
        while (marker := file.read(1)) == b"\xff":  # fill bytes
            pass
        code = marker[0]
        if code in ALONE:
            continue
        (length,) = struct.unpack(">H", file.read(2))
        if code in FRAMES:
            _, height, width = struct.unpack(">BHH", file.read(5))
            return (height, width) if turned else (width, height)
        segment = file.read(length - 2) if code == 0xE1 else b""
        if segment[:6] == b"Exif\0\0":
            turned = _orientation(segment[6:]) in TURNED
        elif code != 0xE1:
            file.seek(max(0, length - 2), 1)
    return 0, 0


def _orientation(tiff: bytes) -> int:
    """Return the orientation that Exif says, 1 where it says none."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 1
    try:
        (at,) = struct.unpack(f"{order}I", tiff[4:8])
        (entries,) = struct.unpack(f"{order}H", tiff[at : at + 2])
        for place in range(at + 2, at + 2 + 12 * entries, 12):
            tag, _, _, value = struct.unpack(f"{order}HHIH", tiff[place : place + 10])
            if tag == ORIENTATION:
                return int(value)
    except struct.error:
        pass
    return 1
