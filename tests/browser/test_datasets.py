"""The list of datasets in the side panel, as a person meets it."""

import pytest
from lab import Tab
from playwright.sync_api import Locator, expect
from registering import Writer

DATASET = "#renex-panel tr.rx-row[data-kind=dataset]"
VERSION = "#renex-panel tr.rx-row[data-kind=dataset_version]"
PATTERN = "#renex-panel tr.rx-row[data-kind=pattern]"
YOUNG = {"column": "age", "op": "range", "value": [None, 30]}
NIGHT = {
    "and": [{"column": "light", "op": "=", "value": "night"}, {"column": "camera", "op": "=", "value": "front left"}]
}


@pytest.fixture
def datasets_tab(project_tab: Tab) -> Tab:
    """The panel, which shows datasets."""
    project_tab.page.get_by_role("tab", name="Datasets").click()
    return project_tab


def roads(writer: Writer) -> tuple[str, str, str]:
    """A dataset of one version with predictions of a model version."""
    dataset = writer.do("dataset", "roads", "maps", task="classification", description="Images of roads.")
    version = writer.do("dataset_version", dataset, 1, message="first export")
    model = writer.do("version", writer.do("model", "signs"), 3)
    return dataset, version, writer.do("predictions", version, model)


def searched(writer: Writer, version: str, predictions: str) -> None:
    search = writer.do("pattern_search", version, predictions, candidates=120)
    writer.do("patterns", search, YOUNG, NIGHT, contributions={"light = 'night'": 0.3, "camera = 'front left'": 0.11})
    more = {"status": "not confirmed", "holdout_error_rate": 0.16, "position": 2}
    writer.do("patterns", search, {"column": "weather", "op": "=", "value": "rain"}, **more)


def row_of(tab: Tab, name: str, rows: str = DATASET) -> Locator:
    return tab.page.locator(rows).filter(has=tab.page.get_by_role("button", name=name, exact=True))


def test_before_the_first_dataset_the_panel_says_what_to_type(datasets_tab: Tab, writer: Writer) -> None:
    page = datasets_tab.page
    notice = page.locator("#renex-panel .rx-Notice")
    expect(notice).to_contain_text("No datasets yet")
    notice.get_by_role("button", name="Insert example cell").click()
    expect(page.locator(".jp-Notebook .jp-CodeCell").nth(1)).to_contain_text("rx.create_dataset(")
    roads(writer)
    expect(row_of(datasets_tab, "maps/roads")).to_be_visible()
    expect(notice).to_be_hidden()


def test_a_search_of_another_process_shows_by_itself_and_a_pattern_is_opened(datasets_tab: Tab, writer: Writer) -> None:
    page = datasets_tab.page
    _, version, predictions = roads(writer)
    row_of(datasets_tab, "maps/roads").click()
    expect(page.locator(f"{VERSION} .rx-Table-main")).to_have_text(["v1"])
    panel = page.locator("#renex-panel")
    expect(panel).to_contain_text("none was searched for")
    searched(writer, version, predictions)
    expect(page.locator(f"{PATTERN} .rx-Table-main")).to_have_text(
        ["age < 30", "light = 'night' and camera = 'front left'", "weather = 'rain'"]
    )
    expect(page.locator(f"{PATTERN} .rx-Verdict").last).to_have_text("not confirmed: 60 % and 16 %, all 14 %")
    expect(row_of(datasets_tab, "maps/roads").locator(".rx-Chip").first).to_have_text("✓ 2 confirmed")
    expect(panel.locator(".rx-Plot .bars path").first).to_be_attached()
    expect(panel.locator(".rx-Plot .annotation-text").first).to_contain_text("✓ confirmed: age < 30")
    page.locator(f"{PATTERN} .rx-Table-main").nth(1).click()
    expect(panel.locator("h3").filter(has_text="light = 'night'")).to_be_visible()
    panel.get_by_role("button", name="Show samples").last.click()
    cell = page.locator(".jp-Notebook .jp-CodeCell").nth(1)
    expect(cell).to_contain_text('rx.dataset_samples("maps/roads:1", where=')


def test_stored_text_of_datasets_is_never_markup(datasets_tab: Tab, writer: Writer) -> None:
    hostile = "<img src=x onerror=\"document.title='stolen'\"><b>x"
    dataset = writer.do("dataset", hostile, hostile, task=hostile, description=hostile)
    version = writer.do("dataset_version", dataset, 1, message=hostile, classes=[hostile], splits={hostile: 1})
    search = writer.do("pattern_search", version, writer.do("predictions", version, name=hostile), outcome=hostile)
    predicate = {"column": hostile, "op": "=", "value": hostile}
    writer.do("patterns", search, predicate, status=hostile)
    writer.do("pattern_measure", writer.do("kept_pattern", dataset, hostile, predicate), 0.2, change="worse")
    page = datasets_tab.page
    page.locator(f"{DATASET} .rx-Table-main").click()
    page.locator(f"{PATTERN} .rx-Table-main").click()
    panel = page.locator("#renex-panel")
    expect(panel.locator(".rx-Plot .annotation-text").first).to_be_attached()
    expect(panel.locator("h3").filter(has_text=hostile).last).to_be_visible()
    assert panel.locator("img[src=x], b").count() == 0
    assert "stolen" not in page.title()


def test_datasets_in_the_narrowest_panel_are_not_cut_and_never_scroll_sideways(
    datasets_tab: Tab, writer: Writer
) -> None:
    page = datasets_tab.page
    dataset = writer.do("dataset", "a-rather-long-name-of-a-dataset", "computer-vision/production")
    version = writer.do("dataset_version", dataset, 123, n_samples=12_345_678)
    searched(writer, version, writer.do("predictions", version, name="a rather long name of predictions"))
    page.locator(f"{DATASET} .rx-Table-main").click()
    page.locator(f"{PATTERN} .rx-Table-main").nth(1).click()
    panel = page.locator("#renex-panel")
    expect(panel.locator(".rx-Plot .annotation-text").first).to_be_attached()
    assert panel.evaluate("node => node.clientWidth") <= 250
    wide = "node => [...node.querySelectorAll('*')].filter(n => n.scrollWidth > n.clientWidth + 1 && "
    wide += "['auto', 'scroll'].includes(getComputedStyle(n).overflowX)).map(n => n.className)"
    assert panel.evaluate(wide) == []
    tabs = page.locator("#renex-panel [role=tab]")
    assert tabs.evaluate_all("nodes => nodes.filter(n => n.scrollWidth > n.clientWidth).map(n => n.textContent)") == []
    numbers = page.locator("#renex-panel td[data-kind=number]:visible")
    assert (
        numbers.evaluate_all("cells => cells.filter(n => n.scrollWidth > n.clientWidth).map(n => n.textContent)") == []
    )
