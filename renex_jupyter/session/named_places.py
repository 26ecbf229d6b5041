"""What has a name of its own in a namespace, models and datasets: where a new one belongs, and what a change of one writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from renex_jupyter.errors import RenexError, invalid_argument
from renex_jupyter.records.changes import Change
from renex_jupyter.records.datasets import Dataset
from renex_jupyter.records.model_words import checked_word
from renex_jupyter.records.models import Model
from renex_jupyter.session.current import Session
from renex_jupyter.session.described import changed
from renex_jupyter.session.first_use import namespace_changes
from renex_jupyter.session.points import checked_name
from renex_jupyter.store.store import Store


def named_place(
    session: Session,
    what: str,
    name: object,
    namespace: str | None,
    *,
    parted: Callable[[str], tuple[str, str]],
    example: str,
) -> tuple[str, str]:
    """Return namespace and name of what may be new, from its name with or without a namespace.

    Parameters
    ----------
    what : "model" or "dataset".
    parted : returns namespace and name of a name with a namespace, or says what is wrong with it.
    example : a call that names a namespace.

    Raises
    ------
    RenexError : `invalid_argument` for a name that is none, and for two namespaces.
    """
    if isinstance(name, str) and "/" in name and not {":", "@"} & set(name):
        home, own = parted(name)
        if namespace is not None and namespace != home:
            fact = f"'{name}' is in namespace '{home}', not in '{namespace}'."
            raise invalid_argument(fact, "Give the namespace once.")
        namespace, name = home, own
    word = checked_word(what, name)
    return checked_name("namespace", session.namespace if namespace is None else namespace, example), word


def write_edit(
    store: Store,
    what: str,
    before: Model | Dataset,
    after: Mapping[str, Any],
    named: Callable[[Store, str, str], Mapping[str, Any] | None],
) -> None:
    """Write those of some fields that are others than before. The caller is `alone`.

    Parameters
    ----------
    what : "model" or "dataset".
    named : returns what has a name in a namespace.

    Raises
    ------
    RenexError : `conflict` for a name that another one of the namespace has.
    """
    after = changed(after, before)
    place = (after.get("namespace", before.namespace), after.get("name", before.name))
    if place != (before.namespace, before.name) and named(store, *place) is not None:
        raise RenexError("conflict", f"there is a {what} '{'/'.join(place)}' already.", "Take another name.")
    if after:
        was = {field: getattr(before, field) for field in after}
        change = Change(f"{what}s", getattr(before, f"{what}_id"), "update", after, was, place[0])
        store.write(*namespace_changes(store, place[0]), change)
