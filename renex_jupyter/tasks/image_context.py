"""A Docker image with an environment in it. What goes in is fetched on this machine: the container needs no network."""

from __future__ import annotations

import hashlib
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from renex_jupyter.errors import RenexError
from renex_jupyter.ids import content_id
from renex_jupyter.tasks import installers
from renex_jupyter.tasks.daemon import connect
from renex_jupyter.tasks.images import build_image, image_id
from renex_jupyter.tasks.installers import Echo, run_tool, unavailable
from renex_jupyter.tasks.interpreters import find_interpreter, minor_of
from renex_jupyter.tasks.venvs import PACKAGES, VenvOrder, requirement_files

TAG = "renex-env:{id}-{key}"  # two that are built of other things at once must not take each other's name
HOME = "/opt/renex"
PYTHON = f"{HOME}/bin/python"
KEY = "renex.key"  # label: what the image was built of
ENVIRONMENT = "renex.environment_id"  # label
PLATFORMS = (
    "manylinux_2_28",
    "manylinux_2_27",
    "manylinux_2_17",
    "manylinux2014",
    "manylinux_2_12",
    "manylinux2010",
    "manylinux1",
)
SAYS = "Python of the base image: "
CHECK = (
    "import sys; v = '%d.%d' % sys.version_info[:2]; print('" + SAYS + "%d.%d.%d' % sys.version_info[:3]); "
    "sys.exit(None if v == '{minor}' else 'the base image has Python ' + v + ', the environment needs {minor}')"
)
# In two stages, since the wheels would stay in the image. A base image may lack pip: it runs out of its own wheel. A package
# may ask for 3.11.5 where the base has 3.11.2: the micro version is told, and not a reason to have no image. As few layers as
# can be, because some storage drivers copy all of an image for each.
DOCKERFILE = f"""\
FROM {{base}} AS build
COPY wheels /wheels
RUN python3 -c "{CHECK}" && python3 -m venv --without-pip {HOME} \\
    && PYTHONPATH=/wheels/{{pip}} {PYTHON} -m pip install --no-index --find-links /wheels --no-deps --no-cache-dir \\
       --disable-pip-version-check --root-user-action ignore --ignore-requires-python -r /wheels/requirements.txt
FROM {{base}}
COPY --from=build {HOME} {HOME}
ENV VIRTUAL_ENV={HOME} PATH={HOME}/bin:$PATH
"""


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is there."""

    tag: str
    seconds: float  # that it took to build it
    cached: bool
    version: str = ""  # of its Python, as far as the build told it


def build_on(base: str, order: VenvOrder, folder: Path, echo: Echo) -> Image:
    """Return an image with an environment on a base image, built unless it is there.

    Parameters
    ----------
    base : image that has `python3` of the same major and minor version, with its module venv.
    folder : an empty one for what is fetched.

    Raises
    ------
    RenexError : `docker_unavailable`, `environment_unavailable`, `not_found` for the base image.
    """
    key = content_id([order.key_of_copies, base])
    tag = TAG.format(id=order.environment_id[:12], key=key[:8])
    if _has(tag, key):
        return Image(tag, 0.0, cached=True)
    started = time.monotonic()
    wheels = fetch_wheels(order, folder / "wheels", echo)
    pip = _pip_wheel(order, folder / "pip", echo)
    listed = "".join(f"/wheels/{path.name}\n" for path in wheels)
    text = DOCKERFILE.format(base=base, minor=minor_of(order.python), pip=pip.name)
    files: dict[str, bytes | Path] = {f"wheels/{path.name}": path for path in (*wheels, pip)}
    files["wheels/requirements.txt"] = listed.encode()
    said: list[str] = []

    def listen(line: str) -> None:
        said.extend([line.partition(SAYS)[2].strip()] if line.startswith(SAYS) else [])
        echo(line)

    build_image(tag, echo=listen, dockerfile=text, files=files, labels=_labels(order.environment_id, key), again=True)
    return Image(tag, time.monotonic() - started, cached=False, version=next(iter(said), ""))


def build_as_told(environment_id: str, dockerfile: str, files: Mapping[str, bytes], echo: Echo) -> Image:
    """Return the image of an environment's own Dockerfile, built unless it is there.

    Parameters
    ----------
    files : what the Dockerfile can copy, by path.
    """
    held = [part for path, data in sorted(files.items()) for part in (path, hashlib.sha256(data).hexdigest())]
    key = content_id([dockerfile, *held])
    tag = TAG.format(id=environment_id[:12], key=key[:8])
    if _has(tag, key):
        return Image(tag, 0.0, cached=True)
    started = time.monotonic()
    try:
        build_image(tag, echo=echo, dockerfile=dockerfile, files=files, labels=_labels(environment_id, key), again=True)
    except RenexError as error:
        if error.code != "environment_unavailable":
            raise
        known = ", ".join(sorted(files)) or "nothing"
        hint = f"It can copy {known} only. To build the packages on another image: base_image=... (--base-image)."
        raise RenexError(error.code, error.message, f"{hint}\n{error.hint}") from error
    return Image(tag, time.monotonic() - started, cached=False)


def fetch_wheels(order: VenvOrder, folder: Path, echo: Echo) -> list[Path]:
    """Fetch or build the wheels of an environment for Linux and return them, those that were made here too.

    With an interpreter of the same version here, what comes as source is built; without one there must be wheels.
    """
    if not installers.has_pip():
        raise unavailable(
            "wheels for an image are fetched with pip, which is not here.", "Install it: python -m ensurepip"
        )
    folder.mkdir(parents=True)
    alone = ["--no-deps"] if order.complete else []
    some = any(line and not line.startswith("#") for line in order.requirements.splitlines())
    given = requirement_files(order, folder.parent) if some else []
    build = [*installers.pip(_interpreter(order)), "wheel", "--wheel-dir", str(folder)]
    if given:
        run_tool([*(_download(order, folder) or build), *alone, *given], PACKAGES, echo)
    for path, _ in order.folders:
        run_tool([*build, "--no-deps", str(path)], PACKAGES, echo)
    for path in order.wheels:
        (folder / path.name).write_bytes(path.read_bytes())
        if not order.complete:
            run_tool([*build, str(path)], PACKAGES, echo)
    return sorted(folder.glob("*.whl"))


def _interpreter(order: VenvOrder) -> str | None:
    """Return the interpreter that pip works for; None: ours, where the machine has none of that version."""
    try:
        return find_interpreter(order.python, order.implementation).path
    except RenexError:
        return None


def _download(order: VenvOrder, folder: Path) -> list[str] | None:
    """Return how wheels for another Python or another system are fetched; None: here they can be built."""
    if sys.platform == "linux" and _interpreter(order) is not None:
        return None
    machine = {"arm64": "aarch64", "amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    systems = [word for each in PLATFORMS for word in ("--platform", f"{each}_{machine}")]
    version = ["--python-version", minor_of(order.python), "--implementation", "cp", "--only-binary", ":all:"]
    return [*installers.pip(), "download", "--dest", str(folder), *version, *systems]


def _pip_wheel(order: VenvOrder, folder: Path, echo: Echo) -> Path:
    """Return a wheel of pip: the one that comes with the interpreter, else one from the index."""
    interpreter = _interpreter(order) or sys.executable
    ask = "import ensurepip as e, pathlib as p; print(*p.Path(e.__file__).parent.glob('_bundled/pip-*.whl'), sep='\\n')"
    done = subprocess.run([interpreter, "-I", "-c", ask], capture_output=True, text=True, check=False)
    if done.returncode == 0 and (found := done.stdout.strip()):
        return Path(found.splitlines()[0])
    run_tool([*installers.pip(), "download", "--no-deps", "--dest", str(folder), "pip"], PACKAGES, echo)
    return next(folder.glob("pip-*.whl"))


def _has(tag: str, key: str) -> bool:
    """Say whether the daemon has the image, built of just this."""
    client = connect()
    try:
        if image_id(client, tag) is None:
            return False
        labels = client.images.get(tag).labels
        return bool(labels.get(KEY) == key)
    finally:
        client.close()


def _labels(environment_id: str, key: str) -> dict[str, str]:
    return {KEY: key, ENVIRONMENT: environment_id}
