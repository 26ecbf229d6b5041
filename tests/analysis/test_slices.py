"""The search for slices beside all slices of small tables, one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from slices_by_hand import every_slice

from renex_jupyter.analysis.slices import rows
from renex_jupyter.analysis.slices.search import find_slices
from renex_jupyter.store.workbench import Workbench


@pytest.fixture(scope="module")
def bench():
    with Workbench(memory="500MB", threads=1) as opened:
        yield opened


def search(bench: Workbench, table: dict[str, list[Any]], error: Any, **options: Any):
    bench.take("t", pd.DataFrame({**table, "error": np.asarray(error, dtype=float)}))
    return find_slices(bench, "t", list(table), "error", **options)


def random_table(rng: np.random.Generator) -> tuple[dict[str, list[Any]], np.ndarray]:
    n = int(rng.integers(5, 400))
    table = {}
    for at in range(int(rng.integers(1, 7))):
        values = [f"v{each}" for each in range(int(rng.integers(1, 6)))] + ([None] if rng.random() < 0.3 else [])
        table[f"c{at}"] = [values[each] for each in rng.integers(0, len(values), n)]
    if rng.random() < 0.25:
        table["again"] = [None if each is None else f"r{each}" for each in table["c0"]]  # the same rows, other names
    bad = np.array([table["c0"][at] == "v0" and rng.random() < 0.5 for at in range(n)])
    error = (bad | (rng.random(n) < 0.2)).astype(float)
    if rng.random() < 0.5:
        error = error * rng.gamma(2.0, 1.0, n)
    return table, error


@pytest.mark.parametrize("seed", range(200))
def test_it_finds_what_a_look_at_every_slice_finds(
    bench: Workbench, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if seed % 3 == 0:
        monkeypatch.setattr(rows, "MOST_BYTES", 0)  # counted by SQL, as where the rows do not fit into the memory
    if seed % 3 == 1:
        monkeypatch.setattr(rows, "MOST_CELLS", 20)  # some sets of columns this way, some that
    rng = np.random.default_rng(seed)
    table, error = random_table(rng)
    k, alpha, support = int(rng.integers(1, 15)), float(rng.choice([0.5, 0.9, 0.95, 1.0])), int(rng.integers(1, 12))
    found = search(
        bench, table, error, k=k, alpha=alpha, min_support=support, max_level=3, batch=int(rng.integers(1, 20))
    )
    expected = every_slice(table, error, alpha=alpha, support=support, max_level=3) if error.sum() else []
    assert found.complete
    assert [each.items for each in found.slices] == [each.items for each in expected[:k]]
    for ours, theirs in zip(found.slices, expected, strict=False):
        assert ours.score == pytest.approx(theirs.score, abs=1e-9)
        assert (ours.size, ours.sum_error) == (len(theirs.rows), pytest.approx(theirs.sum_error))
        assert ours.max_error == pytest.approx(theirs.max_error)
        assert sum(ours.contributions.values()) == pytest.approx(ours.divergence)
    if len(expected) > k:
        last = expected[k - 1].score
        assert found.ties_cut == sum(1 for each in expected[k:] if each.score > last - 1e-9)
    else:
        assert found.ties_cut == 0
