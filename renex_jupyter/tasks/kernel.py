"""Run the body of a cell in the kernel so that it behaves as if it stood in the cell alone."""

from __future__ import annotations

from typing import Any

from renex_jupyter.errors import RenexError


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


def run_cell(shell: Any, source: str) -> BaseException | None:
    """Run a cell's body; show its output, and return its exception instead of showing it.

    The caller raises the exception again, so that IPython prints it once, the cell counts as failed and "Run All"
    stops there. IPython hides every frame above the user's own (`__ipython_bottom__`).
    """
    handlers, handler = shell.custom_exceptions, shell.CustomTB
    shell.set_custom_exc((BaseException,), _say_nothing)
    try:
        result = shell.run_cell(source, store_history=False)
    finally:
        shell.custom_exceptions, shell.CustomTB = handlers, handler
    error: BaseException | None = result.error_before_exec or result.error_in_exec
    return error


def _say_nothing(
    shell: Any, kind: type[BaseException], error: BaseException, trace: Any, tb_offset: int | None = None
) -> None:
    """Stand in for IPython's traceback printer while the body runs."""
