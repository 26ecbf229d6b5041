"""The verbs that measure what was predicted: evaluate, compare."""

from __future__ import annotations

import argparse
from typing import Any

from renex_jupyter.analysis.sample_errors import AUTO
from renex_jupyter.cli.parsing import add_verb
from renex_jupyter.records.comparisons import Comparison
from renex_jupyter.records.evaluations import Evaluation
from renex_jupyter.session import comparing, evaluating

EVALUATION_VERBS = ("evaluate", "compare")
DATASET = "adult (its newest version), adult:2, vision/digits:1, an id or the beginning of one"
PREDICTIONS = "id or name of a set of predictions, or a model version such as digits:3"


def add_evaluation_verbs(verbs: Any) -> None:
    """Add the verbs."""
    measure = add_verb(verbs, "evaluate", "measure predictions on a dataset, and log the metrics on the model version")
    measure.add_argument("dataset", help=DATASET)
    measure.add_argument("predictions", nargs="?", help=f"{PREDICTIONS} (default: the newest on the dataset)")
    measure.add_argument(
        "--model", metavar="VERSION", help="instead: a model version, whose newest predictions are meant"
    )
    _add_options(measure)
    measure.add_argument("--no-log", action="store_true", help="only measure")
    measure.set_defaults(do=_evaluate)
    compare = add_verb(verbs, "compare", "say where one model is better than another on a dataset, and where worse")
    compare.add_argument("dataset", help=DATASET)
    compare.add_argument("a", help=PREDICTIONS)
    compare.add_argument("b", help="the same; what is told is what changes from a to b")
    _add_options(compare)
    compare.add_argument(
        "--error", default=AUTO, help="error, log_loss, false_positive:cat, squared, missed, ... (default: of the task)"
    )
    compare.add_argument(
        "--column", action="append", metavar="NAME", help="whose values make slices (default: all); may repeat"
    )
    compare.add_argument("--slices", type=int, default=5, metavar="N", help="at most so many of each sign (default 5)")
    compare.add_argument(
        "--samples", type=int, default=1000, metavar="N", help="at most so many in --json (default 1000)"
    )
    compare.add_argument("--seed", type=int, default=0, metavar="N", help="of the bootstrap (default 0)")
    compare.set_defaults(do=_compare)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--positive", metavar="CLASS", help="the class that counts as positive (default: the second of two)"
    )
    parser.add_argument(
        "--iou", type=float, default=0.5, metavar="X", help="overlap from which a box is found (default 0.5)"
    )


def _evaluate(args: argparse.Namespace) -> Evaluation:
    return evaluating.evaluate(
        args.dataset,
        args.predictions,
        model=args.model,
        positive=args.positive,
        iou=args.iou,
        log=not args.no_log,
    )


def _compare(args: argparse.Namespace) -> Comparison:
    return comparing.compare_predictions(
        args.dataset,
        args.a,
        args.b,
        error=args.error,
        positive=args.positive,
        iou=args.iou,
        columns=args.column,
        slices=args.slices,
        samples=args.samples,
        seed=args.seed,
    )
