"""What a task prints in a real kernel, whose streams are not Python's own."""

from pathlib import Path

from kernels import Start

import renex_jupyter as rx
from renex_jupyter.session.current import current

PRINTS = """%%task train
print("one")
thread = threading.Thread(target=print, args=("from a thread",))
thread.start()
thread.join()
!echo from the shell
handler.emit(logging.LogRecord("x", 20, "", 0, "logged", None, None))
raise ValueError("at last")
"""


def test_all_that_a_cell_shows_is_kept_with_its_run(project: Path, start: Start) -> None:
    kernel = start()
    kernel.run("import logging, threading\nhandler = logging.StreamHandler()\n%load_ext renex_jupyter")
    assert kernel.run(PRINTS)["ename"] == "ValueError"
    digest = rx.get_run("train").output_sha256
    assert digest is not None
    said = current().store.blobs.get(digest).decode()
    for line in ("one", "from a thread", "from the shell", "logged", "ValueError: at last"):
        assert said.count(f"{line}\n") == 1, line
    assert ', line 7, in <module>\n    raise ValueError("at last")\n' in said


def test_an_isolated_cell_runs_in_a_process_of_its_own_with_magics(project: Path, start: Start) -> None:
    kernel = start()
    kernel.run("%load_ext renex_jupyter\nimport os\nmine, a = os.getpid(), [1, 2]")
    cell = "%%task train --isolated --inputs a --outputs b,pid\n!echo shell\nimport os\nb, pid = a * 2, os.getpid()"
    assert kernel.run(cell)["status"] == "ok"
    assert kernel.run("assert b == [1, 2, 1, 2] and pid != mine")["status"] == "ok"
    assert kernel.run("%%task train --isolated\nraise SystemExit(4)")["ename"] == "UsageError"
    assert rx.get_run("train").exit_code == 4
