"""The button that stops a run, and what has become of it since."""

from __future__ import annotations

import time

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
        return _question(run, "Stop again", "It goes on. Stop it at once, without its own end?", "It still runs.")

    def press(self, run: Run) -> None:
        """Ask a run to stop; why it could not be asked stands beside the button then."""
        self._failed.pop(run.run_id, None)
        try:
            interrupt(run)
        except RenexError as error:
            self._failed[run.run_id] = text.clipped(error.message)
        else:
            self._asked[run.run_id] = time.monotonic()


def _first_question(run: Run) -> str:
    return (
        "Stop this run? What its kernel or script executes is interrupted."
        if run.executor == "kernel"
        else "Stop this run?"
    )


def _question(run: Run, label: str, question: str, note: str) -> Action:
    return Action(name="stop", label=label, confirm=question, yes="Yes, stop", of=run.run_id, note=note)


def _disabled(label: str, note: str, hint: str = "") -> Action:
    return Action(name="stop", label=label, disabled=True, note=note, hint=hint)
