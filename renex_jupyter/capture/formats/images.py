"""The image files of a dataset: inside of its folder, hashed and measured."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from renex_jupyter.capture.formats.image_sizes import image_size
from renex_jupyter.errors import RenexError, from_os_error, invalid_argument, shown
from renex_jupyter.records.paths import to_text

SUFFIXES = frozenset([".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"])
SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
READERS = 4  # hashing waits for the disk as often as for the processor
TOLD = 5  # faults that a message names
MISSING = "Put the images where the annotations say, or give the folder that holds both."
OUTSIDE = "A dataset names files of its own folder only. Move the images into it, or give the folder above."


@dataclass(frozen=True, slots=True)
class Image:
    """An image file as it is now."""

    path: str  # from the folder of the dataset, with slashes
    sha256: str
    width: int | None  # pixels; None: no size that we can read
    height: int | None


def inside(root: Path, text: object, place: str) -> str:
    """Return a path that a file of a dataset names, from the folder of the dataset and with slashes.

    Parameters
    ----------
    place : where it is named, for the message.

    Raises
    ------
    RenexError : `unsafe_path` for one that leads out of the folder, by its words or by a link; `invalid_argument` for none.
    """
    if not isinstance(text, str) or not text or "\0" in text:
        raise invalid_argument(
            f"{place}: {shown(text)} is no path.", "Write the path of a file from the dataset's folder."
        )
    path, windows = PurePosixPath(text), PureWindowsPath(text)
    if path.is_absolute() or windows.drive or ".." in path.parts or ".." in windows.parts:
        raise RenexError("unsafe_path", f"{place}: {shown(text)} leads out of {root}.", OUTSIDE)
    if not Path(os.path.realpath(root / path)).is_relative_to(os.path.realpath(root)):
        raise RenexError("unsafe_path", f"{place}: {shown(text)} is a link that leads out of {root}.", OUTSIDE)
    return path.as_posix()


def find_images(root: Path, folder: str = "") -> list[str]:
    """Return the images below a folder of a dataset, from the dataset's folder, ordered; links to folders are not followed."""
    found = []
    for at, folders, names in os.walk(root / folder):
        folders[:] = [each for each in folders if not each.startswith(".")]
        found += [
            (Path(at) / name).relative_to(root).as_posix()
            for name in names
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith(".")
        ]
    return sorted(found)


def look_at(root: Path, named: Iterable[tuple[str, str]]) -> dict[str, Image]:
    """Hash and measure images.

    Parameters
    ----------
    named : path from the folder, and where it is named, for the message.

    Returns
    -------
    The images by path.

    Raises
    ------
    RenexError : `not_found` for images that are not there, with who names them; `permission`; `unsafe_path`.
    """
    places = dict(named)
    for path, place in places.items():
        inside(root, path, place)
    with ThreadPoolExecutor(READERS) as readers:
        looked = dict(zip(places, readers.map(lambda path: _look(root, path), places), strict=True))
    missing = [f"{place}: '{path}'" for path, place in places.items() if looked[path] is None]
    if missing:
        raise faults(missing, "is not there", "images are not there", MISSING, code="not_found")
    return {path: image for path, image in looked.items() if image is not None}


def faults(told: Sequence[str], one: str, many: str, hint: str, *, code: str = "invalid_argument") -> RenexError:
    """Return the error of something that is wrong in some places, of which the first are named."""
    if len(told) == 1:
        return RenexError(code, f"{told[0]} {one}.", hint)
    rest = f" and {len(told) - TOLD:,} more" if len(told) > TOLD else ""
    return RenexError(code, f"{len(told):,} {many}: {'; '.join(told[:TOLD])}{rest}.", hint)


def _look(root: Path, path: str) -> Image | None:
    try:
        with (root / path).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            width, height = image_size(file) or (None, None)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None
    except OSError as error:
        raise from_os_error(error, f"the image {path} cannot be read") from error
    return Image(to_text(path), digest, width, height)
