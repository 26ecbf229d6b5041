"""A new dataset version on its way into the store: contents, digest, number, record.

The order of writing is: contents, then one record that names them. Whoever is killed in between leaves contents that
nothing names, which a collection frees, and never a version whose rows are missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from renex_jupyter.analysis.row_digest import digest, family, row_hash, sum_of
from renex_jupyter.capture.samples import Samples
from renex_jupyter.errors import RenexError, warn
from renex_jupyter.ids import new_id
from renex_jupyter.query import datasets as query
from renex_jupyter.query.contents import open_samples
from renex_jupyter.records.changes import Change, fields, now
from renex_jupyter.records.datasets import (
    ANNOTATION_COLUMNS,
    ANNOTATIONS,
    KEY,
    SAMPLES,
    ContentFile,
    Dataset,
    DatasetVersion,
)
from renex_jupyter.session import purges
from renex_jupyter.session.alone import alone
from renex_jupyter.session.current import Session
from renex_jupyter.session.first_use import namespace_changes
from renex_jupyter.session.versions import in_turn
from renex_jupyter.store.store import Store
from renex_jupyter.store.workbench import Workbench, quoted

WHAT = "the datasets"  # as a message names what cannot be changed


@dataclass(frozen=True, slots=True)
class Content:
    """What a version is to hold: views of these names on a workbench, and the files behind them."""

    samples: Samples
    samples_table: str = "samples"
    annotations: Path | None = None
    annotations_table: str = "annotations"
    n_annotations: int = 0
    named_annotations: bool = True  # False: their ids are numbers that we gave


def digest_of(bench: Workbench, content: Content) -> str:
    """Return the digest of a content: the same for the same rows in any order, out of whatever they were read.

    The numbers of the rows, where these are the keys, count only where annotations name them.
    """
    types = bench.columns(content.samples_table)
    columns = {each.name: types[each.name] for each in content.samples.fields}
    if content.n_annotations:
        columns[KEY] = "VARCHAR"
    described = [(each.name, family(types[each.name]), each.role) for each in content.samples.fields]
    sums = [sum_of(bench, content.samples_table, columns)]
    if content.n_annotations:
        said = {
            name: kind
            for name, kind in ANNOTATION_COLUMNS.items()
            if content.named_annotations or name != "annotation_id"
        }
        sums.append(sum_of(bench, content.annotations_table, said))
    return digest(described, sums)


def keep_file(session: Session, path: Path, role: str, rows: int) -> ContentFile:
    """Put a Parquet file among the contents.

    Raises
    ------
    RenexError : `conflict` for a content that was purged, and what the store says.
    """
    store = session.store
    purged = purges.contents_gone(store)
    with path.open("rb") as file:
        sha256, size = store.blobs.put_stream(file, refused=purged)
    if sha256 in purged:
        raise RenexError(
            "conflict", f"the {role} were purged.", "Take out what made somebody purge them, and try again."
        )
    return ContentFile(role, sha256, size, rows)


def keep_version(
    session: Session,
    bench: Workbench,
    place: tuple[str, str],
    content: Content,
    facts: Mapping[str, Any],
    said: Mapping[str, Any],
) -> DatasetVersion:
    """Keep a content as the next version of a dataset; return the version that has it, if one has it already.

    Parameters
    ----------
    place : namespace and name of the dataset, which is created on first use.
    facts : of the dataset: task, owner, description, metadata.
    said : of the version: message, source, parent_id.
    """
    store = session.store
    found = digest_of(bench, content)
    there = _version_with(store, place, found)
    if there is not None:
        _tell_of_order(store, bench, content, there)
        if facts:
            in_turn(lambda: _only_facts(session, place, facts))
        return query.get_dataset_version(store.reader, there)
    purged_at = store.layout.purged_at()
    files = [keep_file(session, content.samples.file, SAMPLES, content.samples.rows)]
    if content.annotations is not None and content.n_annotations:
        files.append(keep_file(session, content.annotations, ANNOTATIONS, content.n_annotations))
    around = session.innermost
    draft = DatasetVersion(
        dataset_version_id=new_id(),
        dataset_id="",
        dataset=place[1],
        version=0,
        digest=found,
        n_samples=content.samples.rows,
        created_at=now(),
        namespace=place[0],
        n_annotations=content.n_annotations,
        fields=content.samples.fields,
        classes=content.samples.classes,
        splits=content.samples.splits,
        files=tuple(files),
        run_id=around.run_id if around else None,
        created_by=store.journal.actor,
        **said,
    )
    record = in_turn(lambda: _numbered(session, draft, facts))
    if store.layout.purged_at() != purged_at:
        purges.note_again(store, [each.sha256 for each in files])
    return query.get_dataset_version(store.reader, record)


def _numbered(session: Session, draft: DatasetVersion, facts: Mapping[str, Any]) -> DatasetVersion:
    """Give a version its number and write it, at once with its dataset on first use."""
    store = session.store
    place = (draft.namespace, draft.dataset)
    with alone(store, what=WHAT):
        there = _version_with(store, place, draft.digest)
        if there is not None:  # somebody else has just made it
            return there
        row, changes = dataset_changes(session, place, facts)
        record = replace(
            draft, dataset_id=row["dataset_id"], version=_next_number(store, row["dataset_id"]), created_at=now()
        )
        store.write(
            *changes,
            Change("dataset_versions", record.dataset_version_id, "create", fields(record), namespace=draft.namespace),
        )
    return record


def dataset_changes(
    session: Session, place: tuple[str, str], facts: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Change]]:
    """Return the row of a dataset, and the changes that create it, or say of it what is new. The caller is `alone`.

    Raises
    ------
    RenexError : `conflict` for another task than that of the versions that there are.
    """
    store, (namespace, name) = session.store, place
    row = named(store, namespace, name)
    if row is None:
        told = {"owner": store.journal.actor, **facts}
        record = Dataset(new_id(), name, now(), namespace, **told)
        change = Change("datasets", record.dataset_id, "create", fields(record), namespace=namespace)
        return {"dataset_id": record.dataset_id}, [*namespace_changes(store, namespace), change]
    there = query.as_dataset(store.reader, row)
    after = {name: value for name, value in facts.items() if value != getattr(there, name)}
    if there.task and there.versions and after.get("task"):
        fact = f"dataset '{there.reference}' is for {there.task}, not for {after['task']}."
        raise RenexError("conflict", fact, "Change it for all of its versions: rx.update_dataset(..., task=...).")
    if not after:
        return row, []
    was = {name: getattr(there, name) for name in after}
    return row, [Change("datasets", there.dataset_id, "update", after, was, namespace)]


def named(store: Store, namespace: str, name: str) -> dict[str, Any] | None:
    """Return the row of the dataset of this name, if there is one."""
    if not store.exists:
        return None
    found = "select * from inside.datasets where namespace = ? and name = ? order by created_at, dataset_id limit 1"
    return next(iter(store.reader.rows(found, [namespace, name])), None)


def _only_facts(session: Session, place: tuple[str, str], facts: Mapping[str, Any]) -> None:
    with alone(session.store, what=WHAT):
        _, changes = dataset_changes(session, place, facts)
        if changes:
            session.store.write(*changes)


def _version_with(store: Store, place: tuple[str, str], wanted: str) -> DatasetVersion | None:
    row = named(store, *place)
    return query.version_with(store.reader, row["dataset_id"], wanted) if row else None


def _next_number(store: Store, dataset_id: str) -> int:
    """Return one more than the highest number that a version of the dataset ever had, also one that was deleted."""
    last = """
        select max(json_extract_string(after, '$.version')::bigint) as last from inside.changes
        where kind = 'dataset_versions' and json_extract_string(after, '$.dataset_id') = ?"""
    return int(store.reader.rows(last, [dataset_id])[0]["last"] or 0) + 1


def _tell_of_order(store: Store, bench: Workbench, content: Content, there: DatasetVersion) -> None:
    """Warn when the rows are those of a version in another order, which arrays of predictions would be taken in."""
    if content.samples.has_keys:
        return
    columns = {each.name: each.type for each in there.fields}
    own = {each.name: each.type for each in content.samples.fields}
    open_samples(bench, store.blobs, there, "there")
    differs = bench.value(f"""
        select count(*) from (select {row_hash(own)} as h from {quoted(content.samples_table)}) n
        positional join (select {row_hash(columns)} as h from there) t where n.h <> t.h""")
    if differs:
        warn(
            f"these are the rows of {there.reference} in another order, so there is no new version. Arrays of predictions "
            "are taken in the order of that one (rx.dataset_samples); or give the dataset a key=, and predictions by it."
        )
