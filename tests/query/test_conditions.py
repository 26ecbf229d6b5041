"""Conditions on runs: real SQL, in which a key of a metric, param or tag is read as what it is compared with."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from recorded import Project

from renex_jupyter.errors import RenexError
from renex_jupyter.ids import content_id
from renex_jupyter.query.conditions import Conditions
from renex_jupyter.query.runs import search_runs
from renex_jupyter.records.changes import Change

NAN = float("nan")
RUNS: dict[str, tuple[dict[str, Any], dict[str, float], dict[str, str]]] = {  # params, metrics, tags
    "a": (
        {"lr": 0.05, "model": "svc", "net.depth": 3, "flag": True},
        {"accuracy": 0.95, "val/loss": 0.1},
        {"size": "9"},
    ),
    "b": ({"lr": 0.2, "model": "forest", "flag": False}, {"accuracy": 0.92, "val/loss": 0.3}, {"keep": "it's"}),
    "c": ({"lr": "auto", "model": "forest", "low": 2, "high": 10}, {"accuracy": 0.97}, {"size": "10"}),
    "d": (
        {"lr": "0.07", "model": "12", "low": "b", "high": "a"},
        {"accuracy": NAN, "val/loss": 0.2},
        {"of": "x; drop"},
    ),
    "e": ({"it's": 'q"uoted', "or true": 1}, {"' or true --": 1.0, "select": 2.0, 'q"x': 3.0}, {}),
}


@pytest.fixture
def ask(project: Project) -> Callable[..., list[str]]:
    for name, (params, metrics, tags) in RUNS.items():
        run = project.run(name, namespace="vision" if name in "ab" else "default")
        for key, value in params.items():
            number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
            text = value if isinstance(value, str) else str(value).lower()
            after = {"run_id": run, "key": key, "value": value, "value_text": text, "value_number": number}
            project.store.write(Change("params", content_id([run, key]), "create", after))
        for key, value in metrics.items():
            project.log(run, key, value)
        for key, tag in tags.items():
            after = {"owner_kind": "run", "owner_id": run, "key": key, "value": tag}
            project.store.write(Change("tags", f"{run}/{key}", "update", after))

    def names(where: str | None = None, order_by: str | None = "name", **options: Any) -> list[str]:
        frame: pd.DataFrame = search_runs(project.store.reader, where=where, order_by=order_by, **options)
        return list(frame["name"])

    return names


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("metrics.accuracy > 0.9 and (params.model = 'svc' or tags.keep is not null)", "ab"),
        ("METRICS.accuracy > 0.9 AND Params.model = 'svc'", "a"),
        ("runs.metrics.accuracy > 0.96 and runs.name = 'c'", "c"),
        ("metrics.\"val/loss\" < 0.25", "ad"),
        ("metrics['val/loss'] < 0.25", "ad"),
        ("params.lr < 0.1", "ad"),
        ("0.1 > params.lr", "ad"),
        ("params.lr between 0.06 and 1", "bd"),
        ("params.lr in (0.2, 0.05)", "ab"),
        ("params.lr not in (0.2, 0.05)", "d"),
        ("params.lr = 'auto'", "c"),
        ("params.lr in ('auto', '0.2')", "bc"),
        ("-params.lr > -0.06 or abs(params.lr * 10) >= 2", "ab"),
        ("params.lr < metrics.\"val/loss\"", "abd"),
        ("coalesce(params.lr, 1) >= 1", "ce"),
        ("case when params.model = 'svc' then params.lr else 1 end < 0.1", "a"),
        ("params.lr::double < 0.1 and name in ('a', 'b')", "a"),
        ("params.low < params.high", "c"),
        ("params.net.depth = 3", "a"),
        ("params.\"net.depth\" = 3", "a"),
        ("params['net.depth'] = '3'", "a"),
        ("params.flag", "a"),
        ("not params.flag", "b"),
        ("params.flag = true", "a"),
        ("params.flag is null", "cde"),
        ("params.model like 'f%' and lower(params.model) <> 'svc'", "bc"),
        ("params.model = '12'", "d"),
        ("params.model = 12", "d"),
        ("tags.size > 9", "c"),
        ("tags.size > '10'", "a"),
        ("tags.keep = 'it''s'", "b"),
        ("tags.of = 'x; drop'  -- a ; comment ) of ' \" mine", "d"),
        ("tags.of = 'x; drop' /* ) or (true */", "d"),
        ("name = 'metrics.accuracy > 0.9' or name = 'e'", "e"),
        ("params.\"it's\" = 'q\"uoted'", "e"),
        ("params.\"or true\" = 1", "e"),
        ("metrics.\"' or true --\" = 1", "e"),
        ("metrics.\"select\" = 2", "e"),
        ("metrics.select = 2", "e"),
        ("metrics.\"q\"\"x\" = 3", "e"),
        ("metrics.accuracy is not null", "abcd"),
        ("isnan(metrics.accuracy)", "d"),
        ("metrics.accuracy > 0 or metrics.accuracy <= 0", "abc"),
        ("metrics.none > 0 or params.none = 1 or tags.none = 'a'", ""),
        ("run_id in (select m.run_id from metrics m where m.key = 'val/loss' and m.value > 0.2)", "b"),
        ("exists (select 1 from params p where p.run_id = runs.run_id and p.key = 'low') and params.low = 2", "c"),
        ("len(map_keys(metrics)) = 3", "e"),
        ("status = 'finished' and duration_s is null and name <> 'a'", "bcde"),
        ("  ", "abcde"),
        (None, "abcde"),
    ],
)  # fmt: skip
def test_a_condition_means_what_it_says(ask: Callable[..., list[str]], where: str | None, names: str) -> None:
    assert ask(where) == list(names)


@pytest.mark.parametrize(
    ("order_by", "names"),
    [
        ("metrics.accuracy desc, name", "cabde"),
        ("metrics.accuracy, name", "bacde"),
        ("metrics.accuracy desc nulls first, name", "decab"),
        ("params.lr, name", "adbce"),
        ("params.lr desc, name", "bdace"),
        ("-metrics.\"val/loss\", name", "bdace"),
        ("tags.size, name", "acbde"),
        ("params['model'] desc, name desc", "acbde"),
        ("name desc", "edcba"),
    ],
)  # fmt: skip
def test_an_order_goes_by_the_same_words_and_what_has_no_value_comes_last(
    ask: Callable[..., list[str]], order_by: str, names: str
) -> None:
    assert ask(None, order_by) == list(names)


@pytest.mark.parametrize(
    "where",
    [
        "true; select 1",
        "true; drop table runs",
        "true) or (true",
        "true) union select * from runs where (true",
        "true union select true",
        "true order by name",
        "true limit 1",
        "name = 'a' group by name",
        "true from runs",
        "true where false",
        "name, task",
        "name = 'a' as x",
        "*",
        "distinct name",
        "name = 'a",
        "name = \"a",
        "name = 'a' /* not closed",
        "name == ",
        "drop table runs",
        "\0",
        "name = $1",
        "name = ?",
        "count(*) > 1",
        "nothing = 1",
        "metrics.val/loss < 1",
    ],
)  # fmt: skip
def test_what_is_not_one_expression_is_refused(ask: Callable[..., list[str]], where: str) -> None:
    with pytest.raises(RenexError) as caught:
        ask(where)
    assert caught.value.code == "invalid_argument"
    assert caught.value.hint
    assert len(ask()) == len(RUNS)


@pytest.mark.parametrize(
    "order_by", ["name; select 1", "name limit 1", "name) --", "name desc asc", "nothing", "1; drop table x"]
)
def test_what_is_no_order_is_refused(ask: Callable[..., list[str]], order_by: str) -> None:
    with pytest.raises(RenexError) as caught:
        ask(None, order_by)
    assert caught.value.code == "invalid_argument"


def test_a_refusal_has_the_words_of_duckdb_and_says_how_a_key_is_quoted(ask: Callable[..., list[str]]) -> None:
    with pytest.raises(RenexError, match=r"Parser Error: syntax error at or near") as caught:
        ask("name in (select name frm runs)")
    assert "metrics.accuracy > 0.9" in caught.value.hint
    with pytest.raises(RenexError, match=r"Binder Error.*loss") as caught:
        ask("metrics.val/loss < 1")
    assert 'metrics."val/loss"' in caught.value.hint


def test_a_condition_of_a_thousand_parts_is_answered_and_one_that_is_nested_too_deeply_refused(
    ask: Callable[..., list[str]],
) -> None:
    assert ask(" or ".join(f"metrics.accuracy = {each}" for each in range(1000)) + " or params.lr = 0.2") == ["b"]
    assert ask("(" * 500 + "params.lr = 0.2" + ")" * 500) == ["b"]
    for deep in ("not " * 5000 + "params.lr = 0.2", "1" + " + params.lr" * 5000 + " > 0"):
        with pytest.raises(RenexError) as caught:
            ask(deep)
        assert caught.value.code == "invalid_argument"
    assert len(ask()) == len(RUNS)


def test_pages_neither_overlap_nor_leave_a_run_out_whatever_the_order(project: Project) -> None:
    at = pd.Timestamp("2026-01-01", tz="UTC").to_pydatetime()
    runs = [project.run("same", started_at=at) for _ in range(25)]
    for order in (None, "name", "status desc"):
        pages = [
            search_runs(project.store.reader, order_by=order, limit=10, offset=offset)["run_id"].tolist()
            for offset in (0, 10, 20, 30)
        ]
        assert [len(page) for page in pages] == [10, 10, 5, 0]
        assert sorted(each for page in pages for each in page) == sorted(runs)


def test_a_search_can_be_limited_to_a_namespace(ask: Callable[..., list[str]]) -> None:
    assert ask(namespace="vision") == ["a", "b"]
    assert ask("metrics.accuracy > 0.93", namespace="vision") == ["a"]
    assert ask("true or namespace = 'default'", namespace="vision") == ["a", "b"]
    assert ask(namespace="it's none") == []


@pytest.mark.parametrize("wrong", [{"offset": -1}, {"offset": True}, {"offset": "1"}, {"namespace": 3}, {"limit": 1.5}])
def test_an_argument_that_is_none_is_refused(ask: Callable[..., list[str]], wrong: dict[str, Any]) -> None:
    with pytest.raises(RenexError) as caught:
        ask(**wrong)
    assert caught.value.code == "invalid_argument"


def test_every_condition_of_the_documentation_is_answered(ask: Callable[..., list[str]]) -> None:
    page = (Path(__file__).parents[2] / "docs/metrics.md").read_text().partition("| condition | means |")[2]
    conditions = re.findall(r"^\| `(.+?)` \|", page, re.MULTILINE)
    assert len(conditions) >= 12
    for each in conditions:
        assert set(ask(each)) <= set(RUNS), each


def test_only_the_keys_that_are_named_are_asked_for(project: Project) -> None:
    project.run("r")
    asked = Conditions(project.store.reader)
    asked.where("metrics.loss < 1 and params['lr'] = '1'")
    asked.order('metrics."a/b"')
    assert asked.keys == {"metrics": {"loss", "a/b"}, "params": {"lr"}}
    asked.where("cardinality(metrics) > 1")
    assert asked.keys["metrics"] is None
