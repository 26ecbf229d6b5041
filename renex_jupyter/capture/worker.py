"""The process that reads the project's files, since the kernel must not.

Closing a file drops every POSIX lock that the closing process has on it (fcntl(2), "record locks"), so a kernel that
reads the user's open DuckDB or SQLite file lets a second writer in. This process holds none of them. It takes requests
as lines of JSON on its standard input, answers on its standard output in the same form, and ends with its input. A
newer request ends the one that is being worked on; `{"id": n}` alone does just that.
"""

from __future__ import annotations

import gc
import json
import os
import queue
import sys
import threading
import traceback
from itertools import chain
from typing import Any

from renex_jupyter.capture.search import search
from renex_jupyter.capture.texts import texts
from renex_jupyter.capture.tree import Capture, Memory
from renex_jupyter.capture.uploads import upload
from renex_jupyter.errors import RenexError
from renex_jupyter.store.sought import Sought

PARENT_CHECK = (
    5.0  # seconds between two looks whether the kernel is still there; its forked children keep our input open
)


class SupersededError(Exception):
    """Nobody waits for this answer any more."""


class Inbox:
    """The requests as they arrive; the newest one is the one that somebody waits for."""

    def __init__(self) -> None:
        self.requests: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.newest: int | None = 0  # None: the input has ended

    def listen(self) -> None:
        """Take requests until the input ends."""
        for line in sys.stdin.buffer:
            request = json.loads(line)
            self.newest = request["id"]
            self.requests.put(request)
        self.newest = None
        self.requests.put(None)

    def check(self, wanted: int) -> None:
        """Raise `SupersededError` when nobody waits for this request."""
        if self.newest != wanted:
            raise SupersededError


def main() -> None:
    """Answer requests until there are no more."""
    gc.disable()  # a tree of 100,000 files has no cycles, and looking for them takes as long as the walk
    inbox, memories, kernel = Inbox(), dict[str, Memory](), os.getppid()
    threading.Thread(target=inbox.listen, daemon=True).start()
    while os.getppid() == kernel:
        try:
            request = inbox.requests.get(timeout=PARENT_CHECK)
        except queue.Empty:
            continue
        if request is None:
            return
        if answer := _answer(request, inbox, memories):
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
        for memory in memories.values():  # nobody waits for that
            memory.save()


def _answer(request: dict[str, Any], inbox: Inbox, memories: dict[str, Memory]) -> dict[str, Any] | None:
    number = request["id"]
    try:
        inbox.check(number)
        return {"id": number, **_capture(request, inbox, memories)} if "root" in request else None
    except SupersededError:
        return None
    except RenexError as error:
        return {"id": number, "error": [error.code, error.message, error.hint]}
    except Exception:  # noqa: BLE001  whatever it was, the kernel waits for an answer
        return {
            "id": number,
            "error": ["interrupted", f"the project's files cannot be read: {traceback.format_exc(-2)}", ""],
        }


def _capture(request: dict[str, Any], inbox: Inbox, memories: dict[str, Memory]) -> dict[str, Any]:
    root = request["root"]
    if "texts" in request:
        return {"texts": texts(root, request["texts"], request["limit"], lambda: inbox.check(request["id"]))}
    if "table" in request:
        from renex_jupyter.capture.table_reading import read  # it loads duckdb, which nothing else here needs

        return read(request, lambda: inbox.check(request["id"]))
    if "upload" in request:
        return upload(request, lambda: inbox.check(request["id"]))
    memory = memories.setdefault(root, Memory())
    capture = Capture(request, memory, lambda: inbox.check(request["id"]))
    tree = capture.take()
    if request["sought"]:
        entries = chain.from_iterable(tree.parts.values())
        return {"found": search(root, entries, Sought.from_json(request["sought"]), capture.go_on)}
    known = set(request["known"])
    return {
        "files_id": tree.files_id,
        "parts": list(tree.parts),
        "entries": {part: entries for part, entries in tree.parts.items() if part not in known},
        "left_out": tree.left_out,
        "partial": tree.partial,
        "findings": tree.findings,
    }


if __name__ == "__main__":
    main()
