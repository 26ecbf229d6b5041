"""Datasets of images, read and written by a process of their own (process.py), which alone opens the user's files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from renex_jupyter.errors import RenexError, from_os_error

COMMAND = (
    "-X",
    "utf8",
    "-P",
    "-m",
    "renex_jupyter.capture.formats.process",
)  # -P: a json.py of the project is not imported
COCO, YOLO, VOC, IMAGE_FOLDER = "coco", "yolo", "voc", "imagefolder"
FORMATS = (COCO, YOLO, VOC, IMAGE_FOLDER)


@dataclass(frozen=True, slots=True)
class ImageTables:
    """The tables of a dataset of images, as Parquet."""

    format: str  # one of FORMATS
    task: str  # "detection"; of folders of classes "classification"
    root: Path  # from which the paths of the images go
    samples: Path  # _key (the path of the image), image, width, height, sha256, split, label and what else there is
    annotations: Path | None  # in the columns of rows.ANNOTATION_COLUMNS; None: there is none
    classes: tuple[str, ...]  # those that the format declares, in its order
    roles: Mapping[str, str]  # of the columns of samples that have one


def read_images(path: Path, into: Path, *, format: str | None = None) -> ImageTables:  # noqa: A002  the name of users
    """Read a dataset of images into two Parquet files.

    Parameters
    ----------
    path : a folder; of COCO, YOLO and VOC also the file of its annotations.
    into : folder in which the files are made.
    format : one of `FORMATS`; None: the folder says it.

    Raises
    ------
    RenexError : `not_found` for images that are not there, `unsafe_path` for a path that leads out of the folder,
        `invalid_argument` with the file and the row for all that is wrong; `permission`; `interrupted`.
    """
    answer = _ask({"read": os.fspath(path.absolute()), "into": os.fspath(into), "format": format})
    annotations = into / "annotations.parquet" if answer["annotations"] else None
    return ImageTables(
        format=answer["format"],
        task=answer["task"],
        root=Path(answer["root"]),
        samples=into / "samples.parquet",
        annotations=annotations,
        classes=tuple(answer["classes"]),
        roles=answer["roles"],
    )


def write_images(
    rows: Path,
    to: Path,
    *,
    format: str,  # noqa: A002  the name of users
    classes: tuple[str, ...],
    roots: Sequence[Path],
    blobs: Path,
    images: bool,
) -> int:
    """Write a dataset of images in a format and return how many files that are.

    Parameters
    ----------
    rows : folder with samples.jsonl (_key, image, width, height, sha256, split, label, more) and annotations.jsonl, both
        ordered by `_key`.
    to : a new folder.
    classes : in the order that they get.
    roots : folders in one of which an image lies, where it is not among the contents of the store.
    images : copy them, each verified by its SHA-256.

    Raises
    ------
    RenexError : `not_found`, `conflict` for images that are not what they were, `invalid_argument` for what the format
        cannot say, `disk_full`, `permission`, `interrupted`.
    """
    request = {
        "write": format,
        "rows": os.fspath(rows),
        "to": os.fspath(to),
        "classes": list(classes),
        "roots": [os.fspath(each) for each in roots],
        "blobs": os.fspath(blobs),
        "images": images,
    }
    return int(_ask(request)["files"])


def _ask(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the process answers; it is killed with whoever waits for it interrupted."""
    try:
        done = subprocess.run(
            [sys.executable, *COMMAND],
            input=json.dumps(request).encode("utf-8", "surrogateescape"),
            capture_output=True,
            cwd=Path(sys.executable).anchor,
            start_new_session=True,  # Ctrl-C is for us, and ends it
            check=False,
        )
    except OSError as error:
        raise from_os_error(error, "the process that reads files cannot be started") from error
    answers = [line for line in done.stdout.splitlines() if line.startswith(b'{"renex"')]
    if not answers:
        told = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        why = told[0] if told else f"exit status {done.returncode}"
        raise RenexError("interrupted", f"the process that reads the dataset ended: {why}.", "Is there memory enough?")
    answer: dict[str, Any] = json.loads(answers[-1])["renex"]
    if "error" in answer:
        raise RenexError(*answer["error"])
    return answer
