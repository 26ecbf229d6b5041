"""The search for slices as scikit-learn has its estimators; it does without scikit-learn."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from renex_jupyter.analysis.pattern_columns import make_items
from renex_jupyter.analysis.slices.found import Found
from renex_jupyter.analysis.slices.search import check_options, default_support, find_slices
from renex_jupyter.errors import RenexError, invalid_argument, shown
from renex_jupyter.records.predicates import Predicate
from renex_jupyter.store.conditions import condition
from renex_jupyter.store.workbench import MEMORY, Workbench, quoted

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

ERROR = "error"  # the column of the errors beside those of X
FIRST_ROWS = 3  # that a message names
X_HINT = "Give a DataFrame (pandas, polars), an Arrow table, or an array of rows and columns."


class SliceFinder:
    """Finds the slices of X on which a model errs most, exactly.

    Parameters
    ----------
    k : how many slices are wanted.
    alpha : weight of the error against that of the size of a slice, 0 < alpha <= 1.
    min_support : the fewest rows of a slice; None: 1 % of all, at least 32.
    max_level : the most conditions of a slice.
    bins : of a column of numbers, with as many rows in each.
    time_budget : seconds after which the search ends with what it has; None: it goes on to its end.
    memory : what it may use before it spills to disk, such as "4GB".

    Attributes
    ----------
    top_slices_ : DataFrame (<= k rows), best first: predicate, score, sum_error, max_error, size, error_rate, divergence, t.
    predicates_ : the same slices as predicates, which `rx.dataset_samples(..., where=...)` and workspaces take.
    found_ : all that the search told: contributions of the conditions, `complete`, `reason` why nothing was found, ...
    left_out_ : columns that were not searched, each with why.
    feature_names_in_, n_features_in_ : the columns of X.

    Examples
    --------
    >>> finder = SliceFinder(k=5).fit(X, y != model.predict(X))
    >>> finder.top_slices_
    """

    def __init__(
        self,
        k: int = 10,
        alpha: float = 0.95,
        min_support: int | None = None,
        max_level: int = 3,
        bins: int = 10,
        time_budget: float | None = None,
        memory: str = MEMORY,
    ) -> None:
        self.k = k
        self.alpha = alpha
        self.min_support = min_support
        self.max_level = max_level
        self.bins = bins
        self.time_budget = time_budget
        self.memory = memory

    def fit(self, X: Any, errors: Any, feature_names: Sequence[str] | None = None) -> Self:  # noqa: N803  as scikit-learn
        """Search the slices of X.

        Parameters
        ----------
        X : table or array (n, columns). Numbers are binned, texts searched by their frequent words; NULL is a value.
        errors : (n,) numbers from 0 on, more is worse: 0 and 1, log losses, absolute or squared residuals.
        feature_names : names of the columns of an array; None: x0, x1, ...

        Raises
        ------
        RenexError : `invalid_argument` where lengths differ, a column has no value at all, or an error is NaN, infinite
            or below 0: it names column and rows.
        """
        check_options(self.k, self.alpha, self.min_support, self.max_level, self.time_budget)
        _check_bins(self.bins)
        table, names = _table(X, feature_names)
        with Workbench(memory=self.memory) as bench:
            n = _taken(bench, table, names)
            bench.take("given_errors", {ERROR: _errors(errors, n)})
            bench.run("create temp table source as from given positional join given_errors")
            _check_columns(bench, names, n)
            support = default_support(n) if self.min_support is None else self.min_support
            items = make_items(bench, "source", names, bins=self.bins, min_support=support)
            self.found_: Found = find_slices(
                bench,
                items.table,
                list(items.columns),
                ERROR,
                k=self.k,
                alpha=self.alpha,
                min_support=self.min_support,
                max_level=self.max_level,
                time_budget=self.time_budget,
                absent=items.absent,
            )
        self.predicates_: list[Predicate] = [items.predicate(each.items) for each in self.found_.slices]
        self.left_out_ = items.left_out
        self.feature_names_in_ = names
        self.n_features_in_ = len(names)
        return self

    @property
    def top_slices_(self) -> pd.DataFrame:
        """The slices with their numbers, best first."""
        import pandas as pd

        self._check_fitted()
        fields = ("score", "sum_error", "max_error", "size", "error_rate", "divergence", "t")
        rows = [
            {"predicate": str(predicate), **{field: getattr(each, field) for field in fields}}
            for predicate, each in zip(self.predicates_, self.found_.slices, strict=True)
        ]
        return pd.DataFrame(rows, columns=["predicate", *fields])

    def transform(self, X: Any) -> NDArray[np.bool_]:  # noqa: N803
        """Return which rows of X, or of other rows with its columns, lie in which slice.

        Returns
        -------
        Array (rows, slices) of bool.

        Raises
        ------
        RenexError : `invalid_argument` before `fit`, and for X without one of the columns.
        """
        import numpy as np

        self._check_fitted()
        is_array = not hasattr(X, "columns")
        table, names = _table(X, self.feature_names_in_ if is_array else None)
        missing = [each for each in self.feature_names_in_ if each not in names]
        if missing:
            raise invalid_argument(f"X has no column {missing[0]!r}, which `fit` had.", X_HINT)
        with Workbench(memory=self.memory) as bench:
            n = _taken(bench, table, names)
            found = np.zeros((n, len(self.predicates_)), dtype=bool)
            for at, predicate in enumerate(self.predicates_):
                text, values = condition(predicate)
                found[:, at] = np.asarray(bench.arrays(f"select {text} as v from given", values)["v"])
        return found

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002  scikit-learn gives it
        """Return the parameters by name."""
        return {name: getattr(self, name) for name in _PARAMETERS}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name.

        Raises
        ------
        RenexError : `invalid_argument` for an unknown one.
        """
        for name, value in params.items():
            if name not in _PARAMETERS:
                raise invalid_argument(f"SliceFinder has no parameter '{name}'.", f"It has: {', '.join(_PARAMETERS)}.")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        return f"SliceFinder({', '.join(f'{name}={value!r}' for name, value in self.get_params().items())})"

    def _check_fitted(self) -> None:
        if not hasattr(self, "found_"):
            raise invalid_argument("this SliceFinder has searched nothing yet.", "Call fit(X, errors) first.")


_PARAMETERS = tuple(inspect.signature(SliceFinder).parameters)


def _check_bins(bins: object) -> None:
    if not isinstance(bins, int) or bins < 2:
        raise invalid_argument(f"bins={shown(bins)} is no whole number from 2 on.", "10 is usual.")


def _table(X: Any, names: Sequence[str] | None) -> tuple[Any, list[str]]:  # noqa: N803
    """Return what DuckDB can read, and the names of its columns."""
    import numpy as np
    import pandas as pd

    if isinstance(X, Mapping):
        X = pd.DataFrame(dict(X))  # noqa: N806
    if not hasattr(X, "columns"):
        try:
            array = np.asarray(X)
        except ValueError as error:
            raise invalid_argument(f"X is no table: {error}", X_HINT) from error
        if array.ndim != 2:
            raise invalid_argument(f"X has {array.ndim} dimensions, not rows and columns.", X_HINT)
        named = [f"x{at}" for at in range(array.shape[1])] if names is None else list(names)
        if len(named) != array.shape[1]:
            raise invalid_argument(
                f"{len(named)} names for {array.shape[1]} columns.", "Give one name for each column."
            )
        X = pd.DataFrame(array, columns=named)  # noqa: N806
    elif names is not None:
        raise invalid_argument("X has names of its own.", "Leave feature_names out, or give an array.")
    if isinstance(X, pd.DataFrame):
        X = X.set_axis([str(each) for each in X.columns], axis=1).reset_index(drop=True)  # noqa: N806
    found = [str(each) for each in (X.column_names if hasattr(X, "column_names") else X.columns)]
    lower = [each.lower() for each in found]  # DuckDB's names differ by more than case
    twice = [each for each in found if lower.count(each.lower()) > 1]
    if twice:
        raise invalid_argument(f"X has the column {twice[0]!r} more than once.", "Give each column a name of its own.")
    if ERROR in lower:
        raise invalid_argument(f"X has a column {found[lower.index(ERROR)]!r}.", "Leave it out, or name it otherwise.")
    if not found:
        raise invalid_argument("X has no column.", X_HINT)
    return X, found


def _taken(bench: Workbench, table: Any, names: Sequence[str]) -> int:
    """Name the rows `given`, and return how many they are."""
    try:
        bench.take("given", table)
        return int(bench.value(f"select count(*) from (select {', '.join(map(quoted, names))} from given)"))
    except RenexError as error:
        raise invalid_argument(f"X cannot be read: {error.message}", X_HINT) from error


def _errors(errors: Any, n: int) -> NDArray[np.float64]:
    """Return the errors as numbers, which they must be from 0 on."""
    import numpy as np

    given = errors.to_numpy() if hasattr(errors, "to_numpy") else errors
    try:
        found = np.asarray(given, dtype=float)
    except (TypeError, ValueError) as error:
        raise invalid_argument(
            f"the errors are no numbers: {error}", "Give one number from 0 on for each row."
        ) from error
    if found.ndim != 1:
        raise invalid_argument(f"the errors have the shape {shown(found.shape)}.", "Give one number for each row of X.")
    if len(found) != n:
        which = (
            f"row {len(found):,} of X is the first without an error"
            if len(found) < n
            else f"error {n:,} is the first without a row"
        )
        raise invalid_argument(
            f"X has {n:,} rows, and there are {len(found):,} errors: {which}.", "Give one for each row."
        )
    wrong = np.flatnonzero(~(np.isfinite(found) & (found >= 0)))
    if len(wrong):
        named = ", ".join(f"row {at} has {found[at]:g}" for at in wrong[:FIRST_ROWS])
        more = f" and {len(wrong) - FIRST_ROWS:,} more" if len(wrong) > FIRST_ROWS else ""
        raise invalid_argument(
            f"errors must be numbers from 0 on: {named}{more}.",
            "Leave such rows out, or give absolute or squared errors.",
        )
    return found


def _check_columns(bench: Workbench, names: Sequence[str], n: int) -> None:
    counts = bench.values(f"select {', '.join(f'count({quoted(each)})' for each in names)} from source")[0]
    empty = [name for name, count in zip(names, counts, strict=True) if not count]
    if n and empty:
        raise invalid_argument(
            f"column {empty[0]!r} has no value in any of its rows, 0 to {n - 1:,}.", "Leave such a column out of X."
        )
