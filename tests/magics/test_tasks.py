"""`%%task` with cells in a process of their own."""

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

import renex_jupyter as rx
from renex_jupyter.session.current import current


def _output(name: str) -> str:
    digest = rx.get_run(name).output_sha256
    return current().store.blobs.get(digest).decode() if digest else ""


def test_an_isolated_cell_gets_its_inputs_and_params_and_gives_its_outputs(shell: InteractiveShell) -> None:
    shell.run_cell("a, rate, other = [1, 2], 0.5, 'here'")
    line = "%%task train lr=rate --isolated --inputs a --outputs b,seen -o run"
    ended = shell.run_cell(f"{line}\nb = [x * lr for x in a]\nseen = 'other' in globals()\na.append(3)")
    assert ended.success
    names = shell.user_ns
    assert (names["b"], names["seen"], names["a"], names["run"].status) == ([0.5, 1.0], False, [1, 2], "finished")
    assert "lr" not in names


def test_an_isolated_cell_that_fails_stops_the_notebook_with_one_line(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = shell.run_cell("%%task train --isolated\nx = 1\n1 / 0")
    assert isinstance(ended.error_in_exec, UsageError)
    assert str(ended.error_in_exec) == "task 'train' failed: ZeroDivisionError: division by zero"
    said = capsys.readouterr()
    assert '  File "<train>", line 2, in <module>\n    1 / 0\n' in said.out and "run 'train' " in said.out


def test_a_command_that_fails_stops_the_notebook_unless_it_is_told_to_go_on(shell: InteractiveShell) -> None:
    ended = shell.run_cell("%task train -o run -- sh -c 'exit 3'\nafter = True")
    assert isinstance(ended.error_in_exec, UsageError)
    assert str(ended.error_in_exec) == "task 'train' failed: exit code 3, without output"
    assert (shell.user_ns["run"].status, "after" in shell.user_ns) == ("failed", False)
    ended = shell.run_cell("run = %task train --no-raise-error -- sh -c 'echo why >&2; exit 4'")
    assert ended.success and (shell.user_ns["run"].exit_code, shell.user_ns["run"].error) == (4, "why")
    assert shell.run_cell("%%task cell --isolated --no-raise-error\n1 / 0").success


@pytest.mark.parametrize(
    "option", ["--inputs a", "--outputs b", "--timeout 3", "--memory 1g", "--parse-stdout", "--no-raise-error"]
)
def test_what_only_a_process_of_its_own_can_do_is_refused_in_the_kernel(option: str, shell: InteractiveShell) -> None:
    ended = shell.run_cell(f"%%task train {option}\nprint('never')")
    assert isinstance(ended.error_in_exec, UsageError)
    assert option.split(maxsplit=1)[0] in str(ended.error_in_exec) and "--isolated" in str(ended.error_in_exec)
    assert not current().store.exists or rx.search_runs().empty


def test_an_input_that_cannot_go_is_refused_with_a_hint(shell: InteractiveShell) -> None:
    shell.run_cell("model = object()")
    ended = shell.run_cell("%%task train --isolated --inputs model\n1")
    assert str(ended.error_in_exec).startswith("unsupported_value: 'model' is object, which is not handed over")
    assert "Hint: Save it to a file" in str(ended.error_in_exec)


def test_a_task_in_the_kernel_keeps_what_it_prints_and_its_traceback(shell: InteractiveShell) -> None:
    shell.run_cell("%%task good\nprint('one')\n!echo two\nfor i in range(3): print(f'\\r{i}', end='')")
    assert _output("good") == "one\ntwo\n2"
    shell.run_cell("%%task bad\nprint('before')\n1 / 0")
    said = _output("bad")
    assert said.startswith("before\nTraceback (most recent call last):\n  File ")
    assert "line 2, in <module>\n    1 / 0\n" in said and said.endswith("ZeroDivisionError: division by zero\n")
    assert "interactiveshell.py" not in said


def test_an_exit_of_a_task_is_shown_once(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    ended = shell.run_cell("%%task leaves\nimport sys\nsys.exit(3)")
    assert isinstance(ended.error_in_exec, SystemExit) and rx.get_run("leaves").exit_code == 3
    assert capsys.readouterr().out.count("SystemExit") == 1
    shell.run_cell("1 / 0")
    assert "ZeroDivisionError" in capsys.readouterr().out


def test_what_a_cell_sets_in_ipython_stays_as_if_it_stood_alone(shell: InteractiveShell) -> None:
    shell.run_cell("seen = []")
    handler = "lambda shell, kind, error, trace, tb_offset=None: seen.append(kind)"
    shell.run_cell(f"%%task sets\nget_ipython().set_custom_exc((KeyError,), {handler})")
    try:
        shell.run_cell("{}[1]")
        assert shell.user_ns["seen"] == [KeyError]
        shell.run_cell("%%task shows\nget_ipython().showtraceback = lambda *a, **m: seen.append('shown')")
        shell.run_cell("1 / 0")
        assert shell.user_ns["seen"] == [KeyError, "shown"]
    finally:
        shell.set_custom_exc((), None)
        shell.showtraceback = type(shell).showtraceback.__get__(shell)


def test_a_task_in_a_task_keeps_its_own_output(shell: InteractiveShell) -> None:
    shell.run_cell("import renex_jupyter as rx")
    shell.run_cell("%%task outer\nprint(1)\nrx.run_task(lambda: print(2), name='inner')\nprint(3);")
    assert _output("inner") == "2\n"
    assert _output("outer").startswith("1\n2\n") and "3\n" in _output("outer")


def test_an_interrupted_task_leaves_the_streams_as_they_were(shell: InteractiveShell) -> None:
    import sys

    written = sys.stdout.write
    shell.run_cell("%%task train\nprint('x')\nraise KeyboardInterrupt")
    assert sys.stdout.write == written
    assert rx.get_run("train").status == "stopped" and _output("train").startswith("x\n")
