"""The verbs that do a run again: rerun, verify; and those that open a kept state: lab, notebook."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from renex_jupyter.cli.parsing import add_verb
from renex_jupyter.cli.task_verbs import Ended
from renex_jupyter.records.verifications import ABSOLUTE_TOLERANCE, RELATIVE_TOLERANCE, Verification
from renex_jupyter.session import lab, reruns, verifying

RUN = "id, unique prefix or name of a run"


def add_rerun_verbs(verbs: Any, *, notebook: bool) -> None:
    """Add the verbs; a workspace is opened from a terminal only, since it stays there until it ends."""
    again = add_verb(verbs, "rerun", "do a run again, from the state before it, as a new run")
    again.add_argument("id", help=RUN)
    _add_where(again)
    again.set_defaults(do=_rerun)
    check = add_verb(verbs, "verify", "do a run again and say whether it gives the same")
    check.add_argument("id", help=RUN)
    _add_where(check)
    check.add_argument("--rerun", metavar="RUN", help="compare with this rerun of it, and run nothing")
    check.add_argument(
        "--rtol", type=float, default=RELATIVE_TOLERANCE, metavar="X", help="relative tolerance (default %(default)s)"
    )
    check.add_argument(
        "--atol", type=float, default=ABSOLUTE_TOLERANCE, metavar="X", help="absolute tolerance (default %(default)s)"
    )
    check.add_argument(
        "--ignore", action="append", default=[], metavar="PATTERN", help="metrics and params to pass over; file:PATTERN"
    )
    check.add_argument("--no-confirm", action="store_true", help="run it once, also to explain a difference")
    check.set_defaults(do=_verify)
    if not notebook:
        for program, title in (("lab", "JupyterLab"), ("notebook", "Jupyter Notebook")):
            _add_workspace(verbs, program, title)


def _add_where(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--executor", choices=("process", "container"), help="where it runs (default: as recorded)")
    parser.add_argument("--docker", metavar="IMAGE", help="run it in a container of this image")
    parser.add_argument("--env", metavar="ENVIRONMENT", help="name or id; 'current': what is installed here")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="stop it after so long: it has failed then")


def _add_workspace(verbs: Any, program: str, title: str) -> None:
    parser = add_verb(verbs, program, f"open {title} on a snapshot, in its environment")
    parser.usage = f"renex {program} [id] [options] [-- ARGS for {title}]"
    parser.add_argument("id", nargs="?", help="snapshot or run (default: the project as it is)")
    parser.add_argument("--to", metavar="FOLDER", help="the folder (default: checkout-ID in the project)")
    parser.add_argument("--env", metavar="ENVIRONMENT", help="name or id; 'current': what is installed here")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.set_defaults(do=lambda args: _open(program, args))


def _where(args: argparse.Namespace) -> dict[str, Any]:
    echo = _to_stderr if getattr(args, "json", False) else None
    where = {"executor": args.executor, "environment": args.env, "image": args.docker}
    return {**where, "timeout": args.timeout, "echo": echo}


def _rerun(args: argparse.Namespace) -> Ended:
    return Ended(reruns.rerun(args.id, **_where(args)))


def _verify(args: argparse.Namespace) -> Verification:
    return verifying.verify(
        args.id,
        rerun=args.rerun,
        relative_tolerance=args.rtol,
        absolute_tolerance=args.atol,
        ignore=args.ignore,
        confirm=not args.no_confirm,
        **_where(args),
    )


def _open(program: str, args: argparse.Namespace) -> None:
    made = lab.workspace(
        program, args.id, to=args.to, environment=args.env, browser=not args.no_browser, arguments=args.command
    )
    for note in made.notes:
        print(f"renex: {note}", file=sys.stderr)
    print(f"renex: {made.folder}", file=sys.stderr)
    status = made.start()
    if status:
        raise SystemExit(status)


def _to_stderr(text: str) -> None:
    """Show what a run prints where standard output is for the answer."""
    sys.stderr.write(text)
    sys.stderr.flush()
