"""YOLO: a data.yaml with the names of the classes, and beside each image a text file with one box or outline per line.

References
----------
https://docs.ultralytics.com/datasets/detect/ and https://docs.ultralytics.com/datasets/segment/
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from renex_jupyter.capture.formats.images import SPLITS, Image, find_images, inside, look_at
from renex_jupyter.capture.formats.polygons import box_of
from renex_jupyter.capture.formats.rows import Rows
from renex_jupyter.errors import from_os_error, invalid_argument, shown

NAMES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
LARGEST = 2**20  # bytes of a data.yaml: it holds names and paths
HINT = "A data.yaml has names (a list, or number: name) and the folders train, val and test."
LINE_HINT = "A line is: class cx cy width height, or class x1 y1 x2 y2 x3 y3 ..., as shares of the image from 0 to 1."
OVER = 1e-3  # share by which a number may leave the image, as rounding does


def find(path: Path) -> Path | None:
    """Return the data.yaml of a folder, or the file itself."""
    if path.is_file():
        return path if path.suffix.lower() in (".yaml", ".yml") else None
    return next((path / name for name in NAMES if (path / name).is_file()), None)


def read(path: Path, rows: Rows) -> None:
    """Read a dataset; an image without a text file, or with an empty one, shows nothing.

    Raises
    ------
    RenexError : `not_found` for images, `unsafe_path`, `invalid_argument` with the file and the line for all that is wrong.
    """
    source = find(path)
    if source is None:
        raise invalid_argument(f"{path} has no data.yaml.", HINT)
    content = _parsed(source)
    labels = _labels(content, source.name)
    rows.classes += labels.values()
    found = list(_images(source.parent, content, source.name))
    _refuse_twice(found)
    looked = look_at(source.parent, ((image, at) for image, _, at in found))
    for image, split, _ in found:
        rows.add_sample(looked[image], {"split": split})
        _read_labels(source.parent, looked[image], image, labels, rows)


def label_path(image: str) -> str:
    """Return the path of the text file of an image: the last folder `images` of its path is `labels` there."""
    parts = [*PurePosixPath(image).with_suffix(".txt").parts]
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] == "images":
            return "/".join([*parts[:place], "labels", *parts[place + 1 :]])
    return "/".join(parts)


def _read_labels(root: Path, image: Image, path: str, labels: dict[int, str], rows: Rows) -> None:
    name = label_path(path)
    inside(root, name, path)
    try:
        lines = (root / name).read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        return
    except OSError as error:
        raise from_os_error(error, f"{name} cannot be read") from error
    except UnicodeDecodeError as error:
        raise invalid_argument(f"{name} is no text: {error}.", LINE_HINT) from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        at = f"{name}, line {number}"
        label, values = _numbers(line, labels, at)
        if image.width is None or image.height is None:
            hint = "PNG, JPEG, GIF, BMP and WebP tell their size. Convert the image."
            raise invalid_argument(f"{at}: the size of '{path}' cannot be read, of which the box is a share.", hint)
        shape = _shape(values, image.width, image.height)
        rows.add_annotation(image.path, f"{image.path}:{number}", label=label, **shape)


def _shape(values: list[float], width: int, height: int) -> dict[str, Any]:
    """Return a box or an outline in pixels."""
    if len(values) == 4:
        cx, cy, w, h = values[0] * width, values[1] * height, values[2] * width, values[3] * height
        return {"kind": "box", "x": cx - w / 2, "y": cy - h / 2, "w": w, "h": h}
    outline = [each * (height if place % 2 else width) for place, each in enumerate(values)]
    return {"kind": "polygon", "polygon": outline, **dict(zip("xywh", box_of([outline]), strict=True))}


def _numbers(line: str, labels: dict[int, str], at: str) -> tuple[str, list[float]]:
    words = line.split()
    try:
        number, values = int(words[0]), [float(each) for each in words[1:]]
    except ValueError:
        raise invalid_argument(f"{at}: {shown(line.strip())} is not made of numbers.", LINE_HINT) from None
    if number not in labels:
        raise invalid_argument(f"{at}: no class has the number {number}.", f"data.yaml names {_few(labels)}.")
    if len(values) != 4 and (len(values) < 6 or len(values) % 2):
        raise invalid_argument(f"{at}: {len(values)} numbers after the class are no box and no outline.", LINE_HINT)
    if not all(math.isfinite(each) and -OVER <= each <= 1 + OVER for each in values):
        raise invalid_argument(f"{at}: {shown(line.strip())} leaves the image.", LINE_HINT)
    return labels[number], values


def _parsed(path: Path) -> dict[str, Any]:
    import yaml

    try:
        if path.stat().st_size > LARGEST:
            raise invalid_argument(f"{path.name} is larger than a list of names and folders.", HINT)
        content = yaml.load(path.read_text(encoding="utf-8-sig"), _plain_loader())  # noqa: S506  it makes plain values only
    except OSError as error:
        raise from_os_error(error, f"{path.name} cannot be read") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise invalid_argument(f"{path.name} is no YAML: {' '.join(str(error).split())}.", HINT) from error
    if not isinstance(content, dict) or "names" not in content:
        raise invalid_argument(f"{path.name} has no names of classes.", HINT)
    return content


def _plain_loader() -> Any:
    """Return a loader that makes plain values only and follows no alias, of which a few lines could make gigabytes."""
    import yaml

    class Plain(yaml.SafeLoader):
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError("aliases (*name) are not followed")
            return super().compose_node(parent, index)

    return Plain


def _labels(content: dict[str, Any], name: str) -> dict[int, str]:
    names = content["names"]
    pairs = (
        list(enumerate(names)) if isinstance(names, list) else list(names.items()) if isinstance(names, dict) else []
    )
    labels = {
        number: str(label) for number, label in pairs if type(number) is int and isinstance(label, (str, int, float))
    }
    if not labels or len(labels) != len(pairs) or min(labels) < 0:
        raise invalid_argument(f"{name}: names {shown(names)} are no names of classes.", HINT)
    if len(set(labels.values())) < len(labels):
        raise invalid_argument(f"{name}: two classes have the same name.", "Give each its own.")
    if isinstance(content.get("nc"), int) and content["nc"] != len(labels):
        raise invalid_argument(
            f"{name}: nc is {content['nc']}, and there are {len(labels)} names.", "Mend one of them."
        )
    return labels


def _images(root: Path, content: dict[str, Any], name: str) -> Iterator[tuple[str, str, str]]:
    """Yield each image with its split and who names it."""
    base = str(content.get("path") or ".")
    if Path(base).is_absolute() and Path(base).resolve() == root.resolve():
        base = "."
    elif not (root / base).is_dir():
        base = "."  # `path` is often from another folder, or of another machine; the data.yaml lies with the data
    told = False
    for key in ("train", "val", "valid", "test"):
        entries = content.get(key)
        for entry in entries if isinstance(entries, list) else [entries] if entries else []:
            told = True
            yield from _listed(root, base, entry, SPLITS[key], f"{name}, {key}")
    if not told:
        raise invalid_argument(f"{name} names no folder of images.", HINT)


def _listed(root: Path, base: str, entry: object, split: str, at: str) -> Iterator[tuple[str, str, str]]:
    """Yield the images of a folder, or of a text file that lists them."""
    text = str(entry)
    if text.startswith("../") and not (root / base / text).exists() and (root / base / text[3:]).exists():
        text = text[3:]  # as Roboflow writes them, and Ultralytics reads them
    path = inside(root, PurePosixPath(base, text).as_posix(), at)
    place = root / path
    if place.is_dir():
        yield from ((image, split, f"{at}: {text}") for image in find_images(root, path))
    elif place.is_file() and place.suffix == ".txt":
        for number, line in enumerate(place.read_text(encoding="utf-8-sig").splitlines(), 1):
            if line.strip():
                where = f"{path}, line {number}"
                folder = PurePosixPath(path).parent
                yield inside(root, (folder / line.strip().removeprefix("./")).as_posix(), where), split, where
    else:
        raise invalid_argument(
            f"{at}: there is no folder '{text}'.", "Write folders from the one in which data.yaml lies."
        )


def _refuse_twice(found: list[tuple[str, str, str]]) -> None:
    splits: dict[str, str] = {}
    for image, split, at in found:
        if image in splits:
            raise invalid_argument(
                f"{at}: '{image}' is there twice ({splits[image]}, {split}).", "Each image is in one split."
            )
        splits[image] = split


def _few(labels: dict[int, str]) -> str:
    told = ", ".join(f"{number} ({label})" for number, label in list(labels.items())[:8])
    return told + (f" and {len(labels) - 8} more" if len(labels) > 8 else "")
