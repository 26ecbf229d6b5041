"""What a supervisor asks of an action, wherever that runs: `tasks/local.py` on this machine, `tasks/container.py` in Docker."""

from __future__ import annotations

from typing import Protocol


class Action(Protocol):
    """An action with all the processes that it starts. Only the main thread of a supervisor calls it."""

    output: int  # descriptor of stdout and stderr together; readable from `start` on, at its end when nobody can write any more
    child: int | None  # pid on this machine, the leader of its process group; None in a container
    container: str | None  # id; None on this machine
    ending: (
        str | None
    )  # after the end: why, where exit code and output do not tell (a limit of Docker's, a daemon that is gone)

    def start(self) -> None:
        """Start it; called once.

        Raises
        ------
        RenexError : why it cannot be started. `output` is not read then, `close` is called nevertheless.
        """

    def poll(self) -> int | None:
        """Return its exit code, negative for the number of a signal that ended it; None while it runs.

        Called about every 0.05 s, so it must not wait; what a daemon has to be asked is asked in a thread.
        """

    def send(self, number: int) -> bool:
        """Send a signal, and say whether there was anything left to get it.

        SIGINT goes where Ctrl-C in a terminal goes, SIGTERM and SIGKILL to every process of it, also those that left the
        group or outlived `poll`; 0 is sent to nobody. After SIGKILL nothing of it is left, or will be in a moment.
        """

    def memory(self) -> int:
        """Return the bytes that all of it together has in memory; after its end the most that the system knows of, or 0.

        Called about four times a second, less often where it takes long.
        """

    def system(self) -> dict[str, float]:
        """Return the system metrics of this moment, by key; `{}` where nothing can be told."""

    def close(self) -> None:
        """Let go of what was opened; a container is removed. Called once, at the very end, and never raises."""
