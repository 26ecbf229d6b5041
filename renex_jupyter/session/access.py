"""Who may enter the store: told, and changed."""

from __future__ import annotations

import dataclasses

from renex_jupyter.errors import invalid_argument, shown, text_argument
from renex_jupyter.records.access import MODES, Access
from renex_jupyter.session.current import current
from renex_jupyter.store import access as accesses
from renex_jupyter.store.layout import create
from renex_jupyter.store.store import Store

HINT = "Use set_access('private'), or set_access('group', group='ml')."
MOST = 10  # differences that are told


def get_access() -> Access:
    """Return who may enter the store of this project, as declared, and in what the modes of its files differ from that."""
    return _told(current().store)


def set_access(mode: str, *, group: str | None = None, write: bool = True) -> Access:
    """Let nobody but its owner enter the store (`private`, as it is made), or the members of a group of this machine too.

    It is done by the modes of the files, and by nothing else: it holds against everybody whom the operating system keeps
    out, and not against who runs code as you, nor against root. A member who may write may also change and remove what
    is recorded. It is the whole store that is opened: what only some may see belongs into a store of its own.

    Parameters
    ----------
    mode : private or group.
    group : name of the group; only its members who can also reach the store's folder enter it.
    write : the members may record; False: they may only read.

    Raises
    ------
    RenexError : `invalid_argument`; `not_found` for a group that there is not; `permission` for one that you are not in;
        `foreign_store` for who does not own the store.
    """
    if mode not in MODES:
        raise invalid_argument(f"there is no access {shown(mode)}.", HINT)
    if not isinstance(write, bool):
        raise invalid_argument(f"write={shown(write)} is neither True nor False.", HINT)
    if mode == "group" and group is None:
        raise invalid_argument("the access 'group' needs the name of a group, and none is given.", HINT)
    if mode != "group" and group is not None:
        raise invalid_argument(f"a store that is {mode} is open to no group, and {shown(group)} is given.", HINT)
    if group is not None:
        text_argument(group, "the name of a group", HINT)
    store = current().store
    create(store.layout.root)
    accesses.declare(store.layout, Access(mode, group, write=write and group is not None))
    return _told(store)


def _told(store: Store) -> Access:
    found = list(accesses.differences(store.layout)) if store.exists else []
    said = tuple(f"{path.relative_to(store.layout.root)}: {detail}" for path, detail in found[:MOST])
    return dataclasses.replace(accesses.declared(store.layout), store=str(store.layout.root), differences=said)
