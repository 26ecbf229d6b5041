"""The built wheel and sdist, as a user installs them."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
DATA = "renex_jupyter-{version}.data/data/"
SHARED = (
    "share/jupyter/labextensions/renex-jupyter/package.json",
    "share/jupyter/labextensions/renex-jupyter/install.json",
    "share/jupyter/labextensions/renex-jupyter/static/style.js",
    "share/jupyter/labextensions/renex-jupyter/schemas/renex-jupyter/plugin.json",
    "etc/jupyter/jupyter_server_config.d/renex_jupyter.json",
    "etc/ipython/startup/50-renex_jupyter.py",
)


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(  # noqa: PLW1510  the output explains a failure better
        list(map(str, command)), cwd=cwd, env=os.environ | environment, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a checkout holds, with the labextension built, away from the working tree."""
    built = ROOT / "renex_jupyter" / "labextension"
    assert (built / "static" / "style.js").exists(), "the labextension is not built: make lab"
    copy = tmp_path_factory.mktemp("source") / "renex_jupyter"
    ignored = shutil.ignore_patterns(".venv", ".git", "node_modules", "lib", ".*_cache", "__pycache__", "artefacts")
    shutil.copytree(ROOT, copy, ignore=ignored)
    return copy


@pytest.fixture(scope="module")
def without_node(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH on which there is no Node."""
    return str(tmp_path_factory.mktemp("empty"))


@pytest.fixture(scope="module")
def sdist(source: Path, tmp_path_factory: pytest.TempPathFactory, without_node: str) -> Path:
    out = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", out, cwd=source, PATH=without_node)
    return next(out.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory, without_node: str) -> Path:
    """The wheel, built from the sdist as pip does, where no Node is installed."""
    out = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", out, sdist,
        cwd=out, PATH=without_node)  # fmt: skip
    return next(out.glob("*.whl"))


def test_the_sdist_holds_the_built_labextension_and_no_node_modules(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = archive.getnames()
    assert any(name.endswith("renex_jupyter/labextension/static/style.js") for name in names)
    assert not [name for name in names if "node_modules" in name or "/.venv/" in name or name.endswith(".pyc")]


def test_the_wheel_carries_its_data_files(wheel: Path) -> None:
    version = wheel.name.split("-")[1]
    names = zipfile.ZipFile(wheel).namelist()
    assert {DATA.format(version=version) + name for name in SHARED} <= set(names)
    assert "renex_jupyter/py.typed" in names
    assert wheel.stat().st_size < 2_000_000  # bytes


@pytest.fixture(scope="module")
def fresh(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel; its dependencies are those of this one, on the path behind it."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder / "venv", symlinks=True, with_pip=False)
    python = folder / "venv" / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return folder


def test_a_fresh_environment_finds_all_parts(fresh: Path) -> None:
    python = fresh / "venv" / "bin" / "python"
    home = {"HOME": str(fresh), "JUPYTER_CONFIG_DIR": str(fresh / "config"), "JUPYTER_NO_CONFIG": ""}
    for name in SHARED:
        assert (fresh / "venv" / name).exists()
    where = run(python, "-c", "import renex_jupyter; print(renex_jupyter.__file__)", cwd=fresh)
    assert where.startswith(str(fresh))

    listed = run(python, "-m", "jupyter", "labextension", "list", cwd=fresh, **home)
    (line,) = [line for line in listed.splitlines() if "renex-jupyter" in line]
    assert "enabled" in line
    assert "OK" in line
    assert "(python, renex_jupyter)" in line

    listed = run(python, "-m", "jupyter", "server", "extension", "list", cwd=fresh, **home)
    assert "renex_jupyter" in listed
    (verdict,) = [line for line in listed.splitlines() if "renex_jupyter " in line and "OK" in line]
    assert verdict


def test_a_fresh_shell_knows_the_magics_without_importing_us(fresh: Path) -> None:
    python = fresh / "venv" / "bin" / "python"
    ask = "import sys; m = get_ipython().magics_manager.magics\n"
    ask += "print([n in m['line'] for n in ('snapshot', 'task', 'rxsql', 'renex')], 'renex_jupyter' in sys.modules)"
    quiet = {"HOME": str(fresh), "IPYTHONDIR": str(fresh / "ipython")}
    assert "[True, True, True, True] False" in run(python, "-m", "IPython", "-c", ask, cwd=fresh, **quiet)
    off = run(python, "-m", "IPython", "-c", ask, cwd=fresh, RENEX_AUTOLOAD="0", **quiet)
    assert "[False, False, False, False] False" in off
