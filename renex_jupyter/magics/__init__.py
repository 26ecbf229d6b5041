"""The magics: parse a line, call one function, show the result."""

from __future__ import annotations

from typing import Any

from renex_jupyter.config import settings
from renex_jupyter.magics.completion import complete
from renex_jupyter.magics.history import HistoryMagics
from renex_jupyter.magics.keeping import KeepingMagics
from renex_jupyter.magics.tasks import TaskMagics

NAMES = ("snapshot", "task", "rxsql", "renex")
_COMMANDS = tuple(f"%{name}" for name in NAMES) + tuple(f"%%{name}" for name in NAMES)


def load(shell: Any) -> None:
    """Register magics, settings, completion and the recorder of executed cells; twice is as good as once."""
    from renex_jupyter.capture.recorder import Recorder
    from renex_jupyter.session.current import current

    session = current()
    if session.recorder is None:
        session.recorder = Recorder(shell, session.session_id, session.executed)
    session.recorder.start()
    shell.register_magics(KeepingMagics, TaskMagics, HistoryMagics)
    if settings() not in shell.configurables:
        shell.configurables.append(settings())
    for command in _COMMANDS:
        shell.set_hook("complete_command", complete, str_key=command)


def unload(shell: Any) -> None:
    """Undo `load`."""
    from renex_jupyter.session.current import current

    session = current()
    if session.recorder is not None:
        session.recorder.stop()
        session.recorder = None
    for kind in ("line", "cell"):
        for name in NAMES:
            shell.magics_manager.magics[kind].pop(name, None)
