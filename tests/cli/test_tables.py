"""Answers as text that fits the terminal, and as JSON."""

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

import renex_jupyter as rx
from renex_jupyter.cli.answers import jsonable
from renex_jupyter.cli.tables import Table
from renex_jupyter.cli.verbs import compact

EVERY_KIND = """
    select [1, 2, null] as list, [1, 2]::int[2] as arr, {'a': 1, 'b': ['nan'::double]} as struct, map {1: 'x'} as map,
           null as nothing, 'x\\xff'::blob as blob, 1.5 as decimal, (2::hugeint ** 70)::hugeint as huge,
           9007199254740993 as big, 'inf'::double as inf, true as yes, '{"a": 1}'::json as json, '0101'::bit as bits,
           date '2026-01-02' as day, time '12:00:00' as noon, timestamp '2026-01-02 03:04:05.5' as local,
           timestamptz '2026-01-02 03:04:05+00' as utc, interval 90 minutes as span, 1 as same, 2 as same,
           '00000000-0000-0000-0000-000000000001'::uuid as uuid, 'a'::enum('a', 'b') as enum,
           [{'day': date '2026-01-02'}] as nested"""
AS_JSON = {
    "list": [1, 2, None],
    "arr": [1, 2],
    "struct": {"a": 1, "b": [None]},
    "map": {"1": "x"},
    "nothing": None,
    "blob": "eP8=",
    "decimal": 1.5,
    "huge": 2**70,
    "big": 9007199254740993,
    "inf": None,
    "yes": True,
    "json": '{"a": 1}',
    "bits": "0101",
    "day": "2026-01-02",
    "noon": "12:00:00",
    "local": "2026-01-02T03:04:05.500000",
    "utc": "2026-01-02T03:04:05+00:00",
    "span": 5400.0,
    "same": 1,
    "same_1": 2,
    "uuid": "00000000-0000-0000-0000-000000000001",
    "enum": "a",
    "nested": [{"day": "2026-01-02"}],
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    with rx.start_run("train"):
        rx.log_param("lr", 0.1)
    return tmp_path


def renex(folder: Path, *words: str) -> str:
    command = [sys.executable, "-m", "renex_jupyter.cli.main", *words]
    environment = dict(
        os.environ
    )  # readline, which pytest loads, tells the process's children of COLUMNS, but not Python
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout


def runs(count: int, params: dict[str, str]) -> Table:
    facts = {"run_id": "a" * 32, "name": "a long name of a run", "status": "finished", "experiment": "default"}
    rows = [{**facts, "duration_s": 1.5 + row, "metrics.loss": 1 / (1 + row), **params} for row in range(count)]
    return Table.of_rows(list(rows[0]), [list(row.values()) for row in rows])


def test_every_kind_of_value_is_proper_json(project: Path) -> None:
    (row,) = json.loads(renex(project, "sql", EVERY_KIND, "--json"))
    assert row == AS_JSON


def test_every_kind_of_value_can_be_shown_as_text(project: Path) -> None:
    head, row = renex(project, "sql", EVERY_KIND).splitlines()
    assert head.split()[:3] == ["list", "arr", "struct"]
    assert row.startswith("[1, 2, null]  [1, 2]  ") and "x\\xff" in row and str(2**70) in row
    assert "null" not in row.replace("[1, 2, null]", "").replace("[null]", "")


def test_a_dataframe_of_every_kind_is_json_and_text_too() -> None:
    frame = duckdb.sql(EVERY_KIND).df()
    (row,) = json.loads(json.dumps(jsonable(Table.of_frame(frame)), allow_nan=False))
    same = ("list", "arr", "struct", "map", "nothing", "blob", "decimal", "big", "inf", "yes", "span", "uuid", "same_1")
    assert {name: row[name] for name in same} == {name: AS_JSON[name] for name in same}
    assert compact(frame)["list"][0] == "[1, 2, null]"
    assert compact(frame)["nothing"].isna().all()


def test_numpy_and_what_nobody_knows_are_json() -> None:
    masked = np.ma.masked_array([1.0, 2.0], mask=[False, True])
    assert jsonable({"a": np.float32(0.5), "b": np.array([[1], [2]]), "c": masked}) == {
        "a": 0.5,
        "b": [[1], [2]],
        "c": [1.0, None],
    }
    assert jsonable([pd.NaT, pd.NA, float("nan"), bytearray(b"a"), Path("a")]) == [None, None, None, "YQ==", "a"]


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("params", [0, 3, 2000])
def test_no_line_is_wider_than_the_terminal_and_what_is_missing_is_counted(width: int, params: int) -> None:
    table = runs(3, {f"params.p{number:04}": "1" for number in range(params)})
    lines = table.text(width).splitlines()
    assert max(map(len, lines)) <= width
    shown = len(lines[0].split())
    assert ("--js" in lines[-1]) == (shown < 6 + params)
    if width > 40 and shown < 6 + params:
        assert f"and {6 + params - shown:,} more column" in lines[-1]


def test_params_and_metrics_that_differ_go_first() -> None:
    table = runs(3, {f"params.p{number:04}": "1" for number in range(2000)})
    table.columns[table.names.index("params.p1234")][:] = ["1", "2", "3"]  # type: ignore[index]
    head = table.text(64).splitlines()[0].split()
    assert {"loss", "p1234"} <= set(head) and not {"experiment", "p0000"} & set(head)


def test_numbers_and_times_are_never_cut() -> None:
    moment = pd.Timestamp("2026-01-02 03:04:05", tz="UTC")
    table = Table.of_rows(["text", "number", "at"], [["long " * 50, 12345678901234567890, moment.to_pydatetime()]])
    shown = table.text(80)
    assert "12345678901234567890" in shown and "03:04:05" in shown and "…" in shown


def test_two_keys_of_one_name_keep_their_kind_and_a_stored_text_moves_no_cursor() -> None:
    table = Table.of_rows(["metrics.a", "params.a", "params.b"], [[1.0, "\x1b[31m\n", "日本"]])
    head, row = table.text(80).splitlines()
    assert head.split() == ["metrics.a", "params.a", "b"]
    assert "\\x1b[31m\\n" in row


def test_a_notebook_shows_as_many_columns_as_pandas_and_counts_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    table = runs(2, {f"params.p{number}": "1" for number in range(100)})
    rows = table.as_dicts()
    rows[1]["params.p0"] = None
    shown = compact(pd.DataFrame(rows))
    assert (len(shown.columns), {"metrics.loss", "duration"} <= set(shown.columns)) == (20, True)
    assert shown["params.p0"].tolist() == ["1", ""]
    assert "86 more params and metrics" in capsys.readouterr().out


def test_a_card_names_some_params_and_counts_the_rest(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with rx.start_run("big"):
        rx.log_params({f"p{number}": number for number in range(2000)})
    monkeypatch.setenv("COLUMNS", "60")
    shown = renex(project, "show", "big")
    assert "and 1,960 more" in " ".join(shown.split())
    assert max(map(len, shown.splitlines())) <= 60
    assert len(json.loads(renex(project, "show", "big", "--json"))["params"]) == 2000


@pytest.mark.parametrize("words", [["sql", "from range(200000)"], ["sql", "from range(200000)", "--json"], ["-h"]])
def test_a_reader_that_goes_ends_it_quietly(project: Path, words: list[str]) -> None:
    command = [sys.executable, "-m", "renex_jupyter.cli.main", *words]  # help is told by argparse, which says nothing
    with subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == (0 if words == ["-h"] else 141)
