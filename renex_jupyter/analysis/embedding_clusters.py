"""Embeddings as clusters: a column of numbers that failure patterns are made of like of any other.

The centres are found by k-means in the space of the first principal components, and kept as vectors of the embedding's
own space: which cluster a sample is in is told by the nearest one alone, on this version of a dataset and on later ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from renex_jupyter.errors import RenexError, invalid_argument
from renex_jupyter.store.workbench import Workbench, quoted

COMPONENTS, CLUSTERS = 32, 25
MOST = 50_000  # embeddings that the centres are found with
DIGITS = 6  # of a centre, as it is kept
INSTALL = "Install it: pip install renex_jupyter[analysis]. Or leave the embeddings out: columns=[...]."
Centres = Sequence[Sequence[float]]


def cluster_column(embedding: str) -> str:
    """Return the name of the column with the clusters of an embedding."""
    return f"{embedding} cluster"


def find_centres(
    bench: Workbench, source: str, column: str, *, clusters: int = CLUSTERS, seed: int = 0
) -> list[list[float]]:
    """Return the centres of the clusters of a column of embeddings.

    Returns
    -------
    Vectors (k <= clusters, d), ordered by the number of their rows, the largest first; without any embedding none.

    Raises
    ------
    RenexError : `environment_unavailable` without scikit-learn, `invalid_argument` for embeddings of different lengths.
    """
    try:
        from sklearn.cluster import KMeans
        from sklearn.decomposition import PCA
    except ImportError as error:
        raise RenexError(
            "environment_unavailable", f"clusters of '{column}' need scikit-learn, which is not here.", INSTALL
        ) from error
    import numpy as np

    name = quoted(column)
    rows = bench.values(
        f"""select {name}::double[] from {quoted(source)} where {name} is not null and len({name}) > 0
        order by md5('{int(seed)}:' || _key), _key limit {MOST}"""
    )
    lengths = {len(row[0]) for row in rows}
    if len(lengths) > 1:
        said = ", ".join(map(str, sorted(lengths)[:5]))
        raise invalid_argument(f"the embeddings '{column}' are of different lengths: {said}.", "Give all the same one.")
    x = np.array([row[0] for row in rows], dtype=float)
    x = x[np.isfinite(x).all(axis=1)] if len(x) else x
    if len(x) < 2:
        return []
    reduced = PCA(
        min(COMPONENTS, *x.shape), svd_solver="full" if x.shape[1] <= 512 else "randomized", random_state=seed
    )
    flat = reduced.fit_transform(x)
    k = min(clusters, len(np.unique(flat.round(9), axis=0)))
    fitted = KMeans(k, n_init=3, random_state=seed).fit(flat)
    order = np.argsort(-np.bincount(fitted.labels_, minlength=k), kind="stable")
    centres = reduced.inverse_transform(fitted.cluster_centers_[order])
    return [[float(f"{value:.{DIGITS}g}") for value in centre] for centre in centres]


def nearest(column: str, centres: Centres) -> tuple[str, list[Any]]:
    """Return the expression of the nearest centre, its number from 0 as text, and its values; NULL without an embedding."""
    name = quoted(column)
    distances = f"list_transform(?::double[][], c -> list_distance(c, {name}::double[]))"
    fits = f"{name} is not null and len({name}) = {len(centres[0])}"
    return (
        f"(case when {fits} then list_position({distances}, list_min({distances})) - 1 end)::varchar",
        [list(centres), list(centres)],
    )
