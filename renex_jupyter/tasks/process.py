"""Start a supervisor, follow what its action prints, stop it, read how it ended."""

from __future__ import annotations

import codecs
import json
import os
import select
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

import psutil

from renex_jupyter.config import JOURNAL_VARIABLE
from renex_jupyter.errors import RenexError, from_os_error, invalid_argument
from renex_jupyter.store import liveness
from renex_jupyter.store.layout import json_object, os_errors
from renex_jupyter.store.run_folders import JOURNAL, OUTCOME, STATE
from renex_jupyter.tasks.order import Order, Outcome
from renex_jupyter.tasks.process_tree import apart

TROUBLE = "supervisor.log"  # what a supervisor itself has to complain of
CHUNK = 65_536  # bytes
TICK = 0.05  # seconds between two looks
PROMPT = 3.0  # seconds in which a supervisor kills its action; who interrupts once more after that need not wait
STUCK = 30.0  # seconds after which a supervisor that was told to kill its action is killed itself
WAKE = 0.5  # seconds that are waited for output at one time
POLITE = (signal.SIGINT, signal.SIGTERM)  # a supervisor that gets two of them kills at once


def split_command(text: str) -> list[str]:
    """Split a command line as a shell does; no shell runs, so `|`, `>`, `*` and `$X` stay as they are.

    Raises
    ------
    RenexError : `invalid_argument` for an open quote or an empty line.
    """
    try:
        argv = shlex.split(text)
    except ValueError as error:
        raise invalid_argument(
            f"the command {text!r} cannot be split: {error}.", "Close the quote, or give a list."
        ) from error
    if not argv:
        raise invalid_argument("the command is empty.", "Give a program and its arguments.")
    return argv


def start(order: Order, env: Mapping[str, str], folder: Path) -> Supervised:
    """Start an action in a process of its own, which outlives this one.

    Parameters
    ----------
    env : all of the action's environment; it goes through a pipe, with the order, and is written nowhere.
    folder : the run's folder, which is made; whoever records the end removes it.

    Raises
    ------
    RenexError : `invalid_argument` for a wrong argv; `disk_full` and its like. Why the action itself cannot be started
        is told by `Supervised.follow` and `Supervised.wait_begun`.
    """
    if order.container is None and (not order.argv or not all(isinstance(each, str) for each in order.argv)):
        raise invalid_argument("a command is a list of text, the program first.", "Give numbers and paths as str(...).")
    with os_errors("the folder of the run cannot be made"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        trouble = os.open(folder / TROUBLE, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    told = {**env, "PYTHONUNBUFFERED": "1", JOURNAL_VARIABLE: str(folder / JOURNAL)}
    text = json.dumps({"order": asdict(order), "environment": told, "parent": os.getpid()}).encode() + b"\n"
    try:
        with _stop_signals_held_back():  # until the supervisor listens to them
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "renex_jupyter.tasks.supervisor", str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if not order.detached else subprocess.DEVNULL,
                stderr=trouble,
                bufsize=0,
                start_new_session=True,  # an interrupt of the cell comes to us only, and so does the end of a terminal
            )
    except OSError as error:
        raise from_os_error(error, "no process can be started") from error
    finally:
        os.close(trouble)
    try:
        apart.add(process.pid)
        supervised = Supervised(process, liveness.identity(process.pid), folder)
        _hand_over(process, text)
    except BaseException:  # nothing is started yet: without its order it ends
        process.kill()
        process.wait()
        raise
    return supervised


@dataclass(slots=True)
class Supervised:
    """An action that was started here."""

    process: subprocess.Popen[bytes]
    identity: dict[str, Any]  # pid, pid_started and boot_id of its supervisor
    folder: Path
    interrupts: int = 0  # how often `follow` was interrupted
    _asked_at: float = 0.0

    @property
    def interrupted(self) -> bool:
        """Whether the action was stopped by a KeyboardInterrupt."""
        return self.interrupts > 0

    def follow(self, echo: Callable[[str], None]) -> Outcome:
        """Show what the action prints until it has ended.

        Parameters
        ----------
        echo : called with each piece of output (stdout and stderr together) as it comes, in the calling thread.

        Returns
        -------
        The outcome. A KeyboardInterrupt stops the action, a second one kills it, and none is raised again: the status is
        `stopped` then, and the caller, who still has to record the run, decides what comes next. Where the supervisor
        was killed the status is `lost`, and nothing of the action runs any more.

        Raises
        ------
        RenexError : `not_found`, `permission` or `invalid_argument` when the action could not be started.
        """
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        while True:
            try:
                if self.interrupts:
                    self.ask(self.interrupts)
                self._show(decoder, echo)
                self.process.wait()
                break
            except KeyboardInterrupt:
                self.interrupts += 1
            except BaseException:  # `echo` failed; nobody would look after the action any more
                self.stop()
                raise
        apart.discard(self.process.pid)
        self.let_go()
        outcome = self._outcome()
        return replace(outcome, status="stopped") if self.interrupted and outcome.status != "lost" else outcome

    def wait_begun(self, timeout: float = 60.0) -> dict[str, Any]:
        """Wait until the action runs, or has ended, and return what `read_state` tells.

        Raises
        ------
        RenexError : the action could not be started; `timeout`.
        """
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            if self.process.poll() is not None or (self.folder / OUTCOME).exists():
                self._outcome()
                return read_state(self.folder)
            if state := read_state(self.folder):
                return state
            time.sleep(TICK / 5)
        raise RenexError("timeout", f"the action did not begin within {timeout:g} s.", f"See {self.folder / TROUBLE}.")

    def ask(self, times: int) -> None:
        """Ask the supervisor to stop the action, from the second time on to kill it; one that does not is killed itself."""
        if times <= len(POLITE):
            self._asked_at = time.monotonic()
        elif time.monotonic() - self._asked_at > PROMPT:
            self._kill()
            return
        with suppress(ProcessLookupError):
            self.process.send_signal(POLITE[min(times, 2) - 1])

    def _kill(self) -> None:
        self.process.kill()
        self.process.wait()
        clear_up(self.folder)

    def stop(self) -> None:
        """Kill the action, and wait until it is gone."""
        self.let_go()
        for times in (1, 2):
            self.ask(times)
        try:
            self.process.wait(STUCK)
        except subprocess.TimeoutExpired:
            self._kill()
            self.process.wait()

    def wait(self) -> None:
        """Wait until it has ended, as whoever starts a process has to, or it stays as a zombie."""
        self.process.wait()
        apart.discard(self.process.pid)

    def let_go(self) -> None:
        """Watch no longer; the action goes on."""
        if self.process.stdout is not None:
            self.process.stdout.close()

    def _show(self, decoder: codecs.IncrementalDecoder, echo: Callable[[str], None]) -> None:
        stream = self.process.stdout
        while stream is not None and not stream.closed:
            if not _has_something(stream.fileno()):
                continue  # an interrupt that is no signal is seen between two waits
            chunk = os.read(stream.fileno(), CHUNK)
            if text := decoder.decode(chunk, final=not chunk):
                echo(text)
            if not chunk:
                return

    def _outcome(self) -> Outcome:
        """Return the outcome; without one the supervisor was killed, and what it left is, too."""
        outcome = read_outcome(self.folder)
        if outcome is None:
            clear_up(self.folder)
            code = self.process.poll()
            why = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
            last = _last_line(self.folder / TROUBLE)
            return Outcome("lost", 0.0, error=f"its supervisor ended by {why}{': ' if last else ''}{last}")
        if outcome.fault is not None:
            raise RenexError(**outcome.fault)
        return outcome


def read_outcome(folder: Path) -> Outcome | None:
    """Return how the action of a run's folder ended; None while it runs, and where its supervisor was killed."""
    found = json_object(folder / OUTCOME)
    known = {name: value for name, value in found.items() if name in Outcome.__dataclass_fields__}
    return Outcome(**known) if "status" in known and "duration_s" in known else None


def read_state(folder: Path) -> dict[str, Any]:
    """Return who runs the action: pid, pid_started, boot_id, child, child_started, container, started; `{}`: nobody yet."""
    return json_object(folder / STATE)


def stop(state: Mapping[str, Any], *, at_once: bool = False) -> bool:
    """Ask the supervisor of a run to stop its action; say whether it is still there to be asked.

    Parameters
    ----------
    state : what `read_state` returned, or a run's pid, pid_started and boot_id.
    at_once : kill the action.
    """
    pid, started = state.get("pid"), state.get("pid_started")
    if pid is None or started is None or liveness.is_gone(pid, started, state.get("boot_id"), None):
        return False
    try:
        for number in POLITE if at_once else POLITE[:1]:
            os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def clear_up(folder: Path) -> None:
    """Kill what a killed supervisor left of its action: its process group, and what left that with its environment."""
    state = read_state(folder)
    child, started = state.get("child"), state.get("child_started")
    if child is None or state.get("boot_id") != liveness.boot_id() or not hasattr(os, "killpg"):
        return
    if not liveness.is_gone(state.get("pid"), state.get("pid_started"), state.get("boot_id"), None):
        return
    _kill_group(child, started)
    for process in _begun_in(folder):
        with suppress(psutil.Error):  # its number is looked at once more: it is no other process
            process.kill()


def _begun_in(folder: Path) -> list[psutil.Process]:
    """Return the processes that got the environment of a run's action, ourselves left out."""
    journal, found = str(folder / JOURNAL), list[psutil.Process]()
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(JOURNAL_VARIABLE) == journal and process.pid != os.getpid():
                found.append(process)
    return found


def _kill_group(child: int, started: float | None) -> None:
    """Kill a process group, as far as it surely is that one."""
    with suppress(psutil.NoSuchProcess):  # the group's number is taken as long as one process of it lives
        if started is not None and liveness.is_another(child, started):
            return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)


@contextmanager
def _stop_signals_held_back() -> Iterator[None]:
    """Have a process that is started in the block get SIGINT and SIGTERM only when it lets them in."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, POLITE)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _has_something(descriptor: int) -> bool:
    """Say whether there is something to read, or an end, within a moment; `select()` refuses numbers above 1,023."""
    if not hasattr(select, "poll"):
        return True
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    return bool(waiting.poll(1000 * WAKE))


def _hand_over(process: subprocess.Popen[bytes], text: bytes) -> None:
    stream: IO[bytes] | None = process.stdin
    assert stream is not None
    with suppress(BrokenPipeError), stream:
        rest = memoryview(text)
        while rest:
            rest = rest[stream.write(rest) :]


def _last_line(path: Path) -> str:
    with suppress(OSError):
        lines = path.read_text("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else ""
    return ""
