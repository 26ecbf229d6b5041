"""What is looked at again when something is logged: the policies of the model that it is about."""

from __future__ import annotations

from renex_jupyter.records.artifacts import Checkpoint
from renex_jupyter.records.models import ModelVersion
from renex_jupyter.records.owners import Owner
from renex_jupyter.session.current import Session


def version_registered(session: Session, version: ModelVersion | str) -> None:
    """Apply the policies of a model to a new version of it (a record, or its id); never in the way."""


def metrics_logged(session: Session, owner: Owner) -> None:
    """Apply the policies of what metrics were logged on: a model version, a checkpoint, or an evaluation of one."""


def checkpoint_logged(session: Session, checkpoint: Checkpoint | str) -> None:
    """Ask the policies that make versions of checkpoints for a new one (a record, or its id); never in the way."""
