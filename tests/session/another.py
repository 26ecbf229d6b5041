"""Another process of the project, which does what it is told, one thing after the other."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

LOOP = """
import json, sys
told, sys.stdout, names = sys.stdout, sys.stderr, {"said": None}
exec("import renex_jupyter as rx", names)
for line in sys.stdin:
    try:
        exec(json.loads(line), names)
        answer = {"said": names["said"]}
    except Exception as error:
        answer = {"error": str(error)}
    told.write(json.dumps(answer) + "\\n")
    told.flush()
"""


class Another:
    """A real process; `said` in its code is what comes back."""

    def __init__(self, project: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", LOOP], cwd=project, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def begin(self, code: str) -> None:
        """Have it do something, and do not wait for it."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(code) + "\n")
        self.process.stdin.flush()

    def ended(self) -> Any:
        """Wait until what was begun is done; return what it said, or raise what it raised."""
        assert self.process.stdout is not None
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["said"]

    def does(self, code: str) -> Any:
        """Have it do something."""
        self.begin(code)
        return self.ended()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()
