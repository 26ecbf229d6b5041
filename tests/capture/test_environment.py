from __future__ import annotations

import hashlib
import itertools
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from renex_jupyter.capture import distributions
from renex_jupyter.capture.environment import capture_environment
from renex_jupyter.capture.hardware import capture_hardware
from renex_jupyter.records.environments import Environment, Package

TICKS = itertools.count(10**18)


def install(folder: Path, name: str, version: str, *, files: str = "", needs: tuple[str, ...] = ()) -> Path:
    """Lay down what an installer would, without running one."""
    home = folder / f"{name}-{version}.dist-info"
    home.mkdir(parents=True)
    os.utime(folder, ns=(0, next(TICKS)))  # two installs may be within one tick of the file system's clock
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        *(f"Requires-Dist: {each}" for each in needs),
    ]
    (home / "METADATA").write_text("\n".join(lines) + "\n\nA long description.\n\nName: not-a-header\n")
    (home / "RECORD").write_text(files)
    return home


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


def versions(name: str) -> list[str]:
    return [each.version for each in capture_environment().packages if each.name == name]


def test_every_installed_distribution_is_listed_once_by_its_normalised_name_in_order() -> None:
    names = [each.name for each in capture_environment().packages]
    assert names == sorted(set(names))
    assert {"pandas", "pyyaml", "jupyter-client", "typing-extensions"} <= set(names)


def test_of_duplicates_the_one_that_an_import_finds_is_kept(site: Path) -> None:
    install(site, "PyYAML", "0.0.1")
    assert versions("pyyaml") == ["0.0.1"]


def test_a_left_over_folder_without_metadata_hides_nothing(site: Path) -> None:
    (site / "PyYAML-9.9.dist-info").mkdir()
    assert versions("pyyaml") not in ([], ["9.9"])


def test_an_install_during_the_session_is_seen(site: Path) -> None:
    before = capture_environment()
    install(site, "newcomer", "1.0")
    after = capture_environment()
    assert versions("newcomer") == ["1.0"]
    assert before.environment_id != after.environment_id


def test_an_import_is_flagged_at_once_and_leaves_the_id_alone(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(site, "dist-other-name", "1.0", files="rx_probe_module/__init__.py,sha256=x,1\n")
    (site / "rx_probe_module").mkdir()
    (site / "rx_probe_module/__init__.py").touch()
    before = capture_environment()
    __import__("rx_probe_module")
    after = capture_environment()
    monkeypatch.delitem(sys.modules, "rx_probe_module")
    flags = [{each.name: each.imported for each in env.packages}["dist-other-name"] for env in (before, after)]
    assert flags == [False, True]
    assert before.environment_id == after.environment_id
    assert "dist-other-name==1.0\n" in after.requirements
    assert "dist-other-name" not in before.requirements


def test_a_namespace_tells_its_distributions_apart(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for part in ("one", "two"):
        install(site, f"rxspace-{part}", "1.0", files=f"rxspace/{part}/__init__.py,sha256=x,1\n")
        (site / "rxspace" / part).mkdir(parents=True)
        (site / "rxspace" / part / "__init__.py").touch()
    __import__("rxspace.two")
    flags = {each.name: each.imported for each in capture_environment().packages}
    for name in ("rxspace", "rxspace.two"):
        monkeypatch.delitem(sys.modules, name)
    assert (flags["rxspace-one"], flags["rxspace-two"]) == (False, True)


def test_requirements_follow_what_is_needed_by_marker_and_without_extras(site: Path) -> None:
    needs = ("Leaf_Pkg>=1", "only-windows; sys_platform == 'never'", "for-extra; extra == 'all'", "not a ! requirement")
    install(site, "top-pkg", "1.0", needs=needs)
    for name in ("leaf.pkg", "only-windows", "for-extra"):
        install(site, name, "2.0", needs=("top_pkg",))
    by_name = {each.name: each for each in distributions.installed()}
    assert [each.name for each in distributions.needed(["top-pkg"], by_name)] == ["leaf-pkg", "top-pkg"]


def test_a_package_from_git_is_pinned_to_its_commit_without_the_token_in_its_address(site: Path) -> None:
    home = install(site, "from-git", "1.0", files="rx_from_git.py,sha256=x,1\n")
    origin = '{"url": "https://user:s3cret@host.example/x.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}}'
    (home / "direct_url.json").write_text(origin)
    (site / "rx_from_git.py").touch()
    __import__("rx_from_git")
    requirements = capture_environment().requirements
    del sys.modules["rx_from_git"]
    assert "from-git @ git+https://host.example/x.git@abc\n" in requirements


def test_lock_files_and_dockerfile_are_part_of_the_id(tmp_path: Path) -> None:
    bare = capture_environment(tmp_path)
    (tmp_path / "uv.lock").write_bytes(b"locked")
    (tmp_path / "requirements-dev.txt").write_bytes(b"pytest")
    (tmp_path / "environment.yml").mkdir()  # a folder of that name is no lock file
    locked = capture_environment(tmp_path)
    (tmp_path / "Dockerfile").write_text("FROM python:3.11\n")
    contained = capture_environment(tmp_path)
    digests = {
        name: hashlib.sha256(text).hexdigest()
        for name, text in (("uv.lock", b"locked"), ("requirements-dev.txt", b"pytest"))
    }
    assert locked.lock_files == digests
    assert contained.dockerfile == "FROM python:3.11\n"
    assert len({each.environment_id for each in (bare, locked, contained)}) == 3
    assert bare.environment_id == capture_environment().environment_id


def test_the_platform_names_no_kernel_release() -> None:
    import platform

    assert capture_environment().platform == f"{sys.platform}-{platform.machine().lower()}"


def test_three_hundred_packages_are_read_once_and_then_cost_next_to_nothing(site: Path) -> None:
    for number in range(300):
        files = "".join(f"package_{number}/module_{each}.py,sha256=0123456789abcdef,100\n" for each in range(200))
        install(site, f"package-{number}", "1.0", files=files, needs=("numpy",))
    took = []
    for _ in range(6):
        began = time.process_time()
        environment = capture_environment()
        took.append(time.process_time() - began)
    assert len(environment.packages) > 400
    assert took[0] < 10  # measured 0.2 s
    assert min(took[1:]) < took[0] / 5  # measured a hundredth


def test_hardware_is_told_without_an_error_and_the_same_every_time() -> None:
    hardware = capture_hardware()
    assert hardware is capture_hardware()
    assert hardware.cores > 0
    assert hardware.memory_bytes > 2**20
    assert len(hardware.hardware_id) == 64


URL = "https://user:s3cret@host.example/x"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
HASH = "ab" * 32
ORIGINS: dict[str, tuple[Any, str | None, str]] = {
    "vcs": (
        {"url": f"{URL}.git", "vcs_info": {"vcs": "git", "commit_id": COMMIT}, "subdirectory": "py"},
        f"git+https://host.example/x.git@{COMMIT}#subdirectory=py",
        f"rx-a @ git+https://host.example/x.git@{COMMIT}#subdirectory=py",
    ),
    "ssh": (
        {"url": "ssh://git@host.example/x.git", "vcs_info": {"vcs": "git", "commit_id": COMMIT}},
        f"git+ssh://git@host.example/x.git@{COMMIT}",
        f"rx-a @ git+ssh://git@host.example/x.git@{COMMIT}",
    ),
    "editable": (
        {"url": "file:///home/me/my%20code", "dir_info": {"editable": True}},
        "editable /home/me/my code",
        "# rx-a==1.0 was installed from /home/me/my code (editable)",
    ),
    "folder": (
        {"url": "file:///home/me/code", "dir_info": {}},
        "file /home/me/code",
        "# rx-a==1.0 was installed from /home/me/code",
    ),
    "file": (
        {"url": "file:///tmp/a-1.0.whl", "archive_info": {"hash": f"sha256={HASH}"}},
        f"file /tmp/a-1.0.whl#sha256={HASH}",
        f"# rx-a==1.0 was installed from /tmp/a-1.0.whl#sha256={HASH}",
    ),
    "archive": (
        {"url": f"{URL}/a-1.0.whl?token=t0ps3cret", "archive_info": {"hashes": {"sha256": HASH}}},
        f"https://host.example/x/a-1.0.whl?token=***#sha256={HASH}",
        f"rx-a @ https://host.example/x/a-1.0.whl?token=***#sha256={HASH}",
    ),
    "newline": (
        {"url": "file:///x%0Aevil==1", "dir_info": {}},
        "file /x\nevil==1",
        "# rx-a==1.0 was installed from /x evil==1",
    ),
    "nonsense": ({"url": 7, "vcs_info": []}, None, "rx-a==1.0"),
    "a list": ([1], None, "rx-a==1.0"),
}


def installed_from(site: Path, told: object, installer: str = "pip") -> tuple[Environment, Package]:
    """The environment with one imported distribution, by what an installer wrote of its origin."""
    home = install(site, "rx-a", "1.0", files="rx_a.py,,\n")
    (home / "INSTALLER").write_text(f"{installer}\n")
    (home / "direct_url.json").write_text(json.dumps(told))
    (site / "rx_a.py").touch()
    __import__("rx_a")
    made = capture_environment()
    del sys.modules["rx_a"]
    return made, next(each for each in made.packages if each.name == "rx-a")


@pytest.mark.parametrize("case", ORIGINS)
def test_a_package_says_where_it_came_from_and_the_requirements_say_it_to_pip(site: Path, case: str) -> None:
    told, origin, line = ORIGINS[case]
    made, package = installed_from(site, told)
    assert package.origin == origin
    assert line in made.requirements.splitlines()
    assert "s3cret" not in made.requirements


def test_a_package_of_conda_came_from_no_folder_of_this_machine(site: Path) -> None:
    told = {"url": "file:///croot/rx-a_1700000000000/work", "dir_info": {}}
    made, package = installed_from(site, told, "conda")
    assert package.origin is None
    assert "rx-a==1.0" in made.requirements.splitlines()


def test_every_line_of_the_requirements_is_one_that_pip_reads(site: Path) -> None:
    install(site, "rx-odd", "1.0-unknown?", files="rx_odd.py,,\n")
    (site / "rx_odd.py").touch()
    __import__("rx_odd")
    lines = capture_environment().requirements.splitlines()
    del sys.modules["rx_odd"]
    assert "# rx-odd==1.0-unknown? is no requirement that pip reads" in lines
    pinned = {Requirement(line).name for line in lines if not line.startswith("#")}
    assert {"pytest", "packaging"} <= pinned
    assert any(line.startswith("# renex-jupyter==") for line in lines)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (ORIGINS["vcs"][0], {**ORIGINS["vcs"][0], "vcs_info": {"vcs": "git", "commit_id": "f" * 40}}, False),
        (ORIGINS["vcs"][0], {**ORIGINS["vcs"][0], "url": "https://elsewhere.example/fork.git"}, True),
        (ORIGINS["file"][0], {**ORIGINS["file"][0], "archive_info": {"hash": f"sha256={'cd' * 32}"}}, False),
        (ORIGINS["file"][0], {**ORIGINS["file"][0], "url": "file:///elsewhere/a-1.0.whl"}, True),
        (ORIGINS["folder"][0], {"url": "file:///elsewhere", "dir_info": {"editable": True}}, True),
    ],
    ids=["commit", "address", "hash", "place", "folder"],
)
def test_a_commit_and_a_hash_count_for_the_id_and_a_place_does_not(
    site: Path, one: object, other: object, same: bool
) -> None:
    home = install(site, "rx-a", "1.0")
    ids = []
    for told in (one, other):
        (home / "direct_url.json").write_text(json.dumps(told))
        os.utime(site, ns=(0, len(ids)))  # an installer changes the folder
        ids.append(capture_environment().environment_id)
    assert (ids[0] == ids[1]) is same


def test_what_pins_is_a_lock_file_wherever_it_is_looked_for(tmp_path: Path) -> None:
    pins = (
        *("uv.lock", "poetry.lock", "pdm.lock", "pixi.lock", "pylock.toml", "pylock.dev.toml", "Pipfile.lock"),
        *("conda-lock.yml", "conda-lock.yaml", "conda-linux-64.lock", "environment.yml", "environment.yaml"),
        *("requirements.txt", "requirements-dev.txt", "requirements/base.txt", "constraints.txt"),
    )
    others = ("Pipfile", "pixi.toml", "pyproject.toml", "yarn.lock", "sub/uv.lock", "requirements/.env.txt")
    for name in (*pins, *others):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    (tmp_path.parent / f"{tmp_path.name}-outside.txt").write_text("x")
    (tmp_path / "requirements-link.txt").symlink_to(f"../{tmp_path.name}-outside.txt")
    assert set(capture_environment(tmp_path).lock_files or {}) == set(pins)
    nearby = capture_environment(tmp_path, beside=tmp_path / "sub").lock_files
    assert set(nearby or {}) == {*pins, "sub/uv.lock"}
    elsewhere = capture_environment(tmp_path / "sub", beside=tmp_path).lock_files
    assert set(elsewhere or {}) == {"uv.lock"}
