"""Questions about looks at drift: find one, list those of a dataset, and what they have to know."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from renex_jupyter import ids
from renex_jupyter.errors import ambiguous, invalid_argument, not_found, shown
from renex_jupyter.records import predicates
from renex_jupyter.records.drift import DriftReport, report_of
from renex_jupyter.records.models import Decision
from renex_jupyter.records.predicates import Predicate
from renex_jupyter.store.reader import Reader

if TYPE_CHECKING:
    import pandas as pd

LISTING = "%renex drifts"
HINT = "Give what rx.drift() returned, or an id that rx.list_drift_reports() lists."
_JSON = ("params", "results", "performance", "facts")
_NAMED = """
    (select namespace || '/' || name || ':' || version from inside.dataset_versions v
     join inside.datasets using (dataset_id) where v.dataset_version_id = d.{})"""
_MODEL = """
    (select namespace || '/' || name || ':' || version from inside.model_versions v
     join inside.models using (model_id) where v.model_version_id = d.{})"""
_REPORTS = f"""
    select d.*, {_NAMED.format("reference_version_id")} as reference, {_NAMED.format("current_version_id")} as current,
        {_MODEL.format("model_version_id")} as model
    from inside.drift_reports d"""


def find_report(read: Reader, wanted: object) -> dict[str, Any]:
    """Return the row of a report by its id, a unique prefix, or its record.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    word = wanted.drift_report_id if isinstance(wanted, DriftReport) else wanted
    if not isinstance(word, str) or not word.strip():
        raise invalid_argument(f"{shown(wanted)} names no look at drift.", HINT)
    prefix = ids.prefix(word)
    where = "where starts_with(drift_report_id, ?) order by drift_report_id"
    rows = read.rows(f"{_REPORTS} {where}", [prefix]) if prefix else []
    if not rows:
        raise not_found("look at drift", word.strip(), listing=LISTING)
    if len(rows) > 1 and rows[0]["drift_report_id"] != prefix:
        raise ambiguous("id", word, [ids.short(row["drift_report_id"]) for row in rows])
    return rows[0]


def as_report(read: Reader, row: Mapping[str, Any]) -> DriftReport:
    """Return the record of a row of `find_report`."""
    said = {name: json.loads(value) if name in _JSON and value else value for name, value in row.items()}
    return report_of(
        said,
        reference=row["reference"] or "",
        current=row["current"] or "",
        model=row["model"],
        decisions=decisions_of(read, row["drift_report_id"]),
    )


def decisions_of(read: Reader, report_id: str) -> tuple[Decision, ...]:
    """Return what was decided on a report, the oldest first."""
    query = f"""
        select d.*, {_MODEL.format("model_version_id")} as reference, {_MODEL.format("replaced_by")} as successor
        from inside.decisions d where drift_report_id = ? order by created_at, decision_id"""
    rows = read.rows(query, [report_id])
    unset = {"model_id": None, "model_version_id": None}
    return tuple(Decision(**{**unset, **{k: v for k, v in row.items() if v is not None}}) for row in rows)


def report_frame(read: Reader, dataset_id: str | None) -> pd.DataFrame:
    """Return the reports on a dataset, or on all, without what they found of each column; the newest first."""
    return read.frame(
        f"""select drift_report_id, created_at, reference, current, model, period, proposal, rule,
            len(list_filter(levels, lambda x: x = 'alert')) as alerts,
            len(list_filter(levels, lambda x: x = 'attention')) as attentions,
            (select arg_max(decision, created_at) from inside.decisions c where c.drift_report_id = d.drift_report_id)
                as decision
        from (select *, coalesce(results ->> '$[*].level', []) as levels from ({_REPORTS})) d
        where $dataset is null or dataset_id = $dataset
            or current_version_id in (select dataset_version_id from inside.dataset_versions where dataset_id = $dataset)
        order by created_at desc, drift_report_id""",
        {"dataset": dataset_id},
    )


def named_patterns(read: Reader, dataset_ids: Iterable[str]) -> list[tuple[str, Predicate]]:
    """Return name and predicate of the patterns that are kept of some datasets."""
    query = """
        select name, predicate from inside.named_patterns
        where dataset_id in (select unnest(?::varchar[])) and name is not null and predicate is not null
        order by created_at, named_pattern_id"""
    rows = read.rows(query, [list(dataset_ids)])
    return [(row["name"], predicates.from_json(json.loads(row["predicate"]))) for row in rows]
