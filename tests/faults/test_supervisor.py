"""What happens to the disk of a run's folder never ends its action."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from renex_jupyter.session.kept_output import output_in
from renex_jupyter.tasks.order import Order, Outcome
from renex_jupyter.tasks.outcome_file import PATIENCE
from renex_jupyter.tasks.process import start

FULL = r"""
begun() { printf 'line before\n'; until grep -qs before "$1/run/output.log" && [ -e "$1/run/state.json" ]; do sleep 0.1; done; }
fill() { cat /dev/zero > "$1/ballast" 2> /dev/null; }
more() { i=0; while [ $i -lt 300 ]; do echo "line $i xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"; i=$((i+1)); done; }
begun "$1"; fill "$1"; more; printf 'an open line'; sleep 0.6; echo; more; sleep 0.5
"""


def ran(disk: Path, script: str, echo: list[str], **options: object) -> Outcome:
    argv = ("sh", "-c", script, "sh", str(disk))
    order = Order("ab" * 16, str(disk / "store"), argv, str(disk), **options)  # type: ignore[arg-type]
    return start(order, dict(os.environ), disk / "run").follow(echo.append)


@pytest.mark.parametrize("later", ["true", 'rm "$1/ballast"; echo room again; sleep 0.5'])
def test_a_disk_that_fills_up_ends_no_action_and_takes_no_outcome(small_disk: Path, later: str) -> None:
    disk, said = small_disk.parent, list[str]()
    outcome = ran(disk, FULL + later + "\nexit 3", said, output_kept=100_000)
    assert (outcome.status, outcome.exit_code) == ("failed", 3), outcome
    shown = "".join(said)
    assert shown.count("renex: ") == 1
    assert "renex: of the output only what is last is kept: [Errno 28]" in shown
    kept = output_in(disk / "run")
    assert kept.startswith("line before\n")
    if later != "true":
        assert kept.endswith("room again\n")
        assert "line 299 xxx" in kept
        assert kept.count("an open line\n") == 1


def test_what_cannot_be_logged_on_a_full_disk_is_told_once(small_disk: Path) -> None:
    log = """
    i=0; while [ $i -lt 4 ]; do echo '{"key":"loss","value":1}' >> "$RENEX_JOURNAL"; sleep 0.3; i=$((i+1)); done
    """
    disk, said = small_disk.parent, list[str]()
    prepared = 'echo \'{"key":"loss","value":1}\' >> "$RENEX_JOURNAL"; cat /dev/zero > "$1/ballast" 2> /dev/null\n'
    outcome = ran(disk, prepared + log + "exit 0", said, parse_stdout=True, sample_every=0.3)
    assert (outcome.status, outcome.exit_code) == ("finished", 0), "".join(said)
    assert "".join(said).count("what is logged cannot be written yet") <= 1


def test_a_run_folder_that_somebody_deletes_ends_no_action(tmp_path: Path) -> None:
    said: list[str] = []
    lines = 'i=0; while [ $i -lt 2000 ]; do echo "line $i"; i=$((i+1)); done'
    script = f'echo begun; sleep 0.6; rm -r "$1/run"; {lines}; sleep 0.6; touch "$1/done"'
    began = time.monotonic()
    outcome = ran(tmp_path, script, said, output_kept=1000)
    assert (tmp_path / "done").exists()
    assert time.monotonic() - began < PATIENCE / 2  # nobody waits for what nobody makes again
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700
    assert (outcome.status, outcome.exit_code) == ("finished", 0), outcome
