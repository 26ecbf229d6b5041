"""Drift: look at a dataset against a reference, and list what was found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from renex_jupyter.analysis import adversarial as classifiers
from renex_jupyter.analysis.drift import compare
from renex_jupyter.analysis.drift_columns import Compared
from renex_jupyter.analysis.monitor_rules import Seen, propose
from renex_jupyter.capture.secrets import redact_text
from renex_jupyter.errors import RenexError, invalid_argument, shown
from renex_jupyter.ids import new_id
from renex_jupyter.query import datasets
from renex_jupyter.query import drift as query
from renex_jupyter.query.predicate_columns import checked
from renex_jupyter.records import changes
from renex_jupyter.records.changes import Change, now
from renex_jupyter.records.datasets import DatasetVersion
from renex_jupyter.records.drift import LABEL, ColumnDrift, DriftReport, Thresholds
from renex_jupyter.records.predicates import Predicate
from renex_jupyter.session.current import Session
from renex_jupyter.session.current import current as open_session
from renex_jupyter.session.drift_performance import Performance, compare_candidate, examine
from renex_jupyter.session.drift_rows import Rows, choose_columns, open_rows
from renex_jupyter.session.drift_sides import find_sides
from renex_jupyter.store.workbench import Workbench

if TYPE_CHECKING:
    import pandas as pd


def drift(
    reference: object,
    current: object = None,
    *,
    columns: Sequence[str] | None = None,
    by: str | int | None = None,
    first: int = 1,
    model: object = None,
    candidate: object = None,
    error: str = "auto",
    adversarial: bool = False,
    thresholds: Thresholds | Mapping[str, float] | None = None,
    seed: int = 0,
    record: bool = True,
) -> DriftReport:
    """Compare a dataset version with a reference, and propose what to do about it.

    Parameters
    ----------
    reference : a dataset version: "adult:1", an id, or the record.
    current : another one; None: with `by` the rest of the same version, otherwise the newest version of its dataset.
    columns : only these; None: all but keys, splits, times and images.
    by : windows of the current data: a column of times ("at"), with a period ("at:week"; hour, day, week, month, year), a
        period alone, of the dataset's column of times, another column, or how many rows a window has.
    first : where one version is cut into windows, how many of the first are the reference.
    model : a model version, or what else names predictions, on both: its predictions and performance are compared, too.
    candidate : another model version with predictions on the current data, which may take its place.
    error : of the performance, as `rx.failure_patterns` takes it; "auto": wrong or right, of numbers the absolute error.
    adversarial : also train a classifier to tell both apart. It needs the extra `analysis`.
    thresholds : some of those of `records.drift.Thresholds`, such as {"tolerance": 0.05}.
    seed : of the bootstrap, the classifier and its samples.
    record : keep the report in the store.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`, `environment_unavailable`.
    """
    limits, seed, by = checked_thresholds(thresholds), _checked_seed(seed), _whole(by)
    if adversarial:
        classifiers.check_installed()
    session = open_session()
    before, now_ = _versions(session, reference, current, by)
    if candidate is not None and model is None:
        raise invalid_argument("a candidate is compared with a model, and there is none.", "Give model=, too.")
    sides = None if model is None else find_sides(session, before, now_, model)
    with Workbench() as bench:
        rows = open_rows(bench, session.store.blobs, before, now_, by, first)
        chosen, embeddings, left_out = choose_columns(bench, before, now_, columns)
        facts: dict[str, Any] = {"left_out": left_out, "without_window": rows.outside}
        patterns = _patterns(bench, session, before, now_) if sides is not None else []
        found = Performance()
        if sides is not None:
            found = examine(
                bench,
                session,
                sides,
                rows,
                error=error,
                patterns=patterns,
                limits=limits,
                seed=seed,
                columns=len(chosen),
            )
            facts |= found.facts
            if candidate is not None:
                facts["candidate"] = compare_candidate(
                    bench, session, sides[1], candidate, error=error, patterns=patterns, limits=limits
                )
        results = _compared(bench, chosen, rows, limits, len(found.results))
        if adversarial:
            plain = [each for each in chosen if each.role != LABEL]
            facts["adversarial"] = classifiers.tell_apart(bench, plain, seed=seed)
        facts["embeddings"] = {
            name: classifiers.tell_embeddings_apart(bench, name, classify=adversarial, seed=seed) for name in embeddings
        }
    results = (*results, *found.results)
    proposal, rule = propose(
        Seen(
            results,
            found.reference,
            found.latest,
            found.binary,
            sides is not None,
            found.n_current if sides is not None else now_.n_samples,
            facts,
        ),
        limits,
    )
    said = None if sides is None else sides[1].predictions
    report = DriftReport(
        new_id(),
        now_.dataset_id,
        before.dataset_version_id,
        now_.dataset_version_id,
        now(),
        proposal,
        redact_text(rule),
        _without_secrets(results),
        found.windows,
        model_version_id=None if said is None else said.model_version_id,
        run_id=session.innermost.run.run_id if session.innermost is not None else None,
        period=rows.period,
        params={
            "columns": None if columns is None else list(columns),
            "by": by,
            "first": first,
            "error": error,
            "adversarial": adversarial,
            "seed": seed,
            "thresholds": asdict(limits),
            "predictions": None if said is None else said.prediction_set_id,
        },
        facts={name: each for name, each in facts.items() if each},
        reference=before.reference,
        current=now_.reference,
        model=None if said is None else said.model or said.name,
    )
    if record:
        session.begin()
        after = changes.fields(report)
        session.store.write(Change("drift_reports", report.drift_report_id, "create", after, namespace=now_.namespace))
    return report


def list_drift_reports(dataset: object = None) -> pd.DataFrame:
    """Return the looks at drift of a dataset, or of all, as a DataFrame, the newest first.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    session = open_session()
    read = session.store.reader
    row = None if dataset is None else datasets.find_dataset(read, dataset, session.namespace)
    return query.report_frame(read, None if row is None else row["dataset_id"])


def get_drift_report(report: str | DriftReport) -> DriftReport:
    """Return a look at drift by its id or a unique prefix, with what was decided on it.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    read = open_session().store.reader
    return query.as_report(read, query.find_report(read, report))


def checked_thresholds(given: object) -> Thresholds:
    """Return thresholds, with those that are given in place of the defaults.

    Raises
    ------
    RenexError : `invalid_argument` for an unknown name, or what is no number from 0.
    """
    if given is None:
        return Thresholds()
    if isinstance(given, Thresholds):
        return given
    known = {each.name for each in fields(Thresholds)}
    if not isinstance(given, Mapping) or set(given) - known:
        wrong = shown(given) if not isinstance(given, Mapping) else ", ".join(sorted(map(str, set(given) - known)))
        raise invalid_argument(f"{wrong} is no threshold.", f"Those are {', '.join(sorted(known))}.")
    for name, value in given.items():
        if name == "worst" and value is None:
            continue
        number = isinstance(value, Real) and not isinstance(value, bool)
        if not number or not value >= 0 or (name == "alpha" and not 0 < value < 1):
            raise invalid_argument(f"the threshold {name}={shown(value)} is none.", "Give a number from 0.")
    said: dict[str, Any] = {
        name: value if value is None or isinstance(value, (int, float)) else float(value)
        for name, value in given.items()
    }
    return Thresholds(**said)


def _whole(given: Any) -> Any:
    """Return a whole number, also one of numpy, as that of Python, and anything else as it is."""
    return given if isinstance(given, bool) or not isinstance(given, Integral) else int(given)


def _checked_seed(given: object) -> int:
    seed = _whole(given)
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**31:
        raise invalid_argument(f"seed={shown(given)} is no seed.", "Give a whole number from 0 to 2147483647.")
    return seed


def _versions(
    session: Session, reference: object, current: object, by: object
) -> tuple[DatasetVersion, DatasetVersion]:
    read, namespace = session.store.reader, session.namespace
    before = datasets.get_dataset_version(read, reference, namespace)
    if current is not None:
        after = datasets.get_dataset_version(read, current, namespace)
    elif by is not None:
        return before, before
    else:
        newest = datasets.find_dataset(read, before, namespace)
        after = datasets.versions_of(read, newest["dataset_id"])[0]
    if before.dataset_version_id == after.dataset_version_id and by is None:
        raise invalid_argument(
            f"{before.reference} is compared with itself.",
            f"Give another version, or windows of this one: rx.drift('{before.reference}', by='at:week').",
        )
    return before, after


def _compared(
    bench: Workbench, chosen: Sequence[Compared], rows: Rows, limits: Thresholds, predicted: int
) -> tuple[ColumnDrift, ...]:
    """Return the drift of the columns, which share the level alpha with what was predicted."""
    if not chosen:
        return ()
    tested = len(chosen) + predicted
    return compare(bench, chosen, window=rows.window, windows=rows.windows, thresholds=limits, tested=tested)


def _patterns(
    bench: Workbench, session: Session, before: DatasetVersion, now_: DatasetVersion
) -> list[tuple[str, Predicate]]:
    """Return the named patterns of both datasets that ask for columns which both sides have."""
    types = [bench.columns(side) for side in ("reference", "current")]
    found = []
    for name, predicate in query.named_patterns(session.store.reader, {before.dataset_id, now_.dataset_id}):
        try:
            for each in types:
                fitting = checked(predicate, each)
        except RenexError:
            continue  # it was made for columns that a version does not have
        found.append((name, fitting))
    return found


def _without_secrets(results: Iterable[ColumnDrift]) -> tuple[ColumnDrift, ...]:
    """Return results in which no category is a secret of a known format: they are values of the user."""
    return tuple(_clean(each) for each in results)


def _clean(result: ColumnDrift) -> ColumnDrift:
    words = "\n".join([*result.new_values, *(each.label for each in result.bins)])
    if redact_text(words) == words:
        return result
    bins = tuple(replace(each, label=redact_text(each.label)) for each in result.bins)
    return replace(result, bins=bins, new_values=tuple(map(redact_text, result.new_values)))
