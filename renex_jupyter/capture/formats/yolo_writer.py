"""Write YOLO: data.yaml, images/SPLIT and labels/SPLIT."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from renex_jupyter.capture.formats.targets import Target, box_of, place_of
from renex_jupyter.capture.formats.yolo import label_path
from renex_jupyter.errors import invalid_argument, shown
from renex_jupyter.records.datasets import KEY

DECIMALS = 12  # of a share: below a millionth of a pixel in the largest images
DEFAULT = "train"  # the split of samples that have none
SPLITS = ("train", "val", "test")
SPLIT_HINT = "YOLO knows train, val and test. Write COCO or Pascal VOC, or split anew: rx.split_dataset()."
SIZE_HINT = "The width and height of each image are needed. Write COCO or Pascal VOC, which say pixels."


def write(target: Target) -> None:
    """Write all samples. An outline of one part stays one, of several and of a mask the box is written; crowds are left out.

    Raises
    ------
    RenexError : `not_found`, `conflict`, `invalid_argument` for what YOLO cannot say.
    """
    splits: list[str] = []
    for sample, own in target.samples():
        split = sample.get("split") or DEFAULT
        if split not in SPLITS:
            raise invalid_argument(f"sample '{sample[KEY]}' is in the split {shown(split)}.", SPLIT_HINT)
        splits += [split] if split not in splits else []
        path = target.take_name(f"images/{split}/{_own_part(sample['image'], split)}", sample[KEY])
        target.put_image(sample, path)
        lines = [_line(target, sample, each) for each in own if not each["is_crowd"]]
        target.write_text(label_path(path), "".join(f"{line}\n" for line in lines))
    import yaml

    folders = {split: f"images/{split}" for split in splits}
    content = {"path": ".", **folders, "nc": len(target.classes), "names": dict(enumerate(target.classes))}
    target.write_text("data.yaml", yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def _own_part(image: str, split: str) -> str:
    """Return the path of an image below its split: what a path of this form has in front is not written twice."""
    parts = [*PurePosixPath(image).parts]
    for folder in ("images", split):
        if len(parts) > 1 and parts[0] == folder:
            parts = parts[1:]
    return "/".join(parts)


def _line(target: Target, sample: dict[str, Any], annotation: dict[str, Any]) -> str:
    width, height = sample.get("width"), sample.get("height")
    if not width or not height:
        raise invalid_argument(f"the size of the image of sample '{sample[KEY]}' is not known.", SIZE_HINT)
    number = target.class_number(annotation["label"], place_of(annotation))
    outline = annotation["polygon"]
    if outline and None not in outline:
        values = [each / (height if place % 2 else width) for place, each in enumerate(outline)]
        shares = [min(1.0, max(0.0, each)) for each in values]
    else:
        x, y, w, h = box_of(annotation)
        left, right = max(0.0, x), min(float(width), x + w)
        top, bottom = max(0.0, y), min(float(height), y + h)
        w, h = (
            (w if left == x and right == x + w else right - left),
            (h if top == y and bottom == y + h else bottom - top),
        )
        shares = [(left + w / 2) / width, (top + h / 2) / height, w / width, h / height]
    return " ".join([str(number), *map(_share, shares)])


def _share(value: float) -> str:
    return f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".") or "0"
