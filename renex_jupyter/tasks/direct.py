"""Run a command as a child process: echo what it prints, stop it with all its children, say how it ended."""

from __future__ import annotations

import codecs
import errno
import math
import os
import queue
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from renex_jupyter.errors import RenexError, from_os_error, invalid_argument

CHUNK = 65_536  # bytes
WAITING = 64  # chunks between the reader and a slow screen; then the command waits, as it would for a terminal
LEFT_OVER = WAITING + 32  # chunks that an ended command can have left: the queue, and a pipe read in small pieces
TICK = 0.05  # seconds between two looks at the process
LINGER = 1.0  # seconds that output is awaited after the command ended, while some grandchild keeps the pipe open
ERROR_LINES, ERROR_CHARS = 20, 4_000
ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


@dataclass(frozen=True, slots=True)
class ProcessOutcome:
    """How a command ended."""

    exit_code: int  # negative: the number of the signal that ended it
    status: str  # finished, failed, stopped
    error: str | None  # the last lines of its output, when it failed
    duration_s: float


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


def run_process(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], echo: Callable[[str], None], interrupt_grace: float
) -> ProcessOutcome:
    """Run a command to its end.

    Parameters
    ----------
    argv : program and arguments; no shell is involved.
    cwd : folder in which it runs.
    env : all of its environment.
    echo : called with each piece of output (stdout and stderr together) as it comes, in the calling thread.
    interrupt_grace : seconds between SIGINT, SIGTERM and SIGKILL after a KeyboardInterrupt.

    Returns
    -------
    The outcome. A KeyboardInterrupt is not raised again: the status is then `stopped`, and the caller, who still has to
    record the run, decides what comes next. A second KeyboardInterrupt kills at once.

    Raises
    ------
    RenexError : `not_found` or `permission` when the command cannot be started, `invalid_argument` for a wrong `argv`.
    """
    started = time.monotonic()
    child = Child(_start(argv, cwd, env), echo)
    try:
        child.follow()
        status = "finished" if child.process.returncode == 0 else "failed"
    except KeyboardInterrupt:
        child.stop(interrupt_grace)
        status = "stopped"
    except BaseException:  # `echo` failed; nobody would look after the child any more
        child.signal_all(_KILL)
        raise
    finally:
        child.let_go()
    code = child.process.wait()
    error = child.tail.text(code) if status == "failed" else None
    return ProcessOutcome(code, status, error, time.monotonic() - started)


class Tail:
    """The end of what a command printed."""

    def __init__(self) -> None:
        self._kept = ""

    def add(self, text: str) -> None:
        """Take the next piece of output."""
        self._kept = (self._kept + text)[-4 * ERROR_CHARS :]

    def text(self, code: int) -> str:
        """Return the last lines as a screen would show them, and the signal that ended the command."""
        lines = [
            line.rpartition("\r")[2] for line in ESCAPES.sub("", self._kept.replace("\r\n", "\n")).rstrip().split("\n")
        ]
        if code < 0:
            lines.append(f"ended by signal {-code}{_signal_name(-code)}")
        elif not any(lines):
            lines = [f"exit code {code}, without output"]
        return "\n".join(lines[-ERROR_LINES:])[-ERROR_CHARS:].strip("\n")


class Child:
    """A running command and the thread that reads its output."""

    def __init__(self, process: subprocess.Popen[bytes], echo: Callable[[str], None]) -> None:
        self.process = process
        self.echo = echo
        self.tail = Tail()
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._chunks: queue.Queue[bytes] = queue.Queue(WAITING)
        self._at_end = False
        self._abandoned = threading.Event()
        threading.Thread(target=self._read, args=(cast("IO[bytes]", process.stdout),), daemon=True).start()

    def follow(self, timeout: float = math.inf) -> bool:
        """Echo the output until the command has ended, or for `timeout` seconds; say whether it has ended."""
        deadline = time.monotonic() + timeout
        while self.process.poll() is None:
            if time.monotonic() >= deadline:
                return False
            self._show()
        self._show_the_rest()
        return True

    def stop(self, grace: float) -> None:
        """Interrupt the command and its children as a terminal does, then ask them to end, then kill what is left."""
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                if not self.signal_all(number):
                    return
                until = time.monotonic() + grace
                self.follow(grace)
                while self.signal_all(0) and time.monotonic() < until:
                    time.sleep(TICK)
        except KeyboardInterrupt:
            pass
        finally:
            self.signal_all(_KILL)

    def signal_all(self, number: int) -> bool:
        """Send a signal to the command and all its children; say whether there are any."""
        if os.name == "posix":
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)
                return True
            return False
        if number and self.process.poll() is None:
            self.process.kill()
        return self.process.poll() is None

    def let_go(self) -> None:
        """Leave the output of a grandchild that lives on to the reader, which throws it away so that it never blocks."""
        self._abandoned.set()

    def _show(self) -> None:
        """Echo the next piece of output, or wait a moment for one."""
        try:
            chunk = self._chunks.get(timeout=TICK)
        except queue.Empty:
            return
        self._at_end = not chunk
        if text := self._decoder.decode(chunk, final=self._at_end):
            self.tail.add(text)
            self.echo(text)

    def _show_the_rest(self) -> None:
        """Echo what the ended command left in queue and pipe; what comes later is a grandchild's, who may live for ever."""
        until = time.monotonic() + LINGER
        shown = 0
        while not self._at_end and (time.monotonic() < until or not self._chunks.empty()) and shown < LEFT_OVER:
            shown += not self._chunks.empty()
            self._show()

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            while chunk := os.read(stream.fileno(), CHUNK):
                self._hand_over(chunk)
        self._hand_over(b"")

    def _hand_over(self, chunk: bytes) -> None:
        while not self._abandoned.is_set():
            with suppress(queue.Full):
                self._chunks.put(chunk, timeout=TICK)
                return


_KILL = signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM


def _start(argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    if not argv or not all(isinstance(each, str) for each in argv):
        raise invalid_argument("a command is a list of text, the program first.", "Give numbers and paths as str(...).")
    try:
        return subprocess.Popen(
            list(argv),
            cwd=cwd,
            env={**env, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=True,  # a group of its own, and Ctrl-C comes to us only
        )
    except ValueError as error:
        raise invalid_argument(f"the command cannot be started: {error}.", "Look for NUL in its arguments.") from error
    except OSError as error:
        raise _not_started(error, argv[0], cwd) from error


def _not_started(error: OSError, command: str, cwd: Path) -> RenexError:
    if not cwd.is_dir():
        return RenexError("not_found", f"no folder {cwd} to run '{command}' in.", "Give a folder that exists.")
    if isinstance(error, FileNotFoundError):
        hint = "Check its spelling and the PATH; what only a shell knows needs: bash -c '...'"
        return RenexError(
            "not_found", f"no command '{command}', or not the interpreter that its first line names.", hint
        )
    if isinstance(error, PermissionError):
        hint = f"Make it executable: chmod +x {shlex.quote(command)}, or name its interpreter: python {command}"
        return RenexError("permission", f"'{command}' is not executable.", hint)
    if error.errno == errno.ENOEXEC:
        hint = "Give its first line as #!/bin/sh, or name the interpreter before it."
        return invalid_argument(f"'{command}' is no program that this machine can run.", hint)
    return from_os_error(error, f"'{command}' cannot be started")


def _signal_name(number: int) -> str:
    with suppress(ValueError):
        name = signal.Signals(number).name
        return f" ({name}; out of memory?)" if name == "SIGKILL" else f" ({name})"
    return ""
