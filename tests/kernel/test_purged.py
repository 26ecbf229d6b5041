"""A secret that was purged does not come back from the memory of the kernels that knew it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import zstandard
from kernels import Start

import renex_jupyter as rx
from renex_jupyter.store.fold import fold
from renex_jupyter.store.layout import Layout

SECRET = "hunter2-is-it"
BEGIN = "%load_ext renex_jupyter\nimport renex_jupyter as rx\nfrom IPython import get_ipython"


def holders(root: Path) -> list[str]:
    """Return the files of a store in whose bytes the secret stands, plain or compressed."""
    found = []
    for path in sorted(each for each in root.rglob("*") if each.is_file()):
        raw = path.read_bytes()
        plain = zstandard.ZstdDecompressor().decompressobj().decompress(raw) if path.suffix == ".zst" else b""
        found += [str(path.relative_to(root))] if SECRET.encode() in raw + plain else []
    return found


def test_the_cell_that_purges_and_those_before_it_leave_nothing(project: Path, start: Start) -> None:
    (project / "n.ipynb").write_text(
        '{"cells": [{"cell_type": "code", "id": "a", "metadata": {}, "outputs": [], "execution_count": 1,'
        f' "source": "rx.purge(secret=\'{SECRET}\')"}}], "metadata": {{}}, "nbformat": 4, "nbformat_minor": 5}}'
    )
    kernel = start()
    for cell in (
        f"__vsc_ipynb_file__ = {str(project / 'n.ipynb')!r}\n{BEGIN}\nword = '{SECRET}'",
        "%snapshot first",
        "run = rx.start_run('open'); rx.log_metric('said', word); rx.log_param('word', word)",
        f"rx.purge(secret='{SECRET}')",
        "1 + 1",
        "%snapshot second",
        "rx.end_run()",
        "_ = %snapshot third",
    ):
        assert kernel.run(cell)["status"] == "ok"
    kernel.manager.shutdown_kernel()
    fold(Layout(project / ".renex"))
    assert holders(project / ".renex") == []


def test_what_another_kernel_remembers_does_not_come_back(project: Path, start: Start) -> None:
    there, silent, here = start(), start(), start()
    wait = "open('running', 'w').close()\nwhile not os.path.exists('go'): time.sleep(0.1)"
    for cell in (
        f"{BEGIN}\nimport os, time\nword = '{SECRET}'",
        "run = rx.start_run('open'); rx.log_metrics({'said': word, 'loss': 0.5})",
    ):
        assert there.run(cell)["status"] == "ok"
    assert silent.run(f"{BEGIN}\nword = '{SECRET}'")["status"] == "ok"
    there.client.execute(f"word = '{SECRET}'\n{wait}")
    while not (project / "running").exists():
        time.sleep(0.1)
    assert here.run(f"{BEGIN}\nrx.purge(secret='{SECRET}')")["status"] == "ok"
    (project / "go").touch()
    for kernel in (there, silent):
        for cell in ("1 + 1", "%snapshot later", "rx.end_run()"):
            assert kernel.run(cell)["status"] == "ok"
        kernel.manager.shutdown_kernel()
    here.manager.shutdown_kernel()
    fold(Layout(project / ".renex"))
    assert holders(project / ".renex") == []
    snapshots = rx.sql("select metrics from snapshots where run_id is not null and metrics::varchar like '%loss%'")
    assert all(json.loads(each)["loss"] == 0.5 for each in snapshots["metrics"]) and len(snapshots)
