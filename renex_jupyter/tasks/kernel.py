"""Run the body of a cell in the kernel so that it behaves as if it stood in the cell alone."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any

from renex_jupyter.errors import RenexError

AGAIN = (0.1, 0.4, 1.5, 3.0, 10.0)  # seconds between two words


def check_cell(shell: Any, source: str) -> None:
    """Refuse a body that Python cannot read, or that awaits at its top level.

    Raises
    ------
    SyntaxError : as the cell alone would raise it.
    RenexError : `invalid_argument` for top-level `await`, which a cell magic cannot run.
    """
    transformed = shell.transform_cell(source)
    shell.compile.ast_parse(transformed)
    if shell.should_run_async(source, transformed_cell=transformed):
        hint = (
            "Put it into an async function and run that outside of the task, or use `with rx.start_run():` in the cell."
        )
        raise RenexError("invalid_argument", "a task cannot await at the top level of its cell.", hint)


def run_cell(shell: Any, source: str, told: Callable[[str], None]) -> BaseException | None:
    """Run a cell's body; show its output, and return its exception instead of showing it.

    Parameters
    ----------
    told : gets the traceback as text; it is not printed.

    The caller raises the exception again, so that IPython prints it once, the cell counts as failed and "Run All"
    stops there. IPython hides every frame above the user's own (`__ipython_bottom__`).
    """
    handlers, handler, show = shell.custom_exceptions, shell.CustomTB, shell.showtraceback

    def show_but_exits(*args: Any, **kwargs: Any) -> None:
        if not isinstance(sys.exc_info()[1], SystemExit):  # which IPython shows itself, before it asks for `CustomTB`
            show(*args, **kwargs)

    shell.set_custom_exc((BaseException,), _teller(told))
    ours, shell.showtraceback = shell.CustomTB, show_but_exits
    try:
        result = shell.run_cell(source, store_history=False)
    finally:  # what the cell itself has set stays
        if shell.CustomTB == ours:
            shell.custom_exceptions, shell.CustomTB = handlers, handler
        if shell.showtraceback is show_but_exits:
            shell.showtraceback = show
    error: BaseException | None = result.error_before_exec or result.error_in_exec
    return error


@contextmanager
def shown_busy(shell: Any) -> Iterator[None]:
    """Have the page show the kernel as busy while the block runs.

    A subshell that took the page's answer reports `idle` when it is done, and JupyterLab shows the last word it got.
    So `busy` is said again, a few times, because that word may come late; never after the block, when it is not true.
    """
    kernel = getattr(shell, "kernel", None)
    publish = getattr(kernel, "_publish_status", None)  # ipykernel offers no other way
    if kernel is None or publish is None:
        yield
        return
    parent = kernel.get_parent("shell")
    over, lock = threading.Event(), threading.Lock()

    def say_again() -> None:
        for pause in AGAIN:
            if over.wait(pause):
                return
            with lock, suppress(Exception):
                if not over.is_set():
                    publish("busy", "shell", parent)

    threading.Thread(target=say_again, name="renex-busy", daemon=True).start()
    try:
        yield
    finally:
        with lock:
            over.set()


def _teller(told: Callable[[str], None]) -> Callable[..., None]:
    """Return what stands in for IPython's traceback printer while the body runs."""

    def tell(
        shell: Any,
        kind: type[BaseException],
        error: BaseException,
        trace: TracebackType | None,
        tb_offset: int | None = None,  # noqa: ARG001  part of IPython's protocol
    ) -> None:
        ours = shell.run_code.__func__.__code__.co_filename
        while trace is not None and trace.tb_frame.f_code.co_filename == ours:
            trace = trace.tb_next
        with suppress(Exception):  # an exception can fail to say itself
            told("".join(traceback.format_exception(kind, error, trace)))

    return tell
