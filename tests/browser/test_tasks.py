"""A task that goes on by itself, seen and stopped from the side panel."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from lab import KERNEL_MS, Lab, Tab
from playwright.sync_api import Locator, expect

from renex_jupyter.store.store import Store

# Hostile on purpose: what it prints must stay text. It ends by itself when a file says so.
SLOW = """import time
from pathlib import Path
import renex_jupyter as rx

for step in range(3000):
    if step % 20 == 0:
        print("<img src=x onerror=\\"document.title='stolen'\\">\\x1b[31mred\\x1b[0m", flush=True)
    rx.log_metric("loss", 1 / (step + 1), step=step)
    print(f"step {step}", flush=True)
    time.sleep(0.2)
    if Path("enough").exists():
        break
print("ended by itself", flush=True)
"""
OUTPUT = "#renex-panel .rx-Output pre"
STATUS = "#renex-panel .rx-Detail-status"


@pytest.fixture
def project(lab: Lab, request: pytest.FixtureRequest) -> Path:
    """A folder of the test's own, with a notebook that starts the program detached, and one that runs a cell."""
    folder = lab.root / request.node.name[:40]
    folder.mkdir()
    (folder / "slow.py").write_text(SLOW)
    detached = "run = %task slow --detach -- python slow.py"
    in_kernel = "%%task cell\nimport time\nfor step in range(6000):\n    time.sleep(0.1)"
    lab.write_notebook(f"{folder.name}/train.ipynb", detached, in_kernel, "6 * 7")
    return folder


def select(tab: Tab, name: str) -> None:
    row = tab.page.locator("#renex-panel tr.rx-row").filter(has=tab.page.get_by_role("button", name=name, exact=True))
    expect(row).to_be_visible(timeout=KERNEL_MS)
    row.click()
    expect(tab.page.locator("#renex-panel .rx-Detail h3")).to_have_text(name, timeout=KERNEL_MS)


def stop_button(tab: Tab) -> Locator:
    return tab.page.locator("#renex-panel").get_by_role("button", name="Stop", exact=True)


def stop(tab: Tab) -> None:
    stop_button(tab).click()
    tab.page.locator("#renex-panel").get_by_role("button", name="Yes, stop").click()


def test_a_detached_run_outlives_its_tab_and_is_stopped_from_the_panel_of_another(
    lab: Lab, project: Path, new_tab: Callable[[], Tab]
) -> None:
    first = new_tab().open(f"{project.name}/train.ipynb")
    first.run_cell(0)
    first.page.close()
    tab = new_tab().open(f"{project.name}/train.ipynb")
    page = tab.page
    tab.show_panel()
    select(tab, "slow")
    expect(page.locator(STATUS)).to_have_text("running")
    expect(page.locator(OUTPUT)).to_contain_text("step 1", timeout=KERNEL_MS)
    seen = page.locator(OUTPUT).inner_text().splitlines()[-1]
    expect(page.locator(OUTPUT)).not_to_contain_text(f"{seen}\nnever", timeout=1000)
    page.wait_for_function("([o, s]) => !document.querySelector(o).textContent.endsWith(s + '\\n')", arg=[OUTPUT, seen])
    elapsed = page.locator("#renex-panel .rx-Detail-elapsed").inner_text()
    stop_button(tab).click()
    tab.screenshot("stop-asks")
    page.locator("#renex-panel").get_by_role("button", name="No", exact=True).click()
    expect(page.locator("#renex-panel .rx-Detail-elapsed")).not_to_have_text(elapsed)
    expect(page.locator(STATUS)).to_have_text("running")
    stop(tab)
    expect(page.locator(STATUS)).to_have_text("stopped", timeout=KERNEL_MS)
    expect(stop_button(tab)).to_have_count(0)
    page.reload()
    tab.wait_for_app()
    tab.show_panel()
    select(tab, "slow")
    expect(page.locator(OUTPUT)).to_contain_text("KeyboardInterrupt", timeout=KERNEL_MS)
    expect(page.locator(OUTPUT)).to_contain_text("<img src=x onerror=\"document.title='stolen'\">red")
    expect(page.locator("#renex-panel .rx-Detail-facts:not(:empty)").last).to_contain_text("in a process")
    assert "stolen" not in page.title()
    tab.screenshot("stopped-run")


def test_a_cell_is_interrupted_from_the_panel(project: Path, tab: Tab) -> None:
    tab.open(f"{project.name}/train.ipynb").show_panel()
    tab.page.locator(".jp-Notebook .jp-CodeCell").nth(1).locator(".cm-content").click()
    tab.page.keyboard.press("Control+Enter")
    select(tab, "cell")
    expect(tab.page.locator(STATUS)).to_have_text("running")
    time.sleep(1)
    stop(tab)
    expect(tab.page.locator(STATUS)).to_have_text("stopped", timeout=KERNEL_MS)
    tab.wait_for_idle()
    assert "42" in tab.run_cell(2)  # the kernel goes on


def test_a_run_whose_panel_was_closed_ends_by_itself_and_is_kept(project: Path, tab: Tab) -> None:
    tab.open(f"{project.name}/train.ipynb")
    tab.run_cell(0)
    tab.page.goto("about:blank")
    (project / "enough").touch()
    store = Store(project / ".renex")
    deadline = time.monotonic() + 60
    while store.reader.rows("select status from runs")[0]["status"] == "running":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    [run] = store.reader.rows("select status, exit_code, output_sha256 from runs")
    assert (run["status"], run["exit_code"]) == ("finished", 0)
    assert store.blobs.get(run["output_sha256"]).endswith(b"ended by itself\n")
