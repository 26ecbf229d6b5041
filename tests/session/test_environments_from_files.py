"""Environments that files describe: each form as its tool writes it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import renex_jupyter as rx
from renex_jupyter.errors import RenexError
from renex_jupyter.records.environments import Environment
from renex_jupyter.session.current import current
from renex_jupyter.store.keeping import gc

UV = """\
version = 1
revision = 3
requires-python = ">=3.9"

[[package]]
name = "proj"
version = "0.1.0"
source = { virtual = "." }
dependencies = [
    { name = "click" },
    { name = "httpx", extra = ["http2"] },
    { name = "pywin32", marker = "sys_platform == 'win32'" },
    { name = "tool" },
    { name = "local" },
]
[package.dev-dependencies]
dev = [{ name = "pytest" }]

[[package]]
name = "click"
version = "8.1.7"
source = { registry = "https://index.example/simple" }
wheels = [{ url = "https://host.example/click.whl", hash = "sha256:00" }]

[[package]]
name = "httpx"
version = "0.27.0"
source = { registry = "https://index.example/simple" }
[package.optional-dependencies]
http2 = [{ name = "h2" }]

[[package]]
name = "h2"
version = "4.1.0"
source = { registry = "https://index.example/simple" }

[[package]]
name = "pywin32"
version = "306"
source = { registry = "https://index.example/simple" }

[[package]]
name = "pytest"
version = "8.0.0"
source = { registry = "https://index.example/simple" }

[[package]]
name = "tool"
version = "2.0"
source = { git = "https://user:secret@host.example/tool?rev=main#0123abcd" }

[[package]]
name = "local"
version = "0.2.0"
source = { editable = "libs/local" }
"""
POETRY = """\
[[package]]
name = "Click"
version = "8.1.7"
optional = false
groups = ["main"]
markers = "python_version >= '3.8'"

[[package]]
name = "pytest"
version = "8.0.0"
optional = false
groups = ["dev"]

[[package]]
name = "tool"
version = "2.0"
optional = false
groups = ["main"]
[package.source]
type = "git"
url = "https://host.example/tool.git"
reference = "main"
resolved_reference = "0123abcd"

[metadata]
lock-version = "2.1"
python-versions = "^3.9"
content-hash = "00"
"""
PDM = """\
[metadata]
groups = ["default", "dev"]
lock_version = "4.5.0"

[[package]]
name = "click"
version = "8.1.7"
groups = ["default"]
marker = "python_version >= '3.8'"

[[package]]
name = "pytest"
version = "8.0.0"
groups = ["dev"]
"""
PYLOCK = """\
lock-version = "1.0"
created-by = "uv"
requires-python = ">=3.9"

[[packages]]
name = "click"
version = "8.1.7"
marker = "python_version >= '3.8'"

[[packages]]
name = "pywin32"
version = "306"
marker = "sys_platform == 'win32'"
"""
PIPFILE = json.dumps(
    {
        "_meta": {"requires": {"python_version": "3.11"}},
        "default": {"click": {"version": "==8.1.7", "hashes": ["sha256:00"], "markers": "python_version >= '3.8'"}},
        "develop": {"pytest": {"version": "==8.0.0"}},
    }
)
ENVIRONMENT_YML = """\
name: study
channels: [conda-forge]
dependencies:
  - python=3.11
  - conda-forge::numpy=1.26.4=py311h64a7726_0
  - blas>=3
  - pip
  - pip:
      - click==8.1.7
"""
CONDA_LOCK = """\
version: 1
metadata: {platforms: [linux-64, osx-arm64]}
package:
  - {name: python, version: 3.11.7, manager: conda, platform: linux-64, category: main}
  - {name: numpy, version: 1.26.4, manager: conda, platform: linux-64, category: main}
  - {name: numpy, version: 1.26.3, manager: conda, platform: osx-arm64, category: main}
  - {name: click, version: 8.1.7, manager: pip, platform: linux-64, category: main}
  - {name: pytest, version: 8.0.0, manager: pip, platform: linux-64, category: dev}
"""
EXPLICIT = """\
# platform: linux-64
@EXPLICIT
https://conda.anaconda.org/conda-forge/linux-64/python-3.11.7-hab00c5b_1_cpython.conda#9bd9
https://conda.anaconda.org/conda-forge/linux-64/numpy-1.26.4-py311h64a7726_0.conda#a502
"""
PIXI = """\
version: 6
environments:
  default:
    channels: [{url: https://conda.anaconda.org/conda-forge/}]
    packages:
      linux-64:
        - conda: https://conda.anaconda.org/conda-forge/linux-64/python-3.11.7-hab00c5b_1_cpython.conda
        - conda: https://conda.anaconda.org/conda-forge/linux-64/numpy-1.26.4-py311h64a7726_0.conda
        - pypi: https://host.example/click-8.1.7-py3-none-any.whl
packages:
  - conda: https://conda.anaconda.org/conda-forge/linux-64/numpy-1.26.4-py311h64a7726_0.conda
    sha256: '00'
  - pypi: https://host.example/click-8.1.7-py3-none-any.whl
    name: click
    version: 8.1.7
"""
CLICK = "click==8.1.7"
MARKED = "click==8.1.7 ; python_version >= '3.8'"
NUMPY = "# numpy==1.26.4 is a package of conda: pip does not install it"

CASES = {
    "uv.lock": (
        UV,
        [
            CLICK,
            "h2==4.1.0",
            "httpx==0.27.0",
            "# local==0.2.0 was installed from {folder}/libs/local (editable)",
            "tool @ git+https://host.example/tool@0123abcd",
        ],
    ),
    "poetry.lock": (POETRY, [MARKED, "tool @ git+https://host.example/tool.git@0123abcd"]),
    "pdm.lock": (PDM, [MARKED]),
    "pylock.toml": (PYLOCK, [MARKED, "pywin32==306 ; sys_platform == 'win32'"]),
    "Pipfile.lock": (PIPFILE, [MARKED]),
    "environment.yml": (
        ENVIRONMENT_YML,
        [NUMPY, "# blas==>=3 is a package of conda: pip does not install it", CLICK],
    ),
    "conda-lock.yml": (CONDA_LOCK, [NUMPY, CLICK]),
    "conda-linux-64.lock": (EXPLICIT, [NUMPY]),
    "pixi.lock": (PIXI, [NUMPY, CLICK]),
}


def lines(made: Environment) -> list[str]:
    return made.requirements.splitlines()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("way", ["in a folder", "as a file", "under another name"])
def test_a_lock_file_is_read_as_its_tool_means_it(project: Path, name: str, way: str) -> None:
    text, expected = CASES[name]
    path = project / (name if way != "under another name" else "somehow.lock")
    path.write_text(text)
    made = rx.create_environment(project if way == "in a folder" else path)
    told = lines(made)
    assert told[0] == f"# read from {path.name}"
    assert sorted(told[1:]) == sorted(each.replace("{folder}", str(project)) for each in expected)
    assert "secret" not in made.requirements
    assert "click" in {each.name for each in made.packages} or "conda" in name
    assert not {"pytest", "pywin32", "python"} & {each.name for each in made.packages}


@pytest.mark.parametrize(
    ("name", "python"), [("environment.yml", "3.11"), ("conda-lock.yml", "3.11.7"), ("Pipfile.lock", "3.11")]
)
def test_the_python_that_a_file_names_is_that_of_the_environment(project: Path, name: str, python: str) -> None:
    (project / name).write_text(CASES[name][0])
    assert rx.create_environment(project).python == python
    assert rx.create_environment(project, python="3.12").python == "3.12"


def test_where_ours_is_not_allowed_it_is_the_oldest_that_is(project: Path) -> None:
    (project / "pyproject.toml").write_text(
        '[project]\nname = "p"\nrequires-python = ">=3.27"\ndependencies = ["click>=8"]\n'
    )
    made = rx.create_environment(project)
    assert made.python == "3.27"
    assert lines(made) == ["# read from pyproject.toml", "click>=8"]
    assert [(each.name, each.version) for each in made.packages] == [("click", ">=8")]


def test_requirements_with_all_that_pip_reads(project: Path) -> None:
    (project / "more.txt").write_text("six\n")
    (project / "limits.txt").write_text("urllib3<3\n")
    (project / "local").mkdir()
    (project / "local/pyproject.toml").write_text('[project]\nname = "loc.al"\nversion = "0.4"\n')
    (project / "requirements.txt").write_text(
        "--index-url https://user:pass-word-0@host.example/simple\n"
        "-r more.txt  # others\n-c limits.txt\n--find-links wheels\n-e ./local\n"
        "Click[x]==8.1.7 ; python_version >= '3.8' \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
        "tool @ git+https://token@host.example/tool@0123abcd#egg=tool\n"
        "-e git+https://host.example/other@9999#egg=other\n"
    )
    made = rx.create_environment(project / "requirements.txt")
    told = lines(made)
    assert "pass-word-0" not in made.requirements and "token" not in made.requirements
    assert told[2:5] == ["six", "# constraint: urllib3<3", f"--find-links {project / 'wheels'}"]
    assert f"# loc-al==0.4 was installed from {project / 'local'} (editable)" in told
    assert 'click[x]==8.1.7 ; python_version >= "3.8" --hash=sha256:aa --hash=sha256:bb' in told
    assert "other @ git+https://host.example/other@9999" in told
    assert sorted(made.lock_files or {}) == ["limits.txt", "more.txt", "requirements.txt"]
    assert {each.name for each in made.packages} == {"six", "click", "loc-al", "tool", "other"}


def test_a_dockerfile_and_what_lies_beside_it(project: Path) -> None:
    (project / "Dockerfile").write_text(
        "FROM --platform=linux/amd64 docker.io/library/python:3.12.4-slim AS a\nRUN true\n"
    )
    (project / "requirements.txt").write_text("six==1.16.0\n")
    made = rx.create_environment(project)
    assert made.dockerfile == (project / "Dockerfile").read_text()
    assert (made.python, lines(made)) == ("3.12.4", ["# read from Dockerfile and requirements.txt", "six==1.16.0"])
    assert rx.create_environment(project / "Dockerfile").requirements == made.requirements


def test_a_lock_goes_before_what_asks_for_more(project: Path) -> None:
    (project / "requirements.txt").write_text("click\n")
    (project / "uv.lock").write_text(UV)
    made = rx.create_environment(project)
    assert lines(made)[0] == "# read from uv.lock"
    assert set(made.lock_files or {}) == {"requirements.txt", "uv.lock"}


def test_what_was_read_stays_in_the_store(project: Path) -> None:
    (project / "deps.in").write_text("six==1.16.0\n")
    made = rx.create_environment("deps.in", name="small")
    gc.collect(current().store, dry_run=False, grace=-1)
    assert current().store.blobs.get((made.lock_files or {})["deps.in"]) == b"six==1.16.0\n"
    assert rx.fsck().ok
    assert rx.create_environment("deps.in").environment_id == made.environment_id
    (project / "deps.in").write_text("six==1.15.0\n")
    assert rx.create_environment("deps.in").environment_id != made.environment_id


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("uv.lock", "this is no toml"),
        ("uv.lock", "[[package]]\nversion = 3\n"),
        ("poetry.lock", "package = 3\n"),
        ("Pipfile.lock", "[]"),
        ("Pipfile.lock", "{"),
        ("environment.yml", "- a\n- b\n"),
        ("environment.yml", "dependencies: 3\n"),
        ("environment.yml", "{"),
        ("conda-lock.yml", "package: [1, 2]\n"),
        ("pixi.lock", "environments: 3\n"),
        ("requirements.txt", "what is this?\n"),
        ("requirements.txt", "-r nowhere.txt\n"),
        ("unknown.xyz", "abc"),
        ("pyproject.toml", "[project\n"),
        ("requirements.txt", "\udcff"),
    ],
)
def test_a_file_that_does_not_read_is_told(project: Path, name: str, text: str) -> None:
    (project / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(RenexError) as caught:
        rx.create_environment(project / name)
    assert caught.value.code in ("invalid_argument", "not_found")
    assert name in caught.value.message or "nowhere.txt" in caught.value.message or "what is" in caught.value.message
    assert caught.value.hint


def test_a_folder_without_any_is_told(project: Path) -> None:
    (project / "empty").mkdir()
    with pytest.raises(RenexError, match="describes no environment"):
        rx.create_environment("empty")
    with pytest.raises(RenexError, match="no file or folder"):
        rx.create_environment("nowhere")
