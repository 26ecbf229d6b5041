"""Secrets through the whole way: what is kept of them, what is told, and what is refused."""

import json
import sys
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import zstandard
from canaries import KNOWN

import renex_jupyter as rx
from renex_jupyter.config import settings
from renex_jupyter.errors import RenexError

CANARIES = ("aws", "github", "huggingface", "openai", "slack", "jwt", "key", "google")


@pytest.fixture(autouse=True)
def default_setting() -> Iterator[None]:
    yield
    settings().secrets_in_files = "warn"


def stored(project: Path) -> str:
    """Everything that the store's files hold, unpacked."""
    found = []
    for path in (project / ".renex").rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            if data.startswith(b"\x28\xb5\x2f\xfd"):
                data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
            found.append(data.decode("utf-8", "replace"))
    return "\n".join(found)


def notebook(path: Path, source: str, *outputs: Any) -> None:
    cell = {"id": "a", "cell_type": "code", "source": source, "metadata": {}, "outputs": list(outputs)}
    document = {"cells": [{**cell, "execution_count": 1}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(document))


def parts_of(secret: str) -> list[str]:
    return [secret[:12], secret[-12:]] if "PRIV" not in secret else ["MIIEpAIBAAKCAQEA"]


@pytest.mark.filterwarnings("ignore")
def test_no_file_of_the_store_has_a_secret_from_params_config_message_or_outputs(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = [KNOWN[name] for name in CANARIES]
    said = "\n".join(secrets)
    printed = {"output_type": "stream", "name": "stdout", "text": said}
    shown = {"output_type": "display_data", "metadata": {}, "data": {"text/html": f"<pre>{said}</pre>"}}
    notebook(project / "n.ipynb", "print(1)", printed, shown)
    monkeypatch.setenv("RENEX_NOTEBOOK", str(project / "n.ipynb"))
    rx.snapshot(f"with {said}", config={"where": said, "deep": [{"x": secrets}]})
    rx.update_snapshot(rx.list_snapshots()["snapshot_id"][0], message=f"again {said}")
    with suppress(ValueError), rx.start_run("train"):
        rx.log_params({"where": said, "all": secrets})
        rx.set_tag("note", said)
        raise ValueError(f"cannot log in with {said}")
    rx.run_task([sys.executable, "-c", "pass", *secrets], name="command", params={"a": said})
    kept = stored(project)
    assert "redacted:aws" in kept
    assert "cannot log in" in kept
    for secret in secrets:
        for part in parts_of(secret):
            assert part not in kept, part


@pytest.fixture
def leaky(project: Path) -> Path:
    (project / "settings.py").write_text(f"import os\nKEY = '{KNOWN['aws']}'\n")
    return project


def test_a_file_with_a_secret_is_kept_exactly_and_told_once(leaky: Path) -> None:
    with pytest.warns(UserWarning, match=r"settings.py:2 \(AWS key\).*purge --secret"):
        taken = rx.snapshot("one")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (leaky / "settings.py").write_text(f"import os\n# moved\nKEY = '{KNOWN['aws']}'\n")
        again = rx.snapshot("two")
    assert [(each.path, each.line, each.kind) for each in taken.findings] == [("settings.py", 2, "AWS key")]
    assert "1 file looks as if it held a secret: settings.py:3 (AWS key)" in again.line
    assert "settings.py:3 (AWS key)" in str(again)
    assert rx.get_snapshot(taken.snapshot_id).findings == taken.findings
    rx.checkout(taken.snapshot_id, to="back")
    assert KNOWN["aws"] in (leaky / "back" / "settings.py").read_text()
    (leaky / "other.py").write_text(f"TOKEN = '{KNOWN['github']}'\n")
    with pytest.warns(UserWarning, match=r"1 file .* other.py:1 \(GitHub token\)"):
        rx.snapshot("three")


def test_a_file_that_was_read_before_is_told_again_in_the_next_session(leaky: Path) -> None:
    from renex_jupyter.session import current

    for _ in range(2):
        with pytest.warns(UserWarning, match="settings.py:2"):
            rx.snapshot()
        current.reset()


def test_a_cell_with_a_secret_is_kept_and_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook(project / "n.ipynb", f"import os\ntoken = '{KNOWN['github']}'")
    monkeypatch.setenv("RENEX_NOTEBOOK", str(project / "n.ipynb"))
    with pytest.warns(UserWarning, match=r"n.ipynb cell 1:2 \(GitHub token\)"):
        taken = rx.snapshot()
    assert KNOWN["github"] in stored(project)
    assert [each.cell for each in taken.findings] == [0]


def cell_with_secret(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook(project / "n.ipynb", f"import os\ntoken = '{KNOWN['github']}'")
    monkeypatch.setenv("RENEX_NOTEBOOK", str(project / "n.ipynb"))


def test_block_refuses_the_snapshot_and_creates_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell_with_secret(project, monkeypatch)
    settings().secrets_in_files = "block"
    with pytest.raises(RenexError, match=r"n.ipynb cell 1:2 \(GitHub token\)") as caught:
        rx.snapshot()
    assert caught.value.code == "conflict"
    assert KNOWN["github"] not in str(caught.value)
    assert not (project / ".renex").exists()
    settings().secrets_in_files = "ignore"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert rx.snapshot().findings == ()


def test_block_keeps_no_content_of_a_file_with_a_secret(leaky: Path) -> None:
    settings().secrets_in_files = "block"
    with pytest.raises(RenexError, match=r"settings.py:2 \(AWS key\)"):
        rx.snapshot()
    assert not (leaky / ".renex").exists()


def test_block_costs_a_run_its_snapshots_and_nothing_else(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell_with_secret(project, monkeypatch)
    settings().secrets_in_files = "block"
    with (
        pytest.warns(UserWarning, match=r"the state (before|after) the run is not recorded: conflict"),
        rx.start_run() as run,
    ):
        rx.log_metric("loss", 0.5)
    found = rx.get_run(run.run_id)
    assert (found.status, found.before_snapshot_id, found.after_snapshot_id) == ("finished", None, None)
    assert found.metrics == {"loss": 0.5}
    assert KNOWN["github"] not in stored(project)


def test_what_is_left_out_is_said_on_the_line_by_reason(project: Path) -> None:
    for name in (".env", "id_rsa", "a.pem", "b.pem"):
        (project / name).write_text("x")
    (project / "big.bin").write_bytes(b"x" * 2000)
    (project / ".gitignore").write_text("ignored\n")
    (project / "ignored").write_text("x")
    most = settings().max_file_size
    settings().max_file_size = 1000
    try:
        taken = rx.snapshot()
    finally:
        settings().max_file_size = most
    assert "left out: " in taken.line
    assert "4 secrets (.env, a.pem, b.pem and 1 more)" in taken.line
    assert "1 too large (big.bin)" in taken.line
    assert "ignored" not in taken.line
    assert "4 secrets (.env, a.pem, b.pem and 1 more)" in taken._repr_html_()


@pytest.mark.filterwarnings("ignore")
def test_block_refuses_a_checkout_in_place_that_could_not_be_undone(leaky: Path) -> None:
    (leaky / "settings.py").rename(leaky.parent / "apart.py")
    taken = rx.snapshot()
    (leaky.parent / "apart.py").rename(leaky / "settings.py")
    (leaky / "model.py").write_text("changed")
    settings().secrets_in_files = "block"
    with pytest.raises(RenexError, match=r"settings.py:2 \(AWS key\)"):
        rx.checkout(taken.snapshot_id, in_place=True, force=True)
    assert (leaky / "model.py").read_text() == "changed"
    assert (leaky / "settings.py").exists()
