"""Workspaces: saved, opened elsewhere, followed to new versions, compared, given away and refused."""

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import renex_jupyter as rx
from renex_jupyter.errors import RenexError
from renex_jupyter.session.current import reset

CHARTS: list[Any] = [
    "count", {"type": "count", "columns": "sex"}, {"type": "histogram", "columns": ["age"], "bins": 5},
    {"type": "histogram", "columns": ["income"], "bins": 4}, {"type": "error_rate", "columns": ["sex"]}, "error_rate",
    "confusion", "pr", "roc", {"type": "calibration", "bins": 10}, {"type": "heatmap", "columns": ["sex", "age"], "bins": 4},
    {"type": "scatter", "columns": ["age", "income"]}, {"type": "table", "columns": ["age", "sex"]},
    {"type": "count", "columns": ["night shift"], "filter": "age > 50", "title": "late <b>"},
]  # fmt: skip
FILTER = "age >= 30 and sex in ('F', 'X') or contains(review, 'bad')"
N = 600


def _frame() -> pd.DataFrame:
    random = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "id": [f"s{i}" for i in range(N)],
            "age": random.integers(18, 90, N),
            "income": random.normal(50, 10, N).round(3),
            "sex": random.choice(["F", "M", "X"], N).astype(object),
            "night shift": random.random(N) < 0.3,
            "review": random.choice(["a bad thing", "good", "so badly"], N),
            "label": random.choice(["no", "yes"], N),
        }
    )
    frame.loc[:4, "income"] = None
    frame.loc[10:12, "sex"] = None
    return frame


def _scores(seed: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).random(N)


def _log(name: str, dataset: str = "people", seed: int = 2) -> Any:
    p = _scores(seed)
    said = np.where(p > 0.5, "yes", "no")
    return rx.log_predictions(dataset, said, probabilities=np.c_[1 - p, p], classes=["no", "yes"], name=name)


def _selected(frame: pd.DataFrame) -> pd.Series:
    words = frame["review"].str.contains(r"\bbad\b")
    return ((frame["age"] >= 30) & frame["sex"].isin(["F", "X"])) | words


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project with the dataset `people` and predictions `a` on it."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("people")
        (folder / "pyproject.toml").write_text("[project]\nname='p'\n")
        patch.chdir(folder)
        reset()
        rx.create_dataset("people", _frame(), key="id", target="label", task="classification", text="review")
        _log("a")
        yield folder
    reset()


def _tables(live: Any, **more: Any) -> dict[str, Any]:
    return {each.chart.name: each for each in live.tables(**more)}


def test_its_numbers_are_those_of_pandas_and_scikit_learn(people: Path) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    live = rx.view_dataset("people", filter=FILTER, charts=CHARTS)
    frame, p = _frame(), _scores()
    frame["p"], frame["said"] = p, np.where(p > 0.5, "yes", "no")
    frame["error"] = frame["said"] != frame["label"]
    some = frame[_selected(frame)]
    assert live.count() == len(some)
    assert live.keys() == list(some["id"])
    tables = _tables(live)
    assert not [each.problem for each in tables.values() if each.problem]
    assert tables["count"].rows == ((len(some),),)
    by_sex = {row[0]: row[3] for row in tables["count of sex"].rows}
    assert by_sex == {
        **some["sex"].value_counts().to_dict(),
        **({None: n} if (n := int(some["sex"].isna().sum())) else {}),
    }
    edges = np.linspace(frame["age"].min(), frame["age"].max(), 6)
    assert [row[2] for row in tables["histogram of age"].rows] == list(np.histogram(some["age"], edges)[0])
    incomes = tables["histogram of income"]
    assert sum(row[2] for row in incomes.rows) == some["income"].notna().sum()
    assert incomes.facts["null"] == some["income"].isna().sum()
    rates = {row[1]: (row[4], row[5]) for row in tables["error rate of sex"].rows}
    for sex, part in some.groupby("sex"):
        assert rates[sex] == (len(part), part["error"].sum())
    assert tables["error rate"].rows[0][6] == pytest.approx(some["error"].mean(), abs=1e-12)
    confusion = {row[1:3]: row[3] for row in tables["confusion"].rows}
    wanted = metrics.confusion_matrix(some["label"], some["said"], labels=["no", "yes"])
    assert [[confusion[a, b] for b in ("no", "yes")] for a in ("no", "yes")] == wanted.tolist()
    binned, truth = np.floor(some["p"] * 1000), some["label"] == "yes"  # curves have a thousand thresholds
    assert tables["roc"].facts["area a"] == pytest.approx(metrics.roc_auc_score(truth, binned), abs=1e-12)
    average = metrics.average_precision_score(truth, binned)
    assert tables["pr"].facts["average precision a"] == pytest.approx(average, abs=1e-12)
    sure, right = np.maximum(some["p"], 1 - some["p"]), ~some["error"]
    bins = np.minimum((sure * 10).astype(int), 9)
    gap = sum(abs(sure[bins == b].mean() - right[bins == b].mean()) * (bins == b).sum() for b in set(bins)) / len(some)
    assert tables["calibration"].facts["calibration error a"] == pytest.approx(gap, abs=1e-8)
    heat = {row[:2]: row[2:] for row in tables["heatmap of sex and age"].rows}
    assert sum(each[0] for each in heat.values()) == len(some)
    late = some[some["age"] > 50]["night shift"].value_counts()
    assert {row[0]: row[3] for row in tables["late <b>"].rows} == {"false": late[False], "true": late[True]}
    points = {row[0]: row[1] for row in tables["scatter of age and income"].rows}
    assert points == dict(zip(some["id"], some["age"], strict=True))  # fewer than are drawn at most


def test_another_process_opens_it_with_the_same_rows_and_charts(people: Path) -> None:
    saved = rx.save_workspace("mine", "people:1", filter=FILTER, selection=["s3", "s1", "s3"], charts=CHARTS,
                              compare=["a"], columns=["sex", "age"], sort=[("age", "desc"), "sex"], notes="see `s3`")  # fmt: skip
    told = {
        "keys": saved.keys(),
        "charts": [each.to_json() for each in saved.tables()],
        "figures": saved.figure_dicts(),
    }
    code = """
import json, renex_jupyter as rx
live = rx.open_workspace("mine")
print(json.dumps({"keys": live.keys(), "charts": [each.to_json() for each in live.tables()],
                  "figures": live.figure_dicts()}, allow_nan=False))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=people, timeout=120
    )
    assert json.loads(done.stdout) == json.loads(json.dumps(told, allow_nan=False))
    live = rx.open_workspace("mine")
    assert live.spec.selection.ids == ("s3", "s1")
    assert list(live.frame(5).columns) == ["_key", "sex", "age"]
    assert live.frame()["age"].is_monotonic_decreasing
    assert set(live.selected()["_key"]) == {"s1", "s3"} & set(live.keys())
    assert not live.changed
    assert [each.to_plotly_json()["data"] for each in live.figures()]


def test_its_code_gives_its_numbers(people: Path) -> None:
    live = rx.view_dataset("people", filter="review contains 'bad' and not \"night shift\" and income < 60.5", charts=CHARTS,
                           selection="age > 80", sort=[("income", "asc")])  # fmt: skip
    names: dict[str, Any] = {}
    exec(live.to_code(), names)
    assert names["count"] == live.count()
    assert [each.to_json() for each in names["tables"]] == [each.to_json() for each in live.tables()]
    pd.testing.assert_frame_equal(names["frame"], live.frame())
    assert names["view"].selected_count() == live.selected_count()


def test_another_filter_redraws_and_changes_nothing_that_is_saved(people: Path) -> None:
    live = rx.save_workspace(
        "filtered", "people", filter="age > 40", charts=["count", {"type": "count", "columns": ["sex"]}]
    )
    before = [each.to_json() for each in live.tables()]
    assert live.tables("age > 80")[0].rows == ((int((_frame()["age"] > 80).sum()),),)
    assert live.count("review contains 'good'") == (_frame()["review"] == "good").sum()  # a column that no chart has
    assert [each.to_json() for each in live.tables()] == before
    assert rx.open_workspace("filtered").spec == live.spec


def test_saving_again_makes_the_next_version_and_saying_the_same_none(people: Path) -> None:
    assert rx.save_workspace("steps", "people", filter="age > 40").version == 1
    assert rx.save_workspace("steps", "people", filter="age > 40").version == 1
    assert rx.save_workspace("steps", "people", filter="age > 50", message="older").version == 2
    assert rx.update_workspace("steps", notes="look", charts=["count"], description="of the old").version == 3
    third = rx.open_workspace("steps")
    assert (str(third.spec.filter), third.spec.notes, third.saved.description) == ("age > 50", "look", "of the old")
    assert str(rx.open_workspace("steps:1").spec.filter) == "age > 40"
    assert list(rx.list_workspace_versions("steps")["version"]) == [3, 2, 1]
    differing = rx.diff_workspaces("steps:1", "steps:3")
    assert {what for what, *_ in differing.changes} == {"filter", "notes", "chart"}
    assert not rx.diff_workspaces("steps:1", "steps:1")
    renamed = rx.update_workspace("steps", name="stairs", archived=True)
    assert renamed.name == "stairs"
    assert "stairs" not in set(rx.list_workspaces()["name"])
    assert "stairs" in set(rx.list_workspaces("people", archived=True)["name"])
    assert rx.delete_workspace("stairs").version == 3
    with pytest.raises(RenexError, match="no workspace 'default/stairs'"):
        rx.open_workspace("stairs")
    assert rx.save_workspace("stairs", "people").version == 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"filter": "agee > 3"}, "'age'"),
        ({"filter": "age > 'x'"}, "no number"),
        ({"filter": "age >"}, "ends too early"),
        ({"charts": [{"type": "pie"}]}, "pie"),
        ({"charts": [{"type": "histogram"}]}, "1 columns"),
        ({"charts": [{"type": "histogram", "columns": ["ages"]}]}, "'age'"),
        ({"charts": [{"type": "count", "colums": []}]}, "colums"),
        ({"charts": [{"type": "count", "bins": 0}]}, "bins"),
        ({"selection": ["s1", "nobody", "s99999"]}, "'nobody'"),
        ({"selection": [1.5]}, "no key"),
        ({"columns": ["ag"]}, "'age'"),
        ({"sort": [("age", "down")]}, "sort"),
        ({"compare": ["nothing"]}, "nothing"),
        ({"version": 7}, "people:7"),
        ({"version": "newest"}, "newest"),
        ({"notes": 3}, "notes"),
    ],
)
def test_what_the_dataset_has_not_is_told(people: Path, given: dict[str, Any], told: str) -> None:
    with pytest.raises(RenexError) as raised:
        rx.save_workspace("bad", "people", **given)
    assert told in f"{raised.value.message} {raised.value.hint}"


def test_a_chart_that_cannot_be_made_says_why(people: Path) -> None:
    live = rx.view_dataset("people", charts=[{"type": "histogram", "columns": ["review"]}, {"type": "roc", "label": "maybe"},
                                             {"type": "scatter", "columns": ["sex", "age"]}, "count"])  # fmt: skip
    problems = [each.problem for each in live.tables()]
    assert ["no numbers" in problems[0], "maybe" in problems[1], "no number" in problems[2], problems[3]] == [
        True,
        True,
        True,
        None,
    ]
    assert all(each["layout"] for each in live.figure_dicts())


def test_stored_text_is_no_markup(people: Path) -> None:
    live = rx.save_workspace(
        "x<b>", "people", notes="<script>1</script>", charts=[{"type": "count", "title": "<img src=x>"}]
    )
    assert "<script>" not in live._repr_html_()
    assert "<img" not in json.dumps(live.figure_dicts())


def test_a_secret_in_its_words_is_not_kept(people: Path) -> None:
    secret = "ghp_" + "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5"
    live = rx.save_workspace("secret", "people", notes=f"token {secret}", message=secret, description=secret)
    told = f"{live.spec.notes} {live.saved.message} {live.saved.description}"
    assert secret not in told
    assert secret not in "".join(map(str, rx.sql("select * from workspace_versions").to_numpy().ravel()))


def test_two_processes_that_save_one_lose_no_version(people: Path) -> None:
    code = """
import pathlib, sys, time, renex_jupyter as rx
rx.save_workspace("own " + sys.argv[1], "people")
pathlib.Path("ready " + sys.argv[1]).touch()
until = time.monotonic() + 60
while not all(pathlib.Path("ready " + each).exists() for each in "ab") and time.monotonic() < until:
    time.sleep(0.001)
for i in range(8):
    print(rx.save_workspace("shared", "people", notes=f"{sys.argv[1]} {i}").version)
"""
    at_once = [
        subprocess.Popen([sys.executable, "-c", code, name], cwd=people, stdout=subprocess.PIPE, text=True)
        for name in "ab"
    ]
    versions = [int(line) for each in at_once for line in each.communicate(timeout=240)[0].split()]
    assert sorted(versions) == list(range(1, 17))
    notes = {rx.open_workspace(f"shared:{i}").spec.notes for i in range(1, 17)}
    assert notes == {f"{name} {i}" for name in "ab" for i in range(8)}


def test_numbers_that_json_cannot_say_are_kept(people: Path) -> None:
    said = {
        "and": [{"column": "income", "op": "<", "value": math.inf}, {"column": "income", "op": ">", "value": -math.inf}]
    }
    live = rx.save_workspace("endless", "people", filter=said)
    opened = rx.open_workspace("endless")
    assert opened.spec == live.spec
    assert opened.count() == _frame()["income"].notna().sum()
