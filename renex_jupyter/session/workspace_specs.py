"""What a user says of a workspace, checked against the dataset that it is on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from renex_jupyter.capture.secrets import redact_text
from renex_jupyter.errors import invalid_argument, shown, text_argument
from renex_jupyter.query import datasets
from renex_jupyter.query.predicate_columns import known_column
from renex_jupyter.records import predicates
from renex_jupyter.records.charts import NEED_PREDICTIONS, Chart, chart_from_json
from renex_jupyter.records.datasets import DatasetVersion, PredictionSet
from renex_jupyter.records.values import checked_text
from renex_jupyter.records.workspace_specs import (
    MOST_CHARTS,
    MOST_COMPARED,
    MOST_IDS,
    Compared,
    Selection,
    Sort,
    WorkspaceSpec,
)
from renex_jupyter.session.current import Session
from renex_jupyter.session.filters import as_predicate, types_of
from renex_jupyter.store.reader import Reader

Sets = list[tuple[str, PredictionSet]]
_ORDERS = {"asc": False, "desc": True, False: False, True: True}


def made_spec(
    session: Session, record: DatasetVersion, version: int | str, given: Mapping[str, Any]
) -> tuple[WorkspaceSpec, Sets]:
    """Return a specification of what is given, and the predictions that it compares.

    Parameters
    ----------
    record : the dataset version that it is checked against.
    version : what is kept of it: its number, or "latest".
    given : filter, selection, charts, compare, columns, sort, notes.

    Raises
    ------
    RenexError : as `save_workspace`.
    """
    types = types_of(record)
    charts = tuple(_chart(each, types) for each in _several(given["charts"], "charts", MOST_CHARTS))
    compare, sets = _compared(session, record, given["compare"], charts)
    columns = given["columns"]
    spec = WorkspaceSpec(
        version,
        as_predicate(given["filter"], types),
        _selection(given["selection"], types),
        charts,
        compare,
        None if columns is None else tuple(known_column(each, types) for each in _several(columns, "columns", 1000)),
        tuple(_sort(each, types) for each in _several(given["sort"], "sort", 1000)),
        _notes(given["notes"]),
    )
    return spec, sets


def compared_on(read: Reader, record: DatasetVersion, compare: Sequence[Compared]) -> tuple[Sets, tuple[str, ...]]:
    """Return the predictions on a dataset version that are meant, and the titles of those that there are none of.

    They are the same set, or one of the same content, or the newest one of the same model version.
    """
    found, missing = Sets(), list[str]()
    there = datasets.list_prediction_sets(read, dataset_version_ids=[record.dataset_version_id]) if compare else []
    for each in compare:
        same = [one for one in there if one.prediction_set_id == each.prediction_set_id]
        same += [one for one in there if each.digest is not None and one.digest == each.digest]
        same += [one for one in there if each.model is not None and one.model == each.model]
        if same:
            found.append((each.title, same[0]))
        else:
            missing.append(each.title)
    return _told_apart(found), tuple(missing)


def _compared(
    session: Session, record: DatasetVersion, given: Any, charts: Sequence[Chart]
) -> tuple[tuple[Compared, ...], Sets]:
    read = session.store.reader
    if given is None:
        if not any(each.type in NEED_PREDICTIONS for each in charts):
            return (), []
        given = [None]  # the newest
    if isinstance(given, (str, PredictionSet)):
        given = [given]
    told, sets = list[Compared](), Sets()
    for each in _several(given, "compare", MOST_COMPARED):
        if isinstance(each, Compared):
            found, _ = compared_on(read, record, [each])
            told.append(each)
            sets += found
            continue
        row = datasets.find_prediction_set(
            read, each, dataset_version_id=record.dataset_version_id, namespace=session.namespace
        )
        one = datasets.as_prediction_set(read, row)
        said = Compared(one.prediction_set_id, one.digest, one.model, one.name)
        if said not in told:
            told.append(said)
            sets.append((said.title, one))
    return tuple(told), _told_apart(sets)


def _told_apart(sets: Sets) -> Sets:
    """Return predictions with titles that differ."""
    titles = [title for title, _ in sets]
    return [
        (f"{title} ({one.prediction_set_id[:6]})" if titles.count(title) > 1 else title, one) for title, one in sets
    ]


def _chart(said: Any, types: Mapping[str, str]) -> Chart:
    if isinstance(said, Mapping) and isinstance(said.get("filter"), str):
        said = {**said, "filter": as_predicate(said["filter"])}
    chart = chart_from_json(said)
    narrowed = None if chart.filter is None else as_predicate(chart.filter, types)
    title = None if chart.title is None else redact_text(chart.title)
    columns = tuple(known_column(each, types) for each in chart.columns)
    return Chart(chart.type, columns, chart.bins, narrowed, chart.label, title)


def _selection(given: Any, types: Mapping[str, str]) -> Selection | None:
    if given is None:
        return None
    if isinstance(given, Selection):
        return given if given.ids is not None else Selection(rule=as_predicate(given.rule, types))
    if isinstance(given, (str, Mapping)) or hasattr(given, "predicate"):
        return Selection(rule=as_predicate(given, types))
    if isinstance(given, (predicates.Condition, predicates.Every, predicates.Some, predicates.Not)):
        return Selection(rule=as_predicate(given, types))
    keys = _several(given, "selection", MOST_IDS)
    if keys and all(isinstance(each, Mapping) for each in keys):
        return Selection(rule=as_predicate(keys, types))
    return Selection(ids=tuple(dict.fromkeys(map(_key, keys))))


def _key(given: Any) -> str:
    item = getattr(given, "item", None)
    value = item() if callable(item) else given  # of numpy
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise invalid_argument(f"{shown(given)} is no key of a sample.", "Give the keys as texts or whole numbers.")
    return str(value)


def _sort(given: Any, types: Mapping[str, str]) -> Sort:
    if isinstance(given, Sort):
        given = (given.column, given.descending)
    column, order = (given, "asc") if isinstance(given, str) else given if _is_pair(given) else (None, None)
    if isinstance(order, str):
        order = order.lower()
    if not isinstance(column, str) or order not in _ORDERS:
        raise invalid_argument(f"{shown(given)} is no column to sort by.", "Write 'age', or ('age', 'desc').")
    return Sort(known_column(column, types), _ORDERS[order])


def _is_pair(given: Any) -> bool:
    return isinstance(given, (tuple, list)) and len(given) == 2 and isinstance(given[1], (str, bool))


def _several(given: Any, what: str, most: int) -> list[Any]:
    if given is None:
        return []
    if isinstance(given, (str, Mapping)) or not isinstance(given, Iterable):
        given = [given]
    found = list(given)
    if len(found) > most:
        raise invalid_argument(f"{len(found):,} {what} are more than {most:,}.", "Leave some out.")
    return found


def _notes(given: Any) -> str | None:
    if given is None:
        return None
    text_argument(given, "the notes of a workspace", "Give a text; an empty one takes them away.")
    return redact_text(checked_text("the notes of a workspace", given)) or None
