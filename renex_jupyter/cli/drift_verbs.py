"""`drift`, `drifts` and `decide`: look at drift, list what was found, and decide on it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from renex_jupyter.cli.parsing import add_verb
from renex_jupyter.errors import RenexError, invalid_argument
from renex_jupyter.records.drift import PROPOSALS, DriftReport
from renex_jupyter.records.models import Decision
from renex_jupyter.session import drift, drift_decisions

if TYPE_CHECKING:
    import pandas as pd

DRIFT_VERBS = ("drift", "drifts", "decide")
VERSION = "dataset version: adult:1, an id, or a name for the newest"
MODEL = "model version with predictions on both: digits:3, digits@champion"
REPORT = "id or unique prefix of a look at drift"


def add_drift_verbs(verbs: Any) -> None:
    """Add the verbs of drift."""
    look = add_verb(verbs, "drift", "compare a dataset with a reference, and propose what to do")
    look.add_argument("reference", help=VERSION)
    look.add_argument("current", nargs="?", help=f"{VERSION} (default: the newest, or with --by the rest of the same)")
    look.add_argument("--columns", nargs="+", metavar="NAME", help="only these")
    look.add_argument("--by", metavar="COLUMN[:PERIOD]", help="windows: at:week, month, a column, or 500 rows each")
    look.add_argument("--first", type=int, default=1, help="windows of one version that are the reference (default 1)")
    look.add_argument("--model", help=MODEL)
    look.add_argument("--candidate", help="another model version, which may take its place")
    look.add_argument("--error", default="auto", help="of the performance (default: wrong or right, or absolute)")
    look.add_argument("--adversarial", action="store_true", help="train a classifier to tell both apart, too")
    look.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="thresholds, such as tolerance=0.05")
    look.add_argument("--seed", type=int, default=0, help="of what is drawn by chance (default 0)")
    look.add_argument("--dry-run", action="store_true", help="keep no report")
    look.set_defaults(do=_look)
    listing = add_verb(verbs, "drifts", "list looks at drift, or show one")
    listing.add_argument("dataset", nargs="?", help="name, namespace/name or id of a dataset (default: all)")
    listing.add_argument("--id", metavar="REPORT", help=f"show this one: {REPORT}")
    listing.add_argument("-n", "--limit", type=int, default=20, help="at most this many (default 20)")
    listing.set_defaults(do=_list)
    decide = add_verb(verbs, "decide", "decide on a look at drift; retire and replace change the model version")
    decide.add_argument("report", help=REPORT)
    decide.add_argument("decision", choices=PROPOSALS)
    decide.add_argument("-m", "--reason", required=True, help="why")
    decide.add_argument("--model", help="model version that it is about (default: that of the report)")
    decide.add_argument("--successor", metavar="VERSION", help="what replaces it (default: the candidate)")
    decide.set_defaults(do=_decide)


def find_look(word: str) -> DriftReport | None:
    """Return the look at drift of an id or a unique prefix; None where there is none."""
    try:
        return drift.get_drift_report(word)
    except RenexError as error:
        if error.code != "not_found":
            raise
        return None


def _look(args: argparse.Namespace) -> DriftReport:
    rows = args.by is not None and args.by.replace("_", "").isdecimal()
    return drift.drift(
        args.reference,
        args.current,
        columns=args.columns,
        by=int(args.by) if rows else args.by,
        first=args.first,
        model=args.model,
        candidate=args.candidate,
        error=args.error,
        adversarial=args.adversarial,
        thresholds=dict(map(_threshold, args.set)),
        seed=args.seed,
        record=not args.dry_run,
    )


def _threshold(word: str) -> tuple[str, float]:
    key, equals, value = word.partition("=")
    try:
        if equals:
            return key, float(value)
    except ValueError:
        pass
    raise invalid_argument(f"'{word}' is no KEY=VALUE with a number.", "Write --set tolerance=0.05 alert=0.3.")


def _list(args: argparse.Namespace) -> pd.DataFrame | DriftReport:
    if args.id is not None:
        return drift.get_drift_report(args.id)
    if args.limit < 1:
        raise invalid_argument(f"-n {args.limit} lists nothing.", "Give a number from 1.")
    return drift.list_drift_reports(args.dataset).head(args.limit)


def _decide(args: argparse.Namespace) -> Decision:
    return drift_decisions.decide(args.report, args.decision, args.reason, model=args.model, successor=args.successor)
