"""`patterns find|ls|keep|measure|delete`: where models fail, and what became of it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from renex_jupyter.cli.parsing import Parser, add_verb
from renex_jupyter.session import failure_patterns, named_patterns

if TYPE_CHECKING:
    import pandas as pd

    from renex_jupyter.records.failure_patterns import FailurePatterns

PATTERN_VERBS = ("patterns",)
DATASET = "name of a dataset (its newest version), adult:3, vision/adult, an id"
PREDICTIONS = "id or name of a set of predictions, or a model version such as digits:3 (default: the newest)"
NUMBERS = {
    "k": (int, 10, "how many patterns are wanted"),
    "max-level": (int, 3, "most conditions of one pattern"),
    "alpha": (float, 0.95, "weight of the error against that of the size"),
    "min-support": (int, None, "the fewest samples of one (default 1 %% of the half that is searched, at least 32)"),
    "bins": (int, 10, "how many a column of numbers is cut into"),
    "words": (int, 40, "most words of texts"),
    "time-budget": (float, 60.0, "seconds of the search"),
    "seed": (int, 0, "of the split"),
}


def add_pattern_verbs(verbs: Any) -> None:
    """Add `patterns` with its own verbs."""
    patterns = add_verb(
        verbs, "patterns", "where a model is wrong more often than elsewhere, and what has a name of it"
    )
    patterns.set_defaults(do=_list, dataset=None)
    own = patterns.add_subparsers(dest="patterns_verb", metavar="VERB", parser_class=Parser)
    _add_find(own)
    listing = add_verb(own, "ls", "list the named patterns of a dataset, or of all", aliases=["list"])
    listing.add_argument("dataset", nargs="?", help=DATASET)
    listing.set_defaults(do=_list)
    keep = add_verb(own, "keep", "give a pattern a name: it is measured on every new model version")
    keep.add_argument("pattern", help="id of one that was found, or a filter such as \"age >= 60 and city = 'Ulm'\"")
    keep.add_argument("name", help="such as 'night images'")
    keep.add_argument("--dataset", help=f"{DATASET} (default: that it was found on)")
    keep.add_argument("--error", help="what is counted (default: as in the search)")
    keep.add_argument("--description", help="what there is to say of it")
    keep.set_defaults(do=_keep)
    measure = add_verb(own, "measure", "measure the named patterns of a dataset on predictions")
    _add_predictions(measure)
    measure.set_defaults(
        do=lambda args: named_patterns.measure_patterns(args.dataset, args.predictions, model=args.model)
    )
    delete = add_verb(own, "delete", "take the name of a pattern away, with what was measured")
    delete.add_argument("name", help="name or id of a named pattern")
    delete.add_argument("dataset", nargs="?", help=DATASET)
    delete.set_defaults(do=lambda args: named_patterns.delete_pattern(args.name, args.dataset))


def _add_find(own: Any) -> None:
    find = add_verb(own, "find", "search one half of the samples, test on the other, and keep what was found")
    _add_predictions(find)
    find.add_argument(
        "--error", default="auto", help="error, false_positive, log_loss, missed, ... (default: of the task)"
    )
    find.add_argument("--columns", metavar="A,B", help="attributes that patterns are made of (default: all)")
    find.add_argument("--cut", default="quantile", choices=("quantile", "width"), help="how numbers become bins")
    for name, (kind, default, words) in NUMBERS.items():
        said = words if default is None else f"{words} (default {default:g})"
        find.add_argument(f"-{name}" if len(name) == 1 else f"--{name}", type=kind, default=default, help=said)
    find.add_argument("--holdout", action=argparse.BooleanOptionalAction, default=None,
                      help="test on the other half (default: from 2,000 samples on)")  # fmt: skip
    find.add_argument("--record", action=argparse.BooleanOptionalAction, default=True, help="keep what was found")
    find.set_defaults(do=_find)


def _add_predictions(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", help=DATASET)
    parser.add_argument("predictions", nargs="?", help=PREDICTIONS)
    parser.add_argument("--model", help="the model version whose newest predictions are meant, such as digits:3")


def _find(args: argparse.Namespace) -> FailurePatterns:
    columns = None if args.columns is None else [each.strip() for each in args.columns.split(",") if each.strip()]
    given = {name.replace("-", "_"): getattr(args, name.replace("-", "_")) for name in NUMBERS}
    return failure_patterns.failure_patterns(
        args.dataset, args.predictions, model=args.model, error=args.error, columns=columns, cut=args.cut,
        holdout="auto" if args.holdout is None else args.holdout, record=args.record, **given,
    )  # fmt: skip


def _list(args: argparse.Namespace) -> pd.DataFrame:
    frame = named_patterns.list_patterns(args.dataset)
    return frame if args.json else frame.drop(columns=["created_by"])


def _keep(args: argparse.Namespace) -> Any:
    return named_patterns.keep_pattern(
        args.pattern, args.name, dataset=args.dataset, error=args.error, description=args.description
    )
