"""Policies where something fails, is locked, or several processes register at once."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from policed import LABEL, champion, registered, said

import renex_jupyter as rx
from renex_jupyter.records.changes import Change
from renex_jupyter.session import current as sessions
from renex_jupyter.session import triggers, verdicts


@pytest.fixture
def digits(project: Path) -> Any:
    (project / "model.bin").write_bytes(b"weights")
    return rx.create_model("digits")


def test_a_fault_in_one_policy_is_a_warning_and_the_others_are_asked(
    digits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rx.set_policy("digits", "evaluate", datasets=["test"])
    rx.set_policy("digits", "label", **LABEL)

    def broken(*_: object) -> list[Any]:
        raise ZeroDivisionError

    monkeypatch.setitem(verdicts._KINDS, "evaluate", broken)
    with pytest.warns(UserWarning, match="policy 'measured on test' of model 'default/digits'.*ZeroDivisionError"):
        registered(0.9)
    assert champion() == 1


def test_a_rule_of_a_newer_version_does_not_stop_a_training_program(digits: Any) -> None:
    made = rx.set_policy("digits", "label", **LABEL)
    sessions.current().store.write(
        Change("policies", made.policy_id, "update", {"rule": {**LABEL, "where": "later(accuracy) > 3"}})
    )
    with pytest.warns(UserWarning, match="'later' is no function"):
        registered(0.9)
    assert champion() is None


def test_a_lock_that_another_program_holds_does_not_stop_a_training_program(
    project: Path, digits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rx.set_policy("digits", "label", **LABEL)
    registered(0.9)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(project / ".renex" / verdicts.LOCK)], stdin=-1, stdout=-1, text=True
    )
    assert holder.stdout and holder.stdin and holder.stdout.readline() == "held\n"
    monkeypatch.setattr(verdicts, "WAIT", 0.1)
    with pytest.warns(UserWarning, match="locked"):
        made = registered(0.95)
    assert champion() == 1
    holder.communicate("")
    rx.log_metric("accuracy", 0.95, on=made, dataset="test")
    assert champion() == made.version


HOLD = """
import sys
from pathlib import Path
from renex_jupyter.store.locks import hold
with hold(Path(sys.argv[1]), timeout=60):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_store_without_policies_is_asked_once_however_many_points_are_logged(
    digits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    has, about = triggers._seen, triggers._about_owner
    monkeypatch.setattr(triggers, "_about_owner", lambda *given: (asked.append("about"), about(*given)))
    made = registered(0.9)
    rx.log_metric("accuracy", 0.91, on=made, dataset="test")
    marker = dict(has)
    for value in range(20):
        rx.log_metric("accuracy", value / 20, on=made, dataset="test")
    assert has == marker
    assert asked == []
    rx.set_policy("digits", "label", **LABEL)
    rx.log_metric("accuracy", 0.9, on=made, dataset="test")
    assert asked
    assert champion() == 1


KILLED = """
import os, signal
import renex_jupyter as rx
from renex_jupyter.session import verdicts
verdicts.record = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
rx.log_metric("accuracy", 0.9, on="digits:1", dataset="test")
"""


def test_a_process_that_is_killed_at_its_policies_leaves_them_to_the_next(digits: Any) -> None:
    registered()
    rx.set_policy("digits", "label", **LABEL)
    killed = subprocess.run([sys.executable, "-c", KILLED], check=False)
    assert killed.returncode == -9
    assert champion() == 1
    rx.evaluate_policies("digits", dry_run=False)
    assert said() == ["v1 stays champion: accuracy 0.9, no other version beats it"]


def test_an_alias_that_somebody_moves_to_a_better_version_meanwhile_is_not_taken_back(
    digits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered(0.9)
    registered(0.95)
    rx.set_alias("digits", "champion", 1)
    rx.set_policy("digits", "label", **LABEL)
    real = verdicts.alone

    def late(*given: Any, **more: Any) -> Any:
        monkeypatch.setattr(verdicts, "alone", real)
        made = registered(0.99)
        rx.set_alias("digits", "champion", made, reason="by hand")
        return real(*given, **more)

    monkeypatch.setattr(verdicts, "alone", late)
    found = rx.evaluate_policies("digits", dry_run=False)
    assert champion() == 3
    assert "v2 not promoted: accuracy 0.95 vs 0.99 of v3, needs +0.002" in [each.reason for each in found]


RACE = """
import sys
import renex_jupyter as rx
base, count = int(sys.argv[1]), int(sys.argv[2])
sys.stdin.readline()
for number in range(count):
    made = rx.register_model("digits", path="model.bin")
    rx.log_metric("accuracy", ((base + 7 * number) * 37 % 101) / 101, on=made, dataset="test")
"""


def test_an_alias_never_goes_to_a_worse_version_whatever_processes_register_at_once(project: Path, digits: Any) -> None:
    rx.set_policy("digits", "label", alias="champion", metric="accuracy", dataset="test")
    racers = [
        subprocess.Popen([sys.executable, "-c", RACE, str(base), "6"], stdin=-1, stderr=-1, text=True)
        for base in (1, 2, 3)
    ]
    for each in racers:
        assert each.stdin
        each.stdin.write("\n")
        each.stdin.flush()
    for each in racers:
        _, errors = each.communicate(timeout=240)
        assert each.returncode == 0, errors
    values = {
        row.version: row.value
        for row in rx.sql("select version, value from model_metrics where dataset = 'test'").itertuples()
    }
    moves = rx.sql(
        "select \"after\"->>'$.version' as version from change_events where object_kind = 'aliases' order by \"at\""
    )["version"]
    reached = [values[int(each)] for each in moves]
    assert reached == sorted(reached)
    assert len(set(reached)) == len(reached)
    assert champion() == max(values, key=lambda each: (values[each], -each))
