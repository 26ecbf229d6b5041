"""Measuring named patterns: the error on their samples, and how it differs from that of another model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from renex_jupyter.analysis.embedding_clusters import Centres
from renex_jupyter.analysis.exact_tests import Sums
from renex_jupyter.analysis.pattern_changes import Compared, judged
from renex_jupyter.analysis.proof import sums_of
from renex_jupyter.errors import RenexError
from renex_jupyter.ids import content_id
from renex_jupyter.query import datasets as datasets_query
from renex_jupyter.query import failure_patterns as query
from renex_jupyter.query.contents import open_predictions
from renex_jupyter.records.changes import Change, fields, now
from renex_jupyter.records.datasets import DatasetVersion, PredictionSet
from renex_jupyter.records.failure_patterns import NamedPattern, PatternMeasure, is_share
from renex_jupyter.records.predicates import columns
from renex_jupyter.session.current import Session
from renex_jupyter.session.pattern_rows import Rows, lay_rows, open_sources
from renex_jupyter.store.conditions import condition
from renex_jupyter.store.workbench import Workbench, quoted

NOW, BEFORE = "rows now", "rows before"


def measure(
    session: Session, predictions: PredictionSet, patterns: Sequence[NamedPattern]
) -> tuple[list[PatternMeasure], dict[str, str]]:
    """Measure patterns on a set of predictions, and compare with the version before it of the same model; write it down.

    What was measured before is not measured again: neither a pattern nor predictions ever change.

    Returns
    -------
    measures : in the order of the patterns, without those whose columns or error this version has not.
    faults : by name of a pattern, why it cannot be measured.
    """
    read = session.store.reader
    version = datasets_query.get_dataset_version(read, predictions.dataset_version_id)
    ids = [each.named_pattern_id for each in patterns]
    known = {each.named_pattern_id: each for each in query.measures(read, ids, predictions.prediction_set_id)}
    fresh = [each for each in patterns if each.named_pattern_id not in known]
    previous = (
        query.previous_measures(read, ids, predictions.model_version_id, version.dataset_version_id)
        if fresh and predictions.model_version_id
        else {}
    )
    found, faults = _measured(session, version, predictions, fresh, previous)
    if found:
        session.begin()
        session.store.write(
            *(
                Change("pattern_measures", each.pattern_measure_id, "create", fields(each), namespace=version.namespace)
                for each in found
            )
        )
    known |= {each.named_pattern_id: each for each in found}
    return [known[each] for each in ids if each in known], faults


def compare(session: Session, pattern: NamedPattern, measured: PatternMeasure, other: PatternMeasure) -> Compared:
    """Return the errors of two sets of predictions on the samples of a pattern: of the first as now, of the other as before."""
    read = session.store.reader
    version = datasets_query.get_dataset_version(read, measured.dataset_version_id)
    row = datasets_query.find_prediction_set(read, measured.prediction_set_id)
    predictions = datasets_query.as_prediction_set(read, row)
    try:
        with Workbench() as bench:
            open_sources(bench, session, version, predictions)
            rows = _lay(bench, version, predictions, [pattern], _clusters(session, [pattern]), NOW)
            _, [part] = sums_of(bench, NOW, [pattern.predicate])
            return _compared(bench, session, version, pattern, rows, part, other)
    except RenexError as error:
        if error.code != "not_found":  # contents that are gone leave what was counted of them
            raise
        return _counted(_kept(measured), other, binary=is_share(pattern.error))


def _measured(
    session: Session,
    version: DatasetVersion,
    predictions: PredictionSet,
    patterns: Sequence[NamedPattern],
    previous: Mapping[str, PatternMeasure],
) -> tuple[list[PatternMeasure], dict[str, str]]:
    found: list[tuple[PatternMeasure, Compared | None]] = []
    faults: dict[str, str] = {}
    if not patterns:
        return [], {}
    with Workbench() as bench:
        open_sources(bench, session, version, predictions)
        for each in patterns:
            try:
                rows = _lay(bench, version, predictions, [each], _clusters(session, [each]), NOW)
                base, [part] = sums_of(bench, NOW, [each.predicate])
                other = previous.get(each.named_pattern_id)
                compared = _compared(bench, session, version, each, rows, part, other) if other else None
                open_predictions(bench, session.store.blobs, predictions)
            except RenexError as error:  # a later version of a dataset may lack a column
                faults[each.name] = error.line
                continue
            found.append((_record(each, version, predictions, base, part, other, compared), compared))
    verdicts = iter(judged([compared for _, compared in found if compared is not None]))
    made = []
    for record, compared in found:
        if compared is not None:
            change, p_value = next(verdicts)
            record = replace(record, change=change, p_value=p_value)  # noqa: PLW2901
        made.append(record)
    return made, faults


def _record(
    pattern: NamedPattern, version: DatasetVersion, predictions: PredictionSet, base: Sums, part: Sums,
    other: PatternMeasure | None, compared: Compared | None,
) -> PatternMeasure:  # fmt: skip
    measure_id = content_id(["pattern_measure", pattern.named_pattern_id, predictions.prediction_set_id])[:32]
    before = compared.before.mean if compared is not None and compared.before.n else None
    return PatternMeasure(
        measure_id, pattern.named_pattern_id, version.dataset_version_id, predictions.prediction_set_id, part.n,
        part.errors, part.mean if part.n else None, base.mean if base.n else None, now(), predictions.model_version_id,
        other.pattern_measure_id if other else None, before, pattern=pattern.name, error=pattern.error,
    )  # fmt: skip


def _clusters(session: Session, patterns: Iterable[NamedPattern]) -> dict[str, Centres]:
    found: dict[str, Centres] = {}
    for each in patterns:
        found |= query.clusters_of(session.store.reader, each.failure_pattern_id)
    return found


def _lay(
    bench: Workbench,
    version: DatasetVersion,
    predictions: PredictionSet,
    patterns: Sequence[NamedPattern],
    clusters: Mapping[str, Centres],
    name: str,
) -> Rows:
    wanted = sorted({name for each in patterns for name in columns(each.predicate)})
    return lay_rows(bench, version, predictions, error=patterns[0].error, columns=wanted, clusters=clusters, name=name)


def _compared(
    bench: Workbench, session: Session, version: DatasetVersion, pattern: NamedPattern, rows: Rows, part: Sums,
    other: PatternMeasure,
) -> Compared:  # fmt: skip
    """Compare with what others predicted: sample by sample where these are the same ones, else as two groups."""
    same = other.dataset_version_id == version.dataset_version_id
    if not (same and rows.pairs_by and "predicted" not in columns(pattern.predicate)):
        return _counted(part, other, binary=rows.binary)
    read = session.store.reader
    try:
        row = datasets_query.find_prediction_set(read, other.prediction_set_id)
        theirs = datasets_query.as_prediction_set(read, row)
        open_predictions(bench, session.store.blobs, theirs)
        lay_rows(bench, version, theirs, error=pattern.error, columns=(), name=BEFORE)
    except RenexError as error:
        if error.code != "not_found":
            raise
        return _counted(part, other, binary=rows.binary)
    text, values = condition(pattern.predicate, table="n")
    on = " and ".join(f"n.{quoted(each)} = b.{quoted(each)}" for each in rows.pairs_by)
    [sums] = bench.values(
        f"""select count(*), {_sums("n.error")}, {_sums("b.error")}, {_sums("(n.error - b.error)")},
            count(*) filter (where n.error > b.error), count(*) filter (where n.error < b.error)
        from {quoted(NOW)} n join {quoted(BEFORE)} b on {on} where {text}""",
        values,
    )
    n = int(sums[0])
    return Compared(
        Sums(n, *sums[1:3]), Sums(n, *sums[3:5]), Sums(n, *sums[5:7]), int(sums[7]), int(sums[8]), binary=rows.binary
    )


def _sums(value: str) -> str:
    return f"coalesce(sum({value}), 0)::double, coalesce(sum({value} * {value}), 0)::double"


def _counted(part: Sums, other: PatternMeasure, *, binary: bool) -> Compared:
    """Compare with what was counted before, of other samples or of contents that are gone."""
    return Compared(part, _kept(other), binary=binary)


def _kept(measured: PatternMeasure) -> Sums:
    squares = measured.errors if is_share(measured.error) else math.nan
    return Sums(measured.support, measured.errors, squares)
