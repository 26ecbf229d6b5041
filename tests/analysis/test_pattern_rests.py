"""What is left of failure patterns without those above them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from renex_jupyter.analysis.pattern_rests import MOST, Rest, rests_of
from renex_jupyter.analysis.proof import prove, sums_of
from renex_jupyter.records.predicates import Condition, Every, Predicate
from renex_jupyter.store.workbench import Workbench

OSLO, NIGHT, YOUNG = (Condition(name, "=", True) for name in ("oslo", "night", "young"))
N = 4_000


@pytest.fixture
def bench() -> Iterator[Workbench]:
    with Workbench(threads=1) as bench:
        yield bench


def rows(*causes: tuple[tuple[str, ...], float], seed: int = 0) -> pd.DataFrame:
    """Rows that are wrong in a tenth of the cases, and as often as a cause says where all of its columns are true."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({name: rng.random(N) < 0.4 for name in ("oslo", "night", "young")})
    often = np.full(N, 0.1)
    for names, rate in causes:
        often[frame[list(names)].all(axis=1)] = rate
    return frame.assign(error=(rng.random(N) < often).astype(float))


def compared(bench: Workbench, frame: pd.DataFrame, *predicates: Predicate, binary: bool = True) -> list[Rest]:
    bench.take("rows", frame)
    proofs = prove(*sums_of(bench, "rows", predicates), binary=binary)
    found = rests_of(bench, "rows", predicates, proofs, tests=len(predicates), binary=binary)
    return [each for each in found if each is not None]


def test_what_is_left_is_counted_and_tested_as_by_hand(bench):
    frame = rows((("oslo", "night"), 0.6))
    both, night = compared(bench, frame, Every((OSLO, NIGHT)), NIGHT)
    assert (both.rows.n, both.explained_by) == ((frame.oslo & frame.night).sum(), None)
    rest = frame[frame.night & ~frame.oslo]
    assert (night.rows.n, night.rows.errors) == (len(rest), rest.error.sum())
    p = stats.hypergeom.sf(rest.error.sum() - 1, N, frame.error.sum(), len(rest))
    assert night.p_value == pytest.approx(p, rel=1e-9)
    assert night.explained_by == 0


def test_one_cause_explains_the_more_general_and_the_more_special_ones(bench):
    some = (Every((OSLO, NIGHT)), Every((OSLO, NIGHT, YOUNG)), NIGHT, OSLO, Every((YOUNG, OSLO)))
    found = compared(bench, rows((("oslo", "night"), 0.6)), *some)
    assert [each.explained_by for each in found] == [None, 0, 0, 0, 0]


def test_two_causes_stand_by_themselves_even_if_they_share_rows(bench):
    frame = rows((("young",), 0.4), (("oslo", "night"), 0.6))
    found = compared(bench, frame, Every((OSLO, NIGHT)), YOUNG, NIGHT, Every((YOUNG, NIGHT)))
    assert [each.explained_by for each in found] == [None, None, 0, 1]


def test_a_more_special_one_that_errs_more_than_its_parent_stands_by_itself(bench):
    frame = rows((("night",), 0.3), (("night", "oslo"), 0.6))
    _, special = compared(bench, frame, NIGHT, Every((NIGHT, OSLO)))
    assert (special.rows.n, special.explained_by) == (0, None)
    night, inside = frame[frame.night], frame[frame.night & frame.oslo]
    p = stats.hypergeom.sf(inside.error.sum() - 1, len(night), night.error.sum(), len(inside))
    assert special.p_value == pytest.approx(p, rel=1e-9)


def test_what_is_not_confirmed_explains_nothing_and_what_shares_no_row_is_not_explained(bench):
    chance = rows()
    assert [each.explained_by for each in compared(bench, chance, NIGHT, OSLO)] == [None, None]
    apart = rows((("oslo",), 0.5)).assign(night=lambda frame: ~frame.oslo)
    assert [each.explained_by for each in compared(bench, apart, OSLO, NIGHT)] == [None, None]


def test_other_errors_are_compared_by_their_means(bench):
    frame = rows((("oslo", "night"), 0.6))
    frame = frame.assign(error=frame.error * 3 + np.random.default_rng(1).random(N))
    found = compared(bench, frame, Every((OSLO, NIGHT)), NIGHT, Every((OSLO, NIGHT, YOUNG)), binary=False)
    assert [each.explained_by for each in found] == [None, 0, 0]


def test_the_first_patterns_are_compared_and_of_more_nothing_is_said(bench):
    frame = rows((("oslo",), 0.5))
    bench.take("rows", frame)
    many = [OSLO] * (MOST + 3)
    proofs = prove(*sums_of(bench, "rows", many), binary=True)
    found = rests_of(bench, "rows", many, proofs, tests=len(many), binary=True)
    assert [each is None for each in found] == [False] * MOST + [True] * 3
    assert {each.explained_by for each in found[1:MOST]} == {0}
    assert rests_of(bench, "rows", [], [], tests=1, binary=True) == []
