"""The points of W&B's offline files. wandb has no public reader of them; they are read by their published form."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

BLOCK, HEAD = 32_768, struct.Struct("<IHB")  # CRC, length and kind of a part
WHOLE, FIRST, MIDDLE, LAST = 1, 2, 3, 4  # the kinds


def records(file: bytes) -> Iterator[bytes]:
    """Yield the records of a `.wandb` file, up to its end or to where it is torn.

    References
    ----------
    LevelDB's log format, https://github.com/google/leveldb/blob/main/doc/log_format.md, after a header of 7 bytes
    that belongs to the first block.
    """
    place, record = 7, b""
    while place + HEAD.size <= len(file):
        rest = BLOCK - place % BLOCK
        if rest < HEAD.size:
            place += rest
            continue
        _, length, kind = HEAD.unpack_from(file, place)
        part = file[place + HEAD.size : place + HEAD.size + length]
        if not WHOLE <= kind <= LAST or len(part) < length:
            return
        record = part if kind in (WHOLE, FIRST) else record + part
        if kind in (WHOLE, LAST):
            yield record
        place += HEAD.size + length


def steps(folder: Path, key: str) -> list[int]:
    """Return the steps of all points of a metric in the offline runs below a folder."""
    from wandb.proto.wandb_internal_pb2 import Record

    found = []
    for path in folder.glob("wandb/offline-run-*/run-*.wandb"):
        for data in records(path.read_bytes()):
            history = Record.FromString(data).history
            if any(key in (item.key, *item.nested_key) for item in history.item):
                found.append(history.step.num)
    return found
