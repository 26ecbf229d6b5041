"""A verb of `renex`, in this process: what it says, answers as JSON, or refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from renex_jupyter.cli.main import main


def say(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(words) == 0, capsys.readouterr()
    return capsys.readouterr().out


def told(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    return json.loads(say(capsys, *words, "--json"))


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, str]:
    assert main((*words, "--json")) == 2
    return dict(json.loads(capsys.readouterr().out)["error"])
