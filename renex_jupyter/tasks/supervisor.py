"""The process that runs one action outside of the kernel, and outlives it: `python -m renex_jupyter.tasks.supervisor`.

It reads an order and the action's environment from its standard input, starts the action, passes its output on, keeps the
limits, writes what the action logs on the run, and leaves the outcome in the run's folder. The action is started first
and whatever takes long to load after it. SIGINT or SIGTERM asks it to stop the action; a second one kills at once.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from renex_jupyter.errors import RenexError
from renex_jupyter.store import run_folders
from renex_jupyter.tasks.local import KILL, LocalAction, adopt_orphans
from renex_jupyter.tasks.order import Order, Outcome
from renex_jupyter.tasks.outcome_file import OutcomeFile
from renex_jupyter.tasks.output import Kept, Recent, Renderer, replace
from renex_jupyter.tasks.screen import WAITING, Screen, Source, drain

if TYPE_CHECKING:
    from renex_jupyter.tasks.action import Action
    from renex_jupyter.tasks.logged import Logged

NOT_LOGGED = "something that it logs is not recorded"
TICK = 0.05  # seconds between two looks at the action
LOOK = 0.25  # seconds between two looks at its memory, its limits and its journal
SHARE = 0.02  # of a core, at most, that looking at the memory may take
LINGER = 1.0  # seconds that output is awaited after the action ended, while some grandchild keeps the pipe open
LEFT_OVER = WAITING + 32  # chunks that an ended action can have left: the queue, and a pipe read in small pieces
GIVE_UP = 10.0  # seconds after the last SIGKILL in which even a process that hangs in the system has to be gone


class Supervisor:
    """One action from its start to its outcome."""

    def __init__(self, order: Order, folder: Path, action: Action, parent: int) -> None:
        self.order, self.folder, self.action = order, folder, action
        self.parent = parent  # pid of who gave the order; once that is gone, somebody else is our parent
        self.asked = 0  # how often somebody asked to stop
        self.begun = time.monotonic()
        self.peak = self.size = 0
        self.why: tuple[str, str | None] | None = None  # status and error of an action that is being stopped
        self._signals: list[int] = []  # what it is sent next
        self._deadline = 0.0
        self._took: float | None = None  # seconds, once it has ended
        self._look_at = self._memory_at = self.begun + LOOK
        self.kept, self.recent = Kept(folder, order.output_kept), Recent()
        self.end = OutcomeFile(folder)
        self._faults: dict[str, str | None] = {}  # what went wrong with our own work; None once it is told
        self.renderer = Renderer(self._take)
        self.screen = Screen(1, order.output_shown)
        self.source: Source | None = None
        self.logged: Logged | None = None
        self.journal = journal_of(order, folder)
        self._counts = False  # whether the system metrics have begun
        self._is_known = False  # whether the folder tells of us
        signal.signal(signal.SIGINT, self._asked_to_stop)
        signal.signal(signal.SIGTERM, self._asked_to_stop)

    def run(self) -> Outcome:
        """Run the action to its end, and leave the outcome in the folder."""
        try:
            self.action.start()
        except RenexError as error:
            fault = {"code": error.code, "message": error.message, "hint": error.hint}
            return self._leave(Outcome("failed", 0.0, error=error.line, fault=fault))
        self.source = Source(self.action.output)
        if hasattr(signal, "SIGCHLD"):
            source = self.source
            signal.signal(signal.SIGCHLD, lambda *_: source.wake())
        self._try("the run's folder cannot be written", self._write_state)
        if self.order.parse_stdout or self.order.relay is not None:
            self._try(NOT_LOGGED, self._load_logged)
        while not self._has_ended():
            self._pump(TICK)
            self._look()
        self._pump_the_rest()
        return self._leave(self._outcome())

    def _asked_to_stop(self, *_: object) -> None:
        self.asked += 1
        if self.source is not None:
            self.source.wake()

    @property
    def _is_alone(self) -> bool:
        return os.getppid() != self.parent

    def _take(self, text: str) -> None:
        self.kept.add(text)
        self.recent.add(text)
        if self.logged is not None:
            logged = self.logged
            self._try(NOT_LOGGED, lambda: logged.printed(text))

    def _try(self, failed: str, step: Callable[[], None]) -> None:
        """Do some of our own work, whose faults are told once and end no action."""
        try:
            step()
        except Exception as error:  # noqa: BLE001  the action goes on whatever it is
            self._faults.setdefault(failed, str(error) or type(error).__name__)

    def _tell_faults(self) -> None:
        if self.kept.trouble is not None:
            self._faults.setdefault("of the output only what is last is kept", self.kept.trouble)
        for failed, why in list(self._faults.items()):
            if why is not None:
                self._faults[failed] = None
                self._note(f"{failed}: {why}")

    def _write_state(self) -> None:
        import psutil

        from renex_jupyter.store import liveness

        child, started = self.action.child, None
        with suppress(psutil.NoSuchProcess):
            started = liveness.began(child) if child is not None else None
        state = {
            **liveness.identity(),
            "child": child,
            "child_started": started,
            "container": self.action.container,
            "started": time.time() - (time.monotonic() - self.begun),
        }
        replace(self.folder / run_folders.STATE, json.dumps(state).encode())
        self._is_known = True

    def _pump(self, timeout: float) -> int:
        """Pass a piece of output on, or wait a moment for one; return its size."""
        assert self.source is not None
        chunk = self.source.get(timeout)
        if not chunk:
            return 0
        self.size += len(chunk)
        self.renderer.feed(chunk)
        while not self.screen.show(chunk, TICK):  # it is slow: the action waits, its limits do not
            self._look()
            if self._has_ended() and (self.why or self.asked):  # who wants it to end need not wait for who watches
                self.screen.silent += len(chunk)
                break
        return len(chunk)

    def _pump_the_rest(self) -> None:
        """Take what the ended action left in queue and pipe; what comes later is a grandchild's, who may live for ever."""
        assert self.source is not None
        until, pieces = time.monotonic() + LINGER, 0
        while not self.source.at_end and (time.monotonic() < until or self.source.waits) and pieces < LEFT_OVER:
            pieces += self._pump(TICK) > 0

    def _has_ended(self) -> bool:
        """Say whether the action has ended, with all that came from it if it is being stopped."""
        if self._took is None and self._moves_on_to_its_end():
            self._took = time.monotonic() - self.begun
        return self._took is not None

    def _moves_on_to_its_end(self) -> bool:
        ended = self.action.poll() is not None
        if self.asked > 1 and self._signals:
            self._stop("stopped", None, (KILL,))
        elif self.asked and self.why is None:
            if ended:
                return True
            self._stop("stopped", None)
        if self.why is None:
            return ended
        if ended and not self.action.send(0):
            return True
        if time.monotonic() >= self._deadline:
            if not self._signals:
                return True
            self._send_next()
        return False

    def _stop(
        self, status: str, error: str | None, signals: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM, KILL)
    ) -> None:
        self.why = self.why or (status, error)
        self._signals = list(signals)
        self._send_next()

    def _send_next(self) -> None:
        number = self._signals.pop(0)
        self.action.send(number)
        self._deadline = time.monotonic() + (self.order.grace if self._signals else GIVE_UP)

    def _look(self) -> None:
        """Do now and then what is to be done: limits, metrics, what the action logs, what others can see of its output."""
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + LOOK
        self.screen.gone = self.screen.gone or self._is_alone
        self.kept.refresh(self.renderer.line)
        if now >= self._memory_at:
            self._try("the memory cannot be seen", lambda: self._look_at_memory(now))
        timeout = self.order.timeout
        if timeout is not None and self.why is None and self._took is None and now - self.begun > timeout:
            self._stop("failed", f"timeout: it took longer than {timeout:g} s.")
        if not self._is_known:
            self._try("the run's folder cannot be written", self._write_state)
        self._try(NOT_LOGGED, lambda: self._look_at_logged(now - self.begun))
        self._tell_faults()

    def _look_at_logged(self, so_far: float) -> None:
        if self.order.sample_every > 0:
            self._look_at_system(so_far)
        if self.logged is None and self.journal.exists():
            self._load_logged()
        if self.logged is not None:
            self.logged.look(so_far)

    def _look_at_system(self, so_far: float) -> None:
        if not self._counts:
            self.action.system()  # from here on it counts
            self._counts = True
        if self.logged is None and so_far >= self.order.sample_every:
            self._load_logged()

    def _load_logged(self) -> None:
        """Begin to write on the run, for which the store has to be loaded."""
        from renex_jupyter.tasks.logged import Logged

        self.logged = Logged(self.order, self.journal, self.action, self._note)

    def _look_at_memory(self, now: float) -> None:
        used = self.action.memory()
        self.peak = max(self.peak, used)
        self._memory_at = now + max(LOOK, (time.monotonic() - now) / SHARE)
        limit = self.order.memory
        if limit is not None and used > limit and self.why is None and self._took is None:
            error = f"memory limit of {_size(limit)} exceeded: {_size(used)} in use."
            self._stop("failed", error, (KILL,))

    def _note(self, text: str) -> None:
        """Say something of ours, on the screen and in what is kept."""
        begin = "\n" if self.renderer.line else ""
        said = f"{begin}renex: {text}\n"
        self.renderer.feed(said.encode())
        self.screen.say(said)

    def _outcome(self) -> Outcome:
        code = self.action.poll()
        self.peak = max(self.peak, self.action.memory())
        self.renderer.end()
        failure = self.action.ending or self.recent.error(code or 0)
        self._try(NOT_LOGGED, self._finish_logged)
        self._tell_faults()
        self.renderer.end()
        status, error = self.why or (("finished", None) if code == 0 else ("failed", failure))
        return Outcome(status, self._took or 0.0, code, error, self.peak or None, self.size)

    def _finish_logged(self) -> None:
        if self.logged is None and self.journal.exists():
            self._load_logged()
        if self.logged is not None:
            self.logged.finish()

    def _leave(self, outcome: Outcome) -> Outcome:
        self.kept.close()
        asked = self.asked
        self.end.write(outcome, give_up=lambda: self.asked > asked)
        return outcome

    def say_goodbye(self, outcome: Outcome) -> None:
        """Show the end to whoever watches, let go of all, and have the end recorded where nobody else does."""
        if self.screen.silent:
            last = "\n".join(self.recent.lines())
            self.screen.say(
                f"\nrenex: {_size(self.screen.silent)} of output are not shown, the last lines are:\n{last}\n"
            )
        while not (self.screen.finish(LOOK) or self._is_alone):  # whoever watches may be slow
            pass
        if self.source is not None and not self.source.at_end and self.why is None:
            drain(self.action.output)
        self.action.close()
        if self.order.closer and (self._is_alone or (self.order.detached and outcome.fault is None)):
            _record_the_end(self.order.closer)


def journal_of(order: Order, folder: Path) -> Path:
    """Return the file to which an action appends JSON lines; a container sees only a part of the run's folder."""
    return (folder if order.container is None else folder / run_folders.SHARE) / run_folders.JOURNAL


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"


def _record_the_end(argv: tuple[str, ...]) -> None:
    from renex_jupyter import config

    told = (config.RUN_VARIABLE, config.RUN_NAME_VARIABLE, config.RUN_STORE_VARIABLE, config.NESTING_VARIABLE)
    env = {name: value for name, value in os.environ.items() if name not in told}
    with suppress(OSError):
        subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)


def action_of(order: Order, environment: Mapping[str, str]) -> Action:
    """Return the action of an order, not started."""
    if order.container is None:
        return LocalAction(order.argv, Path(order.cwd), environment)
    from renex_jupyter.tasks.container import ContainerAction

    return ContainerAction(order)


def main() -> None:
    """Run the action of the order on the standard input; the run's folder is the only argument."""
    # One line, not all up to the end: a process that another thread forks at this moment may hold the pipe open for ever.
    told: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    order, folder = Order.from_json(json.dumps(told["order"])), Path(sys.argv[1])
    adopt_orphans()
    supervisor = Supervisor(order, folder, action_of(order, told["environment"]), told["parent"])
    if hasattr(signal, "pthread_sigmask"):  # held back by whoever started us, until somebody listens
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        outcome = supervisor.run()
    except BaseException:  # a fault of ours, which the run's folder then tells: nothing runs that nobody looks after
        supervisor.action.send(KILL)
        raise
    supervisor.say_goodbye(outcome)
    os._exit(0)


if __name__ == "__main__":
    main()
