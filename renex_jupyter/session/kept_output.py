"""What a run printed, from its folder into the blobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from renex_jupyter.capture.secrets import redact_text
from renex_jupyter.session.current import never_in_the_way
from renex_jupyter.session.purges import contents_gone
from renex_jupyter.store import run_folders
from renex_jupyter.store.store import Store
from renex_jupyter.tasks.process import kept_output


def keep_output(store: Store, folder: Path, *, remove: bool = False) -> dict[str, Any]:
    """Keep what was printed without secrets of a known form, and return the field of the run that says where.

    Parameters
    ----------
    remove : the folder of the run goes then.
    """
    found: dict[str, Any] = {}
    with never_in_the_way("what the action printed"):
        content = redact_text(kept_output(folder)).encode()
        sha256 = store.blobs.put(content) if content else None
        if sha256 is not None and sha256 not in contents_gone(store):
            found["output_sha256"] = sha256
    if remove:
        run_folders.clear(folder)
    return found
