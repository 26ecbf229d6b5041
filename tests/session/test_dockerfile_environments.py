"""Environments that were made of a Dockerfile: exported as that, and built without Docker only in part."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import renex_jupyter as rx
from renex_jupyter.analysis.dockerfiles import not_in_a_venv
from renex_jupyter.config import settings
from renex_jupyter.records.environments import Environment

TEXT = "FROM python:{}.{}-slim\nRUN apt-get install -y libgomp1\nENV A=1\n"


@pytest.fixture
def folder(project: Path) -> Path:
    made = project / "dk"
    made.mkdir()
    return made


def written(folder: Path, text: str) -> Environment:
    (folder / "Dockerfile").write_text(text)
    return rx.create_environment(folder)


def test_the_export_is_the_dockerfile_itself(folder: Path) -> None:
    text = TEXT.format(3, 11)
    made = written(folder, text)
    assert rx.export_environment(made, "dockerfile") == text
    assert rx.export_environment(made, "dockerfile", all_packages=True) == text


def test_what_it_copies_is_named_below_its_directives(folder: Path) -> None:
    (folder / "requirements.txt").write_text("six==1.16.0\n")
    directives, rest = (
        "# syntax=docker/dockerfile:1\n# escape=`\n",
        "FROM python:3.11\nCOPY requirements.txt app.py /x/\n",
    )
    told = "# It copies files. Kept with it, as read from its folder: requirements.txt.\n"
    assert rx.export_environment(written(folder, directives + rest), "dockerfile") == directives + told + rest


def test_the_environment_of_now_is_generated_also_beside_a_dockerfile(project: Path) -> None:
    (project / "Dockerfile").write_text("FROM scratch\n")
    assert "FROM scratch" not in rx.export_environment("current", "dockerfile")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("FROM python:3.11\nRUN a\nENV A=1\nRUN b\nCMD c\n", ("RUN", "ENV")),
        ("from --platform=linux/amd64 docker.io/library/python\nCMD c\n", ()),
        ("FROM pytorch/pytorch:2\n", ("FROM",)),
        ("FROM python:3\nRUN a \\\n  # why\n  COPY b\nWORKDIR /w\n", ("RUN", "WORKDIR")),
        ("FROM python:3\nRUN <<END cat\nCOPY a\nEND\nUSER me\n", ("RUN", "USER")),
        ("# escape=`\nFROM python:3\nRUN a `\n  ADD\nRUN dir c:\\\nENV A=1\n", ("RUN", "ENV")),
    ],
)
def test_what_only_an_image_can_have(folder: Path, text: str, words: tuple[str, ...]) -> None:
    assert not_in_a_venv(written(folder, text)) == words


def test_a_build_as_virtual_environment_says_what_is_not_done(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings(), "environments_folder", str(tmp_path / "cache"))
    for again in (False, True):
        made = rx.build_environment(written(folder, TEXT.format(*sys.version_info)), echo=lambda _: None)
        assert made.cached is again
        assert "RUN, ENV of its Dockerfile: done only in an image (--docker, kind='docker')" in made.notes
