"""Tables of the user on a workbench: frames in memory, and files, which a process of its own reads."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from renex_jupyter.capture import files
from renex_jupyter.capture.formats.folders import FORMATS as IMAGE_FORMATS
from renex_jupyter.capture.formats.folders import read_images
from renex_jupyter.capture.source import Source
from renex_jupyter.capture.table_reading import CSV, JSONL, PARQUET
from renex_jupyter.errors import invalid_argument, shown
from renex_jupyter.records.datasets import KEY
from renex_jupyter.store.workbench import Workbench

GIVEN = "given"  # the name of the table on the workbench
SUFFIXES = {
    ".csv": CSV, ".tsv": CSV, ".txt": CSV, ".parquet": PARQUET, ".pq": PARQUET, ".jsonl": JSONL, ".ndjson": JSONL,
    ".json": JSONL,
}  # fmt: skip
PACKED = (".gz", ".zst")
FORMATS = (CSV, PARQUET, JSONL, *IMAGE_FORMATS)
HINT = (
    "Give a DataFrame (pandas, polars), an Arrow table, a Hugging Face Dataset, a mapping of column to values, or the "
    "path of a CSV, Parquet or JSONL file."
)
BATCH = 10_000  # rows of a Hugging Face Dataset that are in memory at one time


def take(bench: Workbench, data: object, *, kind: str | None = None, name: str = GIVEN) -> Source:
    """Name the rows of whatever a user gives on a workbench; files are read by the worker into a file of the workbench.

    Parameters
    ----------
    kind : format of files; None: what their names say.
    name : under which they are there.

    Raises
    ------
    RenexError : `invalid_argument` for what has no rows, or columns of several lengths; `not_found` for a missing file.
    """
    if kind is not None and kind not in FORMATS:
        raise invalid_argument(f"format {shown(kind)} is none.", f"Use one of: {', '.join(FORMATS)}.")
    paths = _paths(data)
    if paths:
        return _of_files(bench, paths, kind, name)
    if kind is not None:
        raise invalid_argument(f"format='{kind}' is of files, and data is {type(data).__name__}.", "Leave it out.")
    if isinstance(data, Mapping):
        _check_splits(data)
        _check_lengths(data)
    if isinstance(data, (list, tuple)) and data and all(isinstance(each, Mapping) for each in data):
        import pandas as pd

        data = pd.DataFrame(list(data))
    elif data is None or isinstance(data, (list, tuple, set, bytes, int, float)):
        raise invalid_argument(f"{shown(data)} is no table.", HINT)
    if callable(getattr(data, "__array__", None)) and not hasattr(data, "columns"):
        # DuckDB would take each row of an array for a column, until its memory is full.
        raise invalid_argument(
            f"a {type(data).__name__} has no names of columns.",
            'Name them: pd.DataFrame(array, columns=["age", "height"]).',
        )
    _check_names(data)
    bench.take(name, _as_arrow(data))
    return Source(name, said=f"{type(data).__module__.partition('.')[0]} {type(data).__name__}")


def _paths(data: object) -> list[Path]:
    """Return the files that are meant; none where it is no path."""
    if isinstance(data, (str, os.PathLike)):
        return [Path(os.fsdecode(data)).expanduser().absolute()]
    if isinstance(data, (list, tuple)) and data and all(isinstance(each, (str, os.PathLike)) for each in data):
        return [Path(os.fsdecode(each)).expanduser().absolute() for each in data]
    return []


def _of_files(bench: Workbench, paths: Sequence[Path], kind: str | None, name: str) -> Source:
    into = bench.folder / f"read_{name}"
    into.mkdir(exist_ok=True)
    if kind in IMAGE_FORMATS or (kind is None and paths[0].is_dir()):
        return _of_images(bench, paths, kind, name)
    kind = kind or _kind(paths)
    files.read_table(paths, kind, into)
    bench.files(name, [into / "samples.parquet"])
    said = paths[0].name if len(paths) == 1 else f"{paths[0].name} and {len(paths) - 1} more"
    return Source(name, said=said)


def _of_images(bench: Workbench, paths: Sequence[Path], kind: str | None, name: str) -> Source:
    """Name the images of a folder and what is said of them; the source is the folder, in which the images stay."""
    if len(paths) > 1:
        raise invalid_argument(f"{len(paths)} folders of images are given.", "Give the one that holds them all.")
    read = read_images(paths[0], bench.folder / f"read_{name}", format=kind)
    bench.files(name, [read.samples])
    marks = None if read.annotations is None else f"{name}_annotations"
    if marks is not None and read.annotations is not None:
        bench.files(marks, [read.annotations])
    roles = {"key": KEY, **{role: column for column, role in read.roles.items()}}
    return Source(name, marks, roles, read.classes, read.task, str(read.root))


def _kind(paths: Iterable[Path]) -> str:
    """Return the format that the names of files say. Raises `invalid_argument` where they say none, or several."""
    kinds = set()
    for path in paths:
        plain = path.with_suffix("") if path.suffix.lower() in PACKED else path
        kind = SUFFIXES.get(plain.suffix.lower())
        if kind is None:
            raise invalid_argument(
                f"the name of {path} does not say what it is.", f"Say it with format=: {', '.join(FORMATS)}."
            )
        kinds.add(kind)
    if len(kinds) > 1:
        raise invalid_argument(f"the files are {' and '.join(sorted(kinds))}.", "Give files of one format.")
    return kinds.pop()


def _check_splits(data: Mapping[Any, Any]) -> None:
    """Refuse several datasets under names, which `datasets.load_dataset()` gives where no split is asked for."""
    held = [name for name, each in data.items() if hasattr(each, "column_names")]
    if held:
        said = ", ".join(map(str, held))
        raise invalid_argument(
            f"a {type(data).__name__} with tables in it is none: {said}.", f"Give one: data[{held[0]!r}]."
        )


def _check_lengths(data: Mapping[Any, Any]) -> None:
    """Refuse columns of several lengths, which pandas would tell without their names."""
    lengths = {}
    for name, values in data.items():
        try:
            lengths[name] = len(values)
        except TypeError:
            raise invalid_argument(
                f"column {shown(name)} is {shown(values)}, which has no rows.", "Give a list or an array per column."
            ) from None
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name!s} has {count:,}" for name, count in lengths.items())
        raise invalid_argument(
            f"the columns have different numbers of rows: {said}.", "Give as many values per column."
        )


def _check_names(data: object) -> None:
    """Refuse names of columns that SQL cannot tell apart, before DuckDB renames one."""
    names = getattr(data, "column_names", None)
    if names is None:
        names = getattr(data, "columns", None) if not isinstance(data, Mapping) else list(data)
    if names is None or callable(names):
        return
    seen: dict[str, str] = {}
    for name in map(str, names):
        if name.lower() in seen:
            raise invalid_argument(
                f"columns '{seen[name.lower()]}' and '{name}' have one name: upper and lower case are the same here.",
                "Rename one of them.",
            )
        seen[name.lower()] = name


def _as_arrow(data: Any) -> Any:
    """Return a Hugging Face Dataset as Arrow, without its contents in memory; anything else as it is."""
    if not hasattr(data, "column_names") or not hasattr(getattr(data, "data", None), "table"):
        return data
    if getattr(data, "_indices", None) is None:  # as it lies there; else it was filtered, shuffled or sorted
        return data.data.table
    import pyarrow as pa

    batches: Iterator[Any] = (
        batch for table in data.with_format("arrow").iter(batch_size=BATCH) for batch in table.to_batches()
    )
    return pa.RecordBatchReader.from_batches(data.features.arrow_schema, batches)
