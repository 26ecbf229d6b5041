"""A store with runs in it, as any process writes them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from renex_jupyter import ids
from renex_jupyter.query.runs import get_run
from renex_jupyter.records.changes import Change, fields, now
from renex_jupyter.records.metrics import Point
from renex_jupyter.records.runs import Run
from renex_jupyter.store.store import Store

NOT_COLUMNS = ("params", "metrics", "tags", "files")


@dataclass
class Project:
    """A folder with a store."""

    root: Path
    store: Store

    def run(self, name: str, **columns: Any) -> str:
        run_id = columns.pop("run_id", None) or ids.new_id()
        run = Run(run_id, name, columns.pop("started_at", now()), **{"status": "finished", **columns})
        after = {key: value for key, value in fields(run).items() if key not in NOT_COLUMNS}
        self.store.write(Change("runs", run.run_id, "create", after))
        return run.run_id

    def made(self, name: str, **columns: Any) -> Run:
        """Return a new run as the store tells of it."""
        run_id = self.run(name, **columns)
        return get_run(self.store.reader, run_id)

    def snapshot(self, label: str | None = None) -> str:
        snapshot_id = ids.new_id()
        after = {"snapshot_id": snapshot_id, "label": label, "created_at": now()}
        self.store.write(Change("snapshots", snapshot_id, "create", after))
        return snapshot_id

    def log(self, run_id: str, key: str, *values: float, first: int = 0) -> None:
        self.store.write_points(
            Point("run", run_id, key, first + step, now(), value) for step, value in enumerate(values)
        )

    def param(self, run_id: str, key: str, value: Any) -> None:
        param_id = ids.content_id([run_id, key])
        after = {"param_id": param_id, "run_id": run_id, "key": key, "value": value, "value_text": str(value)}
        self.store.write(Change("params", param_id, "create", after))

    def printed(self, run_id: str, text: str, name: str = "output.log") -> Path:
        """Have a run print something, as its supervisor keeps it while it runs."""
        folder = self.store.layout.runs / run_id
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / name).open("ab") as file:
            file.write(text.encode())
        return folder / name
