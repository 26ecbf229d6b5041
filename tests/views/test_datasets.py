"""The list of datasets, and one of them opened to where models fail on it, from a real store."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from recorded import Project
from registered import Registry
from test_live_panel import until

from renex_jupyter import ids
from renex_jupyter.records.changes import Change, now
from renex_jupyter.views import text
from renex_jupyter.views.dataset import PAGE, DatasetDetail
from renex_jupyter.views.datasets import DatasetsList
from renex_jupyter.views.panel import Panel

HOSTILE = "<img src=x onerror=alert(1)>\x1b[31m\u202e"
YOUNG = {"column": "age", "op": "range", "value": [None, 30]}
WOMEN = {"column": "sex", "op": "=", "value": "F"}


@pytest.fixture
def registry(project: Project) -> Registry:
    return Registry(project.store)


def new_list() -> DatasetsList:
    return DatasetsList(lambda: None)


def rows(registry: Registry, datasets: DatasetsList | None = None) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in (datasets or new_list()).ask(registry.store.reader).rows}


def searched(
    registry: Registry, dataset: str, *predicates: dict[str, Any], **columns: Any
) -> tuple[str, str, list[str]]:
    """A version of a dataset, predictions on it, and what a search found in these."""
    version = registry.dataset_version(dataset, columns.pop("version", 1))
    predictions = registry.predictions(version, columns.pop("model_version_id", None), name=columns.pop("name", "v1"))
    search = registry.pattern_search(version, predictions)
    return version, search, registry.patterns(search, *predicates, **columns)


class Opened:
    """A dataset that is shown, as the panel does it."""

    def __init__(self, registry: Registry, dataset_id: str, *, hosted: bool = True) -> None:
        self.acts: list[tuple[str, str]] = []
        self.detail = DatasetDetail(lambda: None, lambda *act: self.acts.append(act), hosted=hosted)
        self._read, self._dataset = registry.store.reader, dataset_id
        self.refresh()

    def refresh(self) -> None:
        self.detail.draw(self.detail.ask(self._read, self._dataset))

    def press(self, part: Any, name: str) -> str:
        """Press a button of a part, and return the code that it inserts."""
        action = next(each for each in part.actions if each["name"] == name)
        part._handle_custom_msg({"action": action["name"], "of": action["of"]}, [])
        return self.acts[-1][1]


def facts(part: Any) -> dict[str, str]:
    return dict(part.content.get("facts", []))


def test_a_dataset_shows_its_samples_versions_task_and_the_patterns_of_its_newest_search(registry: Registry) -> None:
    dataset = registry.dataset("adult", task="classification")
    version, _, _ = searched(registry, dataset, YOUNG)
    newer = registry.pattern_search(version, registry.predictions(version, name="v2"))
    registry.patterns(newer, YOUNG, WOMEN)
    registry.patterns(newer, WOMEN, status="too small")
    row = rows(registry)["vision/adult"]
    assert [each[0] for each in row["chips"]] == ["✓ 2 confirmed", "○ 1 too small", "classification", "1 version"]
    assert (row["n_samples"], row["latest"]) == ("500", "v1")


def test_a_dataset_without_versions_is_listed(registry: Registry) -> None:
    registry.dataset("empty")
    row = rows(registry)["vision/empty"]
    assert (row["n_samples"], row["latest"], [each[0] for each in row["chips"]]) == ("", "", ["no version yet"])


def test_a_kept_pattern_that_got_worse_is_told_in_the_list_until_it_is_no_longer(registry: Registry) -> None:
    dataset = registry.dataset("roads")
    night = registry.kept_pattern(dataset, "night images", WOMEN)
    assert rows(registry)["vision/roads"]["verdict"] is None
    registry.pattern_measure(night, 0.19, previous_rate=0.12, change="worse")
    row = rows(registry)["vision/roads"]
    assert row["verdict"] == {"text": "worse on night images: 12 % to 19 %", "state": "worse"}
    assert ["1 kept pattern", "", "label"] in row["chips"]
    registry.pattern_measure(night, 0.11, previous_rate=0.19, change="better")
    assert rows(registry)["vision/roads"]["verdict"] is None


def test_a_search_looks_at_names_tasks_owners_and_kept_patterns_and_counts(registry: Registry) -> None:
    adult = registry.dataset("adult", owner="grace", task="classification")
    registry.dataset("roads", "maps/prod")
    registry.kept_pattern(adult, "young women", WOMEN)
    datasets = new_list()
    for words, names in {
        "ADULT": ["vision/adult"],
        "grace classification": ["vision/adult"],
        "young": ["vision/adult"],
        "maps/prod": ["maps/prod/roads"],
        "adult maps": [],
        "100%": [],
    }.items():
        datasets.bar.search = words
        page = datasets.ask(registry.store.reader)
        assert [row["name"] for row in page.rows] == names
        assert (page.shown, page.total) == (len(names), 2)


def test_ten_thousand_datasets_are_shown_a_page_at_a_time(registry: Registry) -> None:
    made = now()
    registry.store.write(
        *(
            Change("datasets", own_id, "create", {"dataset_id": own_id, "name": f"d{n:05}", "namespace": "v", "created_at": made})
            for n, own_id in ((n, ids.new_id()) for n in range(10_000))
        )
    )  # fmt: skip
    datasets = new_list()
    datasets.table.sort_key, datasets.table.sort_descending, datasets.table.page_size = "name", False, 50
    datasets.table.page = 199
    datasets.draw(datasets.ask(registry.store.reader))
    assert [row["name"] for row in datasets.table.rows][-1] == "v/d09999"
    assert (datasets.table.total, len(datasets.table.rows)) == (10_000, 50)
    datasets.table.page = 10_000
    datasets.draw(datasets.ask(registry.store.reader))
    assert datasets.table.page == 199


def test_a_dataset_is_opened_to_its_newest_version_and_that_to_its_facts(registry: Registry) -> None:
    dataset = registry.dataset("adult", description="Census.", owner="ada")
    first = registry.dataset_version(dataset, 1, message="raw")
    registry.dataset_version(dataset, 2, n_samples=600, source="adult.csv")
    opened = Opened(registry, dataset)
    assert [row["version"] for row in opened.detail.versions.rows] == ["v2", "v1"]
    told = facts(opened.detail.version)
    assert (told["samples"], told["splits"], told["classes"]) == ("600", "train 400, test 100", "2: no, yes")
    assert (told["size"], told["source"], told["digest"]) == ("12.3 kB", "adult.csv", "abababab")
    opened.detail.versions.selected = [first]
    opened.refresh()
    assert facts(opened.detail.version)["message"] == "raw"
    assert facts(opened.detail.head)["description"] == "Census."


def test_the_newest_version_is_followed_until_one_is_chosen(registry: Registry) -> None:
    dataset = registry.dataset("adult")
    registry.dataset_version(dataset, 1)
    opened = Opened(registry, dataset)
    second = registry.dataset_version(dataset, 2)
    opened.refresh()
    assert opened.detail.version.content["title"]["text"] == "adult v2"
    opened.detail.versions.selected = [second]
    registry.dataset_version(dataset, 3)
    opened.refresh()
    assert opened.detail.version.content["title"]["text"] == "adult v2"


def test_patterns_are_shown_with_both_error_rates_the_base_rate_and_their_status(registry: Registry) -> None:
    dataset = registry.dataset("adult")
    _, search, _ = searched(registry, dataset, YOUNG, WOMEN)
    registry.patterns(search, WOMEN, status="not confirmed", position=2, holdout_error_rate=0.15, explained_by=1)
    opened = Opened(registry, dataset)
    table = opened.detail.patterns.table
    assert [row["predicate"] for row in table.rows] == ["age < 30", "sex = 'F'", "sex = 'F'"]
    assert table.rows[0]["verdict"] == {"text": "confirmed: 60 % and 55 %, all 14 %", "state": "confirmed"}
    assert table.rows[2]["verdict"]["state"] == "not confirmed"
    assert table.rows[2]["verdict"]["text"].endswith("; repeats #1")
    found, tested, *lines = opened.detail.patterns.plot.figure["data"]
    assert (found["x"], tested["x"]) == (pytest.approx([0.6, 0.55, 0.6]), pytest.approx([0.55, 0.5, 0.15]))
    assert [line["x"][0] for line in lines] == [0.14, 0.15]
    told = facts(opened.detail.patterns.head)
    assert (told["all samples"], told["found"], told["search"]) == ("14 % of 500", "3", "complete")


def test_a_search_that_ran_out_of_time_says_so(registry: Registry) -> None:
    dataset = registry.dataset("adult")
    version = registry.dataset_version(dataset, 1)
    registry.pattern_search(version, registry.predictions(version), complete=False, outcome="no error at all")
    told = facts(Opened(registry, dataset).detail.patterns.head)
    assert told["search"] == "the time was over: there may be others"
    assert told["outcome"] == "no error at all"


def test_the_reader_chooses_the_model_whose_failures_are_shown(registry: Registry) -> None:
    dataset = registry.dataset("adult")
    version = registry.dataset_version(dataset, 1)
    model = registry.model("census")
    for number, predicate in ((1, YOUNG), (2, WOMEN)):
        of = registry.version(model, number)
        search = registry.pattern_search(version, registry.predictions(version, of), model_version_id=of)
        registry.patterns(search, predicate)
    opened = Opened(registry, dataset)
    patterns = opened.detail.patterns
    assert patterns.plot.choices == ["vision/census v2: error", "vision/census v1: error"]
    assert [row["predicate"] for row in patterns.table.rows] == ["sex = 'F'"]
    patterns.plot.choice = "vision/census v1: error"
    opened.refresh()
    assert [row["predicate"] for row in patterns.table.rows] == ["age < 30"]
    assert 'rx.failure_patterns("vision/adult:1", model="vision/census:1")' in opened.press(
        patterns.head, "insert:Search again"
    )


def test_a_pattern_is_chosen_in_the_table_or_in_the_figure_and_shows_what_makes_it(registry: Registry) -> None:
    dataset = registry.dataset("adult")
    both = {"and": [YOUNG, WOMEN]}
    contributions = {"age": 0.3, "sex": 0.16}
    _, _, [_, second] = searched(registry, dataset, YOUNG, both, contributions=contributions)
    opened = Opened(registry, dataset)
    patterns = opened.detail.patterns
    patterns.plot._handle_custom_msg({"event": "click", "x": 0.3, "y": 1, "trace": 0}, [])
    assert patterns.table.selected == [second]
    opened.refresh()
    assert patterns.pattern.content["title"]["text"] == "age < 30 and sex = 'F'"
    assert facts(patterns.pattern)["tested on"] == "50 % of 55, all 15 %"
    assert patterns.steps.figure["data"][0]["x"][:3] == [0.14, 0.3, 0.16]
    names = patterns.steps.figure["layout"]["yaxis"]["ticktext"]
    assert names == ["all samples", "age &lt; 30", "sex = 'F'", "the pattern"]
    code = opened.press(patterns.pattern, "insert:Show samples")
    where = code.partition("where=")[2].rpartition(", limit")[0]
    assert eval(where) == both
    assert opened.detail.patterns.table.selected == [second]
    patterns.pattern._handle_custom_msg({"action": "close", "of": second}, [])
    opened.refresh()
    assert patterns.pattern.content == {} and patterns.steps.figure == {}


def test_before_the_first_search_the_way_to_one_is_told(registry: Registry) -> None:
    dataset = registry.dataset("adult")
    version = registry.dataset_version(dataset, 1)
    opened = Opened(registry, dataset)
    assert facts(opened.detail.patterns.head) == {"not yet": "there are no predictions yet: rx.log_predictions(...)"}
    registry.predictions(version)
    opened.refresh()
    assert facts(opened.detail.patterns.head) == {"not yet": "none was searched for: rx.failure_patterns(...)"}
    assert opened.press(opened.detail.patterns.head, "insert:Find failures").endswith(
        'rx.failure_patterns("vision/adult:1")'
    )


def test_patterns_are_paged_and_the_figure_shows_the_page(registry: Registry) -> None:
    dataset = registry.dataset("adult")
    searched(registry, dataset, *[{"column": "n", "op": "=", "value": n} for n in range(PAGE + 3)])
    opened = Opened(registry, dataset)
    opened.detail.patterns.table.page = 1
    opened.refresh()
    assert [row["predicate"] for row in opened.detail.patterns.table.rows] == ["n = 10", "n = 11", "n = 12"]
    assert len(opened.detail.patterns.plot.figure["data"][0]["x"]) == 3


def test_code_that_is_inserted_calls_a_dataset_by_its_name_whatever_is_in_it(registry: Registry) -> None:
    dataset = registry.dataset('a"b\\c')
    registry.dataset_version(dataset, 1)
    opened = Opened(registry, dataset)
    code = opened.press(opened.detail.version, "insert:Show samples")
    assert eval(code.partition("dataset_samples(")[2].partition(", limit")[0]) == 'vision/a"b\\c:1'
    assert opened.press(opened.detail.head, "insert:List versions").startswith("import renex_jupyter as rx")
    alone = Opened(registry, dataset, hosted=False)
    assert {each["name"] for each in alone.detail.version.actions} == {"copy"}


def test_a_button_of_what_is_no_longer_shown_does_nothing(registry: Registry) -> None:
    first, second = registry.dataset("a"), registry.dataset("b")
    registry.dataset_version(first, 1)
    opened = Opened(registry, first)
    opened.detail.head._handle_custom_msg({"action": "insert:List versions", "of": second}, [])
    opened.detail.head._handle_custom_msg({"action": "insert:rm -rf", "of": first}, [])
    opened.detail.head._handle_custom_msg("nonsense", [])
    assert opened.acts == []


def test_hostile_texts_are_no_markup_and_no_control_characters(registry: Registry) -> None:
    dataset = registry.dataset(HOSTILE, HOSTILE, task=HOSTILE, description=HOSTILE, metadata={HOSTILE: HOSTILE})
    hostile = {"column": HOSTILE, "op": "=", "value": HOSTILE}
    kept = registry.kept_pattern(dataset, HOSTILE, hostile)
    registry.pattern_measure(kept, 0.2, previous_rate=0.1, change="worse")
    registry.note("dataset", dataset, HOSTILE)
    version = registry.dataset_version(
        dataset, 1, message=HOSTILE, source=HOSTILE, classes=[HOSTILE], splits={HOSTILE: 1}, fields=[{"name": HOSTILE}]
    )
    search = registry.pattern_search(
        version, registry.predictions(version, name=HOSTILE), error=HOSTILE, outcome=HOSTILE
    )
    [pattern] = registry.patterns(search, hostile, status=HOSTILE, contributions={HOSTILE: 0.1, "b": 0.2})
    opened = Opened(registry, dataset)
    opened.detail.patterns.table.selected = [pattern]
    opened.refresh()
    detail, patterns = opened.detail, opened.detail.patterns
    [row] = new_list().ask(registry.store.reader).rows
    parts = (detail.head, detail.version, patterns.head, patterns.pattern)
    shown = [row, *(part.content for part in parts), *detail.versions.rows, *patterns.table.rows, patterns.plot.choices]
    assert not any(each in str(shown) for each in ("\\x1b", "\\u202e", "\x1b", "\u202e"))
    figures = str([patterns.plot.figure, patterns.steps.figure])
    assert "<img" not in figures and "&lt;img" in figures


def test_strange_json_of_another_writer_breaks_nothing(registry: Registry) -> None:
    dataset = registry.dataset("odd", metadata=[1, 2])  # type: ignore[arg-type]
    version = registry.dataset_version(
        dataset, 1, fields={"a": 1}, classes={"a": 1}, splits=[1], files=None, digest=None
    )
    search = registry.pattern_search(version, registry.predictions(version), base_rate=None, n_samples=None, error=None)
    [pattern] = registry.patterns(
        search, YOUNG, error_rate=None, base_rate=None, holdout_error_rate=None, support=None, contributions=[1],
        status=None, predicate_text=None, adjusted_p_value=None, divergence=None, score=None,
    )  # fmt: skip
    opened = Opened(registry, dataset)
    opened.detail.patterns.table.selected = [pattern]
    opened.refresh()
    assert opened.detail.patterns.pattern.content["title"]["text"] == "every sample"


def test_a_dataset_that_was_deleted_is_shown_no_more(registry: Registry) -> None:
    dataset = registry.dataset("adult")
    registry.dataset_version(dataset, 1)
    opened = Opened(registry, dataset)
    registry.store.write(Change("datasets", dataset, "delete", None, namespace="vision"))
    opened.refresh()
    assert opened.detail.head.content == {} and opened.detail.versions.rows == []
    assert opened.detail.patterns.plot.figure == {} and new_list().ask(registry.store.reader).total == 0


def test_the_panel_shows_a_search_of_another_process_by_itself(
    project: Project, new_panel: Callable[[Path], Panel]
) -> None:
    registry = Registry(project.store)
    panel = new_panel(project.root)
    panel.head._handle_custom_msg({"asked": {"tab": "datasets"}}, [])
    until(lambda: panel.notice.title == "No datasets yet")
    assert 'rx.create_dataset("digits", frame, target="label")' in panel.notice.text
    dataset = registry.dataset("adult")
    until(lambda: [row["name"] for row in panel.datasets.table.rows] == ["vision/adult"] and not panel.notice.title)
    panel.datasets.table.selected = [dataset]
    until(lambda: panel.dataset.head.content)
    searched(registry, dataset, YOUNG)
    until(lambda: [row["predicate"] for row in panel.dataset.patterns.table.rows] == ["age < 30"])
    until(lambda: panel.dataset.patterns.plot.figure.get("data"))
    panel.dataset.head._handle_custom_msg({"action": "close", "of": dataset}, [])
    assert panel.datasets.table.selected == []


def test_millions_of_samples_fit_a_narrow_column_and_are_told_in_full_beside_it(registry: Registry) -> None:
    dataset = registry.dataset("large")
    registry.dataset_version(dataset, 1, n_samples=12_345_678)
    row = rows(registry)["vision/large"]
    assert (row["n_samples"], row["notes"]["n_samples"]) == ("12.3M", "12,345,678")
    opened = Opened(registry, dataset)
    assert opened.detail.versions.rows[0]["n_samples"] == "12.3M"
    assert facts(opened.detail.version)["samples"] == "12,345,678"
    shown = [text.short_count(each) for each in (None, 0, 999_999, 1_000_000, 999_499_999, 999_999_999, 10**10)]
    assert shown == ["", "0", "999,999", "1M", "999M", "1G", "10G"]
