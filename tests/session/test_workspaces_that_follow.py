"""Workspaces on datasets that change, and in files that are given to others."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import renex_jupyter as rx
from renex_jupyter.errors import RenexError
from renex_jupyter.session.current import reset

FIRST = pd.DataFrame(
    {"id": ["a", "b", "c", "d"], "age": [20, 30, 40, 50], "sex": ["F", "M", "F", "M"], "y": ["n", "y", "n", "y"]}
)


def _made(frame: pd.DataFrame = FIRST, name: str = "people") -> Any:
    return rx.create_dataset(name, frame, key="id", target="y", task="classification")


@pytest.fixture
def people(project: Path) -> Path:
    _made()
    rx.log_predictions("people", ["n", "n", "n", "y"], name="one")
    return project


def test_one_that_follows_says_what_changed(people: Path) -> None:
    rx.save_workspace(
        "following",
        "people",
        filter="age >= 30 and sex = 'F'",
        charts=["error_rate", {"type": "count", "columns": "sex"}],
    )
    rx.save_workspace("pinned", "people:1", filter="age >= 30", charts=["error_rate"])
    more = pd.concat([FIRST, FIRST.assign(id=["e", "f", "g", "h"])])
    _made(more)
    live = rx.open_workspace("following")
    changed = live.changed
    assert changed
    assert (changed.version_then, changed.version_now) == (1, 2)
    assert (changed.samples_then, changed.samples_now, changed.count_then, changed.count_now) == (4, 8, 1, 2)
    assert changed.digest_then != changed.digest_now
    assert changed.missing_predictions == ("one",)
    error_rate, count = live.tables()
    assert "no predictions" in error_rate.problem
    assert sum(row[3] for row in count.rows) == 2
    pinned = rx.open_workspace("pinned")
    assert not pinned.changed
    assert (pinned.count(), pinned.dataset_version.version) == (3, 1)
    rx.log_predictions("people", ["n"] * 8, name="two")
    assert rx.update_workspace("following", compare=["two"]).tables()[0].rows[0][4] == 2


def test_columns_that_are_gone_are_named_and_the_rest_is_drawn(people: Path) -> None:
    rx.save_workspace(
        "narrow", "people", filter="sex = 'F'", charts=[{"type": "count", "columns": "sex"}], columns=["sex", "age"]
    )
    rx.save_workspace("wide", "people", charts=[{"type": "count", "columns": "sex"}, "count"])
    _made(FIRST.drop(columns="sex").assign(age=["20", "30", "40", "50"]))
    live = rx.open_workspace("narrow")
    changed = live.changed
    assert changed.missing_columns == ("sex",)
    assert [each[0] for each in changed.retyped_columns] == ["age"]
    assert (changed.count_then, changed.count_now) == (2, None)
    assert "'sex'" in live.tables()[0].problem
    with pytest.raises(RenexError, match="no column 'sex'"):
        live.count()
    gone, count = rx.open_workspace("wide").tables()
    assert "'sex'" in gone.problem
    assert count.rows == ((4,),)


def test_a_file_has_no_path_and_opens_where_the_content_is_the_same(
    people: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = rx.save_workspace("errors", "people:1", filter="age > 20", selection=["b"], charts=["error_rate"], notes="n")
    file = rx.export_workspace("errors", people / "errors.json")
    text = file.read_text()
    assert str(people) not in text
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "pyproject.toml").write_text("[project]\nname='q'\n")
    monkeypatch.chdir(elsewhere)
    reset()
    with pytest.raises(RenexError) as nothing:
        rx.import_workspace(file)
    assert nothing.value.code == "not_found"
    _made(FIRST.assign(age=[1, 2, 3, 4]))
    with pytest.raises(RenexError) as other:
        rx.import_workspace(file)
    assert other.value.code == "conflict"
    _made(FIRST.iloc[::-1])  # the order of the rows is not content
    live = rx.import_workspace(file)
    assert live.spec.version == 2
    assert live.count() == made.count()
    assert live.changed.missing_predictions == ("one",)
    rx.log_predictions("people", pd.DataFrame({"id": list("abcd"), "label": ["n", "n", "n", "y"]}), name="same")
    assert rx.import_workspace(file, name="again").version == 1
    assert (
        rx.import_workspace(file, dataset="people:1", name="forced").dataset_version.version == 2
    )  # it has the content
    reset()


HOSTILE: list[tuple[Any, str]] = [
    (lambda said: said.update(format=99), "newer_store"),
    (lambda said: said["spec"].update(format=99), "newer_store"),
    (lambda said: said.update(kind="something"), "invalid_argument"),
    (lambda said: said.update(more=1), "invalid_argument"),
    (lambda said: said.pop("dataset"), "invalid_argument"),
    (lambda said: said["dataset"].update(name=["x"]), "invalid_argument"),
    (lambda said: said["spec"].update(sql="drop table x"), "invalid_argument"),
    (lambda said: said["spec"].update(filter="age > 3"), "invalid_argument"),
    (lambda said: said["spec"].update(filter={"column": 'a" or 1', "op": "=", "value": 1}), "invalid_argument"),
    (lambda said: said["spec"].update(filter={"column": "age", "op": "; drop", "value": 1}), "invalid_argument"),
    (
        lambda said: said["spec"].update(filter={"column": "age", "op": "=", "value": {"$ne": 1}}),
        "invalid_argument",
    ),
    (lambda said: said["spec"].update(charts=[{"type": "count"}] * 51), "invalid_argument"),
    (lambda said: said["spec"].update(charts=[{"type": "__class__"}]), "invalid_argument"),
    (lambda said: said["spec"].update(charts=[7]), "invalid_argument"),
    (lambda said: said["spec"].update(selection={"kind": "ids", "ids": [1]}), "invalid_argument"),
    (lambda said: said["spec"].update(selection={"kind": "ids", "ids": ["zz"]}), "invalid_argument"),
    (lambda said: said["spec"].update(compare=[{"prediction_set_id": 3}]), "invalid_argument"),
    (lambda said: said["spec"].update(version=-1), "invalid_argument"),
    (lambda said: said["spec"].update(version=True), "invalid_argument"),
    (lambda said: said["spec"].update(seen={"version": "x"}), "invalid_argument"),
    (lambda said: said["spec"].update(sort=[{"column": "age", "descending": "x"}]), "invalid_argument"),
    (lambda said: said["spec"].update(notes=[1]), "invalid_argument"),
]
NO_JSON = ["", "{", "[]", "NaN", '{"kind": "renex workspace", "format": NaN}', "[" * 100_000, '"\ud83d"', "\0"]


def test_a_hostile_file_is_refused_and_nothing_is_saved(people: Path) -> None:
    rx.save_workspace("errors", "people", filter="age > 20", charts=["count"])
    file = rx.export_workspace("errors", people / "errors.json")
    for change, code in HOSTILE:
        said = json.loads(file.read_text())
        change(said)
        other = file.with_name("other.json")
        other.write_text(json.dumps(said))
        with pytest.raises(RenexError) as raised:
            rx.import_workspace(other)
        assert raised.value.code == code, said
    for text in NO_JSON:
        file.write_text(text, encoding="utf-8", errors="surrogatepass")
        with pytest.raises(RenexError) as raised:
            rx.import_workspace(file)
        assert raised.value.code == "invalid_argument", text[:50]
    with pytest.raises(RenexError, match="no file"):
        rx.import_workspace(people / "nowhere.json")
    assert rx.sql("select count(*) as n from workspace_versions")["n"][0] == 1


def test_a_secret_in_the_words_of_a_file_is_not_kept(people: Path) -> None:
    key = "AKIA" + "Q3EGR7TBMMPWZ2XY"  # in the form of one
    rx.save_workspace("errors", "people", charts=[{"type": "count", "title": "words"}], notes="words")
    file = rx.export_workspace("errors", people / "errors.json")
    file.write_text(file.read_text().replace('"words"', f'"the key is {key}"'))
    live = rx.import_workspace(file, name="theirs")
    assert key not in f"{live.spec}" and "the key is" in (live.spec.notes or "")
    assert key not in str(rx.sql("select spec from workspace_versions")["spec"].tolist())


def test_a_name_that_is_taken_on_another_dataset_is_told(people: Path) -> None:
    _made(name="others")
    rx.save_workspace("mine", "people")
    with pytest.raises(RenexError, match="already, on default/people") as raised:
        rx.save_workspace("mine", "others")
    assert raised.value.code == "conflict"


def test_a_mistyped_name_is_told_with_the_nearest(people: Path) -> None:
    rx.save_workspace("night errors", "people")
    with pytest.raises(RenexError, match="nigt") as raised:
        rx.open_workspace("nigt errors")
    assert "default/night errors" in raised.value.hint
