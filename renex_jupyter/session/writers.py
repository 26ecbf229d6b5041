"""Who else writes to a store: the processes of this machine that have recorded in it and are still alive."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from renex_jupyter.records.keeping import Writer
from renex_jupyter.store import journal, liveness, locks
from renex_jupyter.store.store import Store


def other_writers(store: Store, *, kernels: bool = True) -> tuple[Writer, ...]:
    """Return the other processes that are alive and write to a store, with the runs that they have open, by pid.

    Processes on other machines are not seen.

    Parameters
    ----------
    kernels : include kernels, which log on runs of their own, while a worker goes on with the run that it was told.
    """
    query = """
        select distinct json_extract(after, '$.pid')::bigint as pid, json_extract(after, '$.pid_started')::double as since,
            json_extract_string(after, '$.boot_id') as boot_id, json_extract_string(after, '$.host') as host,
            json_extract_string(after, '$.kernel_id') is not null as is_kernel
        from inside.changes where kind in ('sessions', 'runs') and json_extract_string(after, '$.boot_id') = ?"""
    known = [row for row in store.reader.rows(query, [liveness.boot_id()]) if _is_here(row)]
    pids = {row["pid"] for row in known} | _holding_journals(store)
    pids -= {row["pid"] for row in known if row["is_kernel"] and not kernels}
    query = """
        select pid, pid_started as since, boot_id, host, name from inside.runs
        where status = 'running' and boot_id = ? order by started_at"""
    runs = {row["pid"]: row["name"] for row in store.reader.rows(query, [liveness.boot_id()]) if _is_here(row)}
    return tuple(Writer(pid, runs.get(pid)) for pid in sorted(pids - {os.getpid()}))


def _is_here(row: Mapping[str, Any]) -> bool:
    """Say whether a process lives on this machine; a pid of a container, which has another host's name, says nothing."""
    if row["pid"] is None or row["host"] not in (None, platform.node()):
        return False
    return not liveness.is_gone(row["pid"], row["since"], row["boot_id"], row["host"])


def _holding_journals(store: Store) -> set[int]:
    """Return the processes that hold a journal file: a script that logs on the run of another process has no session."""
    found = set()
    for entry in journal.files_in(store.layout.journal):
        pid = entry.name.partition("-")[0]
        try:
            if pid.isdecimal() and locks.is_held(Path(entry.path)):
                found.add(int(pid))
        except FileNotFoundError:  # folded in this moment
            continue
    return found
