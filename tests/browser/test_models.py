"""The list of models in the side panel, as a person meets it."""

import pytest
from lab import Tab
from playwright.sync_api import Locator, expect
from registering import Writer

MODEL = "#renex-panel tr.rx-row[data-kind=model]"
VERSION = "#renex-panel tr.rx-row[data-kind=version]"


@pytest.fixture
def models_tab(project_tab: Tab) -> Tab:
    """The panel, which shows models."""
    project_tab.page.get_by_role("tab", name="Models").click()
    return project_tab


def digits(writer: Writer) -> tuple[str, list[str]]:
    """A model of three versions, whose second is the champion."""
    model = writer.do("model", "digits")
    versions = [
        writer.do("version", model, number, metrics={"accuracy": 0.9 + number / 100, "loss": 1 / number})
        for number in (1, 2, 3)
    ]
    writer.do("alias", model, "champion", 2)
    return model, versions


def row_of(tab: Tab, name: str, rows: str = MODEL) -> Locator:
    return tab.page.locator(rows).filter(has=tab.page.get_by_role("button", name=name, exact=True))


def test_before_the_first_model_the_panel_says_what_to_type(models_tab: Tab, writer: Writer) -> None:
    page = models_tab.page
    notice = page.locator("#renex-panel .rx-Notice")
    expect(notice).to_contain_text("No models yet")
    expect(notice).to_contain_text('rx.register_model("digits", path="model.pt")')
    notice.get_by_role("button", name="Insert example cell").click()
    expect(page.locator(".jp-Notebook .jp-CodeCell").nth(1)).to_contain_text("rx.register_model(")
    digits(writer)
    expect(row_of(models_tab, "vision/digits")).to_be_visible()
    expect(notice).to_be_hidden()


# The next message that asks for a tab never leaves the page.
LOSE = """() => {
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data) {
    const text = typeof data === 'string' ? data : new TextDecoder().decode(data);
    if (window.rxLost || !text.includes('asked')) return send.call(this, data);
    window.rxLost = true;
  };
}"""


def test_a_tab_is_shown_though_the_message_that_asks_for_it_is_lost(project_tab: Tab) -> None:
    page = project_tab.page
    page.get_by_role("tab", name="Runs").click()  # the panel's kernel may show another one since an earlier page
    expect(page.locator("#renex-panel .rx-Notice")).to_contain_text("No runs yet")
    page.evaluate(LOSE)
    page.get_by_role("tab", name="Models").click()
    expect(page.locator("#renex-panel .rx-Notice")).to_contain_text("No models yet")
    assert page.evaluate("window.rxLost")


def test_a_model_is_opened_to_its_versions_and_a_version_to_its_facts(models_tab: Tab, writer: Writer) -> None:
    page = models_tab.page
    model, versions = digits(writer)
    row = row_of(models_tab, "vision/digits")
    expect(row.locator(".rx-Chip").first).to_have_text("champion v2")
    expect(row).to_contain_text("0.92")
    writer.do("verdict", model, versions[2], "unmet", "v3 not promoted: accuracy 0.930 vs 0.920 of v2, needs +0.020")
    expect(row.locator(".rx-Verdict")).to_have_text("v3 not promoted: accuracy 0.930 vs 0.920 of v2, needs +0.020")
    row.click()
    expect(page.locator(f"{VERSION} .rx-Table-main")).to_have_text(["v3", "v2", "v1"])
    page.get_by_role("button", name="loss", exact=True).click()
    expect(page.locator(f"{VERSION} .rx-Table-main")).to_have_text(["v1", "v2", "v3"])
    row_of(models_tab, "v2", VERSION).click()
    expect(page.locator("#renex-panel h3").filter(has_text="digits v2")).to_be_visible()
    writer.do("note", "model_version", versions[1], "Fails on 7.")
    expect(page.locator("#renex-panel .rx-Detail-words").filter(has_text="Fails on 7.")).to_be_visible()
    page.locator("#renex-panel").get_by_role("button", name="Insert code").last.click()
    expect(page.locator(".jp-Notebook .jp-CodeCell").nth(1)).to_contain_text('rx.load_model("vision/digits:2")')


def test_the_tabs_are_walked_with_the_keyboard_and_keep_their_search(models_tab: Tab, writer: Writer) -> None:
    page = models_tab.page
    digits(writer)
    expect(row_of(models_tab, "vision/digits")).to_be_visible()
    page.get_by_label("Search models").fill("digits")
    expect(page.locator("#renex-panel .rx-Bar-count:visible")).to_have_text("1 of 1 shown")
    page.get_by_role("tab", name="Models").focus()
    for key, name in (("ArrowRight", "Datasets"), ("End", "Events"), ("ArrowRight", "Runs"), ("ArrowRight", "Models")):
        page.keyboard.press(key)
        tab = page.get_by_role("tab", name=name)
        expect(tab).to_be_focused()
        expect(tab).to_have_attribute("aria-selected", "true")
    expect(row_of(models_tab, "vision/digits")).to_be_visible()
    expect(page.get_by_label("Search models")).to_have_value("digits")
    page.reload()
    models_tab.wait_for_app()
    models_tab.show_panel()
    expect(page.get_by_role("tab", name="Models")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_label("Search models")).to_have_value("digits")
    page.get_by_role("button", name="Remove filter digits").locator("visible=true").click()


def test_stored_text_of_models_is_never_markup(models_tab: Tab, writer: Writer) -> None:
    hostile = "<img src=x onerror=\"document.title='stolen'\"><b>x"
    model = writer.do("model", hostile, description=hostile)
    version = writer.do("version", model, 1, metrics={hostile: 1.0}, description=hostile, params={hostile: hostile})
    writer.do("alias", model, hostile, 1)
    writer.do("label", model, hostile, 1)
    writer.do("verdict", model, version, hostile, hostile)
    writer.do("note", "model_version", version, hostile)
    page = models_tab.page
    page.locator(f"{MODEL} .rx-Table-main").click()
    row_of(models_tab, "v1", VERSION).click()
    expect(page.locator("#renex-panel .rx-Detail-words").filter(has_text=hostile)).to_be_visible()
    page.get_by_role("tab", name="Events").click()
    expect(page.locator("#renex-panel tr.rx-row[data-kind=event]").first).to_be_visible()
    assert page.locator("#renex-panel img[src=x], #renex-panel b").count() == 0
    assert "stolen" not in page.title()


def test_models_in_the_narrowest_panel_are_not_cut_and_never_scroll_sideways(models_tab: Tab, writer: Writer) -> None:
    page = models_tab.page
    model = writer.do("model", "a-rather-long-name-of-a-model", "computer-vision/production")
    values = {"validation/mean_absolute_error": -1.2345e-05, "loss": 0.00012345}
    version = writer.do("version", model, 12345, metrics=values)
    writer.do("alias", model, "champion", 12345)
    writer.do("verdict", model, version, "unmet", "v12345 not promoted: " + "loss 0.1 vs 0.2, " * 20)
    page.locator(f"{MODEL} .rx-Table-main").click()
    row_of(models_tab, "v12345", VERSION).click()
    expect(page.locator("#renex-panel h3").filter(has_text="v12345")).to_be_visible()
    panel = page.locator("#renex-panel")
    assert panel.evaluate("node => node.clientWidth") <= 250
    wide = "node => [...node.querySelectorAll('*')].filter(n => n.scrollWidth > n.clientWidth + 1 && "
    wide += "['auto', 'scroll'].includes(getComputedStyle(n).overflowX)).map(n => n.className)"
    assert panel.evaluate(wide) == []
    numbers = page.locator(f"{MODEL} td[data-kind=number]:visible, {VERSION} td[data-kind=number]:visible")
    assert numbers.count() >= 3
    assert (
        numbers.evaluate_all("cells => cells.filter(n => n.scrollWidth > n.clientWidth).map(n => n.textContent)") == []
    )
    models_tab.screenshot("models-narrow")
