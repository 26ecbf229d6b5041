"""What `import renex_jupyter` costs."""

import subprocess
import sys
from pathlib import Path

HEAVY = ("duckdb", "plotly", "docker", "pandas", "ipywidgets", "IPython", "numpy", "psutil")


def test_import_loads_nothing_heavy_and_creates_nothing(tmp_path: Path) -> None:
    program = f"import sys, renex_jupyter as rx; dir(rx); print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "[]"
    assert list(tmp_path.iterdir()) == []


def test_a_supervisor_starts_its_action_before_anything_heavy_is_loaded() -> None:
    program = f"import sys, renex_jupyter.tasks.supervisor; print([m for m in {HEAVY!r} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"


def test_import_takes_about_as_long_as_starting_python() -> None:
    program = "import time; own = time.process_time(); import renex_jupyter; print(time.process_time() / own)"
    ratios = [float(subprocess.check_output([sys.executable, "-c", program])) for _ in range(5)]
    assert min(ratios) < 6  # the interpreter's own start is 1; of the heavy ones pandas alone makes it more than 20


def test_every_public_name_is_there() -> None:
    import renex_jupyter as rx

    for name in rx.__all__:
        assert getattr(rx, name) is not None
    assert rx.RenexError.__name__ == "RenexError"
