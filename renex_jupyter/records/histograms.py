"""Histograms of numbers, as JSON can say them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from renex_jupyter.errors import RenexError, invalid_argument, shown

MOST_BINS = 10_000
HINT = "Give numbers: an array, a tensor or a list of bool, int or float."


def histogram(what: str, values: Any, bins: int = 64) -> dict[str, Any]:
    """Return how numbers are distributed.

    Parameters
    ----------
    what : names the histogram in an error.
    values : array of any shape; NaN and infinities are counted apart.
    bins : of equal width between the least and the greatest number.

    Returns
    -------
    dict: `edges` (n + 1), `counts` (n) [numbers], `min`, `max`, `mean`, `std` (of all, not of a sample) [as given] of the
        finite numbers, None where there are none; `count` of them, and of `nan`, `inf`, `minus_inf`. One bin where all
        are equal, or too near for `bins`.

    Raises
    ------
    RenexError : `invalid_argument` for bins; `unsupported_value` for what are no numbers.
    """
    if type(bins) is not int or not 1 <= bins <= MOST_BINS:
        raise invalid_argument(f"bins={shown(bins)} is no number of bins.", f"Use 1 to {MOST_BINS:,}.")
    try:
        array = np.asarray(values)
    except (TypeError, ValueError) as error:
        raise RenexError("unsupported_value", f"{what} holds no numbers.", HINT) from error
    if array.dtype.kind not in "biuf":
        raise RenexError("unsupported_value", f"{what} holds {array.dtype}, and no numbers.", HINT)
    numbers = array.astype(np.float64).ravel()
    finite = numbers[np.isfinite(numbers)]
    edges, counts = _bins(finite, bins)
    scale = float(np.abs(finite).max()) if finite.any() else 1.0  # squares of great numbers are infinite
    return {
        "edges": edges,
        "counts": counts,
        "min": float(finite.min()) if finite.size else None,
        "max": float(finite.max()) if finite.size else None,
        "mean": float((finite / scale).mean()) * scale if finite.size else None,
        "std": float((finite / scale).std()) * scale if finite.size else None,
        "count": int(finite.size),
        "nan": int(np.isnan(numbers).sum()),
        "inf": int((numbers == math.inf).sum()),
        "minus_inf": int((numbers == -math.inf).sum()),
    }


def _bins(finite: np.ndarray[Any, np.dtype[np.float64]], bins: int) -> tuple[list[float], list[int]]:
    if not finite.size:
        return [], []
    low, high = float(finite.min()), float(finite.max())
    if low < high:
        half = math.isinf(high - low)  # numpy needs the width to be a number
        try:
            counts, edges = np.histogram(finite / 2 if half else finite, bins=bins)
        except ValueError:  # so near that not all edges are numbers of their own
            return [low, high], [int(finite.size)]
        return [float(each) * 2 if half else float(each) for each in edges], [int(each) for each in counts]
    return [low, high], [int(finite.size)]
