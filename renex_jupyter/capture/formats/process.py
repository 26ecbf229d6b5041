"""The process that reads and writes datasets of images: a request on standard input, an answer on standard output.

The kernel must not open files of the user (see capture/worker.py), and what a file of gigabytes needs in memory is gone
with this process.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from renex_jupyter.capture.formats import coco, image_folder, voc, yolo
from renex_jupyter.capture.formats.folders import COCO, FORMATS, IMAGE_FOLDER, VOC, YOLO
from renex_jupyter.capture.formats.images import find_images
from renex_jupyter.capture.formats.rows import Rows
from renex_jupyter.capture.formats.writing import write
from renex_jupyter.errors import RenexError, from_os_error, invalid_argument, shown
from renex_jupyter.records.datasets import CLASSIFICATION, DETECTION

READERS = {COCO: coco.read, YOLO: yolo.read, VOC: voc.read, IMAGE_FOLDER: image_folder.read}
ROLES = {"image": "image", "split": "split", "label": "target"}
HINT = f"Say which it is: format= one of {', '.join(FORMATS)}."


def main() -> None:
    """Answer one request."""
    request = json.loads(sys.stdin.buffer.read())
    try:
        answer = _read(request) if "read" in request else {"files": write(request)}
    except RenexError as error:
        answer = {"error": [error.code, error.message, error.hint]}
    except OSError as error:
        told = from_os_error(error, "the dataset cannot be read or written")
        answer = {"error": [told.code, told.message, told.hint]}
    except UnicodeError as error:
        hint = "Names and texts are UTF-8."
        answer = {"error": ["invalid_argument", f"a name or a text of the dataset cannot be read: {error}.", hint]}
    except MemoryError:
        answer = {"error": ["too_large", "the dataset does not fit into the memory.", "Split its file of annotations."]}
    sys.stdout.write("\n" + json.dumps({"renex": answer}) + "\n")


def which(path: Path) -> str:
    """Return the format of a folder or a file.

    Raises
    ------
    RenexError : `not_found`; `invalid_argument` where it looks like none.
    """
    if not path.exists():
        raise RenexError("not_found", f"there is no folder or file {path}.", "Check the path.")
    if path.is_file():
        known = {".json": COCO, ".yaml": YOLO, ".yml": YOLO, ".xml": VOC}
        if (found := known.get(path.suffix.lower())) is not None:
            return found
    elif yolo.find(path) is not None:
        return YOLO
    elif voc.find(path):
        return VOC
    elif coco.find(path)[1]:
        return COCO
    elif find_images(path):
        return IMAGE_FOLDER
    raise invalid_argument(f"{path} looks like no dataset of images.", HINT)


def _read(request: dict[str, Any]) -> dict[str, Any]:
    path, form = Path(request["read"]), request["format"]
    found = which(path)
    form = found if form is None else form
    if form not in READERS:
        raise invalid_argument(f"format={shown(form)} is no format of images.", HINT)
    if path.is_file() and form == IMAGE_FOLDER:
        raise invalid_argument(f"{path} is a file.", "Give the folder that has a folder for each class.")
    with Rows(Path(request["into"])) as rows:
        READERS[form](path, rows)
        rows.finish()
    return {
        "format": form,
        "task": CLASSIFICATION if form == IMAGE_FOLDER else DETECTION,
        "root": str(coco.find(path)[0] if form == COCO else path if path.is_dir() else path.parent),
        "annotations": rows.annotations,
        "classes": rows.classes,
        "roles": {name: role for name, role in ROLES.items() if name in rows.columns},
    }


if __name__ == "__main__":
    main()
