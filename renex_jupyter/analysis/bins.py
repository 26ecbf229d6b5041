"""Edges of bins, as numpy has them."""

from __future__ import annotations

import math

from renex_jupyter.errors import invalid_argument, shown
from renex_jupyter.store.workbench import Workbench

MOST_BINS = 1000


def checked_bins(bins: object) -> int:
    """Return a number of bins, if it is one.

    Raises
    ------
    RenexError : `invalid_argument`.
    """
    if isinstance(bins, bool) or not isinstance(bins, int) or not 1 <= bins <= MOST_BINS:
        raise invalid_argument(f"bins={shown(bins)} is no number of bins.", f"Give a number from 1 to {MOST_BINS}.")
    return bins


def equal_edges(low: float, high: float, bins: int) -> list[float]:
    """Return the `bins + 1` edges of bins of equal width."""
    import numpy as np

    return [float(each) for each in np.linspace(low, high, bins + 1)]


def quantile_edges(bench: Workbench, rows: str, value: str, bins: int) -> list[float]:
    """Return the edges of bins with equally many rows, of which several may be equal; none without rows.

    Parameters
    ----------
    rows : a query or the name of a table, as SQL.
    value : the expression of a number, NULL where it is to be left out.

    References
    ----------
    `numpy.quantile`, method "linear"; it interpolates from the nearer end.
    """
    import numpy as np

    there = f"select ({value})::double as value from {rows} where ({value}) is not null"
    n = bench.value(f"select count(*) from ({there})")
    if not n:
        return []
    places = [float(each) * (n - 1) for each in np.linspace(0, 1, bins + 1)]
    wanted = sorted({near for each in places for near in (math.floor(each), min(math.floor(each) + 1, n - 1))})
    found = dict(
        bench.values(
            f"""select place, value from (select value, row_number() over (order by value) - 1 as place from ({there}))
            where list_contains(?::bigint[], place)""",
            [wanted],
        )
    )
    return [_between(found[math.floor(each)], found[min(math.floor(each) + 1, n - 1)], each % 1) for each in places]


def bin_of(value: str, edges: list[float]) -> str:
    """Return the expression of the bin of a value, from 0: how many inner edges lie below it."""
    inner = ", ".join(f"{each!r}::double" for each in edges[1:-1])
    return f"len(list_filter([{inner}]::double[], lambda edge: edge < {value}))"


def _between(low: float, high: float, share: float) -> float:
    return high - (high - low) * (1 - share) if share >= 0.5 else low + (high - low) * share
