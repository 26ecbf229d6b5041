"""Cells as runs: in the kernel, or in a process of their own that takes variables along and brings some back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from renex_jupyter.errors import RenexError, invalid_argument
from renex_jupyter.records.changes import Change
from renex_jupyter.records.runs import Run
from renex_jupyter.session.active_run import close_after
from renex_jupyter.session.closing import Finish
from renex_jupyter.session.commands import NO_LIMITS, Prepare, recorded, run_order
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.limits import Limits
from renex_jupyter.session.runs import open_run
from renex_jupyter.session.tasks import check_new
from renex_jupyter.tasks import handover, kernel
from renex_jupyter.tasks.order import Order, Outcome

VALUES = "values"  # folder of what goes into the process and comes out of it, in that of the run


@dataclass(frozen=True, slots=True)
class OwnProcess:
    """Where a cell runs that does not run in the kernel; by default in a new process of the kernel's own Python."""

    python: str = sys.executable
    executor: str = "process"
    within: str = "."  # folder, in that of the run, where the values are laid out
    seen_as: str | None = None  # where the process sees that one; None: where it lies
    environment_id: str | None = None  # None: that of the state before
    action: Mapping[str, Any] = field(default_factory=dict)  # what is recorded besides of how it runs
    prepare: Prepare | None = None  # changes the order, see `run_order`; its `argv` is that of the cell already
    finish: Finish | None = None  # called at the end, see `run_order`


HERE = OwnProcess()


def run_cell(name: str, source: str, params: Mapping[str, Any]) -> tuple[Run, BaseException | None]:
    """Run a cell's body in the kernel as a run; the exception of the body is returned, for the magic to raise.

    Raises
    ------
    SyntaxError, RenexError : before anything is recorded.
    """
    session = current()
    kernel.check_cell(session.shell, source)
    check_new(session, name, params)
    active = open_run(session, name, kind="cell", source=source, params=params)
    active.held = True
    session.names.update(params)
    try:
        with kernel.shown_busy(session.shell):
            error = kernel.run_cell(session.shell, source, active.show)
    except BaseException as interrupt:  # one that came between the body and us
        close_after(active, interrupt)
        raise
    close_after(active, error)
    return recorded(active), error


def run_isolated(
    name: str,
    source: str,
    params: Mapping[str, Any],
    *,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    process: OwnProcess = HERE,
    limits: Limits = NO_LIMITS,
    parse_stdout: bool = False,
    detach: bool = False,
    echo: Callable[[str], None] | None = None,
) -> Run:
    """Run a cell's body in a process of its own as a run.

    Parameters
    ----------
    params : params of the run, and variables of the cell.
    inputs : variables of the notebook that are handed over; see `tasks/standalone/values.py` for what can be.
    outputs : variables of the cell that become variables of the notebook when it has ended well.

    Raises
    ------
    RenexError : `not_found`, `unsupported_value`, `invalid_argument` for what cannot be handed over, before anything is
        recorded; `corrupt` when the outputs are not what the cell is to leave. The notebook's variables are as they were.
    """
    session = current()
    check_new(session, name, params)
    if detach and outputs:
        hint = "Have the cell save it to a file, or leave --detach out."
        raise invalid_argument("a detached cell brings no variables back into the notebook.", hint)
    values = handover.pack(inputs, session.names, params)
    brought = _Brought(tuple(outputs))

    def finish(outcome: Outcome, folder: Path) -> None:
        brought.take(outcome, folder / process.within / VALUES)
        if process.finish is not None:
            process.finish(outcome, folder)

    def prepare(order: Order, folder: Path, environment: dict[str, str]) -> Order:
        laid_out = folder / process.within / VALUES
        cells = [handover.Cell(source)]
        handover.lay_out(laid_out, cells, name=name, values=values, outputs=outputs)
        seen = laid_out if process.seen_as is None else PurePosixPath(process.seen_as, VALUES)
        order = replace(order, argv=tuple(handover.command(process.python, seen)))
        return order if process.prepare is None else process.prepare(order, folder, environment)

    run = run_order(
        session,
        name=name,
        kind="cell",
        source=source,
        argv=(process.python,),
        cwd=_folder_of(session),
        params=params,
        executor=process.executor,
        action={**process.action, **_named("inputs", inputs), **_named("outputs", outputs)},
        environment_id=process.environment_id,
        limits=limits,
        parse_stdout=parse_stdout,
        prepare=prepare,
        finish=finish,
        echo=echo,
        detach=detach,
    )
    if brought.fault is not None:
        _note_fault(session, run, brought.fault)
        raise brought.fault
    session.names.update(brought.values)
    return run


class _Brought:
    """What a cell brings back."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.values: dict[str, Any] = {}
        self.fault: RenexError | None = None

    def take(self, outcome: Outcome, folder: Path) -> None:
        """Read it, once the cell has ended well."""
        if not self.names or outcome.status != "finished":
            return
        try:
            self.values = handover.read_outputs(folder, self.names)
        except RenexError as fault:
            self.fault = fault


def _note_fault(session: Session, run: Run, fault: RenexError) -> None:
    """Have the run say that what it was to bring back is not there."""
    after = {"status": "failed", "error": fault.line}
    session.store.write(Change("runs", run.run_id, "update", after, {"status": run.status}, namespace=run.namespace))


def _named(what: str, names: Sequence[str]) -> dict[str, list[str]]:
    return {what: list(names)} if names else {}


def _folder_of(session: Session) -> Path:
    """Return the folder in which a cell of the notebook runs: the kernel's current one."""
    try:
        return Path.cwd()
    except FileNotFoundError:  # somebody removed it
        return session.project
