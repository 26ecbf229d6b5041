"""Write a dataset of images as COCO, YOLO, Pascal VOC or folders of classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from renex_jupyter.capture.formats import coco_writer, image_folder_writer, voc_writer, yolo_writer
from renex_jupyter.capture.formats.folders import COCO, IMAGE_FOLDER, VOC, YOLO
from renex_jupyter.capture.formats.images import faults
from renex_jupyter.capture.formats.targets import Target
from renex_jupyter.store.blobs import Blobs

WRITERS = {
    COCO: coco_writer.write,
    YOLO: yolo_writer.write,
    VOC: voc_writer.write,
    IMAGE_FOLDER: image_folder_writer.write,
}
GONE = "Put them back, or write the annotations alone: images=False (--no-images)."


def write(request: dict[str, Any]) -> int:
    """Write what a request asks for, see `folders.write_images`, and return how many files that are."""
    target = Target(
        folder=Path(request["to"]),
        classes=request["classes"],
        rows=Path(request["rows"]),
        roots=[Path(each) for each in request["roots"]],
        blobs=Blobs(Path(request["blobs"])),
        images=request["images"],
    )
    WRITERS[request["write"]](target)
    if target.missing:
        raise faults(target.missing, "is not there", "images are not there", GONE, code="not_found")
    return target.files
