"""Work on the whole store, in a process of its own.

Checking, rebuilding, purging and their like open and close most files of a store. Closing a file drops every POSIX lock
that the closing process has on it (fcntl(2), "record locks"), and the kernel's reader holds such locks on the index
(DuckDB takes them), so none of this may happen in the kernel's process. It would also keep the interpreter from the
user's own work. A process that is started for one operation, and holds no connection before it, has neither trouble.

The request goes to its standard input and never onto its command line, which every user of the machine can read: a
secret may be in it. The answer is one line of JSON. The process is killed when the caller is interrupted: every
operation here leaves a whole store when it is killed.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from renex_jupyter.errors import RenexError, from_os_error
from renex_jupyter.records.keeping import Collected, Damage, Exported, FsckReport, Holder, Imported, Purged, Rebuilt
from renex_jupyter.store.store import Store

COMMAND = (
    "-X",
    "utf8",
    "-P",
    "-m",
    "renex_jupyter.store.keeping.apart",
)  # -P: a json.py of the project is not imported

WHOLE = "The store is whole: every operation on it may be cut off at any point."
CUT_OFF = {"purge": "The store is whole, but what should go may still be in it: do it again with the same words."}


def fsck(root: Path, *, accept: bool = False) -> FsckReport:
    """Check a store; see `renex_jupyter.store.keeping.fsck`."""
    found = _ask(root, "fsck", accept=accept)
    return FsckReport(found["ok"], found["checked"], tuple(Damage(**each) for each in found["damages"]))


def rebuild(root: Path) -> Rebuilt:
    """Make the index anew; see `renex_jupyter.store.keeping.rebuild`."""
    return Rebuilt(**_ask(root, "rebuild"))


def collect(root: Path, *, dry_run: bool) -> Collected:
    """Free what nothing names; see `renex_jupyter.store.keeping.gc`."""
    return Collected(**_ask(root, "collect", dry_run=dry_run))


def purge(root: Path, *, object_id: str | None, secret: str | None) -> Purged:
    """Take an object or a text out for good; see `renex_jupyter.store.keeping.purge`."""
    done = _ask(root, "purge", object_id=object_id, secret=secret)
    still_in = tuple(Holder(**{**each, "lines": tuple(each["lines"])}) for each in done["still_in"])
    return Purged(**{**done, "removed": tuple(done["removed"]), "still_in": still_in})


def export_store(root: Path, path: Path, *, runs: list[str] | None) -> Exported:
    """Write a store, or some runs of it, into one file; see `renex_jupyter.store.keeping.transfer`."""
    done = _ask(root, "export_store", path=str(path), runs=runs)
    return Exported(**{**done, "damaged": tuple(done["damaged"])})


def import_store(root: Path, path: Path) -> Imported:
    """Take in what another store exported; see `renex_jupyter.store.keeping.transfer`."""
    return Imported(**_ask(root, "import_store", path=str(path)))


def _ask(root: Path, operation: str, **arguments: Any) -> dict[str, Any]:
    request = json.dumps({"root": str(root.absolute()), "operation": operation, "arguments": arguments})
    try:
        done = subprocess.run(
            [sys.executable, *COMMAND],
            input=request.encode(),
            capture_output=True,
            start_new_session=True,  # an interrupt reaches us, and `run` then kills the child
            check=False,
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"{operation} was cut off. {CUT_OFF.get(operation, WHOLE)}") from None
    except OSError as error:
        raise from_os_error(error, f"the process for {operation} cannot be started") from error
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        why = said[-1] if said else f"exit status {done.returncode}"
        raise RenexError("interrupted", f"{operation} ended early: {why}.", CUT_OFF.get(operation, WHOLE)) from None
    if "error" in answer:
        raise RenexError(*answer["error"])
    return dict(answer["result"])


def _fsck(store: Store, **arguments: Any) -> FsckReport:
    from renex_jupyter.store.keeping import fsck as checks

    return checks.fsck(store.layout, **arguments)


def _rebuild(store: Store) -> Rebuilt:
    from renex_jupyter.store.keeping import rebuild as rebuilding

    return rebuilding.rebuild(store.layout)


def _collect(store: Store, **arguments: Any) -> Collected:
    from renex_jupyter.store.keeping import gc

    return gc.collect(store, **arguments)


def _purge(store: Store, **arguments: Any) -> Purged:
    from renex_jupyter.store.keeping import purge as purging

    return purging.purge(store, **arguments)


def _export(store: Store, *, path: str, runs: list[str] | None) -> Exported:
    from renex_jupyter.store.keeping import transfer

    return transfer.export_store(store, Path(path), runs)


def _import(store: Store, *, path: str) -> Imported:
    from renex_jupyter.store.keeping import transfer

    return transfer.import_store(store, Path(path))


OPERATIONS: Mapping[str, Callable[..., Any]] = {
    "fsck": _fsck,
    "rebuild": _rebuild,
    "collect": _collect,
    "purge": _purge,
    "export_store": _export,
    "import_store": _import,
}


def main() -> None:
    """Do what standard input asks for and answer on standard output."""
    request = json.loads(sys.stdin.buffer.read())
    with redirect_stdout(sys.stderr):  # whatever a library prints is no answer
        try:
            done = OPERATIONS[request["operation"]](Store(Path(request["root"])), **request["arguments"])
            answer: dict[str, Any] = {"result": dataclasses.asdict(done)}
        except (RenexError, OSError) as error:
            told = error if isinstance(error, RenexError) else from_os_error(error, f"{request['operation']} stopped")
            answer = {"error": [told.code, told.message, told.hint]}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
