"""Samples with what they are wrong by, as one table: what failure patterns are searched and measured in."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from renex_jupyter.analysis.embedding_clusters import Centres, cluster_column, nearest
from renex_jupyter.analysis.sample_errors import BINARY, ErrorColumn, make_errors
from renex_jupyter.query import contents
from renex_jupyter.query.predicate_columns import known_column
from renex_jupyter.records.datasets import KEY, DatasetVersion, PredictionSet
from renex_jupyter.session.current import Session
from renex_jupyter.store.workbench import Workbench, quoted

ROWS = "rows"
OF_ERRORS = (KEY, "annotation_id", "error", "score", "iou_bin", "x", "y", "w", "h", "wrong", "predicted", "actual")


@dataclass(frozen=True, slots=True)
class Rows:
    """A table `rows` of a workbench: `_key`, `error` >= 0, and columns that describe a sample, or a box."""

    error: ErrorColumn
    n: int
    columns: tuple[str, ...]  # that were asked for, in their own case
    attributes: tuple[str, ...]  # all that a box has of its own, beside the sample's
    hidden: tuple[str, ...]  # of the samples, since the errors have a column of that name

    @property
    def pairs_by(self) -> tuple[str, ...]:
        """The columns that say which row is which, whatever was predicted; none where a row is of a prediction."""
        return {"sample": (KEY,), "truth": (KEY, "annotation_id")}.get(self.error.per, ())

    @property
    def binary(self) -> bool:
        """Whether errors are 0 and 1."""
        return self.error.kind == BINARY


def open_sources(bench: Workbench, session: Session, version: DatasetVersion, predictions: PredictionSet) -> None:
    """Name samples, annotations and predictions on a workbench. Raises `not_found` where their contents are gone."""
    blobs = session.store.blobs
    contents.open_samples(bench, blobs, version)
    contents.open_annotations(bench, blobs, version)
    contents.open_predictions(bench, blobs, predictions)


def lay_rows(
    bench: Workbench,
    version: DatasetVersion,
    predictions: PredictionSet,
    *,
    error: str = "auto",
    columns: Collection[str] | None = None,
    clusters: Mapping[str, Centres] | None = None,
    name: str = ROWS,
) -> Rows:
    """Make a table of the rows that have an error; see `open_sources`.

    A residual counts where it is above 0: where the prediction is too low.

    Parameters
    ----------
    columns : those wanted of samples, boxes, `predicted` and `actual`; None: all.
    clusters : by column of embeddings the centres of its clusters, of which it gets a column.

    Raises
    ------
    RenexError : `invalid_argument` for an unknown column, or an error that the task has not.
    """
    made = make_errors(bench, version, predictions, error=error)
    samples, errors = bench.columns("samples"), bench.columns(made.table)
    is_box = made.per != "sample"
    of_box = [each for each in errors if each not in OF_ERRORS] if is_box else []
    there = {each.lower() for each in of_box} | {"error"}
    hidden = tuple(each for each in samples if each.lower() in there)
    taken = {each.lower() for each in samples}
    extra = [each for each in ("predicted", "actual", "wrong") if each in errors and each not in taken]
    sources = {each: f"s.{quoted(each)}" for each in samples if each not in hidden and each != KEY}
    sources |= {each: f"e.{quoted(each)}" for each in (*of_box, *extra)}
    values: list[object] = []
    made_of = {cluster_column(each): (each, centres) for each, centres in (clusters or {}).items() if each in sources}
    if columns is not None:
        known = {**dict.fromkeys(sources, ""), **dict.fromkeys(made_of, "")}
        wanted = [known_column(each, known) for each in columns]
    else:
        wanted = [*sources, *made_of]
    parts = []
    for each in dict.fromkeys(wanted):
        if each in made_of:
            text, some = nearest(*made_of[each])
            parts.append(f"{text.replace(quoted(made_of[each][0]), sources[made_of[each][0]])} as {quoted(each)}")
            values += some
        else:
            parts.append(f"{sources[each]} as {quoted(each)}")
    if made.per == "truth":
        parts.insert(0, "e.annotation_id")
    value = "greatest(e.error, 0)" if made.signed else "e.error"
    bench.run(
        f"""create or replace table {quoted(name)} as
        select {", ".join([f"e.{KEY}", f"{value}::double as error", *parts])}
        from {quoted(made.table)} e left join samples s on s.{KEY} = e.{KEY}
        where e.error is not null and isfinite(e.error)""",
        values,
    )
    n = bench.value(f"select count(*) from {quoted(name)}")
    return Rows(made, int(n or 0), tuple(dict.fromkeys(wanted)), tuple(of_box), hidden)
