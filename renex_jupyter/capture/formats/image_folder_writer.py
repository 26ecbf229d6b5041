"""Write folders of classes, in folders of splits where there are splits."""

from __future__ import annotations

from pathlib import PurePosixPath

from renex_jupyter.capture.formats.targets import Target
from renex_jupyter.errors import invalid_argument, shown
from renex_jupyter.records.datasets import KEY

HINT = "A class becomes the name of a folder. Rename it, or write csv, jsonl or parquet."
NO_TARGET = "Folders of classes say one class for each image. Write COCO, YOLO or Pascal VOC where there are boxes."


def write(target: Target) -> None:
    """Write all samples.

    Raises
    ------
    RenexError : `not_found`, `conflict`, `invalid_argument` for a sample without a class, and a class that is no name.
    """
    for sample, _ in target.samples():
        label, split = sample.get("label"), sample.get("split")
        if label is None:
            raise invalid_argument(f"sample '{sample[KEY]}' has no class.", NO_TARGET)
        for name in (label, *([split] if split else [])):
            if not name or name.startswith(".") or "/" in name or "\\" in name or "\0" in name:
                raise invalid_argument(f"sample '{sample[KEY]}': {shown(name)} is no name of a folder.", HINT)
        parts = [*PurePosixPath(sample["image"]).parts]
        for folder in (split, label):
            if len(parts) > 1 and parts[0] == folder:
                parts = parts[1:]
        path = "/".join([*([split] if split else []), label, *parts])
        target.put_image(sample, target.take_name(path, sample[KEY]))
