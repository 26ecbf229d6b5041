"""Variables on their way between a notebook and a process of its own: as data, exactly, or not at all.

A folder holds `values.json` and, beside it, the arrays and tables that it names by number:

    None, bool, int, float, str, list, dict   JSON (with NaN and Infinity); other keys than text: {"$dict": [[key, value], ...]}
    tuple                                     {"$tuple": [...]}
    numpy arrays and scalars                  {"$array": 0}, {"$scalar": 0}: 0.npy, read with allow_pickle=False
    pandas DataFrame and Series               {"$frame": 0}, {"$series": 0}: 0.arrow, an Arrow IPC file
    pyarrow Table, polars DataFrame, Series   {"$table": 0}, {"$polars": 0}, {"$polars_series": 0}: 0.arrow

Nothing is pickled and nothing is evaluated, so that whoever wrote the folder can hand over data and nothing else.
A library is loaded only for a value of its own.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

INDEX = "values.json"
DEEPEST = 50  # levels of lists and dicts
LONGEST_NUMBER = 4300  # digits; Python reads no longer one
ARRAYS = frozenset("?biufcmMSUV")  # what a dtype of numpy can be
SCALARS = frozenset("?biufcmM")
FILE_HINT = "Save it to a file in the project and load it there: the files are the same."
ARROW_HINT = (
    "Install pyarrow (pip install 'renex_jupyter[arrow]'), or save it to a file in the project and load it there."
)
_MARKS = ("$tuple", "$dict", "$array", "$scalar", "$frame", "$series", "$table", "$polars", "$polars_series")

Leaf = tuple[str, Callable[[BinaryIO], None]]  # ending of the file, what writes it


class Refused(Exception):
    """A value that cannot be handed over, or a folder that holds no values: what is wrong, and what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class Packed:
    """Values that can be handed over, checked and not written yet.

    Raises
    ------
    Refused : naming the variable, where in it, and its type.
    """

    def __init__(self, values: dict[str, Any]) -> None:
        self._leaves: list[Leaf] = []
        self._tree = {name: self._pack(value, name, 0) for name, value in values.items()}

    def write(self, folder: Path) -> None:
        """Write the values into a folder; `values.json` last, so that what can be read is whole."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number, (ending, write) in enumerate(self._leaves):
            with (folder / f"{number}.{ending}").open("wb") as file:
                write(file)
        (folder / INDEX).write_text(json.dumps(self._tree), encoding="ascii")

    def _pack(self, value: Any, path: str, depth: int) -> Any:
        if depth > DEEPEST:
            raise Refused(f"'{path.partition('[')[0]}' is nested deeper than {DEEPEST} levels.", FILE_HINT)
        kind = type(value)
        if value is None or kind in (bool, float, str):
            return value
        if kind is int:
            if value.bit_length() > LONGEST_NUMBER * 3.3:
                raise Refused(f"'{path}' has more than {LONGEST_NUMBER:,} digits.", "Hand it over as hex(value).")
            return value
        if kind in (list, tuple):
            packed = [self._pack(each, f"{path}[{number}]", depth + 1) for number, each in enumerate(value)]
            return packed if kind is list else {"$tuple": packed}
        if kind is dict:
            return self._pack_dict(value, path, depth)
        mark, ending, write = _leaf(value, path)
        self._leaves.append((ending, write))
        return {mark: len(self._leaves) - 1}

    def _pack_dict(self, value: dict[Any, Any], path: str, depth: int) -> Any:
        for key in value:
            _check_key(key, path)
        items = [(key, self._pack(each, f"{path}[{key!r}]", depth + 1)) for key, each in value.items()]
        if all(type(key) is str and not key.startswith("$") for key, _ in items):
            return dict(items)
        return {"$dict": [[self._pack(key, path, depth + 1), each] for key, each in items]}


def _check_key(key: Any, path: str) -> None:
    parts = key if type(key) is tuple else (key,)
    if any(each is not None and type(each) not in (str, int, float, bool) for each in parts):
        raise Refused(f"'{path}' has a key of type {_type_name(key)}.", "Use text or numbers as keys.")


def _type_name(value: Any) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _leaf(value: Any, path: str) -> tuple[str, str, Callable[[BinaryIO], None]]:
    """Return mark, ending and writer of an array or a table; `sys.modules` knows whose it can be."""
    for module, pack in _LIBRARIES.items():
        if module in sys.modules and type(value).__module__.partition(".")[0] == module:
            found: tuple[str, str, Callable[[BinaryIO], None]] | None = pack(sys.modules[module], value, path)
            if found is not None:
                return found
    raise Refused(f"'{path}' is {_type_name(value)}, which is not handed over to another process.", FILE_HINT)


def _of_numpy(numpy: Any, value: Any, path: str) -> Any:
    is_array = type(value) is numpy.ndarray
    if not is_array and not isinstance(value, numpy.generic):
        return None
    kind, form = value.dtype.kind, numpy.lib.format
    kinds = ARRAYS if is_array else SCALARS
    kind = "?" if kind == "b" else kind
    if (
        value.dtype.hasobject
        or kind not in kinds
        or form.descr_to_dtype(form.dtype_to_descr(value.dtype)) != value.dtype
    ):
        hint = "Give it a dtype of numbers or text, such as with .astype(float) or .astype(str)."
        raise Refused(f"'{path}' is {_type_name(value)} of dtype {value.dtype}, which npy files do not hold.", hint)
    array = numpy.asarray(value)
    return "$array" if is_array else "$scalar", "npy", lambda file: form.write_array(file, array, allow_pickle=False)


def _of_pandas(pandas: Any, value: Any, path: str) -> Any:
    if type(value) not in (pandas.DataFrame, pandas.Series):
        return None
    arrow = _arrow(path)
    is_series = type(value) is pandas.Series
    frame = value.to_frame(name="value") if is_series else value
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        hint = "Give each column a name of its own: df.columns = [...]."
        raise Refused(f"'{path}' is a DataFrame with more than one column {twice!r}, which Arrow does not hold.", hint)
    try:
        table = arrow.Table.from_pandas(frame)
        _check_same(table.to_pandas(), frame, path)
        if is_series:
            name = json.dumps(_series_name(value.name, path))
            table = table.replace_schema_metadata({**(table.schema.metadata or {}), b"renex": name.encode()})
    except (arrow.ArrowException, ValueError, TypeError, KeyError, OverflowError) as error:
        hint = "Give each column one type, such as with df['x'].astype(str), or save it to a file in the project."
        raise Refused(f"'{path}' is a {type(value).__name__} that Arrow does not hold: {error}.", hint) from error
    return "$series" if is_series else "$frame", "arrow", lambda file: _write_arrow(table, file)


def _series_name(name: Any, path: str) -> Any:
    if name is not None and type(name) not in (str, int, float, bool):
        raise Refused(f"the Series '{path}' has a name of type {_type_name(name)}.", "Give it a text as name.")
    return name


def _check_same(back: Any, frame: Any, path: str) -> None:
    """Refuse a table that would come back as another one; numbers are Arrow's, so that only objects are looked at."""
    changed = [
        str(name)
        for position, name in enumerate(frame.columns)
        if back.dtypes.iloc[position] != frame.dtypes.iloc[position]
        or (
            frame.dtypes.iloc[position].kind == "O"
            and not _same_objects(back.iloc[:, position], frame.iloc[:, position])
        )
    ]
    same_index = back.index.equals(frame.index) and back.index.dtype == frame.index.dtype
    same_index = same_index and list(back.index.names) == list(frame.index.names)
    same_columns = back.columns.equals(frame.columns) and list(back.columns.names) == list(frame.columns.names)
    if changed or not same_index or not same_columns:
        wrong = (
            f"the columns {', '.join(changed[:5])}" if changed else "its index" if same_columns else "the column names"
        )
        hint = "Give them one plain type, such as with .astype('int64') or .astype(str), or save it to a file in the project."
        raise Refused(f"'{path}' is {_type_name(frame)}, and {wrong} would come back changed.", hint)


def _same_objects(one: Any, other: Any) -> bool:
    return all(
        type(a) is type(b) and (a is b or a == b or (isinstance(a, float) and math.isnan(a) and math.isnan(b)))
        for a, b in zip(one, other)  # noqa: B905  they are of one table; Python 3.9 has no `strict`
    )


def _of_pyarrow(arrow: Any, value: Any, _path: str) -> Any:
    return ("$table", "arrow", lambda file: _write_arrow(value, file)) if type(value) is arrow.Table else None


def _of_polars(polars: Any, value: Any, path: str) -> Any:
    if type(value) not in (polars.DataFrame, polars.Series):
        return None
    is_series = type(value) is polars.Series
    frame = value.to_frame() if is_series else value
    if any(dtype == polars.Object for dtype in frame.dtypes):
        raise Refused(
            f"'{path}' has a column of Python objects, which Arrow does not hold.", "Cast it to text or numbers."
        )
    return "$polars_series" if is_series else "$polars", "arrow", frame.write_ipc


_LIBRARIES = {"numpy": _of_numpy, "pandas": _of_pandas, "pyarrow": _of_pyarrow, "polars": _of_polars}


def _arrow(path: str) -> Any:
    try:
        import pyarrow as pa
        import pyarrow.ipc
    except ImportError:
        raise Refused(
            f"'{path}' is a table, which goes as an Arrow file, and pyarrow is not installed.", ARROW_HINT
        ) from None
    return pa


def _write_arrow(table: Any, file: BinaryIO) -> None:
    arrow = sys.modules["pyarrow"]
    with arrow.ipc.new_file(arrow.PythonFile(file, mode="w"), table.schema) as writer:
        writer.write_table(table)


def read(opened: Callable[[str], BinaryIO]) -> dict[str, Any]:
    """Return the values of a folder by name.

    Parameters
    ----------
    opened : opens a file of the folder by its name, for reading; the caller decides which links it follows.

    Raises
    ------
    Refused : a file is missing or holds something else.
    """
    try:
        with opened(INDEX) as file:
            tree = json.loads(file.read())
        if type(tree) is not dict:
            raise ValueError("it is no JSON object")
        return {name: _unpacked(value, opened, name) for name, value in tree.items()}
    except Refused:
        raise
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        raise Refused(f"the values cannot be read: {type(error).__name__}: {error}.") from error


def _unpacked(value: Any, opened: Callable[[str], BinaryIO], path: str) -> Any:
    if type(value) is list:
        return [_unpacked(each, opened, f"{path}[{number}]") for number, each in enumerate(value)]
    if type(value) is not dict:
        return value
    mark = next(iter(value), "")
    if len(value) != 1 or mark not in _MARKS:
        return {key: _unpacked(each, opened, f"{path}[{key!r}]") for key, each in value.items()}
    held = value[mark]
    if mark == "$tuple":
        return tuple(_unpacked(_is(list, held, path), opened, path))
    if mark == "$dict":
        pairs = [_is(list, each, path) for each in _is(list, held, path)]
        return _as_dict([[_unpacked(part, opened, path) for part in pair] for pair in pairs], path)
    return _read_leaf(mark, _is(int, held, path), opened, path)


def _is(kind: type, value: Any, path: str) -> Any:
    if type(value) is not kind:
        raise Refused(f"'{path}' is damaged: {type(value).__name__} where {kind.__name__} was expected.")
    return value


def _as_dict(pairs: list[Any], path: str) -> dict[Any, Any]:
    try:
        return dict(pairs)
    except (TypeError, ValueError) as error:
        raise Refused(f"'{path}' is damaged: {error}.") from error


def _read_leaf(mark: str, number: int, opened: Callable[[str], BinaryIO], path: str) -> Any:
    ending = "npy" if mark in ("$array", "$scalar") else "arrow"
    try:
        with opened(f"{number}.{ending}") as file:
            return _READERS[mark](file, path)
    except Refused:
        raise
    except ImportError as error:
        hint = f"Install {error.name} there, or save it to a file in the project and load it there."
        raise Refused(f"'{path}' needs {error.name}, which is not installed there.", hint) from error
    except Exception as error:  # what a library says to a damaged file is its own
        raise Refused(f"'{path}' cannot be read: {type(error).__name__}: {error}.") from error


def _read_array(file: BinaryIO, _path: str) -> Any:
    import numpy as np

    return np.lib.format.read_array(file, allow_pickle=False)


def _read_scalar(file: BinaryIO, path: str) -> Any:
    array = _read_array(file, path)
    return array[()] if array.shape == () else _damaged(path)


def _read_table(file: BinaryIO, path: str) -> Any:
    arrow = _arrow(path)
    table = arrow.ipc.open_file(arrow.PythonFile(file, mode="r")).read_all()
    table.validate(full=True)
    return table


def _read_frame(file: BinaryIO, path: str) -> Any:
    return _read_table(file, path).to_pandas()


def _read_series(file: BinaryIO, path: str) -> Any:
    table = _read_table(file, path)
    series = table.to_pandas()["value"]
    return series.rename(_series_name(json.loads((table.schema.metadata or {}).get(b"renex", b"null")), path))


def _read_polars(file: BinaryIO, _path: str) -> Any:
    import polars as pl

    return pl.read_ipc(file)


def _read_polars_series(file: BinaryIO, path: str) -> Any:
    frame = _read_polars(file, path)
    return frame.to_series() if frame.width == 1 else _damaged(path)


def _damaged(path: str) -> NoReturn:
    raise Refused(f"'{path}' is damaged.")


_READERS: dict[str, Callable[[BinaryIO, str], Any]] = {
    "$array": _read_array,
    "$scalar": _read_scalar,
    "$frame": _read_frame,
    "$series": _read_series,
    "$table": _read_table,
    "$polars": _read_polars,
    "$polars_series": _read_polars_series,
}
