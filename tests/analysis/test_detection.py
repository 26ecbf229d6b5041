"""Boxes are matched, and precision is averaged, as plain loops over images, classes and boxes do it."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from renex_jupyter.analysis.average_precision import COCO, average_precision, mean_precision
from renex_jupyter.analysis.detection import match_boxes
from renex_jupyter.errors import RenexError
from renex_jupyter.store.workbench import Workbench

TRUTH = ["_key", "annotation_id", "kind", "label", "x", "y", "w", "h", "is_crowd"]
FOUND = ["_key", "label", "score", "x", "y", "w", "h"]


@pytest.fixture
def bench() -> Iterator[Workbench]:
    with Workbench(threads=1) as made:
        yield made


def give(bench: Workbench, truth: list[tuple], found: list[tuple], images: int = 30, side: float = 100.0) -> None:
    types = {"x": float, "y": float, "w": float, "h": float}
    bench.take("t_", pd.DataFrame(truth, columns=TRUTH).astype(types))
    bench.take("f_", pd.DataFrame(found, columns=FOUND).astype({**types, "score": float}))
    keys = [f"{number:03}" for number in range(images)]
    bench.take("s_", pd.DataFrame({"_key": keys, "width": side, "height": side}))
    for name, source in (("annotations", "t_"), ("predictions", "f_"), ("samples", "s_")):
        bench.run(f"create or replace table {name} as from {source}")


def scene(seed: int) -> tuple[list[tuple], list[tuple]]:
    """Boxes on a coarse grid, so that equal overlaps and equal scores are common; some images have no true or no found ones."""
    rng = random.Random(seed)
    truth, found = [], []
    for image in range(30):
        key = f"{image:03}"
        for _ in range(rng.choice([0, 1, 3, 6])):
            box = tuple(rng.choice([0, 10, 20, 30, 40]) for _ in "xy") + tuple(
                rng.choice([5, 10, 20, 40]) for _ in "wh"
            )
            truth.append((key, f"a{len(truth):05}", "box", rng.choice("abc"), *box, rng.random() < 0.15))
        for _ in range(rng.choice([0, 2, 5, 12])):
            box = tuple(rng.choice([0, 8, 10, 20, 22, 30, 40]) for _ in "xy") + tuple(
                rng.choice([5, 10, 20, 40]) for _ in "wh"
            )
            found.append((key, rng.choice("abcd"), rng.choice([0.1, 0.2, 0.5, 0.5, 0.9]), *box))
    return truth, found


def overlap(true: tuple, box: tuple, crowd: bool) -> float:
    across = max(0, min(true[0] + true[2], box[0] + box[2]) - max(true[0], box[0]))
    along = max(0, min(true[1] + true[3], box[1] + box[3]) - max(true[1], box[1]))
    area = box[2] * box[3] if crowd else true[2] * true[3] + box[2] * box[3] - across * along
    return across * along / area if area else 0.0


def reference_matches(truth: list[tuple], found: list[tuple], iou: float, most: int | None = None) -> tuple[dict, set]:
    """Return the partner of each found box by its place, and the places of those that are ignored."""
    partner: dict[int, str] = {}
    ignored: set[int] = set()
    for key in sorted({row[0] for row in found}):
        for label in sorted({row[1] for row in found if row[0] == key}):
            true = sorted((row for row in truth if row[0] == key and row[3] == label), key=lambda row: row[1])
            places = [place for place, row in enumerate(found) if row[:2] == (key, label)]
            free = {row[1] for row in true if not row[8]}
            for place in sorted(places, key=lambda place: -found[place][2])[:most]:
                best, chosen = iou, None
                for row in true:
                    share = overlap(row[4:8], found[place][3:], crowd=False)
                    if row[1] in free and share >= best:
                        best, chosen = share, row[1]
                if chosen is not None:
                    partner[place] = chosen
                    free.discard(chosen)
                elif any(row[8] and overlap(row[4:8], found[place][3:], crowd=True) >= iou for row in true):
                    ignored.add(place)
    return partner, ignored


def reference_precision(
    truth: list[tuple], found: list[tuple], label: str, iou: float, most: int
) -> tuple[float, float]:
    """Return the average precision of one class by 101 points, and by the area under the curve."""
    partner, ignored = reference_matches(truth, found, iou, most)
    total = sum(row[3] == label and not row[8] for row in truth)
    allowed = set()
    for key in {row[0] for row in found}:
        places = [place for place, row in enumerate(found) if row[:2] == (key, label)]
        allowed |= set(sorted(places, key=lambda place: -found[place][2])[:most])
    ranked = sorted(allowed - ignored, key=lambda place: (-found[place][2], found[place][0], place))
    hits, points = 0, []
    for rank, place in enumerate(ranked, 1):
        hits += place in partner
        points.append((hits / total, hits / rank))
    at = [
        max((precision for recall, precision in points if recall >= level), default=0.0)
        for level in np.linspace(0, 1, 101)
    ]
    area, before = 0.0, 0.0
    for recall in sorted({recall for recall, _ in points}):
        area += (recall - before) * max(precision for r, precision in points if r >= recall)
        before = recall
    return sum(at) / 101, area


@pytest.mark.parametrize("seed", range(12))
def test_boxes_are_matched_as_loops_do_it(bench: Workbench, seed: int) -> None:
    truth, found = scene(seed)
    give(bench, truth, found)
    iou = [0.3, 0.5, 0.75][seed % 3]
    match_boxes(bench, iou=iou)
    partner, ignored = reference_matches(truth, found, iou)
    rows = bench.rows("select * from matches where side = 'prediction' order by number")
    order = sorted(range(len(found)), key=lambda place: (-found[place][2], found[place][0], place))
    assert [row["annotation_id"] for row in rows] == [partner.get(place) for place in order]
    assert [row["error"] is None for row in rows] == [place in ignored for place in order]
    missed = {row["annotation_id"]: row["error"] for row in bench.rows("from matches where side = 'truth'")}
    taken = set(partner.values())
    assert missed == {row[1]: None if row[8] else float(row[1] not in taken) for row in truth}


@pytest.mark.parametrize("seed", range(6))
def test_average_precision_is_that_of_loops(bench: Workbench, seed: int) -> None:
    truth, found = scene(100 + seed)
    give(bench, truth, found)
    most = [100, 2][seed % 2]
    frame = average_precision(bench, most=most)
    assert sorted(frame["iou"].unique()) == pytest.approx(COCO)
    assert list(frame["label"].unique()) == sorted({row[3] for row in truth} | {row[1] for row in found})
    for row in frame.to_dict("records"):
        if row["label"] == "d":
            assert row["truths"] == 0 and np.isnan(row["ap"]) and np.isnan(row["area"])
        else:
            expected = reference_precision(truth, found, row["label"], row["iou"], most)
            assert (row["ap"], row["area"]) == pytest.approx(expected, abs=1e-12)
    means = mean_precision(frame)
    known = frame[frame["truths"] > 0]
    assert means["map"] == pytest.approx(np.mean(known["ap"]), abs=1e-12)
    assert means["map_50"] == pytest.approx(np.mean(known[known["iou"] == 0.5]["ap"]), abs=1e-12)


def test_nothing_found_misses_everything_and_nothing_true_makes_everything_wrong(bench: Workbench) -> None:
    give(bench, [("000", "1", "box", "a", 1, 1, 5, 5, False)], [])
    match_boxes(bench)
    assert bench.values("select side, error from matches") == [("truth", 1.0)]
    assert average_precision(bench, iou=[0.5]).iloc[0][["ap", "area", "truths"]].tolist() == [0.0, 0.0, 1]
    give(bench, [], [("000", "a", 0.5, 1, 1, 5, 5)])
    match_boxes(bench)
    assert bench.values("select side, error from matches") == [("prediction", 1.0)]
    assert np.isnan(mean_precision(average_precision(bench))["map"])
    give(bench, [], [])
    match_boxes(bench)
    assert bench.value("select count(*) from matches") == 0
    assert average_precision(bench).empty


def test_a_row_says_how_large_how_long_at_the_edge_and_how_crowded_its_box_is(bench: Workbench) -> None:
    truth = [
        ("000", "edge", "box", "a", 0, 40, 10, 30, False),
        ("000", "alone", "polygon", "a", 500, 500, 40, 50, False),
        ("000", "lapped", "box", "b", 200, 200, 100, 100, False),
        ("000", "lapping", "mask", "a", 290, 290, 300, 120, False),
        ("000", "word", "class", "a", None, None, None, None, False),
    ]
    found = [("000", "b", 0.9, 500, 500, 40, 50), ("000", "b", 0.8, 200, 200, 100, 60), ("000", "a", 0.7, 800, 0, 9, 9)]
    give(bench, truth, found, side=1000)
    match_boxes(bench, iou=0.5)
    rows = {row["annotation_id"]: row for row in bench.rows("from matches where side = 'truth'")}
    assert set(rows) == {"edge", "alone", "lapped", "lapping"}
    said = {key: tuple(row[each] for each in ("size", "aspect", "border", "crowding")) for key, row in rows.items()}
    assert said == {
        "edge": ("small", "tall", True, "0"),
        "alone": ("medium", "square", False, "0"),
        "lapped": ("large", "square", False, "1-2"),
        "lapping": ("large", "wide", False, "1-2"),
    }
    assert {key: (row["error"], row["iou_bin"], row["other"]) for key, row in rows.items()} == {
        "edge": (1.0, "0", None),
        "alone": (1.0, "0", "b"),
        "lapped": (0.0, "0.5 to 0.75", None),
        "lapping": (1.0, "0", None),
    }
    wrong = bench.rows("from matches where side = 'prediction' and error = 1 order by number")
    assert [(row["label"], row["other"], row["border"]) for row in wrong] == [("b", "a", False), ("a", None, True)]


def test_of_two_true_boxes_that_are_overlapped_alike_the_last_by_its_id_is_taken(bench: Workbench) -> None:
    true = [("000", each, "box", "a", x, 0, 10, 10, False) for each, x in (("1", 0), ("2", 10))]
    give(bench, true, [("000", "a", 0.5, 5, 0, 10, 10)])
    match_boxes(bench, iou=0.3)
    assert bench.value("select annotation_id from matches where side = 'prediction'") == "2"


def test_images_whose_size_nobody_knows_have_no_edge(bench: Workbench) -> None:
    give(bench, [("000", "1", "box", "a", 50, 50, 5, 5, False)], [])
    bench.run("alter table samples drop column width")
    match_boxes(bench)
    assert bench.value("select border from matches") is None


@pytest.mark.parametrize("iou", [0, -1, 1.5, "half", None, True, float("nan")])
def test_an_overlap_that_is_no_share_is_refused(bench: Workbench, iou: object) -> None:
    give(bench, [], [])
    with pytest.raises(RenexError, match="no share of two boxes"):
        match_boxes(bench, iou=iou)  # type: ignore[arg-type]
