"""The list of runs in the side panel, as a person meets it."""

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import KERNEL_MS, Tab
from playwright.sync_api import Locator, expect

ROW = "#renex-panel tr.rx-row"
GRAPH = "#renex-panel .js-plotly-plot"

# What a script does that knows nothing of the panel: runs as JSON lines in, then points until it is told to stop.
WRITER = """
import json, sys
from pathlib import Path
from renex_jupyter import ids
from renex_jupyter.config import settings
from renex_jupyter.records.changes import Change, fields, now
from renex_jupyter.records.metrics import Point
from renex_jupyter.records.runs import Run
from renex_jupyter.store import liveness
from renex_jupyter.store.store import Store

settings().fold_in_background = False
store = Store(Path(sys.argv[1]))
known = {}
for line in sys.stdin:
    said = json.loads(line)
    name = said.pop("run")
    if name not in known:
        columns = {"status": "finished", **said.pop("columns", {})}
        if columns["status"] == "running":
            columns |= liveness.identity()
        run = Run(ids.new_id(), name, now(), **columns)
        left_out = ("params", "metrics", "tags", "files")
        store.write(Change("runs", run.run_id, "create", {k: v for k, v in fields(run).items() if k not in left_out}))
        known[name] = run.run_id
    run_id = known[name]
    for key, values in said.get("metrics", {}).items():
        store.write_points(
            Point("run", run_id, key, step + said.get("first", 0), now(), value) for step, value in enumerate(values)
        )
    print(run_id, flush=True)
"""


class Writer:
    """Another process that records."""

    def __init__(self, root: Path) -> None:
        command = [sys.executable, "-c", WRITER, str(root / ".renex")]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, name: str, **said: object) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"run": name, **said}) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@pytest.fixture
def writer(project: Path) -> Iterator[Writer]:
    """Writes in the project of the test."""
    made = Writer(project)
    yield made
    made.process.kill()
    made.process.wait()


def row_of(tab: Tab, name: str) -> Locator:
    return tab.page.locator(ROW).filter(has=tab.page.get_by_role("button", name=name, exact=True))


def test_the_first_run_replaces_the_word_how_to_begin(project_tab: Tab, writer: Writer) -> None:
    notice = project_tab.page.locator("#renex-panel .rx-Notice")
    expect(notice).to_contain_text("No runs yet")
    notice.get_by_role("button", name="Insert example cell").click()
    expect(project_tab.page.locator(".jp-Notebook .jp-CodeCell").nth(1)).to_contain_text("%%task example")
    writer.run("first")
    expect(row_of(project_tab, "first")).to_be_visible()
    expect(notice).to_be_hidden()


def test_a_point_of_a_script_moves_the_row_by_itself(project_tab: Tab, writer: Writer) -> None:
    writer.run("live", columns={"status": "running"}, metrics={"loss": [1.0, 0.5]})
    row = row_of(project_tab, "live")
    expect(row).to_contain_text("0.5")
    expect(row).to_contain_text("running")
    # No look that comes anyway now and then, which here would hide that the panel noticed nothing.
    project_tab.run_in_panel_kernel("from renex_jupyter.views import live; live.IDLE = 3600.0")
    project_tab.page.wait_for_timeout(1500)  # the panel is at rest
    writer.run("live", metrics={"loss": [0.0625]}, first=2)
    row.get_by_text("0.0625").wait_for()
    project_tab.run_in_panel_kernel("from renex_jupyter.views import live; live.IDLE = 5.0")
    os.kill(writer.process.pid, signal.SIGKILL)
    writer.process.wait()
    expect(row).to_contain_text("lost")


def test_a_selected_run_shows_its_line_its_error_and_is_inserted_as_code(project_tab: Tab, writer: Writer) -> None:
    run = writer.run("r", columns={"status": "failed", "error": "boom"}, metrics={"loss": [1.0, math.nan, 0.5]})
    row_of(project_tab, "r").click()
    page = project_tab.page
    expect(page.locator(f"{GRAPH} .scatterlayer .trace")).to_have_count(1, timeout=KERNEL_MS)
    expect(page.locator("#renex-panel pre.rx-Detail-error")).to_have_text("boom")
    page.get_by_role("button", name="Insert code").click()
    expect(page.locator(".jp-Notebook .jp-CodeCell").nth(1)).to_contain_text(f'rx.get_run("{run[:8]}")')
    expect(page.get_by_role("button", name="Open notebook")).to_have_count(0)  # the run names none
    page.get_by_role("button", name="Close the details").click()
    expect(page.locator(GRAPH)).to_be_hidden()


def test_a_growing_line_keeps_the_zoom_and_the_graph(project_tab: Tab, writer: Writer) -> None:
    page = project_tab.page
    writer.run("live", columns={"status": "running"}, metrics={"loss": [1 / (n + 1) for n in range(50)]})
    row_of(project_tab, "live").click()
    expect(page.locator(f"{GRAPH} .scatterlayer .trace")).to_have_count(1, timeout=KERNEL_MS)
    seen = "g => [g._fullLayout.xaxis.range.map(x => x.toFixed(3)).join(), g.data[0].x.length]"
    whole = page.locator(GRAPH).evaluate(seen)
    box = page.locator(f"{GRAPH} .nsewdrag").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 30, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 90, box["y"] + 90, steps=5)
    page.mouse.up()
    page.evaluate("g => { document.querySelector(g).renexMark = true }", GRAPH)
    zoomed = page.wait_for_function(
        f"""([g, whole]) => {{
            const found = ({seen})(document.querySelector(g));
            return found[0] !== whole[0] && found;
        }}""",
        arg=[GRAPH, whole],
    )
    before = zoomed.json_value()
    assert before != whole
    writer.run("live", metrics={"loss": [0.01] * 10}, first=50)
    page.wait_for_function("g => document.querySelector(g).data[0].x.length === 60", arg=GRAPH)
    after = page.locator(GRAPH).evaluate(seen)
    assert after == [before[0], 60]
    assert page.evaluate("g => document.querySelector(g).renexMark", GRAPH) is True


def test_stored_text_is_never_markup(project_tab: Tab, writer: Writer) -> None:
    hostile = "<img src=x onerror=\"document.title='stolen'\"><b>x"
    writer.run(hostile, columns={"status": "failed", "error": hostile}, metrics={hostile: [1.0], "a": [2.0]})
    page = project_tab.page
    row_of(project_tab, hostile).click()
    expect(page.locator(f"{GRAPH} .scatterlayer .trace")).to_have_count(2, timeout=KERNEL_MS)
    legend = page.locator(f"{GRAPH} .legendtext").all_text_contents()
    assert hostile in [each.replace("\xa0", " ") for each in legend]
    assert page.locator("#renex-panel img[src=x], #renex-panel b").count() == 0
    assert "stolen" not in page.title()


def test_search_shows_its_words_as_chips_and_counts(project_tab: Tab, writer: Writer) -> None:
    for number in range(6):
        writer.run(f"run-{number}", columns={"status": "failed" if number < 2 else "finished"})
    page = project_tab.page
    expect(page.locator(ROW)).to_have_count(6)
    page.get_by_label("Search runs").fill("failed run-1")
    expect(page.locator(ROW)).to_have_count(1)
    expect(page.locator("#renex-panel .rx-Bar-count")).to_have_text("1 of 6 shown")
    page.get_by_role("button", name="Remove filter run-1").click()
    expect(page.locator(ROW)).to_have_count(2)
    page.get_by_label("Search runs").fill("")
    expect(page.locator(ROW)).to_have_count(6)


def test_the_head_sorts_and_says_so(project_tab: Tab, writer: Writer) -> None:
    for name in ("b", "c", "a"):
        writer.run(name)
    page = project_tab.page
    expect(page.locator(ROW)).to_have_count(3)
    head = page.locator("#renex-panel th").filter(has_text="Name")
    head.get_by_role("button").click()
    expect(page.locator(f"{ROW} .rx-Table-main")).to_have_text(["a", "b", "c"])
    expect(head).to_have_attribute("aria-sort", "ascending")
    head.get_by_role("button").click()
    expect(page.locator(f"{ROW} .rx-Table-main")).to_have_text(["c", "b", "a"])
    expect(head).to_have_attribute("aria-sort", "descending")


def test_a_click_counts_whatever_is_marked_in_the_notebook(project_tab: Tab, writer: Writer) -> None:
    for name in ("first", "second"):
        writer.run(name)
    page, detail = project_tab.page, project_tab.page.locator("#renex-panel .rx-Detail h3")
    expect(page.locator(ROW)).to_have_count(2)
    page.locator(".jp-Notebook .cm-content").first.dblclick()
    assert page.evaluate("String(getSelection())")
    row_of(project_tab, "first").get_by_role("button").click()
    expect(detail).to_have_text("first", timeout=KERNEL_MS)
    place = row_of(project_tab, "second").locator("td").first.bounding_box()
    assert place is not None
    page.mouse.move(place["x"] + 1, place["y"] + place["height"] / 2)
    page.mouse.down()
    page.mouse.move(place["x"] + place["width"] - 1, place["y"] + place["height"] / 2)
    page.mouse.up()
    assert page.evaluate("String(getSelection())")
    page.wait_for_timeout(1000)
    expect(detail).to_have_text("first")  # who marks text in the table wants to copy it


def test_the_keyboard_walks_and_selects_and_keeps_its_place(project_tab: Tab, writer: Writer) -> None:
    for name in ("one", "two", "three"):
        writer.run(name)
    page = project_tab.page
    expect(row_of(project_tab, "three")).to_be_visible()
    first, second, _ = page.locator(
        f"{ROW} .rx-Table-main"
    ).all_inner_texts()  # another test may have sorted the list, which stays so
    row_of(project_tab, first).get_by_role("button").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#renex-panel .rx-Detail h3")).to_have_text(second)
    writer.run("newer")
    expect(page.locator(ROW)).to_have_count(4)
    expect(row_of(project_tab, second).get_by_role("button")).to_be_focused()


def test_the_narrow_panel_keeps_what_matters_and_never_scrolls_sideways(project_tab: Tab, writer: Writer) -> None:
    writer.run("a-rather-long-name-of-a-run", metrics={"loss": [1.0, 0.123456]})
    page = project_tab.page
    row_of(project_tab, "a-rather-long-name-of-a-run").click()
    expect(page.locator(f"{GRAPH} .scatterlayer .trace")).to_have_count(1, timeout=KERNEL_MS)
    panel = page.locator("#renex-panel")
    width = panel.evaluate("node => node.clientWidth")
    assert width < 300
    expect(page.locator(f"{ROW} [data-kind=number]")).to_be_visible()
    expect(page.locator(f"{ROW} [data-kind=time]")).to_be_hidden()
    wide = "node => [...node.querySelectorAll('*')].filter(n => n.scrollWidth > n.clientWidth + 1 && "
    wide += "['auto', 'scroll'].includes(getComputedStyle(n).overflowX)).map(n => n.className)"
    assert panel.evaluate(wide) == []
    project_tab.screenshot("runs-narrow")


def test_no_number_of_a_metric_is_cut_in_the_narrowest_panel(project_tab: Tab, writer: Writer) -> None:
    values = {"validation/mean_absolute_error": [-1.2345e-05, -9.8765e-123], "loss": [0.091234, 12345.678]}
    writer.run("r", metrics=values)
    page = project_tab.page
    row_of(project_tab, "r").click()
    cells = page.locator("#renex-panel .rx-Detail-metrics tr > :is(th, td)")
    expect(cells.get_by_text("-9.877e-123").first).to_be_visible(timeout=KERNEL_MS)
    page.locator("#renex-panel .rx-Detail-metrics").first.scroll_into_view_if_needed()
    assert page.locator("#renex-panel").evaluate("node => node.clientWidth") <= 250
    project_tab.screenshot("metrics-narrow")
    cut = "nodes => nodes.filter(n => n.scrollWidth > n.clientWidth).map(n => n.textContent)"
    assert cells.evaluate_all(cut) == []
    lines = "nodes => Object.fromEntries(nodes.map(n => [n.textContent, Math.round(n.clientHeight / 16)]))"
    heights = cells.evaluate_all(lines)
    assert {text: heights[text] for text in ("0.09123", "1.235e+04", "-1.234e-05")} == {
        "0.09123": 1, "1.235e+04": 1, "-1.234e-05": 1,
    }  # fmt: skip


def test_the_dark_theme_repaints_the_plot(project_tab: Tab, writer: Writer) -> None:
    writer.run("r", metrics={"loss": [1.0, 0.5]})
    page = project_tab.page
    row_of(project_tab, "r").click()
    expect(page.locator(f"{GRAPH} .scatterlayer .trace")).to_have_count(1, timeout=KERNEL_MS)
    colour = "g => document.querySelector(g)._fullLayout.font.color"
    light = page.evaluate(colour, GRAPH)
    project_tab.command("apputils:change-theme", {"theme": "JupyterLab Dark"})
    page.wait_for_function(f"([g, light]) => ({colour})(g) !== light", arg=[GRAPH, light])
    project_tab.screenshot("runs-dark")
    project_tab.command("apputils:change-theme", {"theme": "JupyterLab Light"})
