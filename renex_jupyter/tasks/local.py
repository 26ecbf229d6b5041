"""An action as a process of this machine, with all the processes that come from it: see `tasks/action.py`.

On Linux the supervisor is the reaper of all of them (`PR_SET_CHILD_SUBREAPER`), so that it also finds those which left the
process group or whose parent has ended; and the action itself is killed when the supervisor is (`PR_SET_PDEATHSIG`).
References: prctl(2), wait4(2).
"""

from __future__ import annotations

import errno
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from renex_jupyter.errors import RenexError, from_os_error, invalid_argument
from renex_jupyter.records.paths import to_text
from renex_jupyter.tasks.process_tree import descendants, memory_of

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_ROUNDS = 20  # of killing what came into being while the last one was killed
_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes of `ru_maxrss`
KILL = signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM


class LocalAction:
    """A command that runs here."""

    container: str | None = None
    ending: str | None = None

    def __init__(self, argv: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> None:
        self.output = -1
        self.child: int | None = None
        self._argv, self._cwd, self._environment = list(argv), cwd, dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._code: int | None = None
        self._peak = 0
        self._sampler: Callable[[], dict[str, float]] | None = None

    def start(self) -> None:
        """Start the command; see `Action.start`.

        Raises
        ------
        RenexError : `not_found`, `permission` or `invalid_argument`.
        """
        try:
            self._process = subprocess.Popen(
                self._argv,
                cwd=self._cwd,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                start_new_session=True,  # a group of its own, which an interrupt goes to
                preexec_fn=_bound_to_us(),  # noqa: PLW1509  no thread holds a lock of what it calls
            )
        except ValueError as error:
            raise invalid_argument(
                f"the command cannot be started: {error}.", "Look for NUL in its arguments."
            ) from error
        except OSError as error:
            raise _not_started(error, self._argv[0], self._cwd) from error
        assert self._process.stdout is not None
        self.output, self.child = self._process.stdout.fileno(), self._process.pid

    def poll(self) -> int | None:
        """Reap whatever has ended, and return the exit code of the command; see `Action.poll`."""
        process = self._process
        if process is None or not hasattr(os, "wait4"):
            return process.poll() if process is not None else None
        with suppress(ChildProcessError):
            while True:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
                if not pid:
                    break
                self._peak = max(self._peak, usage.ru_maxrss * _UNIT)
                if pid == process.pid:
                    self._code = process.returncode = os.waitstatus_to_exitcode(status)
        return self._code

    def send(self, number: int) -> bool:
        """Send a signal; see `Action.send`."""
        if self.child is None:
            return False
        if os.name != "posix":
            if number and self.poll() is None and self._process is not None:
                self._process.kill()
            return self.poll() is None
        self.poll()
        left = descendants(os.getpid())
        if number == KILL:
            return self._kill(left)
        if number:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.child, number)
        for pid in left if number == signal.SIGTERM else ():
            with suppress(ProcessLookupError, PermissionError):
                if os.getpgid(pid) != self.child:
                    os.kill(pid, number)
        return bool(left)

    def memory(self) -> int:
        """Return the bytes of memory; see `Action.memory`."""
        return self._peak if self._code is not None else memory_of(descendants(os.getpid()))

    def system(self) -> dict[str, float]:
        """Return the system metrics; see `Action.system`."""
        if self._sampler is None:
            from renex_jupyter.tasks.system_metrics import Sampler

            self._sampler = Sampler(os.getpid(), with_root=False).sample
        return self._sampler()

    def close(self) -> None:
        """Close the pipe; see `Action.close`."""
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()

    def _kill(self, left: list[int]) -> bool:
        found = bool(left)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.child or 0, KILL)
        for _ in range(_ROUNDS):
            for pid in left:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, KILL)
            self.poll()
            left = descendants(os.getpid())
            if not left:
                break
            time.sleep(0.005)
        return found


def adopt_orphans() -> None:
    """Have every process below this one become its child when its own parent ends."""
    if sys.platform == "linux":
        _libc_prctl()(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _bound_to_us() -> Callable[[], None] | None:
    """Return what a new process does before it becomes the command: ask to be killed when this one dies."""
    if sys.platform != "linux":
        return None
    prctl, us = _libc_prctl(), os.getpid()

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != us:  # it died before
            os._exit(1)

    return bind


def _libc_prctl() -> Callable[..., int]:
    import ctypes

    prctl: Callable[..., int] = ctypes.CDLL(None).prctl
    return prctl


def _not_started(error: OSError, program: str, cwd: Path) -> RenexError:
    command = to_text(program)  # what is told is written as UTF-8
    if not cwd.is_dir():
        return RenexError(
            "not_found", f"no folder {to_text(str(cwd))} to run '{command}' in.", "Give a folder that exists."
        )
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
    if error.errno == errno.E2BIG:
        hint = "Write what is long into a file, and give its path. Variables of the environment count, too."
        return invalid_argument(f"'{command}' is given more, or longer, arguments than this system takes.", hint)
    error.filename = None  # the command as bytes, which is told already
    return from_os_error(error, f"'{command}' cannot be started")
