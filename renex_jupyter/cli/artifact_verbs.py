"""The verbs `artifacts`, `artifact log|track|get|show|verify|delete`, `checkpoints` and `lineage`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from renex_jupyter.cli.environment_verbs import Text
from renex_jupyter.cli.parsing import Parser, add_verb
from renex_jupyter.errors import RenexError, invalid_argument
from renex_jupyter.session import artifacts, checkpoints, downloads, tracked
from renex_jupyter.session.given import read_given
from renex_jupyter.session.lineage import lineage
from renex_jupyter.session.runs import active_run

if TYPE_CHECKING:
    import pandas as pd

    from renex_jupyter.records.artifacts import Artifact

ARTIFACT_VERBS = ("artifacts", "artifact", "checkpoints", "lineage")
WHICH = "id, the beginning of it, or name (the newest of that name)"
RUN_WORDS = "id, the beginning of it, or name of a run"
COLUMNS = ["artifact_id", "name", "kind", "mode", "size", "files", "step", "run", "uri", "created_at"]


def add_artifact_verbs(verbs: Any) -> None:
    """Add the verbs."""
    listing = add_verb(verbs, "artifacts", "list artifacts, newest first")
    listing.add_argument("on", nargs="?", metavar="RUN", help=f"{RUN_WORDS}, or model:NAME and its like (default: all)")
    listing.add_argument("-n", "--limit", type=int, default=20, help="at most this many (default 20)")
    listing.add_argument("--kind", help="such as model, checkpoint, image")
    listing.add_argument("--name", help="its name, or a pattern such as 'models/*'")
    listing.add_argument("--mode", choices=("uploaded", "tracked"), help="copied into the store, or only pointed at")
    listing.set_defaults(do=_list)
    artifact = add_verb(verbs, "artifact", "keep a file, bring it back, look whether it is what it was")
    own = artifact.add_subparsers(dest="artifact_verb", metavar="VERB", required=True, parser_class=Parser)
    _add_keeping(own)
    show = add_verb(own, "show", "show an artifact")
    show.add_argument("artifact", help=WHICH)
    show.set_defaults(do=lambda args: artifacts.get_artifact(args.artifact))
    get = add_verb(own, "get", "write an artifact to a place, verified, and print its path")
    get.add_argument("artifact", help=WHICH)
    get.add_argument("--to", metavar="PATH", help="a new path, or a folder (default: a cache in the store)")
    get.add_argument("-f", "--force", action="store_true", help="replace what is there")
    get.set_defaults(do=lambda args: Text(str(downloads.download_artifact(args.artifact, args.to, force=args.force))))
    verify = add_verb(own, "verify", "look whether an artifact is what it was: hash it again")
    verify.add_argument("artifact", help=WHICH)
    verify.set_defaults(do=lambda args: downloads.verify_artifact(args.artifact))
    delete = add_verb(own, "delete", "delete an artifact; gc frees what only it held")
    delete.add_argument("artifact", help=WHICH)
    delete.add_argument("-y", "--yes", action="store_true", help="do it; without, it is only said what would go")
    delete.set_defaults(do=lambda args: artifacts.delete_artifact(args.artifact, dry_run=not args.yes))
    saved = add_verb(verbs, "checkpoints", "list the checkpoints of a run, or of the experiment, with their metrics")
    saved.add_argument("run", nargs="?", help=RUN_WORDS)
    saved.add_argument("-n", "--limit", type=int, default=20, help="at most this many (default 20)")
    saved.set_defaults(do=_checkpoints)
    origin = add_verb(verbs, "lineage", "say what something came from, and what came of it")
    origin.add_argument("what", help="a run, a snapshot, artifact:ID, checkpoint:ID, digits@champion, an environment")
    origin.add_argument("--direction", choices=("up", "down", "both"), default="both", help="up: what it came from")
    origin.add_argument("--depth", type=int, help="most edges from it (default: as far as they lead)")
    origin.set_defaults(do=lambda args: lineage(args.what, direction=args.direction, depth=args.depth))


def _add_keeping(own: Any) -> None:
    log = add_verb(own, "log", "keep a file or a folder as it is now")
    log.add_argument("path", help="a file or a folder")
    log.add_argument("--step", type=int, help="at which it was made")
    log.set_defaults(do=_log)
    track = add_verb(own, "track", "record where something lies, with its checksum and size, and copy nothing")
    track.add_argument("uri", help="a path, or s3://, gs://, https:// and others through fsspec")
    track.add_argument("--sha256", help="its checksum, where you know it; it is not read then")
    track.add_argument("--size", type=int, help="bytes")
    track.set_defaults(do=_track)
    for each in (log, track):
        each.add_argument("--on", metavar="WHAT", help="what it belongs to: a run, experiment:NAME, digits:3, ...")
        each.add_argument("--name", help="under which it is found again")
        each.add_argument("--kind", help="such as model or dataset")
        each.add_argument("--meta", metavar="KEY=VALUE", action="append", help="what is to be known; may repeat")


def _log(args: argparse.Namespace) -> Artifact:
    made = artifacts.log_artifact(
        args.path, args.name, kind=args.kind, step=args.step, metadata=read_given(args.meta, "config", {}), on=_on(args)
    )
    return _kept(made)


def _track(args: argparse.Namespace) -> Artifact:
    made = tracked.track_artifact(
        args.uri,
        args.name,
        sha256=args.sha256,
        size=args.size,
        kind=args.kind,
        metadata=read_given(args.meta, "config", {}),
        on=_on(args),
    )
    return _kept(made)


def _on(args: argparse.Namespace) -> str:
    """Return what an artifact is to belong to; a terminal has no run that is open unless it is part of one.

    Raises
    ------
    RenexError : `invalid_argument`.
    """
    if args.on is None:
        if (active := active_run()) is not None:
            return f"run:{active.run_id}"
        raise invalid_argument("nothing says what the artifact belongs to.", "Add --on RUN, or --on experiment:NAME.")
    return str(args.on)


def _kept(made: Artifact | None) -> Artifact:
    if made is None:
        raise RenexError("interrupted", "the artifact is not kept.", "The warning above says why.")
    return made


def _list(args: argparse.Namespace) -> pd.DataFrame:
    frame = artifacts.list_artifacts(args.on, kind=args.kind, name=args.name, mode=args.mode)
    return frame[COLUMNS].head(_limit(args))


def _checkpoints(args: argparse.Namespace) -> pd.DataFrame:
    return checkpoints.list_checkpoints(args.run).head(_limit(args))


def _limit(args: argparse.Namespace) -> int:
    if args.limit < 1:
        raise invalid_argument(f"-n {args.limit} lists nothing.", "Give a number from 1.")
    return int(args.limit)
