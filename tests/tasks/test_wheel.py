"""The wheel of the running package: installed elsewhere it is the same package."""

import base64
import csv
import hashlib
import io
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import renex_jupyter
from renex_jupyter.tasks.wheel import make_wheel

HOME = Path(renex_jupyter.__file__).parent


def test_it_is_made_the_same_twice(tmp_path: Path) -> None:
    one, other = make_wheel(tmp_path / "a"), make_wheel(tmp_path / "b")
    assert one.name == f"renex_jupyter-{metadata.version('renex_jupyter')}-py3-none-any.whl"
    assert one.read_bytes() == other.read_bytes()


def test_its_record_is_true_of_every_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(make_wheel(tmp_path)) as wheel:
        names = wheel.namelist()
        record = next(each for each in names if each.endswith(".dist-info/RECORD"))
        rows = list(csv.reader(io.StringIO(wheel.read(record).decode())))
        assert sorted(row[0] for row in rows) == sorted(names)
        for name, digest, size in rows:
            if name != record:
                data = wheel.read(name)
                expected = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
                assert (digest, size) == (f"sha256={expected}", str(len(data)))


def test_nothing_that_was_compiled_goes_along(tmp_path: Path) -> None:
    with zipfile.ZipFile(make_wheel(tmp_path)) as wheel:
        assert not [each for each in wheel.namelist() if "__pycache__" in each or each.endswith(".pyc")]


def test_installed_elsewhere_it_is_the_same_package(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    target = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", target], check=True)
    python = target / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel]
    subprocess.run(command, check=True, capture_output=True)
    site = next(target.glob("lib/python*/site-packages"))
    theirs = {path.relative_to(site / "renex_jupyter"): path.read_bytes() for path in _files(site / "renex_jupyter")}
    assert theirs == {path.relative_to(HOME): path.read_bytes() for path in _files(HOME)}
    told = subprocess.check_output([python, "-I", "-c", "import renex_jupyter as rx; print(rx.__version__)"], text=True)
    assert told.strip() == metadata.version("renex_jupyter")
    assert (target / "bin" / "renex").exists()
    for path in (
        "jupyter/labextensions/renex-jupyter/package.json",
        "jupyter/labextensions/renex-jupyter/install.json",
    ):
        assert (target / "share" / path).is_file()
    assert (target / "etc/jupyter/jupyter_server_config.d/renex_jupyter.json").is_file()
    needs = subprocess.check_output(
        [python, "-I", "-c", "from importlib.metadata import requires; print(*requires('renex_jupyter'), sep='\\n')"],
        text=True,
    )
    assert needs.split("\n")[:-1] == metadata.requires("renex_jupyter")


def _files(folder: Path) -> list[Path]:
    return [
        each
        for each in folder.rglob("*")
        if each.is_file() and "__pycache__" not in each.parts and each.suffix != ".pyc"
    ]
