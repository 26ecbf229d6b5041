"""What a run printed, from its folder into the blobs."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from renex_jupyter.capture.secrets import redact_text
from renex_jupyter.session.current import never_in_the_way
from renex_jupyter.session.purges import contents_gone
from renex_jupyter.store import run_folders
from renex_jupyter.store.store import Store
from renex_jupyter.tasks.output import LOG, TAIL, replace


def keep_output(store: Store, folder: Path, *, remove: bool = False) -> dict[str, Any]:
    """Keep what was printed without secrets of a known form, and return the field of the run that says where.

    What the blobs cannot take, as on a full disk, stays in the folder of the run, see `run_folders.PRINTED`.

    Parameters
    ----------
    remove : the folder of the run goes then.
    """
    found: dict[str, Any] = {}
    content, kept = None, False
    with never_in_the_way("what the action printed"):
        content = redact_text(_text(folder, (LOG, TAIL))).encode()
        sha256 = store.blobs.put(content) if content else None
        if sha256 is not None and sha256 not in contents_gone(store):
            found["output_sha256"] = sha256
        kept = True
    if not kept:
        _set_aside(folder, content)
    if remove:
        run_folders.clear(folder)
    return found


def output_in(folder: Path) -> str:
    """Return what lies in the folder of a run of what it has printed, without secrets of a known form."""
    return redact_text(_text(folder, (LOG, TAIL)) or _text(folder, run_folders.PRINTED))


def _text(folder: Path, names: Iterable[str]) -> str:
    """Return the text of some files, as far as they are files and can be read."""
    pieces: list[bytes] = []
    for name in names:
        with suppress(OSError):
            pieces += run_folders.chunks_of(folder / name)
    return b"".join(pieces).decode("utf-8", "replace")


def _set_aside(folder: Path, content: bytes | None) -> None:
    """Leave what was printed where `run_folders.clear` does not take it: without secrets where the disk has room for that.

    Else the files only get another name, and `output_in` takes the secrets out.
    """
    if content is not None:
        with suppress(OSError):
            replace(folder / run_folders.PRINTED[0], content)
            return
    for name, aside in zip((LOG, TAIL), run_folders.PRINTED, strict=True):
        with suppress(OSError):
            (folder / name).rename(folder / aside)
