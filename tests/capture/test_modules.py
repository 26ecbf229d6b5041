from __future__ import annotations

import hashlib
import importlib.util
import sys
import time
import types
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from renex_jupyter.capture.files import capture_files
from renex_jupyter.capture.modules import local_modules, running_script

OUTSIDE = "outside the project"


@pytest.fixture
def root(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project folder from which, and from beside which, modules can be imported; they are forgotten in the end."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name, module in list(sys.modules.items()):  # what other tests imported from folders of theirs is none of a user
        if str(vars(module).get("__file__")).startswith(str(tmp_path_factory.getbasetemp())):
            monkeypatch.delitem(sys.modules, name)
    before = set(sys.modules)
    for each in (folder, tmp_path / "common", folder / "lib"):
        monkeypatch.syspath_prepend(str(each))
    importlib.invalidate_caches()
    yield folder
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def told(root: Path, *editable: str) -> dict[str, str]:
    """What is outside, without this test itself and its neighbours."""
    found = local_modules(root, (str(Path(__file__).parents[2]), *editable))
    return {each.path: each.reason for each in found.outside}


def test_what_was_imported_from_the_project_is_named_and_nothing_else(root: Path) -> None:
    write(root / "rx_helper.py")
    write(root / "lib/rx_pack/__init__.py")
    write(root / "lib/rx_pack/deep/mod.py")  # a namespace in a package
    write(root / "lib/rx_pack/never.py")
    for name in ("rx_helper", "rx_pack.deep.mod"):
        importlib.import_module(name)
    assert local_modules(root).inside == ("lib/rx_pack/__init__.py", "lib/rx_pack/deep/mod.py", "rx_helper.py")


def test_installed_packages_are_not_code_of_the_project_that_they_lie_in(root: Path) -> None:
    for number, folder in enumerate(("env/lib/python3.11/site-packages", "vendor/dist-packages")):
        write(root / folder / f"rx_installed_{number}.py")
        sys.path.insert(0, str(root / folder))
        importlib.import_module(f"rx_installed_{number}")
        sys.path.pop(0)
    assert local_modules(root).inside == ()


def test_a_compiled_module_of_the_project_counts(root: Path) -> None:
    compiled = root / f"build/rx_compiled{EXTENSION_SUFFIXES[0]}"
    write(compiled)
    module = types.ModuleType("rx_compiled")
    module.__file__ = str(compiled)
    sys.modules["rx_compiled"] = module
    assert local_modules(root).inside == (compiled.relative_to(root).as_posix(),)


def test_a_helper_beside_the_project_is_told_once_for_its_whole_package(root: Path) -> None:
    write(root.parent / "common/rx_lib.py")
    write(root.parent / "common/rx_kit/__init__.py")
    write(root.parent / "common/rx_kit/a/b.py")
    for name in ("rx_lib", "rx_kit.a.b"):
        importlib.import_module(name)
    assert told(root) == {"../common/rx_kit": OUTSIDE, "../common/rx_lib.py": OUTSIDE}
    assert local_modules(root).inside == ()


def test_an_editable_distribution_and_the_libraries_of_python_are_not_told(root: Path) -> None:
    write(root.parent / "common/rx_lib.py")
    importlib.import_module("rx_lib")
    assert told(root, str(root.parent / "common")) == {}


def test_a_module_behind_a_link_is_where_its_file_is(root: Path) -> None:
    write(root.parent / "elsewhere/rx_linked.py")
    (root / "lib").symlink_to(root.parent / "elsewhere")
    importlib.import_module("rx_linked")
    assert told(root) == {"../elsewhere/rx_linked.py": OUTSIDE}
    assert local_modules(root).inside == ()


def test_a_module_whose_file_is_gone_is_passed_over(root: Path) -> None:
    path = write(root / "rx_gone.py")
    importlib.import_module("rx_gone")
    assert local_modules(root).inside == ("rx_gone.py",)
    path.unlink()
    assert local_modules(root).inside == ()


class Raising(types.ModuleType):
    @property
    def __file__(self) -> str:  # type: ignore[override]
        raise RuntimeError

    def __getattribute__(self, name: str) -> object:
        raise RuntimeError(name)


class NoDict:
    __slots__ = ()


def test_odd_modules_break_nothing_and_are_not_woken(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root / "rx_lazy.py", "raise RuntimeError('loaded')")
    spec = importlib.util.spec_from_file_location("rx_lazy", root / "rx_lazy.py")
    assert spec is not None
    assert spec.loader is not None
    spec.loader = importlib.util.LazyLoader(spec.loader)
    lazy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lazy)
    bytes_file = types.ModuleType("rx_bytes")
    bytes_file.__file__ = b"x.py"  # type: ignore[assignment]
    odd = {"rx_lazy": lazy, "rx_raising": Raising("x"), "rx_none": None, "rx_slots": NoDict(), "rx_bytes": bytes_file}
    for name, module in odd.items():
        monkeypatch.setitem(sys.modules, name, module)  # type: ignore[arg-type]
    assert local_modules(root).inside == ("rx_lazy.py",)
    with pytest.raises(RuntimeError, match="loaded"):
        lazy.anything  # noqa: B018


def test_a_module_that_was_loaded_by_hand_is_told_by_its_file(root: Path) -> None:
    path = write(root.parent / "common/rx_file.py")
    spec = importlib.util.spec_from_file_location("some.other.name", path)
    assert spec is not None
    sys.modules["some.other.name"] = importlib.util.module_from_spec(spec)
    assert told(root) == {"../common/rx_file.py": OUTSIDE}


def test_the_running_script_is_code_wherever_it_lies_in_the_project(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = types.ModuleType("__main__")
    script.__file__ = str(write(root / "jobs/train.py"))
    monkeypatch.setitem(sys.modules, "__main__", script)
    found = local_modules(root)
    assert found.inside == ("jobs/train.py",)
    assert running_script(found, root) == "jobs/train.py"
    script.__file__ = str(write(root.parent / "other/train.py"))
    found = local_modules(root)
    assert running_script(found, root) is None
    assert told(root) == {"../other/train.py": OUTSIDE}
    script.__file__ = str(write(root.parent / "bin/pytest"))  # a program that imports the user's code
    assert told(root) == {}


def test_two_thousand_modules_cost_next_to_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2000):
        module = types.ModuleType(f"rx_many_{number}")
        inside = number < 200
        folder = root / "lib" if inside else root / "env/site-packages"
        module.__file__ = str(folder / f"rx_many_{number}.py")
        if inside:
            write(folder / f"rx_many_{number}.py")
        monkeypatch.setitem(sys.modules, module.__name__, module)
    assert len(local_modules(root).inside) == 200
    took = []
    for _ in range(5):
        began = time.perf_counter()
        local_modules(root)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.2  # measured 3 ms


def test_an_ignored_module_is_kept_but_not_one_of_a_secret_name_or_that_was_purged(root: Path) -> None:
    write(root / ".gitignore", "build/\n*.gen.py\n")
    paths = ("build/lib/a.py", "build/unused.py", "b.gen.py", "build/.ssh/c.py", "build/id_rsa.py", "build/gone.py")
    for path in paths:
        write(root / path, path)
    purged = hashlib.sha256(b"build/gone.py").hexdigest()
    imported = [path for path in paths if "unused" not in path]
    for _ in range(2):  # the second time folders are known
        tree = capture_files(root, None, max_file_size=1000, timeout=60, purged=[purged], imported=imported)
        kept = {each.path: each.sha256 for each in tree.entries}
        assert set(kept) == {".gitignore", "build/lib/a.py", "b.gen.py", "build/gone.py"}
        assert kept["build/gone.py"] is None
        assert {each.path: each.reason for each in tree.left_out} == {
            "build/.ssh": "secret",
            "build/id_rsa.py": "secret",
            "build/gone.py": "purged",
        }
    tree = capture_files(root, None, max_file_size=1000, timeout=60)
    assert [each.path for each in tree.entries] == [".gitignore"]
