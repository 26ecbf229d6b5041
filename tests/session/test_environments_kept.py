"""Environments by their names: listed, compared, exported, built, and chosen for a run."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from small_wheels import small_wheel

import renex_jupyter as rx
from renex_jupyter.config import settings
from renex_jupyter.errors import RenexError
from renex_jupyter.records.changes import Change, plain
from renex_jupyter.records.environments import Environment, Package
from renex_jupyter.session.current import current
from renex_jupyter.session.environment_builds import environment_for_run, packages_inside
from renex_jupyter.session.environments import describe_environment


@pytest.fixture(autouse=True)
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels, which is all that the machine's pip is set up to find; and a cache folder of its own."""
    folder = tmp_path / "wheels"
    small_wheel(folder, "rx_leaf", code="print('leaf')\n")
    small_wheel(folder, "rx_leaf", "2.0")
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setattr(settings(), "environments_folder", str(tmp_path / "cache"))
    return folder


def kept(*packages: Package, requirements: str = "", python: str = "3.11.7", **fields: object) -> Environment:
    """Record an environment as another machine, or another day, captured it."""
    made = Environment(
        f"{len(packages)}{'ab' * 31}f",
        python,
        "CPython",
        "linux-x86_64",
        packages,
        requirements,
        **fields,  # type: ignore[arg-type]
    )
    after = {name: plain(getattr(made, name)) for name in made.__dataclass_fields__ if getattr(made, name) is not None}
    current().begin()
    current().store.write(Change("environments", made.environment_id, "create", after))
    return made


def from_requirements(project: Path, text: str, name: str | None = None) -> Environment:
    (project / "requirements.txt").write_text(text)
    return rx.create_environment(project / "requirements.txt", name=name)


def silent(_text: str) -> None:
    """Listen to nothing."""


def test_the_current_one_is_listed_before_anything_is_recorded(project: Path) -> None:
    listed = rx.list_environments()
    assert list(listed["current"]) == [True]
    assert listed["packages"][0] > 20
    assert not (project / ".renex").exists()
    assert rx.get_environment().environment_id == listed["environment_id"][0]
    assert "(the current one)" in str(describe_environment())
    assert not (project / ".renex").exists()


def test_it_is_marked_among_others_and_comes_first(project: Path) -> None:
    own = rx.capture_environment(name="mine")
    other = from_requirements(project, "six\n", "lock")
    rx.snapshot("before")
    listed = rx.list_environments()
    assert list(listed["environment_id"][1:]).count(other.environment_id) == 1
    (project / "requirements.txt").unlink()
    listed = rx.list_environments()
    assert listed["environment_id"][0] == own.environment_id
    assert list(listed["current"]) == [True] + [False] * (len(listed) - 1)
    assert {"mine", "lock"} <= set(listed["name"])


def test_a_name_is_that_of_one_and_means_it_everywhere(project: Path) -> None:
    one, other = from_requirements(project, "six\n", "lock"), from_requirements(project, "six==1.16.0\n")
    assert rx.get_environment("lock").environment_id == one.environment_id
    with pytest.raises(RenexError, match="is called 'lock' already") as caught:
        rx.name_environment(other, "lock")
    assert caught.value.code == "conflict"
    rx.name_environment("lock", "")
    assert rx.name_environment(other.environment_id[:12], "lock").name == "lock"
    assert rx.get_environment("lock").environment_id == other.environment_id
    assert rx.export_environment("lock").endswith("six==1.16.0\n")
    assert rx.create_environment(project / "requirements.txt").name == "lock"
    for bad in ("current", "fresh", " a", "a\nb"):
        with pytest.raises(RenexError, match="cannot be called"):
            rx.name_environment("lock", bad)
    with pytest.raises(RenexError, match="did you mean 'lock'") as caught:
        rx.get_environment("lokc")
    assert caught.value.code == "not_found"


def test_it_says_who_has_it_and_where_it_is_built(project: Path) -> None:
    made = from_requirements(project, "rx_leaf==1.0\n", "leaf")
    assert "not yet" in str(describe_environment("leaf"))
    run = rx.run_task(
        ["python", "-c", "import rx_leaf, sys; print(sys.prefix)"], name="lean", environment="leaf", echo=silent
    )
    assert (run.status, run.environment_id) == ("finished", made.environment_id)
    assert run.action is not None
    assert run.action["environment"] == made.environment_id
    known = describe_environment("leaf")
    assert [each["name"] for each in known.runs] == ["lean"]
    assert len(known.builds) == 1
    assert json.loads(json.dumps(known.as_dict()))["builds"] == list(known.builds)
    assert all(text in known._repr_html_() for text in ("leaf", "lean", known.builds[0]))


def test_a_run_in_an_environment_finds_its_packages_and_not_ours(project: Path) -> None:
    from_requirements(project, "rx_leaf==1.0\n", "leaf")
    said: list[str] = []
    told = "os.environ['VIRTUAL_ENV'] == sys.prefix, u.find_spec('duckdb')"
    program = f"import rx_leaf, os, sys, importlib.util as u; print({told})"
    run = rx.run_task(["python", "-c", program], environment="leaf", echo=said.append)
    assert run.status == "finished"
    assert "leaf\nTrue None" in "".join(said).replace("\r", "")


def test_the_current_one_needs_no_build(project: Path) -> None:
    place = environment_for_run(current(), "current")
    assert (place.current, place.python) == (True, sys.executable)
    assert place.environment_id in set(rx.list_environments()["environment_id"])


@pytest.mark.parametrize("how", ["editable", "file"])
def test_a_package_of_the_project_comes_from_the_checkout(project: Path, how: str) -> None:
    (project / "src").mkdir()
    checkout = project / "elsewhere"
    (checkout / "src").mkdir(parents=True)
    made = kept(Package("own", "1.0", True, f"{how} {project}"), requirements="")
    place = environment_for_run(current(), made, checkout=checkout, echo=silent)
    assert place.variables["PYTHONPATH"].split(os.pathsep)[:2] == [str(checkout / "src"), str(checkout)]
    assert packages_inside(current(), made.environment_id, checkout, "/inside") == {"PYTHONPATH": "/inside/src:/inside"}
    assert packages_inside(current(), None, checkout, "/inside") == {}


def test_two_are_compared(project: Path) -> None:
    from_requirements(project, "rx-leaf==1.0\nsix==1.16.0\nold==1\n", "one")
    from_requirements(project, "rx-leaf==2.0\nsix==1.15.0\nnew @ https://host.example/new-3-py3-none-any.whl\n", "two")
    found = rx.diff_environments("one", "two")
    told = {(each.key, each.kind) for each in found.packages}
    assert told == {("rx-leaf", "upgraded"), ("six", "downgraded"), ("old", "removed"), ("new", "added")}
    assert [each.path for each in found.files] == ["requirements.txt"]
    text = str(found)
    assert (
        "one -> environment" in text
        and "~ rx-leaf 1.0 -> 2.0 (upgraded)" in text
        and "-old==1" in text.replace("- ", "-")
    )
    assert "rx-leaf" in found._repr_html_()
    assert rx.diff_environments("one", "one").same
    assert "python" not in {each.key for each in rx.diff_environments("one").packages}
    assert "(current)" in str(rx.diff_environments("one"))


def test_the_python_and_the_dockerfile_are_compared(project: Path) -> None:
    (project / "Dockerfile").write_text("FROM python:3.10\nRUN a\n")
    rx.create_environment(project, name="one")
    (project / "Dockerfile").write_text("FROM python:3.12\nRUN a\n")
    rx.create_environment(project, name="two")
    found = rx.diff_environments("one", "two")
    assert [(each.key, each.before, each.after) for each in found.packages] == [("python", "3.10", "3.12")]
    (dockerfile,) = (each for each in found.files if each.path == "Dockerfile")
    assert {"-FROM python:3.10", "+FROM python:3.12"} <= set(dockerfile.lines)


def test_an_export_is_read_by_the_tool_it_is_for(project: Path) -> None:
    made = kept(
        Package("rx-leaf", "1.0", True),
        Package("tool", "2.0", True, "git+https://host.example/tool@0123abcd"),
        Package("own", "0.1", True, "editable /nowhere/own"),
        Package("spare", "3.0"),
        requirements="# own==0.1 was installed from /nowhere/own (editable)\nrx-leaf==1.0\n"
        "six==1.16.0 ; python_version > '3'\ntool @ git+https://host.example/tool@0123abcd\n",
    )
    pins = [line for line in rx.export_environment(made).splitlines() if not line.startswith("#")]
    assert [Requirement(each).name for each in pins] == ["rx-leaf", "six", "tool"]
    told = yaml.safe_load(rx.export_environment(made, "conda"))
    assert told["dependencies"] == ["python=3.11.7", "pip", {"pip": pins}]
    whole = rx.export_environment(made, all_packages=True)
    assert (
        "spare==3.0" in whole.splitlines()
        and "# own==0.1 was installed from /nowhere/own (editable)" in whole.splitlines()
    )
    text = rx.export_environment(made, "dockerfile")
    assert "FROM python:3.11-slim\n" in text
    with pytest.raises(RenexError, match="Use one of: requirements, dockerfile, conda"):
        rx.export_environment(made, "poetry")


def test_the_requirements_of_a_dockerfile_arrive_as_they_are(project: Path, tmp_path: Path) -> None:
    made = from_requirements(
        project, 'rx_leaf==1.0 ; python_version > "3"\nsix @ https://host.example/a-1%20b.whl?x=$HOME&y=1\n'
    )
    text = rx.export_environment(made, "dockerfile")
    command = text[text.index("RUN ") + 4 : text.index("    > /tmp/requirements.txt")].rstrip().rstrip("\\")
    written = subprocess.check_output(["sh", "-c", command.replace("\\\n", " ")], text=True)
    assert written.splitlines() == made.requirements.splitlines()[1:]


def test_what_is_gone_is_told_before_anything_is_built(project: Path, tmp_path: Path) -> None:
    made = kept(
        Package("own", "0.1", True, f"editable {tmp_path / 'gone'}"),
        Package("rx-leaf", "1.0", True),
        requirements=f"# own==0.1 was installed from {tmp_path / 'gone'} (editable)\nrx-leaf==1.0\n",
    )
    with pytest.raises(RenexError, match=f"own 0.1 from editable {tmp_path / 'gone'}") as caught:
        rx.build_environment(made, echo=silent)
    assert caught.value.code == "environment_unavailable"
    assert "allow_missing" in caught.value.hint
    built = rx.build_environment(made, allow_missing=True, echo=silent)
    assert any("left out: own 0.1" in each for each in built.notes)


def test_an_archive_counts_only_if_it_is_the_same(project: Path, index: Path, tmp_path: Path) -> None:
    wheel = small_wheel(tmp_path / "mine", "rx_archive")
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    line = f"# rx-archive==1.0 was installed from {wheel}#sha256={sha256}\n"
    made = kept(Package("rx-archive", "1.0", True, f"file {wheel}#sha256={sha256}"), requirements=line)
    built = rx.build_environment(made, echo=silent)
    assert built.python is not None
    assert (
        subprocess.check_output([built.python, "-c", "import rx_archive; print(rx_archive.VERSION)"], text=True)
        == "1.0\n"
    )
    wheel.write_bytes(b"another")
    with pytest.raises(RenexError, match="cannot be had here"):
        rx.build_environment(made, echo=silent)


def test_a_recorded_micro_version_that_is_not_here_is_told(project: Path) -> None:
    other = "3.11.99" if sys.version_info[:2] == (3, 11) else f"{sys.version_info[0]}.{sys.version_info[1]}.99"
    made = rx.create_environment(_file(project, "rx_leaf==1.0\n"), python=other)
    built = rx.build_environment(made, echo=silent)
    assert any(f"where {other} was recorded" in each for each in built.notes)
    assert "a virtual environment" in str(built) and built.path in built._repr_html_()


def _file(project: Path, text: str) -> Path:
    (project / "requirements.txt").write_text(text)
    return project / "requirements.txt"


def test_progress_is_told_while_it_is_built(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rx.build_environment(from_requirements(project, "rx_leaf==1.0\n"))
    assert "rx" in capsys.readouterr().out
    rx.build_environment(from_requirements(project, "rx_leaf==1.0\n"))
    assert capsys.readouterr().out == ""


def test_ours_goes_along_where_it_is_installed_in_place(project: Path) -> None:
    version = metadata.version("renex_jupyter")
    made = kept(
        Package("renex-jupyter", version, True, "editable /gone/from/here"),
        requirements=f"# renex-jupyter=={version} was installed from /gone/from/here (editable)\n",
    )
    built = rx.build_environment(made, echo=silent)
    assert built.path is not None
    told = subprocess.check_output(
        [str(built.python), "-I", "-c", "import renex_jupyter as rx; print(rx.__version__, rx.__file__)"], text=True
    )
    assert told.startswith(f"{version} {built.path}")


def test_conda_packages_are_not_for_pip_and_told(project: Path) -> None:
    (project / "environment.yml").write_text(
        "dependencies:\n  - python=3.11\n  - numpy=1.26.4\n  - pip:\n    - rx_leaf==1.0\n"
    )
    made = rx.create_environment(project / "environment.yml")
    with pytest.raises(RenexError, match=r"numpy 1\.26\.4 from conda"):
        rx.build_environment(made, echo=silent)
    told = yaml.safe_load(rx.export_environment(made, "conda"))
    assert told["dependencies"] == ["python=3.11", "numpy=1.26.4", "pip", {"pip": ["rx-leaf==1.0"]}]


def test_a_python_that_is_none_gets_into_no_dockerfile(project: Path) -> None:
    made = kept(python="3.11\nRUN touch /evil")
    for what in (
        lambda: rx.build_environment(made, "docker", echo=silent),
        lambda: rx.export_environment(made, "dockerfile"),
    ):
        with pytest.raises(RenexError, match="is no version of Python"):
            what()
    assert "\nRUN" not in rx.export_environment(made, "conda").partition("name:")[0]
