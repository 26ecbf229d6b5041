"""The programs of docs/tasks.md log what the page says."""

import re
import shutil
from pathlib import Path

import pytest

import renex_jupyter as rx

PAGE = Path(__file__).parents[2] / "docs" / "tasks.md"


@pytest.mark.parametrize(("language", "program", "option"), [("bash", "bash", "-c"), ("javascript", "node", "-e")])
def test_the_program_of_the_page_logs_metrics_and_a_param(
    project: Path, language: str, program: str, option: str
) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    found = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert len(found) == 1
    run = rx.run_task([program, option, found[0]], echo=str)
    assert run.status == "finished", run.error
    assert rx.metric_history(run.run_id, "loss")[["step", "value"]].values.tolist() == [[0, 0.9], [1, 0.8], [2, 0.7]]
    assert dict(run.params) == {"optimizer": "sgd"}
