"""Pascal VOC: an XML file for each image.

Its corners are pixels that are counted from 1 and belong to the box, so that a box from 1 to 10 is 10 pixels wide.

References
----------
http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from renex_jupyter.capture.formats.images import SPLITS, SUFFIXES, find_images, inside, look_at
from renex_jupyter.capture.formats.rows import Rows
from renex_jupyter.capture.formats.safe_xml import parse
from renex_jupyter.errors import from_os_error, invalid_argument, shown

HINT = "A file has <annotation> with <filename>, <size>, and for each <object> a <name> and a <bndbox>."
BOX_HINT = "A <bndbox> has xmin, ymin, xmax and ymax: pixels, counted from 1, the last one belongs to the box."
CORNERS = ("xmin", "ymin", "xmax", "ymax")
STRUCTURE = frozenset({"name", "bndbox", "part"})


def find(path: Path) -> list[str]:
    """Return the files of annotations in a folder, from that folder."""
    for pattern in ("Annotations/*.xml", "annotations/*.xml", "*.xml", "*/*.xml"):
        if found := sorted(each.relative_to(path).as_posix() for each in path.glob(pattern) if each.is_file()):
            return found
    return []


def read(path: Path, rows: Rows) -> None:
    """Read a dataset; splits are those of ImageSets/Main, or of folders that are called like one.

    Raises
    ------
    RenexError : `not_found` for images, `unsafe_path`, `invalid_argument` with the file and the object for what is wrong.
    """
    root = path if path.is_dir() else path.parent
    names = find(root) if path.is_dir() else [path.name]
    if not names:
        raise invalid_argument(f"{path} has no XML file of annotations.", HINT)
    trees = {name: _parsed(root, name) for name in names}
    by_stem: dict[str, list[str]] = {}
    for image in find_images(root):
        by_stem.setdefault(Path(image).stem, []).append(image)
    images = {name: _image_of(root, name, tree, by_stem) for name, tree in trees.items()}
    first: dict[str, str] = {}
    for name, place in images.items():
        if place in first:
            raise invalid_argument(
                f"{name}: '{place}' is the image of {first[place]}, too.", "Each image has one file."
            )
        first[place] = name
    looked = look_at(root, ((place, name) for name, place in images.items()))
    splits = _splits(root)
    for name, tree in trees.items():
        picture = looked[images[name]]
        split = splits.get(Path(name).stem) or SPLITS.get(Path(name).parts[0].lower())
        rows.add_sample(picture, _size(tree) | {"split": split})
        for number, thing in enumerate(tree.findall("object"), 1):
            at = f"{name}, object {number}"
            label = (thing.findtext("name") or "").strip()
            if not label:
                raise invalid_argument(f"{at} has no name.", HINT)
            rows.classes += [label] if label not in rows.classes else []
            more = {"attributes": _attributes(thing)}
            rows.add_annotation(picture.path, f"{Path(name).stem}:{number}", "box", label, **_box(thing, at), **more)


def _parsed(root: Path, name: str) -> Element:
    inside(root, name, name)
    try:
        tree = parse((root / name).read_bytes(), name)
    except OSError as error:
        raise from_os_error(error, f"{name} cannot be read") from error
    if tree.tag != "annotation":
        raise invalid_argument(f"{name}: the outermost element is <{tree.tag[:40]}>, not <annotation>.", HINT)
    return tree


def _image_of(root: Path, name: str, tree: Element, by_stem: dict[str, list[str]]) -> str:
    """Return the image of a file: of the name that it says, beside it or in JPEGImages; else the one of its own name."""
    said = (tree.findtext("filename") or "").strip()
    beside = Path(name).parent
    if said:
        inside(root, said, f"{name}, filename")
        for folder in (beside, beside.parent / "JPEGImages", beside.parent / "images", Path()):
            path = inside(root, (folder / said).as_posix(), f"{name}, filename")
            if (root / path).is_file():
                return path
    same = by_stem.get(Path(said).stem if Path(said).suffix.lower() in SUFFIXES else Path(name).stem, [])
    return same[0] if len(same) == 1 else said or f"{Path(name).stem}.jpg"


def _size(tree: Element) -> dict[str, int]:
    """Return what a file says of the size of the image; tools that do not know it write 0."""
    size = {}
    for name in ("width", "height"):
        text = (tree.findtext(f"size/{name}") or "").strip()
        if text.isdecimal() and int(text) > 0:
            size[name] = int(text)
    return size if len(size) == 2 else {}


def _box(thing: Element, at: str) -> dict[str, float]:
    corners = []
    for corner in CORNERS:
        text = thing.findtext(f"bndbox/{corner}")
        try:
            corners.append(float(text or ""))
        except ValueError:
            raise invalid_argument(f"{at}: {corner} is {shown(text)}, no number.", BOX_HINT) from None
    left, top, right, bottom = corners
    if not all(map(math.isfinite, corners)) or right < left - 1 or bottom < top - 1:
        raise invalid_argument(f"{at}: {', '.join(f'{each:g}' for each in corners)} are no corners of a box.", BOX_HINT)
    return {"x": left - 1, "y": top - 1, "w": right - left + 1, "h": bottom - top + 1}


def _attributes(thing: Element) -> str | None:
    """Return what else an object says, such as pose, truncated and difficult; marks of 0 and 1 as booleans."""
    said: dict[str, Any] = {}
    for each in thing:
        text = (each.text or "").strip()
        if each.tag not in STRUCTURE and not len(each) and text:
            said[each.tag] = {"0": False, "1": True}.get(text, text)
    return json.dumps(said, sort_keys=True) if said else None


def _splits(root: Path) -> dict[str, str]:
    """Return the split of each image by its stem, as ImageSets/Main says; the lists of single classes are passed over."""
    splits = {}
    for split in ("train", "val", "test"):
        place = root / "ImageSets" / "Main" / f"{split}.txt"
        if place.is_file():
            for line in place.read_text(encoding="utf-8").split("\n"):
                if line.strip():
                    splits[line.split()[0]] = split
    return splits
