"""Images of the Docker daemon: look for one, fetch it, build one; what the daemon says of it goes to an echo."""

from __future__ import annotations

import io
import queue
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from renex_jupyter.config import settings
from renex_jupyter.errors import RenexError, invalid_argument
from renex_jupyter.tasks.daemon import connect, told

if TYPE_CHECKING:
    from docker import DockerClient

Echo = Callable[[str], None]
Step = Mapping[str, Any]  # one line of JSON of the daemon
SILENCE = 120.0  # seconds between two words of a download that has begun
BASE_HINT = "Another base: --docker IMAGE --env NAME, --base-image of renex env build, or the setting Renex.base_image."
LINES_OF_FAILURE = 15  # last lines of a build that an error repeats


def image_id(client: DockerClient, name: str) -> str | None:
    """Return the id of an image that the daemon has; None when it has none of this name.

    Raises
    ------
    RenexError : `docker_unavailable`; `invalid_argument` for what is no name of an image.
    """
    from docker.errors import ImageNotFound, NotFound

    if not name or name.startswith("-") or any(each.isspace() for each in name):
        raise invalid_argument(f"{name!r} is no name of an image.", "Example: python:3.12-slim")
    try:
        api: Any = client.api  # its types leave this one out
        return str(api.inspect_image(name)["Id"])
    except (ImageNotFound, NotFound):
        return None
    except Exception as error:  # docker-py passes on what `requests` raises
        raise told(error, f"the image {name} cannot be looked for") from error


def require_image(client: DockerClient, name: str) -> str:
    """Return the id of an image that is there.

    Raises
    ------
    RenexError : `not_found` with the way to get it; as `image_id`.
    """
    found = image_id(client, name)
    if found is None:
        raise _missing(name, "The Docker daemon has no such image")
    return found


def id_of_image(name: str) -> str:
    """Return the id of an image that is there, asked of the daemon that is in force; as `require_image`."""
    client = connect()
    try:
        return require_image(client, name)
    finally:
        client.close()


def fetch_image(client: DockerClient, name: str, echo: Echo) -> str:
    """Return the id of an image, downloaded where the daemon has not got it.

    Parameters
    ----------
    echo : gets a line for each layer that begins and ends. An interrupt of the caller ends the download.

    Raises
    ------
    RenexError : `not_found` when no registry gives it, or none says a word within `settings().docker_timeout` seconds, or
        the download stands still for two minutes.
    """
    if (found := image_id(client, name)) is not None:
        return found
    echo(f"{name} is not here yet; Docker fetches it\n")
    repository, tag = _split(name)
    patience, answered, told_of = settings().docker_timeout, False, set[str]()
    try:
        for step in _patiently(lambda: client.api.pull(repository, tag=tag, stream=True, decode=True), patience):
            if "error" in step:
                raise _missing(name, str(step["error"]).rstrip("."))
            answered = True
            line = f"{step['id']}: {step.get('status', '')}" if step.get("id") else str(step.get("status", ""))
            if line not in told_of and "progress" not in step:
                told_of.add(line)
                echo(f"{line}\n")
    except TimeoutError as error:
        seconds = SILENCE if answered else patience
        raise _missing(name, f"the registry said nothing for {seconds:g} seconds") from error
    except RenexError:
        raise
    except Exception as error:  # docker-py passes on what `requests` raises
        raise _missing(name, told(error, "it cannot be fetched").message.rstrip(".")) from error
    return require_image(client, name)


def build_image(
    tag: str,
    *,
    echo: Echo,
    dockerfile: str | None = None,
    files: Mapping[str, bytes | Path] | None = None,
    context: Path | None = None,
    labels: Mapping[str, str] | None = None,
    again: bool = False,
) -> str:
    """Return the id of an image, built where the daemon has none of this tag.

    Parameters
    ----------
    tag : name of the image, such as "renex-env:0123456789ab-01234567".
    echo : gets what the build says, line by line. An interrupt of the caller ends the build.
    dockerfile : text of the Dockerfile; None: `Dockerfile` in `context`.
    files : what the Dockerfile can copy, by path in the context; not together with `context`.
    context : folder that the Dockerfile can copy from; its `.dockerignore` counts.
    again : build it also where the tag is there.

    Raises
    ------
    RenexError : `docker_unavailable`; `environment_unavailable` with the last lines of a build that failed;
        `invalid_argument`, `not_found` for a context that is none.
    """
    client = connect()
    try:
        if not again and (found := image_id(client, tag)) is not None:
            return found
        given = _context(dockerfile, files, context)
        try:
            # A step can be silent for as long as it takes: no limit, but an interrupt closes the connection, and that ends it.
            steps = client.api.build(
                tag=tag, rm=True, forcerm=True, decode=True, timeout=None, labels=dict(labels or {}), **given
            )
            _follow(steps, tag, echo)
        except RenexError:
            raise
        except Exception as error:  # docker-py passes on what `requests` raises
            raise told(error, f"the image {tag} cannot be built") from error
        return require_image(client, tag)
    finally:
        client.close()


def _follow(steps: Iterator[Step], tag: str, echo: Echo) -> None:
    """Tell what a build says until its end."""
    said: list[str] = []
    for step in steps:
        if "error" in step:
            lines = "".join(said).splitlines()[-LINES_OF_FAILURE:]
            fact = f"the image {tag} cannot be built: {str(step['error']).strip()}."
            raise RenexError("environment_unavailable", fact, "\n".join([BASE_HINT, "It said last:", *lines]))
        if text := str(step.get("stream") or ""):
            said = [*said[-200:], text]
            echo(text)


def _context(dockerfile: str | None, files: Mapping[str, bytes | Path] | None, context: Path | None) -> dict[str, Any]:
    """Return what docker-py takes as the context of a build."""
    if context is not None and not files:
        if not context.is_dir():
            raise RenexError("not_found", f"no folder {context} to build an image from.", "Give a folder that exists.")
        if dockerfile is None and not (context / "Dockerfile").is_file():
            raise RenexError("not_found", f"no Dockerfile in {context}.", "Write one, or give its text.")
        if dockerfile is None:
            return {"path": str(context)}
        return {"fileobj": _tar_of_folder(context, dockerfile), "custom_context": True}
    if context is not None or dockerfile is None:
        raise invalid_argument("an image is built from a folder, or from a Dockerfile's text with files.", "Give one.")
    return {"fileobj": _tar({"Dockerfile": dockerfile.encode(), **(files or {})}), "custom_context": True}


def _tar_of_folder(context: Path, dockerfile: str) -> io.BytesIO:
    """Return a folder with another Dockerfile; files are read into memory, so it is for small folders."""
    from docker.utils.build import exclude_paths

    ignore = context / ".dockerignore"
    patterns = ignore.read_text().splitlines() if ignore.is_file() else []
    kept = [line.strip() for line in patterns if line.strip() and not line.startswith("#")]
    found = {each: context / each for each in exclude_paths(str(context), kept) if (context / each).is_file()}
    return _tar(
        {**{PurePosixPath(each).as_posix(): path for each, path in found.items()}, "Dockerfile": dockerfile.encode()}
    )


def _tar(files: Mapping[str, bytes | Path]) -> io.BytesIO:
    """Return a tar of files; the same files give the same bytes, so that Docker finds what it has built before."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, given in sorted(files.items()):
            data = given if isinstance(given, bytes) else given.read_bytes()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.mode = 0o644 if isinstance(given, bytes) else given.stat().st_mode & 0o777
            tar.addfile(info, io.BytesIO(data))
    stream.seek(0)
    return stream


def _patiently(begin: Callable[[], Iterator[Step]], patience: float) -> Iterator[Step]:
    """Give the steps of a download; the first within `patience` seconds, and each other within two minutes.

    Raises
    ------
    TimeoutError, and what the download raises.
    """
    steps: queue.Queue[Step | Exception | None] = queue.Queue()
    opened: list[Any] = []

    def read() -> None:
        try:
            opened.append(begin())
            for step in opened[0]:
                steps.put(step)
            steps.put(None)
        except Exception as error:  # noqa: BLE001  raised again by whoever waits
            steps.put(error)

    threading.Thread(target=read, name="renex-pull", daemon=True).start()
    while True:
        try:
            step = steps.get(timeout=patience)
        except queue.Empty:
            raise TimeoutError from None
        if step is None:
            return
        if isinstance(step, Exception):
            raise step
        yield step
        patience = SILENCE


def _split(name: str) -> tuple[str, str]:
    """Return repository and tag, or digest; without one it is `latest`, not all tags that there are."""
    if "@" in name:
        repository, _, digest = name.partition("@")
        return repository, digest
    repository, _, tag = name.rpartition(":")
    return (repository, tag) if repository and "/" not in tag else (name, "latest")


def _missing(name: str, why: str) -> RenexError:
    hint = f"docker pull {name}, or build it: docker build -t {name} ."
    return RenexError("not_found", f"no image '{name}': {why[:1].lower()}{why[1:]}.", hint)
