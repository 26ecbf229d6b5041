"""Datasets: create one or its next version, find, list, change, delete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from renex_jupyter.capture import tables
from renex_jupyter.capture.annotations import make_annotations
from renex_jupyter.capture.samples import make_samples
from renex_jupyter.capture.secrets import redact_text
from renex_jupyter.errors import RenexError, invalid_argument, shown
from renex_jupyter.query import datasets as query
from renex_jupyter.records import display
from renex_jupyter.records.changes import Change, fields
from renex_jupyter.records.datasets import TASKS, Dataset, DatasetVersion
from renex_jupyter.records.model_words import checked_word
from renex_jupyter.session.alone import alone
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.dataset_keeping import WHAT, Content, dataset_changes, keep_version, named
from renex_jupyter.session.dataset_parts import parts_of
from renex_jupyter.session.described import described
from renex_jupyter.session.models import given_namespace
from renex_jupyter.session.named_places import named_place, write_edit
from renex_jupyter.session.points import checked_name
from renex_jupyter.session.versions import in_turn
from renex_jupyter.store.workbench import Workbench

if TYPE_CHECKING:
    import pandas as pd

EXAMPLE = 'create_dataset("adult", frame)'


def create_dataset(
    name: str,
    data: Any = None,
    *,
    key: str | None = None,
    target: str | None = None,
    task: str | None = None,
    text: str | None = None,
    image: str | None = None,
    split: str | None = None,
    time: str | None = None,
    embeddings: str | Sequence[str] = (),
    annotations: Any = None,
    format: str | None = None,  # noqa: A002  as pandas and Hugging Face call it
    description: str | None = None,
    message: str | None = None,
    owner: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    namespace: str | None = None,
) -> DatasetVersion | Dataset:
    """Keep rows as a version of a dataset: its first, or the next one; return the one that has them if one has.

    Two contents are the same when they have the same rows, in whatever order and out of whatever they were read.

    Parameters
    ----------
    name : 1 to 500 characters without any of `/ : @`; or with its namespace, `vision/digits`.
    data : a DataFrame (pandas, polars), Arrow table, Hugging Face Dataset, mapping of column to values, or the path or
        paths of CSV, Parquet or JSONL files; a file of COCO, a folder of YOLO, VOC or of images by class with `format`.
        Rows never go through pandas. None: only the dataset is created, and returned.
    key : the column that tells samples apart, without NULL or duplicates; None: the number of the row, from 0.
    target : the column that models are to predict; NULL where nobody knows it.
    task : "classification", "regression", "detection" or "text"; None: what the target looks like.
    text, image, split, time, embeddings : columns with a text, the path of an image, the name of a split, a time, and lists
        of numbers.
    annotations : a table with the columns of docs/datasets.md: boxes, polygons, masks, spans, labels of annotators.
    format : "csv", "parquet", "jsonl", "coco", "yolo", "voc", "imagefolder"; None: what the name of the file says.
    description, owner, metadata : of the dataset; owner None: who creates it.
    message : of the version.
    namespace : created on first use; None: that of `set_experiment`.

    Raises
    ------
    RenexError : `invalid_argument` for columns that are not there, keys that are missing or double (it names the rows),
        a target without any value; `not_found` for a file; `conflict` for another task than the dataset has.
    """
    _check_task(task)
    session = current()
    place = place_of(session, name, namespace)
    given = {"description": description, "owner": owner, "metadata": metadata}
    facts = {field: value for field, value in described("dataset", given).items() if value is not None}
    facts |= {"task": task} if task else {}
    if data is None:
        return _only_dataset(session, place, facts)
    said = {"message": _said("message", message)}
    there = named(session.store, *place)
    with Workbench() as bench:
        source = tables.take(bench, data, kind=format)
        roles = {"key": key, "target": target, "text": text, "image": image, "split": split, "time": time}
        listed = [embeddings] if isinstance(embeddings, str) else list(embeddings)
        wanted = {**{role: each for role, each in roles.items() if each is not None}, "embedding": listed}
        samples = make_samples(bench, source, wanted, task=task or (there or {}).get("task"))
        marks = make_annotations(bench, source, annotations, keys=[key] if key else [])
        content = Content(samples)
        if marks is not None:
            whole = marks.with_classes(samples)
            content = Content(whole, annotations=marks.file, n_annotations=marks.rows, named_annotations=marks.named)
        if content.samples.task and not (there or {}).get("task"):
            facts.setdefault("task", content.samples.task)
        session.begin()
        return keep_version(session, bench, place, content, facts, {**said, "source": _said("source", source.said)})


def get_dataset(ref: str | Dataset | DatasetVersion, namespace: str | None = None) -> Dataset:
    """Return a dataset by `[namespace/]name`, id or unique prefix.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    session = current()
    read = session.store.reader
    return query.as_dataset(read, query.find_dataset(read, ref, given_namespace(session, namespace)))


def list_datasets(namespace: str | None = None, *, archived: bool = False) -> pd.DataFrame:
    """Return datasets as a DataFrame: starred ones first, then those with the newest version.

    Parameters
    ----------
    namespace : None: of all of them.
    archived : also those that are archived.

    Returns
    -------
    Columns: namespace, name, versions [count], latest [number], n_samples and n_annotations [of the newest version], task,
    description, owner, starred, archived, created_at, changed_at [UTC, of the newest version], dataset_id.
    """
    if namespace is not None:
        checked_name("namespace", namespace, 'list_datasets("census")')
    return query.table_of_datasets(current().store.reader, namespace, archived=archived)


def update_dataset(
    ref: str | Dataset,
    *,
    name: str | None = None,
    namespace: str | None = None,
    task: str | None = None,
    description: str | None = None,
    owner: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    starred: bool | None = None,
    archived: bool | None = None,
) -> Dataset:
    """Change what is said of a dataset; rename it, or move it to another namespace. Its versions stay.

    Parameters
    ----------
    name, namespace : the new ones.
    description, owner, metadata : an empty one takes away what was said.
    archived : whether lists pass it over unless they are asked for archived ones.

    Raises
    ------
    RenexError : `conflict` for a name that another dataset of the namespace has; `not_found`, `ambiguous`,
        `invalid_argument`, `locked`.
    """
    _check_task(task)
    given = {"description": description, "owner": owner, "metadata": metadata}
    after = described("dataset", {**given, "starred": starred, "archived": archived})
    after |= {"task": task} if task is not None else {}
    if name is not None:
        after["name"] = checked_word("dataset", name)
    if namespace is not None:
        after["namespace"] = checked_name("namespace", namespace, 'update_dataset("adult", namespace="census")')
    if not after:
        raise invalid_argument("nothing to change.", 'Give what is to be said of it, such as description="...".')
    session = current()
    store = session.store
    found = query.find_dataset(store.reader, ref, session.namespace)
    session.begin()
    with alone(store, what=WHAT):
        before = query.as_dataset(store.reader, query.find_dataset(store.reader, found["dataset_id"]))
        write_edit(store, "dataset", before, after, named)
    return query.as_dataset(store.reader, query.find_dataset(store.reader, found["dataset_id"]))


def delete_dataset(ref: str | Dataset, *, versions: bool = False) -> Dataset:
    """Delete a dataset, and return what it was. Contents that nothing else has are freed by the next `gc`.

    Parameters
    ----------
    versions : also its versions, with what was predicted on these, searched and found in them, and its workspaces. Models
        and runs that used them stay.

    Raises
    ------
    RenexError : `conflict` while it has versions, unless these go with it; `not_found`, `ambiguous`, `locked`.
    """
    session = current()
    store = session.store
    found = query.find_dataset(store.reader, ref, session.namespace)
    session.begin()
    with alone(store, what=WHAT):
        record = query.as_dataset(store.reader, query.find_dataset(store.reader, found["dataset_id"]))
        if record.versions and not versions:
            raise RenexError(
                "conflict",
                f"dataset '{record.reference}' has {display.count(record.versions, 'version')}.",
                "versions=True (--versions) deletes these with it; archived=True (--archive) hides it from lists.",
            )
        store.write(
            *parts_of(store.reader, record),
            Change("datasets", record.dataset_id, "delete", {}, fields(record), record.namespace),
        )
    return record


def _check_task(task: str | None) -> None:
    if task is not None and task not in TASKS:
        raise invalid_argument(f"task {shown(task)} is none.", f"Use one of: {', '.join(TASKS)}.")


def place_of(session: Session, name: object, namespace: str | None) -> tuple[str, str]:
    """Return namespace and name of a dataset that may be new, from its name with or without a namespace.

    Raises
    ------
    RenexError : `invalid_argument` for a name that is none, and for two namespaces.
    """

    def parted(word: str) -> tuple[str, str]:
        meant = query.parse_reference(word)
        return meant.namespace, meant.name

    example = 'create_dataset("adult", frame, namespace="census")'
    return named_place(session, "dataset", name, namespace, parted=parted, example=example)


def _only_dataset(session: Session, place: tuple[str, str], facts: Mapping[str, Any]) -> Dataset:
    """Create a dataset without a version, or say of it what is new."""

    def write() -> None:
        with alone(session.store, what=WHAT):
            _, changes = dataset_changes(session, place, facts)
            if changes:
                session.store.write(*changes)

    session.begin()
    in_turn(write)
    row = named(session.store, *place)
    if row is None:
        raise RenexError("not_found", f"dataset '{'/'.join(place)}' was deleted just now.", "Create it again.")
    return query.as_dataset(session.store.reader, row)


def _said(what: str, text: str | None) -> str | None:
    """Return a text of the user, or the name of a file, without secrets."""
    if text is None:
        return None
    if not isinstance(text, str):
        raise invalid_argument(f"the {what} {shown(text)} is no text.", "Use a text.")
    return redact_text(text)
