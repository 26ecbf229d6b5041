"""Environments: what is installed here, and what was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renex_jupyter.capture import environment
from renex_jupyter.records.environments import Environment
from renex_jupyter.session.current import current
from renex_jupyter.session.purges import contents_gone
from renex_jupyter.session.snapshots import keep_environment

if TYPE_CHECKING:
    import pandas as pd


def capture_environment() -> Environment:
    """Keep the environment of this process and return it; the same packages give the same `environment_id`.

    The contents of its lock files are kept with it.
    """
    session = current()
    session.begin()
    path = session.notebook
    made = environment.capture_environment(
        session.project,
        beside=path.parent if path else None,
        blobs=session.store.blobs,
        purged=contents_gone(session.store),
    )
    keep_environment(session.store, made)
    return made


def list_environments() -> pd.DataFrame:
    """Return the kept environments as a DataFrame, with the number of packages and of runs in each."""
    return current().store.reader.frame(
        """
        select environment_id, python, implementation, platform, name,
               (select count(*) from packages p where p.environment_id = e.environment_id) as packages,
               (select count(*) from runs r where r.environment_id = e.environment_id) as runs
        from environments e"""
    )
