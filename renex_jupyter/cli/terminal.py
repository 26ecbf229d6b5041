"""`renex VERB ... [--json]`: the history of this project from a terminal."""

from __future__ import annotations

import io
import json
import os
import sys
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from renex_jupyter.cli.answers import jsonable
from renex_jupyter.cli.hints import for_terminal
from renex_jupyter.cli.main import INTERRUPTED
from renex_jupyter.cli.tables import Table
from renex_jupyter.cli.task_verbs import with_command
from renex_jupyter.cli.verbs import parser_for, run_verb
from renex_jupyter.errors import RenexError, from_os_error
from renex_jupyter.records import display
from renex_jupyter.records.diffs import Diff

NOBODY_READS = 141  # 128 + SIGPIPE, which ends other programs whose reader went


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; exit status 0, 1 when the result is not `ok`, 2 for an error (told on stderr, or as JSON)."""
    words, command = with_command(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in words
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a stored text may hold what the terminal's encoding lacks
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _warn  # type: ignore[assignment]
            status = _answer([word for word in words if word != "--json"] or ["-h"], command, as_json=as_json)
        sys.stdout.flush()
    except BrokenPipeError:  # as of `renex ls | head -1`
        _write_into_nothing()
        return NOBODY_READS
    except OSError as error:
        _write_into_nothing()
        return _tell(from_os_error(error, "the answer cannot be written"), as_json=False)
    except KeyboardInterrupt as stop:
        if str(stop):
            print(f"renex: {for_terminal(str(stop))}", file=sys.stderr)
        return INTERRUPTED
    return status


def _answer(words: Sequence[str], command: Sequence[str], *, as_json: bool) -> int:
    if list(words) == ["--version"]:
        print(f"renex_jupyter {version('renex_jupyter')}")
        return 0
    try:
        result = run_verb(parser_for("renex", notebook=False), words, command=command, as_json=as_json)
    except RenexError as error:
        return _tell(error, as_json=as_json)
    if result is not None:
        print(json.dumps(jsonable(_rows(result)), ensure_ascii=False, allow_nan=False) if as_json else _text(result))
    return 1 if getattr(result, "ok", True) is False else 0


def _tell(error: RenexError, *, as_json: bool) -> int:
    said = RenexError(error.code, error.message, for_terminal(error.hint))
    if as_json:
        print(json.dumps({"error": {"code": said.code, "message": said.message, "hint": said.hint}}))
    else:
        print(f"renex: {said}", file=sys.stderr)
    return 2


def _warn(message: Warning | str, *_where: Any) -> None:
    """Tell a warning on one line: where in the code it was said is nothing to who types a command."""
    said = " ".join(str(message).removeprefix("renex: ").splitlines())
    print(f"renex: {for_terminal(said)}", file=sys.stderr)


def _rows(result: Any) -> Any:
    """Return a DataFrame as a table, and everything else as it is."""
    return Table.of_frame(result) if hasattr(result, "columns") and hasattr(result, "iloc") else result


def _text(result: Any) -> str:
    table = _rows(result)
    if not isinstance(table, Table):
        return str(result) if isinstance(result, Diff) else str(result).replace("%renex ", "renex ")
    if any(table.columns):
        return table.text(display.terminal_width())
    return "no rows" if result is table else "nothing found"


def _write_into_nothing() -> None:
    """Let what is not written yet vanish, or Python would try again as it ends, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
