"""Samples and annotations on their way from a format into Parquet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from renex_jupyter.capture.formats.images import Image
from renex_jupyter.errors import invalid_argument
from renex_jupyter.records.datasets import ANNOTATION_COLUMNS, KEY
from renex_jupyter.store.workbench import Workbench, literal, quoted

IMAGE_COLUMNS = {KEY: "VARCHAR", "image": "VARCHAR", "width": "BIGINT", "height": "BIGINT", "sha256": "VARCHAR"}
LARGEST = 2**24  # bytes of one row as JSON, of which DuckDB takes a multiple for each thread
FINITE = "Infinity and NaN are no JSON. Take them out of the file."
NOTHING = "Look at the folder, or say which format it has: format='coco', 'yolo', 'voc' or 'imagefolder'."


@dataclass(slots=True)
class Rows:
    """Two files of JSON lines, which become Parquet in the end. A context manager."""

    folder: Path
    classes: list[str] = field(default_factory=list)  # those that the format declares, in its order
    samples: int = 0
    annotations: int = 0
    _types: dict[str, str] = field(default_factory=dict)  # of the columns of samples beyond those of every image
    _files: dict[str, TextIO] = field(default_factory=dict)

    def __enter__(self) -> Self:
        for name in ("samples", "annotations"):
            self._files[name] = (self.folder / f"{name}.jsonl").open("w", encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files.values():
            file.close()

    @property
    def columns(self) -> dict[str, str]:
        """The columns of the samples with their types."""
        return IMAGE_COLUMNS | self._types

    def add_sample(self, image: Image, more: Mapping[str, Any]) -> None:
        """Add an image; its key is its path.

        Parameters
        ----------
        more : further columns: a split, a label, sizes that the format says better; what is nested is kept as JSON.
        """
        row = {
            KEY: image.path,
            "image": image.path,
            "width": image.width,
            "height": image.height,
            "sha256": image.sha256,
        }
        for name, value in more.items():
            row[name] = json.dumps(value) if isinstance(value, (dict, list)) else value
            if name not in IMAGE_COLUMNS and value is not None:
                self._types[name] = _wider(self._types.get(name), value)
        self._write("samples", row)
        self.samples += 1

    def add_annotation(self, key: str, annotation_id: str, kind: str, label: str | None, **more: Any) -> None:
        """Add what is said of an image; `more` are columns of `ANNOTATION_COLUMNS`."""
        self._write("annotations", {KEY: key, "annotation_id": annotation_id, "kind": kind, "label": label, **more})
        self.annotations += 1

    def finish(self) -> None:
        """Write samples.parquet and, if there is one, annotations.parquet.

        Raises
        ------
        RenexError : `invalid_argument` where there is no sample.
        """
        if not self.samples:
            raise invalid_argument("there is no image in it.", NOTHING)
        self.__exit__(None, None, None)
        with Workbench(threads=2) as bench:
            self._convert(bench, "samples", self.columns)
            if self.annotations:
                self._convert(bench, "annotations", ANNOTATION_COLUMNS)

    def _write(self, name: str, row: Mapping[str, Any]) -> None:
        try:
            self._files[name].write(json.dumps(row, allow_nan=False) + "\n")
        except ValueError as error:
            raise invalid_argument(f"sample '{row[KEY]}' has a number without an end.", FINITE) from error

    def _convert(self, bench: Workbench, name: str, columns: Mapping[str, str]) -> None:
        types = ", ".join(f"{literal(column)}: {literal(kind)}" for column, kind in columns.items())
        lines = literal(str(self.folder / f"{name}.jsonl"))
        source = (
            f"read_json({lines}, format = 'newline_delimited', columns = {{{types}}}, maximum_object_size = {LARGEST})"
        )
        bench.write(f"select {', '.join(map(quoted, columns))} from {source}", self.folder / f"{name}.parquet")


def _wider(known: str | None, value: object) -> str:
    """Return the type that holds what a column had so far and this value."""
    own = {bool: "BOOLEAN", int: "BIGINT", float: "DOUBLE"}.get(type(value), "VARCHAR")
    if own == "BIGINT" and not -(2**63) <= int(str(value)) < 2**63:
        own = "DOUBLE"
    if known in (None, own):
        return own
    return "DOUBLE" if {known, own} == {"BIGINT", "DOUBLE"} else "VARCHAR"
