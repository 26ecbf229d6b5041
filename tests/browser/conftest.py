"""A real JupyterLab and a real Chromium, for each module of browser tests."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lab import KERNEL_MS, TOKEN, Lab, Tab
from playwright.sync_api import Browser, expect, sync_playwright
from registering import Writer

BUILT = Path(__file__).parents[2] / "renex_jupyter" / "labextension" / "static" / "style.js"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
SECONDS_TO_START = 180

# JupyterLab's own noise: a workspace that does not exist yet, a debugger that a restart interrupts.
OWN_ERRORS = (
    "Failed to load resource: the server responded with a status of 404",
    "Could not restore the debugger state",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    required = os.environ.get("RENEX_REQUIRE_BROWSER") == "1"
    program = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    missing = "no Chromium on the PATH" if not program else "" if BUILT.exists() else f"{BUILT} is not built: make lab"
    if missing:
        (pytest.fail if required else pytest.skip)(f"BROWSER TESTS DO NOT RUN: {missing}")
    expect.set_options(timeout=KERNEL_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--disable-dev-shm-usage"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def lab_environment() -> dict[str, str]:
    """More environment variables for the server and its kernels; a module may override this."""
    return {}


@pytest.fixture(scope="module")
def lab(chromium: Browser, tmp_path_factory: pytest.TempPathFactory, lab_environment: dict[str, str]) -> Iterator[Lab]:
    """A server that sees nothing of the machine's own Jupyter settings."""
    home = tmp_path_factory.mktemp("lab")
    root, runtime, log = home / "root", home / "runtime", home / "lab.log"
    settings = home / "config" / "labconfig" / "default_setting_overrides.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}))
    root.mkdir()
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("JUPYTER", "RENEX", "JPY"))}
    environment |= {
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "JUPYTER_PLATFORM_DIRS": "1",
        "RENEX_SYSTEM_METRICS_INTERVAL": "0",
        "RENEX_LIVE_NOTEBOOK_TIMEOUT": "30",  # where the page answers at all it is not waited for
    } | lab_environment
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.port=0"]
    command += [f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={root}"]
    command += ["--LabApp.expose_app_in_browser=True", "--LabApp.extension_manager=readonly"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=root, env=environment, stdout=out, stderr=out, start_new_session=True)
    try:
        yield Lab(process, _server_url(process, runtime, log), root, log)
    finally:
        process.send_signal(signal.SIGTERM)  # the server shuts its kernels down
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def _server_url(process: subprocess.Popen[bytes], runtime: Path, log: Path) -> str:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline and process.poll() is None:
        for found in runtime.glob(f"jpserver-{process.pid}.json"):
            try:
                return str(json.loads(found.read_text())["url"])
            except json.JSONDecodeError:
                pass  # it is being written
        time.sleep(0.1)
    raise RuntimeError(f"jupyter lab did not start:\n{log.read_text()[-4000:]}")


@pytest.fixture
def new_tab(chromium: Browser, lab: Lab, request: pytest.FixtureRequest) -> Iterator[Callable[[], Tab]]:
    """Makes tabs of one browser profile. A test fails if a page of it raised or logged an error."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(KERNEL_MS)
    tabs: list[Tab] = []

    def make() -> Tab:
        tab = Tab(context.new_page(), lab)
        tab.page.on("pageerror", lambda error: tab.errors.append(f"{error.name}: {error.message}\n{error.stack}"))
        tab.page.on("console", lambda message: _keep(tab, message.type, message.text))
        tabs.append(tab)
        return tab

    failed_before = request.session.testsfailed
    yield make
    if request.session.testsfailed > failed_before:
        for number, tab in enumerate(each for each in tabs if not each.page.is_closed()):
            tab.screenshot(f"failed-{request.node.name}-{number}")
    errors = [error for tab in tabs for error in tab.errors]
    context.close()
    assert errors == []


def _keep(tab: Tab, kind: str, text: str) -> None:
    if kind == "error" and not text.startswith(OWN_ERRORS):
        tab.errors.append(text)
    elif kind == "warning":
        tab.warnings.append(text)


@pytest.fixture
def tab(new_tab: Callable[[], Tab]) -> Tab:
    return new_tab()


@pytest.fixture
def project(lab: Lab, request: pytest.FixtureRequest) -> Path:
    """The folder of a project of the test's own."""
    root = lab.root / request.node.name.split("[")[0][:40]
    root.mkdir()
    return root


@pytest.fixture
def project_tab(lab: Lab, tab: Tab, project: Path) -> Tab:
    """A notebook of that project, with the side panel beside it."""
    lab.write_notebook(f"{project.name}/train.ipynb", "1 + 1")
    tab.open(f"{project.name}/train.ipynb").show_panel()
    expect(tab.page.locator("#renex-panel .rx-Head-title")).to_have_text(project.name, timeout=KERNEL_MS)
    return tab


@pytest.fixture
def writer(project: Path) -> Iterator[Writer]:
    """Another process that writes in that project."""
    made = Writer(project)
    yield made
    made.process.kill()
    made.process.wait()
