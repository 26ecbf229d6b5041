"""Versions that are made of others: split, or with more annotations; and what runs used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from renex_jupyter.analysis.dataset_splits import checked_parts, make_split
from renex_jupyter.analysis.row_digest import row_hash
from renex_jupyter.capture.annotations import make_annotations
from renex_jupyter.capture.samples import make_samples
from renex_jupyter.capture.secrets import redact_text
from renex_jupyter.capture.source import Source
from renex_jupyter.errors import invalid_argument, shown, text_argument
from renex_jupyter.ids import content_id
from renex_jupyter.query import datasets as query
from renex_jupyter.query.contents import open_annotations, open_samples
from renex_jupyter.query.predicate_columns import known_column
from renex_jupyter.records.changes import now
from renex_jupyter.records.datasets import ANNOTATION_COLUMNS, KEY, Dataset, DatasetVersion
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.dataset_keeping import Content, keep_version
from renex_jupyter.session.runs import run_to_log_on
from renex_jupyter.store.workbench import Workbench, literal, quoted

RELATIONS = ("trained_on", "evaluated_on", "used", "predicted_on")
_ANNOTATIONS = "annotations"


def split_dataset(
    ref: str | Dataset | DatasetVersion,
    parts: Mapping[str, float],
    *,
    seed: int = 0,
    stratify: str | None = None,
    group: str | None = None,
    column: str = "split",
    message: str | None = None,
) -> DatasetVersion:
    """Make a version in which a column says the part of each sample; the same seed gives the same parts everywhere.

    Parameters
    ----------
    parts : name -> share, such as {"train": 0.8, "test": 0.2}; together 1.
    seed : of the order in which samples are dealt out.
    stratify : a column whose values each part has alike, such as the target.
    group : a column whose samples of one value go into one part, such as the patient.
    column : the name of the new column; one of this name is replaced.

    Returns
    -------
    The new version; the one that is there already if it has the same content.

    Raises
    ------
    RenexError : `invalid_argument` for shares that are not 1 together, and for columns that are not there.
    """
    shares = checked_parts(parts)
    if type(seed) is not int:
        raise invalid_argument(f"seed {shown(seed)} is no whole number.", "Use seed=0.")
    text_argument(column, "the name of a column", 'Use column="split".')
    session = current()
    version = query.get_dataset_version(session.store.reader, ref, session.namespace)
    with Workbench() as bench:
        open_samples(bench, session.store.blobs, version)
        there = bench.columns("samples")
        if column == KEY or column in version.named("key"):
            raise invalid_argument(f"column '{column}' is the key.", "Take another name for the split.")
        by = [None if each is None else known_column(each, there) for each in (stratify, group)]
        make_split(bench, shares, seed=seed, column=column, stratify=by[0], group=by[1])
        said = message or f"split {', '.join(f'{name} {share:g}' for name, share in shares.items())}, seed {seed}"
        return _next_of(session, bench, version, "split_samples", {"split": column}, message=said)


def log_annotations(
    ref: str | Dataset | DatasetVersion,
    data: Any,
    *,
    annotator: str | None = None,
    key: str | None = None,
    message: str | None = None,
) -> DatasetVersion:
    """Make a version with more annotations: boxes, polygons, masks, spans, labels or values, of one or many annotators.

    An annotation with the id of one that is there takes its place; one that says just what another says is left out.

    Parameters
    ----------
    data : a table, or its path, with the columns of docs/datasets.md.
    annotator : who made those that name nobody.
    key : the column of `data` that says the sample; None: `_key`.

    Raises
    ------
    RenexError : `invalid_argument` for samples that there are not and for values that are missing; it names the rows.
    """
    if annotator is not None:
        text_argument(annotator, "the name of an annotator", 'Use annotator="ana".')
    session = current()
    version = query.get_dataset_version(session.store.reader, ref, session.namespace)
    with Workbench() as bench:
        open_samples(bench, session.store.blobs, version)
        open_annotations(bench, session.store.blobs, version, "annotations_before")
        made = make_annotations(
            bench,
            Source("samples"),
            data,
            key=key,
            keys=version.named("key"),
            annotator=annotator,
            name="annotations_new",
        )
        if made is None:
            raise invalid_argument("there are no annotations in it.", "Give a row for each.")
        _join(bench, version, named=made.named)
        return _next_of(session, bench, version, "samples", {}, message=message or "annotations")


def use_dataset(
    ref: str | Dataset | DatasetVersion, *, relation: str = "trained_on", on: object = None
) -> DatasetVersion:
    """Record that the open run uses a dataset version: `lineage` shows it both ways.

    Parameters
    ----------
    relation : "trained_on", "evaluated_on", "predicted_on" or "used".
    on : another run, a model version, ...; None: the open run, which is opened if there is none.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    if relation not in RELATIONS:
        raise invalid_argument(f"relation {shown(relation)} is none.", f"Use one of: {', '.join(RELATIONS)}.")
    session = current()
    version = query.get_dataset_version(session.store.reader, ref, session.namespace)
    owner = _user(session, on)
    if owner is None:
        return version
    kind, object_id = owner
    link = content_id([kind, object_id, relation, "dataset_version", version.dataset_version_id])[:32]
    after = {
        "link_id": link,
        "from_kind": kind,
        "from_id": object_id,
        "relation": relation,
        "to_kind": "dataset_version",
        "to_id": version.dataset_version_id,
        "created_at": now(),
    }
    session.store.ensure("links", link, after, namespace=version.namespace)
    return version


def _user(session: Session, on: object) -> tuple[str, str] | None:
    """Return kind and id of what uses a dataset; None where no run can be opened, which was told."""
    if on is not None:
        from renex_jupyter.query.owners import find_owner

        owner = find_owner(session.store.reader, on, session.namespace)
        return owner.kind, owner.id
    active = run_to_log_on("the datasets that it uses")
    return None if active is None else ("run", active.run_id)


def _join(bench: Workbench, version: DatasetVersion, *, named: bool) -> None:
    """Make `annotations`, those that were there and the new ones, in a file of the workbench."""
    own = {name: kind for name, kind in ANNOTATION_COLUMNS.items() if name != "annotation_id"}
    names = ", ".join(map(quoted, ANNOTATION_COLUMNS))
    new_id = "annotation_id" if named else f"{literal(f'{version.version}-')} || annotation_id"
    bench.run(f"""
        create or replace view annotations_all as
        select {names} from annotations_before
        where annotation_id not in (select {new_id} from annotations_new)
        union all
        select {names.replace('"annotation_id"', f"{new_id} as annotation_id")} from annotations_new
        where {row_hash(own)} not in (select {row_hash(own)} from annotations_before
                                      where annotation_id not in (select {new_id} from annotations_new))""")
    path = bench.folder / "annotations_joined.parquet"
    bench.write("select * from annotations_all", path)
    bench.files(_ANNOTATIONS, [path])


def _next_of(
    session: Session, bench: Workbench, version: DatasetVersion, table: str, roles: Mapping[str, str], *, message: str
) -> DatasetVersion:
    """Keep what is on the workbench as a version that is made of another one."""
    known = {role: version.named(role) for role in {each.role for each in version.fields} - {"attribute"}}
    column = roles.get("split")
    given: dict[str, Any] = {role: names if role == "embedding" else names[0] for role, names in known.items()}
    given = {**{role: each for role, each in given.items() if each != column}, **roles}
    source = Source(table, keyed=True, classes=version.classes, task=version.task)
    made = make_samples(bench, source, given, task=version.task, name="samples_next")
    samples_path = bench.folder / "samples_made.parquet"
    bench.files("samples_next", [samples_path])
    if not bench.value("select count(*) from (show tables) where name = 'annotations'"):
        open_annotations(bench, session.store.blobs, version)
    count = int(bench.value("select count(*) from annotations"))
    path = bench.folder / "annotations_joined.parquet"
    if count and not path.exists():
        bench.write("select * from annotations", path)
    content = Content(made, "samples_next", path if count else None, _ANNOTATIONS, count)
    if count:
        labels = bench.values("select distinct label from annotations where label is not null order by 1")
        content = _with_labels(content, version, [row[0] for row in labels])
    session.begin()
    said = {"message": redact_text(message), "source": version.reference, "parent_id": version.dataset_version_id}
    return keep_version(session, bench, (version.namespace, version.dataset), content, {}, said)


def _with_labels(content: Content, version: DatasetVersion, labels: list[str]) -> Content:
    if version.target is not None:
        return content
    known = set(version.classes)
    classes = (*version.classes, *(each for each in labels if each not in known))
    return replace(content, samples=replace(content.samples, classes=classes))
