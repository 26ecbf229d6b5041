"""`history.duckdb`: the generation in force for every other DuckDB client, a private copy that is replaced by rename."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from uuid import uuid4

from renex_jupyter.store import generation, sample_rows, tables
from renex_jupyter.store import layout as layouts
from renex_jupyter.store.blobs import Blobs
from renex_jupyter.store.layout import Layout, json_object, put_in_place, sync_file, write_whole
from renex_jupyter.store.sharing import make_folder, share


def publish(layout: Layout) -> None:
    """Put a private copy of the generation in place, its views naming segments by absolute path."""
    temporary = layout.root / f".history.{uuid4().hex[:8]}.tmp"
    name = layout.generation_in_force()
    if name:
        shutil.copyfile(layout.generations / name, temporary)
    with generation.connect(temporary) as connection:
        books = generation.books(connection)
        names = list(books.segments)
        segments = [str(layout.segments.resolve() / each) for each in names]
        connection.execute(f"create view inside.points as {tables.points_of_segments(segments)}")
        sample_rows.show(connection, Blobs(layout.blobs.resolve()))
        for statement in tables.schema().create_views:
            connection.execute(statement)
        connection.execute("checkpoint")
    temporary.chmod(0o600)  # or its owner could not open it but read-only: what a client adds goes with the next copy
    share(temporary)
    sync_file(temporary)
    _keep_for_its_clients(layout)
    # An outside client that opened the old file read-write may have left a log that would keep the new one from opening.
    log_of(layout).unlink(missing_ok=True)
    put_in_place(temporary, layout.history)
    log_of(layout).unlink(missing_ok=True)
    about: dict[str, object] = {"folder": str(layout.root.resolve()), "generation": name, "segments": names}
    about |= {"packs": books.packs} | layouts.describe(layout)  # for those who find the index or `store.json` lost
    if name:
        about |= {"looks": generation.looks_of(layout.generations / name)}
    write_whole(layout.published, json.dumps(about).encode())


def is_published(layout: Layout) -> bool:
    """Say whether `history.duckdb` is that of the generation in force and of this folder, and can be opened."""
    return (
        layout.history.exists()
        and not layout.has_moved()
        and not log_of(layout).exists()
        and json_object(layout.published).get("generation") == layout.generation_in_force()
    )


def log_of(layout: Layout) -> Path:
    """Return where a client that writes into the published file keeps its log."""
    return layout.history.with_name(layout.history.name + ".wal")


def _keep_for_its_clients(layout: Layout) -> None:
    """Keep a second name for the file that is replaced: while a client has it open, its segments must stay."""
    if not layout.history.exists():
        return
    make_folder(layout.superseded)
    number = json_object(layout.published).get("generation") or "none"
    kept = layout.superseded / f"{number}"
    kept.with_suffix(".json").unlink(missing_ok=True)
    kept.unlink(missing_ok=True)
    try:
        os.link(layout.history, kept)
    except OSError:  # a file system without hard links: whoever has the old file open must open it again after a merge
        return
    if layout.published.exists():
        write_whole(kept.with_suffix(".json"), layout.published.read_bytes())
