"""`%snapshot`: the magic that records a state."""

from __future__ import annotations

from functools import partial
from typing import Any

from IPython.core.magic import Magics, line_magic, magics_class, needs_local_scope
from IPython.core.magic_arguments import argument, magic_arguments

from renex_jupyter.magics.arguments import parse, plainly
from renex_jupyter.session import snapshots
from renex_jupyter.session.current import current
from renex_jupyter.session.given import read_given


@magics_class
class KeepingMagics(Magics):
    """Record the state of the moment."""

    @magic_arguments()
    @argument("words", nargs="*", help="a message, as with -m")
    @argument("-m", "--message", help="what this state is")
    @argument("-l", "--label", help="a name by which the snapshot can be found again")
    @argument(
        "-c",
        "--config",
        action="append",
        help="a variable, a JSON/YAML/TOML file, or key=value; may repeat",
    )
    @argument("--metrics", action="append", help="the same, with numbers; default: what the open run logged")
    @argument(
        "-f",
        "--files",
        action="append",
        help="a path to keep although an ignore or secret rule leaves it out",
    )
    @argument("--dry-run", action="store_true", help="only say what would be kept and left out; nothing is written")
    @argument("-o", "--out", help="put the snapshot into this variable")
    @needs_local_scope
    @line_magic
    @plainly
    def snapshot(self, line: str, local_ns: dict[str, Any] | None = None) -> Any:
        """Keep the state of this moment: code, environment, files, config and metrics.

        Examples::

            %snapshot -m "baseline"
            %snapshot "two layers" --label best -c params.yaml --metrics accuracy=0.97
            s = %snapshot -c config          # a variable of the notebook
            %snapshot --dry-run              # what would be kept, and what left out
        """
        args = parse(self.snapshot, line)
        message = args.message if args.message is not None else " ".join(args.words) or None
        given = {
            "label": args.label,
            "files": args.files,
            "config": _given(args.config, "config", local_ns),
            "metrics": _given(args.metrics, "metrics", local_ns),
        }
        take = partial(snapshots.snapshot, dry_run=True) if args.dry_run else snapshots.snapshot
        taken: Any = take(message, **given)
        if args.out:
            current().names[args.out] = taken
            print(taken.line)
            return None
        return taken


def _given(specs: list[str] | None, what: str, local_ns: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return config or metrics from the words of a line; a variable of the calling function goes first."""
    if specs is None:
        return None
    names = {**current().names, **(local_ns or {})}
    found: dict[str, Any] = {}
    for spec in specs:
        found.update(read_given(spec, what, names))
    return found
