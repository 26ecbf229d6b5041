"""A value as it was logged: kept exactly, or refused with a hint. docs/values.md is the table of it.

No library is loaded for this: numpy, torch, jax and their like are known by what their objects can do.
"""

from __future__ import annotations

import math
import operator
import struct
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from renex_jupyter.errors import RenexError, unsupported_value

LONGEST_VALUE = 2**20  # bytes of one text (UTF-8), of one array, of one param (JSON)
LONGEST_NUMBER = 4300  # digits; Python reads no longer number back from text
_MOST_BITS = 14_285  # of a whole number of that many digits

NUMBER_HINT = "Log a number, text, bytes or an array of numbers; of another object float(value) or str(value)."
LARGE_HINT = "Log a summary of it, or keep it as a file of the project and log its path."
TIME_HINT = "Log it as seconds or as text: its unit and zone would be lost."
MASK_HINT = "A masked value has no number; log value.filled(float('nan'))."


class Kept(NamedTuple):
    """The columns of the table `metrics` that say one value."""

    value: float | None = None
    text_value: str | None = None
    bytes_value: bytes | None = None
    dtype: str | None = None  # how to read the text or the bytes; None: `value` or `text_value` says it all
    shape: str | None = None  # of an array, such as "[2,3]"


def own(value: Any) -> Any:
    """Return a scalar of numpy, torch, jax and their like as Python's own; anything else as it is.

    Raises
    ------
    RenexError : `unsupported_value` for masked values and for times, whose unit `item()` would drop.
    """
    if isinstance(value, (str, bytes, bool, int, float)) or getattr(value, "shape", None) != ():
        return value
    if getattr(getattr(value, "dtype", None), "kind", "") in ("m", "M"):
        raise unsupported_value("a value", value, TIME_HINT)
    if hasattr(value, "mask"):
        raise unsupported_value("a value", value, MASK_HINT)
    ask = getattr(value, "item", None) or getattr(value, "numpy", None)  # tensorflow has only the latter
    got = ask() if callable(ask) else value
    simple = isinstance(got, (str, bytes, bool, int, float, complex)) or is_longdouble(got)
    return got if simple else value


def is_longdouble(value: Any) -> bool:
    """Say whether a value is numpy's number of more than 64 bits, for which Python has none."""
    return type(value).__module__ == "numpy" and getattr(getattr(value, "dtype", None), "char", "") == "g"


def keep_scalar(what: str, value: Any) -> Kept | None:
    """Return the columns of a number, text or bytes; None for anything else.

    A number whose DOUBLE is not exact has the nearest one in `value`, and its exact text in `text_value`.

    Raises
    ------
    RenexError : `too_large`; `unsupported_value` for text that is no UTF-8 and for a number that cannot be told.
    """
    if isinstance(value, str):
        return Kept(text_value=checked_text(what, value))
    if isinstance(value, (bytes, bytearray)):
        return Kept(bytes_value=checked_size(what, bytes(value)), dtype="bytes")
    if isinstance(value, (bool, float)):
        return Kept(float(value) if isinstance(value, bool) else float.__float__(value))
    if isinstance(value, int):
        return _exact(int.__int__(value), "int", number_text(what, value))
    if isinstance(value, complex):
        return Kept(bytes_value=struct.pack("<dd", value.real, value.imag), dtype="complex128", shape="[]")
    if isinstance(value, (Decimal, Fraction)):
        return _exact(value, type(value).__name__.lower(), number_text(what, value))
    if is_longdouble(value):
        return _exact(value, "longdouble", str(value))
    return _converted(what, value)


def checked_text(what: str, value: str) -> str:
    """Return text that UTF-8 can say, if it is not too long."""
    text = str.__str__(value)
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        hint = "It holds half of a surrogate pair; log value.encode('utf-8', 'backslashreplace').decode()."
        raise unsupported_value(what, value, hint) from error
    if size > LONGEST_VALUE:
        raise too_large(what, size)
    return text


def checked_size(what: str, data: bytes) -> bytes:
    """Return bytes, if they are not too many."""
    if len(data) > LONGEST_VALUE:
        raise too_large(what, len(data))
    return data


def number_text(what: str, value: int | Decimal | Fraction) -> str:
    """Return the exact text of a number, if Python would read it back."""
    whole = (value.numerator, value.denominator) if isinstance(value, (int, Fraction)) else ()
    if any(each.bit_length() > _MOST_BITS for each in whole) or len(text := _digits(value)) > LONGEST_VALUE:
        hint = "Log it as text, such as hex(value)."
        raise RenexError("too_large", f"{what} has more than {LONGEST_NUMBER:,} digits, the most of a number.", hint)
    return text


def too_large(what: str, size: int) -> RenexError:
    """One value of more bytes than are kept."""
    return RenexError("too_large", f"{what} has {size:,} bytes; at most {LONGEST_VALUE:,} of a value.", LARGE_HINT)


def _digits(value: int | Decimal | Fraction) -> str:
    """Return the text of a number; too long a one becomes so long that it is refused."""
    try:
        return str(int.__int__(value)) if isinstance(value, int) else str(value)
    except ValueError:  # sys.set_int_max_str_digits()
        return "0" * (LONGEST_VALUE + 1)


def _exact(number: Any, dtype: str, text: str) -> Kept:
    if isinstance(number, Decimal) and number.is_nan():
        return Kept(math.nan) if text == "NaN" else Kept(math.nan, text, dtype=dtype)  # a signalling one, or a payload
    try:
        nearest = float(number)
    except OverflowError:
        nearest = math.inf if number > 0 else -math.inf  # as IEEE 754 rounds
    same = nearest == number or (nearest != nearest and number != number)  # NaN is not itself
    return Kept(nearest) if same else Kept(nearest, text, dtype=dtype)


def _converted(what: str, value: Any) -> Kept | None:
    """Return what a number of an unknown library says it is, if it agrees that it is that."""
    if hasattr(value, "dtype"):
        return None  # `own` found nothing in Python that says it, such as numpy's clongdouble
    if hasattr(type(value), "__index__"):
        whole = operator.index(value)
        return _exact(whole, "int", number_text(what, whole))
    if not hasattr(type(value), "__float__"):
        return None
    number = float(value)
    if math.isnan(number) or bool(number == value):
        return Kept(number)
    raise unsupported_value(
        what, value, "It may not be what float() makes of it; log float(value) if it may be rounded."
    )
