"""Tags on anything that has an id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from renex_jupyter.capture.secrets import redact
from renex_jupyter.errors import invalid_argument, not_found
from renex_jupyter.query.owners import find_owner
from renex_jupyter.query.tags import tags_of
from renex_jupyter.records.changes import Change
from renex_jupyter.records.keys import checked
from renex_jupyter.records.owners import Owner
from renex_jupyter.records.values import checked_text
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.runs import active_run
from renex_jupyter.store.store import Store


def put_tags(tags: Mapping[str, Any], on: object) -> None:
    """Put tags on any object; a value is kept as text.

    Raises
    ------
    RenexError : `invalid_argument` for a key that is none; `not_found`, `ambiguous` for `on`; `too_large`.
    """
    told = checked_tags(tags)
    session = current()
    owner = find_owner(session.store.reader, on, session.namespace)
    session.begin()
    session.store.write(*tag_changes(session.store, owner, told))
    _note(session, owner, told)


def delete_tag(key: str, on: object = None) -> None:
    """Take a tag away; it can be set again.

    Parameters
    ----------
    on : what has it, as in `set_tag`; None: the open run.

    Raises
    ------
    RenexError : `not_found` where there is no such tag; `invalid_argument`, `ambiguous`.
    """
    key = checked("tag", key)
    session = current()
    wanted = on if on is not None else active_run()
    if wanted is None:
        raise invalid_argument("no run is open.", "Say whose tag it is: rx.delete_tag(key, on='run:train').")
    session.begin()
    store = session.store
    owner = find_owner(store.reader, wanted, session.namespace)
    tags = tags_of(store.reader, owner.id)
    if key not in tags:
        raise not_found(f"tag of {owner.title}", key, list(tags), listing="rx.sql('from tags')")
    store.write(_change(owner, key, None, tags[key]))
    _note(session, owner, {key: None})


def _note(session: Session, owner: Owner, tags: Mapping[str, str | None]) -> None:
    """Have an open run know what its tags are now."""
    for active in list(session.runs):
        if (owner.kind, owner.id) == ("run", active.run_id):
            for key, value in tags.items():
                active.facts.note_tag(key, value)


def checked_tags(tags: object) -> dict[str, str]:
    """Return tags as they are kept: texts by key, without secrets.

    Raises
    ------
    RenexError : `invalid_argument` for what is no mapping, or a key that is none; `unsupported_value`, `too_large`.
    """
    if not isinstance(tags, Mapping):
        raise invalid_argument(f"tags are no {type(tags).__name__}.", "Give a dict, such as {'who': 'ada'}.")
    keys = [checked("tag", key) for key in tags]
    return {key: checked_text(f"tag '{key}'", str(redact(tags[key], key))) for key in keys}


def tag_changes(store: Store, owner: Owner, tags: Mapping[str, str]) -> list[Change]:
    """Return the changes that set some tags; none for one that is so already."""
    had = tags_of(store.reader, owner.id) if tags and store.exists else {}
    return [_change(owner, key, value, had.get(key)) for key, value in tags.items() if had.get(key) != value]


def _change(owner: Owner, key: str, value: str | None, before: str | None) -> Change:
    """Return the change of one tag; it is taken away by a null, since what is deleted never comes back."""
    after = {"owner_kind": owner.kind, "owner_id": owner.id, "key": key, "value": value}
    was = None if before is None else {"value": before}
    return Change("tags", f"{owner.id}/{key}", "update", after, was, owner.namespace)
