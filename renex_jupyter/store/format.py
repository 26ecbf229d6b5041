"""The form of a journal's lines: a JSON object that ends with the CRC-32 of all that stands before it."""

from __future__ import annotations

import json
import math
from base64 import b64encode
from zlib import crc32

from renex_jupyter.errors import RenexError
from renex_jupyter.records.changes import Change, to_json, to_microseconds
from renex_jupyter.records.metrics import Point
from renex_jupyter.records.values import Kept
from renex_jupyter.store.layout import FORMAT

CHANGES = ".jsonl"
POINTS = ".points.jsonl"
END = b'{"end":'  # what an end line begins with
GONE = b'{"gone":'  # what stands in the place of a line that was purged: it still counts, so that no other changes its number
LONGEST_LINE = 16 * 2**20  # bytes; a record that could grow beyond is written in parts


def seal_line(body: str) -> bytes:
    """Return a JSON object's text as a journal line: its CRC appended as the last member.

    Raises
    ------
    RenexError : `too_large` for a line that no reader would take.
    """
    start = body[:-1].encode("utf-8", "replace")
    if len(start) > LONGEST_LINE - 32:
        hint = "Keep it as a file of the project, and log its path."
        raise RenexError(
            "too_large", f"a value of {len(start):,} bytes; at most {LONGEST_LINE:,} go into one record.", hint
        )
    return b'%s,"c":"%08x"}\n' % (start, crc32(start))


def line_is_whole(line: bytes) -> bool:
    """Say whether a line is a record whose CRC fits; only its last byte, the line's end, may be missing."""
    text = line.removesuffix(b"\n")
    return text.endswith(b'"}') and text[-16:-10] == b',"c":"' and text[-10:-2] == b"%08x" % crc32(text[:-16])


def change_line(change: Change, number: int, at: int, actor: str) -> bytes:
    """Return the line of a change, the `number`-th of its writer; `at` are microseconds since the epoch."""
    record = {
        "v": FORMAT,
        "n": number,
        "at": at,
        "u": actor,
        "a": change.action,
        "t": change.kind,
        "i": change.id,
        "ns": change.namespace,
        "b": change.before,
        "d": change.after,
    }
    return seal_line(to_json(record))


def point_head(owner_kind: str, owner_id: str, key: str) -> str:
    """Return what the lines of all points of one series begin with; made once by whoever logs many."""
    return f'{{"o":{json.dumps(owner_kind)},"i":{json.dumps(owner_id)},"k":{json.dumps(key)},"s":'


def number_line(head: str, step: int, at: int, value: float) -> bytes:
    """Return the line of a point that is a plain number; `at` are microseconds since the epoch."""
    return seal_line(f'{head}{step},"w":{at},"y":{_number(value)}}}')


def value_line(head: str, step: int, at: int, kept: Kept) -> bytes:
    """Return the line of a point of any value."""
    body = f'{head}{step},"w":{at},"y":{"null" if kept.value is None else _number(kept.value)}'
    raw = None if kept.bytes_value is None else b64encode(kept.bytes_value).decode()
    named = {"x": kept.text_value, "t": kept.dtype, "h": kept.shape, "b": raw}
    return seal_line(body + "".join(f',"{k}":{json.dumps(v)}' for k, v in named.items() if v is not None) + "}")


def point_line(point: Point) -> bytes:
    """Return the line of a point."""
    head = point_head(point.owner_kind, point.owner_id, point.key)
    kept = Kept(point.value, point.text_value, point.bytes_value, point.dtype, point.shape)
    return value_line(head, point.step, to_microseconds(point.wallclock), kept)


def _number(value: float) -> str:
    if math.isfinite(value):
        return repr(float(value))
    return '"NaN"' if math.isnan(value) else '"Infinity"' if value > 0 else '"-Infinity"'
