"""The public tables as a page for people: `python -m renex_jupyter.store.describe > docs/schema.md`."""

from __future__ import annotations

import duckdb

from renex_jupyter.store import tables

_WORDS = {
    "namespaces": "group and own experiments",
    "experiments": "group runs with one aim",
    "sessions": "one row per life of a kernel or script",
    "tasks": "named actions: a cell, a command line, a function",
    "runs": "one row per execution of a task",
    "verifications": "what it gave to run something again: the verdict, the first differences, the likely reason",
    "params": "params of runs, with typed value",
    "tags": "tags of runs",
    "metrics": "every point of every series",
    "latest_metrics": "per run and key: the last value at the highest step, the time of the last point, and the extremes",
    "snapshots": "states at one moment",
    "snapshot_files": "the files of each snapshot, its notebook among them",
    "snapshot_cells": "the cells of each snapshot, with what was run of them",
    "cell_executions": "every executed cell of each session, in order",
    "environments": "interpreter and lock files",
    "packages": "the installed packages of each environment",
    "hardware": "machines",
    "change_events": "everything that was created, changed or deleted",
}


def page() -> str:
    """Return the page as Markdown."""
    lines = [
        "# The tables",
        "",
        "`rx.sql()`, `%%rxsql`, `renex sql` and any DuckDB client that opens `.renex/history.duckdb` offer these tables.",
        "Times are TIMESTAMPTZ in UTC, durations seconds, sizes bytes. NaN and infinities are kept as they are. Inside the",
        "notebook a query sees every point that was written before it; `history.duckdb` is replaced by a new file when a run",
        "or a snapshot ends. A client that has it open goes on with the old one until it opens it again, and what it wrote",
        "into it stays behind; only a purge takes the old one away.",
        "",
        '`at` is a word of SQL: write `"at"` for the column of `change_events`.',
    ]
    with duckdb.connect() as connection:
        connection.execute(f"create schema {tables.INSIDE}")
        for statement in tables.schema().create_tables:
            connection.execute(statement)
        connection.execute(f"create view inside.points as {tables.NO_POINTS}")
        for statement in tables.schema().create_views:
            connection.execute(statement)
        for name, words in _WORDS.items():
            columns = connection.execute(f"describe {name}").fetchall()
            lines += ["", f"## {name}", "", f"{words[0].upper()}{words[1:]}.", "", "| column | type |", "|---|---|"]
            lines += [f"| {column} | {type_} |" for column, type_, *_ in columns]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
