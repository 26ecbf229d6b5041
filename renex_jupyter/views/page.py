"""The page that shows the panel: what it tells of itself, and the few things it can be asked to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import comm

PANEL_TARGET = "renex:panel"
COMMAND_TARGET = "renex:command"


def send_command(name: str, **fields: Any) -> None:
    """Ask the page for one of its whitelisted commands; a page that does not know it does nothing.

    `insert-cell` (code): a new cell below the active one, not run. `open-file` (path below the contents root).
    `notify` (level: info, success, warning, error; message).
    """
    channel = comm.create_comm(target_name=COMMAND_TARGET, data={})
    channel.send({"name": name, **fields})
    channel.close()


def listen(tell: Callable[[dict[str, Any]], None]) -> None:
    """Have `tell` called with what every page says of itself, at first and when it changes: notebook, theme, tab."""

    def opened(channel: Any, message: dict[str, Any]) -> None:
        channel.on_msg(lambda each: tell(each["content"]["data"]))
        tell(message["content"]["data"])

    comm.get_comm_manager().register_target(PANEL_TARGET, opened)
