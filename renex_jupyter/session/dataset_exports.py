"""A dataset version as files for other programs: tables, and the formats of image datasets."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from renex_jupyter.capture.formats.folders import COCO, FORMATS, IMAGE_FOLDER, write_images
from renex_jupyter.errors import RenexError, from_os_error, invalid_argument, shown
from renex_jupyter.query import contents
from renex_jupyter.query import datasets as query
from renex_jupyter.records.datasets import ANNOTATION_COLUMNS, KEY, Dataset, DatasetVersion
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.downloads import checked_place
from renex_jupyter.session.filters import as_predicate
from renex_jupyter.session.models import given_namespace
from renex_jupyter.store.conditions import condition
from renex_jupyter.store.workbench import Workbench, literal, quoted

CSV, PARQUET, JSONL, HUGGING_FACE = "csv", "parquet", "jsonl", "hf"
TABLES = {CSV: "format csv, header", PARQUET: "format parquet, compression zstd", JSONL: "format json"}
SUFFIXES = {".csv": CSV, ".parquet": PARQUET, ".pq": PARQUET, ".jsonl": JSONL, ".ndjson": JSONL}
ALL = (*TABLES, HUGGING_FACE, *FORMATS)
SPLIT = re.compile(r"\w+(\.\w+)*")  # https://huggingface.co/docs/datasets/repository_structure: names of splits
REST = "unsplit"  # samples without a split, where others have one
HINT = f"Say it with format=: {', '.join(ALL)}."
THERE = "Choose another place, or say force=True (--force) to replace a file."


def export_dataset(
    ref: str | Dataset | DatasetVersion,
    path: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002  the name that every library has for it
    where: Any = None,
    images: bool = True,
    force: bool = False,
    namespace: str | None = None,
) -> Path:
    """Write a dataset version, or the samples of it that are asked for, as files.

    Parameters
    ----------
    ref : `[namespace/]name[:version]`, id or record; without a version the newest.
    path : a new file (csv, parquet, jsonl; annotations go into a second one, NAME.annotations.csv), or a new folder.
    format : "csv", "parquet", "jsonl"; "coco", "yolo", "voc", "imagefolder" for images; "hf": a folder that
        `datasets.load_dataset()` reads, with a file for each split. None: the name of the file says it; of a folder of
        images "coco" where there are annotations, else "imagefolder".
    where : which samples: a text such as "age >= 30 and sex = 'F'", or a predicate; None: all.
    images : copy the image files, too, each verified by its SHA-256; False: only what is said of them.
    force : replace a file that is there; a folder with anything in it is never replaced.

    Returns
    -------
    The path of the file or the folder.

    Raises
    ------
    RenexError : `not_found`, `conflict` for what is there and for images that are not what they were, `unsafe_path`,
        `invalid_argument` for what the format cannot say; nothing is written then.
    """
    session = current()
    row = query.find_dataset_version(session.store.reader, ref, given_namespace(session, namespace))
    version = query.as_dataset_version(session.store.reader, row)
    place = checked_place(path)
    form = _format(version, place, format)
    _check_free(place, is_folder=form not in TABLES, force=force)
    if form in TABLES and version.n_annotations:
        _check_free(_annotations_of(place), is_folder=False, force=force)
    predicate = as_predicate(where, version)
    with Workbench() as bench:
        chosen = _choose(session, bench, version, condition(predicate))
        if not chosen:
            raise invalid_argument(f"no sample of {version.reference} is {predicate}.", "Ask for others: where=...")
        try:
            if form in TABLES:
                _write_table(bench, version, place, form)
            elif form == HUGGING_FACE:
                _write_splits(bench, version, place)
            else:
                _write_images(session, bench, version, place, form, images=images)
        except OSError as error:
            raise from_os_error(error, f"{version.reference} cannot be written") from error
    return place


def _format(version: DatasetVersion, place: Path, wanted: object) -> str:
    if wanted is not None:
        if wanted not in ALL:
            raise invalid_argument(f"format {shown(wanted)} is none.", f"Use one of: {', '.join(ALL)}.")
        return str(wanted)
    if found := SUFFIXES.get(place.suffix.lower()):
        return found
    if not place.suffix and version.named("image"):
        if version.n_annotations:
            return COCO
        if version.target is not None:
            return IMAGE_FOLDER
    raise invalid_argument(f"{place.name} does not say what it is to be.", HINT)


def _check_free(place: Path, *, is_folder: bool, force: bool) -> None:
    if not os.path.lexists(place):
        return
    if is_folder and (not place.is_dir() or any(place.iterdir())):
        raise RenexError("conflict", f"{place} is there already.", "Choose a new folder, or an empty one.")
    if not is_folder and (place.is_dir() or not force):
        raise RenexError("conflict", f"{place} is there already.", THERE)


def _choose(session: Session, bench: Workbench, version: DatasetVersion, chosen: tuple[str, list[Any]]) -> int:
    """Name the samples that are asked for, and their annotations; return how many samples that are."""
    text, values = chosen
    contents.open_samples(bench, session.store.blobs, version, "all_samples")
    contents.open_annotations(bench, session.store.blobs, version, "all_annotations")
    bench.run("create table chosen as select * from all_samples limit 0")
    bench.run(f"insert into chosen select * from all_samples where {text}", values)
    bench.run(f"create view marks as from all_annotations where {quoted(KEY)} in (select {quoted(KEY)} from chosen)")
    return int(bench.value("select count(*) from chosen"))


def _columns(version: DatasetVersion) -> str:
    """Return the columns of the samples as SQL: those of the user, and the key where no column of theirs says it."""
    names = [each.name for each in version.fields]
    return ", ".join(map(quoted, names if version.named("key") else [KEY, *names]))


def _write_table(bench: Workbench, version: DatasetVersion, place: Path, form: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with _beside(place) as file:
        bench.run(f"copy (select {_columns(version)} from chosen) to {literal(str(file))} ({TABLES[form]})")
        if version.n_annotations:
            with _beside(_annotations_of(place)) as other:
                bench.run(f"copy (from marks) to {literal(str(other))} ({TABLES[form]})")


def _annotations_of(place: Path) -> Path:
    """Return the file that the annotations of a table go into."""
    return place.with_name(f"{place.stem}.annotations{place.suffix}")


def _write_splits(bench: Workbench, version: DatasetVersion, place: Path) -> None:
    """Write data/SPLIT-00000-of-00001.parquet; annotations become a list in the column `objects`."""
    field = next(iter(version.named("split")), None)
    split = "'train'" if field is None else f"coalesce({quoted(field)}::varchar, {literal(REST)})"
    names = [row[0] for row in bench.values(f"select distinct {split} from chosen order by 1")]
    for name in names:
        if not SPLIT.fullmatch(name):
            raise invalid_argument(
                f"split {shown(name)} is no name that Hugging Face takes.", "Letters, digits, _ and dots."
            )
    columns, source = _columns(version), "chosen"
    if version.n_annotations:
        taken = [f"{quoted(each)} := m.{quoted(each)}" for each in ANNOTATION_COLUMNS if each != KEY]
        bench.run(f"""
            create view grouped as
            select {quoted(KEY)}, list(struct_pack({", ".join(taken)}) order by m.annotation_id) as objects
            from marks m group by {quoted(KEY)}""")
        columns += ", coalesce(objects, []) as objects"
        source = f"chosen left join grouped using ({quoted(KEY)})"
    with _beside(place, is_folder=True) as folder:
        (folder / "data").mkdir()
        for name in names:
            file = literal(str(folder / "data" / f"{name}-00000-of-00001.parquet"))
            rows = f"select {columns} from {source} where {split} = {literal(name)}"
            bench.run(f"copy ({rows}) to {file} ({TABLES[PARQUET]})")


def _write_images(
    session: Session, bench: Workbench, version: DatasetVersion, place: Path, form: str, *, images: bool
) -> None:
    image = next(iter(version.named("image")), None)
    if image is None:
        raise invalid_argument(f"{version.reference} has no column of images.", "Write csv, parquet, jsonl or hf.")
    said = {"image": image, "split": next(iter(version.named("split")), None), "label": version.target}
    roles = [f"{quoted(column)}::varchar as {quoted(name)}" for name, column in said.items() if column is not None]
    taken = {column for column in said.values() if column}
    rest = [quoted(each.name) for each in version.fields if each.name not in taken and each.name not in said]
    rows = bench.folder / "rows"
    rows.mkdir()
    samples = f"select {', '.join([quoted(KEY), *roles, *rest])} from chosen order by {quoted(KEY)}"
    marks = f"from marks order by {quoted(KEY)}, try_cast(annotation_id as bigint), annotation_id"
    for name, text in (("samples", samples), ("annotations", marks)):
        bench.run(f"copy ({text}) to {literal(str(rows / f'{name}.jsonl'))} (format json)")
    with _beside(place, is_folder=True) as folder:
        write_images(
            rows,
            folder,
            format=form,
            classes=version.classes,
            roots=_roots(session, version),
            blobs=session.store.blobs.folder,
            images=images,
        )


def _roots(session: Session, version: DatasetVersion) -> list[Path]:
    """Return the folders below which images may lie: what this version was read from, others before it, and the project."""
    sources = session.store.reader.rows(
        "select source from inside.dataset_versions where dataset_id = ? and version <= ? order by version desc",
        [version.dataset_id, version.version],
    )
    said = [Path(row["source"]) for row in sources if row["source"] and "\0" not in row["source"]]
    return list(dict.fromkeys([*(each for each in said if each.is_absolute()), session.store.layout.root.parent]))


@contextmanager
def _beside(place: Path, *, is_folder: bool = False) -> Iterator[Path]:
    """Give a path beside a place, which takes that place in the end; on an error nothing is left of it."""
    temporary = place.with_name(f".{place.name[:100]}.{uuid4().hex}.part")
    if is_folder:
        temporary.mkdir(parents=True)
    try:
        yield temporary
        if is_folder and place.is_dir():
            place.rmdir()  # empty, or it refuses
        temporary.replace(place)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)
