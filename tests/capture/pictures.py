"""Image files made by hand, and datasets of them in every format."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path


def png(width: int, height: int, shade: int = 0) -> bytes:
    """Return a grey image."""
    rows = (b"\0" + bytes([shade]) * width) * height

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def jpeg(width: int, height: int, orientation: int | None = None, order: str = ">") -> bytes:
    """Return the markers of a JPEG up to the one that tells its size, with a comment and fill bytes before it."""
    exif = b""
    if orientation is not None:
        mark = b"MM" if order == ">" else b"II"
        entries = struct.pack(f"{order}HHHIHH", 1, 0x0112, 3, 1, orientation, 0)
        tiff = mark + struct.pack(f"{order}HI", 42, 8) + entries + bytes(4)
        exif = b"\xff\xe1" + struct.pack(">H", len(tiff) + 8) + b"Exif\0\0" + tiff
    comment = b"\xff\xfe" + struct.pack(">H", 6) + b"\xff\xc0ab"
    frame = b"\xff\xff\xc2" + struct.pack(">HBHH", 17, 8, height, width) + bytes(10)
    return b"\xff\xd8" + exif + comment + frame


def put(root: Path, path: str, content: bytes | str) -> Path:
    """Write a file and the folders above it."""
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        place.write_text(content, encoding="utf-8")
    else:
        place.write_bytes(content)
    return place


COCO_BOXES = [[10.25, 20.5, 30.75, 20.125], [0, 0, 64, 48], [1.1, 2.2, 3.3, 4.4]]


def coco(root: Path) -> dict:
    """Write three images and a COCO file that has all there is: boxes, an outline of two parts, masks, a crowd."""
    for number in range(3):
        put(root, f"images/{number}.png", png(64, 48, number))
    content = {
        "info": {"year": 2024},
        "images": [
            {"id": 7 + number, "file_name": f"{number}.png", "width": 64, "height": 48, "licence": number}
            for number in range(3)
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": 18, "name": "dög"}, {"id": 90, "name": "never"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 1, "bbox": COCO_BOXES[0], "iscrowd": 0, "area": 618.84375},
            {"id": 2, "image_id": 7, "category_id": 18, "bbox": COCO_BOXES[1], "iscrowd": 0, "score_by": "ann"},
            {
                "id": 5,
                "image_id": 8,
                "category_id": 18,
                "bbox": COCO_BOXES[2],
                "segmentation": [[1, 2, 3.5, 2, 3.5, 4.25], [4, 4, 5, 4, 5, 6, 4, 6]],
                "iscrowd": 0,
                "area": 4.8125,
            },
            {
                "id": 6,
                "image_id": 8,
                "category_id": 1,
                "segmentation": {"size": [48, 64], "counts": [48 * 2 + 3, 5, 43, 5, 48 * 64 - 48 * 2 - 56]},
                "iscrowd": 1,
                "area": 10,
            },
        ],
    }
    put(root, "annotations/instances.json", json.dumps(content))
    return content


def yolo(root: Path) -> dict[str, str]:
    """Write two splits of images with boxes and one outline; the last image shows nothing. Return the text files."""
    texts = {
        "labels/train/a.txt": "0 0.516667 0.25 0.1 0.2\n1 0.5 0.5 1 1\n",
        "labels/train/b.txt": "1 0.1 0.1 0.4 0.1 0.4 0.7\n",
        "labels/val/c.txt": "",
    }
    for number, (path, text) in enumerate(texts.items()):
        put(root, path, text)
        put(root, path.replace("labels", "images").replace("txt", "png"), png(640, 427, number))
    put(root, "images/val/d.png", png(5, 5))
    put(root, "data.yaml", "train: images/train\nval: images/val\nnames:\n  0: cat\n  1: 'dog: large'\n")
    return texts


def voc_page(image: str, *objects: tuple[str, tuple[float, float, float, float]], more: str = "") -> str:
    """Return an XML file of annotations."""
    corners = ("xmin", "ymin", "xmax", "ymax")
    things = "".join(
        f"<object><name>{name}</name><pose>Left</pose><truncated>0</truncated><difficult>1</difficult><bndbox>"
        + "".join(f"<{corner}>{value}</{corner}>" for corner, value in zip(corners, box, strict=True))
        + "</bndbox></object>"
        for name, box in objects
    )
    size = "<size><width>64</width><height>48</height><depth>3</depth></size>"
    return f"<annotation><filename>{image}</filename>{size}{things}{more}</annotation>"


def voc(root: Path) -> None:
    """Write two images with their files and splits."""
    for number in (1, 2):
        put(root, f"JPEGImages/00{number}.png", png(64, 48, number))
    put(root, "Annotations/001.xml", voc_page("001.png", ("cat", (1, 1, 10, 20)), ("dog &amp; co", (3.5, 4, 64, 48))))
    put(root, "Annotations/002.xml", voc_page("002.png"))
    put(root, "ImageSets/Main/train.txt", "001\n")
    put(root, "ImageSets/Main/val.txt", "002\n")
