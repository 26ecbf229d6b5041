"""A workspace that is open: what it counts, shows, and how that is written as code."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from renex_jupyter.analysis.cohort_charts import chart_table
from renex_jupyter.analysis.cohorts import CONTENT, PREDICTED, Cohort
from renex_jupyter.analysis.figures.charts import chart_figure
from renex_jupyter.errors import RenexError, invalid_argument, shown
from renex_jupyter.query.contents import open_annotations, open_predictions, open_samples
from renex_jupyter.query.predicate_columns import checked, known_column
from renex_jupyter.records import predicates
from renex_jupyter.records.charts import NEED_PREDICTIONS, TABLE, Chart, ChartTable
from renex_jupyter.records.datasets import KEY, DatasetVersion, PredictionSet
from renex_jupyter.records.predicates import EVERYTHING, Condition, Predicate, every
from renex_jupyter.records.workspace_specs import Seen, WorkspaceSpec
from renex_jupyter.records.workspaces import SavedWorkspace, WorkspaceChange
from renex_jupyter.session.filters import as_predicate, types_of
from renex_jupyter.session.workspace_code import code_of
from renex_jupyter.store.store import Store
from renex_jupyter.store.workbench import Workbench

if TYPE_CHECKING:
    import pandas as pd

MOST_AT_ONCE = 40  # columns that are read without being named
AT_ONCE = ("target", "split", "time", "attribute")  # roles of these


class Workspace:
    """A view on a dataset version that answers filters at once.

    Nothing is read before the first question. It holds memory until it is closed, or is no longer used; `with` closes it.
    `filter=` of its methods takes the place of the filter that was saved, and changes nothing of what is saved.
    """

    def __init__(
        self,
        store: Store,
        spec: WorkspaceSpec,
        dataset_version: DatasetVersion,
        sets: Sequence[tuple[str, PredictionSet]],
        *,
        missing: Sequence[str] = (),
        saved: SavedWorkspace | None = None,
    ) -> None:
        self.spec = spec
        self.dataset_version = dataset_version
        self.saved = saved  # None: it was not saved
        self.missing_predictions = tuple(missing)  # of what is compared: there are none on this version
        self._store = store
        self._sets = tuple(sets)
        self._types = types_of(dataset_version)
        self._lock = threading.RLock()
        self._cohort: Cohort | None = None
        self._close: Callable[[], object] = lambda: None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the memory; the next question takes it again."""
        with self._lock:
            self._close()
            self._cohort = None

    @property
    def name(self) -> str | None:
        """Its name; None where it was not saved."""
        return None if self.saved is None else self.saved.name

    @property
    def workspace_id(self) -> str | None:
        """What notes and tags on it belong to; None where it was not saved."""
        return None if self.saved is None else self.saved.workspace_id

    @property
    def version(self) -> int | None:
        """The number of its version; None where it was not saved."""
        return None if self.saved is None else self.saved.version

    @property
    def reference(self) -> str | None:
        """The text that means this version wherever a workspace is asked for."""
        return None if self.saved is None else self.saved.reference

    @property
    def title(self) -> str:
        of = f"view on {self.dataset_version.reference}" if self.saved is None else self.saved.title
        return f"{of} ({self.spec.filter})" if self.spec.filter != EVERYTHING else of

    @property
    def predictions(self) -> tuple[PredictionSet, ...]:
        """The predictions that its charts are of."""
        return tuple(each for _, each in self._sets)

    @property
    def changed(self) -> WorkspaceChange:
        """What is other than it was when it was saved; false where nothing is."""
        seen, version = self.spec.seen, self.dataset_version
        now = self._columns_named()
        if seen is None:
            seen = self.seen()
        types = {name: self._types[name] for name in seen.columns if name in self._types}
        gone = sorted({*seen.columns, *now} - self._types.keys())
        other = [(name, seen.columns[name], kind) for name, kind in types.items() if kind != seen.columns[name]]
        same = seen.digest == version.digest
        return WorkspaceChange(
            seen.version, version.version, seen.digest, version.digest, seen.samples, version.n_samples, seen.count,
            seen.count if same else self._count_or_none(), tuple(gone), tuple(other), self.missing_predictions,
        )  # fmt: skip

    def seen(self) -> Seen:
        """Return what it is on now, for who saves it."""
        version = self.dataset_version
        named = {name: self._types[name] for name in sorted(self._columns_named()) if name in self._types}
        return Seen(version.version, version.digest, version.n_samples, self._count_or_none(), named)

    def count(self, filter: Any = None) -> int:  # noqa: A002  its name in the interface
        """Return how many samples the filter selects.

        Raises
        ------
        RenexError : `invalid_argument` for a filter that asks for columns that there are not.
        """
        with self._lock:
            return self._chosen(filter).count()

    def keys(self, filter: Any = None) -> list[str]:  # noqa: A002
        """Return the keys of the samples of the filter, in the order of the workspace."""
        return [str(each) for each in self.frame(None, filter=filter, columns=())[KEY]]

    def frame(
        self,
        limit: int | None = 1000,
        *,
        filter: Any = None,  # noqa: A002
        columns: Iterable[str] | None = None,
    ) -> pd.DataFrame:
        """Return samples of the filter as a DataFrame, ordered as the workspace says, then as they came.

        Parameters
        ----------
        limit : most rows; None: all.
        columns : None: those of the workspace, or all but lists such as embeddings.
        """
        predicate = self._filter(filter)
        if limit is not None and (type(limit) is not int or limit < 0):
            raise invalid_argument(f"limit {shown(limit)} is no number of rows.", "Give a whole number, or None.")
        if columns is not None:
            names = [known_column(each, self._types) for each in columns]
        elif self.spec.columns is not None:
            names = [known_column(each, self._types) for each in self.spec.columns]
        else:
            names = [name for name, kind in self._types.items() if not kind.endswith("]")]
        order = [(known_column(each.column, self._types), each.descending) for each in self.spec.sort]
        with self._lock:
            asked = {*names, *predicates.columns(predicate), *(name for name, _ in order)}
            return self._ready(asked).frame(predicate, names, order, limit)

    def selected(self, limit: int | None = 1000) -> pd.DataFrame:
        """Return the samples of the filter that are selected, as `frame` does; none without a selection."""
        return self.frame(limit, filter=self._selection())

    def selected_count(self) -> int:
        """Return how many samples of the filter are selected."""
        with self._lock:
            predicate = self._selection()
            return self._ready(predicates.columns(predicate)).count_of(predicate)

    def check_keys(self, keys: Sequence[str]) -> None:
        """Refuse keys that no sample has. Raises `invalid_argument`, which names some."""
        with self._lock:
            bench = self._ready(()).bench
            asked = f"select k from (select unnest(?::varchar[]) as k) where k not in (select {KEY} from {CONTENT})"
            unknown = [row[0] for row in bench.values(asked, [list(keys)])]
        if unknown:
            some = ", ".join(map(repr, unknown[:5])) + (" ..." if len(unknown) > 5 else "")
            fact = f"{self.dataset_version.reference} has no sample {some} ({len(unknown):,} of {len(keys):,} keys)."
            raise invalid_argument(fact, "Keys are what the column '_key' of .frame() says.")

    def tables(self, filter: Any = None) -> list[ChartTable]:  # noqa: A002
        """Return the table of each chart; one that cannot be made says why in `problem`."""
        with self._lock:
            try:
                cohort = self._chosen(filter)
            except RenexError as error:
                if filter is not None or error.code != "invalid_argument":
                    raise
                return [ChartTable(each, problem=f"{error.message} {error.hint}".strip()) for each in self.spec.charts]
            return [self._table(cohort, each) for each in self.spec.charts]

    def figure_dicts(self, filter: Any = None) -> list[dict[str, Any]]:  # noqa: A002
        """Return the figure of each chart as plain values, as Plotly's JSON has them."""
        return [chart_figure(each) for each in self.tables(filter)]

    def figures(self, filter: Any = None) -> list[Any]:  # noqa: A002
        """Return a `plotly.graph_objects.Figure` of each chart."""
        import plotly.graph_objects as go  # type: ignore[import-untyped]

        return [go.Figure(each) for each in self.figure_dicts(filter)]

    def to_code(self) -> str:
        """Return Python that gives the same numbers in a cell, on the dataset version that this is on."""
        return code_of(self.spec, self.dataset_version, self.predictions, self.count())

    def _repr_html_(self) -> str:
        return self.saved._repr_html_() if self.saved is not None else ""

    def __str__(self) -> str:
        return str(self.saved) if self.saved is not None else self.title

    def __repr__(self) -> str:
        return f"<{self.title}>"

    def _filter(self, given: Any) -> Predicate:
        if given is None:
            return checked(self.spec.filter, self._types)
        return as_predicate(given, self._types)

    def _selection(self) -> Predicate:
        selection = self.spec.selection
        if selection is None:
            return predicates.Some()
        rule = Condition(KEY, "in", selection.ids) if selection.ids is not None else selection.rule or EVERYTHING
        return every(self._filter(None), checked(rule, self._types))

    def _chosen(self, given: Any) -> Cohort:
        """Return the cohort, with the charts on the samples of a filter."""
        predicate = self._filter(given)
        cohort = self._ready(predicates.columns(predicate))
        if cohort.filter != predicate:
            cohort.choose(predicate)
        return cohort

    def _ready(self, asked: Iterable[str]) -> Cohort:
        """Return the cohort with at least some columns in it."""
        if self._cohort is not None and set(asked) <= self._cohort.columns.keys():
            return self._cohort
        names = {KEY, *self._at_once(), *self._columns_named(), *asked}
        names |= set() if self._cohort is None else set(self._cohort.columns)
        self.close()
        bench = Workbench()
        try:
            self._cohort = self._made(bench, {name: kind for name, kind in self._types.items() if name in names})
        except BaseException:
            bench.__exit__(None, None, None)
            raise
        finalizer = weakref.finalize(self, bench.__exit__, None, None, None)
        self._close = finalizer
        return self._cohort

    def _made(self, bench: Workbench, columns: Mapping[str, str]) -> Cohort:
        blobs = self._store.blobs
        open_samples(bench, blobs, self.dataset_version, CONTENT)
        open_annotations(bench, blobs, self.dataset_version, f"{CONTENT} annotations")
        drawn = {each.type for each in self.spec.charts}
        sets = self._sets if drawn & {*NEED_PREDICTIONS, "heatmap", "scatter"} else ()
        for at, (_, record) in enumerate(sets):
            open_predictions(bench, blobs, record, PREDICTED.format(at))
        cohort = Cohort(bench, self.dataset_version, sets, self.spec.charts, columns)
        cohort.make()
        return cohort

    def _table(self, cohort: Cohort, chart: Chart) -> ChartTable:
        if chart.filter is not None:
            try:
                checked(chart.filter, self._types)
            except RenexError as error:
                return ChartTable(chart, problem=f"{error.message} {error.hint}".strip())
        return chart_table(cohort, chart)

    def _at_once(self) -> list[str]:
        roles = {each.name: each.role for each in self.dataset_version.fields}
        plain = [n for n, kind in self._types.items() if roles.get(n) in AT_ONCE and not kind.endswith(("]", ")"))]
        return plain if len(plain) <= MOST_AT_ONCE else []

    def _columns_named(self) -> set[str]:
        """Return the columns that the workspace itself names, in the case of the version's own."""
        spec = self.spec
        named = {*predicates.columns(spec.filter), *(each.column for each in spec.sort), *(spec.columns or ())}
        if spec.selection is not None and spec.selection.rule is not None:
            named |= predicates.columns(spec.selection.rule)
        for chart in spec.charts:
            named |= {*chart.columns, *(predicates.columns(chart.filter) if chart.filter is not None else ())}
            if chart.type == TABLE and not chart.columns:
                named |= {KEY}
        return named

    def _count_or_none(self) -> int | None:
        try:
            return self.count()
        except RenexError as error:
            if error.code != "invalid_argument":
                raise
            return None
