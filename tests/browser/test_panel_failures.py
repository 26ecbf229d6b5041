"""What the panel says when its kernel cannot draw it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import KERNEL_MS, Lab, Tab
from playwright.sync_api import expect

# Runs at the start of each Python process of this module's server; the flag files say how kernels shall fail.
SABOTAGE = """\
import os, sys
from pathlib import Path

class Sabotage:
    def find_spec(self, name, path=None, target=None):
        here = Path(__file__).parent
        if name == "renex_jupyter" and (here / "missing").exists() and any("ipykernel" in a for a in sys.orig_argv):
            raise ModuleNotFoundError("No module named 'renex_jupyter'", name=name)
        if name == "renex_jupyter.views.panel" and (here / "broken").exists():
            raise RuntimeError("<img src=x onerror=document.title='hacked'>")

sys.meta_path.insert(0, Sabotage())
"""


@pytest.fixture(scope="module")
def sabotage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sabotage")
    (folder / "sitecustomize.py").write_text(SABOTAGE)
    return folder


@pytest.fixture(scope="module")
def lab_environment(sabotage: Path) -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(sabotage), os.environ.get("PYTHONPATH")]))}


@pytest.fixture
def flag(sabotage: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    path = sabotage / request.param
    path.touch()
    yield path
    path.unlink(missing_ok=True)


@pytest.mark.parametrize("flag", ["missing"], indirect=True)
def test_a_kernel_without_the_package_is_named(lab: Lab, tab: Tab, flag: Path) -> None:
    tab.open().command("renex:show")
    state = tab.page.locator("#renex-panel .rx-State")
    expect(state).to_contain_text("renex_jupyter is not installed in kernel Python 3", timeout=KERNEL_MS)
    tab.screenshot("panel-package-missing")
    flag.unlink()
    state.get_by_role("button", name="Retry").click()
    tab.wait_for_panel()


@pytest.mark.parametrize("flag", ["broken"], indirect=True)
def test_an_error_is_shown_as_text(lab: Lab, tab: Tab, flag: Path) -> None:
    tab.open().command("renex:show")
    expect(tab.page.locator("#renex-panel .rx-State")).not_to_contain_text("Starting", timeout=KERNEL_MS)
    tab.command("renex:restart-panel")
    state = tab.page.locator("#renex-panel .rx-State")
    expect(state).to_contain_text("The panel could not start", timeout=KERNEL_MS)
    expect(state).to_contain_text("RuntimeError: <img src=x onerror=document.title='hacked'>")
    assert state.locator("img").count() == 0
    tab.command("apputils:change-theme", {"theme": "JupyterLab Dark"})
    tab.page.wait_for_timeout(500)  # the theme's style sheet
    tab.screenshot("panel-error-dark")
    flag.unlink()
    state.get_by_role("button", name="Retry").click()
    tab.wait_for_panel()
    tab.screenshot("panel-dark")
