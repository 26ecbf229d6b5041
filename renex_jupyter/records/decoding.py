"""Values of metrics as they were logged, made of the columns that keep them: the way back of records/arrays.py."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from renex_jupyter.errors import RenexError
from renex_jupyter.records.arrays import SIZES

SMALL_HINT = "numpy has no such number: install ml_dtypes or torch, then ask again."
_BARE = {1: "uint8", 2: "uint16"}  # of the same size, for what numpy alone does not know


@dataclass(frozen=True, slots=True)
class MetricValue:
    """One value of a metric, as it was logged."""

    step: int
    wallclock: datetime  # UTC
    value: Any  # float, int, Decimal, Fraction, str, bytes, complex, or a numpy array of the dtype and shape as logged


def decoded(row: Mapping[str, Any]) -> Any:
    """Return a value from the columns of `metrics`.

    Parameters
    ----------
    row : value, text_value, bytes_value, dtype, shape.

    Raises
    ------
    RenexError : `unsupported_value` for an array of numbers that neither numpy, ml_dtypes nor torch knows here.
    """
    dtype, text, data = row["dtype"], row["text_value"], row["bytes_value"]
    if data is not None:
        return bytes(data) if dtype == "bytes" else _array(bytes(data), str(dtype), json.loads(row["shape"]))
    if text is None:
        return math.nan if row["value"] is None else float(row["value"])
    if dtype is None:
        return text
    if dtype == "longdouble":
        import numpy as np

        return np.longdouble(text)
    return {"int": int, "decimal": Decimal, "fraction": Fraction}.get(dtype, str)(text)


def _array(data: bytes, name: str, shape: list[int]) -> Any:
    import numpy as np

    if name in SIZES and name != "bfloat16":
        dtype = np.dtype(name).newbyteorder("<")
        found = np.frombuffer(data, dtype).astype(np.dtype(name)).reshape(shape)  # a copy: one's own, and writable
        return found.item() if name == "complex128" and not shape else found
    if find_spec("ml_dtypes") is not None:
        return np.frombuffer(data, import_module("ml_dtypes").__dict__[name]).reshape(shape).copy()
    if "torch" in sys.modules or find_spec("torch") is not None:
        torch = import_module("torch")
        bare = np.frombuffer(data, _BARE[2 if name == "bfloat16" else 1]).copy()
        kept = torch.from_numpy(bare.view("int16") if bare.itemsize == 2 else bare)  # older ones know no uint16
        return kept.view(getattr(torch, name)).reshape(shape)
    raise RenexError("unsupported_value", f"an array of {name} cannot be shown here.", SMALL_HINT)
