"""A real kernel and the client that talks to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager


class Kernel:
    """A running kernel and the client that talks to it."""

    def __init__(self, folder: Path) -> None:
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(cwd=str(folder))
        self.client: BlockingKernelClient = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=120)

    def run(self, source: str, timeout: float = 120) -> dict[str, object]:
        """Run a cell to its end and return the reply."""
        reply: dict[str, object] = self.client.execute_interactive(source, timeout=timeout, output_hook=lambda _: None)[
            "content"
        ]
        return reply

    def stop(self) -> None:
        """Kill it if it lives."""
        self.client.stop_channels()
        if self.manager.is_alive():
            self.manager.shutdown_kernel(now=True)


Start = Callable[[], Kernel]
