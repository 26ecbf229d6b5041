"""The notebook's cells as they stand, and what of them was run in this session."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from renex_jupyter.capture.notebook import LiveNotebook
from renex_jupyter.ids import content_id
from renex_jupyter.records.order import out_of_order
from renex_jupyter.records.snapshots import Cell, CellExecution, Code

CELL_TYPES = ("code", "markdown", "raw")
CELL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")  # as the schema of nbformat has it


def capture_code(
    root: Path,
    notebook: Path | None,
    executions: Sequence[CellExecution],
    *,
    live: LiveNotebook | None,
    document: dict[str, Any] | None,
    expected: bool = False,
    script: str | None = None,
) -> Code:
    """Return the notebook's cells: from the browser, else from disk, else what was executed.

    Parameters
    ----------
    root : folder of the project; the notebook is named relative to it.
    notebook : its file, where known; else the one that the browser names.
    executions : what the kernel ran in this session, in order.
    live : the notebook in the browser, with unsaved edits and without outputs.
    document : the notebook on disk.
    expected : there is a page that might have told of unsaved edits.
    script : path in the project of the script that runs here, where there is no notebook.

    Returns
    -------
    Code whose id covers the notebook's name and the type and source of each cell: neither ids, counts nor outputs. Its
    `document` is a valid notebook with the outputs that are on disk for unchanged cells; None if nothing is known.
    """
    path = notebook or (live.path if live else None)
    kept, source = _chosen(executions, live, document)
    if source == "disk" and expected:
        source = "unanswered"
    if source == "none" and script:
        source = "script"
    cells = _cells(kept["cells"], executions, ordered=source != "history")
    name = _relative(path, root)
    fields = [text for cell in cells for text in (cell.cell_type, cell.source)]
    text = None if source in ("none", "script") else as_text(_with_ids(kept))
    return Code(content_id([name, *fields]), name, source, cells, text, script if source == "script" else None)


def as_text(document: Mapping[str, Any]) -> str:
    """Return a notebook as Jupyter writes it to disk, so that a restored file differs in nothing that was not changed.

    References
    ----------
    nbformat, v4/nbjson.py: sorted keys, one space of indent, sources as lists of lines.
    """
    cells = [{**cell, "source": cell["source"].splitlines(keepends=True)} for cell in document["cells"]]
    text = json.dumps({**document, "cells": cells}, ensure_ascii=False, indent=1, sort_keys=True)
    return f"{text}\n"


def _chosen(
    executions: Sequence[CellExecution], live: LiveNotebook | None, document: dict[str, Any] | None
) -> tuple[dict[str, Any], str]:
    if live is not None:
        return _valid(_with_outputs(live.document, document)), "live"
    if document is not None:
        return _valid(document), "disk"
    return _from_history(executions), "history" if executions else "none"


def _from_history(executions: Iterable[CellExecution]) -> dict[str, Any]:
    sources = dict.fromkeys(each.source for each in executions if each.source.strip())
    cells = [{"cell_type": "code", "source": source, "metadata": {}} for source in sources]
    return _valid({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def _with_outputs(live: dict[str, Any], disk: dict[str, Any] | None) -> dict[str, Any]:
    """Give the cells that are the same on disk their outputs back, with the count that belongs to them."""
    saved = {_key(cell): cell for cell in (disk or {"cells": []})["cells"]}
    return {**live, "cells": [_with_output(cell, saved.get(_key(cell), {})) for cell in live["cells"]]}


def _with_output(cell: dict[str, Any], saved: Mapping[str, Any]) -> dict[str, Any]:
    if cell.get("cell_type") != "code" or cell.get("outputs") or not saved.get("outputs"):
        return cell
    return {**cell, "outputs": saved["outputs"], "execution_count": saved.get("execution_count")}


def _key(cell: Mapping[str, Any]) -> tuple[Any, ...]:
    return (cell.get("id"), cell.get("cell_type"), cell["source"])


def _valid(document: dict[str, Any]) -> dict[str, Any]:
    """Complete what the schema of nbformat demands and a front end or a hand may have left out."""
    cells = [_valid_cell(cell) for cell in document["cells"]]
    metadata = document.get("metadata")
    minor = document.get("nbformat_minor")
    return {
        "cells": cells,
        "metadata": metadata if isinstance(metadata, dict) else {},
        "nbformat": 4,
        "nbformat_minor": minor if isinstance(minor, int) else 5,
    }


def _with_ids(document: dict[str, Any]) -> dict[str, Any]:
    """From 4.5 on every cell has an id of its own, before that none has."""
    cells = document["cells"]
    if document["nbformat_minor"] < 5 and not any("id" in cell for cell in cells):
        return document
    free = (name for number in count() if (name := f"cell-{number}") not in {cell.get("id") for cell in cells})
    taken: set[str] = set()
    done = []
    for cell in cells:
        own = cell["id"] if "id" in cell and cell["id"] not in taken else next(free)
        taken.add(own)
        done.append({**cell, "id": own})
    return {**document, "cells": done, "nbformat_minor": max(document["nbformat_minor"], 5)}


def _valid_cell(cell: Mapping[str, Any]) -> dict[str, Any]:
    kind = cell.get("cell_type")
    valid = {**cell, "cell_type": kind if kind in CELL_TYPES else "raw"}
    metadata = cell.get("metadata")
    # Trust is a matter of one machine: Jupyter leaves it out of files too.
    valid["metadata"] = {k: v for k, v in metadata.items() if k != "trusted"} if isinstance(metadata, dict) else {}
    if not CELL_ID.fullmatch(str(valid.get("id", ""))):
        valid.pop("id", None)
    if valid["cell_type"] != "code":
        return {key: value for key, value in valid.items() if key not in ("outputs", "execution_count")}
    outputs, number = valid.get("outputs"), valid.get("execution_count")
    valid["outputs"] = outputs if isinstance(outputs, list) else []
    valid["execution_count"] = number if isinstance(number, int) else None
    return valid


def _cells(
    cells: Sequence[Mapping[str, Any]], executions: Iterable[CellExecution], *, ordered: bool
) -> tuple[Cell, ...]:
    """Return the cells with what was run of them; `ordered`: their order is the notebook's, and not that of the runs."""
    runs = _last_runs(executions, cells)
    ran = [position for position, run in enumerate(runs) if run is not None]
    moved = out_of_order([run.seq for run in runs if run is not None]) if ordered else frozenset()
    astray = {ran[index] for index in moved}
    return tuple(_cell(cell, run, at in astray) for at, (cell, run) in enumerate(zip(cells, runs, strict=True)))


def _last_runs(
    executions: Iterable[CellExecution], cells: Sequence[Mapping[str, Any]]
) -> tuple[CellExecution | None, ...]:
    """Return the last execution of each cell: that of its id, else one of the same words that names no cell of here.

    nbclient, papermill and a terminal name no cells. Of several cells with the same words the first one is then taken
    for the one that ran first. A cell that ran under its id is never taken for another one with the same words.
    """
    here = {cell["id"] for cell in cells if "id" in cell}
    by_id: dict[str, CellExecution] = {}
    strangers: dict[str, dict[object, CellExecution]] = {}  # by source, then by the cell that it names or by itself
    for each in executions:
        if each.cell_id in here:
            by_id[str(each.cell_id)] = each
        else:
            same = strangers.setdefault(each.source.rstrip(), {})
            same.pop(each.cell_id, None)
            same[each.cell_id or each.seq] = each
    twins = Counter(_words(cell) for cell in cells if _can_run(cell) and cell.get("id") not in by_id)
    waiting = {words: list(same.values())[-twins[words] :] for words, same in strangers.items() if twins[words]}
    return tuple(_take(cell, by_id, waiting) for cell in cells)


def _take(
    cell: Mapping[str, Any], by_id: Mapping[str, CellExecution], waiting: Mapping[str, list[CellExecution]]
) -> CellExecution | None:
    if not _can_run(cell):
        return None
    if cell.get("id") in by_id:
        return by_id[cell["id"]]
    same = waiting.get(_words(cell))
    return same.pop(0) if same else None


def _can_run(cell: Mapping[str, Any]) -> bool:
    return cell["cell_type"] == "code" and bool(cell["source"].strip())


def _words(cell: Mapping[str, Any]) -> str:
    return str(cell["source"]).rstrip()


def _cell(cell: Mapping[str, Any], run: CellExecution | None, astray: bool) -> Cell:
    cell_id, kind, source = cell.get("id"), cell["cell_type"], cell["source"]
    if run is None:
        return Cell(cell_id, kind, source)
    return Cell(
        cell_id=cell_id,
        cell_type=kind,
        source=source,
        execution_count=run.execution_count,
        executed_at=run.started_at,
        duration_s=run.duration_s,
        status=run.status,
        stale=run.source.rstrip() != source.rstrip(),
        out_of_order=astray,
    )


def _relative(path: Path | None, root: Path) -> str | None:
    """Outside of the project a notebook goes by its name: nothing is ever restored to a place outside."""
    if path is None:
        return None
    try:
        return path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return path.name
