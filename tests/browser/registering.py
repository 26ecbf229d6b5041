"""Another process that registers models and logs events, beside a browser."""

import json
import subprocess
import sys
from pathlib import Path

# What a script does that knows nothing of the panel: lines of JSON in, each a method of `Registry` and its arguments.
WRITER = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from registered import Registry
from renex_jupyter.config import settings
from renex_jupyter.store.store import Store

settings().fold_in_background = False
registry = Registry(Store(Path(sys.argv[1])))
for line in sys.stdin:
    name, args, kwargs = json.loads(line)
    print(json.dumps(getattr(registry, name)(*args, **kwargs)), flush=True)
"""


class Writer:
    """Another process that registers models."""

    def __init__(self, root: Path) -> None:
        shared = Path(__file__).parents[1] / "views"
        command = [sys.executable, "-c", WRITER, str(root / ".renex"), str(shared)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def do(self, name: str, /, *args: object, **kwargs: object) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([name, args, kwargs]) + "\n")
        self.process.stdin.flush()
        return str(json.loads(self.process.stdout.readline()))
