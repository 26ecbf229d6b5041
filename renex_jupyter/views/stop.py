"""The button that stops a run, and what has become of it since."""

from __future__ import annotations

import time
from pathlib import Path

from renex_jupyter.errors import RenexError
from renex_jupyter.records.runs import Run
from renex_jupyter.tasks.stopping import interrupt, refusal
from renex_jupyter.views import text
from renex_jupyter.views.detail import Action

PATIENCE = 12.0  # seconds after which a run that goes on can be asked once more: then a supervisor kills


class Stopper:
    """Asks runs to stop, and remembers which were asked, and when."""

    def __init__(self) -> None:
        self._asked: dict[str, float] = {}
        self._failed: dict[str, str] = {}

    def button(self, run: Run) -> Action | None:
        """Return the button for a run as it is now, None for one that is over."""
        if run.status != "running":
            self._asked.pop(run.run_id, None)
            self._failed.pop(run.run_id, None)
            return None
        reason = refusal(run)
        if reason is not None:
            return _disabled("Stop", text.clipped(reason.message), reason.hint)
        asked = self._asked.get(run.run_id)
        if asked is None:
            return _question(run, "Stop", _first_question(run), self._failed.get(run.run_id, ""))
        if time.monotonic() - asked < PATIENCE:
            return _disabled("Stopping…", "")
        return _question(run, "Stop again", *_second_question(run))

    def press(self, run: Run, folder: Path) -> None:
        """Ask a run, whose folder this is, to stop; why it could not be asked stands beside the button then."""
        self._failed.pop(run.run_id, None)
        try:
            interrupt(run, folder)
        except RenexError as error:
            self._failed[run.run_id] = text.clipped(error.message)
        else:
            self._asked[run.run_id] = time.monotonic()


def _first_question(run: Run) -> str:
    in_kernel = " What its kernel or script executes is interrupted." if run.executor == "kernel" else ""
    return f"Stop this run?{in_kernel}"


def _second_question(run: Run) -> tuple[str, str]:
    """Return what is asked, and what is said before."""
    if run.executor == "kernel":
        idle = "A kernel that executes nothing cannot be interrupted: end the run there with rx.end_run()."
        return "Interrupt it once more?", f"It still runs. {idle}"
    return "Kill it at once?", "It still runs."


def _question(run: Run, label: str, question: str, note: str) -> Action:
    return Action(name="stop", label=label, confirm=question, yes="Yes, stop", of=run.run_id, note=note)


def _disabled(label: str, note: str, hint: str = "") -> Action:
    return Action(name="stop", label=label, disabled=True, note=note, hint=hint)
