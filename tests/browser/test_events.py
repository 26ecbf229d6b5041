"""The feed in the side panel, as a person meets it."""

import pytest
from lab import Tab
from playwright.sync_api import expect
from registering import Writer

ROW = "#renex-panel tr.rx-row[data-kind=event]"


@pytest.fixture
def feed(project_tab: Tab) -> Tab:
    """The panel, which shows the feed."""
    project_tab.page.get_by_role("tab", name="Events").click()
    return project_tab


def test_what_happens_stands_on_top_by_itself(feed: Tab, writer: Writer) -> None:
    page = feed.page
    expect(page.locator("#renex-panel .rx-Notice")).to_contain_text("No events yet")
    model = writer.do("model", "digits")
    first = page.locator(f"{ROW} .rx-Table-main").first
    expect(first).to_contain_text("created model vision/digits")
    # No look that comes anyway now and then, which here would hide that the panel noticed nothing.
    feed.run_in_panel_kernel("from renex_jupyter.views import live; live.IDLE = 3600.0")
    page.wait_for_timeout(1500)  # the panel is at rest
    writer.do("alias", model, "champion", 5, was=3)
    expect(first).to_contain_text("set alias champion of vision/digits to v5 (was v3)")
    writer.do("event", "deployed", source="airflow")
    expect(first).to_have_text("deployed")
    expect(page.locator(ROW).first).to_contain_text("airflow")
    feed.run_in_panel_kernel("from renex_jupyter.views import live; live.IDLE = 5.0")


def test_the_chips_filter_and_an_opened_entry_tells_before_and_after(feed: Tab, writer: Writer) -> None:
    page = feed.page
    model = writer.do("model", "digits")
    writer.do("alias", model, "champion", 5, was=3)
    writer.do("event", "deployed", source="airflow", metadata={"target": "eu-west"})
    writer.do("event", "request", source="inference")
    expect(page.locator(ROW)).to_have_count(4)
    page.get_by_role("button", name="Events", exact=True).click()
    expect(page.locator(f"{ROW} .rx-Table-main")).to_have_text(["request", "deployed"])
    page.get_by_label("Kind of changes or source of events").select_option("airflow")
    expect(page.locator(f"{ROW} .rx-Table-main")).to_have_text(["deployed"])
    page.locator(ROW).click()
    expect(page.locator("#renex-panel .rx-Detail-metadata:visible")).to_contain_text("eu-west")
    page.get_by_role("button", name="Changes", exact=True).click()
    page.get_by_label("Kind of changes or source of events").select_option("aliases")
    expect(page.locator(ROW)).to_have_count(1)
    page.locator(ROW).click()
    changed = page.locator("#renex-panel .rx-Detail-changes:visible tbody tr").first
    expect(changed).to_have_text("version35")
    page.get_by_role("button", name="All", exact=True).click()
    expect(page.locator(ROW)).to_have_count(4)
    page.get_by_role("button", name="Close the details").locator("visible=true").click()
    expect(page.locator("#renex-panel .rx-Detail-changes:visible tbody")).to_have_count(0)


def test_pages_of_the_feed_are_turned(feed: Tab, writer: Writer) -> None:
    for number in range(60):
        writer.do("event", f"event-{number}")
    page = feed.page
    expect(page.locator(ROW)).to_have_count(50)
    page.locator("#renex-panel").get_by_role("button", name="Next page").locator("visible=true").click()
    expect(page.locator(ROW)).to_have_count(10)
    expect(page.locator(f"{ROW} .rx-Table-main").last).to_have_text("event-0")


def test_the_feed_in_the_narrowest_panel_wraps_and_never_scrolls_sideways(feed: Tab, writer: Writer) -> None:
    page = feed.page
    writer.do("event", "a-name-without-a-place-to-break-" * 8, source="trainer")
    writer.do("model", "a-rather-long-name-of-a-model", "computer-vision/production")
    expect(page.locator(ROW)).to_have_count(2)
    page.locator(ROW).last.click()
    expect(page.locator("#renex-panel h3[data-wraps]")).to_be_visible()
    panel = page.locator("#renex-panel")
    assert panel.evaluate("node => node.clientWidth") <= 250
    wide = "node => [...node.querySelectorAll('*')].filter(n => n.scrollWidth > n.clientWidth + 1 && "
    wide += "['auto', 'scroll'].includes(getComputedStyle(n).overflowX)).map(n => n.className)"
    assert panel.evaluate(wide) == []
    expect(page.locator(f"{ROW} .rx-Table-part[data-kind=at]").first).to_have_text("just now")
    feed.screenshot("events-narrow")
