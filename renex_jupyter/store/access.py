"""Who may enter a store: its owner alone, or a group too, by the modes of its folders and files.

The modes of the folders are the truth, since the operating system goes by them: what is made in a folder that a group may
enter (set-group-ID, so that all in it is of that group) is given to the group as well, whatever the umask of its maker
says. What `store.json` declares is what `check` compares them with.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from renex_jupyter.errors import RenexError, user_name
from renex_jupyter.records.access import PRIVATE, Access
from renex_jupyter.store.layout import Layout, json_object, os_errors, write_whole
from renex_jupyter.store.sharing import shared_bits

OF_GROUP, OF_OTHERS = 0o070, 0o007
OWN_FOLDERS = ("runs", "downloads")  # what lies in them belongs to the user whose it is, whoever may enter the store
HINT = "Use set_access('private') or set_access('group', group='ml'); renex access shows what is declared."


def declared(layout: Layout) -> Access:
    """Return what was declared of a store."""
    found = json_object(layout.about).get("access")
    if not isinstance(found, dict) or not isinstance(found.get("group"), str):
        return PRIVATE
    return Access("group", found["group"], write=found.get("write") is True)


def is_declared(layout: Layout) -> bool:
    """Say whether somebody has said who may enter; nobody has, of most stores, which are private."""
    return "access" in json_object(layout.about)


def declare(layout: Layout, access: Access) -> None:
    """Let a group enter a store, or nobody else; what is in it is given to the group before its door is opened.

    Raises
    ------
    RenexError : `foreign_store` for who does not own it; `not_found` for a group that is none of this machine's;
        `permission` for one that the owner is not in; `unsupported_value` where there are no groups.
    """
    number = _group(access.group) if access.group else None
    if layout.root.stat().st_uid not in (os.getuid(), 0) and os.getuid():
        raise RenexError("foreign_store", f"{layout.root} belongs to {user_name(layout.root.stat().st_uid)}.", HINT)
    about = json_object(layout.about)
    told = about | {"access": {"group": access.group, "write": access.write} if access.group else {"mode": "private"}}
    with os_errors(f"the access to {layout.root} cannot be changed"):
        if number is None:
            layout.root.chmod(0o700)  # the door first
            write_whole(layout.about, _line(told))
        for folder in layout.shared:
            folder.mkdir(mode=0o700, exist_ok=True)
        for path in _below(layout.root):
            _give(path, access, number)
        for path in _downloaded(layout):
            _give(path, access, number)
        if number is not None:
            write_whole(layout.about, _line(told))
            _give(layout.about, access, number)
            _give(layout.root, access, number)


def differences(layout: Layout) -> Iterator[tuple[Path, str]]:
    """Yield in what the modes of a store differ from what is declared: path, and what the file system lets whom do."""
    if not hasattr(os, "getuid"):
        return
    access = declared(layout)
    number = _number_of(access.group) if access.group else None
    owner, closed = layout.root.stat().st_uid, not layout.root.stat().st_mode & (OF_GROUP | OF_OTHERS)
    for path in (layout.root, *_below(layout.root)):
        try:
            found = path.lstat()
        except FileNotFoundError:
            continue
        if access.group is None and closed and found.st_uid != owner:
            continue  # a member made it who was let in before; behind the closed door its group means nothing
        said = _said(access, number, found)
        if said:
            yield path, said


def _said(access: Access, number: int | None, found: os.stat_result) -> str:
    """Return in what a mode differs from what is declared; "" where it does not."""
    mode = stat.S_IMODE(found.st_mode)
    if mode & OF_OTHERS:
        return f"declared {access.words}, but the file system lets everybody {_may(mode & OF_OTHERS)} it"
    if access.group is None:
        return (
            f"declared private, but the file system lets its group {_may(mode & OF_GROUP)} it"
            if mode & OF_GROUP
            else ""
        )
    if found.st_gid != number:
        return f"declared {access.words}, but it is of group {_name_of(found.st_gid)}"
    wanted = _bits(access, found.st_mode)
    if stat.S_ISDIR(found.st_mode) and not found.st_mode & stat.S_ISGID:
        return f"declared {access.words}, but what is made in it will not be of that group"
    if mode & OF_GROUP != wanted & OF_GROUP:
        may = _may(mode & OF_GROUP) or "do nothing with"
        return f"declared {access.words}, but the file system lets the group {may} it"
    return ""


def _bits(access: Access, mode: int) -> int:
    """Return what the group gets of a file or a folder of this mode."""
    bits = shared_bits(write=access.write) if access.group else 0
    return bits if stat.S_ISDIR(mode) else bits & ~0o2010


def _give(path: Path, access: Access, number: int | None) -> None:
    """Set the group and the mode of what is ours; what another member made is theirs to give, and `differences` tells it."""
    with suppress(FileNotFoundError):  # others record meanwhile
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode) or os.geteuid() not in (0, found.st_uid):
            return
        if number is not None and found.st_gid != number:
            os.chown(path, -1, number)
        mode = stat.S_IMODE(found.st_mode) & ~(OF_GROUP | OF_OTHERS | stat.S_ISGID)
        path.chmod(mode | _bits(access, found.st_mode))


def _downloaded(layout: Layout) -> Iterator[Path]:
    """Yield what was brought out of the store as files, which whoever else asks for it is given too."""
    for folder, names, files in os.walk(layout.downloads):
        yield from (Path(folder) / name for name in (*names, *files))


def _below(root: Path) -> Iterator[Path]:
    """Yield what lies in a store, but for what is of one user's runs."""
    for folder, names, files in os.walk(root):
        at = Path(folder)
        if at.parent == root and at.name in OWN_FOLDERS:
            names.clear()
            continue
        yield from (at / name for name in (*names, *files))


def _group(name: str) -> int:
    if not hasattr(os, "getuid"):
        raise RenexError("unsupported_value", "this system has no groups of users.", "A store is private here.")
    number = _number_of(name)
    if number is None:
        raise RenexError("not_found", f"no group '{name}' on this machine.", "List yours with: id -Gn")
    if os.getuid() and number not in (os.getgid(), *os.getgroups()):
        raise RenexError("permission", f"you are not in group '{name}'.", "List yours with: id -Gn")
    return number


def _number_of(name: str) -> int | None:
    import grp

    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return int(name) if name.isdecimal() else None


def _name_of(number: int) -> str:
    import grp

    try:
        return f"'{grp.getgrgid(number).gr_name}'"
    except KeyError:
        return str(number)


def _may(bits: int) -> str:
    """Return what permission bits let somebody do, in words."""
    bits = (bits | bits >> 3) & 0o7
    words = [word for bit, word in ((4, "read"), (2, "write")) if bits & bit]
    return " and ".join(words) or ("enter" if bits else "")


def _line(told: dict[str, object]) -> bytes:
    return json.dumps(told).encode() + b"\n"
