"""Functions of these scripts in fresh processes, where nothing is imported or cached yet and nobody can reach a network."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
OFFLINE = {
    "DO_NOT_TRACK": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
    "PYTHONWARNINGS": "ignore",
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_MODE": "offline",
    "WANDB_SILENT": "true",
}
ANSWER = "\0answer "  # before the line that holds the result: peers print what they like


class Gone(Exception):
    """A child failed or took too long; its last words are the message."""


def start(folder: Path, function: str, *arguments: Any) -> subprocess.Popen[str]:
    """Start `module.function` of this folder in a fresh process that works in `folder`."""
    environment = {
        **os.environ,
        **OFFLINE,
        "TRACKIO_DIR": str(folder / "trackio"),
        "RENEX_STORE": str(folder / ".renex"),
    }
    return subprocess.Popen(
        [sys.executable, str(HERE / "child.py"), function, json.dumps(arguments)],
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # what it starts itself must end with it
    )


def answer(process: subprocess.Popen[str], timeout: float = 900) -> Any:
    """Return what the function returned."""
    try:
        said, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired as error:
        os.killpg(process.pid, signal.SIGKILL)
        raise Gone(f"no answer within {timeout:.0f} s") from error
    for line in said.splitlines():
        if line.startswith(ANSWER):
            return json.loads(line.removeprefix(ANSWER))
    raise Gone(said[-2000:])


def call(folder: Path, function: str, *arguments: Any, timeout: float = 900) -> Any:
    """Run `module.function` in a fresh process that works in `folder`, and return what it returned."""
    folder.mkdir(parents=True, exist_ok=True)
    return answer(start(folder, function, *arguments), timeout)


def main() -> None:
    """Run the function that the command line names."""
    module, _, name = sys.argv[1].partition(".")
    result = getattr(importlib.import_module(module), name)(*json.loads(sys.argv[2]))
    print(f"\n{ANSWER}{json.dumps(result)}", flush=True)


if __name__ == "__main__":
    main()
