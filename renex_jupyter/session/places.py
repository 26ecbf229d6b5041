"""Which interpreter a rerun, or a workspace, gets: this one, or that of an environment which is built for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from renex_jupyter.analysis.packages import diff_packages
from renex_jupyter.capture import environment as environments
from renex_jupyter.errors import RenexError
from renex_jupyter.ids import short
from renex_jupyter.query import environments as query
from renex_jupyter.records.diffs import PackageChange, State
from renex_jupyter.records.environments import Environment
from renex_jupyter.session.current import Session
from renex_jupyter.session.environments import keep_environment

CURRENT = "current"


@dataclass(frozen=True, slots=True)
class Place:
    """An interpreter with its packages."""

    python: Path
    environment_id: str
    title: str
    current: bool = False  # it is that of this process
    notes: tuple[str, ...] = ()  # what is other than recorded
    variables: Mapping[str, str] = field(default_factory=dict)  # of the processes in it


def place_for(
    session: Session, recorded_id: str | None, wanted: str | None, echo: Callable[[str], None] | None = None
) -> Place:
    """Return where something is to run that was recorded in an environment.

    Parameters
    ----------
    wanted : name or id of an environment, "current", or None: the recorded one, which is this one where the same
        packages are installed here.
    echo : gets the progress of a build.

    Raises
    ------
    RenexError : `not_found`, `environment_unavailable` with what the installer said.
    """
    made = present(session)
    if wanted == CURRENT or (wanted is None and recorded_id is None):
        return _here(made.environment_id)
    read = session.store.reader
    environment_id = query.find_environment(read, wanted) if wanted is not None else str(recorded_id)
    if environment_id == made.environment_id or not differences(query.get_environment(read, environment_id), made):
        return _here(environment_id)
    return _built(session, environment_id, echo)


def present(session: Session) -> Environment:
    """Return the environment of this process, which the store knows from now on."""
    made = environments.capture_environment(session.project, blobs=session.store.blobs)
    keep_environment(session.store, made)
    return made


def differences(one: Environment, other: Environment) -> tuple[PackageChange, ...]:
    """Return which packages differ, the interpreter among them; lock files do not matter to what is installed."""
    return diff_packages(
        *(State("", packages={p.name: p for p in each.packages}, python=each.python) for each in (one, other))
    )


def _here(environment_id: str) -> Place:
    folder = str(Path(sys.executable).parent)
    variables = {"PATH": os.pathsep.join([folder, os.environ.get("PATH", os.defpath)])}
    return Place(Path(sys.executable), environment_id, "this environment", current=True, variables=variables)


def _built(session: Session, environment_id: str, echo: Callable[[str], None] | None) -> Place:
    from renex_jupyter.session.environment_builds import build_environment  # installers are needed for this only

    made = build_environment(environment_id, echo=echo)
    if made.python is None or made.path is None:
        raise RenexError("environment_unavailable", f"environment {short(environment_id)} has no interpreter here.")
    python = Path(made.python)
    variables = {
        "PATH": os.pathsep.join([str(python.parent), os.environ.get("PATH", os.defpath)]),
        "VIRTUAL_ENV": made.path,
    }
    title = f"environment {short(environment_id)}"
    return Place(python, environment_id, title, notes=made.notes, variables=variables)
