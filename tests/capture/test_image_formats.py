"""COCO, YOLO, Pascal VOC and folders of classes are read; what is wrong in them is named, and nothing outside is opened."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pictures import COCO_BOXES, coco, png, put, voc, voc_page, yolo

from renex_jupyter.capture.formats.folders import read_images
from renex_jupyter.capture.formats.polygons import area_of, mask_box, runs_of
from renex_jupyter.capture.formats.process import _read as read_here
from renex_jupyter.capture.formats.process import which
from renex_jupyter.errors import RenexError
from renex_jupyter.store.workbench import Workbench, literal


def read(path: Path, form: str | None = None) -> tuple[dict[str, Any], list[dict], list[dict]]:
    """Return what was read, in this process: the answer, samples and annotations."""
    into = path.parent / "into"
    into.mkdir(exist_ok=True)
    answer = read_here({"read": str(path), "into": str(into), "format": form})
    with Workbench(threads=1) as bench:
        tables = [
            bench.rows(f"from read_parquet({literal(str(file))})")
            if (file := into / f"{name}.parquet").exists()
            else []
            for name in ("samples", "annotations")
        ]
    return answer, *tables


def refused(path: Path, form: str | None = None) -> RenexError:
    with pytest.raises(RenexError) as told:
        read(path, form)
    assert told.value.hint
    return told.value


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir()
    return made


def test_coco_is_read_with_boxes_outlines_masks_and_crowds(root: Path) -> None:
    coco(root)
    answer, samples, annotations = read(root)
    assert (answer["format"], answer["task"], answer["classes"]) == ("coco", "detection", ["cat", "dög", "never"])
    assert answer["roles"] == {"image": "image"}
    assert [row["_key"] for row in samples] == [f"images/{number}.png" for number in range(3)]
    assert samples[0] | {"sha256": ""} == {
        "_key": "images/0.png",
        "image": "images/0.png",
        "width": 64,
        "height": 48,
        "sha256": "",
        "image_id": 7,
        "licence": 0,
    }
    assert samples[1]["sha256"] == hashlib.sha256((root / "images/1.png").read_bytes()).hexdigest()
    assert [(row["_key"][7], row["annotation_id"], row["kind"], row["label"]) for row in annotations] == [
        ("0", "1", "box", "cat"),
        ("0", "2", "box", "dög"),
        ("1", "5", "polygon", "dög"),
        ("1", "6", "mask", "cat"),
    ]
    assert [[row[side] for side in "xywh"] for row in annotations[:3]] == COCO_BOXES
    assert [annotations[3][side] for side in "xywh"] == [2.0, 3.0, 2.0, 5.0]  # of the mask
    assert annotations[2]["polygon"] == [1, 2, 3.5, 2, 3.5, 4.25, None, 4, 4, 5, 4, 5, 6, 4, 6]
    assert [row["is_crowd"] for row in annotations] == [False, False, False, True]
    assert json.loads(annotations[1]["attributes"]) == {"category_id": 18, "score_by": "ann"}


def test_coco_takes_a_file_or_one_for_each_split(root: Path) -> None:
    coco(root)
    one = read(root / "annotations/instances.json")
    assert one[0]["root"] == str(root) and len(one[1]) == 3
    for split in ("train2017", "val2017"):
        put(root, f"two/{split}/a-{split}.png", png(3, 4))
        file = {"images": [{"id": 1, "file_name": f"a-{split}.png"}], "annotations": [], "categories": []}
        put(root, f"two/annotations/instances_{split}.json", json.dumps(file))
    answer, samples, _ = read(root / "two")
    assert [(row["_key"], row["split"], row["width"]) for row in samples] == [
        ("train2017/a-train2017.png", "train", 3),
        ("val2017/a-val2017.png", "val", 3),
    ]
    assert answer["roles"] == {"image": "image", "split": "split"}


CocoChange = Callable[[dict], object]
COCO_FAULTS: list[tuple[CocoChange, str, str]] = [
    (lambda c: c["images"][1].update(file_name="gone.png"), "not_found", r"images\[1\]: 'gone.png' is not there"),
    (lambda c: c["images"][1].update(file_name="../x.png"), "unsafe_path", r"images\[1\]: '../x.png' leads out of"),
    (lambda c: c["images"][1].update(file_name="/etc/passwd"), "unsafe_path", "leads out of"),
    (lambda c: c["images"][1].update(file_name="C:\\x.png"), "unsafe_path", "leads out of"),
    (lambda c: c["images"][1].update(file_name=None), "invalid_argument", r"images\[1\]: None is no path"),
    (
        lambda c: c["images"][1].update(file_name="0.png"),
        "invalid_argument",
        r"images\[1\]: 'images/0.png', as .*images\[0\]",
    ),
    (lambda c: c["images"][1].update(id=7), "invalid_argument", r"images\[1\]: the id 7 of an image is there twice"),
    (lambda c: c["images"].insert(0, 3), "invalid_argument", r"images\[0\] is 3, not an object"),
    (
        lambda c: c["annotations"][1].update(image_id=99),
        "invalid_argument",
        r"annotations\[1\]: no image has the id 99",
    ),
    (lambda c: c["annotations"][1].update(image_id=[7]), "invalid_argument", r"annotations\[1\]: no image has the id"),
    (
        lambda c: c["annotations"][1].update(category_id=4),
        "invalid_argument",
        r"annotations\[1\]: no category has the id 4",
    ),
    (lambda c: c["annotations"][1].update(id=1), "invalid_argument", r"annotations\[1\]: the id 1 of an annotation"),
    (
        lambda c: c["annotations"][1].update(bbox=[1, 2, 3]),
        "invalid_argument",
        r"annotations\[1\]: bbox \[1, 2, 3\] is no box",
    ),
    (lambda c: c["annotations"][1].update(bbox=[1, 2, -3, 4]), "invalid_argument", "is no box"),
    (lambda c: c["annotations"][1].update(bbox=[1, 2, float("nan"), 4]), "invalid_argument", "is no box"),
    (lambda c: c["annotations"][2].update(segmentation=[[1, 2, 3]]), "invalid_argument", "is no outline"),
    (
        lambda c: c["annotations"][3]["segmentation"].update(counts=[5]),
        "invalid_argument",
        "runs cover 5 pixels, not 48 x 64",
    ),
    (lambda c: c["annotations"][3]["segmentation"].update(counts="!"), "invalid_argument", "the mask is wrong"),
    (lambda c: c["categories"][0].pop("name"), "invalid_argument", r"categories\[0\]: None is no name"),
    (
        lambda c: c["images"][1].update(weight=float("inf")),
        "invalid_argument",
        "sample 'images/1.png' has a number without an",
    ),
    (lambda c: c["annotations"][1].update(weight=float("nan")), "invalid_argument", r"annotations\[1\] has a"),
    (lambda c: c.update(images={}), "invalid_argument", "has no list 'images'"),
    (lambda c: c.update(images=[]), "invalid_argument", ""),
]


@pytest.mark.parametrize("place", range(len(COCO_FAULTS)))
def test_what_is_wrong_in_coco_is_named_with_its_row(root: Path, place: int) -> None:
    content = coco(root)
    change, code, words = COCO_FAULTS[place]
    change(content)
    put(root, "annotations/instances.json", json.dumps(content))
    told = refused(root)
    assert told.code == code
    assert re.search(words, told.message), told.message


def test_what_is_no_json_is_refused(root: Path) -> None:
    for text in ("{", '{"images": ' + "[" * 100_000, "[]"):
        put(root, "x.json", text)
        assert refused(root / "x.json", "coco").code == "invalid_argument"


def test_run_lengths_as_text_are_those_as_numbers() -> None:
    # encoded by hand as `rleToString` does it: [5, 3, 100, 3, 9] of 120 pixels; from the fourth on differences
    def encode(runs: list[int]) -> str:
        text = ""
        for place, run in enumerate(runs):
            value = run - (runs[place - 2] if place > 2 else 0)
            while True:
                bits, value = value & 0x1F, value >> 5
                more = value != -1 if bits & 0x10 else value != 0
                text += chr((bits | (0x20 if more else 0)) + 48)
                if not more:
                    break
        return text

    for runs in ([5, 3, 100, 3, 9], [0, 120], [120], [1, 1, 1, 1, 40, 70, 6]):
        assert runs_of({"size": [10, 12], "counts": encode(runs)}) == runs
    assert mask_box([5, 3, 112], 10) == (0, 5, 1, 3)
    assert mask_box([8, 4, 108], 10) == (0, 0, 2, 10)
    assert mask_box([120], 10) is None
    assert area_of([[0, 0, 4, 0, 4, 3, 0, 3], [0, 0, 2, 0, 0, 2]]) == 14


def test_yolo_is_read_in_pixels_with_its_splits(root: Path) -> None:
    yolo(root)
    answer, samples, annotations = read(root)
    assert (answer["format"], answer["classes"]) == ("yolo", ["cat", "dog: large"])
    assert [(row["_key"], row["split"], row["width"], row["height"]) for row in samples] == [
        ("images/train/a.png", "train", 640, 427),
        ("images/train/b.png", "train", 640, 427),
        ("images/val/c.png", "val", 640, 427),
        ("images/val/d.png", "val", 5, 5),
    ]
    assert [(row["kind"], row["label"]) for row in annotations] == [
        ("box", "cat"),
        ("box", "dog: large"),
        ("polygon", "dog: large"),
    ]
    first = [annotations[0][side] for side in "xywh"]
    assert first == pytest.approx([0.516667 * 640 - 32, 0.25 * 427 - 42.7, 64, 85.4], abs=1e-9)
    assert [annotations[1][side] for side in "xywh"] == pytest.approx([0, 0, 640, 427])
    assert annotations[2]["polygon"] == pytest.approx([64, 42.7, 256, 42.7, 256, 298.9])
    assert [annotations[2][side] for side in "xywh"] == pytest.approx([64, 42.7, 192, 256.2])


def test_yolo_reads_lists_of_images_and_the_paths_that_roboflow_writes(root: Path) -> None:
    yolo(root)
    put(root, "train.txt", "./images/train/a.png\nimages/train/b.png\n")
    put(root, "data.yaml", "path: /somewhere/else\ntrain: train.txt\nval: ../images/val\nnames: [cat, dog]\n")
    answer, samples, _ = read(root / "data.yaml")
    assert answer["format"] == "yolo" and [row["split"] for row in samples] == ["train", "train", "val", "val"]


YOLO_FAULTS = [
    (
        "labels/train/a.txt",
        "7 0.5 0.5 0.1 0.1",
        "invalid_argument",
        "labels/train/a.txt, line 1: no class has the number 7",
    ),
    (
        "labels/train/a.txt",
        "0 0.5 0.5 0.1 0.1\n\n0 0.5",
        "invalid_argument",
        "labels/train/a.txt, line 3: 1 numbers after",
    ),
    ("labels/train/a.txt", "cat 0.5 0.5 0.1 0.1", "invalid_argument", "is not made of numbers"),
    ("labels/train/a.txt", "0 320 240 10 10", "invalid_argument", "line 1: '0 320 240 10 10' leaves the image"),
    ("labels/train/a.txt", "0 nan 0.5 0.1 0.1", "invalid_argument", "leaves the image"),
    (
        "images/train/a.png",
        "no image",
        "invalid_argument",
        "labels/train/a.txt, line 1: the size of 'images/train/a.png' cannot",
    ),
    (
        "data.yaml",
        "train: images/gone\nnames: [cat, dog]",
        "invalid_argument",
        "data.yaml, train: there is no folder 'images/gone'",
    ),
    ("data.yaml", "train: ../../..\nnames: [cat, dog]", "unsafe_path", "data.yaml, train: '../../..' leads out"),
    ("data.yaml", "path: ..\ntrain: data\nnames: [cat, dog]", "unsafe_path", "leads out"),
    ("data.yaml", "train: /etc\nnames: [cat, dog]", "unsafe_path", "leads out"),
    ("data.yaml", "train: images/train\nnames: [cat, cat]", "invalid_argument", "two classes have the same name"),
    ("data.yaml", "train: images/train\nnames: 5", "invalid_argument", "are no names of classes"),
    (
        "data.yaml",
        "train: images/train\nnc: 3\nnames: [cat, dog]",
        "invalid_argument",
        "nc is 3, and there are 2 names",
    ),
    ("data.yaml", "names: [cat, dog]", "invalid_argument", "names no folder of images"),
    ("data.yaml", "train: images/train\nval: images/train\nnames: [cat, dog]", "invalid_argument", "is there twice"),
    ("data.yaml", "names: !!python/object/apply:os.system ['true']", "invalid_argument", "is no YAML"),
    ("data.yaml", "a: &a [x, x]\nb: &b [*a, *a]\nnames: *b", "invalid_argument", "aliases"),
    ("data.yaml", "names: [", "invalid_argument", "is no YAML"),
    ("train.txt", "images/train/gone.png", "not_found", "train.txt, line 1: 'images/train/gone.png' is not there"),
]


@pytest.mark.parametrize("place", range(len(YOLO_FAULTS)))
def test_what_is_wrong_in_yolo_is_named_with_its_line(root: Path, place: int) -> None:
    yolo(root)
    path, text, code, words = YOLO_FAULTS[place]
    put(root, path, text)
    if path == "train.txt":
        put(root, "data.yaml", "train: train.txt\nnames: [cat, dog]")
    told = refused(root)
    assert (told.code, words in told.message) == (code, True), told.message


def test_voc_is_read_with_corners_that_count_from_one(root: Path) -> None:
    voc(root)
    answer, samples, annotations = read(root)
    assert (answer["format"], answer["classes"]) == ("voc", ["cat", "dog & co"])
    assert [(row["_key"], row["split"], row["width"], row["height"]) for row in samples] == [
        ("JPEGImages/001.png", "train", 64, 48),
        ("JPEGImages/002.png", "val", 64, 48),
    ]
    assert [[row[side] for side in "xywh"] for row in annotations] == [[0, 0, 10, 20], [2.5, 3, 61.5, 45]]
    assert json.loads(annotations[0]["attributes"]) == {"pose": "Left", "truncated": False, "difficult": True}


BOMB = """<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>
<annotation><filename>&b;</filename></annotation>"""
OUTSIDE = """<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>
<annotation><filename>001.png</filename><object><name>&e;</name></object></annotation>"""
VOC_FAULTS = [
    (BOMB, "invalid_argument", "Annotations/001.xml, line 1: a DOCTYPE is not read"),
    (OUTSIDE, "invalid_argument", "a DOCTYPE is not read"),
    ('<!DOCTYPE annotation SYSTEM "http://localhost/x.dtd"><annotation/>', "invalid_argument", "a DOCTYPE is not read"),
    ("<annotation>&e;</annotation>", "invalid_argument", "is no XML"),
    ("<annotation>" + "<a>" * 50, "invalid_argument", "more than 40 elements inside each other"),
    ("<annotation>", "invalid_argument", "is no XML"),
    ("<html/>", "invalid_argument", "the outermost element is <html>, not <annotation>"),
    (voc_page("../../secret.png"), "unsafe_path", "001.xml, filename: '../../secret.png' leads out"),
    (voc_page("/etc/passwd"), "unsafe_path", "leads out"),
    (voc_page("gone.png"), "not_found", "Annotations/001.xml: 'gone.png' is not there"),
    (voc_page("002.png"), "invalid_argument", "is the image of Annotations/001.xml, too"),
    (voc_page("001.png", ("cat", (10, 1, 5, 5))), "invalid_argument", "object 1: 10, 1, 5, 5 are no corners"),
    (voc_page("001.png", ("", (1, 1, 5, 5))), "invalid_argument", "object 1 has no name"),
    (voc_page("001.png", ("cat", ("x", 1, 5, 5))), "invalid_argument", "object 1: xmin is 'x', no number"),  # type: ignore[arg-type]
    (
        voc_page("001.png", more="<object><name>cat</name></object>"),
        "invalid_argument",
        "object 1: xmin is None, no number",
    ),
]


@pytest.mark.parametrize("place", range(len(VOC_FAULTS)))
def test_what_is_wrong_in_voc_is_named_and_xml_makes_nobody_do_anything(root: Path, place: int) -> None:
    voc(root)
    text, code, words = VOC_FAULTS[place]
    put(root, "Annotations/001.xml", text)
    told = refused(root)
    assert (told.code, words in told.message) == (code, True), told.message


def test_folders_of_classes_are_read_with_and_without_splits(root: Path) -> None:
    for place, path in enumerate(("cat/1.png", "cat/deep/1.png", "dog/1.PNG", ".hidden/x.png")):
        put(root, f"plain/{path}", png(4, 5, place))
        put(root, f"split/{'valid' if place else 'train'}/{path}", png(4, 5, place))
    answer, samples, annotations = read(root / "plain")
    assert (answer["format"], answer["task"], answer["classes"]) == ("imagefolder", "classification", ["cat", "dog"])
    assert answer["roles"] == {"image": "image", "label": "target"} and not annotations
    assert [(row["_key"], row["label"]) for row in samples] == [
        ("cat/1.png", "cat"),
        ("cat/deep/1.png", "cat"),
        ("dog/1.PNG", "dog"),
    ]
    _, samples, _ = read(root / "split")
    assert [(row["label"], row["split"]) for row in samples] == [("cat", "train"), ("cat", "val"), ("dog", "val")]


def test_an_image_in_no_class_and_a_folder_without_images_are_refused(root: Path) -> None:
    assert "looks like no dataset" in refused(root).message
    put(root, "train/1.png", png(1, 1))
    put(root, "train/cat/1.png", png(1, 1))
    assert refused(root).message == "'train/1.png' is in no folder of a class."
    assert refused(root / "none").code == "not_found"
    assert "is no format of images" in refused(root, "tar").message


def test_a_link_out_of_the_folder_is_refused(root: Path) -> None:
    secret = put(root.parent, "secret.png", png(1, 1))
    (root / "cat").mkdir()
    (root / "cat/1.png").symlink_to(secret)
    told = refused(root)
    assert told.code == "unsafe_path" and "is a link that leads out" in told.message


def test_the_format_of_a_folder_is_known_by_what_lies_in_it(root: Path) -> None:
    for make in (coco, yolo, voc):
        make(root / make.__name__)  # type: ignore[operator]
        assert which(root / make.__name__) == make.__name__


def test_a_process_of_its_own_reads_and_says_what_is_wrong(root: Path) -> None:
    content = coco(root)
    into = root.parent / "into"
    into.mkdir()
    tables = read_images(root, into)
    assert (tables.format, tables.classes, tables.root) == ("coco", ("cat", "dög", "never"), root)
    assert tables.samples.exists() and tables.annotations is not None and tables.annotations.exists()
    content["images"][0]["file_name"] = "\ud800.png"
    put(root, "annotations/instances.json", json.dumps(content))
    with pytest.raises(RenexError, match="a name or a text of the dataset cannot be read"):
        read_images(root, into)
    content["images"][0]["file_name"] = "0.png"
    content["annotations"][0]["category_id"] = 5
    put(root, "annotations/instances.json", json.dumps(content))
    with pytest.raises(RenexError, match=r"annotations\[0\]: no category has the id 5"):
        read_images(root, into)
