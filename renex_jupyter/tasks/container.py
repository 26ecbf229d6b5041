"""Run the action of an order in a container: as the user, without privileges, removed at its end whatever happens."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from renex_jupyter.config import settings
from renex_jupyter.errors import RenexError, text_argument
from renex_jupyter.records import display
from renex_jupyter.tasks import daemon
from renex_jupyter.tasks.container_output import Output
from renex_jupyter.tasks.container_settings import GIVEN, check_mounts, host_settings
from renex_jupyter.tasks.container_stats import Stats
from renex_jupyter.tasks.daemon import connect, told, within
from renex_jupyter.tasks.images import require_image
from renex_jupyter.tasks.leftover_containers import kill_process, labels, remove
from renex_jupyter.tasks.order import Order

if TYPE_CHECKING:
    from docker import DockerClient

NOT_DOCKERS = 125  # exit code where Docker, not the action, failed; `docker run` has the same
LAST_OUTPUT = 5.0  # seconds that the output of an ended container is awaited


class ContainerAction:
    """The action of one order in a container; an `Action` (see tasks/action.py)."""

    child: int | None = None

    def __init__(self, order: Order) -> None:
        assert order.container is not None  # it is run elsewhere then
        self.order = order
        self.wanted = order.container
        self.container: str | None = None
        self.output = -1
        self.ending: str | None = None  # why it ended, where the exit code does not say it
        self._client: DockerClient | None = None
        self._out: Output | None = None
        self._stats = Stats()
        self._code: int | None = None
        self._ended = 0.0  # by the monotonic clock
        self._pid = 0  # of its init, as the daemon sees it

    def start(self) -> None:
        """Create the container, attach to its output, start it.

        Raises
        ------
        RenexError : `docker_unavailable`; `not_found` for an image that is not there; `invalid_argument` for what Docker
            does not take; `unsafe_path` for a folder that no container may see.
        """
        for word in (*self.order.argv, self.order.cwd):  # Docker would put another character in the place of a byte
            text_argument(word, "what a container can be told", "Give it a name in UTF-8, or run it as a process.")
        check_mounts(self.wanted)
        self._client = connect()
        require_image(self._client, self.wanted.image)
        api = self._client.api
        try:
            made = api.create_container(
                self.wanted.image,
                list(self.order.argv),
                user=_user(self._client, self.wanted.user),
                environment={**GIVEN, **self.wanted.environment},
                working_dir=self.order.cwd,
                labels=labels(self.order),
                stdin_open=False,
                host_config=api.create_host_config(**host_settings(self.order)),
            )
            self.container = made["Id"]
            self._out = Output(api.attach_socket(self.container, {"stdout": 1, "stderr": 1, "stream": 1}))
            api.start(self.container)
        except Exception as error:  # docker-py passes on what `requests` raises
            raise _not_started(error, self.order) from error
        self.output = self._out.read_from
        self._out.start()
        self._stats.start(api, self.container)
        threading.Thread(target=self._wait, name="renex-container", daemon=True).start()

    def poll(self) -> int | None:
        """Return the exit code once it has ended and its output was handed over."""
        if self._code is None or self._out is None:
            return None
        if self._out.at_end.is_set() or time.monotonic() - max(self._ended, self._out.moved) > LAST_OUTPUT:
            return self._code
        return None

    def send(self, number: int) -> bool:
        """Have the daemon send a signal; say whether there is anything that may get it."""
        if self._code is not None or self.container is None:
            return False
        if number:
            threading.Thread(target=self._kill, args=(number,), name="renex-kill", daemon=True).start()
        return True

    def memory(self) -> int:
        """Return the bytes in memory as Docker counted them last, about every second; after the end the most of all."""
        return self._stats.memory if self._code is None else self._stats.peak

    def system(self) -> dict[str, float]:
        """Return the metrics that Docker told last."""
        return dict(self._stats.values)

    def close(self) -> None:
        """Remove the container, with all that still runs in it."""
        if self._client is not None:
            if self.container is not None:
                with suppress(Exception):  # a daemon that is away; the next run sweeps
                    within(daemon.ANSWER, lambda: remove(self._api, self._id))
            with suppress(Exception):
                self._client.close()
        if self._out is not None:
            self._out.close()

    @property
    def _api(self) -> Any:
        assert self._client is not None  # it was started
        return self._client.api

    @property
    def _id(self) -> str:
        assert self.container is not None  # it was started
        return self.container

    def _wait(self) -> None:
        """Wait for the end of the container, or of the daemon."""
        api, code = self._api, NOT_DOCKERS
        with suppress(Exception):  # only what follows depends on it
            self._pid = api.inspect_container(self._id)["State"]["Pid"]
        try:
            code = api.wait(self._id, timeout=None)["StatusCode"]
            self._look_at_the_end(code)
        except Exception as error:  # noqa: BLE001  docker-py passes on what `requests` raises
            self.ending = self.ending or self._lost(error)
        self._end(code)

    def _look_at_the_end(self, code: int) -> None:
        """Ask why it ended, while the container is still there."""
        from docker.errors import NotFound

        try:
            state = self._api.inspect_container(self._id)["State"]
        except NotFound:
            state = {"Status": "removing"}
        if state["Status"] in ("removing", "dead"):
            self.ending = f"its container was removed from outside, exit code {code}"
        elif state.get("OOMKilled") and code and self.order.memory:
            self._stats.peak = max(self._stats.peak, self.order.memory)
            self.ending = (
                f"memory limit of {display.size(self.order.memory)} exceeded: the kernel ended a process of it"
            )
        elif state.get("OOMKilled") and code:
            self.ending = "the machine, or the daemon, has no memory left: the kernel ended a process of it"
        elif code in (126, 127) and self._out is not None:
            self.ending = _no_program(self._out, self.order)

    def _lost(self, error: Exception) -> str:
        """Say why the end cannot be known; nothing of the container is left to run unwatched where we can help it."""
        if not daemon.is_away(error):
            return told(error, "its container cannot be waited for").message
        left = "" if kill_process(self._pid, self._id) else f" Container {self._id[:12]} may still run."
        return f"the Docker daemon went away while the container ran; how it ended is not known.{left}"

    def _kill(self, number: int) -> None:
        from docker.errors import APIError

        try:
            within(settings().docker_timeout, lambda: self._signal(number))
        except APIError:  # it has ended, or is removed
            return
        except Exception as error:  # noqa: BLE001  a daemon that is away, or silent
            if number == signal.SIGKILL:
                self.ending = self._lost(error)
                self._end(NOT_DOCKERS)

    def _signal(self, number: int) -> None:
        self._api.kill(self._id, signal=number)

    def _end(self, code: int) -> None:
        if self._code is None:
            self._ended = time.monotonic()
            self._code = _as_here(code)


def _as_here(code: int) -> int:
    """Return an exit code as of a process of this machine: where a signal ended it, a shell and Docker add 128."""
    with suppress(ValueError):
        return -signal.Signals(code - 128)
    return code


def _user(client: DockerClient, wanted: str) -> str:
    """Return the user inside: of a daemon that runs as the user itself, root inside is the user outside."""
    options = client.api.info().get("SecurityOptions") or ()
    return "0:0" if any("rootless" in each for each in options) else wanted


def _not_started(error: Exception, order: Order) -> RenexError:
    said = str(getattr(error, "explanation", None) or "")
    if "executable file not found" in said or ("no such file or directory" in said and "exec" in said):
        return _missing(order)
    return told(error, "the container cannot be started")


def _no_program(out: Output, order: Order) -> str | None:
    """Return what the container's init says when it finds no program, in our words."""
    return _missing(order).message if b"[FATAL tini" in out.last and b"exec" in out.last else None


def _missing(order: Order) -> RenexError:
    assert order.container is not None
    fact = f"no command '{order.argv[0]}' in the image {order.container.image}, or it is not executable."
    return RenexError("not_found", fact, "Check its spelling and the image; what only a shell knows needs: sh -c '...'")
