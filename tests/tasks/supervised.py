"""Actions under real supervisors, for the tests of what these do."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from renex_jupyter.store.store import Store
from renex_jupyter.tasks.order import Order, Outcome
from renex_jupyter.tasks.process import Supervised, start

RUN = "ab" * 16


def begun(tmp_path: Path, *argv: str, **options) -> Supervised:
    order = Order(RUN, str(tmp_path / "store"), argv, str(tmp_path), **options)
    return start(order, dict(os.environ), tmp_path / "run")


def ran(tmp_path: Path, *argv: str, echo: Callable[[str], None] = lambda text: None, **options) -> Outcome:
    return begun(tmp_path, *argv, **options).follow(echo)


def sh(tmp_path: Path, script: str, **options) -> Outcome:
    return ran(tmp_path, "sh", "-c", script, **options)


def python(tmp_path: Path, script: str, **options) -> Outcome:
    return ran(tmp_path, sys.executable, "-c", script, **options)


def points(tmp_path: Path, keys: str = "key not like 'system/%'") -> list[tuple]:
    if not Store(tmp_path / "store").exists:
        return []
    query = f"select key, step, value, text_value from metrics where run_id = '{RUN}' and {keys} order by key, step, wallclock"
    return [tuple(row.values()) for row in Store(tmp_path / "store").reader.rows(query)]


def wait_for(told: Callable[[], object], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not told():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
