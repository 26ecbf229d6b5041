"""What goes wrong in DuckDB, in our words."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import duckdb

from renex_jupyter.errors import RenexError, from_os_error

_TOLD = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES)


@contextmanager
def interrupts(stop: Callable[[], None] | None = None) -> Iterator[None]:
    """Let an interrupt surface as what it is: DuckDB turns it into a RuntimeError.

    Parameters
    ----------
    stop : called then. DuckDB leaves the query to its own threads, which go on with it; whatever is asked next of that
        connection, even to be closed, would wait for its end where no interrupt reaches it.
    """
    try:
        yield
    except (RuntimeError, duckdb.InterruptException, KeyboardInterrupt) as error:
        if isinstance(error, RuntimeError) and "interrupted" not in str(error).lower():
            raise
        if stop is not None:
            stop()
        if isinstance(error, KeyboardInterrupt):
            raise
        raise KeyboardInterrupt from error


@contextmanager
def database_errors(what: str) -> Iterator[None]:
    """Turn an error of DuckDB into a `RenexError` that names the cause, and an interrupt into KeyboardInterrupt."""
    with interrupts():
        try:
            yield
        except duckdb.InterruptException:
            raise
        except duckdb.Error as error:
            raise _refused(what, error) from error


def _refused(what: str, error: duckdb.Error) -> RenexError:
    """Translate what could not be done; DuckDB tells the operating system's words within a text of its own."""
    for number in _TOLD:
        if os.strerror(number) in str(error):
            return from_os_error(OSError(number, os.strerror(number)), what)
    text = str(error).splitlines()[0]
    return RenexError("corrupt", f"{what}: {text}", "Nothing is lost: the journals have everything. See: %renex fsck")
