"""Write Pascal VOC: Annotations, JPEGImages and ImageSets/Main."""

from __future__ import annotations

import json
import re
from pathlib import PurePosixPath
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from renex_jupyter.capture.formats.targets import Target, box_of, place_of
from renex_jupyter.errors import invalid_argument
from renex_jupyter.records.datasets import KEY

MARKS = ("pose", "truncated", "difficult", "occluded")
UNSAID = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # https://www.w3.org/TR/xml/#charsets


def write(target: Target) -> None:
    """Write all samples; of outlines and masks the box is written, crowds are left out.

    Raises
    ------
    RenexError : `not_found`, `conflict` for images of one name, `invalid_argument` for what the format cannot say.
    """
    splits: dict[str, list[str]] = {}
    for sample, own in target.samples():
        name = _own_name(sample["image"])
        path = target.take_name(f"JPEGImages/{name}", sample[KEY])
        target.put_image(sample, path)
        stem = PurePosixPath(name).stem
        page = target.take_name(f"Annotations/{stem}.xml", sample[KEY])
        target.write_text(page, _page(sample, name, [each for each in own if not each["is_crowd"]]))
        if sample.get("split"):
            splits.setdefault(sample["split"], []).append(stem)
    for split, stems in splits.items():
        target.write_text(
            target.take_name(f"ImageSets/Main/{split}.txt", split), "".join(f"{each}\n" for each in stems)
        )


def _own_name(image: str) -> str:
    """Return the name of an image in one folder for all: its path without the folders that the formats have."""
    parts = [*PurePosixPath(image).parts]
    while len(parts) > 1 and parts[0] in ("images", "JPEGImages", "train", "val", "test"):
        parts = parts[1:]
    return "_".join(parts)


def _page(sample: dict[str, Any], name: str, annotations: list[dict[str, Any]]) -> str:
    page = Element("annotation")
    _add(page, "folder", "JPEGImages")
    _add(page, "filename", name)
    size = SubElement(page, "size")
    for side in ("width", "height"):
        _add(size, side, str(sample.get(side) or 0))
    _add(size, "depth", "3")
    _add(page, "segmented", "0")
    for each in annotations:
        thing = SubElement(page, "object")
        if each["label"] is None:
            raise invalid_argument(f"{place_of(each)} has no label.", "Give it one, or leave its sample out: where=...")
        _add(thing, "name", each["label"])
        said = json.loads(each["attributes"] or "{}")
        for mark in MARKS:
            value = said.get(mark, "Unspecified" if mark == "pose" else 0) if mark != "occluded" else said.get(mark)
            if value is not None:
                _add(thing, mark, str(int(value) if isinstance(value, bool) else value))
        x, y, w, h = box_of(each)
        box = SubElement(thing, "bndbox")
        for corner, value in zip(("xmin", "ymin", "xmax", "ymax"), (x + 1, y + 1, x + w, y + h), strict=True):
            _add(box, corner, str(int(value)) if value == int(value) else repr(float(value)))
    indent(page)
    return tostring(page, encoding="unicode") + "\n"


def _add(parent: Element, tag: str, text: str) -> None:
    if UNSAID.search(text):
        raise invalid_argument(f"{text!r} has a character that XML cannot say.", "Rename it, or write another format.")
    SubElement(parent, tag).text = text
