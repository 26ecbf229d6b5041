"""A folder that a dataset of images is written into: names, texts, copied images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from renex_jupyter.capture.formats.images import inside
from renex_jupyter.errors import RenexError, invalid_argument
from renex_jupyter.records.datasets import KEY
from renex_jupyter.records.paths import from_text
from renex_jupyter.store.blobs import CHUNK, Blobs

NO_BOX = "This format says boxes. Write COCO, csv, jsonl or parquet, which say the rest, too."


@dataclass(slots=True)
class Target:
    """A new folder that a dataset is written into."""

    folder: Path
    classes: list[str]
    rows: Path  # folder of samples.jsonl and annotations.jsonl
    roots: list[Path]  # folders in one of which an image lies
    blobs: Blobs
    images: bool
    files: int = 0
    missing: list[str] = field(default_factory=list)
    _taken: dict[str, str] = field(default_factory=dict)  # path -> key
    _numbers: dict[str, int] = field(default_factory=dict)  # of the classes

    def samples(self) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
        """Yield each sample with its annotations."""
        annotations = _lines(self.rows / "annotations.jsonl")
        waiting = next(annotations, None)
        for sample in _lines(self.rows / "samples.jsonl"):
            own = []
            while waiting is not None and waiting[KEY] == sample[KEY]:
                own.append(waiting)
                waiting = next(annotations, None)
            yield sample, own

    def write_text(self, path: str, text: str) -> None:
        """Write a file of the format."""
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
        self.files += 1

    def take_name(self, path: str, key: str) -> str:
        """Return the path that the image of a sample gets, unless another one has it.

        Raises
        ------
        RenexError : `unsafe_path`, `conflict`.
        """
        path = inside(self.folder, path, f"sample '{key}'")
        if path in self._taken:
            both = f"the images of '{self._taken[path]}' and '{key}' would both be {path}"
            raise RenexError("conflict", f"{both}.", "Write another format, or a part of the samples: where=...")
        self._taken[path] = key
        return path

    def put_image(self, sample: dict[str, Any], path: str) -> None:
        """Copy the image of a sample to a path, verified."""
        if not self.images:
            return
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        sha256, source = sample.get("sha256"), sample["image"]
        if sha256 and self.blobs.is_there(sha256):
            with place.open("xb") as file:
                self.blobs.copy_to(sha256, file)
        elif not self._copy(source, place, sha256):
            self.missing.append(f"'{source}' of sample '{sample[KEY]}'")
        self.files += 1

    def _copy(self, source: str, place: Path, sha256: str | None) -> bool:
        """Copy a file from where the dataset was read; say whether it is there.

        Raises
        ------
        RenexError : `unsafe_path`, `conflict` for one that is not what it was.
        """
        name = from_text(source)
        found = [root / inside(root, name, "image") for root in self.roots]
        there = [each for each in found if each.is_file()]
        for each in there:
            if _copied(each, place) == sha256 or sha256 is None:
                return True
        if not there:
            return False
        hint = "Make a new version of the dataset, or put the old image back."
        raise RenexError("conflict", f"the image {there[0]} is not what it was in this version.", hint)

    def class_number(self, label: str | None, at: str) -> int:
        """Return the number of a class from 0; one that nobody declared comes after the others."""
        if label is None:
            raise invalid_argument(f"{at} has no label.", "Give it one, or leave its sample out: where=...")
        if label not in self._numbers:
            if label not in self.classes:
                self.classes.append(label)
            self._numbers.update({each: number for number, each in enumerate(self.classes)})
        return self._numbers[label]


def _copied(source: Path, place: Path) -> str:
    """Copy a file, and return its SHA-256."""
    digest = hashlib.sha256()
    with source.open("rb") as file, place.open("wb") as copy:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            copy.write(chunk)
    return digest.hexdigest()


def box_of(annotation: dict[str, Any]) -> tuple[float, float, float, float]:
    """Return x, y, w and h of an annotation in pixels.

    Raises
    ------
    RenexError : `invalid_argument` for one without a box.
    """
    box = tuple(annotation[side] for side in "xywh")
    if None in box:
        raise invalid_argument(f"{place_of(annotation)} is a {annotation['kind']}, and has no box.", NO_BOX)
    return box


def place_of(annotation: dict[str, Any]) -> str:
    """Return the words for an annotation in a message."""
    return f"annotation '{annotation['annotation_id']}' of sample '{annotation[KEY]}'"


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if path.is_file():
        with path.open(encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)
