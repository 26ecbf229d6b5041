"""Checkpoints: kept with their metrics, found again after a crash, whole."""

import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from disk import full_disk

import renex_jupyter as rx
from renex_jupyter.capture.files import stop_worker
from renex_jupyter.session.current import current

FAULTS = Path(__file__).parents[1] / "faults"


def save(project: Path, step: int, **metrics: Any) -> Any:
    (project / "last.pt").write_text(f"state of {step}")
    return rx.log_checkpoint("last.pt", step, metrics or None)


def test_list_with_metrics_a_checkpoint_is_an_artifact_at_a_step_with_metrics(project: Path) -> None:
    with rx.start_run("train") as run:
        made = [save(project, step, loss=1 / (step + 1), acc=step / 10) for step in range(3)]
        found = rx.list_checkpoints()
    assert list(found["step"]) == [2, 1, 0]
    assert list(found["metrics.acc"]) == [0.2, 0.1, 0.0] and list(found["metrics.loss"]) == [1 / 3, 1 / 2, 1.0]
    assert set(found["run"]) == {"train"} and set(found["run_id"]) == {run.run_id}
    artifact = rx.get_artifact(made[0])
    assert (artifact.kind, artifact.step, artifact.owner_id) == ("checkpoint", 0, run.run_id)
    assert made[0].metrics == {"loss": 1.0, "acc": 0.0}
    points = rx.sql("select * from metrics where owner_kind = 'checkpoint' order by wallclock")
    assert len(points) == 6 and set(points["owner_id"]) == {each.checkpoint_id for each in made}
    assert len(rx.list_checkpoints(run)) == len(rx.list_checkpoints("train")) == 3
    assert len(rx.list_checkpoints(experiment="default")) == len(rx.list_checkpoints()) == 3


def test_last_and_best_hand_out_a_path_to_the_verified_contents(project: Path) -> None:
    with rx.start_run("train"):
        assert rx.last_checkpoint() is None and rx.best_checkpoint("acc") is None
        for step, acc in enumerate([0.5, 0.9, math.nan, 0.9, 0.7]):
            save(project, step, acc=acc, loss=-acc)
        last, best = rx.last_checkpoint(), rx.best_checkpoint("acc")
    assert (last.step, last.path.read_text()) == (4, "state of 4")
    assert (best.step, best.path.read_text()) == (3, "state of 3")  # of two that are as good the newer one
    assert rx.best_checkpoint("loss", goal="min", run="train").step == 3
    assert rx.best_checkpoint("acc", goal="min", run="train").step == 0
    to = rx.last_checkpoint("train", to="resume/from.pt").path
    assert to == project / "resume/from.pt" and to.read_text() == "state of 4"


def test_a_folder_is_a_checkpoint_too(project: Path) -> None:
    (project / "state/optimizer").mkdir(parents=True)
    (project / "state/weights").write_text("w")
    (project / "state/optimizer/moments").write_text("m")
    with rx.start_run("train"):
        rx.log_checkpoint("state", 1)
        path = rx.last_checkpoint().path
    assert (path / "weights").read_text() == "w" and (path / "optimizer/moments").read_text() == "m"


def test_nothing_is_unpickled(project: Path) -> None:
    (project / "evil.pkl").write_bytes(b"cposix\nsystem\n(S'touch hacked'\ntR.")
    with rx.start_run("train"):
        rx.log_checkpoint("evil.pkl", 0)
        assert rx.last_checkpoint().path.read_bytes().startswith(b"cposix")
    assert not (project / "hacked").exists()


def test_a_goal_must_be_said_where_nobody_can_mean_the_greatest(project: Path) -> None:
    with rx.start_run("train"):
        save(project, 0, **{"val/loss": 0.3, "acc": 1})
        for metric in ("val/loss", "loss"):
            with pytest.raises(rx.RenexError) as caught:
                rx.best_checkpoint(metric)
            assert caught.value.code == "invalid_argument" and 'goal="min"' in caught.value.hint
        with pytest.raises(rx.RenexError) as caught:
            rx.best_checkpoint("ac")
        assert caught.value.code == "not_found" and "'acc'" in caught.value.hint
        with pytest.raises(rx.RenexError) as caught:
            rx.best_checkpoint("acc", goal="most")
        assert caught.value.code == "invalid_argument"


def test_a_goal_that_was_defined_counts(project: Path) -> None:
    with rx.start_run("train"):
        for step, loss in enumerate([0.3, 0.1, 0.2]):
            save(project, step, loss=loss)
        rx.define_metric("loss", goal="min")
        assert rx.best_checkpoint("loss").step == 1


def test_metrics_that_are_logged_on_a_checkpoint_later_count(project: Path) -> None:
    with rx.start_run("train"):
        first, second = save(project, 0), save(project, 1)
        rx.log_metric("acc", 0.9, on=first)
        rx.log_metric("acc", 0.8, on=second)
        assert rx.best_checkpoint("acc").step == 0


def test_without_a_run_it_is_said_what_to_do(project: Path) -> None:
    with rx.start_run("train"):
        save(project, 0)
    with pytest.raises(rx.RenexError) as caught:
        rx.last_checkpoint()
    assert caught.value.code == "invalid_argument" and "resume=True" in caught.value.hint
    with pytest.raises(rx.RenexError) as caught:
        rx.last_checkpoint("nobody")
    assert caught.value.code == "not_found"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"path": "gone.pt"}, "not_found"),
        ({"step": None}, "invalid_argument"),
        ({"step": "1"}, "invalid_argument"),
        ({"metrics": [1]}, "invalid_argument"),
        ({"metrics": {"": 1}}, "invalid_argument"),
        ({"metrics": {3: 1}}, "invalid_argument"),
        ({"name": "../a"}, "invalid_argument"),
    ],
)
def test_what_is_no_checkpoint_is_refused(project: Path, given: dict[str, Any], code: str) -> None:
    with rx.start_run("train"), pytest.raises(rx.RenexError) as caught:
        rx.log_checkpoint(**{"path": "model.py", "step": 1, **given})
    assert caught.value.code == code and caught.value.hint
    assert len(rx.list_checkpoints("train")) == len(rx.list_artifacts()) == 0


def test_a_value_that_cannot_be_kept_costs_only_itself(project: Path) -> None:
    with rx.start_run("train"), pytest.warns(UserWarning, match="metric 'bad'.*not kept with the checkpoint of step 3"):
        made = save(project, 3, bad=object(), acc=0.5)
    assert made.metrics == {"acc": 0.5}


def test_a_checkpoint_that_a_full_disk_does_not_take_is_told_loudly_and_training_goes_on(project: Path) -> None:
    with rx.start_run("train"):
        save(project, 0, acc=0.1)
        stop_worker()
        with full_disk(), pytest.warns(UserWarning, match="the checkpoint of step 1 is NOT kept: disk_full"):
            assert rx.log_checkpoint("model.py", 1, {"acc": 0.2}) is None
        stop_worker()
        assert list(rx.list_checkpoints()["step"]) == [0]
        assert save(project, 2, acc=0.3) is not None
        assert rx.last_checkpoint().step == 2
    assert rx.fsck()


def test_a_damaged_checkpoint_is_passed_over_for_the_newest_whole_one(project: Path) -> None:
    with rx.start_run("train"):
        save(project, 0)
        newest = save(project, 1)
        sha256 = rx.get_artifact(newest).sha256
        (path,) = (project / ".renex/blobs" / sha256[:2]).glob(f"{sha256[2:]}*")
        path.chmod(0o600)
        path.write_bytes(b"damaged")
        with pytest.warns(UserWarning, match="of step 1 is passed over: corrupt"):
            assert rx.last_checkpoint().step == 0
        rx.delete_checkpoint(rx.list_checkpoints().iloc[1]["checkpoint_id"])
        with pytest.warns(UserWarning, match="passed over"), pytest.raises(rx.RenexError) as caught:
            rx.last_checkpoint()
    assert caught.value.code == "corrupt"


def test_a_checkpoint_is_deleted_with_its_artifact(project: Path) -> None:
    with rx.start_run("train"):
        made = save(project, 0, acc=0.5)
        assert "would be deleted" in str(rx.delete_checkpoint(made, dry_run=True))
        assert len(rx.list_checkpoints()) == 1
        rx.delete_checkpoint(made.checkpoint_id[:10])
        assert len(rx.list_checkpoints()) == len(rx.list_artifacts()) == 0
        assert rx.last_checkpoint() is None
        with pytest.raises(rx.RenexError) as caught:
            rx.delete_checkpoint(made)
    assert caught.value.code == "not_found"
    rows = current().store.reader.rows("select kind, action from inside.changes where action = 'delete' order by kind")
    assert [row["kind"] for row in rows] == ["artifacts", "checkpoints"]
    assert rx.fsck()


KILLED = """
import os, signal, sys
import strikes
import renex_jupyter as rx
from renex_jupyter.config import settings
settings().fold_in_background = False
with rx.start_run("train"):
    open("last.pt", "w").write("state of 0")
    rx.log_checkpoint("last.pt", 0, {"acc": 0.5})
    open("last.pt", "w").write("state of 1")
    strikes.killed_at(int(sys.argv[1]), "before", lambda: rx.log_checkpoint("last.pt", 1, {"acc": 0.6}))
print("it came to its end")
os._exit(0)
"""


def test_killed_at_any_step_of_keeping_a_checkpoint_the_newest_whole_one_is_there(project: Path) -> None:
    path = os.pathsep.join([str(FAULTS), *sys.path])
    seen, killed = set(), 0
    for number in range(40):
        words = [sys.executable, "-c", KILLED, str(number)]
        done = subprocess.run(words, env=dict(os.environ, PYTHONPATH=path), capture_output=True, text=True, check=False)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        run = rx.search_runs(limit=1).iloc[0]["run_id"]
        last = rx.last_checkpoint(run)
        assert last.path.read_text() == f"state of {last.step}"
        assert last.metrics == {"acc": [0.5, 0.6][last.step]}
        assert len(rx.list_artifacts(f"run:{run}")) == len(rx.list_checkpoints(run)) == last.step + 1
        seen.add(last.step)
        killed += done.returncode != 0
        if done.returncode == 0:
            break
    assert seen == {0, 1} and killed > 2
    assert rx.fsck()
