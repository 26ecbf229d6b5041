"""A DuckDB of its own for one analysis: tables in, sums out. It never holds up the reader of the store.

References
----------
Limits and spilling: https://duckdb.org/docs/stable/guides/performance/how_to_tune_workloads
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import duckdb

from renex_jupyter.errors import RenexError, invalid_argument
from renex_jupyter.store import tables
from renex_jupyter.store.database import database_errors
from renex_jupyter.store.scratch import scratch_folder

if TYPE_CHECKING:
    import pandas as pd

Params = Sequence[Any] | Mapping[str, Any] | None
MEMORY = "1GB"  # what an analysis may use before it spills to disk
MORE_MEMORY = "Ask for fewer columns or rows, or give it more: memory='4GB'."
COLUMNS_HINT = "Look at the names and types of the columns."
literal = tables.literal


class Workbench:
    """A context manager: what is made in it is gone after the block.

    Parameters
    ----------
    memory : what it may use before it spills to disk, as DuckDB says it: "1GB".
    threads : None: as many as there are cores.
    """

    def __init__(self, *, memory: str = MEMORY, threads: int | None = None) -> None:
        self._folder = scratch_folder()
        self.folder = self._folder.__enter__()  # for files of this analysis
        config: dict[str, Any] = {
            "memory_limit": memory,
            "temp_directory": str(self.folder / "spill"),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "preserve_insertion_order": True,
        }
        if threads is not None:
            config["threads"] = threads
        self._connection = duckdb.connect(config=config)
        self._connection.execute("set TimeZone = 'UTC'; set python_enable_replacements = false")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        self._folder.__exit__(None, None, None)

    def take(self, name: str, table: Any) -> None:
        """Name a table of pandas, polars, Arrow or DuckDB, or a mapping of name to array, without a copy.

        Raises
        ------
        RenexError : `invalid_argument` for anything else.
        """
        if isinstance(table, Mapping):
            import pandas as pd

            table = pd.DataFrame(dict(table))
        try:
            try:
                self._connection.register(name, table)
            except duckdb.Error:  # a frame that was turned round lies backwards in memory, which DuckDB cannot read
                self._connection.register(name, table.copy() if type(table).__name__ == "DataFrame" else table)
        except (duckdb.Error, TypeError, AttributeError) as error:
            raise invalid_argument(
                f"a {type(table).__name__} is no table: {_first_line(error)}",
                "Give a DataFrame, an Arrow table, or a mapping of column name to values.",
            ) from error

    def files(self, name: str, paths: Sequence[Path]) -> None:
        """Name the rows of Parquet files, by which nothing is read yet."""
        self.run(
            f"create or replace view {quoted(name)} as from read_parquet({literal([str(each) for each in paths])})"
        )

    def run(self, query: str, params: Params = None) -> None:
        """Execute statements that give nothing."""
        self._execute(query, params)

    def rows(self, query: str, params: Params = None) -> list[dict[str, Any]]:
        """Return the rows of a query as dicts of Python values."""
        found = self._execute(query, params)
        with database_errors("the analysis cannot go on"):
            names = [each[0] for each in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def values(self, query: str, params: Params = None) -> list[tuple[Any, ...]]:
        """Return the rows of a query as tuples of Python values."""
        found = self._execute(query, params)
        with database_errors("the analysis cannot go on"):
            return found.fetchall()

    def value(self, query: str, params: Params = None) -> Any:
        """Return the one value of a query of one row and one column; None where there is no row."""
        rows = self.values(query, params)
        return rows[0][0] if rows else None

    def arrays(self, query: str, params: Params = None) -> dict[str, Any]:
        """Return the columns of a query as numpy arrays: masked ones where there are NULLs, pandas Categoricals of ENUMs."""
        found = self._execute(query, params)
        with database_errors("the analysis cannot go on"):
            return found.fetchnumpy()

    def frame(self, query: str, params: Params = None) -> pd.DataFrame:
        """Return the rows of a query as a DataFrame; times are UTC."""
        found = self._execute(query, params)
        with database_errors("the analysis cannot go on"):
            return found.df()

    def columns(self, name: str) -> dict[str, str]:
        """Return the columns of a table, view or query in parentheses: name -> type as DuckDB says it."""
        rows = self.values(f"describe from {name if name.startswith('(') else quoted(name)}")
        return {row[0]: row[1] for row in rows}

    def write(self, query: str, path: Path, *, sort: str | None = None) -> int:
        """Write the rows of a query into a Parquet file, and return how many they are.

        Parameters
        ----------
        sort : what the rows are ordered by, as SQL.
        """
        ordered = f"select * from ({query}) order by {sort}" if sort else query
        target = literal(str(path))
        rows = self.values(f"copy ({ordered}) to {target} (format parquet, compression zstd, row_group_size 122880)")
        return int(rows[0][0])

    def interrupt(self) -> None:
        """Have what runs in another thread end with an error."""
        with suppress(duckdb.Error):
            self._connection.interrupt()

    def _execute(self, query: str, params: Params) -> duckdb.DuckDBPyConnection:
        with database_errors("the analysis cannot go on"):
            try:
                return self._connection.execute(query, params)
            except duckdb.OutOfMemoryException as error:
                raise RenexError(
                    "too_large", f"the analysis needs more memory than it may use: {_first_line(error)}", MORE_MEMORY
                ) from error
            except (duckdb.ProgrammingError, duckdb.DataError) as error:  # what was asked for is not possible
                raise invalid_argument(f"DuckDB refuses it: {_first_line(error)}", COLUMNS_HINT) from error


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


def quoted(name: str) -> str:
    """Return a name of a column or a table as SQL, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'
