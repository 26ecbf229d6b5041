"""Run cells in a fresh process: `python run_cells.py SPEC`, with a JSON file that says which and how.

    cells           [{"source": text, "expect_error": whether it is to fail; false}, ...]
    name            what a traceback calls the cell, and `sys.argv[0]`; "cell"
    shell           true: in one IPython shell with In, Out and counts, as a notebook is replayed;
                    false: IPython is asked only where a cell has a magic in it
    load_extension  whether renex_jupyter's magics are loaded before the first cell
    inputs          folder, seen from that of SPEC, of values that are variables of the cells, see values.py; or null
    outputs         {"folder": seen from that of SPEC, "names": variables that are written there when all went well}; or null

The process ends as a script would: status 1 after an error, what `sys.exit` said, by the signal of an interrupt. In
`__main__` are the variables of the cells and nothing of this program. Python 3.9 is enough.
"""

from __future__ import annotations

import ast
import asyncio
import builtins
import importlib.util
import json
import linecache
import os
import sys
import traceback
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any, NoReturn

SPEC_VARIABLE = "RENEX_CELLS"  # tells the processes that multiprocessing spawns what to define again
HERE = Path(__file__).absolute()
INLINE = "matplotlib_inline"
AWAITS = 0x80  # inspect.CO_COROUTINE, without the import


def main(path: str) -> None:
    """Run the cells of a spec in this process."""
    spec = json.loads(Path(path).read_text(encoding="utf-8"))
    space = _prepare(path, spec)
    cells = spec["cells"]
    if spec.get("inputs"):
        vars(space).update(_read(Path(path).parent / spec["inputs"]))
    pid, ended = os.getpid(), None
    try:
        if spec.get("shell") or spec.get("load_extension") or any(_needs_shell(each["source"]) for each in cells):
            _run_in_shell(space, spec)
        else:
            for each in cells:
                _run_plainly(space, each["source"], f"<{spec.get('name', 'cell')}>")
    except SystemExit as error:
        if error.code not in (None, 0):
            raise
        ended = error
    if spec.get("outputs") and os.getpid() == pid:  # not in a child that the cell has forked and left running
        _write(vars(space), Path(path).parent / spec["outputs"]["folder"], spec["outputs"]["names"])
    if ended is not None:
        raise ended


def _prepare(path: str, spec: dict[str, Any]) -> ModuleType:
    """Make the process what a cell expects: modules from the current folder, and an empty `__main__`."""
    if sys.path and Path(sys.path[0]).absolute() == HERE.parent:
        sys.path[0] = ""
    elif "" not in sys.path:
        sys.path.insert(0, "")
    sys.argv = [spec.get("name", "cell")]
    os.environ[SPEC_VARIABLE] = str(Path(path).absolute())
    backend = os.environ.get("MPLBACKEND", "")
    if INLINE in backend and importlib.util.find_spec(INLINE) is None:  # what the notebook's kernel said
        os.environ["MPLBACKEND"] = "agg"
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    sys.excepthook = _show_error
    builtins.display = _display  # type: ignore[attr-defined]  # IPython puts its own there
    space = ModuleType("__main__", None)
    space.__file__ = str(HERE)  # what spawned processes run as `__mp_main__`
    vars(space)["__builtins__"] = builtins
    sys.modules["renex_run_cells"] = sys.modules["__main__"]
    sys.modules["__main__"] = space
    return space


def _needs_shell(source: str) -> bool:
    """Say whether a cell is more than Python: magics, `!command`, `name?`."""
    if "get_ipython" in source:
        return True
    try:
        _parsed(source, "<cell>")
    except SyntaxError:
        return importlib.util.find_spec("IPython") is not None  # without it Python says what is wrong
    return False


def _parsed(source: str, name: str) -> ast.Module:
    tree = compile(source, name, "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    assert isinstance(tree, ast.Module)
    return tree


def _compiled(tree: ast.Module | ast.Interactive, name: str, mode: str) -> CodeType:
    code = compile(tree, name, mode, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    assert isinstance(code, CodeType)
    return code


def _run_plainly(space: ModuleType, source: str, name: str) -> None:
    """Run a cell that is Python only; the value of its last expression is shown."""
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    tree = _parsed(source, name)
    shows = bool(tree.body) and isinstance(tree.body[-1], ast.Expr) and not source.rstrip().endswith(";")
    last = ast.Interactive([tree.body.pop()]) if shows else None
    codes = [_compiled(tree, name, "exec"), *([_compiled(last, name, "single")] if last else [])]
    if any(code.co_flags & AWAITS for code in codes):
        asyncio.run(_run_awaiting(space, codes))
        return
    for code in codes:
        exec(code, vars(space))  # noqa: S102  what this program is for


async def _run_awaiting(space: ModuleType, codes: list[CodeType]) -> None:
    for code in codes:
        awaitable = eval(code, vars(space))  # noqa: S307  as above
        if code.co_flags & AWAITS:
            await awaitable


def _run_in_shell(space: ModuleType, spec: dict[str, Any]) -> None:
    """Run the cells in IPython, up to the first that fails and was not to."""
    shell = _shell(space)
    shell.of_a_task = not (spec.get("shell") or spec.get("load_extension"))  # then its run is the one that was told
    if spec.get("load_extension"):
        if importlib.util.find_spec("renex_jupyter") is None:
            _give_up("the cells use renex_jupyter, which is not installed in this environment.")
        shell.run_line_magic("load_ext", "renex_jupyter")
    cells = spec["cells"]
    for number, cell in enumerate(cells, 1):
        result = shell.run_cell(cell["source"], store_history=True)
        error = result.error_before_exec or result.error_in_exec
        if error is not None and not cell.get("expect_error"):
            _leave(error, f"cell {number} of {len(cells)}" if len(cells) > 1 else "")


def _shell(space: ModuleType) -> Any:
    try:
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets.config import Config
    except ImportError as error:
        _give_up(f"the cells need IPython, and this environment has none that works: {error}.")

    class Shell(InteractiveShell):
        def enable_gui(self, gui: str | None = None) -> None:
            """Have no event loop; `%matplotlib inline` asks for none."""

    config = Config()
    config.HistoryManager.hist_file = ":memory:"
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.banner1 = ""
    return Shell.instance(user_module=space, user_ns=vars(space), config=config)


def _leave(error: BaseException, where: str) -> None:
    """End after an error that IPython has shown."""
    if isinstance(error, SystemExit):
        raise error
    if where:
        text = traceback.format_exception_only(error)[-1].splitlines()[0]
        print(f"renex: {where} failed ({text}); what comes after it did not run.", file=sys.stderr)
    if isinstance(error, KeyboardInterrupt):
        sys.excepthook = lambda *_: None
        raise error
    sys.exit(1)


def _give_up(why: str) -> NoReturn:
    sys.exit(f"renex: {why}")


def _show_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback without the frames of this program."""
    while trace is not None and trace.tb_frame.f_code.co_filename in (__file__, asyncio.runners.__file__):
        trace = trace.tb_next
    traceback.print_exception(kind, error, trace)


def _display(*values: Any, **options: Any) -> Any:
    try:
        from IPython.display import display
    except ImportError:
        print(*map(repr, values), sep="\n")
        return None
    return display(*values, **options)  # type: ignore[no-untyped-call]


def _values() -> Any:
    """Return values.py, which lies beside this file."""
    spec = importlib.util.spec_from_file_location("renex_values", HERE.with_name("values.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _read(folder: Path) -> dict[str, Any]:
    values = _values()
    try:
        return values.read(lambda name: (folder / name).open("rb"))  # type: ignore[no-any-return]
    except values.Refused as refused:
        _give_up(f"the inputs cannot be read here: {refused}")


def _write(space: dict[str, Any], folder: Path, names: list[str]) -> None:
    missing = [name for name in names if name not in space]
    if missing:
        _give_up(f"the output {', '.join(map(repr, missing))} is no variable at the end of the cell.")
    values = _values()
    try:
        values.Packed({name: space[name] for name in names}).write(folder)
    except values.Refused as refused:
        _give_up(f"the output {refused}")


def _define_again(space: dict[str, Any]) -> None:
    """Give a process that multiprocessing spawned what the cells define, and not run them a second time.

    A cell with `if __name__ == "__main__"` is run but for that, as a script is. Of any other one only imports,
    functions, classes and constants are defined.
    """
    path = Path(os.environ[SPEC_VARIABLE])
    spec = json.loads(path.read_text(encoding="utf-8"))
    codes = []
    for cell in spec["cells"]:
        try:
            tree = _parsed(cell["source"], name := f"<{spec.get('name', 'cell')}>")
        except SyntaxError:  # with magics in it
            continue
        if not any(_is_guard(each) for each in tree.body):
            tree.body = [each for each in tree.body if _only_defines(each)]
        codes.append(_compiled(tree, name, "exec"))
    given = _read(path.parent / spec["inputs"]) if spec.get("inputs") else {}
    for each in [each for each in space if not each.startswith("__")]:
        del space[each]
    space.update(given)
    for code in codes:
        exec(code, space)  # noqa: S102  as above


def _is_guard(each: ast.stmt) -> bool:
    return isinstance(each, ast.If) and "__name__" in ast.dump(each.test)


def _only_defines(each: ast.stmt) -> bool:
    if isinstance(each, (ast.Assign, ast.AnnAssign)):
        return isinstance(each.value, ast.Constant)
    return isinstance(each, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))


if __name__ == "__main__":
    main(sys.argv[1])
elif __name__ == "__mp_main__":
    _define_again(globals())
