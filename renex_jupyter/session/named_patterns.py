"""Named patterns: kept for a dataset, and measured on the predictions of every new model version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from renex_jupyter.analysis.sample_errors import ERRORS
from renex_jupyter.capture.secrets import redact_text
from renex_jupyter.errors import RenexError, invalid_argument, shown, text_argument, warn
from renex_jupyter.ids import new_id
from renex_jupyter.query import datasets as datasets_query
from renex_jupyter.query import failure_patterns as query
from renex_jupyter.query.predicate_columns import checked
from renex_jupyter.query.predicate_text import parse
from renex_jupyter.records.changes import Change, fields, now
from renex_jupyter.records.datasets import CLASSIFICATION, Dataset, DatasetVersion, PredictionSet
from renex_jupyter.records.failure_patterns import FailurePattern, NamedPattern
from renex_jupyter.records.predicates import Condition, Every, Not, Predicate, Some, columns, from_json, to_json
from renex_jupyter.records.values import checked_text
from renex_jupyter.session.alone import alone
from renex_jupyter.session.belongings import deletions
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.pattern_measures import measure
from renex_jupyter.session.pattern_rows import lay_rows, open_sources
from renex_jupyter.session.points import checked_name
from renex_jupyter.store.workbench import Workbench

if TYPE_CHECKING:
    import pandas as pd

EXAMPLE = 'rx.keep_pattern(patterns[0], "night images")'
WHAT = "the named patterns"
MOST_MEASURED = 50  # model versions that a new pattern is measured on
HINT = "Give a pattern of rx.failure_patterns(), its id, or a filter such as \"hour >= 20 and city = 'Ulm'\"."


def keep_pattern(
    pattern: FailurePattern | Predicate | Mapping[str, object] | str,
    name: str,
    *,
    dataset: object = None,
    error: str | None = None,
    description: str | None = None,
) -> NamedPattern:
    """Give a pattern a name: it is measured on what every model version predicts on the dataset from now on.

    It is measured at once on the newest predictions of each version that there is.

    Parameters
    ----------
    pattern : what `failure_patterns` found, its id, a predicate, or a filter as text: "age >= 60 and city = 'Ulm'".
    dataset : of which it is; a pattern that was found knows.
    error : what is counted; None: as in the search, else what the task of the dataset has first.

    Raises
    ------
    RenexError : `conflict` where the dataset has another pattern of this name; `not_found`, `ambiguous`,
        `invalid_argument` for unknown columns, `locked`.
    """
    name = checked_name("pattern", name, EXAMPLE)
    said = None if description is None else redact_text(checked_text("the description", description))
    session = current()
    read = session.store.reader
    found, predicate = _meant(session, pattern)
    if dataset is None and found is not None:
        dataset = datasets_query.get_dataset_version(read, found.dataset_version_id)
    if dataset is None:
        raise invalid_argument("nobody says of which dataset the pattern is.", 'Give it: dataset="adult".')
    version = _version(session, dataset)
    error = error if error is not None else found.error if found is not None else None
    predicate, error = _tried(session, version, predicate, error, found)
    made = NamedPattern(
        new_id(), version.dataset_id, name, predicate, str(predicate), error, now(), said,
        found.failure_pattern_id if found is not None and _is_kept(session, found) else None,
        session.store.journal.actor, f"{version.namespace}/{version.dataset}",
    )  # fmt: skip
    session.begin()
    with alone(session.store, what=WHAT):
        same = [each for each in query.named_patterns(read, version.dataset_id) if each.name == name]
        if same:
            return _same(same[0], made)
        change = Change("named_patterns", made.named_pattern_id, "create", made.as_row(), namespace=version.namespace)
        session.store.write(change)
    for set_id in query.newest_sets(read, version.dataset_id, MOST_MEASURED):
        predictions = datasets_query.as_prediction_set(read, datasets_query.find_prediction_set(read, set_id))
        try:
            measure(session, predictions, [made])
        except RenexError as error_:
            warn(f"{made.title} is not measured on {predictions.title}: {error_.line}")
    return made


def list_patterns(dataset: object = None) -> pd.DataFrame:
    """Return named patterns as a DataFrame, each with its newest measure, by dataset and name.

    Parameters
    ----------
    dataset : only its own; None: those of all datasets.
    """
    session = current()
    dataset_id = None if dataset is None else _version_or_dataset(session, dataset)
    return query.named_frame(session.store.reader, dataset_id)


def measure_patterns(dataset: object, predictions: object = None, *, model: object = None) -> pd.DataFrame:
    """Measure the named patterns of a dataset on predictions, and return how they did, what got worse first.

    What `log_predictions` writes is measured by itself; this is for what was there before, or cannot wait.

    Parameters
    ----------
    dataset : "adult" (its newest version), "adult:3", a record.
    predictions, model : as in `failure_patterns`; None: the newest predictions on the version.

    Returns
    -------
    DataFrame: pattern, change ("worse", "better", "same"; None: nothing to compare with), error_rate, previous_rate,
        p_value (adjusted by Holm over the patterns), base_rate, support, error, model, created_at, and ids.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    if predictions is not None and model is not None:
        raise invalid_argument("predictions and a model are given.", "Give one of both.")
    session = current()
    read = session.store.reader
    if isinstance(predictions, PredictionSet):
        row = datasets_query.find_prediction_set(read, predictions)
        version = datasets_query.get_dataset_version(read, row["dataset_version_id"])
    else:
        version = _version(session, dataset)
        wanted = predictions if predictions is not None else model
        row = datasets_query.find_prediction_set(
            read, wanted, dataset_version_id=version.dataset_version_id, namespace=session.namespace
        )
    patterns = query.named_patterns(read, version.dataset_id)
    found, faults = measure(session, datasets_query.as_prediction_set(read, row), patterns)
    for name, why in faults.items():
        warn(f"pattern '{name}' cannot be measured on {version.reference}: {why}")
    return query.measure_frame(read, [each.pattern_measure_id for each in found])


def delete_pattern(name: str | NamedPattern, dataset: object = None) -> NamedPattern:
    """Take the name of a pattern away, with all that was measured; return what it was.

    Raises
    ------
    RenexError : `not_found`, `ambiguous` for a name that patterns of several datasets have, `invalid_argument`.
    """
    session = current()
    read = session.store.reader
    word = name.named_pattern_id if isinstance(name, NamedPattern) else name
    word = text_argument(word, "the name of a pattern", 'Use a text, such as "night images".')
    dataset_id = None if dataset is None else _version_or_dataset(session, dataset)
    query.find_named(read, word, dataset_id)
    session.begin()
    with alone(session.store, what=WHAT):
        found = query.find_named(read, word, dataset_id)
        namespace = (found.dataset or "").rpartition("/")[0] or None
        session.store.write(
            *deletions(read, [("named_pattern", found.named_pattern_id)], namespace or session.namespace),
            Change("named_patterns", found.named_pattern_id, "delete", {}, found.as_row(), namespace),
            *(
                Change("pattern_measures", each.pattern_measure_id, "delete", {}, fields(each), namespace)
                for each in query.measures(read, [found.named_pattern_id])
            ),
        )
    return found


def _meant(session: Session, pattern: object) -> tuple[FailurePattern | None, Predicate]:
    if isinstance(pattern, FailurePattern):
        return pattern, pattern.predicate
    if isinstance(pattern, str):
        found = query.find_failure_pattern(session.store.reader, pattern)
        return (found, found.predicate) if found is not None else (None, parse(pattern))
    if isinstance(pattern, (Condition, Every, Some, Not, Mapping, list, tuple)):
        return None, from_json(pattern)
    raise invalid_argument(f"{shown(pattern)} is no pattern.", HINT)


def _is_kept(session: Session, found: FailurePattern) -> bool:
    return query.find_failure_pattern(session.store.reader, found.failure_pattern_id) is not None


def _tried(
    session: Session, version: DatasetVersion, predicate: Predicate, error: str | None, found: FailurePattern | None
) -> tuple[Predicate, str]:
    """Return the predicate as the columns of a version can answer it, and the error that is counted.

    Raises
    ------
    RenexError : `invalid_argument` for an unknown column, or an error that the predictions do not allow.
    """
    if found is not None and error is not None and error == found.error:
        wanted = columns(predicate)
        known = {each.name for each in version.fields} | {"predicted", "actual", "class", "size", "aspect", "border",
                                                          "crowding", "iou_bin", "wrong"}  # fmt: skip
        if not wanted - known or _is_kept(session, found):
            return predicate, error
        lost = min(wanted - known)
        raise invalid_argument(f"'{lost}' is a column of a search that was not kept.", "Search with record=True.")
    read = session.store.reader
    try:
        row = datasets_query.find_prediction_set(read, dataset_version_id=version.dataset_version_id)
    except RenexError as none:
        if none.code != "not_found":
            raise
        types = {each.name: each.type for each in version.fields} | {"predicted": "VARCHAR", "actual": "VARCHAR"}
        return checked(predicate, types), error or ERRORS[version.task or CLASSIFICATION][0]
    predictions = datasets_query.as_prediction_set(read, row)
    with Workbench() as bench:
        open_sources(bench, session, version, predictions)
        rows = lay_rows(bench, version, predictions, error=error or "auto", columns=columns(predicate))
        return checked(predicate, bench.columns("rows")), rows.error.name


def _same(there: NamedPattern, wanted: NamedPattern) -> NamedPattern:
    """Return the pattern that is there already. Raises `conflict` where it is another one."""
    if (to_json(there.predicate), there.error) == (to_json(wanted.predicate), wanted.error):
        return there
    hint = "Take another name, or delete the other one with rx.delete_pattern()."
    raise RenexError("conflict", f"there is a pattern '{there.name}' already: {there.predicate_text}.", hint)


def _version(session: Session, dataset: object) -> DatasetVersion:
    return datasets_query.get_dataset_version(session.store.reader, dataset, session.namespace)


def _version_or_dataset(session: Session, dataset: object) -> str:
    """Return the id of a dataset, whether it or a version of it is named."""
    if isinstance(dataset, (Dataset, DatasetVersion)):
        return dataset.dataset_id
    read = session.store.reader
    if isinstance(dataset, str) and datasets_query.parse_reference(dataset).version is None:
        return str(datasets_query.find_dataset(read, dataset, session.namespace)["dataset_id"])
    return _version(session, dataset).dataset_id
