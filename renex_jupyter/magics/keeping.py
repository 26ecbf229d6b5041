"""`%snapshot` and `%%task`: the magics that record."""

from __future__ import annotations

from functools import partial
from typing import Any

from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, needs_local_scope
from IPython.core.magic_arguments import argument, magic_arguments

from renex_jupyter.errors import invalid_argument
from renex_jupyter.magics.arguments import name_and_params, parse, plainly
from renex_jupyter.session import snapshots, tasks
from renex_jupyter.session.current import current
from renex_jupyter.session.given import read_given

TASK_USAGE = "%%task NAME [key=value ...]   or   %task NAME [key=value ...] -- command"


@magics_class
class KeepingMagics(Magics):
    """Record the state of the moment, or an action with the state before and after it."""

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

    @magic_arguments()
    @argument(
        "words", nargs="*", help="the task's name, then params as key=value (also set as variables of the notebook)"
    )
    @argument("-o", "--out", help="put the run into this variable")
    @line_cell_magic
    def task(self, line: str, cell: str | None = None) -> Any:
        """Run a cell, or a command, as a run: the state before, the action, the state after.

        Examples::

            %%task train lr=0.1 epochs=5
            for epoch in range(epochs):
                rx.log_metric("loss", train_one_epoch(lr))

            run = %task train -- python train.py --lr 0.1
        """
        __tracebackhide__ = True
        run, error = self._run(line, cell)
        if error is not None:
            raise error  # the cell's own, with its traceback, also when it is one of ours
        return run

    @plainly
    def _run(self, line: str, cell: str | None) -> tuple[Any, BaseException | None]:
        """Return what the magic returns, and the error of the cell."""
        line, dashes, command = _split(line)
        args = parse(self.task, line)
        name, params = name_and_params(args.words, current().names, TASK_USAGE)
        error = None
        if cell is None:
            if not dashes:
                raise invalid_argument("there is nothing to run.", f"Usage: {TASK_USAGE}")
            run = tasks.run_task(command, name=name, params=params)
        elif dashes:
            raise invalid_argument("a cell and a command were given.", f"Usage: {TASK_USAGE}")
        else:
            run, error = tasks.run_cell(name, cell, params)
        if args.out:
            current().names[args.out] = run
        print(run.line)  # also when the run is assigned, or not the last of its cell
        return (run if cell is None and not args.out else None), error


def _split(line: str) -> tuple[str, bool, str]:
    """Split a line at the first ` -- ` into what is ours and the command."""
    head, dashes, command = f" {line} ".partition(" -- ")
    return head.strip(), bool(dashes), command.strip()


def _given(specs: list[str] | None, what: str, local_ns: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return config or metrics from the words of a line; a variable of the calling function goes first."""
    if specs is None:
        return None
    names = {**current().names, **(local_ns or {})}
    found: dict[str, Any] = {}
    for spec in specs:
        found.update(read_given(spec, what, names))
    return found
