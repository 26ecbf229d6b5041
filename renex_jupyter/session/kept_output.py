"""What a run printed, from its folder into the blobs."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from renex_jupyter.capture.secrets import redact_text
from renex_jupyter.session.current import never_in_the_way
from renex_jupyter.session.purges import contents_gone
from renex_jupyter.store import run_folders
from renex_jupyter.store.store import Store
from renex_jupyter.tasks.output import LOG, TAIL
from renex_jupyter.tasks.process import kept_output


def keep_output(store: Store, folder: Path, *, remove: bool = False) -> dict[str, Any]:
    """Keep what was printed without secrets of a known form, and return the field of the run that says where.

    What the blobs cannot take, as on a full disk, stays in the folder of the run, see `run_folders.KEPT`.

    Parameters
    ----------
    remove : the folder of the run goes then.
    """
    found: dict[str, Any] = {}
    kept = False
    with never_in_the_way("what the action printed"):
        content = redact_text(kept_output(folder)).encode()
        sha256 = store.blobs.put(content) if content else None
        if sha256 is not None and sha256 not in contents_gone(store):
            found["output_sha256"] = sha256
        kept = True
    if not kept:
        with suppress(OSError):  # of a disk on which not even a folder can be made
            _set_aside(folder)
    if remove:
        run_folders.clear(folder)
    return found


def output_in(folder: Path) -> str:
    """Return what lies in the folder of a run of what it has printed, without secrets of a known form."""
    return redact_text(kept_output(folder) or kept_output(folder / run_folders.KEPT))


def _set_aside(folder: Path) -> None:
    (folder / run_folders.KEPT).mkdir(exist_ok=True)
    for name in (LOG, TAIL):
        with suppress(FileNotFoundError):
            (folder / name).rename(folder / run_folders.KEPT / name)
