"""Trained models as artifacts of the run, where `models=True` asks for them: in the library's own format, else pickled.

What is written here is never read by us in a way that could run it.
"""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from renex_jupyter.session.autolog.fits import Fit
from renex_jupyter.session.current import current

KIND = "model"


def keep_pickled(fit: Fit, model: Any) -> None:
    """Keep a model as Python pickles it."""
    keep_data(fit, "model.pkl", lambda: pickle.dumps(model))


def keep_data(fit: Fit, name: str, made: Callable[[], bytes], *, kind: str = KIND) -> None:
    """Keep what `made` returns, under a name."""
    with fit.guarded():
        from renex_jupyter.session.uploads import keep_bytes

        data = made()
        keep_bytes(current(), data, name=name, kind=kind, mime="application/octet-stream", on=fit.active)


def keep_saved(fit: Fit, name: str, save: Callable[[str], object]) -> None:
    """Keep the file or the folder that `save` writes to the path that it is given."""
    with fit.guarded(), tempfile.TemporaryDirectory(prefix="renex-") as folder:
        from renex_jupyter.session.artifacts import log_artifact

        path = Path(folder, name)
        save(str(path))
        log_artifact(path, name, kind=KIND, on=fit.active)


def keep_checkpoint(fit: Fit, path: str, step: int) -> None:
    """Keep a file or a folder that the library wrote as a checkpoint of the run."""
    with fit.guarded():
        from renex_jupyter.session.checkpoints import log_checkpoint

        log_checkpoint(path, step)
