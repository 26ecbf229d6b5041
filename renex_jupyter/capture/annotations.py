"""The annotations of a new dataset version: boxes, polygons, masks, spans and labels, in one Parquet file, and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from renex_jupyter.capture import tables
from renex_jupyter.capture.samples import MANY, NAMED, Samples
from renex_jupyter.capture.source import Source
from renex_jupyter.errors import invalid_argument, shown
from renex_jupyter.records import display
from renex_jupyter.records.datasets import ANNOTATION_COLUMNS, DETECTION, KEY, KINDS
from renex_jupyter.store.workbench import Workbench, literal, quoted

NEEDED = {  # of each kind of annotation: the columns that must say something
    "class": ("label",),
    "box": ("label", "x", "y", "w", "h"),
    "polygon": ("polygon",),
    "mask": ("mask",),
    "span": ("begin_at", "end_at"),
    "value": ("value",),
}
HINT = f"The columns of annotations: {', '.join(ANNOTATION_COLUMNS)}."


@dataclass(frozen=True, slots=True)
class Annotations:
    """What was written."""

    file: Path
    rows: int
    named: bool  # False: the ids are numbers that we gave
    classes: tuple[str, ...]  # labels in their order

    def with_classes(self, samples: Samples) -> Samples:
        """Return samples without a target with the labels as their classes: those that a format declares first."""
        if any(each.role == "target" for each in samples.fields):
            return samples
        known = set(samples.classes)
        task = samples.task or (DETECTION if self.classes else None)
        return replace(
            samples, classes=(*samples.classes, *(each for each in self.classes if each not in known)), task=task
        )


def make_annotations(
    bench: Workbench,
    source: Source,
    given: Any = None,
    *,
    key: str | None = None,
    keys: Sequence[str] = (),
    annotator: str | None = None,
    samples: str = "samples",
    name: str = "annotations",
) -> Annotations | None:
    """Write the annotations of a source, or those that are given, into a file of the workbench, and name it there.

    Parameters
    ----------
    given : a table, or the path of one; None: those of the source.
    key : the column of it that says the sample; None: `_key`, or one of `keys`.
    keys : what the samples call theirs.
    annotator : of those that name none.

    Returns
    -------
    None where there are none.

    Raises
    ------
    RenexError : `invalid_argument` for columns that are none of annotations, kinds that there are not, values that are
        missing, and samples that there are not; it names the rows.
    """
    table = source.annotations
    if given is not None:
        table = tables.take(bench, given, name=f"given_{name}").samples
    if table is None:
        return None
    columns = bench.columns(table)
    said = _key_of(columns, key, keys)
    unknown = [each for each in columns if each.lower() not in ANNOTATION_COLUMNS and each != said]
    if unknown:
        names = ", ".join(f"'{each}'" for each in unknown[:NAMED])
        raise invalid_argument(f"column {names} is none of annotations.", f"Put it as JSON into 'attributes'. {HINT}")
    path = bench.folder / f"{name}_made.parquet"
    rows = bench.write(_query(table, columns, said, annotator), path)
    if rows == 0:
        return None
    bench.files(name, [path])
    _check(bench, path, samples)
    labels = bench.values(
        f"select distinct label from {quoted(name)} where label is not null order by 1 limit {MANY + 1}"
    )
    if len(labels) > MANY:
        raise invalid_argument(f"there are more than {MANY:,} labels.", "Put free text into the column 'text'.")
    lower = {each.lower() for each in columns}
    return Annotations(path, rows, "annotation_id" in lower, tuple(row[0] for row in labels))


def _key_of(columns: Mapping[str, str], key: str | None, keys: Sequence[str]) -> str:
    if key is not None:
        if key not in columns:
            raise invalid_argument(f"key={shown(key)} is no column of the annotations.", HINT)
        return key
    for each in (KEY, *keys, "key", "sample", "sample_key"):
        if each in columns:
            return each
    raise invalid_argument(f"the annotations do not say of which sample they are: no column '{KEY}'.", HINT)


def _query(table: str, columns: Mapping[str, str], key: str, annotator: str | None) -> str:
    lower = {each.lower(): each for each in columns}
    parts = [f"{quoted(key)}::varchar as {quoted(KEY)}"]
    for name, kind in list(ANNOTATION_COLUMNS.items())[1:]:
        own = quoted(lower[name]) if name in lower and lower[name] != key else None
        value = f"{own}::{kind}" if own else f"null::{kind}"
        if name == "annotation_id":
            value = f"{own}::varchar" if own else "(row_number() over () - 1)::varchar"
        elif name == "annotator" and annotator is not None:
            value = f"coalesce({value}, {literal(annotator)})"
        elif name == "kind" and own is None:
            value = "'box'" if {"x", "y", "w", "h"} <= lower.keys() else _kind(lower)
        elif name == "is_crowd":
            value = f"coalesce({value}, false)" if own else "false"
        parts.append(f"{value} as {quoted(name)}")
    return f"select {', '.join(parts)} from {quoted(table)}"


def _kind(lower: Mapping[str, str]) -> str:
    """Return the SQL of the kind that the columns which are there say."""
    for kind in ("polygon", "mask", "span", "value"):
        if set(NEEDED[kind]) <= lower.keys():
            return literal(kind)
    return "'class'"


def _check(bench: Workbench, path: Path, samples: str) -> None:
    rows = f"(select * from read_parquet({literal(str(path))}, file_row_number = true))"
    known = f"select {quoted(KEY)} from {quoted(samples)}"
    problems = [
        (f"{quoted(KEY)} is null", "without a sample", "Say of which sample each annotation is."),
        (f"{quoted(KEY)} not in ({known})", "of samples that there are not", "Keys are compared as texts."),
        (f"kind is null or kind not in {_listed(KINDS)}", "of a kind that there is not", f"Kinds: {', '.join(KINDS)}."),
        *(
            (
                f"kind = '{kind}' and ({' or '.join(f'{quoted(each)} is null' for each in needed)})",
                f"of kind '{kind}' without {' or '.join(needed)}",
                "Give each a value.",
            )
            for kind, needed in NEEDED.items()
        ),
        ("w < 0 or h < 0 or isnan(x) or isnan(y) or isnan(w) or isnan(h)", "with a box that is none", "w, h from 0."),
        ("begin_at < 0 or end_at < begin_at", "with a span that is none", "0 <= begin_at <= end_at."),
    ]
    for condition, what, hint in problems:
        found = bench.values(
            f"select file_row_number, {quoted(KEY)} from {rows} where {condition} order by 1 limit {NAMED}"
        )
        if found:
            total = bench.value(f"select count(*) from {rows} where {condition}")
            raise invalid_argument(f"{display.count(total, 'annotation')} {what}: {_told(found, total)}.", hint)
    twice = bench.values(
        f"select annotation_id, list(file_row_number)[1:{NAMED}] from {rows} group by 1 having count(*) > 1 limit 1"
    )
    if twice:
        raise invalid_argument(
            f"annotation_id '{twice[0][0]}' is in rows {_numbers(twice[0][1])}.", "Each has its own."
        )


def _told(found: Sequence[Sequence[Any]], total: int) -> str:
    said = ", ".join(f"row {row}" + ("" if key is None else f" (sample '{key}')") for row, key in found)
    return f"{said} and {total - len(found):,} more" if total > len(found) else said


def _numbers(rows: Sequence[int]) -> str:
    return " and ".join(map(str, sorted(rows)))


def _listed(words: Sequence[str]) -> str:
    return f"({', '.join(map(literal, words))})"
