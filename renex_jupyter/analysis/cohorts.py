"""The samples of a filter, counted for charts: one typed table per dataset version, from which each filter is answered at once.

What is slow is done when the table is made: texts become ENUMs, numbers the number of their bin, errors and scores whole
numbers. A filter then copies the few small columns that the charts need, and each chart is one GROUP BY over these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from renex_jupyter.analysis.cohort_columns import MOST_VALUES, Dimension, dimension, numeric
from renex_jupyter.analysis.cohort_errors import Predicted, predicted_on
from renex_jupyter.errors import RenexError
from renex_jupyter.records.charts import (
    CALIBRATION,
    CONFUSION,
    COUNT,
    ERROR_RATE,
    HEATMAP,
    HISTOGRAM,
    PR,
    ROC,
    SCATTER,
    Chart,
)
from renex_jupyter.records.datasets import KEY, DatasetVersion, PredictionSet
from renex_jupyter.records.predicates import EVERYTHING, Predicate, every
from renex_jupyter.store.conditions import condition
from renex_jupyter.store.workbench import Workbench, literal, quoted

if TYPE_CHECKING:
    import pandas as pd

CONTENT, PREDICTED = "content", "content predictions {}"  # the views that a cohort is made of
_TABLE, _CHOSEN = "rows", "chosen"
_SCRAMBLE = 2654435761  # of Knuth: multiplied by it modulo 2^32, numbers in order come in none
_NEEDED = {  # columns of predictions, by type of chart
    ERROR_RATE: ("error",),
    HEATMAP: ("error",),
    CONFUSION: ("actual", "predicted"),
    CALIBRATION: ("score", "error"),
    PR: ("actual",),
    ROC: ("actual",),
}


@dataclass
class Cohort:
    """The table of one dataset version, with what some charts need of predictions on it.

    Parameters
    ----------
    bench : with the views `content` (samples), `content annotations`, and `content predictions 0`, `... 1`, of `sets`.
    sets : title and record of predictions.
    columns : of the samples, that filters and charts may ask for: name -> type.
    """

    bench: Workbench
    version: DatasetVersion
    sets: Sequence[tuple[str, PredictionSet]]
    charts: Sequence[Chart]
    columns: Mapping[str, str]
    row: str = "row"  # the column of a sample's number, from 0
    predicted: list[Predicted] = field(default_factory=list)
    dimensions: dict[tuple[str, int], Dimension] = field(default_factory=dict)
    problems: dict[tuple[str, int], str] = field(default_factory=dict)  # of columns that nothing can be counted by
    source: str = _TABLE  # where the rows of the filter in force are
    filter: Predicate = EVERYTHING

    def make(self) -> None:
        """Make the table."""
        while self.row.lower() in {each.lower() for each in self.columns}:
            self.row += "_"
        self._read()
        kinds = self._kinds()
        for chart in self.charts:
            if chart.type in (COUNT, HISTOGRAM, ERROR_RATE, HEATMAP):
                for column in chart.columns:
                    self._count_by(column, chart.bins)
        self._predict()
        joined = "".join(f' left join {quoted(f"errors {e.at}")} x{e.at} on x{e.at}."row {e.at}" = r.{quoted(self.row)}'
                         for e in self.predicted if not e.problem)  # fmt: skip
        more = "".join(f', x{e.at}.* exclude ("row {e.at}")' for e in self.predicted if not e.problem)
        codes = "".join(
            f", {each.expression()} as {quoted(each.code)}" for each in self.dimensions.values() if each.is_binned
        )
        typed = ", ".join(f"{quoted(name)}::{quoted(kind)} as {quoted(name)}" for name, kind in kinds.items())
        replaced = f" replace ({typed})" if kinds else ""
        self.bench.run(f"""
            create or replace table {quoted(_TABLE)} as
            select r.*{more} from (select *{replaced}{codes} from raw) r{joined}""")
        for each in self.predicted:
            if not each.problem:
                self.bench.run(f"drop table {quoted(f'errors {each.at}')}")
        self.bench.run("drop table raw; set preserve_insertion_order = false")  # who needs an order asks for it

    def choose(self, predicate: Predicate) -> None:
        """Have all charts be of the samples that a predicate selects."""
        self.filter = predicate
        if predicate == EVERYTHING:
            self.source = _TABLE
            return
        sql, values = condition(predicate)
        names = ", ".join(map(quoted, self._needed() or [self.row]))
        self.bench.run(f"create or replace temp table {_CHOSEN} as select {names} from {_TABLE} where {sql}", values)
        self.source = _CHOSEN

    def rows_of(self, chart: Chart) -> tuple[str, list[Any]]:
        """Return what a chart is counted over as the end of a query, and its values."""
        if chart.filter is None:
            return f"from {self.source} where true", []
        sql, values = condition(every(self.filter, chart.filter))
        return f"from {_TABLE} where {sql}", values

    def count(self) -> int:
        """Return how many samples the filter selects."""
        return int(self.bench.value(f"select count(*) from {self.source}"))

    def count_of(self, predicate: Predicate) -> int:
        """Return how many samples another predicate selects."""
        sql, values = condition(predicate)
        return int(self.bench.value(f"select count(*) from {_TABLE} where {sql}", values))

    def frame(
        self, predicate: Predicate, columns: Sequence[str], order: Sequence[tuple[str, bool]], limit: int | None
    ) -> pd.DataFrame:
        """Return samples with their key first; those that the order leaves alike stay as they came."""
        query, values = self.listing(predicate, columns, order, limit)
        return self.bench.frame(query, values)

    def listing(
        self, predicate: Predicate, columns: Sequence[str], order: Sequence[tuple[str, bool]], limit: int | None
    ) -> tuple[str, list[Any]]:
        """Return the query of some samples, and its values."""
        sql, values = condition(predicate)
        names = ", ".join(f"{quoted(e)}::varchar as {quoted(e)}" if self.columns[e] == "VARCHAR" else quoted(e)
                          for e in dict.fromkeys([KEY, *columns]))  # fmt: skip
        by = [f"{self._sortable(name)} {'desc' if descending else 'asc'} nulls last" for name, descending in order]
        ordered = ", ".join([*by, quoted(self.row)])
        last = "" if limit is None else f" limit {int(limit)}"
        return f"select {names} from {_TABLE} where {sql} order by {ordered}{last}", values

    def drawn(self, chart: Chart, columns: Sequence[str], most: int) -> list[tuple[Any, ...]]:
        """Return some samples as if at random, and the same ones each time: their keys, then SQL of columns."""
        end, values = self.rows_of(chart)
        row = quoted(self.row)
        scrambled = f"({row}::bigint * {_SCRAMBLE}) % 4294967296"
        picked = f"select {row} {end} order by {scrambled} limit {most}"
        names = ", ".join([quoted(KEY), *columns])
        return self.bench.values(f"select {names} from {_TABLE} where {row} in ({picked}) order by {row}", values)

    def _sortable(self, column: str) -> str:
        return f"{quoted(column)}::varchar" if self.columns[column] == "VARCHAR" else quoted(column)

    def _read(self) -> None:
        names = ", ".join(map(quoted, dict.fromkeys([KEY, *self.columns])))
        self.bench.run(f"""
            create or replace table raw as
            select (row_number() over () - 1)::integer as {quoted(self.row)}, {names} from {quoted(CONTENT)}""")

    def _kinds(self) -> dict[str, str]:
        """Make a type of the values of each column of texts that has few, and return these: column -> type."""
        found: dict[str, str] = {}
        for name, kind in self.columns.items():
            if kind != "VARCHAR" or name == KEY:
                continue
            values = f"select distinct {quoted(name)} as v from raw where {quoted(name)} is not null"
            few = self.bench.values(f"select v from ({values} limit {MOST_VALUES + 1})")
            if 0 < len(few) <= MOST_VALUES:
                found[name] = f"values of {len(found)}"
                listed = ", ".join(literal(row[0]) for row in sorted(few))
                self.bench.run(f"create type {quoted(found[name])} as enum ({listed})")
        return found

    def _count_by(self, column: str, bins: int) -> None:
        key = (column, bins)
        if column not in self.columns or key in self.dimensions or key in self.problems:
            return  # a column that is not there is told by the chart itself
        code = self._free(f"bin {len(self.dimensions)}")
        try:
            self.dimensions[key] = dimension(self.bench, "raw", column, self.columns[column], bins, code)
        except RenexError as error:
            self.problems[key] = error.message

    def _free(self, name: str) -> str:
        taken = {each.lower() for each in self.columns}
        return name if name not in taken else self._free(f"{name}_")

    def _predict(self) -> None:
        """Make what the charts need of predictions; numbers of rows instead of keys make the joins fast."""
        if not self.sets:
            return
        row = quoted(self.row)
        self.bench.run(f"create or replace view samples as select * exclude ({row}) replace ({row} as _key) from raw")
        self.bench.run(f"""
            create or replace view annotations as
            select a.* replace (r.{row} as _key) from "content annotations" a join raw r on r._key = a._key""")
        labels = tuple(dict.fromkeys(each.label or "" for each in self.charts if each.type in (PR, ROC)))
        for at, (title, record) in enumerate(self.sets):
            self._open(at)
            self.predicted.append(predicted_on(self.bench, self.version, record, at, title, labels))
        for name in ("samples", "annotations", *(f"predictions {at}" for at in range(len(self.sets)))):
            self.bench.run(f"drop view {quoted(name)}")

    def _open(self, at: int) -> None:
        content, view, row = quoted(PREDICTED.format(at)), quoted(f"predictions {at}"), quoted(self.row)
        beside = f"(select _key as a from raw) positional join (select _key as b from {content})"
        apart = f"select count(*) from {beside} where a is distinct from b"
        if not self.bench.value(apart):  # as they came from a model: in the order of the samples
            self.bench.run(f"""
                create or replace view {view} as select number as _key, p.* exclude (_key)
                from (select {row} as number from raw) positional join (from {content}) p""")
            return
        self.bench.run(f"""
            create or replace view {view} as select p.* replace (r.{row} as _key)
            from {content} p join raw r on r._key = p._key""")

    def _needed(self) -> list[str]:
        """Return the columns that charts without a filter of their own are counted by."""
        found: list[str] = []
        for chart in self.charts:
            if chart.filter is not None:
                continue
            found += [self.row] if chart.type == SCATTER else []
            by = [self.dimensions.get((each, chart.bins)) for each in chart.columns]
            found += [each.code for each in by if each is not None]
            for each in self.predicted:
                found += [] if each.problem else self._of_predictions(chart, each)
        return list(dict.fromkeys(found))

    def _of_predictions(self, chart: Chart, predicted: Predicted) -> list[str]:
        names = _NEEDED.get(chart.type, ())
        curves = [each[1] for each in predicted.curves] if chart.type in (PR, ROC) else []
        return [*(f"{name} {predicted.at}" for name in names), *curves]


def number_of(cohort: Cohort, column: str) -> str:
    """Return a column of a cohort as a number in SQL. Raises `invalid_argument`."""
    return numeric(column, cohort.columns[column])
