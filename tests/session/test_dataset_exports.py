"""A dataset goes out to every format and comes back with the same images, boxes and rows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pictures
import pytest

import renex_jupyter as rx
from renex_jupyter.query.contents import open_annotations, open_samples
from renex_jupyter.session.current import current
from renex_jupyter.store.workbench import Workbench


def rows(version: Any) -> tuple[list[dict], list[dict]]:
    """Return the samples and the annotations of a version."""
    with Workbench(threads=1) as bench:
        open_samples(bench, current().store.blobs, version)
        open_annotations(bench, current().store.blobs, version)
        return bench.rows("from samples order by _key"), bench.rows("from annotations order by _key, annotation_id")


def boxes(version: Any, *, crowds: bool = True) -> dict[str, list[tuple]]:
    """Return label and box of what is said of each image, by the SHA-256 of the image."""
    samples, annotations = rows(version)
    of = {row["_key"]: row["sha256"] for row in samples}
    found: dict[str, list[tuple]] = {sha256: [] for sha256 in of.values()}
    for row in annotations:
        if crowds or not row["is_crowd"]:
            found[of[row["_key"]]].append((row["label"], row["x"], row["y"], row["w"], row["h"]))
    return {sha256: sorted(each) for sha256, each in found.items()}


def assert_same(found: dict[str, list[tuple]], wanted: dict[str, list[tuple]]) -> None:
    """Images are the same, labels too, and coordinates to a millionth of a pixel."""
    assert found.keys() == wanted.keys()
    for sha256, expected in wanted.items():
        assert [each[0] for each in found[sha256]] == [each[0] for each in expected]
        for box, other in zip(found[sha256], expected, strict=True):
            assert box[1:] == pytest.approx(other[1:], abs=1e-6)


@pytest.fixture
def there(project: Path) -> Path:
    for make in (pictures.coco, pictures.yolo, pictures.voc):
        make(project / "in" / make.__name__)
    for place, path in enumerate(("train/cat/1.png", "train/dog/1.png", "test/cat/2.png")):
        pictures.put(project, f"in/imagefolder/{path}", pictures.png(4, 5, place))
    return project


def test_coco_comes_back_as_it_was(there: Path) -> None:
    version = rx.create_dataset("shapes", "in/coco")
    assert rx.export_dataset("shapes", "out") == there / "out"
    before = json.loads((there / "in/coco/annotations/instances.json").read_text())
    after = json.loads((there / "out/annotations/instances.json").read_text())
    assert after["categories"][:2] == before["categories"][:2]
    assert after["categories"][2]["name"] == "never"  # its number was said nowhere else
    assert [{**row, "file_name": row["file_name"][7:]} for row in after["images"]] == before["images"]
    mask = before["annotations"][3]
    mask["bbox"] = [2.0, 3.0, 2.0, 5.0]  # that of its pixels, which the file did not say
    before["annotations"][1]["area"] = 64 * 48
    assert sorted(after["annotations"], key=lambda row: row["id"]) == before["annotations"]
    assert rx.create_dataset("shapes", "out").dataset_version_id == version.dataset_version_id  # the same content


def test_yolo_comes_back_as_it_was(there: Path) -> None:
    version = rx.create_dataset("street", "in/yolo")
    assert (version.task, version.classes, version.splits) == (
        "detection",
        ("cat", "dog: large"),
        {"train": 2, "val": 2},
    )
    rx.export_dataset(version, "out", format="yolo")
    for path in ("a", "b"):
        assert (there / f"out/labels/train/{path}.txt").read_text() == (
            there / f"in/yolo/labels/train/{path}.txt"
        ).read_text()
    assert (there / "out/images/val/d.png").read_bytes() == (there / "in/yolo/images/val/d.png").read_bytes()
    again = rx.create_dataset("again", "out")
    assert_same(boxes(again), boxes(version))
    assert again.splits == version.splits and again.classes == version.classes


def test_voc_comes_back_as_it_was(there: Path) -> None:
    version = rx.create_dataset("pets", "in/voc")
    rx.export_dataset(version, "out", format="voc")
    assert "<xmin>3.5</xmin>" in (there / "out/Annotations/001.xml").read_text()
    assert "<difficult>1</difficult>" in (there / "out/Annotations/001.xml").read_text()
    assert rx.create_dataset("pets", "out").dataset_version_id == version.dataset_version_id


def test_folders_of_classes_come_back_as_they_were(there: Path) -> None:
    version = rx.create_dataset("animals", "in/imagefolder")
    assert (version.task, version.target, version.splits) == ("classification", "label", {"test": 1, "train": 2})
    rx.export_dataset(version, "out")
    assert rx.create_dataset("animals", "out").dataset_version_id == version.dataset_version_id


@pytest.mark.parametrize("source", ["coco", "yolo", "voc"])
@pytest.mark.parametrize("form", ["coco", "yolo", "voc"])
def test_boxes_go_from_each_format_into_each_other(there: Path, source: str, form: str) -> None:
    version = rx.create_dataset("boxes", f"in/{source}")
    rx.export_dataset(version, "out", format=form)
    back = rx.create_dataset("back", "out")
    wanted = boxes(version, crowds=form == "coco")
    if (source, form) == ("coco", "yolo"):  # of an outline in two parts the box is written; a box that leaves it is cut
        assert back.classes == ("cat", "dög", "never")
    assert_same(boxes(back), wanted)
    assert back.source == str(there / "out")


def test_random_boxes_keep_their_place_through_all_formats(project: Path) -> None:
    random = np.random.default_rng(0)
    images = [(str(number), int(random.integers(20, 4000)), int(random.integers(20, 4000))) for number in range(12)]
    content: dict[str, list] = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}]}
    for number, (name, width, height) in enumerate(images):
        pictures.put(project, f"in/{name}.png", pictures.png(width, height, number))
        content["images"].append({"id": number, "file_name": f"{name}.png", "width": width, "height": height})
        for _ in range(4):
            x, y = random.uniform(0, width - 2), random.uniform(0, height - 2)
            box = [x, y, random.uniform(0.5, width - x), random.uniform(0.5, height - y)]
            row = {"id": len(content["annotations"]), "image_id": number, "category_id": 1, "bbox": box}
            content["annotations"].append(row)
    pictures.put(project, "in/boxes.json", json.dumps(content))
    version = rx.create_dataset("boxes", "in")
    place = version
    for step, form in enumerate(("yolo", "voc", "coco")):
        rx.export_dataset(place, f"out{step}", format=form)
        place = rx.create_dataset(f"boxes{step}", f"out{step}")
    assert_same(boxes(place), boxes(version))


def test_tables_come_back_as_they_were(project: Path) -> None:
    frame = pd.DataFrame(
        {
            "id": ["a", "b", "c,\n"],
            "age": [1, 2, None],
            "when": pd.to_datetime(["2024-01-01", "2024-02-01 12:30:00.5", None], format="ISO8601"),
            "text": ['he said "no"', None, "ü"],
            "target": ["x", "y", "x"],
            "split": ["train", "test", "train"],
        }
    )
    roles = {"key": "id", "target": "target", "split": "split"}
    version = rx.create_dataset("people", frame, **roles)
    for form in ("parquet", "csv", "jsonl"):
        assert rx.export_dataset(version, f"out/people.{form}") == project / f"out/people.{form}"
        assert not list((project / "out").glob("*annotations*"))
    assert rx.create_dataset("people", "out/people.parquet", **roles).version == 1
    read = {
        "csv": pd.read_csv(project / "out/people.csv"),
        "jsonl": pd.read_json(project / "out/people.jsonl", lines=True),
    }
    for back in read.values():
        assert list(back) == list(frame) and list(back["id"]) == list(frame["id"])
        assert back["text"].iloc[0] == 'he said "no"' and pd.isna(back["age"].iloc[2])


def test_hugging_face_gets_a_file_for_each_split_with_the_annotations_in_it(there: Path) -> None:
    import pyarrow.parquet as pq

    rx.create_dataset("street", "in/yolo")
    rx.export_dataset("street", "out", format="hf")
    names = sorted(path.name for path in (there / "out/data").iterdir())
    assert names == ["train-00000-of-00001.parquet", "val-00000-of-00001.parquet"]
    table = pq.read_table(there / "out/data" / names[0]).to_pylist()
    assert [(row["image"], len(row["objects"]), row["objects"][0]["label"]) for row in table] == [
        ("images/train/a.png", 2, "cat"),
        ("images/train/b.png", 1, "dog: large"),
    ]
    empty = pq.read_table(there / "out/data" / names[1]).to_pylist()
    assert [row["objects"] for row in empty] == [[], []]


def test_only_the_samples_that_are_asked_for_are_written(there: Path) -> None:
    rx.create_dataset("street", "in/yolo")
    rx.export_dataset("street", "out", format="coco", where="split = 'val'")
    assert sorted(path.name for path in (there / "out").rglob("*.*")) == ["c.png", "d.png", "instances_val.json"]
    rx.export_dataset("street", "val.csv", where="split = 'train' and width > 5")
    assert len(pd.read_csv("val.csv")) == 2 and len(pd.read_csv("val.annotations.csv")) == 3
    with pytest.raises(rx.RenexError, match="no sample of default/street:1 is width > 9000"):
        rx.export_dataset("street", "none.csv", where="width > 9000")
    with pytest.raises(rx.RenexError, match="widht"):
        rx.export_dataset("street", "none.csv", where="widht > 9000")
    assert not Path("none.csv").exists()


def test_images_that_changed_or_went_are_told_and_nothing_is_left(there: Path) -> None:
    rx.create_dataset("shapes", "in/coco")
    pictures.put(there, "in/coco/images/1.png", pictures.png(64, 48, 99))
    with pytest.raises(rx.RenexError, match=r"images/1.png is not what it was") as told:
        rx.export_dataset("shapes", "out", format="voc")
    assert told.value.code == "conflict"
    shutil.rmtree(there / "in/coco/images")
    with pytest.raises(rx.RenexError, match=r"3 images are not there: 'images/0.png' of sample 'images/0.png'") as told:
        rx.export_dataset("shapes", "out", format="voc")
    assert told.value.code == "not_found"
    assert not [path.name for path in there.iterdir() if "out" in path.name]
    rx.export_dataset("shapes", "out", format="voc", images=False)
    assert sorted(path.suffix for path in (there / "out").rglob("*.*")) == [".xml"] * 3


def test_images_among_the_contents_of_the_store_need_no_folder(there: Path) -> None:
    rx.create_dataset("shapes", "in/coco")
    rx.log_artifact("in/coco/images", on="dataset:shapes")
    shutil.rmtree(there / "in/coco/images")
    rx.export_dataset("shapes", "out", format="voc")
    assert (there / "out/JPEGImages/1.png").read_bytes() == pictures.png(64, 48, 1)


def test_a_version_that_was_made_of_a_table_finds_the_images_of_the_one_before(there: Path) -> None:
    rx.create_dataset("animals", "in/imagefolder")
    frame = rx.dataset_samples("animals")
    frame["ink"] = 0.5
    rx.create_dataset("animals", frame, key="_key", image="image", target="label")
    rx.export_dataset("animals:2", "out", format="imagefolder", where="label = 'dog'")
    assert (there / "out/dog/train/dog/1.png").read_bytes() == (there / "in/imagefolder/train/dog/1.png").read_bytes()


def test_what_is_there_is_not_overwritten(there: Path) -> None:
    rx.create_dataset("shapes", "in/coco")
    pictures.put(there, "out/x", "mine")
    pictures.put(there, "x.csv", "mine")
    for path, form in (("out", "coco"), ("out", "hf"), ("x.csv", None)):
        with pytest.raises(rx.RenexError, match="is there already") as told:
            rx.export_dataset("shapes", path, format=form)
        assert told.value.code == "conflict"
    assert (there / "x.csv").read_text() == "mine"
    rx.export_dataset("shapes", "x.csv", force=True)
    assert len(pd.read_csv("x.csv")) == 3
    pictures.put(there, "y.annotations.csv", "mine")
    with pytest.raises(rx.RenexError, match=r"y\.annotations\.csv is there already"):
        rx.export_dataset("shapes", "y.csv")
    assert (there / "y.annotations.csv").read_text() == "mine"
    assert not (there / "y.csv").exists()
    with pytest.raises(rx.RenexError, match="store or in version control"):
        rx.export_dataset("shapes", ".renex/blobs", format="coco")


def test_what_a_format_cannot_say_is_told(there: Path) -> None:
    rx.create_dataset("people", {"name": ["a", "b"], "split": ["train", "not a name"]}, split="split")
    rx.create_dataset("shapes", "in/coco")
    rx.create_dataset("animals", "in/imagefolder")
    for name, path, form, words in (
        ("people", "out", "coco", "has no column of images"),
        ("people", "out", None, "does not say what it is to be"),
        ("people", "out", "tar", "format 'tar' is none"),
        ("people", "out", "hf", "split 'not a name'"),
        ("shapes", "out", "imagefolder", "sample 'images/0.png' has no class"),
    ):
        with pytest.raises(rx.RenexError, match=words) as told:
            rx.export_dataset(name, path, format=form)
        assert told.value.code == "invalid_argument" and told.value.hint
    assert not Path("out").exists()
    frame = pd.DataFrame({"image": ["1.png"], "label": ["../up"]})
    rx.create_dataset("hostile", frame, image="image", target="label")
    with pytest.raises(rx.RenexError, match="is no name of a folder"):
        rx.export_dataset("hostile", "out", format="imagefolder", images=False)
    rx.create_dataset("far", pd.DataFrame({"image": ["../../1.png"], "label": ["a"]}), image="image", target="label")
    for form in ("imagefolder", "coco", "yolo"):
        with pytest.raises(rx.RenexError, match="leads out of"):
            rx.export_dataset("far", "out", format=form, images=False)
    rx.export_dataset("far", "out", format="voc", images=False)  # one folder for all: the path becomes a name
    assert [path.name for path in Path("out").rglob("*.xml")] == [".._.._1.xml"]


def test_a_folder_of_images_is_an_error_with_the_place_of_the_fault(there: Path) -> None:
    (there / "in/coco/images/1.png").unlink()
    with pytest.raises(rx.RenexError, match=r"annotations/instances.json, images\[1\]: '1.png' is not there"):
        rx.create_dataset("shapes", "in/coco")
    with pytest.raises(rx.RenexError, match="there is no folder or file"):
        rx.create_dataset("shapes", "in/none", format="coco")
