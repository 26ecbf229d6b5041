"""The list of models, and one of them opened, from a real store."""

from typing import Any

import pytest
from recorded import Project
from registered import Registry

from renex_jupyter.errors import RenexError
from renex_jupyter.query import model_lists
from renex_jupyter.views.model import PAGE, ModelDetail
from renex_jupyter.views.models import ModelsList

HOSTILE = "<img src=x onerror=alert(1)>\x1b[31m\u202e"


@pytest.fixture
def registry(project: Project) -> Registry:
    return Registry(project.store)


def new_list() -> ModelsList:
    return ModelsList(lambda: None)


def rows(registry: Registry, models: ModelsList | None = None) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in (models or new_list()).ask(registry.store.reader).rows}


def texts_of(what: Any) -> list[str]:
    """Return the texts that are shown of something; by a key nothing is shown."""
    if isinstance(what, dict):
        return [text for key, each in what.items() if key != "key" for text in texts_of(each)]
    if isinstance(what, list):
        return [text for each in what for text in texts_of(each)]
    return [what] if isinstance(what, str) else []


class Opened:
    """A model that is shown, as the panel does it."""

    def __init__(self, registry: Registry, model_id: str, *, hosted: bool = True) -> None:
        self.acts: list[tuple[str, str]] = []
        self.detail = ModelDetail(lambda: None, lambda *act: self.acts.append(act), hosted=hosted)
        self._read, self._model = registry.store.reader, model_id
        self.refresh()

    def refresh(self) -> None:
        self.detail.draw(self.detail.ask(self._read, self._model))

    def choose(self, version_id: str) -> dict[str, Any]:
        self.detail.versions.selected = [version_id]
        self.refresh()
        return dict(self.detail.version.content)

    @property
    def versions(self) -> list[str]:
        return [row["version"] for row in self.detail.versions.rows]


def test_a_model_shows_its_versions_aliases_champions_metrics_and_the_newest_verdict(registry: Registry) -> None:
    model = registry.model("digits")
    ids = [registry.version(model, number, metrics={"accuracy": 0.9 + number / 100}) for number in (1, 2, 3)]
    registry.alias(model, "staging", 3)
    registry.alias(model, "champion", 2)
    registry.verdict(model, ids[1], "met", "v2 promoted to champion")
    registry.verdict(model, ids[2], "unmet", "v3 not promoted: accuracy 0.930 vs 0.920 of v2, needs +0.020")
    row = rows(registry)["vision/digits"]
    assert [each[0] for each in row["chips"]] == ["champion v2", "staging v3", "3 versions"]
    assert (row["versions"], row["metric0"]) == ("3", "0.92")
    assert row["verdict"] == {"text": "v3 not promoted: accuracy 0.930 vs 0.920 of v2, needs +0.020", "state": "unmet"}
    assert row["notes"]["metric0"] == "of v2\naccuracy  0.92"


def test_without_a_champion_the_newest_version_that_is_not_retired_speaks_for_its_model(registry: Registry) -> None:
    model = registry.model("digits")
    registry.version(model, 1, metrics={"loss": 3.0})
    registry.version(model, 2, metrics={"loss": 2.0})
    registry.version(model, 3, metrics={"loss": 1.0}, status="retired")
    assert rows(registry)["vision/digits"]["metric0"] == "2"


def test_an_alias_that_was_taken_away_is_shown_no_more(registry: Registry) -> None:
    model = registry.model("digits")
    registry.version(model, 1)
    registry.alias(model, "champion", 1)
    registry.alias(model, "champion", None, was=1)
    assert [each[0] for each in rows(registry)["vision/digits"]["chips"]] == ["1 version"]


def test_metrics_logged_since_the_registration_and_on_datasets_are_shown(registry: Registry) -> None:
    model = registry.model("digits")
    version = registry.version(model, 1, metrics={"accuracy": 0.5})
    registry.measured(version, "accuracy", 0.75)
    registry.measured(version, "accuracy", 0.625, dataset="test")
    page = new_list().ask(registry.store.reader)
    assert page.metrics == ["accuracy", "accuracy@test"]
    [row] = page.rows
    assert {row["metric0"], row["metric1"]} == {"0.75", "0.625"}


def test_the_chosen_metric_comes_first_and_a_model_without_it_shows_its_own(registry: Registry) -> None:
    registry.version(registry.model("a"), 1, metrics={"accuracy": 0.5, "loss": 2.0})
    registry.version(registry.model("b"), 1, metrics={"accuracy": 0.25})
    models = new_list()
    models.bar.choice = "loss"
    page = models.ask(registry.store.reader)
    assert [each["label"] for each in page.columns if each["key"].startswith("metric")] == ["loss", "accuracy"]
    found = {row["name"]: (row["metric0"], row["under"]) for row in page.rows}
    assert found == {"vision/a": ("2", None), "vision/b": ("", {"text": "accuracy 0.25"})}


def test_a_search_looks_at_names_aliases_and_labels_and_counts(registry: Registry) -> None:
    digits, reviews = registry.model("digits", owner="grace"), registry.model("reviews", "nlp/prod")
    registry.version(digits, 1)
    registry.alias(digits, "champion", 1)
    registry.label(digits, "shipped", 1)
    registry.version(reviews, 1)
    models = new_list()
    for words, names in {
        "champion DIGITS": ["vision/digits"],
        "shipped": ["vision/digits"],
        "grace": ["vision/digits"],
        "nlp/prod": ["nlp/prod/reviews"],
        "champion reviews": [],
        "100%": [],
    }.items():
        models.bar.search = words
        page = models.ask(registry.store.reader)
        assert [row["name"] for row in page.rows] == names
        assert (page.shown, page.total) == (len(names), 2)


def test_models_are_paged_ordered_and_archived_ones_come_last(registry: Registry) -> None:
    for name in "cab":
        registry.version(registry.model(name), 1)
    registry.model("0-old", archived=True)
    models = new_list()
    models.table.page_size, models.table.sort_key, models.table.sort_descending = 3, "name", False
    models.draw(models.ask(registry.store.reader))
    assert [row["name"] for row in models.table.rows] == ["vision/a", "vision/b", "vision/c"]
    models.table.page = 7
    models.draw(models.ask(registry.store.reader))
    assert (models.table.page, models.table.total) == (1, 4)
    assert [row["name"] for row in models.table.rows] == ["vision/0-old"]
    assert [each[0] for each in models.table.rows[0]["chips"]] == ["archived", "no version yet"]


def test_an_order_that_is_none_is_refused_and_reaches_no_sql(registry: Registry) -> None:
    registry.model("m")
    read = registry.store.reader
    with pytest.raises(RenexError, match="invalid_argument"):
        model_lists.list_models(read, order_by="name; drop table models")
    with pytest.raises(RenexError, match="invalid_argument"):
        model_lists.list_versions(read, "m", order_by="1")
    assert model_lists.list_versions(read, "m", order_by="metrics.'; drop table models; --") == []


def test_an_opened_model_has_its_versions_side_by_side(registry: Registry) -> None:
    model = registry.model("digits", task="classification")
    for number in (1, 2, 3):
        version = registry.version(model, number, metrics={"accuracy": number / 10, "loss": 1 / number})
        registry.measured(version, "accuracy", number / 20, dataset="test")
    registry.alias(model, "champion", 2)
    registry.label(model, "shipped", 2)
    opened = Opened(registry, model)
    assert opened.versions == ["v3", "v2", "v1"]
    row = opened.detail.versions.rows[1]
    assert [each[0] for each in row["chips"]] == ["champion", "shipped"]
    assert (row["metrics.accuracy"], row["metrics.accuracy@test"], row["metrics.loss"]) == ("0.2", "0.1", "0.5")
    assert row["registered_by"] == "ada"
    assert ["task", "classification"] in opened.detail.head.content["facts"]


@pytest.mark.parametrize("key", ["loss", "loss@test", 'odd "key"', "a.b"])
def test_versions_are_ordered_by_a_metric_whatever_its_key_and_one_without_it_comes_last(
    registry: Registry, key: str
) -> None:
    model = registry.model("digits")
    name, _, dataset = key.partition("@")
    for number, value in ((1, 2.0), (2, 3.0), (3, 1.0)):
        version = registry.version(model, number)
        registry.measured(version, name, value, dataset or None)
    registry.version(model, 4)
    opened = Opened(registry, model)
    opened.detail.versions.sort_key, opened.detail.versions.sort_descending = f"metrics.{key}", False
    opened.refresh()
    assert opened.versions == ["v3", "v1", "v2", "v4"]
    opened.detail.versions.sort_descending = True
    opened.refresh()
    assert opened.versions == ["v2", "v1", "v3", "v4"]


def test_versions_are_ordered_by_what_they_were_registered_with_and_a_nan_is_no_best(registry: Registry) -> None:
    model = registry.model("digits")
    for number, value in ((1, 2.0), (2, 3.0), (3, float("nan"))):
        registry.version(model, number, metrics={"val.loss": value})
    opened = Opened(registry, model)
    opened.detail.versions.sort_key, opened.detail.versions.sort_descending = "metrics.val.loss", False
    opened.refresh()
    assert opened.versions == ["v1", "v2", "v3"]


def test_a_version_tells_its_run_dataset_params_verdicts_decisions_and_notes(
    project: Project, registry: Registry
) -> None:
    run = project.run("train")
    model = registry.model("digits")
    first = registry.version(model, 1)
    version = registry.version(
        model, 2, run_id=run, dataset="mnist", framework="scikit-learn", params={"C": 2.5}, metrics={"accuracy": 0.5}
    )
    registry.verdict(model, version, "waiting", "v2 waits: not measured on test yet")
    registry.verdict(model, first, "met", "v1 kept")
    registry.decision(model, version, "retire", "trained on leaked labels")
    registry.note("model_version", version, "Fails on **7**.")
    opened = Opened(registry, model)
    content = opened.choose(version)
    assert content["title"]["text"] == "digits v2"
    facts = dict(content["facts"])
    assert (facts["run"], facts["dataset"], facts["by"]) == (f"train ({run[:8]})", "mnist", "ada")
    assert (content["params"], content["values"]) == ([["C", "2.5"]], [["accuracy", "0.5"]])
    said = {each["label"]: [item["text"] for item in each["items"]] for each in content["said"]}
    assert said == {
        "Verdicts": ["v2 waits: not measured on test yet"],
        "Decisions": ["retired: trained on leaked labels"],
        "Notes": ["Fails on **7**."],
    }
    of_model = {each["label"]: [item["text"] for item in each["items"]] for each in opened.detail.head.content["said"]}
    assert of_model == {"Verdicts": ["v1 kept"], "Decisions": ["v2 retired: trained on leaked labels"]}
    opened.detail.version._handle_custom_msg({"action": "show-run", "of": version}, [])
    opened.detail.version._handle_custom_msg({"action": "insert", "of": version}, [])
    opened.detail.version._handle_custom_msg({"action": "insert", "of": first}, [])  # drawn for another one
    assert opened.acts == [
        ("show-run", run),
        ("insert", 'import renex_jupyter as rx\n\npath = rx.load_model("vision/digits:2")\npath'),
    ]
    opened.detail.version._handle_custom_msg({"action": "close"}, [])
    opened.refresh()
    assert opened.detail.version.content == {}


def test_another_model_begins_with_its_newest_versions_and_none_chosen(registry: Registry) -> None:
    one, two = registry.model("one"), registry.model("two")
    for number in range(1, PAGE + 2):
        version = registry.version(one, number)
    registry.version(two, 1)
    opened = Opened(registry, one)
    opened.detail.versions.page = 1
    opened.choose(version)
    assert opened.versions == ["v1"]
    opened._model = two
    opened.refresh()
    assert opened.versions == ["v1"]
    assert (opened.detail.versions.page, opened.detail.versions.selected, opened.detail.version.content) == (0, [], {})
    opened._model = "no such model"
    opened.refresh()
    assert (opened.detail.head.content, opened.detail.versions.rows) == ({}, [])


def test_of_ten_thousand_versions_a_page_is_brought(registry: Registry) -> None:
    model = registry.model("digits")
    for first in range(1, 10_001, 1000):
        changes = [
            registry.change_of_version(model, first + n, metrics={"loss": 1.0 / (first + n)}) for n in range(1000)
        ]
        registry.store.write(*changes)
    assert rows(registry)["vision/digits"]["versions"] == "10,000"
    opened = Opened(registry, model)
    assert (len(opened.versions), opened.versions[0], opened.detail.versions.total) == (PAGE, "v10000", 10_000)
    opened.detail.versions.page = 9_999
    opened.refresh()
    assert opened.versions[-1] == "v1"


def test_stored_text_has_no_controls_and_inserted_code_holds_a_name_as_text(registry: Registry) -> None:
    model = registry.model(f'"); import os #{HOSTILE}', description=HOSTILE)
    version = registry.version(model, 1, description=HOSTILE, metrics={HOSTILE: 1.0})
    registry.verdict(model, version, HOSTILE, HOSTILE)
    registry.note("model", model, HOSTILE)
    opened = Opened(registry, model)
    versions = opened.detail.versions
    content = [opened.choose(version), opened.detail.head.content]
    shown = "".join(texts_of([new_list().ask(registry.store.reader).rows, content, versions.rows, versions.columns]))
    assert "<img" in shown  # as text, which the page sets as text
    assert not {"\x1b", "\u202e"} & set(shown)
    opened.detail.head._handle_custom_msg({"action": "insert", "of": model}, [])
    compiled = compile(opened.acts[0][1], "cell", "exec")
    assert compiled.co_names == ("renex_jupyter", "rx", "list_model_versions")
