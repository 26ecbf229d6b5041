"""Cells in a process of their own, as runs."""

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import renex_jupyter as rx
from renex_jupyter.errors import RenexError
from renex_jupyter.records.runs import Run
from renex_jupyter.session.cells import OwnProcess, run_isolated
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.limits import limits_of


@pytest.fixture
def names(project: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The variables of the notebook."""
    variables: dict[str, Any] = {}
    monkeypatch.setattr(Session, "names", property(lambda _: variables))
    return variables


def _output(run: Run) -> str:
    assert run.output_sha256 is not None
    return current().store.blobs.get(run.output_sha256).decode()


def test_a_cell_takes_variables_along_and_brings_some_back(names: dict[str, Any]) -> None:
    names.update(a=np.arange(3), table=pd.DataFrame({"x": [1.5, math.nan]}), split=(0.8, {"seed": 1}))
    cell = "import os\nmodel = {'w': a * lr, 'table': table, 'split': split}\npid = os.getpid()"
    run = run_isolated("train", cell, {"lr": 0.5}, inputs=["a", "table", "split"], outputs=["model", "pid"])
    assert (run.status, run.kind, run.executor, run.exit_code, run.params) == (
        "finished",
        "cell",
        "process",
        0,
        {"lr": 0.5},
    )
    assert run.action == {"inputs": ["a", "table", "split"], "outputs": ["model", "pid"]}
    assert names["pid"] != os.getpid() and "lr" not in names
    assert names["model"]["w"].tolist() == [0, 0.5, 1] and names["model"]["split"] == (0.8, {"seed": 1})
    pd.testing.assert_frame_equal(names["model"]["table"], names["table"])
    assert not list(current().store.layout.runs.iterdir())


def test_what_the_cell_prints_is_shown_and_kept(names: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    run = run_isolated("train", "import sys\nprint('one')\nprint('two', file=sys.stderr)\n1 + 1", {})
    assert _output(run) == "one\ntwo\n2\n" == capsys.readouterr().out
    assert run.peak_memory_bytes is not None


@pytest.mark.parametrize("magic", ["", "!true\n"])
def test_the_cell_logs_on_its_run(magic: str, names: dict[str, Any]) -> None:
    cell = f"{magic}import renex_jupyter as rx\nrx.log_metric('loss', 0.25)\nrx.log_params({{'depth': 3}})"
    run = run_isolated("train", cell, {})
    assert run.status == "finished" and run.metrics == {"loss": 0.25} and run.params == {"depth": 3}
    assert len(rx.search_runs()) == 1


def test_a_cell_that_fails_is_a_failed_run_with_its_traceback_and_changes_no_variable(names: dict[str, Any]) -> None:
    names["model"] = "old"
    run = run_isolated("train", "model = 'new'\nprint(model)\n1 / 0", {}, outputs=["model"])
    assert (run.status, run.exit_code, names) == ("failed", 1, {"model": "old"})
    assert run.error is not None and run.error.endswith("ZeroDivisionError: division by zero")
    assert '  File "<train>", line 3, in <module>\n    1 / 0\n' in _output(run)


@pytest.mark.parametrize(("status", "ends"), [(3, "failed"), (0, "finished")])
def test_sys_exit_is_honoured(status: int, ends: str, names: dict[str, Any]) -> None:
    run = run_isolated("train", f"import sys\nx = 1\nsys.exit({status})", {}, outputs=["x"])
    assert (run.status, run.exit_code) == (ends, status)
    assert names == ({"x": 1} if ends == "finished" else {})


@pytest.mark.parametrize(
    ("cell", "said"),
    [("x = 1", "the output 'model' is no variable"), ("model = object()", "the output 'model' is object")],
)
def test_the_run_says_which_output_is_missing_or_refused(cell: str, said: str, names: dict[str, Any]) -> None:
    run = run_isolated("train", cell, {}, outputs=["model"])
    assert run.status == "failed" and run.error is not None and said in run.error
    assert "model" not in names


@pytest.mark.parametrize(("given", "code"), [({}, "not_found"), ({"a": object()}, "unsupported_value")])
def test_an_input_that_cannot_go_is_refused_before_anything_is_recorded(
    given: dict[str, Any], code: str, names: dict[str, Any]
) -> None:
    names.update(given)
    with pytest.raises(RenexError, match="'a'") as caught:
        run_isolated("train", "1", {}, inputs=["a"])
    assert caught.value.code == code and caught.value.hint
    assert not current().store.exists


def test_a_name_is_a_param_or_an_input(names: dict[str, Any]) -> None:
    names["lr"] = 5
    with pytest.raises(RenexError, match="'lr' is a param and an input"):
        run_isolated("train", "lr", {"lr": 1}, inputs=["lr"])
    assert not current().store.exists or rx.search_runs().empty


def test_outputs_of_a_detached_cell_are_refused(names: dict[str, Any]) -> None:
    with pytest.raises(RenexError, match="brings no variables back"):
        run_isolated("train", "x = 1", {}, outputs=["x"], detach=True)


HOSTILE = """
import atexit, json, os, pickle, sys
class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)
def leave():
    out = os.path.join(os.path.dirname(os.environ["RENEX_CELLS"]), "out")
    open(os.path.join(out, "values.json"), "w").write(json.dumps({"m": {"$array": 0}}))
    open(os.path.join(out, "0.npy"), "wb").write(pickle.dumps(Bomb()))
atexit.register(leave)
m = 1
"""


def test_outputs_that_were_tampered_with_fail_the_run_and_run_nothing(names: dict[str, Any], project: Path) -> None:
    with pytest.raises(RenexError, match="were not brought back") as caught:
        run_isolated("train", HOSTILE, {}, outputs=["m"])
    run = rx.get_run("train")
    assert caught.value.code == "corrupt" and run.status == "failed" and run.error is not None
    assert "were not brought back" in run.error
    assert names == {} and not (project / "exploded").exists()


def test_a_cell_that_takes_too_long_is_stopped_and_has_failed(names: dict[str, Any]) -> None:
    run = run_isolated("train", "import time\ntime.sleep(600)", {}, limits=limits_of(timeout=2))
    assert run.status == "failed" and run.error is not None and run.error.startswith("timeout")


def test_a_cell_can_run_where_this_package_and_ipython_are_not(names: dict[str, Any], project: Path) -> None:
    names["n"] = 4
    bare = project / "bare"
    bare.write_text(f'#!/bin/sh\nexec {os.path.realpath(os.sys.executable)} -S -E "$@"\n')
    bare.chmod(0o755)
    where = OwnProcess(python=str(bare))
    cell = "from importlib.util import find_spec\nn += 1\nfound = [find_spec(x) for x in ('IPython', 'renex_jupyter', 'numpy')]"
    run = run_isolated("train", cell, {}, inputs=["n"], outputs=["n", "found"], process=where)
    assert run.status == "finished", _output(run)
    assert names["n"] == 5 and names["found"] == [None, None, None]


def test_a_cell_runs_in_the_current_folder_as_in_the_kernel(names: dict[str, Any], project: Path) -> None:
    run_isolated(
        "train",
        "import model\nfrom pathlib import Path\nhere, got = str(Path.cwd()), model.model()",
        {},
        outputs=["here", "got"],
    )
    assert names == {"here": str(project), "got": 1}
