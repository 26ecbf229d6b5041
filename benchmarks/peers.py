"""One class per tool: log, count what arrived, list the runs, fetch series; each by the tool's own interface.

A peer is measured where it is installed (`pip install mlflow trackio wandb`), without a server and without a network.
"""

from __future__ import annotations

import importlib.util
import json
import random
import time
from pathlib import Path
from typing import Any

import wandb_file

RUNS, KEYS, STEPS, SHOWN = 200, 10, 200, 20  # of the store that is asked; of SHOWN runs the series are fetched
QUESTIONS = ("table", "series")  # see `asking.ask`
KEY_NAMES = [f"metric_{number}" for number in range(KEYS)]


def params_of(run: int) -> dict[str, Any]:
    """Return the params of one run of the store that is asked."""
    return {"lr": 0.1 / (run + 1), "depth": run % 9, "optimizer": "adam", "seed": run}


def values_of(run: int) -> list[dict[str, float]]:
    """Return the metrics of one run by step: full-precision floats with noise."""
    chance = random.Random(run)
    return [{key: chance.gauss(1 / (step + 1), 0.1) for key in KEY_NAMES} for step in range(STEPS)]


class Renex:
    """renex_jupyter, with all of its defaults."""

    name, module, loop_points, process_points, asked = "renex", "renex_jupyter", 100_000, 5_000, QUESTIONS

    def open(self, run: str) -> None:
        import renex_jupyter as rx
        from renex_jupyter.session.current import current

        self.rx, self.current = rx, current
        rx.start_run(run)

    def log(self, points: int) -> None:
        log_metric = self.rx.log_metric
        for step in range(points):
            log_metric("loss", 1 / (step + 1), step=step)
        self.current().store.journal.sync()

    def count(self, expected: int) -> int:
        del expected
        return int(self.rx.sql("select count(*) as n from metrics where key = 'loss'")["n"][0])

    def close(self) -> None:
        self.rx.end_run()

    def build(self) -> None:
        import renex_jupyter as rx

        for run in range(RUNS):
            with rx.start_run(f"run {run}"):
                rx.log_params(params_of(run))
                for step, values in enumerate(values_of(run)):
                    rx.log_metrics(values, step=step)
        from renex_jupyter.session.current import current

        current().store.fold()

    def load(self) -> None:
        import pandas as pd  # noqa: F401  loaded before the clock starts

        import renex_jupyter as rx
        import renex_jupyter.store.reader

        self.rx = rx
        _ = rx.search_runs, rx.metric_history

    def table(self) -> tuple[list[str], int]:
        frame = self.rx.search_runs(limit=RUNS)
        return list(frame["run_id"]), len(frame) * sum(column.startswith("metrics.") for column in frame)

    def series(self, runs: list[str]) -> int:
        return len(self.rx.metric_history(runs))


class Raw:
    """The least that could be done: `json.dumps` and `os.write`; DuckDB on one sorted Parquet file and no more."""

    name, module, loop_points, process_points, asked = "json + DuckDB", "duckdb", 100_000, 5_000, QUESTIONS

    def open(self, run: str) -> None:
        import os

        import duckdb

        self.os, self.duckdb, self.run = os, duckdb, run
        self.file = os.open(f"{run}.jsonl", os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def log(self, points: int) -> None:
        for step in range(points):
            fields = {"run": self.run, "key": "loss", "step": step, "wallclock": time.time(), "value": 1 / (step + 1)}
            self.os.write(self.file, json.dumps(fields).encode() + b"\n")
        self.os.fsync(self.file)

    def count(self, expected: int) -> int:
        del expected
        [row] = self.duckdb.execute("select count(*) from read_json('*.jsonl') where key = 'loss'").fetchall()
        return int(row[0])

    def close(self) -> None:
        self.os.close(self.file)

    def build(self) -> None:
        import duckdb
        import pandas as pd

        runs = pd.DataFrame([{"run_id": f"{run:032x}", **params_of(run)} for run in range(RUNS)])
        rows = [
            (f"{run:032x}", key, step, 1_750_000_000_000_000 + step * 9_973, value)
            for run in range(RUNS)
            for step, values in enumerate(values_of(run))
            for key, value in values.items()
        ]
        points = pd.DataFrame(rows, columns=["run_id", "key", "step", "wallclock", "value"])
        with duckdb.connect() as connection:
            connection.register("runs", runs).execute("copy runs to 'runs.parquet'")
            connection.register("points", points)
            connection.execute("copy (from points order by run_id, key, step) to 'points.parquet'")

    def load(self) -> None:
        import duckdb
        import pandas as pd  # noqa: F401  loaded before the clock starts

        self.duckdb = duckdb

    def table(self) -> tuple[list[str], int]:
        query = """
            pivot (select run_id, key, arg_max(value, step) as value from 'points.parquet' group by all)
            on key using any_value(value) group by run_id"""
        frame = self.duckdb.sql(f"select * from 'runs.parquet' join ({query}) using (run_id)").df()
        return list(frame["run_id"]), len(frame) * sum(column.startswith("metric_") for column in frame)

    def series(self, runs: list[str]) -> int:
        query = "select * from 'points.parquet' where list_contains(?, run_id) order by 1, 2, 3"
        return len(self.duckdb.execute(query, [runs]).df())


class Trackio:
    """Trackio into its local SQLite file."""

    name, module, loop_points, process_points, asked = "Trackio", "trackio", 100_000, 5_000, QUESTIONS

    def open(self, run: str) -> None:
        import trackio
        from trackio.sqlite_storage import SQLiteStorage

        self.trackio, self.storage, self.run = trackio, SQLiteStorage, run
        trackio.init("bench", name=run, auto_log_cpu=False, auto_log_gpu=False)

    def log(self, points: int) -> None:
        for step in range(points):
            self.trackio.log({"loss": 1 / (step + 1)}, step=step)
        self._wait(points)

    def _wait(self, points: int) -> None:
        """Return when all is in the database, or nothing has come for ten seconds."""
        seen, since = -1, time.monotonic()
        while seen < points and time.monotonic() - since < 10:
            now = self.storage.get_log_count("bench", self.run)
            seen, since = (now, time.monotonic()) if now != seen else (seen, since)
            time.sleep(0.02)

    def count(self, expected: int) -> int:
        del expected
        return sum(self.storage.get_log_count("bench", run) for run in self.storage.get_runs("bench"))

    def close(self) -> None:
        self.trackio.finish()

    def build(self) -> None:
        from trackio.sqlite_storage import SQLiteStorage

        for run in range(RUNS):
            steps, config = list(range(STEPS)), params_of(run)
            SQLiteStorage.bulk_log("bench", f"run {run}", values_of(run), steps, config=config, run_id=f"{run:032x}")

    def load(self) -> None:
        from trackio.sqlite_storage import SQLiteStorage

        self.storage = SQLiteStorage

    def table(self) -> tuple[list[str], int]:
        records = self.storage.get_run_records("bench")
        configs = self.storage.get_all_run_configs("bench")
        # It has no question for the last values of all runs but SQL: of the row with the highest step, the metrics.
        query = "select run_id, max(step) as step, metrics from metrics group by run_id"
        rows = self.storage.query_project("bench", query)["rows"]
        last = {row["run_id"]: json.loads(row["metrics"]) for row in rows}
        table = [{**record, **configs[record["id"]], **last[record["id"]]} for record in records]
        return [row["id"] for row in table], sum(key in row for row in table for key in KEY_NAMES)

    def series(self, runs: list[str]) -> int:
        found = self.storage.get_logs_batch("bench", [{"run_id": run} for run in runs])
        return sum(key in row for each in found for row in each["logs"] for key in KEY_NAMES)


class TrackioByRun(Trackio):
    """Trackio, asked for the series of one run after the other by its name, as its command line does."""

    name, loop_points, process_points, asked = "Trackio by run", 0, 0, ("series",)

    def series(self, runs: list[str]) -> int:
        found = [self.storage.get_logs("bench", f"run {int(run, 16)}") for run in runs]
        return sum(key in row for logs in found for row in logs for key in KEY_NAMES)


class Mlflow:
    """MLflow into SQLite, one call after the other."""

    name, module, loop_points, process_points, asked = "MLflow", "mlflow", 1_000, 100, QUESTIONS
    synchronous = True

    def open(self, run: str) -> None:
        self.load()
        self.mlflow.set_experiment("bench")
        self.run = self.mlflow.start_run(run_name=run)

    def log(self, points: int) -> None:
        for step in range(points):
            self.mlflow.log_metric("loss", 1 / (step + 1), step=step, synchronous=self.synchronous)
        if not self.synchronous:
            self.mlflow.flush_async_logging()

    def count(self, expected: int) -> int:
        del expected
        client = self.mlflow.MlflowClient()
        runs = self.mlflow.search_runs(experiment_names=["bench"])["run_id"]
        return sum(len(client.get_metric_history(run, "loss")) for run in runs)

    def close(self) -> None:
        self.mlflow.end_run()

    def build(self) -> None:
        self.load()
        from mlflow.entities import Metric, Param

        self.mlflow.set_experiment("bench")
        client = self.mlflow.MlflowClient()
        for run in range(RUNS):
            with self.mlflow.start_run(run_name=f"run {run}") as opened:
                metrics = [
                    Metric(key, value, 1_750_000_000_000 + step * 10, step)
                    for step, values in enumerate(values_of(run))
                    for key, value in values.items()
                ]
                params = [Param(key, str(value)) for key, value in params_of(run).items()]
                client.log_batch(opened.info.run_id, params=params)
                for first in range(0, len(metrics), 1000):
                    client.log_batch(opened.info.run_id, metrics=metrics[first : first + 1000])

    def load(self) -> None:
        import mlflow
        import pandas as pd  # noqa: F401  loaded before the clock starts

        self.mlflow = mlflow
        mlflow.set_tracking_uri(f"sqlite:///{Path.cwd() / 'mlflow.db'}")

    def table(self) -> tuple[list[str], int]:
        frame = self.mlflow.search_runs(experiment_names=["bench"], max_results=RUNS)
        return list(frame["run_id"]), len(frame) * sum(column.startswith("metrics.") for column in frame)

    def series(self, runs: list[str]) -> int:
        client = self.mlflow.MlflowClient()
        return sum(len(client.get_metric_history(run, key)) for run in runs for key in KEY_NAMES)


class MlflowAsync(Mlflow):
    """MLflow into SQLite, with its asynchronous logging."""

    name, loop_points, process_points, asked = "MLflow async", 5_000, 500, ()
    synchronous = False


class Wandb:
    """Weights & Biases offline: it writes a file of its own, and nothing can be asked before it is uploaded."""

    name, module, loop_points, process_points, asked = "W&B offline", "wandb", 100_000, 5_000, ()

    def open(self, run: str) -> None:
        import wandb

        settings = wandb.Settings(console="off", x_disable_stats=True, x_disable_meta=True, silent=True)
        self.run = wandb.init(project="bench", name=run, mode="offline", settings=settings)

    def log(self, points: int) -> None:
        for step in range(points):
            self.run.log({"loss": 1 / (step + 1)}, step=step)
        self.run.finish()

    def count(self, expected: int) -> int:
        del expected
        return len(wandb_file.steps(Path(), "loss"))

    def close(self) -> None:
        """`log` has finished the run: nothing is on disk for sure before."""


TOOLS = {tool.name: tool for tool in (Renex, Raw, Trackio, TrackioByRun, Mlflow, MlflowAsync, Wandb)}


def installed() -> dict[str, type[Any]]:
    """Return the tools that are installed here, by name."""
    return {name: tool for name, tool in TOOLS.items() if importlib.util.find_spec(tool.module)}
