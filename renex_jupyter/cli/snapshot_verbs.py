"""The verbs for snapshots: take one, list, compare, change its words, delete it."""

from __future__ import annotations

import argparse
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from renex_jupyter.cli.parsing import add_verb
from renex_jupyter.config import NOTEBOOK_VARIABLE
from renex_jupyter.errors import invalid_argument
from renex_jupyter.query.summaries import snapshot_summaries
from renex_jupyter.records.times import EXAMPLES
from renex_jupyter.session import diffs, housekeeping, snapshots
from renex_jupyter.session.current import current
from renex_jupyter.session.given import NOW, read_given

if TYPE_CHECKING:
    import pandas as pd

    from renex_jupyter.records.dry_run import DryRun
    from renex_jupyter.records.snapshots import Snapshot

NOWHERE = ("environments", "tasks")  # kinds that are in no namespace
FILTERS = ("message", "label", "notebook", "namespace", "run", "since", "until")
COLUMNS = ["snapshot_id", "label", "message", "created_at", "cells", "files", "notebook", "partial", "run_id"]
WHICH = "id, unique prefix or label"


def add_filters(listing: argparse.ArgumentParser) -> None:
    """Add what chooses among snapshots to `ls`."""
    listing.add_argument("-a", "--all", action="store_true", help="archived ones, too, and the states of runs")
    listing.add_argument("--namespace", metavar="NAME", help="of this namespace")
    listing.add_argument("--experiment", metavar="NAME", help="runs in it: NAME or NAMESPACE/NAME")
    listing.add_argument("--starred", action="store_true", help="only starred runs, or experiments")
    group = listing.add_argument_group("snapshots only")
    group.add_argument("--message", metavar="TEXT", help="whose message has this text in it")
    group.add_argument("--label", help="with this label")
    group.add_argument("--notebook", metavar="PATH", help="of this notebook: its path in the project, or its name")
    group.add_argument("--run", metavar="ID", help="taken in, before or after this run")
    group.add_argument("--since", metavar="WHEN", help=f"taken from then on. {EXAMPLES}")
    group.add_argument("--until", metavar="WHEN", help="taken before then")


def list_snapshots(args: argparse.Namespace) -> pd.DataFrame:
    """Return the snapshots that the words ask for, with what they hold in numbers."""
    given = {name: getattr(args, name) for name in FILTERS}
    frame = housekeeping.list_snapshots(**given, hidden=args.all or None, limit=args.limit)
    rows = snapshot_summaries(current().store.reader, list(frame["snapshot_id"]))
    held = {row["snapshot_id"]: row for row in rows}
    for name in ("cells", "files"):
        frame[name] = [held.get(each, {}).get(name, 0) for each in frame["snapshot_id"]]
    for name in ("partial", "hidden"):
        frame[name] = frame[name].fillna(False).astype(bool)
    return frame[COLUMNS if not (args.all or args.run) else [*COLUMNS, "hidden"]]


def refuse_filters(args: argparse.Namespace) -> None:
    """Refuse what chooses among snapshots where something else is listed.

    Raises
    ------
    RenexError : `invalid_argument`.
    """
    given = [f"--{name}" for name in FILTERS if getattr(args, name) is not None]
    if args.kind not in NOWHERE and "--namespace" in given:
        given.remove("--namespace")
    if given:
        raise invalid_argument(f"{given[0]} chooses among snapshots, not {args.kind}.", "Use it with: ls snapshots")


def add_snapshot_verbs(verbs: Any, *, notebook: bool) -> None:
    """Add the verbs; in a notebook `%snapshot` takes one."""
    if not notebook:
        _add_take(verbs)
    compare = add_verb(verbs, "diff", "compare two snapshots or runs, or one with the present state")
    compare.add_argument("a", nargs="?", help="id, unique prefix, label or name (default: the last snapshot)")
    compare.add_argument("b", nargs="?", default=NOW, help="the same (default: now, which is the present state)")
    compare.set_defaults(do=lambda args: diffs.diff(args.a, args.b))
    edit = add_verb(verbs, "edit", "change the message or the label of a snapshot, or hide it from lists")
    edit.add_argument("id", help=WHICH)
    edit.add_argument("-m", "--message", metavar="TEXT", help="the new message; an empty text takes it away")
    edit.add_argument("-l", "--label", help="the new label, taken from who has it; an empty text takes it away")
    hiding = edit.add_mutually_exclusive_group()
    hiding.add_argument("--hide", dest="hidden", action="store_const", const=True, help="list it no more")
    hiding.add_argument("--unhide", dest="hidden", action="store_const", const=False, help="list it again")
    edit.set_defaults(do=_edit)
    words = "delete a snapshot; the journal still tells that there was one (purge takes it out for good)"
    delete = add_verb(verbs, "delete", words)
    delete.add_argument("id", help="id or unique prefix, or a label that nothing else has")
    delete.add_argument("-y", "--yes", action="store_true", help="do it; without, it is only said what would go")
    delete.set_defaults(do=lambda args: housekeeping.delete_snapshot(args.id, dry_run=not args.yes))


def _add_take(verbs: Any) -> None:
    take = add_verb(verbs, "snapshot", "keep the state of this moment: code, environment, files, config and metrics")
    take.add_argument("words", nargs="*", metavar="WORD", help="a message, as with -m")
    take.add_argument("-m", "--message", metavar="TEXT", help="what this state is")
    take.add_argument("-l", "--label", help="a name by which the snapshot can be found again")
    take.add_argument(
        "-c", "--config", action="append", metavar="WHAT", help="a JSON/YAML/TOML file, or key=value; may repeat"
    )
    take.add_argument("--metrics", action="append", metavar="WHAT", help="the same, with numbers")
    take.add_argument(
        "-f", "--files", action="append", metavar="PATH", help="keep it although an ignore or secret rule leaves it out"
    )
    take.add_argument("--dry-run", action="store_true", help="only say what would be kept and left out")
    take.add_argument("--notebook", metavar="PATH", help="the notebook whose saved cells are kept with it")
    take.set_defaults(do=_take)


def _take(args: argparse.Namespace) -> Snapshot | DryRun:
    if args.notebook is not None:
        path = Path(args.notebook).absolute()
        if not path.is_file():
            raise invalid_argument(f"there is no notebook {path}.", "Give the path of one that is saved.")
        os.environ[NOTEBOOK_VARIABLE] = str(path)
    message = args.message if args.message is not None else " ".join(args.words) or None
    config, metrics = (
        None if given is None else read_given(given, what, {})
        for given, what in ((args.config, "config"), (args.metrics, "metrics"))
    )
    take = partial(snapshots.snapshot, dry_run=True) if args.dry_run else snapshots.snapshot
    return take(message, label=args.label, files=args.files, config=config, metrics=metrics)


def _edit(args: argparse.Namespace) -> Snapshot:
    return housekeeping.update_snapshot(args.id, message=args.message, label=args.label, hidden=args.hidden)
