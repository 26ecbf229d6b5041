"""Arrays, tensors and lists of numbers as bytes: C order, little-endian, with dtype and shape."""

from __future__ import annotations

import math
import struct
import sys
from array import array
from typing import Any

from renex_jupyter.errors import unsupported_value
from renex_jupyter.records.values import (
    LONGEST_VALUE,
    MASK_HINT,
    NUMBER_HINT,
    Kept,
    checked_size,
    keep_scalar,
    own,
    too_large,
)

SIZES = {  # bytes of one element, by the name that numpy and torch give it
    "bool": 1,
    **{f"{sign}int{bits}": bits // 8 for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "float16": 2,
    "bfloat16": 2,
    "float32": 4,
    "float64": 8,
    "complex64": 8,
    "complex128": 16,
}
_KINDS = {
    "?": "bool",
    **dict.fromkeys("bhilqn", "int"),
    **dict.fromkeys("BHILQN", "uint"),
    **dict.fromkeys("efd", "float"),
}
DEEPEST = 32  # dimensions of a list
LABELLED = ("iloc", "to_frame", "coords", "unit")  # pandas, polars, xarray, astropy: more than numbers
_STEPS = ("detach", "cpu", "resolve_conj", "resolve_neg", "contiguous")  # of torch: out of the graph, into memory
DTYPE_HINT = "Log an array of bool, int, float or complex numbers; convert it with .astype(...)."


def keep(what: str, value: Any) -> Kept:
    """Return the columns that say a value exactly.

    Parameters
    ----------
    what : names the value in an error, such as "metric 'loss'".

    Raises
    ------
    RenexError : `unsupported_value`, `too_large`; nothing else, whatever the object does when it is asked.
    """
    try:
        simple = own(value)
        kept = _array(what, simple) or keep_scalar(what, simple)
    except Exception as error:
        code, hint = getattr(error, "code", ""), getattr(error, "hint", "")
        if code == "too_large":
            raise
        raised = hint if code else f"Asked for its value it raised {type(error).__name__}. {NUMBER_HINT}"
        raise unsupported_value(what, value, raised) from error
    if kept is None:
        raise unsupported_value(what, value, NUMBER_HINT)
    return kept


def _array(what: str, value: Any) -> Kept | None:
    """Return the columns of an array; None for what is none."""
    if isinstance(value, (str, bytes, bytearray, int, float)):
        return None
    if isinstance(value, (list, tuple)):
        return _listed(what, value)
    if isinstance(value, (memoryview, array)):
        return _buffer(what, memoryview(value))
    if not (hasattr(value, "dtype") and hasattr(value, "shape")) or value.shape == ():
        return None
    if any(hasattr(value, name) for name in LABELLED):
        raise unsupported_value(
            what, value, "Its labels or units would be lost; log value.to_numpy() or np.asarray(value)."
        )
    if hasattr(value, "mask"):
        raise unsupported_value(what, value, MASK_HINT)
    if math.prod(value.shape) > LONGEST_VALUE:  # before anything is copied, maybe from another device
        raise too_large(what, math.prod(value.shape) * SIZES.get(_name(value), 1))
    return _tensor(what, value) if hasattr(value, "detach") else _numpy(what, value)


def _numpy(what: str, value: Any) -> Kept:
    found = value.__array__() if hasattr(value, "__array__") else value.numpy()
    name = _name(found)
    little = found.dtype.newbyteorder("<") if found.dtype.kind in "biufc" else found.dtype
    return _columns(what, value, name, found.shape, found.astype(little, copy=False).tobytes())


def _tensor(what: str, value: Any) -> Kept:
    for name in _STEPS:
        value = getattr(value, name)() if hasattr(value, name) else value
    try:
        return _numpy(what, value.numpy())
    except TypeError:  # a dtype that numpy does not know, such as bfloat16
        raw = value.reshape(-1).view(sys.modules["torch"].uint8).numpy()
        return _columns(what, value, _name(value), value.shape, raw.tobytes())


def _buffer(what: str, view: memoryview) -> Kept:
    code = view.format.removeprefix("@").removeprefix("=").removeprefix("<" if sys.byteorder == "little" else ">")
    if code == "c" or (code == "B" and view.ndim == 1 and isinstance(view.obj, (bytes, bytearray))):
        return Kept(bytes_value=checked_size(what, view.tobytes()), dtype="bytes")
    name = _KINDS.get(code, "")
    name = f"{name}{view.itemsize * 8}" if name not in ("", "bool") else name
    return _columns(what, view, name, view.shape or (), _little(view.tobytes(), view.itemsize))


def _listed(what: str, value: list[Any] | tuple[Any, ...]) -> Kept:
    """Return the columns of a list, or of lists of equal length, of Python's own numbers."""
    shape: list[int] = []
    level: list[Any] = [value]
    while level and isinstance(level[0], (list, tuple)):
        if any(not isinstance(each, (list, tuple)) or len(each) != len(level[0]) for each in level):
            raise unsupported_value(what, value, "Its rows are of unequal length; log each as a metric of its own.")
        shape.append(len(level[0]))
        if len(shape) > DEEPEST:  # or it holds itself
            raise unsupported_value(what, value, f"Its lists are nested deeper than {DEEPEST}.")
        if math.prod(shape) > LONGEST_VALUE:
            raise too_large(what, math.prod(shape) * 8)
        level = [each for row in level for each in row]
    types = {
        bool if isinstance(x, bool) else int if isinstance(x, int) else float if isinstance(x, float) else None
        for x in level
    }
    if None in types or (bool in types and len(types) > 1):
        raise unsupported_value(
            what, value, "Log a list of numbers; of other objects np.asarray(...), or each as a metric."
        )
    if types == {bool}:
        return _columns(what, value, "bool", shape, bytes(level))
    if types == {int} and all(-(2**63) <= each < 2**63 for each in level):
        return _columns(what, value, "int64", shape, struct.pack(f"<{len(level)}q", *level))
    if any(isinstance(each, int) and abs(each) > 2**53 for each in level):
        raise unsupported_value(what, value, "It holds a whole number that no double says; log each as a metric.")
    return _columns(what, value, "float64", shape, struct.pack(f"<{len(level)}d", *level))


def _columns(what: str, value: Any, name: str, shape: Any, data: bytes) -> Kept:
    if name not in SIZES and not name.startswith("float8_"):
        raise unsupported_value(what, value, DTYPE_HINT)
    sizes = ",".join(str(int(each)) for each in shape)
    return Kept(bytes_value=checked_size(what, data), dtype=name, shape=f"[{sizes}]")


def _name(value: Any) -> str:
    return str(value.dtype.name if hasattr(value.dtype, "name") else value.dtype).removeprefix("torch.")


def _little(data: bytes, size: int) -> bytes:
    if sys.byteorder == "little" or size == 1:
        return data
    return b"".join(data[start : start + size][::-1] for start in range(0, len(data), size))
