"""A workspace as Python that gives the same numbers in a cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from renex_jupyter.query.predicate_text import LONGEST
from renex_jupyter.records.charts import chart_to_json
from renex_jupyter.records.datasets import DatasetVersion, PredictionSet
from renex_jupyter.records.predicates import EVERYTHING, Predicate, to_json
from renex_jupyter.records.workspace_specs import WorkspaceSpec


def code_of(spec: WorkspaceSpec, version: DatasetVersion, sets: Sequence[PredictionSet], count: int) -> str:
    """Return the code; every text in it is written as Python writes texts."""
    given = [repr(version.reference)]
    if spec.filter != EVERYTHING:
        given.append(f"filter={_filter(spec.filter)!r}")
    if spec.selection is not None:
        ids, rule = spec.selection.ids, spec.selection.rule or EVERYTHING
        given.append(f"selection={list(ids)!r}" if ids is not None else f"selection={_filter(rule)!r}")
    if spec.charts:
        charts = [{**chart_to_json(each), **({} if each.filter is None else {"filter": _filter(each.filter)})}
                  for each in spec.charts]  # fmt: skip
        listed = "".join(f"        {each!r},\n" for each in charts)
        given.append(f"charts=[\n{listed}    ]")
    if sets:
        given.append(f"compare={[each.prediction_set_id for each in sets]!r}")
    if spec.columns is not None:
        given.append(f"columns={list(spec.columns)!r}")
    if spec.sort:
        given.append(f"sort={[(each.column, 'desc' if each.descending else 'asc') for each in spec.sort]!r}")
    lines = "".join(f"    {each},\n" for each in given)
    return (
        f"import renex_jupyter as rx\n\nview = rx.view_dataset(\n{lines})\n"
        f"count = view.count()  # {count:,} of {version.n_samples:,} samples\n"
        "tables = view.tables()\nframe = view.frame()\n"
    )


def _filter(predicate: Predicate) -> Any:
    """Return a predicate as a person writes it; one that is too long for that as plain values."""
    text = str(predicate)
    return text if len(text) <= LONGEST else to_json(predicate)
