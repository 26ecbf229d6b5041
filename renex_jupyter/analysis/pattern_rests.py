"""What is left of a failure pattern without the samples of those above it: whether it only repeats one of them.

A pattern repeats others if most of what it errs too much lies in their samples, and the rest of it does not err more than
all samples. One whose samples all lie in another one repeats it unless it errs more than that one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from renex_jupyter.analysis.exact_tests import Sums
from renex_jupyter.analysis.proof import LEVEL, Proof, tail
from renex_jupyter.records.failure_patterns import CONFIRMED
from renex_jupyter.records.predicates import Predicate
from renex_jupyter.store.conditions import condition
from renex_jupyter.store.workbench import Workbench, quoted

MOST = 62  # patterns that are compared: a bit each
SHARE = 0.5  # of the errors above what is usual: a pattern whose rest keeps more of them stands by itself


@dataclass(frozen=True, slots=True)
class Rest:
    """What is left of a pattern without the rows of those above that are confirmed and stand by themselves."""

    rows: Sums
    p_value: (
        float | None
    )  # that the rest errs so much more than all rows by chance; without a rest: than what it lies in
    explained_by: int | None  # place of the pattern that it repeats, from 0


def rests_of(
    bench: Workbench, table: str, predicates: Sequence[Predicate], proofs: Sequence[Proof], *, tests: int, binary: bool
) -> list[Rest | None]:
    """Return what is left of each pattern; None for those after the first `MOST`, which are not compared.

    Parameters
    ----------
    table : the rows that they were tested on.
    tests : by how many each p-value is multiplied before it is compared with the level of 5 % (Bonferroni).
    """
    some = predicates[:MOST]
    if not some:
        return []
    groups = _Groups(bench, table, some)
    found: list[Rest | None] = []
    above: list[int] = []  # places of those that explain others
    for place, proof in enumerate(proofs[: len(some)]):
        rest = _rest(groups, place, above, tests, binary=binary)
        found.append(rest)
        if rest.explained_by is None and proof.status == CONFIRMED:
            above.append(place)
    return found + [None] * (len(predicates) - len(some))


def _rest(groups: _Groups, place: int, above: Sequence[int], tests: int, *, binary: bool) -> Rest:
    base, own = groups.sums(), groups.sums(place)
    left = groups.sums(place, without=above)
    shared = {each: groups.sums(place, each) for each in above}
    main = max(shared, key=lambda each: (shared[each].errors, -each), default=None)
    if main is None or not shared[main].n:
        return Rest(left, tail(left, base, binary=binary), None)
    if not left.n and shared[main].n == own.n:  # a more special one
        p_value = tail(own, groups.sums(main), binary=binary)
        return Rest(left, p_value, None if p_value * tests <= LEVEL else main)
    chance = tail(left, base, binary=binary) if left.n else None
    if chance is not None and chance * tests <= LEVEL:
        return Rest(left, chance, None)
    excess = own.errors - own.n * base.mean
    kept = left.errors - left.n * base.mean
    return Rest(left, chance, main if excess > 0 and kept <= SHARE * excess else None)


class _Groups:
    """Sums of the rows by which patterns they are in: a few, since patterns are made of few conditions."""

    def __init__(self, bench: Workbench, table: str, predicates: Sequence[Predicate]) -> None:
        parts, values = [], []
        for place, each in enumerate(predicates):
            text, some = condition(each)
            parts.append(f"(({text})::bigint << {place})")
            values += some
        found = bench.arrays(
            f"""select members, count(error) as n, sum(error) as errors, sum(error * error) as squares
            from (select {" | ".join(parts)} as members, error from {quoted(table)}) where error is not null
            group by members order by members""",
            values,
        )
        self._members: Any = found["members"]
        self._columns = [found[name] for name in ("n", "errors", "squares")]

    def sums(self, *places: int, without: Sequence[int] = ()) -> Sums:
        """Return the sums of the rows that are in all of some patterns, and in none of others."""
        wanted = sum(1 << each for each in set(places))
        refused = sum(1 << each for each in without)
        kept = ((self._members & wanted) == wanted) & ((self._members & refused) == 0)
        n, errors, squares = (each[kept].sum() for each in self._columns)
        return Sums(int(n), float(errors), float(squares))
