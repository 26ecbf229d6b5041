"""What looks like a secret in files and cells, and what of a notebook's outputs is kept."""

import json
from pathlib import Path
from time import process_time

import pytest
from canaries import KNOWN, MIXED, made_of

from renex_jupyter.capture.findings import MOST_BYTES, MOST_PLACES, cell_findings, find_secrets, findings_of
from renex_jupyter.capture.outputs import without_secrets
from renex_jupyter.records.snapshots import Cell, Finding

AWS, GITHUB = KNOWN["aws"], KNOWN["github"]


@pytest.mark.parametrize("kind", KNOWN)
def test_a_secret_is_found_with_its_line(kind: str) -> None:
    found = find_secrets(f"first\n\nkey = '{KNOWN[kind]}'\nlast\n")
    assert [line for line, _ in found] == [3]


def test_a_file_is_told_by_line_and_kind_and_never_by_what_it_says() -> None:
    text = f"a = '{AWS}'\n\nb = '{GITHUB}'; c = '{GITHUB}'\n"
    assert findings_of(text.encode()) == ((1, "AWS key"), (3, "GitHub token"))


@pytest.mark.parametrize(
    "line",
    [
        f"key = '{AWS}'  # pragma: allowlist secret",
        f"# pragma: allowlist nextline secret\nkey = '{AWS}'",
        "key = '" + made_of("AKIA", "IOSFODNN7EXAMPLE") + "'",
        "url = f'postgres://{user}:{password}@host/db'",
        "url = 'postgres://%s:%s@host/db' % (user, word)",
        "url = 'postgres://user:password@host/db'",
        "url = 'postgres://ada:${PASSWORD}@host/db'",
        "url = 'https://host:8080/a@b'",
    ],
)
def test_what_is_allowed_or_filled_in_is_no_finding(line: str) -> None:
    assert find_secrets(f"{line}\n") == []


def test_a_password_in_a_url_is_a_finding() -> None:
    assert find_secrets("x\nurl = 'postgres://ada:" + made_of("hunt", "er2") + "@db/x'") == [(2, "password in a URL")]


@pytest.mark.parametrize("data", [b"\0" + AWS.encode(), AWS.encode() + b" " * MOST_BYTES, b"", b"\xff\xfe" * 100])
def test_binary_large_and_empty_files_have_no_findings(data: bytes) -> None:
    assert findings_of(data) == ()


def test_a_file_full_of_secrets_is_told_by_its_first_ones() -> None:
    assert len(findings_of(f"{AWS}\n".encode() * 5000)) == MOST_PLACES


def test_two_thousand_files_cost_a_moment() -> None:
    package = Path(pytest.__file__).parents[1]
    source = b"".join(path.read_bytes() for path in sorted(package.rglob("*.py"))[:1000])
    files = [source[at : at + 4096] for at in range(0, 2000 * 4096, 4096)]
    findings_of(AWS.encode())  # the scanner is loaded once
    started = process_time()
    for each in files:
        findings_of(each)
    assert process_time() - started < 5  # measured 0.1 s


def test_a_cell_is_told_by_its_position_and_the_line_within() -> None:
    cells = [Cell("a", "code", "x = 1"), Cell("b", "code", f"import os\nkey = '{AWS}'")]
    assert cell_findings("n.ipynb", cells) == (Finding("n.ipynb", 2, "AWS key", 1),)


def output(**parts: object) -> dict[str, object]:
    return {"output_type": "display_data", "metadata": {}, **parts}


def test_outputs_of_all_kinds_are_kept_without_secrets_and_sources_with_them() -> None:
    secrets = {name: KNOWN[name] for name in ("aws", "github", "huggingface", "slack", "openai")}
    key = KNOWN["key"].splitlines(keepends=True)
    cell = {
        "cell_type": "code",
        "source": f"token = '{GITHUB}'",
        "outputs": [
            output(output_type="stream", name="stdout", text=[f"{secrets['aws']}\n", "loss 0.5\n"]),
            output(output_type="stream", name="stdout", text=key),
            output(data={"text/plain": secrets["github"], "text/html": [f"<b>{secrets['huggingface']}</b>"]}),
            output(data={"application/json": {"a": [1, {"b": secrets["slack"]}]}, "image/png": "aGVsbG8="}),
            output(output_type="error", ename="E", evalue=secrets["openai"], traceback=["line", secrets["openai"]]),
        ],
    }
    kept = without_secrets({"cells": [cell], "metadata": {}})["cells"][0]
    told = json.dumps(kept["outputs"], ensure_ascii=False)
    for secret in (*secrets.values(), "MIIEpAIBAAKCAQEA"):
        assert secret not in told
    assert kept["source"] == cell["source"]
    assert kept["outputs"][0]["text"][1] == "loss 0.5\n"
    assert [len(each) for each in (kept["outputs"][0]["text"], kept["outputs"][4]["traceback"])] == [2, 2]
    assert kept["outputs"][3]["data"]["image/png"] == "aGVsbG8="
    assert without_secrets({"cells": [kept], "metadata": {}})["cells"] == [kept]


def test_the_state_of_widgets_is_kept_without_secrets() -> None:
    widgets = {"application/vnd.jupyter.widget-state+json": {"state": {"a": {"value": f"<b>{AWS}</b>", "n": [1, 2]}}}}
    kept = without_secrets({"cells": [], "metadata": {"widgets": widgets, "kernelspec": {"name": "x"}}})
    assert AWS not in json.dumps(kept)
    state = kept["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]["a"]
    assert state["n"] == [1, 2]
    assert kept["metadata"]["kernelspec"] == {"name": "x"}


def test_outputs_without_secrets_stay_byte_for_byte() -> None:
    cell = {"cell_type": "code", "source": "", "outputs": [output(data={"text/plain": ["a\n", "b"], "x": [1, "c"]})]}
    document = {"cells": [cell, {"cell_type": "markdown", "source": MIXED}], "metadata": {"a": 1}}
    assert json.dumps(without_secrets(document)) == json.dumps(document)
