"""The magics in a real IPython shell: what they record, print, return and refuse."""

import traceback
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

import renex_jupyter as rx
from renex_jupyter.session.current import current


def run(shell: InteractiveShell, source: str) -> Any:
    """Run a cell as a front end does, and return its result object."""
    return shell.run_cell(source, store_history=True)


def failure(shell: InteractiveShell, source: str) -> str:
    """Run a cell that must be refused with one line, and return that line."""
    error = run(shell, source).error_in_exec
    assert isinstance(error, UsageError), error
    assert "\n" not in str(error)
    return str(error)


def test_loading_creates_nothing_and_may_be_done_again(shell: InteractiveShell, tmp_path: Path) -> None:
    run(shell, "%reload_ext renex_jupyter")
    run(shell, "%renex status")
    assert not (tmp_path / ".renex").exists()


def test_snapshot_takes_quotes_labels_variables_and_key_values(shell: InteractiveShell) -> None:
    run(shell, "cfg = {'lr': 0.1}")
    run(shell, '%snapshot -m "hello world" --label \'a b\' -c cfg -c "name=x y" --metrics acc=0.5 -o s')
    taken = shell.user_ns["s"]
    assert (taken.message, taken.label) == ("hello world", "a b")
    assert taken.config == {"lr": 0.1, "name": "x y"}
    assert taken.metrics == {"acc": 0.5}


def test_snapshot_is_assignable_and_takes_a_bare_message(shell: InteractiveShell) -> None:
    run(shell, "s = %snapshot two words")
    assert shell.user_ns["s"].message == "two words"


def test_config_is_found_in_the_calling_function(shell: InteractiveShell) -> None:
    source = (
        "def f():\n    inner = {'depth': 3}\n    return get_ipython().run_line_magic('snapshot', '-c inner')\ns = f()"
    )
    run(shell, source)
    assert shell.user_ns["s"].config == {"depth": 3}


def test_what_was_executed_is_kept_in_order(shell: InteractiveShell) -> None:
    for source in ("a = 1", "b = 2", "1/0", "%snapshot -o s"):
        run(shell, source)
    run(shell, "c = 3")
    rows = rx.sql("select source, status, error from cell_executions order by seq")
    sources = [source for source in rows["source"] if "load_ext" not in source]
    assert sources == ["a = 1", "b = 2", "1/0", "%snapshot -o s", "c = 3"]
    assert list(rows["status"])[-5:] == ["ok", "ok", "error", "ok", "ok"]
    cells = rx.sql(
        "select source from snapshot_cells where snapshot_id = ? order by position", [shell.user_ns["s"].snapshot_id]
    )
    assert "a = 1" in list(cells["source"])


def test_a_task_is_a_run_with_params_metrics_and_output(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    body = (
        "%%task train lr=0.1 name='big one' -o r\nimport renex_jupyter as rx\nprint('inside', lr, name)\n"
        "rx.log_metric('loss', lr)\nlr * 2"
    )
    assert run(shell, body).success
    found = shell.user_ns["r"]
    assert (found.name, found.status, found.kind) == ("train", "finished", "cell")
    assert found.params == {"lr": 0.1, "name": "big one"}
    assert found.metrics == {"loss": 0.1}
    printed = capsys.readouterr().out
    assert "inside 0.1 big one" in printed and "run 'train'" in printed and "0.2" in printed
    assert list(rx.sql("select name, kind from tasks").iloc[0]) == ["train", "cell"]


def test_a_failing_task_shows_the_users_error_and_the_cell_fails(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    result = run(shell, "%%task train\ndef f():\n    raise ValueError('boom')\nf()")
    assert isinstance(result.error_in_exec, ValueError)
    found = rx.get_run("train")
    assert (found.status, found.error) == ("failed", "ValueError: boom")
    assert found.after_snapshot_id is not None
    shown = capsys.readouterr().out
    assert "boom" in shown and shown.count("ValueError: boom") <= 2
    assert "renex_jupyter/session" not in shown
    assert run(shell, "%%task train\n1").success
    assert len(rx.search_runs()) == 2


def test_an_interrupted_task_is_stopped(shell: InteractiveShell) -> None:
    result = run(shell, "%%task train\nraise KeyboardInterrupt")
    assert isinstance(result.error_in_exec, KeyboardInterrupt)
    found = rx.get_run("train")
    assert found.status == "stopped" and found.after_snapshot_id is not None


def test_a_body_with_a_syntax_error_is_no_run(shell: InteractiveShell, tmp_path: Path) -> None:
    assert isinstance(run(shell, "%%task train\n1 +").error_in_exec, SyntaxError)
    assert not (tmp_path / ".renex").exists()


def test_the_body_of_a_task_may_use_magics_and_see_its_variables(shell: InteractiveShell) -> None:
    assert run(shell, "%%task t\nx = 5\n%snapshot -m 'inside' -o inner\n!echo hi").success
    assert shell.user_ns["x"] == 5
    assert shell.user_ns["inner"].run_id == rx.get_run("t").run_id


def test_a_command_is_a_run_that_finds_itself(shell: InteractiveShell, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        "import sys, renex_jupyter as rx\n"
        "with rx.start_run('ignored'):\n"
        "    rx.log_param('lr', float(sys.argv[1]))\n"
        "    for i in range(3): rx.log_metric('loss', 1 / (i + 1))\n"
        "print('done')\n"
    )
    run(shell, "r = %task train -- python train.py 0.1")
    found = shell.user_ns["r"]
    assert (found.status, found.exit_code, found.executor, found.kind) == ("finished", 0, "process", "command")
    assert found.params == {"lr": 0.1}
    assert len(rx.sql("select * from metrics where run_id = ?", [found.run_id])) == 3
    assert len(rx.search_runs()) == 1


def test_a_failing_command_is_a_failed_run_with_its_exit_code(shell: InteractiveShell) -> None:
    run(shell, "r = %task bad --no-raise-error -- python -c \"import sys; print('why'); sys.exit(3)\"")
    found = shell.user_ns["r"]
    assert (found.status, found.exit_code) == ("failed", 3)
    assert "why" in found.error


def test_sql_goes_into_a_variable_and_sees_frames(shell: InteractiveShell) -> None:
    run(shell, "%%task t\n1")
    shell.user_ns["owners"] = pd.DataFrame({"name": ["t"], "owner": ["ada"]})
    run(shell, "%%rxsql -o out\nselect owner\nfrom runs join owners using (name)")
    assert list(shell.user_ns["out"]["owner"]) == ["ada"]
    run(shell, "n = %rxsql select count(*) as n from runs")
    assert list(shell.user_ns["n"]["n"]) == [1]


def test_verbs_list_show_compare_and_bring_back(shell: InteractiveShell, tmp_path: Path) -> None:
    run(shell, "%snapshot --label start")
    run(shell, "%%task train\n1")
    (tmp_path / "data.txt").write_text("2")
    run(shell, "listed = %renex ls")
    run(shell, "shown = %renex show train")
    run(shell, "compared = %renex diff start")
    run(shell, "brought = %renex checkout start --to back")
    run(shell, "state = %renex status")
    names = shell.user_ns
    assert list(names["listed"]["name"]) == ["train"]
    assert names["shown"].name == "train"
    assert [change.path for change in names["compared"].files] == ["data.txt"]
    assert (tmp_path / "back" / "data.txt").read_text() == "1"
    assert (names["state"].runs, names["state"].snapshots) == (1, 1)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("%snapshot --nonsense", "nonsense"),
        ("%snapshot -c no_such_variable", "no_such_variable"),
        ("%snapshot -c missing.yaml", "missing.yaml"),
        ("%%task\n1", "name"),
        ("%%task a b\n1", "2 names"),
        ("%task train", "nothing to run"),
        ("%task train -- no_such_command_at_all", "no_such_command_at_all"),
        ("%task train -- echo 'open", "echo"),
        ("%rxsql", "no query"),
        ("%renex nonsense", "nonsense"),
        ("%renex ls nonsense", "nonsense"),
        ("%renex show nothing", "nothing is recorded"),
    ],
)
def test_bad_input_is_one_clear_line(shell: InteractiveShell, source: str, said: str) -> None:
    assert said in failure(shell, source)
    assert run(shell, "1 + 1").success


@pytest.mark.parametrize(
    "source",
    [
        "def mine(name):\n    return rx.get_run(name)  # theirs\n\nmine('nix')",
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    rx.get_run('nix')  # theirs",
        "%%task train\nrx.get_run('nix')  # theirs",
    ],
)
def test_an_error_of_ours_shows_the_users_line_and_no_frame_of_ours(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str], source: str
) -> None:
    run(shell, "import renex_jupyter as rx; rx.snapshot()")
    shell.run_line_magic("colors", "nocolor")
    capsys.readouterr()
    error = run(shell, source).error_in_exec
    shown = capsys.readouterr().out
    assert isinstance(error, rx.RenexError)
    assert "# theirs" in shown and "not_found: no run 'nix'." in shown and "Hint: " in shown
    assert "renex_jupyter/" not in shown.replace(str(Path.cwd()), "")
    frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert frames[-1] == "find_object"  # %debug goes to where it was raised


def test_an_unknown_id_and_an_ambiguous_prefix_are_told_apart(shell: InteractiveShell) -> None:
    for _ in range(20):  # 17 ids cannot all start with different digits
        rx.snapshot()
    ids = list(rx.list_snapshots()["snapshot_id"])
    shared = next(digit for digit in "0123456789abcdef" if sum(each.startswith(digit) for each in ids) > 1)
    assert "ambiguous" in failure(shell, f"%renex diff {shared}")
    assert "not_found" in failure(shell, "%renex diff ffffffffffffffff")


def test_a_value_that_cannot_be_kept_costs_nothing_else(shell: InteractiveShell) -> None:
    run(shell, "bad = {'model': object()}")
    assert "unsupported_value" in failure(shell, "%snapshot -c bad")
    assert run(shell, "%snapshot after").success


def test_help_shows_usage_and_examples(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    for name, words in {
        "snapshot": "--label",
        "task": "-- python train.py",
        "rxsql": "DuckDB",
        "renex": "checkout",
    }.items():
        documented = shell.magics_manager.magics["line"][name].__doc__
        assert documented and words in documented, name
    run(shell, "%renex -h")
    shown = capsys.readouterr().out
    assert "VERB" in shown and "panel" in shown


def completions(shell: InteractiveShell, text: str) -> list[str]:
    return shell.complete(text.rsplit(" ", maxsplit=1)[-1], text, len(text))[1]


def test_tab_completes_verbs_options_and_names(shell: InteractiveShell) -> None:
    shell.user_ns["cfg"] = {"lr": 1}
    rx.snapshot(label="baseline")
    assert "checkout" in completions(shell, "%renex ch")
    assert "panel" in completions(shell, "%renex pa")
    assert completions(shell, "%renex list sn") == completions(shell, "%renex ls sn") == ["snapshots"]
    assert "list" in completions(shell, "%renex li")
    assert "export" in completions(shell, "%renex env ex") and "list" in completions(shell, "%renex env l")
    assert "baseline" in completions(shell, "%renex show ba")
    assert "--label" in completions(shell, "%snapshot --l")
    assert "cfg" in completions(shell, "%snapshot -c cf")


def test_unloading_takes_magics_and_hooks_away(shell: InteractiveShell) -> None:
    run(shell, "%unload_ext renex_jupyter")
    assert "snapshot" not in shell.magics_manager.magics["line"]
    assert current().recorder is None
    run(shell, "%load_ext renex_jupyter")
    assert run(shell, "%snapshot again").success


def test_a_param_may_name_a_variable_and_is_read_as_python_reads_it(shell: InteractiveShell) -> None:
    run(shell, "rate = 0.3")
    run(shell, "%%task t lr=rate opt=adam sizes=[8,8] d={\"a\":1} e='' -o r\n1")
    assert shell.user_ns["r"].params == {"lr": 0.3, "opt": "adam", "sizes": [8, 8], "d": {"a": 1}, "e": ""}
    assert shell.user_ns["lr"] == 0.3
    for wrong in ("%%task t lr=\n1", "%%task t epochs = 20\n1"):
        assert "=" in failure(shell, wrong)


def test_a_message_keeps_the_quotes_inside_it(shell: InteractiveShell) -> None:
    run(shell, '%snapshot -m "it\'s \\"quoted\\" ünïcode {x}" -o s')
    assert shell.user_ns["s"].message == 'it\'s "quoted" ünïcode {x}'


def test_a_failing_command_always_says_so(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    run(shell, "%task bad -- bash -c 'exit 3'\nx = 1")
    assert "run 'bad'" in (printed := capsys.readouterr().out)
    assert "exit code 3" in printed


def test_a_script_started_inside_a_task_logs_on_its_run(shell: InteractiveShell) -> None:
    import sys

    program = "import renex_jupyter as rx; rx.log_metric('x', 1.0)"
    run(shell, f'%%task outer\nimport subprocess\nsubprocess.run([{sys.executable!r}, "-c", "{program}"], check=True)')
    assert rx.get_run("outer").metrics == {"x": 1.0}
    assert len(rx.search_runs()) == 1


def test_a_checkout_brings_the_executed_cells_where_there_is_no_notebook(
    shell: InteractiveShell, tmp_path: Path
) -> None:
    run(shell, "answer = 42")
    run(shell, "%snapshot --label s")
    run(shell, "%renex checkout s --to back")
    (cells,) = (tmp_path / "back").glob("executed-cells-*.ipynb")
    assert "answer = 42" in cells.read_text()
