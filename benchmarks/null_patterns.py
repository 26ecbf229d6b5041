"""How often chance is called a failure pattern: searches of samples whose errors are random.

python benchmarks/null_patterns.py [sets]
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

SAMPLES, COLUMNS, VALUES, ERRORS = 20_000, 10, 6, 0.1
ALPHAS = (0.95, 0.999)  # of the second one chance is shown, so that the test has something to refuse


def main(sets: int = 20) -> None:
    """Print for each alpha how many of the data sets have a pattern that is shown, and one that is confirmed."""
    import numpy as np
    import pandas as pd

    import renex_jupyter as rx

    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("pyproject.toml").touch()
        shown, confirmed = dict.fromkeys(ALPHAS, 0), dict.fromkeys(ALPHAS, 0)
        begin = time.monotonic()
        for seed in range(sets):
            rng = np.random.default_rng(seed)
            names = [f"v{value}" for value in range(VALUES)]
            frame = pd.DataFrame({f"c{n}": rng.choice(names, SAMPLES) for n in range(COLUMNS)})
            frame["y"] = rng.choice(["no", "yes"], SAMPLES)
            wrong = rng.random(SAMPLES) < ERRORS
            rx.create_dataset(f"null {seed}", frame, target="y")
            rx.log_predictions(f"null {seed}", np.where(wrong, np.where(frame.y == "no", "yes", "no"), frame.y))
            for alpha in ALPHAS:
                found = rx.failure_patterns(f"null {seed}", alpha=alpha, record=False)
                shown[alpha] += bool(found)
                confirmed[alpha] += bool(found.confirmed)
        for alpha in ALPHAS:
            print(f"alpha {alpha}: of {sets} sets {shown[alpha]} show a pattern, {confirmed[alpha]} confirm one")
        print(f"{time.monotonic() - begin:.0f} s")
        os.chdir("/")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
