"""Whether a classifier can tell the current data from the reference: drift that no single column shows.

References
----------
A. Rabanser et al., "Failing Loudly", NeurIPS 2019, section 3.2 (domain classifiers). Permutation importance: L. Breiman,
Machine Learning 45 (2001). The error of an AUC by chance: Mann and Whitney 1947.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from renex_jupyter.analysis.drift_columns import NUMERIC, Compared
from renex_jupyter.errors import RenexError
from renex_jupyter.store.workbench import Workbench, quoted

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MOST_ROWS = 20_000  # of both sides together
MOST_CATEGORIES = 100  # of a column; rarer ones are one
FOLDS = 3
LEAST = 30  # rows of a side
COMPONENTS = 32  # of an embedding
MOST_IMPORTANCE = 2_000  # rows that importances are measured on
Z = 1.6448536269514722  # 95 %, one side


def check_installed() -> None:
    """Raise `environment_unavailable` where scikit-learn is not installed."""
    if find_spec("sklearn") is None:
        raise RenexError(
            "environment_unavailable",
            "a classifier that tells drift needs scikit-learn, which is not installed.",
            "Install it: pip install 'renex_jupyter[analysis]'. Without it, leave out adversarial=True.",
        )


def tell_apart(
    bench: Workbench,
    columns: Sequence[Compared],
    *,
    reference: str = "reference",
    current: str = "current",
    seed: int = 0,
) -> dict[str, Any]:
    """Train a classifier to tell two tables apart.

    Returns
    -------
    dict : `auc` of rows that it was not trained on, `floor` up to which that is chance, `importances` {column: fall of the
        AUC where its values are shuffled}, the largest first, `rows`; or `note` where there is too little.

    Raises
    ------
    RenexError : `environment_unavailable`.
    """
    check_installed()
    sides = [_sample(bench, columns, table, seed, place) for place, table in enumerate((reference, current))]
    if not columns or min(len(side) for side in sides) < LEAST:
        return {"note": f"fewer than {LEAST} rows on a side, or no column"}
    import numpy as np
    import pandas as pd

    frame = pd.concat(sides, ignore_index=True)
    truth = np.repeat([0, 1], [len(side) for side in sides])
    categorical = [each.kind != NUMERIC for each in columns]
    features = np.column_stack([_codes(frame.iloc[:, at], worded) for at, worded in enumerate(categorical)])
    scores, importances = _crossed(features, truth, categorical, seed, [each.name for each in columns])
    return {**_auc(truth, scores), "importances": importances, "rows": len(truth)}


def tell_embeddings_apart(
    bench: Workbench,
    column: str,
    *,
    reference: str = "reference",
    current: str = "current",
    classify: bool = False,
    seed: int = 0,
) -> dict[str, Any]:
    """Compare vectors: the cosine between their centroids, and with `classify` how well their first 32 components tell.

    Returns
    -------
    dict : `cosine`, and with `classify` `auc`, `floor`; `note` where there is too little, or lengths differ.
    """
    import numpy as np

    if classify:
        check_installed()
    sides = [_vectors(bench, column, table, seed) for table in (reference, current)]
    lengths = {len(each) for side in sides for each in side}
    if len(lengths) != 1 or not all(sides):
        return {"note": f"vectors of {len(lengths)} lengths" if lengths else "no vectors"}
    first, second = (np.asarray(side, dtype=float) for side in sides)
    first, second = (side[np.isfinite(side).all(axis=1)] for side in (first, second))
    if not len(first) or not len(second):
        return {"note": "no vectors of finite numbers"}
    a, b = first.mean(axis=0), second.mean(axis=0)
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    found: dict[str, Any] = {"cosine": float(a @ b) / size if size else None, "rows": len(first) + len(second)}
    if classify and min(len(first), len(second)) >= LEAST:
        from sklearn.decomposition import PCA

        both = np.vstack([first, second])
        parts = min(COMPONENTS, *both.shape)
        reduced = PCA(parts, random_state=seed).fit_transform(both)
        truth = np.repeat([0, 1], [len(first), len(second)])
        scores, _ = _crossed(reduced, truth, [False] * parts, seed, [])
        found |= _auc(truth, scores)
    return found


def _sample(bench: Workbench, columns: Sequence[Compared], table: str, seed: int, side: int) -> pd.DataFrame:
    said = ", ".join(
        f"{each.current if side else each.reference} as {quoted(f'c{at}')}" for at, each in enumerate(columns)
    )
    # A sample by reservoir takes no more memory than its rows, and with its seed is the same each time.
    bench.run("set threads = 1")
    try:
        return bench.frame(
            f"select {said or '1'} from (from {quoted(table)} using sample reservoir({MOST_ROWS // 2} rows) repeatable ({seed}))"
        )
    finally:
        bench.run("reset threads")


def _vectors(bench: Workbench, column: str, table: str, seed: int) -> list[list[float]]:
    name = quoted(column)
    rows = bench.values(
        f"select {name}::double[] from (select {name} from {quoted(table)} where {name} is not null"
        f" using sample reservoir({MOST_ROWS // 2} rows) repeatable ({seed}))"
    )
    return [row[0] for row in rows if None not in row[0]]


def _codes(values: pd.Series[Any], worded: bool) -> np.ndarray[Any, Any]:
    """Return a column as numbers: NaN where there is none; categories by how frequent they are."""
    import numpy as np
    import pandas as pd

    if not worded:
        found = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float)
        return np.where(np.isfinite(found), found, np.nan)
    places = {word: float(place) for place, word in enumerate(values.value_counts().index[:MOST_CATEGORIES])}
    known = values.map(places)
    return known.where(values.isna() | known.notna(), float(MOST_CATEGORIES)).to_numpy(dtype=float)


def _crossed(
    features: np.ndarray[Any, Any],
    truth: np.ndarray[Any, Any],
    categorical: Sequence[bool],
    seed: int,
    names: Sequence[str],
) -> tuple[np.ndarray[Any, Any], dict[str, float]]:
    """Return the score of every row from a model that was not trained on it, and the importances of named columns."""
    import numpy as np
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.inspection import permutation_importance
    from sklearn.model_selection import StratifiedKFold

    scores, falls = np.zeros(len(truth)), []
    for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(features, truth):
        model = HistGradientBoostingClassifier(
            max_iter=40, categorical_features=list(categorical), random_state=seed, early_stopping=False
        )
        model.fit(features[train], truth[train])
        scores[test] = model.predict_proba(features[test])[:, 1]
        if names:
            some = np.random.default_rng(seed).permutation(test)[:MOST_IMPORTANCE]
            found = permutation_importance(
                model, features[some], truth[some], scoring="roc_auc", n_repeats=2, random_state=seed
            )
            falls.append(found.importances_mean)
    means = np.mean(falls, axis=0) if falls else []
    told = sorted(((name, float(fall)) for name, fall in zip(names, means, strict=True)), key=lambda each: -each[1])
    return scores, dict(told)


def _auc(truth: np.ndarray[Any, Any], scores: np.ndarray[Any, Any]) -> dict[str, float]:
    from sklearn.metrics import roc_auc_score

    n, m = int((truth == 0).sum()), int((truth == 1).sum())
    return {"auc": float(roc_auc_score(truth, scores)), "floor": 0.5 + Z * math.sqrt((n + m + 1) / (12 * n * m))}
