"""Cells on their way into a process of their own, with the variables that they take along and bring back."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from stat import S_ISREG
from typing import Any, BinaryIO

from renex_jupyter.errors import RenexError, invalid_argument, not_found
from renex_jupyter.tasks import standalone
from renex_jupyter.tasks.folders import READ, Branch, opened
from renex_jupyter.tasks.standalone.values import Packed, Refused, read

SPEC, PROGRAM = "spec.json", "run_cells.py"
PROGRAMS = (PROGRAM, "values.py")
INPUTS, OUTPUTS = "in", "out"


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell to run."""

    source: str
    expect_error: bool = False  # go on where it fails


def pack(names: Sequence[str], variables: Mapping[str, Any], params: Mapping[str, Any]) -> Packed:
    """Return the variables that a cell takes along, checked; params are variables of it, too.

    Raises
    ------
    RenexError : `invalid_argument` for a name that is a param, too, `not_found` for one that is no variable,
        `unsupported_value` for one that cannot be handed over.
    """
    for name in names:
        if name in params:
            raise invalid_argument(f"'{name}' is a param and an input.", "The cell has its params without --inputs.")
        if name not in variables:
            raise not_found("variable", name, [each for each in variables if not each.startswith("_")], listing="%whos")
    try:
        return Packed({**params, **{name: variables[name] for name in names}})
    except Refused as refused:
        raise RenexError("unsupported_value", refused.message, refused.hint) from None


def variable_names(text: str | None, option: str) -> tuple[str, ...]:
    """Return the names that `--inputs a,b` gives.

    Raises
    ------
    RenexError : `invalid_argument`.
    """
    names = tuple(dict.fromkeys(each.strip() for each in (text or "").split(",") if each.strip()))
    for name in names:
        if not name.isidentifier():
            raise invalid_argument(f"{name!r} is not the name of a variable.", f"Write {option} a,b without spaces.")
    return names


def lay_out(
    folder: Path,
    cells: Iterable[Cell],
    *,
    name: str,
    values: Packed | None = None,
    outputs: Sequence[str] = (),
    shell: bool = False,
    load_extension: bool = False,
) -> None:
    """Write into a new folder all that a process needs to run cells: the program, the cells and their variables.

    The folder can be moved, or be seen from elsewhere, before `command` is run.

    Parameters
    ----------
    outputs : names of the variables that the process writes there when all went well.
    shell : the cells run in IPython as a notebook's do, not only where they have magics.
    load_extension : load our magics first.

    Raises
    ------
    RenexError : `unsupported_value`; a full disk is an OSError.
    """
    folder.mkdir(mode=0o700, parents=True)
    here = Path(standalone.__file__).parent
    for program in PROGRAMS:
        (folder / program).write_bytes((here / program).read_bytes())
    if values is not None:
        values.write(folder / INPUTS)
    spec = {
        "cells": [asdict(each) for each in cells],
        "name": name,
        "shell": shell,
        "load_extension": load_extension,
        "inputs": INPUTS if values is not None else None,
        "outputs": {"folder": OUTPUTS, "names": list(outputs)} if outputs else None,
    }
    (folder / SPEC).write_text(json.dumps(spec), encoding="utf-8")


def command(python: str, folder: str | PurePath) -> list[str]:
    """Return the command that runs what was laid out, as the process sees the folder."""
    return [python, str(PurePath(folder, PROGRAM)), str(PurePath(folder, SPEC))]


def read_outputs(folder: Path, names: Sequence[str]) -> dict[str, Any]:
    """Return the variables that a process has left in its folder; whatever it wrote can only be data.

    Parameters
    ----------
    folder : that was laid out. Only this name is trusted: the process may have put anything into it.

    Raises
    ------
    RenexError : `corrupt` when they are not there, or are something else.
    """
    try:
        with opened(folder) as top, Branch(top, make=False) as branch:
            inner = branch.at((OUTPUTS,))
            found = read(lambda name: _open(inner.path / name, name, inner.descriptor))
    except (Refused, OSError, RenexError) as error:
        reason = error.message if isinstance(error, (Refused, RenexError)) else f"{error}."
        hint = getattr(error, "hint", "") or "Was something else written into the folder of the run?"
        raise RenexError("corrupt", f"the outputs of the cell were not brought back: {reason}", hint) from None
    if missing := [name for name in names if name not in found]:
        raise RenexError(
            "corrupt", f"the cell left no output '{missing[0]}'.", "The notebook's variables are unchanged."
        )
    return {name: found[name] for name in names}


def _open(path: Path, name: str, within: int | None) -> BinaryIO:
    descriptor = os.open(path if within is None else name, READ, dir_fd=within)
    if not S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Refused(f"'{name}' is no file.")
    return os.fdopen(descriptor, "rb")
