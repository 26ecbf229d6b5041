"""Ask the history with SQL."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from renex_jupyter.errors import invalid_argument, shown, text_argument
from renex_jupyter.session.current import current
from renex_jupyter.session.found_runs import mark_vanished
from renex_jupyter.store.reader import Params

if TYPE_CHECKING:
    import pandas as pd


def sql(query: str, params: Params = None, *, frames: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """Return the rows of a DuckDB query over the history; every point written before the call is seen.

    A point is written when `log_metric` returns, except one that waits in memory because the disk is full.

    Parameters
    ----------
    query : one SELECT (or FROM, WITH, DESCRIBE, SHOW, EXPLAIN) over the public tables (docs/schema.md).
    params : values for `?` (a sequence) or `$name` (a mapping).
    frames : DataFrames (pandas, polars, Arrow) that the query may name; None: those of the notebook. A public table
        goes before a variable of the same name.

    Raises
    ------
    RenexError : `invalid_argument` with DuckDB's own words, or for an argument of another type; `not_found` before
        anything was recorded.
    """
    _check_query(query)
    if params is not None and (isinstance(params, (str, bytes)) or not isinstance(params, Collection)):
        raise invalid_argument(f"params are {type(params).__name__}: {shown(params)}.", "Use params=[0.1] for one `?`.")
    values = () if params is None else params.values() if isinstance(params, Mapping) else params
    for value in values:
        if isinstance(value, str):
            text_argument(value, "a text", "Give it as bytes, or without its half of a surrogate pair.")
    if frames is not None and not isinstance(frames, Mapping):
        raise invalid_argument(f"frames are {type(frames).__name__}: {shown(frames)}.", "Use frames={'mine': frame}.")
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
    _check_query(query)
    session = current()
    mark_vanished(session)
    return session.store.reader.ask_rows(query)


def _check_query(query: object) -> None:
    text_argument(query, "a question", 'Use SQL, such as rx.sql("select name, status from runs").')


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
