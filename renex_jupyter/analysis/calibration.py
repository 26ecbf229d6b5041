"""Whether probabilities mean what they say: reliability by bins, and what it costs.

References
----------
Expected calibration error: C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 2.
Parts of the Brier score: A. H. Murphy, Journal of Applied Meteorology 12 (1973) 595; with the variance and covariance within
bins D. B. Stephenson et al., Weather and Forecasting 23 (2008) 752.
Bins as in `sklearn.calibration.calibration_curve`.
"""

from __future__ import annotations

from renex_jupyter.analysis.bins import bin_of, checked_bins, equal_edges, quantile_edges
from renex_jupyter.analysis.curves import score_of
from renex_jupyter.analysis.sample_errors import confidence
from renex_jupyter.analysis.sample_pairs import Pairs
from renex_jupyter.errors import invalid_argument, shown
from renex_jupyter.records.evaluations import Calibration, CalibrationBin
from renex_jupyter.store.workbench import Workbench, literal, quoted

UNIFORM, QUANTILE = "uniform", "quantile"


def calibrate(
    bench: Workbench, pairs: Pairs, *, bins: int = 10, strategy: str = UNIFORM, positive: object = None
) -> Calibration:
    """Measure probabilities against what is true.

    Parameters
    ----------
    bins : from 1.
    strategy : "uniform": of equal width between 0 and 1; "quantile": with equally many samples.
    positive : the class whose probability is meant; None: the positive one of two, and of more classes how sure the model
        is of what it predicted, against whether that is right.

    Raises
    ------
    RenexError : `invalid_argument`, also for scores that are no probabilities.
    """
    bins = checked_bins(bins)
    if strategy not in (UNIFORM, QUANTILE):
        raise invalid_argument(f"strategy={shown(strategy)} is none.", f"Use '{UNIFORM}' or '{QUANTILE}'.")
    label = pairs.positive(positive) if positive is not None or pairs.binary else None
    said = score_of(pairs, label) if label is not None else confidence(pairs)
    true = f"actual = {literal(label)}" if label is not None else "actual = predicted"
    table = quoted(f"{pairs.name} said")
    bench.run(f"""
        create or replace temp table {table} as select said, truth from (
            select ({said})::double as said, ({true})::int::double as truth from {quoted(pairs.name)} where actual is not null)
        where said is not null and truth is not null and not isnan(said)""")
    low, high = bench.values(f"select min(said), max(said) from {table}")[0]
    if low is None:
        raise invalid_argument("no sample has both a truth and a probability.", "Log predictions with probabilities=.")
    if low < 0 or high > 1:
        raise invalid_argument(
            f"scores from {low:g} to {high:g} are no probabilities.", "Calibration needs values between 0 and 1."
        )
    edges = equal_edges(0, 1, bins) if strategy == UNIFORM else quantile_edges(bench, table, "said", bins)
    found = _measured(bench, table, edges, label, strategy)
    bench.run(f"drop table {table}")
    return found


def _measured(bench: Workbench, table: str, edges: list[float], label: str | None, strategy: str) -> Calibration:
    rows = bench.values(f"""
        select {bin_of("said", edges)} as bin, count(*), favg(said), favg(truth) from {table} group by bin order by bin""")
    bins = tuple(CalibrationBin(edges[at], edges[at + 1], n, said, true) for at, n, said, true in rows)
    n, brier, rate = bench.values(f"select count(*), favg((said - truth) * (said - truth)), favg(truth) from {table}")[
        0
    ]
    gaps = [(each.n / n, abs(each.observed - each.predicted)) for each in bins]
    reliability = sum(share * gap * gap for share, gap in gaps)
    resolution = sum(each.n / n * (each.observed - rate) ** 2 for each in bins)
    return Calibration(
        positive=label,
        n=n,
        strategy=strategy,
        bins=bins,
        ece=sum(share * gap for share, gap in gaps),
        largest_gap=max(gap for _, gap in gaps),
        brier=brier,
        reliability=reliability,
        resolution=resolution,
        uncertainty=rate * (1 - rate),
        within_bins=brier - (reliability - resolution + rate * (1 - rate)),
    )
