"""Tables as bytes, and back: Parquet where pyarrow is installed, else JSON."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from renex_jupyter.errors import RenexError, unsupported_value
from renex_jupyter.records.documents import document

if TYPE_CHECKING:
    import pandas as pd

JSON, PARQUET = "application/json", "application/vnd.apache.parquet"
HINT = "Give a DataFrame, a dict of columns of equal length, or a list of dicts."


def encoded(what: str, table: Any) -> tuple[bytes, str, Mapping[str, Any]]:
    """Return a table as bytes, their media type, and its size.

    Raises
    ------
    RenexError : `unsupported_value` for what is no table, or has values that neither form can say.
    """
    frame = _frame(what, table)
    size = {"rows": len(frame), "columns": len(frame.columns)}
    data = _parquet(frame)
    return (data, PARQUET, size) if data is not None else (_json(what, frame), JSON, size)


def decoded(data: bytes, mime: str) -> pd.DataFrame:
    """Return the table that bytes hold.

    Raises
    ------
    RenexError : `unsupported_value` for Parquet without pyarrow.
    """
    import pandas as pd

    if mime == PARQUET:
        if find_spec("pyarrow") is None:
            raise RenexError("unsupported_value", "the table is Parquet.", "pip install 'renex_jupyter[arrow]'")
        return pd.read_parquet(io.BytesIO(data), engine="pyarrow")
    held = json.loads(data)
    frame = pd.DataFrame(held["rows"], columns=held["columns"], dtype=object)
    columns = [_typed(frame.iloc[:, place], name) for place, name in enumerate(held["dtypes"])]
    return pd.concat(columns, axis=1) if columns else frame


def _typed(column: Any, name: str) -> Any:
    try:
        return column.astype(name)
    except (TypeError, ValueError):
        return column


def _frame(what: str, table: Any) -> pd.DataFrame:
    import pandas as pd

    try:
        if isinstance(table, pd.DataFrame):
            return table
        if isinstance(table, pd.Series):
            return table.to_frame()
        if hasattr(table, "to_pandas"):  # polars, pyarrow, dask
            found = table.to_pandas()
            return found if isinstance(found, pd.DataFrame) else found.to_frame()
        if isinstance(table, Mapping) or (isinstance(table, list) and all(isinstance(each, Mapping) for each in table)):
            return pd.DataFrame(table)
    except Exception as error:
        hint = f"{HINT} It raised {type(error).__name__}."
        raise unsupported_value(what, table, hint) from error
    raise unsupported_value(what, table, HINT)


def _parquet(frame: pd.DataFrame) -> bytes | None:
    """Return Parquet; None where it cannot say the table, or pyarrow is not installed."""
    if find_spec("pyarrow") is None:
        return None
    file = io.BytesIO()
    try:
        frame.set_axis([str(each) for each in frame.columns], axis=1).to_parquet(file, engine="pyarrow")
    except Exception:  # noqa: BLE001  columns of mixed types, twice the same name, periods, ...
        return None
    return file.getvalue()


def _json(what: str, frame: pd.DataFrame) -> bytes:
    kinds = [str(each) for each in frame.dtypes]
    columns = [_cells(frame.iloc[:, place]) for place in range(len(frame.columns))]
    rows = [list(row) for row in zip(*columns, strict=True)]
    return document(what, {"columns": [str(each) for each in frame.columns], "dtypes": kinds, "rows": rows})


def _cells(column: pd.Series[Any]) -> list[Any]:
    """Return a column as JSON can say it: what is missing in one of no floats is null."""
    gone = [False] * len(column) if column.dtype.kind == "f" else column.isna()
    return [None if missing else _cell(each) for each, missing in zip(column, gone, strict=True)]


def _cell(value: Any) -> Any:
    """Return a value of a cell; that of an unknown type as its text."""
    known = isinstance(value, (str, bool, int, float, list, dict)) or hasattr(value, "tolist")
    return value if known or hasattr(value, "isoformat") else str(value)
