"""COCO: one JSON file with images, annotations and categories, or one for each split.

References
----------
https://cocodataset.org/#format-data
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from renex_jupyter.capture.formats.images import SPLITS, Image, faults, inside, look_at
from renex_jupyter.capture.formats.polygons import box_of, joined, mask_box, runs_of
from renex_jupyter.capture.formats.rows import FINITE, IMAGE_COLUMNS, Rows
from renex_jupyter.errors import from_os_error, invalid_argument, shown

HINT = "A COCO file is an object with the lists images, annotations and categories."
BOX_HINT = "A box is [x, y, width, height] in pixels from the top left."
OUTLINE_HINT = (
    "A segmentation is a list of outlines [x1, y1, x2, y2, ...], or {'size': [height, width], 'counts': ...}."
)
OURS = frozenset(
    {"id", "image_id", "bbox", "segmentation", "iscrowd", "area"}
)  # what is kept apart from the attributes
IMAGE_FIELDS = frozenset({"id", "file_name", "width", "height"})


@dataclass(frozen=True, slots=True)
class CocoFile:
    """One file of annotations."""

    name: str  # from the folder of the dataset
    split: str | None
    content: dict[str, Any]
    prefix: str = ""  # of the ids of its annotations, which only it tells apart


def find(path: Path) -> tuple[Path, list[str]]:
    """Return the folder of a dataset and its files of annotations, none where there is no file that looks like one."""
    if path.is_file():
        root = path.parent.parent if path.parent.name.lower() == "annotations" else path.parent
        return root, [path.relative_to(root).as_posix()]
    for pattern in ("annotations/instances*.json", "*/_annotations.coco.json", "annotations/*.json", "*.json"):
        if found := sorted(each for each in path.glob(pattern) if each.is_file() and not each.name.startswith(".")):
            return path, [each.relative_to(path).as_posix() for each in found if _looks_right(each)]
    return path, []


def _looks_right(path: Path) -> bool:
    """Say whether a file begins as a JSON object does and names images, without parsing all of it."""
    try:
        with path.open("rb") as file:
            return file.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")
    except OSError:
        return False


def read(path: Path, rows: Rows) -> None:
    """Read a dataset.

    Raises
    ------
    RenexError : `not_found` for images, `unsafe_path`, `invalid_argument` with the file and the row for all that is wrong.
    """
    root, names = find(path)
    if not names:
        raise invalid_argument(f"{path} has no COCO file.", HINT)
    splits = [_split_of(name, several=len(names) > 1) for name in names]
    prefixes = [f"{split}:" if len(names) > 1 else "" for split in splits]
    files = [
        CocoFile(name, split, _parsed(root, name), each)
        for name, split, each in zip(names, splits, prefixes, strict=True)
    ]
    wanted = [(_place_of(root, file, image, at), at) for file in files for at, image in _numbered(file, "images")]
    _refuse_twice([path for path, _ in wanted], [at for _, at in wanted], "image")
    looked = look_at(root, wanted)
    places = iter(wanted)
    for file in files:
        _read_file(file, [looked[next(places)[0]] for _ in file.content["images"]], rows)


def _read_file(file: CocoFile, images: Sequence[Image], rows: Rows) -> None:
    labels = _labels(file)
    rows.classes += [each for each in labels.values() if each not in rows.classes]
    keys: dict[Any, str] = {}
    for (at, row), image in zip(_numbered(file, "images"), images, strict=True):
        _refuse_known(keys, row.get("id"), at, "image")
        keys[row["id"]] = image.path
        sizes = {name: row[name] for name in ("width", "height") if type(row.get(name)) is int and row[name] > 0}
        more = {name: value for name, value in row.items() if name not in IMAGE_FIELDS and name not in IMAGE_COLUMNS}
        split = {"split": file.split} if file.split else {}
        rows.add_sample(image, sizes | {"image_id": row["id"]} | more | split)
    seen: dict[Any, str] = {}
    for at, row in _numbered(file, "annotations"):
        _refuse_known(seen, row.get("id"), at, "annotation")
        seen[row["id"]] = at
        if not _is_id(row.get("image_id")) or row["image_id"] not in keys:
            raise invalid_argument(
                f"{at}: no image has the id {shown(row.get('image_id'))}.", "Look at the ids of the images."
            )
        category = row.get("category_id")
        if not _is_id(category) or category not in labels:
            raise invalid_argument(f"{at}: no category has the id {shown(category)}.", f"There are {_few(labels)}.")
        name = f"{file.prefix}{row['id']}"
        rows.add_annotation(keys[row["image_id"]], name, label=labels[category], **_shape(row, at))


def _shape(row: Mapping[str, Any], at: str) -> dict[str, Any]:
    """Return what an annotation says of place and outline, and the rest as its attributes."""
    box, outline = row.get("bbox"), row.get("segmentation")
    shape: dict[str, Any] = {"kind": "box", "is_crowd": row.get("iscrowd") in (1, True)}
    around: Sequence[float] | None = None
    if isinstance(outline, dict):
        try:
            around = mask_box(runs_of(outline), outline["size"][0])
        except ValueError as why:
            raise invalid_argument(f"{at}: the mask is wrong: {why}.", OUTLINE_HINT) from why
        shape |= {"kind": "mask", "mask": json.dumps({"size": outline["size"], "counts": outline["counts"]})}
    elif outline:
        if not isinstance(outline, list) or not all(_is_outline(part) for part in outline):
            raise invalid_argument(f"{at}: segmentation {shown(outline)} is no outline.", OUTLINE_HINT)
        around = box_of(outline)
        shape |= {"kind": "polygon", "polygon": joined([[float(each) for each in part] for part in outline])}
    if box is not None:
        if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)) or min(box[2:]) < 0:
            raise invalid_argument(f"{at}: bbox {shown(box)} is no box.", BOX_HINT)
        around = box
    if around is not None:
        shape |= dict(zip("xywh", map(float, around), strict=True))
    elif shape["kind"] == "box":
        shape["kind"] = "class"
    more = {name: value for name, value in row.items() if name not in OURS}
    if outline is not None and _is_number(row.get("area")):
        more["area"] = row["area"]  # of a box it follows from the sides
    try:
        return shape | {"attributes": json.dumps(more, sort_keys=True, allow_nan=False)}
    except ValueError as error:
        raise invalid_argument(f"{at} has a number without an end.", FINITE) from error


def _parsed(root: Path, name: str) -> dict[str, Any]:
    try:
        content = json.loads((root / name).read_bytes(), parse_constant=float)
    except OSError as error:
        raise from_os_error(error, f"{name} cannot be read") from error
    except (ValueError, RecursionError) as error:
        raise invalid_argument(f"{name} is no JSON: {error}.", HINT) from error
    for each in ("images", "annotations", "categories"):
        if not isinstance(content, dict) or not isinstance(content.get(each, [] if each != "images" else None), list):
            raise invalid_argument(f"{name} has no list '{each}'.", HINT)
    return {"annotations": [], "categories": [], **content}


def _numbered(file: CocoFile, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the rows of a list with the words for their place."""
    for number, row in enumerate(file.content[kind]):
        at = f"{file.name}, {kind}[{number}]"
        if not isinstance(row, dict):
            raise invalid_argument(f"{at} is {shown(row)}, not an object.", HINT)
        yield at, row


def _labels(file: CocoFile) -> dict[Any, str]:
    labels: dict[Any, str] = {}
    for at, row in _numbered(file, "categories"):
        _refuse_known(labels, row.get("id"), at, "category")
        if not isinstance(row.get("name"), str):
            raise invalid_argument(f"{at}: {shown(row.get('name'))} is no name of a category.", HINT)
        labels[row["id"]] = row["name"]
    return labels


def _place_of(root: Path, file: CocoFile, row: Mapping[str, Any], at: str) -> str:
    """Return the path of an image, which lies beside the file or in a folder that is called as usual."""
    name = inside(root, row.get("file_name"), at)
    beside = Path(file.name).parent.as_posix()
    own = Path(file.name).stem.removeprefix("instances_")
    for folder in (beside, ".", "images", own, f"images/{own}", file.split or "."):
        path = inside(root, (Path(folder) / name).as_posix(), at)
        if (root / path).is_file():
            return path
    return name


def _split_of(name: str, *, several: bool) -> str | None:
    """Return the split that the path of a file says: instances_val2017.json, valid/_annotations.coco.json.

    Parameters
    ----------
    several : it is not the only file, so that its name says a split, whatever it is.
    """
    path = Path(name)
    word = path.parent.name if path.name.startswith("_annotations") else path.stem.removeprefix("instances_")
    return SPLITS.get(word.lower().rstrip("0123456789_-"), word if several else None)


def _refuse_twice(names: Sequence[str], places: Sequence[str], what: str) -> None:
    seen: dict[str, str] = {}
    told = []
    for name, at in zip(names, places, strict=True):
        if name in seen:
            told.append(f"{at}: '{name}', as {seen[name]}")
        seen.setdefault(name, at)
    if told:
        hint = f"Each {what} is one sample. Take the second one out."
        raise faults(told, f"names an {what} twice", f"{what}s are named twice", hint)


def _refuse_known(known: Mapping[Any, str], wanted: object, at: str, what: str) -> None:
    if not _is_id(wanted):
        raise invalid_argument(f"{at}: {shown(wanted)} is no id.", "An id is a whole number.")
    if wanted in known:
        raise invalid_argument(f"{at}: the id {shown(wanted)} of an {what} is there twice.", "Give each its own.")


def _is_id(value: object) -> bool:
    return isinstance(value, (int, str)) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]  # a bool is neither


def _is_outline(part: object) -> bool:
    return isinstance(part, list) and len(part) >= 4 and len(part) % 2 == 0 and all(map(_is_number, part))


def _few(labels: Mapping[Any, str]) -> str:
    told = ", ".join(f"{key} ({label})" for key, label in list(labels.items())[:8])
    return (told or "none") + (f" and {len(labels) - 8} more" if len(labels) > 8 else "")
