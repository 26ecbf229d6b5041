from __future__ import annotations

import hashlib
import sys
import time
from pathlib import Path

import pytest

from renex_jupyter.capture import distributions
from renex_jupyter.capture.environment import capture_environment
from renex_jupyter.capture.hardware import capture_hardware


def install(folder: Path, name: str, version: str, *, files: str = "", needs: tuple[str, ...] = ()) -> Path:
    """Lay down what an installer would, without running one."""
    home = folder / f"{name}-{version}.dist-info"
    home.mkdir(parents=True)
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
    began = time.perf_counter()
    environment = capture_environment()
    cold = time.perf_counter() - began
    began = time.perf_counter()
    assert capture_environment() == environment
    warm = time.perf_counter() - began
    assert len(environment.packages) > 400
    assert cold < 1.0  # measured 0.12 to 0.21 s; the limit leaves room for a loaded machine
    assert warm < cold / 5


def test_hardware_is_told_without_an_error_and_the_same_every_time() -> None:
    hardware = capture_hardware()
    assert hardware is capture_hardware()
    assert hardware.cores > 0
    assert hardware.memory_bytes > 2**20
    assert len(hardware.hardware_id) == 64
