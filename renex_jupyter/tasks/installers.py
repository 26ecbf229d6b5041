"""What installs packages: uv where it is there, else pip; both find what the machine's pip is set up to find."""

from __future__ import annotations

import ast
import os
import shutil
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module, util
from pathlib import Path

from renex_jupyter.errors import RenexError

Echo = Callable[[str], None]
GRACE = 3.0  # seconds between SIGTERM and SIGKILL
LAST_LINES = 12  # of what a tool printed before it failed
# What would have a tool install to another place than the one it is told.
ELSEWHERE = (
    "PYTHONPATH",
    "PYTHONHOME",
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_USER",
    "PIP_REQUIRE_VIRTUALENV",
    "VIRTUAL_ENV",
)
HINT = (
    "Nothing was kept. The index must have these versions for this Python and platform; "
    "pip's own settings (pip config list) say where it looks."
)


def find_uv() -> str | None:
    """Return the program uv, from the PATH or as the package of that name; None where there is none."""
    found = shutil.which("uv")
    if found is None and util.find_spec("uv") is not None:
        try:
            found = str(import_module("uv").find_uv_bin())
        except (AttributeError, ImportError, OSError):  # a folder of that name is a module, too
            return None
    return found


def has_pip() -> bool:
    """Say whether this interpreter has a pip that can install into another one."""
    return util.find_spec("pip") is not None


def pip(python: str | os.PathLike[str] | None = None) -> list[str]:
    """Return how pip is called; `python`: for which interpreter it works, if not for this one."""
    other = [] if python is None else ["--python", os.fspath(python)]
    return [sys.executable, "-m", "pip", *other, "--disable-pip-version-check", "--no-input"]


def run_tool(
    argv: Sequence[str], what: str, echo: Echo, *, held: int | None = None, env: Mapping[str, str] | None = None
) -> None:
    """Run a tool to its end and tell each line that it prints.

    Parameters
    ----------
    what : what cannot be done where it fails: "the packages cannot be installed".
    held : descriptor of a lock that the tool inherits: when we are killed the lock is free only after it has ended.

    Raises
    ------
    RenexError : `environment_unavailable` with the last lines of its output.
    """
    last: deque[str] = deque(maxlen=LAST_LINES)
    passed = () if held is None or sys.platform == "win32" else (held,)
    try:
        child = subprocess.Popen(
            list(argv),
            env=dict(env) if env is not None else tool_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            pass_fds=passed,
            start_new_session=True,  # Ctrl-C comes to us, and we end the tool with all that it started
        )
    except OSError as error:
        raise unavailable(f"{what}: {argv[0]} cannot be started ({error.strerror}).", HINT) from error
    assert child.stdout is not None
    try:
        for line in child.stdout:
            if text := line.rstrip():
                last.append(text)
                echo(text)
        code = child.wait()
    except BaseException:  # Ctrl-C, or `echo` failed: nobody would look after the tool any more
        _end(child)
        raise
    finally:
        child.stdout.close()
    if code:
        raise unavailable(f"{what} (exit code {code}):\n{chr(10).join(last) or 'without a word'}", HINT)


def _end(child: subprocess.Popen[str]) -> None:
    """End a tool and what it started, such as the build of a package."""
    if os.name != "posix":
        child.kill()
        child.wait()
        return
    for number, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, 0.0)):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, number)
        with suppress(subprocess.TimeoutExpired):
            child.wait(patience or None)


def unavailable(message: str, hint: str) -> RenexError:
    """An environment that cannot be had here."""
    return RenexError("environment_unavailable", message, hint)


def tool_environment() -> dict[str, str]:
    """Return the variables for an installer: ours, without those that would have it install elsewhere."""
    kept = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    return {**kept, "PIP_PROGRESS_BAR": "off", "UV_NO_PROGRESS": "1", "PYTHONUNBUFFERED": "1"}


def uv_environment() -> dict[str, str]:
    """Return the same for uv, which reads no settings of pip: what pip is told of indexes it is told, too.

    Whoever has told uv an index of its own has that one.

    References
    ----------
    docs.astral.sh/uv/reference/environment
    """
    env = tool_environment()
    if any(name in env for name in ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL")):
        return env
    told = _pip_settings()
    also = {
        "UV_DEFAULT_INDEX": told.get("index-url", ""),
        "UV_INDEX": " ".join(told.get("extra-index-url", "").split()),
        "UV_FIND_LINKS": ",".join(told.get("find-links", "").split()),
        "UV_INSECURE_HOST": " ".join(told.get("trusted-host", "").split()),
        "SSL_CERT_FILE": told.get("cert", ""),
        "UV_NO_INDEX": "1" if told.get("no-index", "").lower() in ("1", "true", "yes", "on") else "",
        "UV_INDEX_STRATEGY": "unsafe-best-match",  # of all indexes the best version, as pip does it
        "UV_LINK_MODE": "copy" if not _links_work() else "",
    }
    return {**{name: value for name, value in also.items() if value}, **env}


def _links_work() -> bool:
    """Windows has links, but virus scanners hold them; elsewhere uv falls back by itself, with a warning."""
    return sys.platform != "win32"


def _pip_settings() -> dict[str, str]:
    """Return what pip's files and variables say, by option; nothing where there is no pip."""
    if not has_pip():
        return {}
    done = subprocess.run([*pip(), "config", "list"], capture_output=True, text=True, check=False)
    told: dict[str, str] = {}
    for line in done.stdout.splitlines():  # global.find-links='/wheels', and variables as :env:.find-links='/wheels'
        key, _, value = line.partition("=")
        section, _, name = key.rpartition(".")
        if section in ("global", "install", ":env:"):
            try:
                told[name] = str(ast.literal_eval(value))
            except (SyntaxError, ValueError):
                continue
    return told


def site_configuration() -> Path | None:
    """Return pip's settings of this virtual environment, which one made from it should have, too."""
    path = Path(sys.prefix) / ("pip.ini" if sys.platform == "win32" else "pip.conf")
    return path if sys.prefix != sys.base_prefix and path.is_file() else None
