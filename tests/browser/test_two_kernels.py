"""Two notebooks log at once into one project while the side panel shows both."""

from pathlib import Path

import pytest
from lab import KERNEL_MS, Lab, Tab
from playwright.sync_api import Locator, expect

from renex_jupyter.store.store import Store

POINTS = 2000
NAMES = ("left", "right")

# Both begin when both are ready, and last until both rows have been seen running.
CELL = """%%task {name}
import time
from pathlib import Path
import renex_jupyter as rx
Path("{name}.ready").touch()
while not Path("{other}.ready").exists():
    time.sleep(0.01)
for step in range({points}):
    rx.log_metric("loss", 1 / (step + 1), step=step)
    time.sleep(0.001)
while not Path("seen").exists():
    time.sleep(0.01)"""


@pytest.fixture
def project(lab: Lab) -> Path:
    """A folder with a notebook for each kernel."""
    folder = lab.root / "both"
    folder.mkdir()
    for name, other in (NAMES, NAMES[::-1]):
        lab.write_notebook(f"both/{name}.ipynb", CELL.format(name=name, other=other, points=POINTS))
    return folder


def row_of(tab: Tab, name: str) -> Locator:
    return tab.page.locator("#renex-panel tr.rx-row").filter(has=tab.page.get_by_role("button", name=name, exact=True))


def test_two_kernels_that_log_at_once_are_both_shown_and_lose_no_point(lab: Lab, tab: Tab, project: Path) -> None:
    tab.open("both/left.ipynb").show_panel()
    tab.page.evaluate("() => { void window.jupyterapp.commands.execute('notebook:run-all-cells') }")
    expect(row_of(tab, "left")).to_contain_text("running", timeout=KERNEL_MS)
    tab.command("docmanager:open", {"path": "both/right.ipynb"})
    tab.wait_for_idle()
    tab.page.evaluate("() => { void window.jupyterapp.commands.execute('notebook:run-all-cells') }")

    tab.page.wait_for_function(
        """names => names.every(name => [...document.querySelectorAll('#renex-panel tr.rx-row')].some(
            row => row.querySelector('.rx-Table-main').textContent === name && row.textContent.includes('running')))""",
        arg=list(NAMES),
        timeout=KERNEL_MS,
    )
    tab.screenshot("two-kernels-running")
    (project / "seen").touch()
    for name in NAMES:
        expect(row_of(tab, name)).to_contain_text("finished", timeout=KERNEL_MS)

    read = Store(project / ".renex").reader
    query = """
        select name, status, count(*) as points, count(distinct step) as steps, max(step) as last
        from runs join metrics using (run_id) group by name, status order by name"""
    assert [tuple(row.values()) for row in read.rows(query)] == [
        (name, "finished", POINTS, POINTS, POINTS - 1) for name in NAMES
    ]
    assert read.rows("select count(distinct session_id) as n from runs")[0]["n"] == len(NAMES)
