"""Two models on the same samples: which of them errs less, by a paired test.

References
----------
The exact test of two rates: Q. McNemar, Psychometrika 12 (1947).
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

from renex_jupyter.records.predicates import EVERYTHING, Predicate
from renex_jupyter.store.conditions import condition
from renex_jupyter.store.workbench import Workbench, quoted

MOST_EXACT = 5_000  # samples that one of them gets wrong; of more the normal limit is as good


def pair_errors(
    bench: Workbench,
    first: str,
    second: str,
    keys: str,
    samples: str,
    predicate: Predicate = EVERYTHING,
    *,
    binary: bool,
    per: str = "sample",
) -> dict[str, Any]:
    """Compare two tables of errors on the samples that both have.

    Parameters
    ----------
    per : what a row of both tables is, see `ErrorColumn`: true boxes are paired one by one; of found boxes, which nothing
        pairs, the wrong ones of each image are counted.

    Returns
    -------
    dict : `n`, `than` and `value`, the means of the first and of the second, and `p_value`, two-sided.
    """
    sql, values = condition(predicate, table="s")
    tables = [_per_image(table, keys) if per == "prediction" else quoted(table) for table in (first, second)]
    same = "a._key = b._key" + (" and a.annotation_id = b.annotation_id" if per == "truth" else "")
    row = bench.rows(
        f"""select count(*) as n, avg(a.error) as than, avg(b.error) as value,
            count(*) filter (a.error > b.error) as better, count(*) filter (a.error < b.error) as worse,
            avg(b.error - a.error) as mean, stddev_samp(b.error - a.error) as deviation
        from {tables[0]} a join {tables[1]} b on {same} join {quoted(keys)} k on k._key = a._key
        join {quoted(samples)} s on s._key = a._key
        where a.error is not null and b.error is not null and {sql}""",
        values,
    )[0]
    if binary and per != "prediction":
        p = mcnemar(row["better"], row["worse"])
    elif row["n"] < 2 or not row["deviation"]:
        p = 1.0
    else:
        p = 2 * NormalDist().cdf(-abs(row["mean"]) / (row["deviation"] / math.sqrt(row["n"])))
    return {"n": row["n"], "than": row["than"], "value": row["value"], "p_value": p}


def _per_image(table: str, keys: str) -> str:
    return f"""(
        select k._key, coalesce(sum(error), 0) as error from {quoted(keys)} k left join {quoted(table)} e using (_key)
        group by k._key)"""


def mcnemar(better: int, worse: int) -> float:
    """Return the two-sided p-value that two models err alike, where each is better on so many samples."""
    n, few = better + worse, min(better, worse)
    if not n:
        return 1.0
    if n > MOST_EXACT:
        return 2 * NormalDist().cdf(-(abs(better - worse) - 1) / math.sqrt(n))
    logs = (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2) for k in range(few + 1))
    return min(1.0, 2 * math.fsum(map(math.exp, logs)))
