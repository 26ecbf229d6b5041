"""Virtual environments: built of real wheels with pip and with uv, once, by one of many, and whole or not at all."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from small_wheels import small_wheel

from renex_jupyter.config import settings
from renex_jupyter.errors import RenexError
from renex_jupyter.tasks import installers
from renex_jupyter.tasks.venvs import MARKER, Venv, VenvOrder, build_venv, built, environments_folder

ENVIRONMENT = "0123456789abcdef" * 4
PYTHON = ".".join(map(str, sys.version_info[:3]))


@pytest.fixture(autouse=True)
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels, which is all that the machine's pip is set up to find; and a cache folder of its own."""
    folder = tmp_path / "wheels"
    small_wheel(folder, "rx_leaf")
    small_wheel(folder, "rx_stem", requires=("rx_leaf",))
    monkeypatch.setattr(settings(), "environments_folder", str(tmp_path / "cache"))
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture(params=["pip", "uv"])
def installer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each of both; without uv the machine looks as one that never had it."""
    if request.param == "uv" and installers.find_uv() is None:
        pytest.skip("uv is not installed: pip install uv")
    if request.param == "pip":
        hide_uv(monkeypatch)
    return request.param


def hide_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = os.environ["PATH"].split(os.pathsep)
    monkeypatch.setenv("PATH", os.pathsep.join(each for each in paths if not Path(each, "uv").exists()))
    monkeypatch.setitem(sys.modules, "uv", None)
    assert installers.find_uv() is None


def order(
    requirements: str = "rx_stem==1.0\nrx_leaf==1.0\n", *, complete: bool = True, python: str = PYTHON, **more
) -> VenvOrder:
    return VenvOrder(ENVIRONMENT, python, "CPython", requirements, complete, **more)


def silent(_line: str) -> None:
    """Listen to nothing."""


def says(venv: Venv, program: str) -> str:
    return subprocess.check_output([venv.python, "-I", "-c", program], text=True).strip()


def test_an_environment_holds_what_was_ordered_and_nothing_of_ours(installer: str) -> None:
    told: list[str] = []
    venv = build_venv(order(), told.append)
    assert (venv.installer, venv.cached, venv.version) == (installer, False, PYTHON)
    assert (
        says(venv, "import rx_stem, rx_leaf, sys; print(rx_stem.VERSION, rx_leaf.VERSION, sys.prefix)")
        == f"1.0 1.0 {venv.folder}"
    )
    assert says(venv, "import importlib.util as u; print(u.find_spec('duckdb'))") == "None"
    assert any("stem" in line for line in told)


def test_it_is_built_once(installer: str) -> None:
    first = build_venv(order(), silent)
    told: list[str] = []
    again = build_venv(order(), told.append)
    assert (again.folder, again.cached, told) == (first.folder, True, [])
    assert built(ENVIRONMENT) == (first.folder,)
    assert build_venv(order("rx_leaf==1.0\n"), silent).folder != first.folder


def test_what_is_needed_comes_along_only_where_the_requirements_are_not_complete(installer: str) -> None:
    found = "import importlib.util as u; print(u.find_spec('rx_leaf') is not None)"
    assert says(build_venv(order("rx_stem\n", complete=False), silent), found) == "True"
    assert says(build_venv(order("rx_stem==1.0\n", complete=True), silent), found) == "False"


def test_a_requirement_that_nobody_has_is_told_and_nothing_is_left(installer: str) -> None:
    with pytest.raises(RenexError, match=r"rx.nowhere") as caught:
        build_venv(order("rx_nowhere==3.1\n"), silent)
    assert caught.value.code == "environment_unavailable"
    assert "pip config list" in caught.value.hint
    assert [each for each in environments_folder().iterdir() if each.is_dir()] == []


def test_constraints_and_hashes_of_requirements_count(installer: str, index: Path) -> None:
    small_wheel(index, "rx_leaf", "2.0")
    made = build_venv(order("# constraint: rx_leaf<2\nrx_stem\n", complete=False), silent)
    assert says(made, "import rx_leaf; print(rx_leaf.VERSION)") == "1.0"
    with pytest.raises(RenexError, match=r"(?i)hash"):
        build_venv(order(f"rx_leaf==2.0 --hash=sha256:{'0' * 64}\n"), silent)


def test_a_folder_is_installed_in_place_or_as_it_is(installer: str, tmp_path: Path) -> None:
    wheel = small_wheel(tmp_path / "elsewhere", "rx_archive", "0.3")
    made = build_venv(order("", wheels=(), folders=((wheel, False),)), silent)
    assert says(made, "import rx_archive; print(rx_archive.VERSION)") == "0.3"


def test_a_folder_that_changed_is_built_anew(installer: str, tmp_path: Path) -> None:
    folder = fast_source(tmp_path / "own", "1")
    first = build_venv(order("", folders=((folder, False),)), silent)
    assert build_venv(order("", folders=((folder, False),)), silent).cached
    (folder / "rx_own.py").write_text("SAYS = 2")  # and nothing else: installers look at the project's file only
    again = build_venv(order("", folders=((folder, False),)), silent)
    assert (says(first, "import rx_own; print(rx_own.SAYS)"), again.cached) == ("1", False)
    assert says(again, "import rx_own; print(rx_own.SAYS)") == "2"


def test_only_an_image_is_made_anew_for_what_is_installed_in_place(tmp_path: Path) -> None:
    def keys() -> tuple[str, str]:
        made = order("", folders=((tmp_path, True),))
        return made.key, made.key_of_copies

    fast_source(tmp_path, "1")
    first = keys()
    for made in ("build/lib/x.py", "x.egg-info/PKG-INFO", "__pycache__/x.pyc", ".git/index", "venv/pyvenv.cfg"):
        (tmp_path / made).parent.mkdir(parents=True)
        (tmp_path / made).write_text("made by a tool")
    os.mkfifo(tmp_path / "pipe") if hasattr(os, "mkfifo") else None
    assert keys() == first
    (tmp_path / "rx_own.py").write_text("SAYS = 2")
    assert keys()[0] == first[0] and keys()[1] != first[1]


def fast_source(folder: Path, says: str) -> Path:
    """Return a source package whose backend needs nothing but Python."""
    folder.mkdir(exist_ok=True)
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "rx_own"\nversion = "1.0"\n'
    )
    (folder / "rx_own.py").write_text(f"SAYS = {says}")
    (folder / "backend.py").write_text(
        "import pathlib, sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from small_wheels import small_wheel\n"
        "def build_wheel(folder, *_args, **_kwargs):\n"
        "    code = pathlib.Path(__file__).with_name('rx_own.py').read_text()\n"
        "    return small_wheel(pathlib.Path(folder), 'rx_own', code=code).name\n"
    )
    return folder


def test_another_python_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    hide_uv(monkeypatch)
    with pytest.raises(RenexError, match=r"CPython 3\.2, which is not on this machine") as caught:
        build_venv(order(python="3.2.6"), silent)
    assert caught.value.code == "environment_unavailable"
    assert "python3.2" in caught.value.hint


def test_a_shim_that_starts_nothing_is_no_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hide_uv(monkeypatch)
    shim = tmp_path / "bin" / "python3.2"
    shim.parent.mkdir()
    shim.write_text("#!/bin/sh\necho 3.2.6 CPython /no\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(shim.parent), prepend=os.pathsep)
    with pytest.raises(RenexError, match="not on this machine"):
        build_venv(order(python="3.2"), silent)


def test_another_python_of_the_machine_is_taken(installer: str) -> None:
    other = next((each for each in ("3.12", "3.13", "3.10") if _runs(each)), None)
    if other is None:
        pytest.skip("there is no other Python on the PATH")
    made = build_venv(order("rx_leaf==1.0\n", python=other), silent)
    assert says(made, "import rx_leaf, sys; print('%d.%d' % sys.version_info[:2])") == other


def _runs(minor: str) -> bool:
    path = shutil.which(f"python{minor}")
    return bool(path) and subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0


def test_variables_that_point_elsewhere_do_not_lead_a_build_there(
    installer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_TARGET", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("PIP_USER", "1")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "nothing"))
    assert says(build_venv(order(), silent), "import rx_stem; print(rx_stem.VERSION)") == "1.0"
    assert not (tmp_path / "elsewhere").exists()


def test_without_its_interpreter_it_is_built_anew() -> None:
    first = build_venv(order(), silent)
    first.python.unlink()
    again = build_venv(order(), silent)
    assert (again.folder, again.cached) == (first.folder, False)
    assert says(again, "import rx_leaf; print(rx_leaf.VERSION)") == "1.0"


BUILDER = """
import json, sys
from pathlib import Path
from renex_jupyter.config import settings
from renex_jupyter.tasks.venvs import VenvOrder, build_venv
settings().environments_folder = sys.argv[1]
told = []
def echo(line):
    told.append(line)
    print(line, file=sys.stderr, flush=True)
folders = tuple((Path(each), False) for each in sys.argv[5:])
order = VenvOrder(sys.argv[2], sys.argv[3], "CPython", sys.argv[4], True, folders=folders)
made = build_venv(order, echo)
print(json.dumps({"folder": str(made.folder), "cached": made.cached, "told": told}))
"""


def builder(*folders: Path) -> subprocess.Popen[str]:
    words = [str(environments_folder()), ENVIRONMENT, PYTHON, order().requirements, *map(str, folders)]
    return subprocess.Popen(
        [sys.executable, "-c", BUILDER, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_of_several_processes_one_builds(installer: str) -> None:
    processes = [builder() for _ in range(3)]
    with ThreadPoolExecutor() as pool:
        answers = [json.loads(out) for out, _ in pool.map(lambda each: each.communicate(timeout=250), processes)]
    assert sorted(each["cached"] for each in answers) == [False, True, True]
    assert len({each["folder"] for each in answers}) == 1


def begun(folder: Path) -> Path:
    """Return the file that says so: beside the package, whose contents count for the name of what is built."""
    return folder.parent / "begun"


def slow_source(folder: Path) -> Path:
    """A package whose build says that it runs, and then never ends."""
    folder.mkdir()
    (folder / "pyproject.toml").write_text(
        "[build-system]\nrequires = []\nbuild-backend = 'slow'\nbackend-path = ['.']\n"
    )
    (folder / "slow.py").write_text(
        "import pathlib, time\n"
        "def build_wheel(*a, **k):\n"
        f"    pathlib.Path({str(begun(folder))!r}).touch()\n"
        "    time.sleep(600)\n"
    )
    return folder


def test_a_build_that_is_killed_in_the_middle_is_no_environment(installer: str, tmp_path: Path) -> None:
    source = slow_source(tmp_path / "slow")
    process = builder(source)
    try:
        deadline = time.monotonic() + 60
        while not begun(source).exists():
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        tools = psutil.Process(process.pid).children(recursive=True)
        (folder,) = (each for each in environments_folder().iterdir() if each.is_dir())
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (folder / MARKER).exists()
        assert built(ENVIRONMENT) == ()
    finally:
        process.kill()
        process.communicate()
        for each in tools:
            each.kill()
        psutil.wait_procs(tools, timeout=60)
    venv = build_venv(order(), silent)
    assert not venv.cached
    assert not folder.exists()
    assert built(ENVIRONMENT) == (venv.folder,)


def test_the_tool_of_a_killed_builder_keeps_others_out_as_long_as_it_writes(tmp_path: Path) -> None:
    source = slow_source(tmp_path / "slow")
    process = builder(source)
    second = None
    try:
        while not begun(source).exists():
            assert process.poll() is None
            time.sleep(0.05)
        tools = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
        process.wait()
        second = builder(source)
        assert second.stderr is not None
        assert "waiting" in second.stderr.readline()
        assert second.poll() is None
    finally:
        for each in (process, second):
            if each is not None:
                each.kill()
                each.communicate()
        for each in tools:
            each.kill()
        psutil.wait_procs(tools, timeout=60)


def test_an_interrupt_ends_the_tool_and_leaves_nothing(installer: str, tmp_path: Path) -> None:
    source = slow_source(tmp_path / "slow")
    process = builder(source)
    while not begun(source).exists():
        assert process.poll() is None
        time.sleep(0.05)
    tools = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert "KeyboardInterrupt" in errors
    _, alive = psutil.wait_procs(tools, timeout=60)
    for each in alive:
        each.kill()
    assert [each for each in environments_folder().iterdir() if each.is_dir()] == []
    assert alive == []
