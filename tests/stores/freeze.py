"""Make a store with something of everything, and what it answers: `python tests/stores/freeze.py FORMAT`.

Run once for each format of the store, before it is released, and once more as `FORMAT-WORD` when a format has got new kinds
of objects; the archive is never made again. `test_frozen.py` opens each one for ever.
"""

from __future__ import annotations

import json
import os
import sys
import tarfile
import tempfile
from decimal import Decimal
from pathlib import Path

HERE = Path(__file__).parent


def record() -> None:
    """Record runs, snapshots and points of every kind, in the folder we are in; some of it is folded, some is not."""
    import numpy as np

    import renex_jupyter as rx
    from renex_jupyter.session.current import current

    Path("train.py").write_text("print('hello')\n" * 50)
    Path("data.bin").write_bytes(bytes(range(256)) * 64)
    Path("requirements.txt").write_text("duckdb\n")
    rx.set_experiment("digits", namespace="vision")
    rx.snapshot("baseline", label="start", config={"lr": 0.1, "deep": {"a": [1, None]}}, metrics={"accuracy": 0.5})
    for number in range(3):
        with rx.start_run(f"train{number}", tags={"team": "ü"}):
            rx.log_params({"lr": 10.0**-number, "layers": [64, 32], "name": 'quo"te', "big": 2**70})
            for step in range(200):
                rx.log_metrics({"loss": 1 / (step + 1 + number), "val/accuracy": step / 200}, step=step)
        current().store.fold()
    with rx.start_run("odd"):
        for step, value in enumerate([float("nan"), float("inf"), -0.0, 5e-324, 2**60 + 1, Decimal("0.1"), "text"]):
            rx.log_metric("odd", value, step=step)
        rx.log_metric("weights", np.arange(6, dtype="float32").reshape(2, 3), step=0)
        rx.log_param("lr", 0.5)
        rx.log_param("lr", 0.25)
        Path("train.py").write_text("print('changed')\n")
    rx.snapshot("after")
    record_models()
    current().store.fold()
    rx.start_run("open", tags={"left": "open"})
    rx.log_metric("loss", 0.125, step=0)


def record_models() -> None:
    """Record something of every kind that experiments, models, policies and events have."""
    import renex_jupyter as rx

    rx.update_experiment(
        "digits", description="ü", link="https://host.example/7", metadata={"a": [1, None]}, starred=True
    )
    rx.add_note("**good**", on="experiment:digits")
    rx.define_metric("loss", goal="min", unit="nats")
    rx.create_model("digits", task="classification", metadata={"classes": 10})
    rx.set_policy("digits", "label", alias="champion", metric="accuracy", dataset="test", margin=0.002)
    rx.set_policy("digits", "convert", metric="accuracy", better_than=0.9)
    with rx.start_run("trained"):
        rx.log_artifact("data.bin", metadata={"rows": 64})
        rx.track_artifact("train.py", kind="dataset")
        rx.log_dict({"layers": [64, 32]}, "structure")
        for step, accuracy in enumerate([0.5, 0.95]):
            rx.log_event("epoch_start", source="trainer", metadata={"epoch": step})
            rx.log_checkpoint("data.bin", step=step, metrics={"accuracy": accuracy})
            rx.log_event("epoch_finish", source="trainer")
        for accuracy in (0.940, 0.941, 0.950):
            version = rx.register_model("digits", path="data.bin", dataset="digits-train", labels=[f"of {accuracy}"])
            rx.log_metric("accuracy", accuracy, on=version, dataset="test")
    rx.set_alias("digits", "staging", 1, reason="to try")
    rx.delete_alias("digits", "staging", reason="tried")
    rx.retire_version("digits:1", reason="old")
    rx.load_model("digits@champion")
    rx.set_tag("kept", "yes", on="model:digits")
    rx.delete_tag("kept", on="model:digits")


def answers(root: Path) -> dict[str, dict[str, list[str]]]:
    """Return for every public table its columns and its rows, as text."""
    from renex_jupyter.store.store import Store

    read = Store(root).reader
    result = {}
    for table in read.rows("select view_name as name from duckdb_views() where schema_name = 'main' and not internal"):
        columns = [row["column_name"] for row in read.rows(f"describe {table['name']}")]
        result[table["name"]] = {"columns": columns, "rows": asked(read, table["name"], columns)}
    return result


def asked(read: object, table: str, columns: list[str]) -> list[str]:
    """Return the rows of a table as text, in an order of their own."""
    names = ", ".join(
        "round(mean, 9)" if name == "mean" else f'"{name}"' for name in columns
    )  # its last digits are chance
    return sorted(repr(tuple(row.values())) for row in read.rows(f"select {names} from {table}"))  # type: ignore[attr-defined]


def main(format_: str) -> None:
    """Write `FORMAT.tar.xz` and `FORMAT.json`."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["RENEX_STORE"] = str(Path(folder) / ".renex")
        if (child := os.fork()) == 0:
            from renex_jupyter.config import settings

            settings().fold_in_background = False
            record()
            os._exit(0)  # as if killed: the last run stays open, and its journal is not folded
        assert os.waitpid(child, 0)[1] == 0
        root = Path(folder) / ".renex"
        journal = max(root.glob("journal/*.points.jsonl"))
        with journal.open("ab") as file:
            file.write(b'{"o":"run","i":"torn')  # as a power cut leaves it
        expected = answers(root)
        with tarfile.open(HERE / f"{format_}.tar.xz", "w:xz") as archive:
            archive.add(root, "store")
    (HERE / f"{format_}.json").write_text(json.dumps(expected, indent=0, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
