"""`%%task`: the magic that runs an action as a run."""

from __future__ import annotations

from typing import Any

from IPython.core.magic import Magics, line_cell_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments

from renex_jupyter.errors import invalid_argument
from renex_jupyter.magics.arguments import name_and_params, parse, plainly
from renex_jupyter.session import tasks
from renex_jupyter.session.current import current

TASK_USAGE = "%%task NAME [key=value ...]   or   %task NAME [key=value ...] -- command"


@magics_class
class TaskMagics(Magics):
    """Record an action with the state before and after it."""

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
