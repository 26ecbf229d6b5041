"""The verbs of drift."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from terminal import refused, say, told

import renex_jupyter as rx

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).normal(size=200)
    rx.create_dataset("shop", pd.DataFrame({"x": x, "day": [1] * 100 + [2] * 100}))
    rx.create_dataset("shop", pd.DataFrame({"x": x + 2, "day": [1] * 100 + [2] * 100}))
    return tmp_path


def test_drift_is_looked_at_listed_shown_and_decided_on(capsys: Capture) -> None:
    found = told(capsys, "drift", "shop:1", "shop:2")
    assert found["proposal"] == "investigate" and found["results"][0]["level"] == "alert"
    report = found["drift_report_id"]
    assert told(capsys, "show", report[:12])["drift_report_id"] == report
    (listed,) = told(capsys, "drifts", "shop")
    assert listed["drift_report_id"] == report and listed["decision"] is None
    made = told(capsys, "decide", report[:12], "investigate", "-m", "the scale was changed")
    assert made["drift_report_id"] == report and made["reason"] == "the scale was changed"
    shown = say(capsys, "drifts", "--id", report)
    assert "to be investigated: the scale was changed" in shown and "PSI" in shown
    assert told(capsys, "drifts", "--id", report)["decisions"][0]["decision_id"] == made["decision_id"]


def test_windows_thresholds_and_columns_are_options(capsys: Capture) -> None:
    words = ("drift", "shop", "--by", "day", "--columns", "x", "--set", "alert=9", "attention=8", "js=1", "--dry-run")
    found = told(capsys, *words)
    assert found["period"] == "day, 2 to 2; reference: 1" and found["proposal"] == "keep"
    assert found["params"]["thresholds"]["alert"] == 9
    assert told(capsys, "drift", "shop", "--by", "50", "--dry-run")["results"][0]["windows"][2]["n"] == 50
    assert told(capsys, "drifts") == []


def test_what_is_wrong_is_told(capsys: Capture) -> None:
    assert refused(capsys, "drift", "shop:7")["code"] == "not_found"
    assert refused(capsys, "drift", "shop", "--set", "alert")["code"] == "invalid_argument"
    assert refused(capsys, "decide", "0" * 32, "keep", "-m", "fine")["code"] == "not_found"
    assert refused(capsys, "decide", "0" * 32, "burn", "-m", "fine")["code"] == "invalid_argument"
    assert refused(capsys, "drifts", "nothing")["code"] == "not_found"
    assert refused(capsys, "drifts", "-n", "0")["code"] == "invalid_argument"
