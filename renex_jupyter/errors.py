"""Every error that a user can meet: a code, a fact with its value, and a hint what to do. And how a user is warned."""

from __future__ import annotations

import os
import sys
import sysconfig
import warnings
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from types import FrameType, TracebackType

CODES = frozenset(
    {
        "not_found",
        "ambiguous",
        "invalid_argument",
        "unsupported_value",
        "disk_full",
        "permission",
        "read_only",
        "locked",
        "corrupt",
        "foreign_store",
        "newer_store",
        "unsafe_path",
        "conflict",
        "too_large",
        "interrupted",
        "timeout",
        "docker_unavailable",
        "environment_unavailable",
        "policy_failed",
    }
)


_OURS = str(Path(__file__).parent) + os.sep
LONGEST_SHOWN = 60  # characters of a value in a message


class RenexError(Exception):
    """The one base of our errors; `code` is one of `CODES` and never changes its meaning."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        assert code in CODES, code
        super().__init__(code, message, hint)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.code}: {self.message}"
        return f"{text}\nHint: {self.hint}" if self.hint else text

    @property
    def line(self) -> str:
        """The same on one line, as a magic shows it."""
        return " ".join(str(self).splitlines())

    def _render_traceback_(self) -> list[str]:
        """Return the traceback as IPython shows it, down to the user's line that failed and without what is ours.

        `%debug` still has every frame. IPython looks for a method of this name (`InteractiveShell.showtraceback`).
        """
        from IPython import get_ipython  # it asks, so it is there

        shell = get_ipython()
        shown = RenexError(*self.args)  # without the cause, which the message tells
        frames = _users_part(self.__traceback__)
        lines = shell.InteractiveTB.structured_traceback(RenexError, shown, frames, shell.InteractiveTB.tb_offset)
        return list(lines)


def not_found(kind: str, wanted: str, known: Sequence[str] = (), *, listing: str = "%renex ls") -> RenexError:
    """Nothing has this id or name; offers the nearest of the known ones."""
    near = get_close_matches(wanted, known, n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return RenexError("not_found", f"no {kind} '{wanted}'.", f"{hint}List with {listing}.")


def ambiguous(
    kind: str, wanted: str, matches: Sequence[str], hint: str = "Give more characters of the id."
) -> RenexError:
    """A prefix, or a name, that fits several objects."""
    shown = ", ".join(matches[:5]) + (" ..." if len(matches) > 5 else "")
    return RenexError("ambiguous", f"{kind} '{wanted}' fits {len(matches)}: {shown}.", hint)


def invalid_argument(message: str, hint: str = "") -> RenexError:
    """A value that the operation does not take."""
    return RenexError("invalid_argument", message, hint)


def shown(value: object) -> str:
    """Return a value as a message names it, by its beginning; one that cannot say itself by its type."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001  the value's own
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def told(error: BaseException) -> str:
    """Return an exception in one text, `ValueError: why`; one that cannot say itself by its type."""
    name = type(error).__name__
    try:
        why = str(error)
    except Exception:  # noqa: BLE001  the exception's own
        return name
    return f"{name}: {why}" if why else name


def text_argument(value: object, what: str, hint: str) -> str:
    """Return a text that UTF-8 can say; `what` names in the message what anything else is not.

    Raises
    ------
    RenexError : `invalid_argument`.
    """
    if not isinstance(value, str):
        raise invalid_argument(f"{shown(value)} is {type(value).__name__}, not {what}.", hint)
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise invalid_argument(f"{shown(value)} cannot be written as UTF-8.", hint) from error
    return value


def unsupported_value(what: str, value: object, hint: str) -> RenexError:
    """A value of a type that cannot be kept."""
    return RenexError("unsupported_value", f"{what} is {type(value).__name__}, which cannot be kept.", hint)


def from_os_error(error: OSError, what: str) -> RenexError:
    """Translate what the operating system refused into one of our codes."""
    import errno

    path = f" ({error.filename})" if error.filename else ""
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        hint = "nothing already recorded is lost. Free some space and try again."
        return RenexError("disk_full", f"{what}: {reason}{path}.", hint)
    if error.errno == errno.EROFS:
        return RenexError("read_only", f"{what}: {reason}{path}.", "Set RENEX_STORE to a folder that can be written.")
    if isinstance(error, PermissionError):
        whose = _whose(error.filename) if isinstance(error.filename, (str, os.PathLike)) else ""
        hint = "Its owner can let you in. A store of your own goes where RENEX_STORE says."
        return RenexError("permission", f"{what}: {reason}{path}{whose}.", hint)
    if error.errno == errno.EIO:
        hint = "The disk refuses; look at the system's log. Nothing that was durable before is touched."
        return RenexError("corrupt", f"{what}: {reason}{path}.", hint)
    if isinstance(error, FileNotFoundError):
        return RenexError("not_found", f"{what}: {reason}{path}.", "Check the path.")
    return RenexError("invalid_argument", f"{what}: {reason}{path}.", "Check the path and what it names.")


def warn(text: str) -> None:
    """Warn at the nearest line that is neither ours nor Python's own, such as that of a `with`; without one at none.

    Where warnings are made errors, the text is printed instead.
    """
    pythons = tuple(sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib"))
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  the documented way to look up the stack
    level = 2
    while frame is not None and _passes_on(frame.f_code.co_filename, pythons):
        level, frame = level + 1, frame.f_back
    try:
        warnings.warn(f"renex: {text}", stacklevel=level)
    except Warning:
        print(f"renex: {text}", file=sys.stderr)


def _passes_on(path: str, pythons: tuple[str, ...]) -> bool:
    """Say whether a file is ours or of Python's own library, below which installed packages may lie."""
    installed = "site-packages" in path or "dist-packages" in path
    return path.startswith((_OURS, "<frozen ")) or (path.startswith(pythons) and not installed)


def _users_part(traceback: TracebackType | None) -> TracebackType | None:
    """Return a traceback without what follows the last call into this package; the traceback given stays as it is."""
    installed = sysconfig.get_paths()
    libraries = (*(installed[name] + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")), "<frozen ")
    frames: list[TracebackType] = []
    end = None
    while traceback is not None:
        path = traceback.tb_frame.f_code.co_filename
        if path.startswith(_OURS):
            end = len(frames) if end is None else end
        elif not path.startswith(libraries):
            end = None  # the user's own code, which we were called by or called
        frames.append(traceback)
        traceback = traceback.tb_next
    shown = None
    for each in reversed(frames[:end]):
        shown = TracebackType(shown, each.tb_frame, each.tb_lasti, each.tb_lineno)
    return shown


def _whose(name: str | os.PathLike[str]) -> str:
    """Say to whom a path belongs, or the nearest folder above it that can be looked at: that one refuses then."""
    for path in (Path(name).absolute(), *Path(name).absolute().parents):
        try:
            found = path.stat()
        except OSError:
            continue
        return f"; {path} belongs to {user_name(found.st_uid)} and has mode {found.st_mode & 0o7777:04o}"
    return ""


def user_name(uid: int) -> str:
    """Return the name of a user of this machine with the number: `alice (user 1000)`, or `user 1000`."""
    try:
        import pwd

        return f"{pwd.getpwuid(uid).pw_name} (user {uid})"
    except (ImportError, KeyError):
        return f"user {uid}"
