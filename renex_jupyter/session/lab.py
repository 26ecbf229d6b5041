"""JupyterLab or Notebook on a kept state, in its environment: to look at it, and to go on from there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from renex_jupyter.config import NOTEBOOK_VARIABLE
from renex_jupyter.errors import RenexError, invalid_argument
from renex_jupyter.ids import short
from renex_jupyter.query import snapshots as query
from renex_jupyter.records.snapshots import Snapshot
from renex_jupyter.session import checkouts, family
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.diffs import find_state
from renex_jupyter.session.environment_builds import EnvironmentForRun
from renex_jupyter.session.places import place_for, python_of
from renex_jupyter.tasks.plan import MARKER

PROGRAMS = {"lab": ("jupyterlab", "LabApp", "lab/tree"), "notebook": ("notebook", "JupyterNotebookApp", "notebooks")}


@dataclass(frozen=True, slots=True)
class Workspace:
    """A folder and the server that is to be started on it."""

    folder: Path
    argv: tuple[str, ...]
    environment: dict[str, str]
    notes: tuple[str, ...] = ()

    def start(self) -> int:
        """Become the server, so that every signal is for it; where no process can become another one, wait for it."""
        if os.name == "posix":
            sys.stdout.flush()
            sys.stderr.flush()
            os.chdir(self.folder)
            os.execve(self.argv[0], list(self.argv), self.environment)  # noqa: S606  no shell is meant
        return subprocess.run(self.argv, cwd=self.folder, env=self.environment, check=False).returncode


def workspace(
    program: str = "lab",
    snapshot_id: object = None,
    *,
    to: str | os.PathLike[str] | None = None,
    environment: str | None = None,
    browser: bool = True,
    arguments: Sequence[str] = (),
) -> Workspace:
    """Make a workspace: a snapshot (or a run's state) checked out into a folder, and the command that opens it.

    Parameters
    ----------
    program : "lab" or "notebook".
    snapshot_id : None: the project as it is.
    to : folder; None: `checkout-<id>` in the project. One that holds a checkout of this snapshot already is opened as it
        is now.
    environment : name or id; "current"; None: that of the snapshot, which is built if need be.
    arguments : more words for the program.

    Raises
    ------
    RenexError : what a checkout raises; `environment_unavailable` where the program is not installed in the environment.
    """
    if program not in PROGRAMS:
        raise invalid_argument(f"there is no workspace '{program}'.", f"Use one of {', '.join(PROGRAMS)}.")
    session = current()
    notes: tuple[str, ...] = ()
    if snapshot_id is None:
        if to is not None:
            raise invalid_argument("without a snapshot there is nothing to check out.", "Name one: renex ls snapshots")
        folder, notebook = session.project, None
        place = place_for(session, None, environment or "current")
    else:
        snapshot = query.get_snapshot(session.store.reader, find_state(session, snapshot_id))
        place = place_for(session, snapshot.environment_id, environment)
        _check_installed(program, place)
        folder, notes = _checked_out(session, snapshot, to)
        notebook = snapshot.notebook if snapshot.notebook and (folder / snapshot.notebook).is_file() else None
    _check_installed(program, place)
    argv = _command(program, python_of(place), folder, notebook, browser=browser, arguments=arguments)
    return Workspace(folder, argv, _environment(place), (*notes, *place.notes))


def _checked_out(
    session: Session, snapshot: Snapshot, to: str | os.PathLike[str] | None
) -> tuple[Path, tuple[str, ...]]:
    target = Path.cwd() / to if to is not None else session.project / f"checkout-{short(snapshot.snapshot_id)}"
    if _marked(target) == snapshot.snapshot_id:
        return target, (f"{target.name} is there already, and opened as it is now",)
    done = checkouts.checkout(snapshot.snapshot_id, target)
    left = tuple(f"not there: {path} ({why})" for path, why in done.skipped)
    return Path(done.path), (*left, *done.notes)


def _marked(folder: Path) -> str | None:
    """Return of which snapshot a folder is a checkout."""
    try:
        told = json.loads((folder / MARKER).read_bytes())
        return str(told["snapshot_id"])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _check_installed(program: str, place: EnvironmentForRun) -> None:
    """Refuse an environment without the program before a server fails in it.

    Raises
    ------
    RenexError : `environment_unavailable`.
    """
    module = PROGRAMS[program][0]
    asked = f"import importlib.util, sys; sys.exit(importlib.util.find_spec('{module}') is None)"
    done = subprocess.run([str(python_of(place)), "-I", "-c", asked], capture_output=True, check=False)
    if done.returncode:
        hint = f"--env current opens it with what is installed here; or: {python_of(place)} -m pip install {module}"
        if place.current:
            hint = f"Install it: {python_of(place)} -m pip install {module}"
        raise RenexError("environment_unavailable", f"{place.title} has no {module}.", hint)


def _command(
    program: str, python: Path, folder: Path, notebook: str | None, *, browser: bool, arguments: Sequence[str]
) -> tuple[str, ...]:
    module, app, where = PROGRAMS[program]
    words = [str(python), "-m", module, f"--ServerApp.root_dir={folder}"]
    if notebook:
        words.append(f"--{app}.default_url=/{where}/{quote(notebook)}")
    return (*words, *([] if browser else ["--no-browser"]), *arguments)


def _environment(place: EnvironmentForRun) -> dict[str, str]:
    """Return the variables of the server: its kernels are those of its environment, and no run of ours is theirs."""
    told = {name: value for name, value in os.environ.items() if name not in (*family.NAMES, NOTEBOOK_VARIABLE)}
    told = {name: value for name, value in told.items() if name not in place.unset}
    return {**told, **place.variables, "JUPYTER_PREFER_ENV_PATH": "1"}
