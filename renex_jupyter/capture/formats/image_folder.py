"""A folder for each class with its images, in folders train, val and test or without them."""

from __future__ import annotations

from pathlib import Path

from renex_jupyter.capture.formats.images import SPLITS, faults, find_images, look_at
from renex_jupyter.capture.formats.rows import Rows
from renex_jupyter.errors import invalid_argument

HINT = "Put each image into a folder with the name of its class: cat/1.png, or train/cat/1.png."


def read(path: Path, rows: Rows) -> None:
    """Read a dataset.

    Raises
    ------
    RenexError : `invalid_argument` for images that are in no folder of a class, `unsafe_path`.
    """
    found = find_images(path)
    if not found:
        raise invalid_argument(f"{path} has no images.", HINT)
    tops = {Path(image).parts[0] for image in found}
    split = all(top.lower() in SPLITS for top in tops)
    depth = 1 if split else 0
    loose = [f"'{image}'" for image in found if len(Path(image).parts) < depth + 2]
    if loose:
        raise faults(loose, "is in no folder of a class", "images are in no folder of a class", HINT)
    looked = look_at(path, ((image, path.name) for image in found))
    rows.classes += sorted({Path(image).parts[depth] for image in found})
    for image in found:
        parts = Path(image).parts
        more = {"split": SPLITS[parts[0].lower()]} if split else {}
        rows.add_sample(looked[image], {"label": parts[depth]} | more)
