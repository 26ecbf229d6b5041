"""The program that runs cells in a fresh process, also where this package is not installed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from renex_jupyter.tasks.handover import Cell, command, lay_out, pack, read_outputs

BARE = ("-S", "-E")  # no site-packages: neither IPython nor numpy nor this package


@pytest.fixture
def values(tmp_path: Path) -> Path:
    """The folder that is laid out; the current one is another."""
    return tmp_path / "run" / "values"


def _run(
    place: Path, *cells: str | Cell, options: tuple[str, ...] = (), **how: Any
) -> subprocess.CompletedProcess[str]:
    lay_out(place, [each if isinstance(each, Cell) else Cell(each) for each in cells], **{"name": "train", **how})
    program, *words = command(sys.executable, place)
    here = place.parent / "project"
    here.mkdir(exist_ok=True)
    (here / "mine.py").write_text("name = 'mine'\n")
    argv = [program, *options, *words]
    return subprocess.run(argv, cwd=here, capture_output=True, text=True, timeout=200, check=False)


def test_a_cell_runs_as_main_with_the_modules_of_the_current_folder(values: Path) -> None:
    ended = _run(
        values, "import sys, mine\nprint(__name__, sys.modules['__main__'].__dict__ is globals(), mine.name, sys.argv)"
    )
    assert (ended.returncode, ended.stdout) == (0, "__main__ True mine ['train']\n")


def test_a_cell_sees_no_variable_of_the_program_that_runs_it(values: Path) -> None:
    ended = _run(values, "print([each for each in globals() if not each.startswith('__')])")
    assert ended.stdout == "[]\n"


def test_the_value_of_the_last_line_is_shown_unless_a_semicolon_ends_it(values: Path) -> None:
    assert _run(values, "x = 1\nx + 1").stdout == "2\n"
    assert _run(values.with_name("again"), "x = 1\nx + 1;").stdout == ""


def test_a_traceback_names_the_users_own_lines_and_no_other(values: Path) -> None:
    ended = _run(values, "def broken(x):\n    return 1 / x\n\nbroken(0)")
    assert ended.returncode == 1
    said = ended.stderr.replace("           ~~^~~\n", "")
    assert said == (
        "Traceback (most recent call last):\n"
        '  File "<train>", line 4, in <module>\n    broken(0)\n'
        '  File "<train>", line 2, in broken\n    return 1 / x\n'
        "ZeroDivisionError: division by zero\n"
    )


def test_a_syntax_error_is_told_with_its_line(values: Path) -> None:
    ended = _run(values, "x = 1\ny = = 2", options=BARE)
    assert ended.returncode == 1
    assert 'File "<train>", line 2' in ended.stderr and "SyntaxError" in ended.stderr


@pytest.mark.parametrize(("left", "status"), [("3", 3), ("", 0), ("0", 0), ("'too late'", 1)])
def test_sys_exit_says_the_status(left: str, status: int, values: Path) -> None:
    ended = _run(values, f"import sys\nsys.exit({left})\nprint('never')")
    assert (ended.returncode, ended.stdout) == (status, "")


def test_a_sigint_ends_it_as_it_ends_a_script(values: Path) -> None:
    lay_out(values, [Cell("import time\nprint('there', flush=True)\ntime.sleep(60)")], name="train")
    child = subprocess.Popen(command(sys.executable, values), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline() == "there\n"
    time.sleep(0.5)  # until it sleeps
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=60)
    assert child.returncode == -signal.SIGINT
    assert "line 3, in <module>\n    time.sleep(60)\nKeyboardInterrupt" in said


def test_it_needs_nothing_but_pythons_own_library(values: Path) -> None:
    cell = (
        "import sys\nawait __import__('asyncio').sleep(0)\ndisplay({'a': a})\nprint('IPython' in sys.modules)\nb = [a]"
    )
    ended = _run(values, cell, options=BARE, values=pack(["a"], {"a": 1}, {}), outputs=["b"])
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "{'a': 1}\nFalse\n", "")
    assert read_outputs(values, ["b"]) == {"b": [1]}


def test_python_that_is_no_magic_loads_no_ipython(values: Path) -> None:
    assert _run(values, "import sys\nprint('IPython' in sys.modules, 'numpy' in sys.modules)").stdout == "False False\n"


def test_magics_and_commands_run_where_ipython_is(values: Path) -> None:
    ended = _run(values, "%time x = 1\n!echo from the shell\nprint(x, __name__)")
    assert ended.returncode == 0
    assert "Wall time" in ended.stdout and "from the shell\n1 __main__\n" in ended.stdout


def test_an_error_in_a_cell_with_magics_fails_it(values: Path) -> None:
    ended = _run(values, "!true\nx = 1\n1 / 0\nprint('never')")
    assert ended.returncode == 1
    assert "Cell In[1], line 3" in ended.stdout and "never" not in ended.stdout.replace("print('never')", "")


def test_values_go_in_and_come_out(values: Path) -> None:
    given = pack(["a"], {"a": [1, 2]}, {"lr": 0.1})
    ended = _run(values, "import numpy as np\nw = np.array(a) * lr", values=given, outputs=["w"])
    assert (ended.returncode, ended.stderr) == (0, "")
    assert read_outputs(values, ["w"])["w"].tolist() == [0.1, 0.2]


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("x = 1", "the output 'model' is no variable at the end of the cell."),
        ("model = object()", "the output 'model' is object, which is not handed over to another process. Save it"),
    ],
)
def test_an_output_that_cannot_be_had_fails_the_cell(cell: str, said: str, values: Path) -> None:
    ended = _run(values, cell, outputs=["model"])
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"renex: {said}")
    assert not (values / "out").exists()


def test_a_failed_cell_leaves_no_outputs(values: Path) -> None:
    assert _run(values, "model = 1\n1 / 0", outputs=["model"]).returncode == 1
    assert not (values / "out").exists()


def test_a_library_that_is_missing_there_is_named(values: Path) -> None:
    import numpy as np

    ended = _run(values, "x", options=BARE, values=pack(["x"], {"x": np.ones(2)}, {}))
    assert ended.returncode == 1
    assert ended.stderr.startswith(
        "renex: the inputs cannot be read here: 'x' needs numpy, which is not installed there"
    )


POOL = """
from multiprocessing import get_context
K = 3
def times(x):
    return x * K
print("body")
with get_context("{method}").Pool(2) as pool:
    print(pool.map(times, range(3)))
"""
GUARDED = """
from multiprocessing import get_context
k = len("abc")
def times(x):
    return x * k * given
if __name__ == "__main__":
    with get_context("{method}").Pool(2) as pool:
        print(pool.map(times, range(3)))
"""


@pytest.mark.skipif(os.name == "nt", reason="fork")
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_worker_processes_know_what_the_cell_defines_and_do_not_run_it_again(method: str, values: Path) -> None:
    assert _run(values, POOL.format(method=method)).stdout == "body\n[0, 3, 6]\n"


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_guarded_cell_is_run_in_workers_as_a_script_is(method: str, values: Path) -> None:
    ended = _run(values, GUARDED.format(method=method), values=pack(["given"], {"given": 2}, {}))
    assert (ended.stdout, ended.stderr) == ("[0, 6, 12]\n", "")


@pytest.mark.skipif(os.name == "nt", reason="fork")
def test_a_forked_child_that_goes_on_writes_no_outputs(values: Path) -> None:
    ended = _run(
        values,
        "import os\npid = os.fork()\nx = 'child' if pid == 0 else os.waitpid(pid, 0) and 'parent'",
        outputs=["x"],
    )
    assert ended.returncode == 0
    assert read_outputs(values, ["x"]) == {"x": "parent"}


NOTEBOOK = (
    "1 + 1",
    "_ * 10",
    "len(In), Out[2]",
    "import asyncio\nawait asyncio.sleep(0)",
    "Out[3][1] + 1",
)


def test_a_notebook_is_replayed_in_one_shell_with_its_history(values: Path) -> None:
    ended = _run(values, *NOTEBOOK, shell=True)
    assert ended.returncode == 0
    assert [line for line in ended.stdout.splitlines() if line] == [
        "Out[1]: 2",
        "Out[2]: 20",
        "Out[3]: (4, 20)",
        "Out[5]: 21",
    ]


def test_a_replay_stops_at_the_first_error_that_was_not_expected_and_says_where(values: Path) -> None:
    ended = _run(values, Cell("1 / 0", expect_error=True), "print('two')", "oops", "print('four')", shell=True)
    assert ended.returncode == 1
    assert "\ntwo\n" in ended.stdout and "four" not in ended.stdout
    assert (
        ended.stderr
        == "renex: cell 3 of 4 failed (NameError: name 'oops' is not defined); what comes after it did not run.\n"
    )


def test_our_magics_are_there_in_a_replay_that_asks_for_them(values: Path) -> None:
    ended = _run(
        values, "%%task train lr=0.5\nprint(lr)", "%rxsql select status from runs", shell=True, load_extension=True
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "0.5\nrun 'train' " in ended.stdout and "finished" in ended.stdout.splitlines()[-1], (
        ended.stdout + ended.stderr
    )


def test_a_replay_without_ipython_says_so(values: Path) -> None:
    ended = _run(values, "1", shell=True, options=BARE)
    assert ended.returncode == 1
    assert ended.stderr.startswith("renex: the cells need IPython, and this environment has none that works")


def test_it_costs_little_more_than_python_alone(values: Path) -> None:
    def seconds(argv: list[str]) -> float:
        start = time.perf_counter()
        subprocess.run(argv, check=True)
        return time.perf_counter() - start

    lay_out(values, [Cell("x = 1")], name="train")
    pairs = [(seconds([sys.executable, "-c", "x = 1"]), seconds(command(sys.executable, values))) for _ in range(5)]
    alone, ours = map(min, zip(*pairs, strict=True))
    print(f"{ours:.3f} s, Python alone {alone:.3f} s")
    assert ours < alone + max(0.5, 12 * alone)  # on a slow machine both take longer
