"""What `latest_metrics` says of a series, however its points came into the store."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest

from renex_jupyter.records.changes import Change, now
from renex_jupyter.records.metrics import Point
from renex_jupyter.store import parquet
from renex_jupyter.store.keeping.fsck import fsck
from renex_jupyter.store.keeping.rebuild import rebuild
from renex_jupyter.store.store import Store

RUN = "a" * 32
START = datetime(2026, 1, 1, tzinfo=UTC)
QUERY = "select key, value, step, wallclock, min_value, max_value, points from latest_metrics"
VALUES = (0.5, -2.0, 3.0, math.nan, math.inf, -math.inf, None)


def at(second: int) -> datetime:
    return START + timedelta(seconds=second)


def told(store: Store) -> dict[str, tuple[str, ...]]:
    """The rows of a reader of its own, with values that NaN makes comparable."""
    return {row.pop("key"): shown(row.values()) for row in Store(store.layout.root).reader.rows(QUERY)}


@pytest.fixture
def store(store: Store) -> Store:
    """A store with one run."""
    store.write(Change("runs", RUN, "create", {"run_id": RUN, "name": "n", "started_at": now()}))
    return store


def shown(values: Any) -> tuple[str, ...]:
    return tuple(each.astimezone(UTC).isoformat() if isinstance(each, datetime) else repr(each) for each in values)


def computed(points: list[Point]) -> dict[str, tuple[str, ...]]:
    """The same, from the points themselves."""
    found = {}
    for key in {point.key for point in points if point.value is not None}:
        mine = [(p.step, p.wallclock, p.value) for p in points if p.key == key and p.value is not None]
        step = max(s for s, _, _ in mine)
        last = max(w for s, w, _ in mine if s == step)
        rivals = [v for s, w, v in mine if (s, w) == (step, last)]
        numbers = [v for _, _, v in mine if not math.isnan(v)] or [math.nan]
        value = max((v for v in rivals if not math.isnan(v)), default=math.nan)
        found[key] = shown((value, step, max(w for _, w, _ in mine), min(numbers), max(numbers), len(mine)))
    return found


def test_a_late_point_of_an_early_step_does_not_hide_a_later_value_of_the_highest(store: Store) -> None:
    store.write_points([Point("run", RUN, "x", 5, at(1), 1.0), Point("run", RUN, "x", 3, at(9), 0.0)])
    store.fold()
    other = Store(store.layout.root)
    other.write_points([Point("run", RUN, "x", 5, at(5), 2.0)])
    wanted = {"x": shown((2.0, 5, at(9), 0.0, 2.0, 3))}
    assert told(store) == wanted
    other.fold()
    assert told(store) == wanted
    rebuild(store.layout)
    assert told(store) == wanted
    assert fsck(store.layout).ok


@pytest.mark.parametrize("seed", range(4))
def test_points_with_repeated_steps_and_times_say_the_same_before_and_after_every_fold(store: Store, seed: int) -> None:
    draw = random.Random(seed)
    written: list[Point] = []
    for _ in range(4):
        part = [
            Point("run", RUN, draw.choice("xyz"), draw.randrange(3), at(draw.randrange(3)), draw.choice(VALUES), "text")
            for _ in range(draw.randrange(1, 12))
        ]
        writer = Store(store.layout.root)
        writer.write_points(part)
        written += part
        assert told(store) == computed(written)
        if draw.random() < 0.6:
            writer.fold()
            assert told(store) == computed(written)
    store.fold()
    assert told(store) == computed(written)
    rebuild(store.layout)
    assert told(store) == computed(written)
    assert fsck(store.layout).ok


def test_a_wrong_value_in_the_index_is_noticed(store: Store) -> None:
    store.write_points([Point("run", RUN, "x", 5, at(1), 1.0)])
    store.fold()
    in_force = store.layout.generation_in_force()
    assert in_force is not None
    path = store.layout.generations / in_force
    path.chmod(0o600)
    with duckdb.connect(str(path)) as connection:
        connection.execute("update inside.latest set value = 7")
    path = path.rename(path.with_name(f"{path.name[:10]}.{parquet.digest(path)}.duckdb"))
    store.layout.current.write_text(path.name)
    assert any("last values" in damage.detail for damage in fsck(store.layout).damages)
