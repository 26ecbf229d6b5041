"""JupyterLab as a person uses it: a server, and browser tabs on it."""

import json
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Page, expect

ARTEFACTS = Path(__file__).parents[1] / "artefacts"
TOKEN = "browser-tests"  # of a server that lives as long as one module
KERNEL_MS = 60_000  # two loaded cores need their time


@dataclass
class Lab:
    """A running `jupyter lab` with folders of its own."""

    process: subprocess.Popen[bytes]
    url: str
    root: Path
    log: Path

    def address(self, path: str = "lab", **query: str) -> str:
        extra = "".join(f"&{key}={value}" for key, value in query.items())
        return f"{self.url}{path}?token={TOKEN}{extra}"

    def write_notebook(self, name: str, *sources: str) -> Path:
        """A notebook below the contents root; cells are called c0, c1, ..."""
        cells = [
            {"cell_type": "code", "id": f"c{i}", "metadata": {}, "source": s, "outputs": [], "execution_count": None}
            for i, s in enumerate(sources)
        ]
        kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        content = {"cells": cells, "metadata": {"kernelspec": kernelspec}, "nbformat": 4, "nbformat_minor": 5}
        path = self.root / name
        path.write_text(json.dumps(content))
        return path


@dataclass
class Tab:
    """One browser tab with JupyterLab in it, and what went wrong in it."""

    page: Page
    lab: Lab
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def open(self, notebook: str | None = None) -> "Tab":
        """Load JupyterLab in a fresh layout, with a notebook and its kernel if one is named."""
        self.page.goto(self.lab.address(f"lab/tree/{notebook}" if notebook else "lab", reset="1"))
        self.wait_for_app()
        if notebook:
            self.wait_for_idle()
        return self

    def wait_for_app(self) -> None:
        """Until JupyterLab stands; a second tab may be sent on to a workspace of its own meanwhile."""
        self.page.wait_for_selector("#jupyterlab-splash", state="detached", timeout=KERNEL_MS)
        self.page.wait_for_function(
            """() => {
                if (window.jupyterapp && !window.rxRestored) {
                    window.rxRestored = 'soon';
                    void window.jupyterapp.restored.then(() => { window.rxRestored = 'now' });
                }
                return window.rxRestored === 'now';
            }""",
            timeout=KERNEL_MS,
        )

    def wait_for_idle(self) -> None:
        """Until the notebook's kernel takes cells."""
        there = "() => !!window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel"
        self.page.wait_for_function(there, timeout=KERNEL_MS)
        # wait_for_function takes a promise for true, evaluate waits for it.
        self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.info.then(() => 1)"
        )
        idle = ".jp-NotebookPanel .jp-Notebook-ExecutionIndicator[data-status=idle]"
        self.page.wait_for_selector(idle, timeout=KERNEL_MS)

    def command(self, name: str, args: dict[str, object] | None = None) -> None:
        self.page.evaluate("async ([n, a]) => { await window.jupyterapp.commands.execute(n, a) }", [name, args or {}])

    def show_panel(self) -> None:
        self.command("renex:show")
        self.wait_for_panel()

    def wait_for_panel(self) -> None:
        """Until the panel's widgets stand there, uncovered."""
        expect(self.page.locator("#renex-panel .rx-State")).to_be_hidden(timeout=KERNEL_MS)
        expect(self.page.locator("#renex-panel .jupyter-widgets").first).to_be_visible(timeout=KERNEL_MS)

    def record_states(self) -> None:
        """Keep each state that covers the panel from now on, however briefly."""
        self.page.evaluate(
            """() => {
                const overlay = document.querySelector('#renex-panel .rx-State');
                window.rxStates = [];
                new MutationObserver(() => window.rxStates.push(overlay.textContent))
                    .observe(overlay, {childList: true, attributes: true});
            }"""
        )

    def wait_for_state(self, text: str) -> None:
        """Until a state with this text has been recorded."""
        self.page.wait_for_function("t => window.rxStates.some(s => s.includes(t))", arg=text, timeout=KERNEL_MS)

    def run_cell(self, index: int) -> str:
        """Run one cell of the notebook and return its output's text."""
        cell = self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook .jp-CodeCell").nth(index)
        before = cell.locator(".jp-InputPrompt").first.inner_text()
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")
        prompt = cell.locator(".jp-InputPrompt").first
        expect(prompt).to_have_text(_ran_after(before), timeout=KERNEL_MS)
        return "\n".join(cell.locator(".jp-OutputArea-output").all_inner_texts())

    def panel_sessions(self) -> list[dict[str, str]]:
        """The panel's kernels as the server knows them."""
        sessions = self.page.request.get(self.lab.address("api/sessions")).json()
        return [
            {"session": each["id"], "kernel": each["kernel"]["id"], "name": each["name"]}
            for each in sessions
            if each["path"] == "renex-panel"
        ]

    def run_in_panel_kernel(self, code: str) -> str:
        """Run code in the panel's kernel, as its widgets' callbacks do, and return what it prints."""
        return self.page.evaluate(
            """async ([id, code]) => {
                const kernel = window.jupyterapp.serviceManager.kernels.connectTo(
                    {model: {id, name: 'python3'}, handleComms: false});
                const future = kernel.requestExecute({code, store_history: false});
                let text = '';
                future.onIOPub = m => {
                    text += m.content.text ?? (m.header.msg_type === 'error' ? m.content.traceback.join('') : '');
                };
                await future.done;
                kernel.dispose();
                return text;
            }""",
            [self.panel_sessions()[0]["kernel"], code],
        )

    def screenshot(self, name: str) -> Path:
        ARTEFACTS.mkdir(exist_ok=True)
        path = ARTEFACTS / f"{re.sub(r'[^A-Za-z0-9_-]+', '-', name)}.png"
        self.page.screenshot(path=path)
        return path


def _ran_after(before: str) -> re.Pattern[str]:
    """A prompt with a number other than the one that stood there."""
    return re.compile(r"\[(?!\*)(?!" + re.escape(before.strip().strip("[]:") or " ") + r"\])\d+\]")
