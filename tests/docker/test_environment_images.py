"""Environments as images of a real daemon: without a network in the container, once, and as a Dockerfile says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from daemons import IMAGE, Daemon
from small_wheels import small_wheel

import renex_jupyter as rx
from renex_jupyter.config import settings
from renex_jupyter.errors import RenexError
from renex_jupyter.session.work import WORK_SEEN


@pytest.fixture(autouse=True)
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels, which is all that the machine's pip is set up to find."""
    folder = tmp_path / "wheels"
    small_wheel(folder, "rx_leaf")
    small_wheel(folder, "rx_stem", requires=("rx_leaf",))
    for name in list(os.environ):
        if name.startswith("PIP_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setattr(settings(), "base_image", IMAGE)
    return folder


def created(project: Path, text: str = "rx_stem\n", python: str | None = "3.11") -> str:
    (project / "requirements.txt").write_text(text)
    return rx.create_environment(project / "requirements.txt", python=python).environment_id


def inside(daemon: Daemon, image: str | None, *argv: str) -> str:
    assert image is not None
    return daemon.ask("run", "--rm", "--network", "none", "--user", "1234:1234", image, *argv).strip()


def test_an_image_holds_the_environment_on_a_base_without_pip(daemon: Daemon, project: Path) -> None:
    told: list[str] = []
    made = rx.build_environment(created(project), "docker", echo=told.append)
    assert made.image is not None and made.image.startswith(f"renex-env:{made.environment_id[:12]}-")
    program = "import rx_stem, rx_leaf, sys; print(rx_stem.VERSION, rx_leaf.VERSION, sys.prefix)"
    assert inside(daemon, made.image, "python", "-c", program) == "1.0 1.0 /opt/renex"
    assert inside(daemon, made.image, "sh", "-c", "ls -d /wheels || echo none").endswith("none")
    assert any("Step" in each for each in told)


def test_it_is_built_once_and_anew_for_another_base(daemon: Daemon, project: Path) -> None:
    key = created(project)
    first = rx.build_environment(key, "docker", echo=lambda _: None)
    again = rx.build_environment(key, "docker", echo=lambda _: None)
    assert (again.image, again.cached) == (first.image, True)
    daemon.ask("tag", IMAGE, "another-base:latest")
    other = rx.build_environment(key, "docker", base_image="another-base:latest", echo=lambda _: None)
    assert not other.cached
    assert other.image != first.image  # whoever builds the one while somebody starts the other gets what is meant
    assert rx.build_environment(key, "docker", echo=lambda _: None).cached


def test_a_base_with_another_python_is_refused_by_its_name(daemon: Daemon, project: Path) -> None:
    key = created(project, python="3.12")
    with pytest.raises(RenexError) as caught:
        rx.build_environment(key, "docker", echo=lambda _: None)
    assert caught.value.code == "environment_unavailable"
    assert "the base image has Python 3.11, the environment needs 3.12" in str(caught.value)


def test_its_own_dockerfile_is_built_with_its_lock_files(daemon: Daemon, project: Path) -> None:
    (project / "requirements.txt").write_text("rx_leaf==1.0\n")
    (project / "Dockerfile").write_text(f"FROM {IMAGE}\nCOPY requirements.txt /kept.txt\n")
    made = rx.build_environment(rx.create_environment(project), "docker", echo=lambda _: None)
    assert inside(daemon, made.image, "cat", "/kept.txt") == "rx_leaf==1.0"
    (project / "Dockerfile").write_text(f"FROM {IMAGE}\nCOPY src /src\n")
    with pytest.raises(RenexError, match=r"It can copy requirements\.txt only"):
        rx.build_environment(rx.create_environment(project), "docker", echo=lambda _: None)


def test_the_exported_dockerfile_says_what_is_installed(daemon: Daemon, project: Path) -> None:
    key = created(project, "rx_leaf==1.0 ; python_version > '3'\nrx_stem==1.0\n")
    text = rx.export_environment(key, "dockerfile")
    folder = project / "context"
    folder.mkdir()
    stand_in = "RUN printf '#!/bin/sh\\ncp \"$4\" /wanted.txt\\n' > /usr/bin/pip && chmod 755 /usr/bin/pip"
    (folder / "Dockerfile").write_text(text.replace(f"FROM {IMAGE}\n", f"FROM {IMAGE}\n{stand_in}\n"))
    daemon.ask("build", "--tag", "exported", str(folder))
    assert inside(daemon, "exported", "cat", "/wanted.txt").splitlines() == [
        'rx-leaf==1.0 ; python_version > "3"',
        "rx-stem==1.0",
    ]


def test_a_run_in_an_environment_says_which_image_it_was(daemon: Daemon, project: Path) -> None:
    key = created(project)
    program = "import rx_stem, sys; print(rx_stem.VERSION, sys.prefix)"
    said: list[str] = []
    run = rx.run_task(
        ["python", "-c", program], name="task", executor="container", environment=key, image=IMAGE, echo=said.append
    )
    assert (run.status, run.environment_id) == ("finished", key)
    assert "1.0 /opt/renex" in "".join(said)
    assert run.action is not None
    inspected = daemon.ask("image", "inspect", "--format", "{{.Id}}", str(run.action["image"]))
    assert run.action["image_id"] == inspected.strip()


def test_a_package_of_the_project_is_that_of_the_checkout_and_of_now_in_the_image(
    daemon: Daemon, project: Path
) -> None:
    own = project / "own"
    own.mkdir()
    (own / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "rx_own"\nversion = "1.0"\n'
    )
    (own / "backend.py").write_text(
        f"import pathlib, sys\nsys.path.insert(0, {str(Path(small_wheel.__code__.co_filename).parent)!r})\n"
        "from small_wheels import small_wheel\ndef build_wheel(folder, *_args, **_kwargs):\n"
        "    code = pathlib.Path(__file__).with_name('rx_own.py').read_text()\n"
        "    return small_wheel(pathlib.Path(folder), 'rx_own', code=code).name\n"
    )
    key = created(project, "./own\n")
    for says in ("first", "second"):
        (own / "rx_own.py").write_text(f"SAYS = {says!r}\n")
        made = rx.build_environment(key, "docker", echo=lambda _: None)
        assert inside(daemon, made.image, "python", "-c", "import rx_own; print(rx_own.SAYS)") == says
    said: list[str] = []
    program = "import rx_own; print(rx_own.__file__)"
    rx.run_task(["python", "-c", program], executor="container", environment=key, echo=said.append)
    assert f"{WORK_SEEN}/own/rx_own.py" in "".join(said)
