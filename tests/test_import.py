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


def test_import_takes_a_fraction_of_starting_python() -> None:
    program = "import time; t = time.perf_counter(); import renex_jupyter; print(time.perf_counter() - t)"
    times = [float(subprocess.check_output([sys.executable, "-c", program])) for _ in range(5)]
    assert min(times) < 0.1


def test_every_public_name_is_there() -> None:
    import renex_jupyter as rx

    for name in rx.__all__:
        assert getattr(rx, name) is not None
    assert rx.RenexError.__name__ == "RenexError"
