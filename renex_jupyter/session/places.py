"""Which interpreter a rerun, or a workspace, gets: this one, or that of an environment which is built for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from renex_jupyter.analysis.packages import diff_packages
from renex_jupyter.query import environments as query
from renex_jupyter.records.diffs import PackageChange, State
from renex_jupyter.records.environments import Environment
from renex_jupyter.session.current import Session
from renex_jupyter.session.environment_builds import EnvironmentForRun, environment_for_run, moved_packages
from renex_jupyter.session.environments import CURRENT, find_environment

FRESH = "fresh"


def place_for(
    session: Session,
    recorded_id: str | None,
    wanted: str | None,
    echo: Callable[[str], None] | None = None,
    *,
    all_packages: bool = False,
) -> EnvironmentForRun:
    """Return where something is to run that was recorded in an environment.

    Parameters
    ----------
    wanted : name or id of an environment, "current", or None: the recorded one, which is this one where the same
        packages are installed here; "fresh": the recorded one, built even so.
    echo : gets the progress of a build.
    all_packages : build it with all packages: what a command imports is not known.

    Raises
    ------
    RenexError : `not_found`, `environment_unavailable` with what the installer said.
    """
    if wanted is None and recorded_id is not None:
        recorded = query.get_environment(session.store.reader, recorded_id)
        if not differences(recorded, find_environment(session, CURRENT)):
            return _here(recorded)
    fresh = wanted == FRESH
    chosen = (None if fresh else wanted) or recorded_id or CURRENT
    return environment_for_run(session, chosen, fresh=fresh, all_packages=all_packages, echo=echo)


def python_of(place: EnvironmentForRun) -> Path:
    """Return the interpreter of a place on this machine."""
    return Path(place.python or sys.executable)


def differences(one: Environment, other: Environment) -> tuple[PackageChange, ...]:
    """Return which packages differ, the interpreter among them; lock files do not matter to what is installed."""
    return diff_packages(*map(_as_state, (one, other)))


def in_checkout(session: Session, place: EnvironmentForRun, checkout: Path) -> EnvironmentForRun:
    """Return a place in which the packages that the project has installed in place are those of its checkout."""
    found = query.get_environment(session.store.reader, place.environment_id)
    return replace(place, variables={**place.variables, **moved_packages(session, found, checkout)})


def _as_state(environment: Environment) -> State:
    return State("", packages={each.name: each for each in environment.packages}, python=environment.python)


def _here(environment: Environment) -> EnvironmentForRun:
    """Return this interpreter for an environment that it is, but for lock files that have changed since."""
    paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return EnvironmentForRun(
        environment.environment_id, environment.title, True, sys.executable, variables={"PATH": paths}
    )
