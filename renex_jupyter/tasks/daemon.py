"""The Docker daemon: find it within seconds, or say why it cannot be had."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from renex_jupyter.config import settings
from renex_jupyter.errors import RenexError, invalid_argument, user_name

if TYPE_CHECKING:
    from docker import DockerClient

T = TypeVar("T")
DEFAULT = "unix:///var/run/docker.sock"
ANSWER = 30  # seconds for one request to a daemon that has answered before
INSTALL = "Install Docker Engine and start it (systemctl start docker), or set DOCKER_HOST to where one listens."


def connect() -> DockerClient:
    """Return a client of the daemon that DOCKER_HOST, or else the current Docker context, names.

    Raises
    ------
    RenexError : `docker_unavailable` with the cause, after `settings().docker_timeout` seconds at the latest.
    """
    try:
        import docker
    except ImportError as error:
        raise _unavailable("docker-py is not installed here.", "pip install docker") from error
    limit = settings().docker_timeout
    seconds: Any = limit  # which docker-py takes, but its types do not say so
    try:
        client = within(limit, lambda: docker.from_env(timeout=seconds))  # it asks for the version
    except TimeoutError as error:
        raise _silent(limit) from error
    except Exception as error:  # what a wrong DOCKER_HOST raises is not all of docker-py's making
        raise _refused(error, limit) from error
    client.api.timeout = ANSWER
    return client


def address() -> str:
    """Return where the daemon is looked for."""
    if named := os.environ.get("DOCKER_HOST"):
        return named
    try:
        from docker.context import ContextAPI

        return str(ContextAPI.get_current_context().Host or DEFAULT)
    except Exception:  # noqa: BLE001  whatever is wrong with the settings of Docker's own command, it is not our matter
        return DEFAULT


def within(seconds: float, function: Callable[[], T]) -> T:
    """Return what a function returns.

    Raises
    ------
    TimeoutError : it takes longer; a thread, which nobody waits for, goes on with it.
    Exception : its own.
    """
    done: list[T] = []
    failed: list[Exception] = []

    def call() -> None:
        try:
            done.append(function())
        except Exception as error:  # noqa: BLE001  raised again below
            failed.append(error)

    thread = threading.Thread(target=call, name="renex-docker", daemon=True)
    thread.start()
    thread.join(seconds + 0.5)  # the client's own limit comes first
    if failed:
        raise failed[0]
    if not done:
        raise TimeoutError
    return done[0]


def is_away(error: BaseException) -> bool:
    """Say whether an error means that the daemon broke off or did not answer, not that it refused something."""
    from docker.errors import APIError

    return not isinstance(error, (APIError, RenexError))


def told(error: BaseException, what: str) -> RenexError:
    """Translate what the daemon, or the way to it, said; `what` names what was asked of it."""
    from docker.errors import APIError

    if isinstance(error, RenexError):
        return error
    if is_away(error):
        return _unavailable(f"the Docker daemon at {address()} went away: {what}.", f"{_last(error)}. {INSTALL}")
    assert isinstance(error, APIError)
    said = str(error.explanation or error).strip()
    lowered = said.lower()
    if "could not select device driver" in lowered:
        hint = "Install the NVIDIA Container Toolkit for this daemon, or leave the GPUs out."
        return _unavailable(f"the Docker daemon has no GPU to give: {said}.", hint)
    if "bind source path does not exist" in lowered:
        hint = "A container needs a daemon on this machine; DOCKER_HOST may name another one."
        return _unavailable(f"the Docker daemon does not see the folders of this machine: {said}.", hint)
    if error.status_code is not None and error.status_code < 500:
        return invalid_argument(f"{what}: the Docker daemon says: {said}.", "")
    return _unavailable(f"{what}: the Docker daemon says: {said}.", "Its log says more: journalctl -u docker")


def _refused(error: Exception, limit: float) -> RenexError:
    """Return the reason why no client could be made."""
    where = address()
    for each in _chain(error):
        if "timed out" in str(each).lower() and isinstance(each, (TimeoutError, OSError)):
            return _silent(limit)
        if isinstance(each, PermissionError):
            whose = f" You are {user_name(os.getuid())}." if os.name == "posix" else ""
            hint = f"{whose.strip()} Join its group (sudo usermod -aG docker $USER) and log in again.".strip()
            return _unavailable(f"no permission to talk to the Docker daemon at {where}.", hint)
        if isinstance(each, FileNotFoundError):
            return _unavailable(f"no Docker daemon at {where}: there is no such socket.", INSTALL)
        if isinstance(each, ConnectionRefusedError) or getattr(each, "errno", None) == errno.ECONNREFUSED:
            return _unavailable(f"no Docker daemon listens at {where}.", INSTALL)
    return _unavailable(f"no Docker daemon can be had at {where}: {_last(error)}.", INSTALL)


def _silent(limit: float) -> RenexError:
    hint = "It may be starting, or stuck: systemctl restart docker"
    return _unavailable(f"the Docker daemon at {address()} did not answer within {limit:g} seconds.", hint)


def _unavailable(fact: str, hint: str) -> RenexError:
    return RenexError("docker_unavailable", fact, hint)


def _last(error: BaseException) -> str:
    """Return the innermost cause on one line."""
    *_, last = _chain(error)
    return " ".join(str(last).split()).rstrip(".")[:300] or type(last).__name__


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Give an error and what caused it; `requests` and `urllib3` hide causes among the arguments."""
    seen: set[int] = set()
    todo: list[object] = [error]
    while todo:
        each = todo.pop(0)
        if not isinstance(each, BaseException) or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        todo += [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]
