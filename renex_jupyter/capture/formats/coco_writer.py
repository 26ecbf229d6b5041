"""Write COCO: annotations/instances.json, or one such file for each split, and the images at their own paths."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from renex_jupyter.capture.formats.polygons import area_of, parts_of, runs_of
from renex_jupyter.capture.formats.targets import Target, place_of
from renex_jupyter.errors import invalid_argument
from renex_jupyter.records.datasets import KEY

KINDS = ("class", "box", "polygon", "mask")
OURS = frozenset({KEY, "image", "width", "height", "sha256", "split", "label", "image_id"})
HINT = "COCO says classes, boxes, outlines and masks. csv, jsonl and parquet say the rest, too."


@dataclass(slots=True)
class _File:
    """One file on its way."""

    images: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)


def write(target: Target) -> None:
    """Write all samples; ids of images, annotations and categories stay where they are unique whole numbers.

    Raises
    ------
    RenexError : `not_found`, `conflict`, `invalid_argument` for what COCO cannot say.
    """
    files: dict[str | None, _File] = {}
    said: dict[str, set[int]] = {}  # label -> the ids that its annotations had
    for sample, own in target.samples():
        path = target.take_name(sample["image"], sample[KEY])
        target.put_image(sample, path)
        file = files.setdefault(sample.get("split"), _File())
        more = {name: value for name, value in sample.items() if name not in OURS and value is not None}
        sizes = {"width": sample.get("width"), "height": sample.get("height")}
        file.images.append({"id": sample.get("image_id"), "file_name": path, **sizes, **more})
        for each in own:
            row = _row(each)
            target.class_number(each["label"], place_of(each))
            if type(row.get("category_id")) is int:
                said.setdefault(each["label"], set()).add(row["category_id"])
            file.annotations.append(row | {"image_id": len(file.images) - 1, "category_id": each["label"]})
    ids = _category_ids(target.classes, said)
    categories = [{"id": ids[label], "name": label} for label in target.classes]
    for split, file in files.items():
        _number(file, ids)
        name = f"annotations/instances{f'_{split}' if split else ''}.json"
        content = {"images": file.images, "annotations": file.annotations, "categories": categories}
        target.write_text(target.take_name(name, "annotations"), json.dumps(content, allow_nan=False))


def _row(annotation: dict[str, Any]) -> dict[str, Any]:
    """Return an annotation in the form of COCO, as far as it can be said without the others."""
    kind = annotation["kind"] or "box"
    if kind not in KINDS:
        raise invalid_argument(f"{place_of(annotation)} is a {kind}, which COCO cannot say.", HINT)
    attributes = json.loads(annotation["attributes"] or "{}")
    row: dict[str, Any] = dict(attributes) if isinstance(attributes, dict) else {}
    row |= {"id": annotation["annotation_id"], "iscrowd": int(annotation["is_crowd"] or False)}
    box = [annotation[side] for side in "xywh"]
    if None not in box:
        row["bbox"] = box
        row.setdefault("area", box[2] * box[3])
    if annotation["polygon"]:
        row["segmentation"] = parts_of(annotation["polygon"])
        row["area"] = attributes.get("area", area_of(row["segmentation"]))
    elif annotation["mask"]:
        row["segmentation"] = json.loads(annotation["mask"])
        row["area"] = attributes.get("area", sum(runs_of(row["segmentation"])[1::2]))
    return row


def _number(file: _File, ids: Mapping[str, int]) -> None:
    """Give ids to images and annotations."""
    for rows in (file.images, file.annotations):
        kept = [_whole(row["id"]) for row in rows]
        unique = None not in kept and len(set(kept)) == len(kept)
        for number, (row, own) in enumerate(zip(rows, kept, strict=True), 1):
            row["id"] = own if unique else number
    for row in file.annotations:
        row["image_id"] = file.images[row["image_id"]]["id"]
        row["category_id"] = ids[row["category_id"]]


def _whole(value: Any) -> int | None:
    """Return an id as the whole number that it is, None for any other."""
    text = str(value)
    return int(text) if text.isascii() and text.isdecimal() and str(int(text)) == text else None


def _category_ids(labels: list[str], said: Mapping[str, set[int]]) -> dict[str, int]:
    """Return the ids of the categories: those that they had, if these are clear; what had none comes after them."""
    known = {label: next(iter(ids)) for label, ids in said.items() if len(ids) == 1}
    if len(known) < len(said) or len(set(known.values())) < len(known):
        known = {}
    free = max(known.values(), default=0)
    ids = dict(known)
    for label in labels:
        if label not in ids:
            free += 1
            ids[label] = free
    return ids
