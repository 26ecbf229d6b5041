"""Ask the history with SQL."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from renex_jupyter.session.current import current
from renex_jupyter.session.runs import mark_vanished
from renex_jupyter.store.reader import Params

if TYPE_CHECKING:
    import pandas as pd


def sql(query: str, params: Params = None, *, frames: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """Return the rows of a DuckDB query over the history; every point logged before the call is seen.

    Parameters
    ----------
    query : one SELECT (or FROM, WITH, DESCRIBE, SHOW, EXPLAIN) over the public tables (docs/schema.md).
    params : values for `?` (a sequence) or `$name` (a mapping).
    frames : DataFrames (pandas, polars, Arrow) that the query may name; None: those of the notebook. A public table
        goes before a variable of the same name.

    Raises
    ------
    RenexError : `invalid_argument` with DuckDB's own words; `not_found` before anything was recorded.
    """
    session = current()
    mark_vanished(session)
    given = frames if frames is not None else session.names
    return session.store.reader.ask(query, params, {name: each for name, each in given.items() if is_frame(each)})


def sql_rows(query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return the columns' names and the rows of a query as Python values, each as exact as DuckDB gives it.

    Raises
    ------
    RenexError : as `sql`.
    """
    session = current()
    mark_vanished(session)
    return session.store.reader.ask_rows(query)


def is_frame(value: Any) -> bool:
    """Say whether DuckDB can read a value as a table; looks at its class only, so that nothing is imported."""
    module = type(value).__module__.split(".")[0]
    return (module, type(value).__name__) in {
        ("pandas", "DataFrame"),
        ("polars", "DataFrame"),
        ("polars", "LazyFrame"),
        ("pyarrow", "Table"),
        ("pyarrow", "RecordBatch"),
    } and module in sys.modules
