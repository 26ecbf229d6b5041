"""Failure patterns: where a model is wrong more often than elsewhere, found on one half and tested on the other."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from renex_jupyter.analysis.embedding_clusters import Centres, cluster_column, find_centres
from renex_jupyter.analysis.number_bins import CUTS, QUANTILE
from renex_jupyter.analysis.pattern_columns import Items, make_items
from renex_jupyter.analysis.pattern_rests import Rest, rests_of
from renex_jupyter.analysis.proof import (
    LEAST_TO_SPLIT,
    Proof,
    first_half,
    possible_patterns,
    prove,
    prove_unsplit,
    sums_of,
    tail,
)
from renex_jupyter.analysis.sample_errors import OF_A_CLASS
from renex_jupyter.analysis.slices.found import Found
from renex_jupyter.analysis.slices.search import default_support, find_slices
from renex_jupyter.errors import invalid_argument, shown
from renex_jupyter.ids import new_id
from renex_jupyter.query import datasets as query
from renex_jupyter.records.changes import Change, fields, now
from renex_jupyter.records.datasets import DatasetVersion, PredictionSet
from renex_jupyter.records.failure_patterns import FailurePattern, FailurePatterns, PatternSearch
from renex_jupyter.records.predicates import Predicate
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.pattern_rows import ROWS, Rows, lay_rows, open_sources
from renex_jupyter.session.runs import active_run
from renex_jupyter.store.workbench import Workbench

FOUND_ON = "first half"  # what is searched
OTHER = "other half"
SHOWN = 8  # columns left out that the outcome names
NOT_SEARCHED = ("key", "target", "image")  # roles of fields that are no attribute of a sample
OPTIONS = "See help(rx.failure_patterns)."


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is searched for, as it was given."""

    error: str
    columns: tuple[str, ...] | None
    k: int
    max_level: int
    alpha: float
    min_support: int | None
    bins: int
    cut: str
    words: int
    time_budget: float | None
    holdout: str | bool
    seed: int


def failure_patterns(
    dataset: object,
    predictions: object = None,
    *,
    model: object = None,
    error: str = "auto",
    columns: Sequence[str] | None = None,
    k: int = 10,
    max_level: int = 3,
    alpha: float = 0.95,
    min_support: int | None = None,
    bins: int = 10,
    cut: str = QUANTILE,
    words: int = 40,
    time_budget: float | None = 60.0,
    holdout: str | bool = "auto",
    seed: int = 0,
    record: bool = True,
) -> FailurePatterns:
    """Find where a model is wrong more often than elsewhere, and test whether that is more than chance.

    Parameters
    ----------
    dataset : version of a dataset: "adult", "adult:3", a record.
    predictions : a set of predictions on it: a record, its id or name, or a model version; None: the newest.
    model : the model version whose newest predictions are meant.
    error : what is counted or summed up: "error", "false_positive", "false_negative", "log_loss", "brier", "absolute",
        "squared", "residual" (where a prediction is too low), "missed"; "auto": the first that the task has.
    columns : attributes that patterns are made of; also "predicted" or "actual". None: all attributes of the samples.
    k : how many patterns are wanted.
    max_level : most conditions of one pattern.
    alpha : weight of the error against that of the size, 0 < alpha <= 1.
    min_support : the fewest samples of a pattern in the half that is searched; None: 1 % of it, at least 32.
    bins : how many a column of numbers is cut into; `cut`: "quantile" (as full) or "width" (as wide).
    words : most words of texts that patterns are made of.
    time_budget : seconds of the search; after these it says that it is not complete. None: no end.
    holdout : search one half of the samples and test on the other; "auto": from 2,000 samples on.
    seed : of the split, and of the clusters of embeddings.
    record : keep the search and what it found.

    Returns
    -------
    FailurePatterns : a list, the worst first, each with both error rates and its status: "confirmed", "not confirmed",
        "too small".

    Raises
    ------
    RenexError : `not_found` for dataset or predictions, `invalid_argument` for options out of their range, unknown
        columns, and errors that the task has not; `environment_unavailable` for embeddings without scikit-learn.
    """
    began = time.monotonic()
    asked = _checked(error, columns, k, max_level, alpha, min_support, bins, cut, words, time_budget, holdout, seed)
    if predictions is not None and model is not None:
        raise invalid_argument("predictions and a model are given.", "Give one of both.")
    session = current()
    read = session.store.reader
    version = query.get_dataset_version(read, dataset, session.namespace)
    wanted = predictions if predictions is not None else model
    row = query.find_prediction_set(
        read, wanted, dataset_version_id=version.dataset_version_id, namespace=session.namespace
    )
    found = _search(session, version, query.as_prediction_set(read, row), asked, began)
    if record:
        _write(session, found, version.namespace)
    return found


def _search(
    session: Session, version: DatasetVersion, predictions: PredictionSet, asked: _Asked, began: float
) -> FailurePatterns:
    with Workbench() as bench:
        open_sources(bench, session, version, predictions)
        clusters = _clusters(bench, version, asked)
        rows = _lay(bench, version, predictions, asked, clusters)
        split = asked.holdout if isinstance(asked.holdout, bool) else rows.n >= LEAST_TO_SPLIT
        made_as = f'table "{FOUND_ON}" as from {ROWS} where {first_half(asked.seed)}'  # it is read many times
        bench.run(f"create {made_as}" if split else f'create view "{FOUND_ON}" as from {ROWS}')
        bench.run(f'create view "{OTHER}" as from {ROWS} where not {first_half(asked.seed)}')
        n = int(bench.value(f'select count(*) from "{FOUND_ON}"') or 0)
        support = asked.min_support or default_support(n)
        items = make_items(
            bench, FOUND_ON, rows.columns, bins=asked.bins, cut=asked.cut, words=asked.words, min_support=support,
            texts=version.named("text"), seed=asked.seed,
        )  # fmt: skip
        left = None if asked.time_budget is None else max(0.1, asked.time_budget - (time.monotonic() - began))
        slices = find_slices(
            bench, items.table, list(items.columns), "error", k=asked.k, alpha=asked.alpha, min_support=support,
            max_level=asked.max_level, time_budget=left, absent=items.absent,
        )  # fmt: skip
        predicates = [items.predicate(each.items) for each in slices.slices]
        own, proofs, rests = _prove(bench, rows, items, predicates, asked, support, split=split)
        whole, _ = sums_of(bench, ROWS, ())
    made = PatternSearch(
        new_id(), version.dataset_version_id, rows.error.name, rows.n, whole.errors,
        whole.mean if whole.n else None, slices.candidates, slices.complete, time.monotonic() - began, now(),
        _params(asked, rows, items, support, clusters, split=split), _outcome(rows, items, slices, split=split) or None,
        predictions.prediction_set_id, predictions.model_version_id, _run_id(), version.reference, predictions.model,
    )  # fmt: skip
    patterns = [
        _pattern(made, place, slices, items, predicate, own[place], proofs[place], rests[place], split=split)
        for place, predicate in enumerate(predicates)
    ]
    return FailurePatterns(made, tuple(patterns))


def _clusters(bench: Workbench, version: DatasetVersion, asked: _Asked) -> dict[str, Centres]:
    """Return the centres of the embeddings that are asked for, found on the half that is searched."""
    wanted = version.named("embedding")
    if asked.columns is not None:
        given = {each.lower() for each in asked.columns}
        wanted = tuple(each for each in wanted if {each.lower(), cluster_column(each).lower()} & given)
    if not wanted:
        return {}
    bench.run(f"create view embedded as from samples where {first_half(asked.seed)}")
    found = {each: find_centres(bench, "embedded", each, seed=asked.seed) for each in wanted}
    return {each: centres for each, centres in found.items() if centres}


def _lay(
    bench: Workbench,
    version: DatasetVersion,
    predictions: PredictionSet,
    asked: _Asked,
    clusters: dict[str, Centres],
) -> Rows:
    """Make the table that is searched: all attributes, or the columns that are asked for."""
    if asked.columns is not None:
        names = {each.lower(): cluster_column(each) for each in clusters}
        wanted = [names.get(each.lower(), each) for each in asked.columns]
        _check_trivial(wanted, asked.error, version.target)
        return lay_rows(bench, version, predictions, error=asked.error, columns=wanted, clusters=clusters)
    skipped = {each.name for each in version.fields if each.role in NOT_SEARCHED or each.role == "embedding"}
    samples = [each for each in bench.columns("samples") if each != "_key" and each not in skipped]
    probe = lay_rows(bench, version, predictions, error=asked.error, columns=())
    wanted = [
        *(each for each in samples if each not in probe.hidden),
        *probe.attributes,
        *map(cluster_column, clusters),
    ]
    return lay_rows(bench, version, predictions, error=asked.error, columns=wanted, clusters=clusters)


def _check_trivial(columns: Sequence[str], error: str, target: str | None) -> None:
    """Refuse columns that say by themselves what is wrong."""
    truth = next((each for each in columns if each in ("actual", target)), None)
    if truth is not None and "predicted" in columns:
        raise invalid_argument(
            f"'predicted' and '{truth}' together say what is wrong, so that nothing else is found.", "Give one of both."
        )
    if "predicted" in columns and error.partition(":")[0] in OF_A_CLASS:
        raise invalid_argument(f"'predicted' says by itself what is a {error}.", "Leave it out.")


def _prove(
    bench: Workbench,
    rows: Rows,
    items: Items,
    predicates: Sequence[Predicate],
    asked: _Asked,
    support: int,
    *,
    split: bool,
) -> tuple[list[tuple[float, float]], list[Proof], list[Rest | None]]:
    """Return of each pattern the rate of all and p on the rows that it was found on, its proof, and what is left of it."""
    base, parts = sums_of(bench, FOUND_ON, predicates)
    own = [(base.mean, tail(each, base, binary=rows.binary)) for each in parts]
    if split:
        proofs = prove(*sums_of(bench, OTHER, predicates), binary=rows.binary)
        return own, proofs, rests_of(bench, OTHER, predicates, proofs, tests=len(predicates), binary=rows.binary)
    tests = possible_patterns([len(each) for each in items.columns.values()], base.n, support, asked.max_level)
    proofs = prove_unsplit(base, parts, tests, binary=rows.binary)
    return own, proofs, rests_of(bench, FOUND_ON, predicates, proofs, tests=tests, binary=rows.binary)


def _pattern(
    search: PatternSearch, place: int, slices: Found, items: Items, predicate: Predicate, own: tuple[float, float],
    proof: Proof, rest: Rest | None, *, split: bool,
) -> FailurePattern:  # fmt: skip
    each = slices.slices[place]
    base, p_value = own
    contributions = {
        str(items.columns[name][int(code)]): float(each.contributions.get(name, 0.0)) for name, code in each.items
    }
    held: dict[str, Any] = {
        "holdout_support": proof.rows.n,
        "holdout_errors": proof.rows.errors,
        "holdout_error_rate": proof.rows.mean if proof.rows.n else None,
        "holdout_base_rate": proof.base.mean if proof.base.n else None,
        "holdout_p_value": proof.p_value,
    }
    left: dict[str, Any] = (
        {}
        if rest is None
        else {
            "rest_support": rest.rows.n,
            "rest_errors": rest.rows.errors,
            "rest_error_rate": rest.rows.mean if rest.rows.n else None,
            "rest_p_value": rest.p_value,
            "explained_by": None if rest.explained_by is None else rest.explained_by + 1,
        }
    )
    return FailurePattern(
        new_id(), search.pattern_search_id, place + 1, predicate, str(predicate), each.size, each.sum_error,
        each.error_rate, base, each.score, each.divergence, each.t, p_value, **(held if split else {}),
        adjusted_p_value=proof.adjusted, status=proof.status, contributions=contributions,
        dataset_version_id=search.dataset_version_id, model_version_id=search.model_version_id, run_id=search.run_id,
        created_at=search.created_at, **left, error=search.error,
    )  # fmt: skip


def _params(
    asked: _Asked, rows: Rows, items: Items, support: int, clusters: dict[str, Centres], *, split: bool
) -> dict[str, Any]:
    names = ("k", "max_level", "alpha", "bins", "cut", "words", "time_budget", "seed")
    test = "hypergeometric" if rows.binary else "welch"
    said = {
        **{name: getattr(asked, name) for name in names},
        "min_support": support,
        "columns": list(rows.columns),
        "split": split,
        "test": test,
        "adjusted": "holm" if split else "benjamini_hochberg",
        "rows": rows.error.per,
        "left_out": [list(each) for each in items.left_out],
    }
    return (
        {**said, "clusters": {name: [list(each) for each in some] for name, some in clusters.items()}}
        if clusters
        else said
    )


def _outcome(rows: Rows, items: Items, slices: Found, *, split: bool) -> str:
    """Return in words why nothing was found, what was left out, and what there is to know of the test."""
    told = [f"{slices.reason[:1].upper()}{slices.reason[1:].rstrip('.')}."] if slices.reason else []
    if not split:
        told.append(
            f"{rows.n:,} samples were not split: each pattern is tested on the samples that it was found on, adjusted for "
            "all that there can be."
        )
    if items.left_out:
        names = "; ".join(f"{name} ({why})" for name, why in items.left_out[:SHOWN])
        more = f"; and {len(items.left_out) - SHOWN:,} more" if len(items.left_out) > SHOWN else ""
        told.append(f"Left out: {names}{more}.")
    if rows.hidden:
        told.append(f"Left out: {', '.join(rows.hidden)} of the samples, whose name another column has.")
    if slices.ties_cut:
        told.append(f"{slices.ties_cut:,} more score as much as the last one.")
    return " ".join([*told, *items.notes])


def _run_id() -> str | None:
    run = active_run()
    return run.run_id if run is not None else None


def _write(session: Session, found: FailurePatterns, namespace: str) -> None:
    search = found.search
    session.begin()
    session.store.write(
        Change("pattern_searches", search.pattern_search_id, "create", fields(search), namespace=namespace),
        *(
            Change("failure_patterns", each.failure_pattern_id, "create", each.as_row(), namespace=namespace)
            for each in found
        ),
    )


def _checked(
    error: object, columns: object, k: object, max_level: object, alpha: object, min_support: object, bins: object,
    cut: object, words: object, time_budget: object, holdout: object, seed: object,
) -> _Asked:  # fmt: skip
    for name, value, least, most in (
        ("k", k, 1, 1_000),
        ("max_level", max_level, 1, 20),
        ("bins", bins, 2, 100),
        ("words", words, 0, 200),
        ("seed", seed, 0, 2**32 - 1),
    ):
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise invalid_argument(f"{name} {shown(value)} is no whole number from {least} to {most:,}.", OPTIONS)
    if min_support is not None and (
        isinstance(min_support, bool) or not isinstance(min_support, int) or min_support < 1
    ):
        raise invalid_argument(f"min_support {shown(min_support)} is no whole number from 1.", OPTIONS)
    if cut not in CUTS:
        raise invalid_argument(f"cut {shown(cut)} is no way to make bins.", f"Use one of {', '.join(CUTS)}.")
    if not (holdout == "auto" or isinstance(holdout, bool)):
        raise invalid_argument(f"holdout {shown(holdout)} is none of 'auto', True and False.", OPTIONS)
    if not isinstance(error, str):
        raise invalid_argument(f"{shown(error)} is no error.", 'Give its name, such as error="log_loss".')
    if columns is not None and (
        isinstance(columns, str)
        or not isinstance(columns, Sequence)
        or not all(isinstance(each, str) for each in columns)
    ):
        raise invalid_argument(f"columns {shown(columns)} are no list of names.", 'Give such as ["age", "sex"].')
    return _Asked(
        error, None if columns is None else tuple(columns), k, max_level, alpha, min_support, bins, str(cut), words,  # type: ignore[arg-type]
        time_budget, holdout, seed,  # type: ignore[arg-type]
    )  # fmt: skip
