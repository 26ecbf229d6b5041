"""Asking the policies of a model on demand: what they would do, or to have it done."""

from __future__ import annotations

from renex_jupyter.errors import RenexError, invalid_argument, shown
from renex_jupyter.query import models
from renex_jupyter.query import policies as query
from renex_jupyter.records.model_words import number_of
from renex_jupyter.records.models import Model, ModelVersion
from renex_jupyter.records.policies import Verdicts
from renex_jupyter.session.current import current
from renex_jupyter.session.verdicts import Work, ask


def evaluate_policies(
    model: str | Model, version: int | str | ModelVersion | None = None, *, dry_run: bool = True
) -> Verdicts:
    """Ask every policy of a model that is enabled, and return what each says of each version, with its reason.

    Parameters
    ----------
    model : name, `namespace/name`, id, or what `create_model` returned.
    version : only about this one, and nothing is done to another: its number, "v3", a reference, or what
        `register_model` returned. An alias goes to it or stays where it is. None: about every version that is active,
        and about the checkpoints that are not a version yet.
    dry_run : False: do what the policies say (set aliases, make versions of checkpoints, release contents) and record
        the verdicts that changed. What is released cannot be loaded again.

    Raises
    ------
    RenexError : `not_found` for the model or the version, `invalid_argument`, `locked`.
    """
    if not isinstance(dry_run, bool):
        raise invalid_argument(f"dry_run {shown(dry_run)} is neither True nor False.", "Use one of both.")
    return evaluate(model, version, acts=not dry_run, releases=True)


def evaluate(
    model: str | Model, version: int | str | ModelVersion | None = None, *, acts: bool, releases: bool
) -> Verdicts:
    """Ask the policies of a model, see `evaluate_policies`.

    Parameters
    ----------
    acts : do what they say, and record it.
    releases : also let contents go, which cannot be undone.
    """
    session = current()
    read = session.store.reader
    row = models.find_model(read, model, session.namespace)
    wanted = None if version is None else {_version_id(row, version)}
    found = query.policies_of(read, row["model_id"])
    work = Work(session, row, wanted, checkpoints=wanted is None, acts=acts, releases=releases, only=wanted is not None)
    verdicts = ask(work, found) if found else []
    return Verdicts(work.title, tuple(verdicts), not acts, len(found))


def _version_id(model: dict[str, object], version: object) -> str:
    """Return the id of a version of this model."""
    session = current()
    read = session.store.reader
    number = number_of(version)
    if number is not None:
        return str(models.numbered(read, model, number)["model_version_id"])
    row = models.find_version(read, version, session.namespace)
    if row["model_id"] != model["model_id"]:
        said = f"{row['namespace']}/{row['model']}:{row['version']}"
        raise RenexError("not_found", f"{said} is no version of model '{model['name']}'.", "Give one of its own.")
    return str(row["model_version_id"])
