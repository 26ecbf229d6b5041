"""In which order a list is asked for."""

from __future__ import annotations

from collections.abc import Iterable

from renex_jupyter.errors import invalid_argument


def direction(noun: str, order_by: str, known: Iterable[str], *, descending: bool) -> str:
    """Return the direction of an order as SQL says it.

    Parameters
    ----------
    noun : what is ordered, such as "runs".
    known : the orders that there are.

    Raises
    ------
    RenexError : `invalid_argument` for an order that is none of them.
    """
    names = list(known)
    if order_by not in names:
        raise invalid_argument(f"{noun} cannot be ordered by '{order_by}'.", f"Use one of {', '.join(names)}.")
    return "desc" if descending else "asc"
