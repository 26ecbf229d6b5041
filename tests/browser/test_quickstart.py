"""The main job: a newcomer runs the quickstart in JupyterLab with the side panel open."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from lab import KERNEL_MS, Lab, Tab
from playwright.sync_api import Locator, expect

from renex_jupyter.store.store import Store

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "quickstart.ipynb"
GRAPH = "#renex-panel .js-plotly-plot"
LONG = 400  # epochs of the run that is watched
# It stands still until the test has made a file of that name, however fast the machine is.
STANDS = (
    r"""        import os, time\n        sign = {100: 'shown', 399: 'grew'}.get(epoch) if epochs == 400 else None\n"""
)
STANDS += r"""        while sign and not os.path.exists(sign):\n            time.sleep(0.05)\n"""
TRAINS = "        model.partial_fit("


@pytest.fixture(scope="module")
def project(lab: Lab) -> Path:
    """A project folder with the quickstart, whose second model trains as long as it is watched."""
    folder = lab.root / "digits"
    folder.mkdir()
    shutil.copy(NOTEBOOK, folder / "quickstart.ipynb")
    text = NOTEBOOK.read_text()
    changed = text.replace("medium hidden=32 lr=0.01 epochs=150", f"medium hidden=32 lr=0.01 epochs={LONG}")
    assert changed != text
    assert TRAINS in changed
    (folder / "quickstart.ipynb").write_text(changed.replace(TRAINS, STANDS + TRAINS))
    return folder


def row_of(tab: Tab, name: str) -> Locator:
    return tab.page.locator("#renex-panel tr.rx-row").filter(has=tab.page.get_by_role("button", name=name, exact=True))


def points_shown(tab: Tab) -> int:
    return int(tab.page.evaluate(f"() => document.querySelector('{GRAPH}')?.data?.[0]?.x?.length ?? 0"))


def test_a_newcomer_runs_the_quickstart_and_watches_it_in_the_panel(lab: Lab, tab: Tab, project: Path) -> None:
    tab.open("digits/quickstart.ipynb").show_panel()
    expect(tab.page.locator("#renex-panel")).to_contain_text("No runs yet", timeout=KERNEL_MS)
    # Not awaited: this promise is kept when the last cell has ended.
    tab.page.evaluate("() => { void window.jupyterapp.commands.execute('notebook:run-all-cells') }")

    # The run appears while it trains, and a click shows its curve.
    medium = row_of(tab, "medium")
    expect(medium).to_contain_text("running", timeout=KERNEL_MS)
    medium.get_by_role("button", name="medium", exact=True).click()
    expect(tab.page.locator(GRAPH)).to_be_visible(timeout=KERNEL_MS)
    expect(medium).to_contain_text("running")
    first = points_shown(tab)
    (project / "shown").touch()
    tab.page.wait_for_function(
        f"n => document.querySelector('{GRAPH}').data[0].x.length > n + 5", arg=first, timeout=KERNEL_MS
    )
    expect(medium).to_contain_text("running")  # it grew while the cell was still training
    (project / "grew").touch()
    tab.screenshot("quickstart-training")

    expect(medium).to_contain_text("finished", timeout=KERNEL_MS)
    expect(row_of(tab, "fast")).to_contain_text("finished", timeout=KERNEL_MS)
    tab.wait_for_idle()
    detail = tab.page.locator("#renex-panel")
    for words in ("hidden", "0.01", "accuracy"):
        expect(detail).to_contain_text(words)
    tab.page.wait_for_function(
        f"() => document.querySelector('{GRAPH}').data[0].x.length === {LONG}", timeout=KERNEL_MS
    )
    outputs = tab.page.locator(".jp-Notebook .jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']")
    expect(outputs).to_have_count(0)
    expect(tab.page.locator(".jp-FileBrowser")).to_contain_text("start-again", timeout=KERNEL_MS)
    tab.screenshot("quickstart-light")
    tab.command("apputils:change-theme", {"theme": "JupyterLab Dark"})
    tab.page.wait_for_selector("body[data-jp-theme-light=false]", state="attached")
    tab.page.wait_for_timeout(1500)  # the picture is for people: let it settle
    tab.screenshot("quickstart-dark")


def test_the_snapshot_took_the_notebook_as_it_was_on_the_screen(lab: Lab, tab: Tab, project: Path) -> None:
    tab.open("digits/quickstart.ipynb")
    tab.page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.click()
    tab.page.keyboard.press("Control+a")
    tab.page.keyboard.type("# an edit that nobody saved\n%snapshot unsaved")
    tab.run_cell(0)
    read = Store(project / ".renex").reader
    found = read.rows("select snapshot_id, notebook_source, notebook from inside.snapshots where message = 'unsaved'")
    assert [(each["notebook_source"], each["notebook"]) for each in found] == [("live", "quickstart.ipynb")]
    cells = read.rows("select source from snapshot_cells where snapshot_id = ?", [found[0]["snapshot_id"]])
    assert any("# an edit that nobody saved" in each["source"] for each in cells)
    assert "# an edit that nobody saved" not in (project / "quickstart.ipynb").read_text()


def test_the_page_says_busy_while_a_task_runs(lab: Lab, tab: Tab, project: Path) -> None:
    lab.write_notebook("digits/busy.ipynb", "%load_ext renex_jupyter", "%%task wait\nimport time\ntime.sleep(12)")
    tab.open("digits/busy.ipynb")
    for _ in range(2):  # the second time the page also closes what belongs to the first question
        tab.run_cell(0)
        tab.page.locator(".jp-Notebook .jp-CodeCell .cm-content").nth(1).click()
        tab.page.keyboard.press("Control+Enter")
        tab.page.wait_for_timeout(3000)  # the subshell has had its last word
        expect(tab.page.locator("#jp-main-statusbar")).to_contain_text("Busy", timeout=8000)
        tab.wait_for_idle()


def test_the_runs_are_there_after_a_restart_a_kill_and_a_reload(lab: Lab, tab: Tab, project: Path) -> None:
    tab.open("digits/quickstart.ipynb").show_panel()
    for name in ("small", "medium", "fast"):
        expect(row_of(tab, name)).to_contain_text("finished", timeout=KERNEL_MS)
    tab.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    tab.run_in_panel_kernel("import os, threading; threading.Timer(0.2, lambda: os.kill(os.getpid(), 9)).start()")
    expect(tab.page.locator("#renex-panel .rx-State")).to_be_visible(timeout=KERNEL_MS)
    tab.wait_for_panel()
    expect(row_of(tab, "small")).to_be_visible(timeout=KERNEL_MS)
    tab.page.reload()
    tab.wait_for_app()
    tab.show_panel()
    expect(row_of(tab, "small")).to_be_visible(timeout=KERNEL_MS)
    assert len(tab.panel_sessions()) == 1
