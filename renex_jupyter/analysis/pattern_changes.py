"""Whether a model is worse on some samples than another one, and that this is not noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from renex_jupyter.analysis.exact_tests import (
    Sums,
    binomial_tail,
    holm,
    hypergeometric_tail,
    paired_tail,
    welch_tail,
)
from renex_jupyter.records.failure_patterns import BETTER, SAME, WORSE

LEVEL = 0.05  # of the p-value, adjusted over all patterns that are looked at together
MCNEMAR, PAIRED, FISHER, WELCH = "McNemar's exact test", "paired t test", "Fisher's exact test", "Welch's t test"


@dataclass(frozen=True, slots=True)
class Compared:
    """The errors of two models on the samples of a pattern."""

    now: Sums
    before: Sums
    difference: Sums | None = None  # of now - before, sample by sample; None: they are of different samples
    up: int = 0  # samples that were right and are wrong now
    down: int = 0  # samples that were wrong and are right now
    binary: bool = True

    @property
    def test(self) -> str:
        """The name of the test that fits."""
        if self.difference is not None:
            return MCNEMAR if self.binary else PAIRED
        return FISHER if self.binary else WELCH

    @property
    def is_worse(self) -> bool:
        """Whether there are more errors now, by chance or not."""
        return self.now.mean > self.before.mean

    @property
    def p_value(self) -> float:
        """The probability of such a difference, in its own direction, if there is none; 1 where there are no samples."""
        if not self.now.n or not self.before.n or self.now.mean == self.before.mean:
            return 1.0
        worse = self.is_worse
        if self.difference is not None:
            if self.binary:
                return binomial_tail(self.up if worse else self.down, self.up + self.down)
            of = self.difference
            return paired_tail(of if worse else Sums(of.n, -of.errors, of.squares))
        high, low = (self.now, self.before) if worse else (self.before, self.now)
        if self.binary:
            marked = round(high.errors) + round(low.errors)
            return hypergeometric_tail(round(high.errors), high.n, marked, high.n + low.n)
        if math.isnan(high.squares) or math.isnan(low.squares):
            return 1.0  # nothing is known of the spread
        return welch_tail(high, low)


def judged(compared: Sequence[Compared]) -> list[tuple[str, float]]:
    """Return of each pattern "worse", "better" or "same", and p, adjusted by Holm over all of them."""
    adjusted = holm([each.p_value for each in compared])
    return [
        ((WORSE if each.is_worse else BETTER) if p <= LEVEL else SAME, p)
        for each, p in zip(compared, adjusted, strict=True)
    ]
