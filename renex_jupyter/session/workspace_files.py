"""Workspaces as files, to give to somebody else: a JSON document without paths, and without the samples."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from renex_jupyter.capture.files import read_texts
from renex_jupyter.capture.secrets import redact_text
from renex_jupyter.errors import RenexError, from_os_error, invalid_argument, shown
from renex_jupyter.query import datasets
from renex_jupyter.query.predicate_columns import checked
from renex_jupyter.records.charts import Chart
from renex_jupyter.records.datasets import DatasetVersion
from renex_jupyter.records.workspace_specs import LATEST, Compared, WorkspaceSpec, spec_from_json, spec_to_json
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.described import described
from renex_jupyter.session.filters import types_of
from renex_jupyter.session.points import checked_name
from renex_jupyter.session.workspace import Workspace
from renex_jupyter.session.workspace_specs import compared_on
from renex_jupyter.session.workspaces import find_saved, keep_workspace

KIND, FORMAT = "renex workspace", 1
LARGEST = 8 * 2**20  # bytes
TIMEOUT = 60.0  # seconds to read it
HINT = "Make one with rx.export_workspace('errors', 'errors.json')."
_KEYS = {"kind", "format", "name", "description", "dataset", "spec"}
_OF_DATASET = {"namespace", "name", "version", "digest"}


def export_workspace(workspace: object, path: str | os.PathLike[str]) -> Path:
    """Write a version of a workspace into a file, for `import_workspace` in another store; return its path.

    The file names the dataset, its version and digest, and holds no samples but the keys of those that are selected.

    Parameters
    ----------
    workspace : as in `open_workspace`.
    path : of the file to make; one that is there is replaced.

    Raises
    ------
    RenexError : as `open_workspace`; `permission`, `disk_full` for the file.
    """
    session = current()
    saved = find_saved(session, workspace)
    seen = saved.spec.seen
    name = saved.dataset.rpartition("/")[2]
    said = {
        "kind": KIND,
        "format": FORMAT,
        "name": saved.name,
        "description": saved.description,
        "dataset": {
            "namespace": saved.namespace,
            "name": name,
            "version": seen and seen.version,
            "digest": seen and seen.digest,
        },
        "spec": spec_to_json(saved.spec),
    }
    if not isinstance(path, (str, os.PathLike)):
        raise invalid_argument(f"{shown(path)} is no path of a file.", HINT)
    file = Path(path).expanduser().absolute()
    _write(file, json.dumps(said, ensure_ascii=False, allow_nan=False, indent=1) + "\n")
    return file


def import_workspace(path: str | os.PathLike[str], *, name: str | None = None, dataset: object = None) -> Workspace:
    """Save what `export_workspace` wrote as a workspace here, and open it.

    Predictions are found by their content, or by their model version; those that are not here are left out of charts, and
    `.changed` names them. A workspace that was kept on a version follows the number that has the same content here.

    Parameters
    ----------
    path : of the file. It is read, never run: a workspace holds no code and no SQL.
    name : under which it is saved; None: its own. If there is one on the same dataset, it becomes its next version.
    dataset : on which; None: the one of the same name, if it has the content that the workspace was made on.

    Raises
    ------
    RenexError : `invalid_argument` for a file that is no workspace, or that asks for columns that the dataset has not;
        `newer_store` for one that a newer program wrote; `conflict` where the dataset of this name has other content;
        `not_found`.
    """
    session = current()
    said = _read(path)
    spec = spec_from_json(said["spec"])
    record, same = _dataset(session, said["dataset"], dataset)
    if spec.version != LATEST:
        spec = dataclasses.replace(spec, version=record.version)
    if not same:
        spec = dataclasses.replace(spec, seen=None)
    spec = _fitting(session, spec, record)
    sets, missing = compared_on(session.store.reader, record, spec.compare)
    live = Workspace(session.store, spec, record, sets, missing=missing)
    if spec.selection is not None and spec.selection.ids:
        live.check_keys(spec.selection.ids)
    told = described("workspace", {"description": said.get("description")})
    called = checked_name("workspace", said["name"] if name is None else name, "'errors'")
    return keep_workspace(session, called, live, told, f"imported from {Path(path).name}")


def _dataset(session: Session, said: Mapping[str, Any], wanted: object) -> tuple[DatasetVersion, bool]:
    """Return the version to open the workspace on, and whether its content is the one that it was made on."""
    read = session.store.reader
    if wanted is not None:
        row = datasets.find_dataset_version(read, wanted, session.namespace)
        given = datasets.as_dataset_version(read, row)
        same = datasets.version_with(read, given.dataset_id, str(said["digest"]))
        return same or given, same is not None
    named = f"{said['namespace']}/{said['name']}"
    row = datasets.find_dataset(read, named)
    same = datasets.version_with(read, row["dataset_id"], str(said["digest"]))
    if same is None:
        raise RenexError(
            "conflict",
            f"the dataset '{named}' here has no version with the content that the workspace was made on.",
            f"It may be another of the same name. To take it anyway: import_workspace(..., dataset='{named}').",
        )
    return same, True


def _fitting(session: Session, spec: WorkspaceSpec, record: DatasetVersion) -> WorkspaceSpec:
    """Return a specification whose filters fit a dataset, and whose words hold no secrets. Raises `invalid_argument`."""
    types = types_of(record)
    read = session.store.reader
    there = {
        each.digest: each
        for each in datasets.list_prediction_sets(read, dataset_version_ids=[record.dataset_version_id])
    }

    def compared(each: Compared) -> Compared:
        here = there.get(each.digest)
        return each if here is None else Compared(here.prediction_set_id, here.digest, here.model, here.name)

    def chart(each: Chart) -> Chart:
        narrowed = None if each.filter is None else checked(each.filter, types)
        return dataclasses.replace(each, filter=narrowed, title=_clean(each.title))

    selection = spec.selection
    if selection is not None and selection.rule is not None:
        selection = dataclasses.replace(selection, rule=checked(selection.rule, types))
    return dataclasses.replace(
        spec,
        filter=checked(spec.filter, types),
        selection=selection,
        charts=tuple(chart(each) for each in spec.charts),
        compare=tuple(compared(each) for each in spec.compare),
        notes=_clean(spec.notes),
    )


def _clean(text: str | None) -> str | None:
    return None if text is None else redact_text(text)


def _read(path: object) -> dict[str, Any]:
    """Return what a file says; it is read by another process, as every file of the user."""
    if not isinstance(path, (str, os.PathLike)):
        raise invalid_argument(f"{shown(path)} is no path of a file.", HINT)
    file = Path(path).expanduser().absolute().resolve()
    content = read_texts(file.parent, [file.name], limit=LARGEST, timeout=TIMEOUT).get(file.name)
    if content is None:
        raise RenexError("not_found", f"no file {path} of at most {LARGEST:,} bytes.", HINT)
    try:
        said = json.loads(content.decode(), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise invalid_argument(f"{path} is no JSON: {str(error)[:100]}.", HINT) from error
    if not isinstance(said, dict) or said.get("kind") != KIND:
        raise invalid_argument(f"{path} is no workspace.", HINT)
    known = said.get("format")
    if type(known) is int and known > FORMAT:
        fact = f"{path} is of format {known}; this version reads up to {FORMAT}."
        raise RenexError("newer_store", fact, "Update renex_jupyter: pip install -U renex-jupyter.")
    whose = said.get("dataset")
    whole = known == FORMAT and said.keys() == _KEYS and isinstance(said["name"], str) and isinstance(whose, dict)
    if not whole or not isinstance(whose, dict) or whose.keys() != _OF_DATASET:
        raise invalid_argument(f"{path} is a damaged workspace.", HINT)
    if not all(isinstance(whose[each], str) for each in ("namespace", "name", "digest")):
        raise invalid_argument(f"{path} names no dataset.", HINT)
    return said


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number of JSON")


def _write(file: Path, text: str) -> None:
    """Write a file whole or not at all."""
    made = None
    try:
        handle, made = tempfile.mkstemp(prefix=f".{file.name[:50]}.", dir=file.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
        mask = os.umask(0)
        os.umask(mask)
        Path(made).chmod(0o666 & ~mask)
        Path(made).replace(file)
    except OSError as error:
        if made is not None:
            with suppress(OSError):
                Path(made).unlink()
        raise from_os_error(error, "the workspace cannot be written") from error
