"""The public tables as a page for people: `python -m renex_jupyter.store.describe > docs/schema.md`."""

from __future__ import annotations

import duckdb

from renex_jupyter.store import sample_rows, tables

_WORDS = {
    "namespaces": "group and own experiments, models and datasets",
    "experiments": "group runs with one aim",
    "notes": "observations and feedback, in Markdown, on anything that has an id",
    "metric_definitions": "what is known of a metric: its goal, the summary that counts, its unit",
    "sessions": "one row per life of a kernel or script",
    "tasks": "named actions: a cell, a command line, a function",
    "runs": "one row per execution of a task",
    "verifications": "what it gave to run something again: the verdict, the first differences, the likely reason",
    "params": "params of runs, with typed value",
    "tags": "tags of runs and of anything else that has an id",
    "metrics": "every point of every series",
    "latest_metrics": "per owner and key: the last value at the highest step, the time of the last point, the extremes",
    "metric_summaries": "per owner and key: last, least, greatest and mean value, and that which its definition asks for",
    "evaluations": "what was measured on a dataset: the owner of the metrics that something reached on it",
    "artifacts": "files and folders that were uploaded, or are tracked where they lie",
    "artifact_files": "the files of each artifact",
    "checkpoints": "artifacts at a step, from which a run can go on",
    "models": "what the versions of a model have in common",
    "model_versions": "trained members of a model, with where they come from",
    "model_metrics": "the last metrics of model versions, by dataset where they were measured on one",
    "aliases": "names that move from one version of a model to another",
    "labels": "names that one version of a model has",
    "decisions": "what was decided about a version: who, when, why",
    "policies": "rules of models",
    "policy_results": "what the policies said of versions and checkpoints, and why",
    "events": "what happened in training, inference or any other system, at a time",
    "event_spans": "what took time: a start and the finish that follows it",
    "datasets": "what the versions of a dataset have in common",
    "dataset_versions": "the content of a dataset at one time: fields, classes, splits, digest",
    "prediction_sets": "what a model version said of the samples of a dataset version",
    "samples": "what is in each dataset version: a row per sample, with all that its source said of it as JSON; name a version",
    "annotations": "what people or sources say of samples; name a version",
    "predictions": "what each prediction set says of samples; name a set or a version",
    "pattern_searches": "looks for failure patterns: on what, how, and whether they came to their end",
    "failure_patterns": "the slices of a dataset on which a model errs more, with the proof on the half that was held out",
    "named_patterns": "patterns that somebody keeps an eye on",
    "pattern_measures": "named patterns on the predictions of each model version, and whether they got worse",
    "drift_reports": "how far samples, predictions or performance are from their reference, and what is proposed",
    "workspaces": "saved views on a dataset, as they are now",
    "workspace_versions": "every saved state of each workspace",
    "lineage": "what comes from what",
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
        sample_rows.show(connection)
        for statement in tables.schema().create_views:
            connection.execute(statement)
        for name, words in _WORDS.items():
            columns = connection.execute(f"describe {name}").fetchall()
            lines += ["", f"## {name}", "", f"{words[0].upper()}{words[1:]}.", "", "| column | type |", "|---|---|"]
            lines += [f"| {column} | {type_} |" for column, type_, *_ in columns]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
