"""`%%task`: the magic that runs an action as a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments

from renex_jupyter.errors import invalid_argument
from renex_jupyter.magics.arguments import name_and_params, parse, plainly
from renex_jupyter.records.runs import Run
from renex_jupyter.session import cells, tasks
from renex_jupyter.session.current import current
from renex_jupyter.session.limits import limits_of
from renex_jupyter.session.own_process import own_process
from renex_jupyter.tasks.handover import variable_names

TASK_USAGE = "%%task NAME [key=value ...]   or   %task NAME [key=value ...] -- command"


@magics_class
class TaskMagics(Magics):
    """Record an action with the state before and after it."""

    @magic_arguments()
    @argument(
        "words",
        nargs="*",
        help="the task's name, then params as key=value (variables of the cell; in the kernel also of the notebook)",
    )
    @argument("--docker", nargs="?", const="", metavar="IMAGE", help="run it in a container of this image")
    @argument("--env", metavar="ENVIRONMENT", help="run it in this kept environment, by its id or name")
    @argument("--timeout", metavar="SECONDS", help="stop it after so long: it has failed then")
    @argument("--memory", metavar="SIZE", help="kill it above so much memory, such as 4g")
    @argument("--gpus", metavar="N", help="how many GPUs it sees, or which, such as 0,2; 0: none")
    @argument("--detach", action="store_true", help="go on with the notebook while it runs")
    @argument("--parse-stdout", action="store_true", help="keep printed lines like 'loss: 0.3' as metrics")
    @argument(
        "--no-raise-error",
        action="store_true",
        help="go on with the notebook also after a command, or a cell in a process of its own, that failed",
    )
    @argument("-o", "--out", help="put the run into this variable")
    @argument("--isolated", action="store_true", help="run the cell in a fresh process instead of in the kernel")
    @argument("--inputs", help="variables that an isolated cell gets, such as a,b")
    @argument("--outputs", help="variables of an isolated cell that the notebook gets when it has ended well")
    @line_cell_magic
    def task(self, line: str, cell: str | None = None) -> Any:
        """Run a cell, or a command, as a run: the state before, the action, the state after.

        Examples::

            %%task train lr=0.1 epochs=5
            for epoch in range(epochs):
                rx.log_metric("loss", train_one_epoch(lr))

            %%task train lr=0.1 --isolated --inputs X,y --outputs model
            model = fit(X, y, lr)    # in a fresh process, which gets X and y and gives model back

            run = %task train -- python train.py --lr 0.1
            %task train --detach --timeout 3600 --memory 8g -- python train.py
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
        error: BaseException | None = None
        if cell is None:
            if not dashes:
                raise invalid_argument("there is nothing to run.", f"Usage: {TASK_USAGE}")
            run = tasks.run_task(command, name=name, params=params, **_outside(args))
            error = _not_well(run, args)
        elif dashes:
            raise invalid_argument("a cell and a command were given.", f"Usage: {TASK_USAGE}")
        else:
            run, error = _run_cell(args, name, cell, params)
        if args.out:
            current().names[args.out] = run
        print(run.line)  # also when the run is assigned, or not the last of its cell
        return (run if cell is None and not args.out else None), error


def _run_cell(args: Any, name: str, cell: str, params: Mapping[str, Any]) -> tuple[Any, BaseException | None]:
    """Run a cell in the kernel or in a process of its own; return its run, and its error for the magic to raise."""
    inputs = variable_names(args.inputs, "--inputs")
    outputs = variable_names(args.outputs, "--outputs")
    given = _outside(args)
    if args.isolated or "executor" in given or "environment" in given:
        limits = limits_of(args.timeout, args.memory, args.gpus)
        run = cells.run_isolated(
            name,
            cell,
            params,
            inputs=inputs,
            outputs=outputs,
            process=own_process(current(), given.get("executor"), given.get("image"), args.env, limits),
            limits=limits,
            parse_stdout=args.parse_stdout,
            detach=args.detach,
        )
        return run, _not_well(run, args)
    if inputs or outputs:
        hint = "Add --isolated to run it in a process of its own; in the kernel a cell has all variables."
        raise invalid_argument("--inputs and --outputs are for a cell in a process of its own.", hint)
    if args.no_raise_error:
        hint = "Catch the exception in the cell, or add --isolated."
        raise invalid_argument("--no-raise-error is not for a cell that runs in the kernel.", hint)
    if given:
        option = "--" + next(iter(given)).replace("_", "-")
        hint = "Add --isolated to run it in a process of its own, or give a command after --."
        raise invalid_argument(f"{option} is not for a cell that runs in the kernel.", hint)
    return cells.run_cell(name, cell, params)


def _not_well(run: Run, args: Any) -> UsageError | None:
    """Return what stops the notebook after an action that failed elsewhere, whose traceback is shown already."""
    if args.no_raise_error or run.status in ("finished", "running"):
        return None
    lines = (run.error or "").rstrip().splitlines() or [f"exit code {run.exit_code}"]
    return UsageError(f"task '{run.name}' {run.status}: {lines[-1]}")


def _split(line: str) -> tuple[str, bool, str]:
    """Split a line at the first ` -- ` into what is ours and the command."""
    head, dashes, command = f" {line} ".partition(" -- ")
    return head.strip(), bool(dashes), command.strip()


def _outside(args: Any) -> dict[str, Any]:
    """Return the options of a task that runs outside of the kernel, as `run_task` takes them; those that were given."""
    given = {
        "executor": None if args.docker is None else "container",
        "image": args.docker or None,
        "environment": args.env,
        "timeout": args.timeout,
        "memory": args.memory,
        "gpus": args.gpus,
        "detach": args.detach or None,
        "parse_stdout": args.parse_stdout or None,
    }
    return {name: value for name, value in given.items() if value is not None}
