import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from trees import fill, paths, take, worker

from renex_jupyter.capture import files
from renex_jupyter.errors import RenexError


def test_one_process_reads_for_all_captures_and_it_is_not_this_one(root: Path) -> None:
    fill(root, "a.txt")
    take(root)
    first = worker()
    take(root)
    assert worker() is first
    assert first.pid != os.getpid()
    assert os.getsid(first.pid) != os.getsid(0)


def test_a_worker_that_died_is_started_again(root: Path) -> None:
    fill(root, "a.txt")
    before = take(root)
    worker().kill()
    assert take(root) == before
    worker().kill()
    worker().wait()
    assert take(root) == before


def test_a_worker_that_cannot_start_is_an_error_with_a_hint(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "COMMAND", ("-c", "raise SystemExit(3)"))
    with pytest.raises(RenexError) as caught:
        take(root)
    assert caught.value.code == "interrupted"


def test_a_worker_whose_python_prints_on_its_own_still_answers(root: Path, tmp_path: Path, monkeypatch) -> None:
    fill(tmp_path, "site/sitecustomize.py", "print('hello'); print(3); print('{}')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"), prepend=os.pathsep)
    fill(root, "a.txt")
    assert paths(take(root)) == ["a.txt"]


def deep(root: Path, count: int = 4000) -> None:
    for number in range(count):
        (root / f"f{number}").touch()


def test_a_capture_that_takes_too_long_is_given_up_and_the_next_one_works(root: Path, tmp_path: Path) -> None:
    deep(root)
    with pytest.raises(RenexError) as caught:
        take(root, timeout=0.001)
    assert caught.value.code == "timeout"
    assert len(take(root).entries) == 4000


def test_an_interrupted_capture_leaves_no_stale_answer(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep(root)
    other = tmp_path / "other"
    other.mkdir()
    fill(other, "only.py")
    take(other)
    before = worker()
    send, delays = files.Worker._send, [0.03, 0.01, 0.0]

    def send_and_be_interrupted(talk: files.Worker, request: dict[str, Any]) -> int:
        monkeypatch.setattr(files.Worker, "_send", send)
        number = send(talk, request)
        threading.Timer(delays.pop(), lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        return number

    while delays:
        before.send_signal(signal.SIGSTOP)  # or it might have answered by then
        monkeypatch.setattr(files.Worker, "_send", send_and_be_interrupted)
        with pytest.raises(KeyboardInterrupt):
            take(root)
        before.send_signal(signal.SIGCONT)
        assert paths(take(other)) == ["only.py"]

    def send_and_be_interrupted_late(talk: files.Worker, request: dict[str, Any]) -> int:
        monkeypatch.setattr(files.Worker, "_send", send)
        send(talk, request)
        while talk.answers.empty():
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(files.Worker, "_send", send_and_be_interrupted_late)
    with pytest.raises(KeyboardInterrupt):
        take(root)
    assert paths(take(other)) == ["only.py"]
    assert worker() is before


def test_an_interrupt_just_when_a_capture_has_its_turn_leaves_the_next_one_its_own(root: Path) -> None:
    fill(root, "a.txt")
    take(root)

    def strike(_frame: FrameType, event: str, call: Any) -> None:
        if event == "c_return" and call.__name__ == "acquire" and call.__self__ is files._slot.lock:
            sys.setprofile(None)
            signal.raise_signal(signal.SIGINT)

    sys.setprofile(strike)
    try:
        with pytest.raises(KeyboardInterrupt):
            take(root)
    finally:
        sys.setprofile(None)
    assert paths(take(root, timeout=5.0)) == ["a.txt"]


def test_many_threads_each_get_their_own_answer(tmp_path: Path) -> None:
    answers: dict[int, list[str]] = {}
    for number in range(8):
        fill(tmp_path, f"p{number}/f{number}.py")

    def ask(number: int) -> None:
        answers[number] = [path for _ in range(5) for path in paths(take(tmp_path / f"p{number}"))]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert answers == {number: [f"f{number}.py"] * 5 for number in range(8)}


FORKING = """
import os, sys, threading
from pathlib import Path
from types import FrameType
from renex_jupyter.capture import files
root = Path(sys.argv[1])
take = lambda: len(files.capture_files(root, None, max_file_size=9, timeout=60).entries)
take()
first = files._slot.worker.process.pid
files._slot.lock.acquire() if "held" in sys.argv else None
child = os.fork()
if child == 0:
    print("child", take(), files._slot.worker.process.pid != first, flush=True)
    files.stop_worker()
    os._exit(0)
os.waitpid(child, 0)
files._slot.lock.release() if "held" in sys.argv else None
print("parent", take(), files._slot.worker.process.pid == first)
"""


@pytest.mark.parametrize("lock", ["held", "free"])
def test_a_forked_child_has_a_worker_of_its_own_and_the_parent_keeps_its_one(root: Path, lock: str) -> None:
    fill(root, "a.txt")
    done = subprocess.run(
        [sys.executable, "-c", FORKING, root, lock], capture_output=True, text=True, timeout=200, check=True
    )
    assert done.stdout.splitlines() == ["child 1 True", "parent 1 True"], done.stderr


LEAVING = """
import ctypes, os, sys, time
from pathlib import Path
from types import FrameType
from renex_jupyter.capture import files
files.capture_files(Path(sys.argv[1]), None, max_file_size=9, timeout=60)
if (os.fork() if sys.argv[2] == "python" else ctypes.PyDLL(None).fork()) == 0:  # the latter calls no hook of Python
    time.sleep(600)
    os._exit(0)
print(files._slot.worker.process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.slow
@pytest.mark.parametrize("fork", ["python", "library"])
def test_the_worker_ends_with_its_kernel_also_when_a_forked_child_lives_on(root: Path, fork: str) -> None:
    kernel = subprocess.Popen(
        [sys.executable, "-c", LEAVING, root, fork], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert kernel.stdout
    pid = int(kernel.stdout.readline())
    kernel.kill()
    kernel.wait()
    ended = time.monotonic() + 60
    while time.monotonic() < ended and is_running(pid):
        time.sleep(0.1)
    gone = not is_running(pid)
    os.killpg(kernel.pid, 9)
    kernel.stdout.close()
    assert gone


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_capture_leaves_the_posix_locks_of_this_process_alone(root: Path, blobs: Path) -> None:
    import fcntl

    target = fill(root, "user.duckdb", "rows")
    probe = f"""
import fcntl, sys
try:
    fcntl.lockf(open({str(target)!r}, "r+b"), fcntl.LOCK_EX | fcntl.LOCK_NB)
    print("free")
except OSError:
    print("locked")
"""
    with target.open("r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        take(root, blobs)
        held = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout
    assert held.strip() == "locked"


def test_the_project_is_not_touched_and_its_modules_are_not_imported(root: Path, blobs: Path) -> None:
    bomb = f"open({str(root.parent / 'ran')!r}, 'w').close()"
    for name in ("json", "random", "sitecustomize", "pathspec", "renex_jupyter"):
        fill(root, f"{name}.py", bomb)
    before = {p: (p.stat().st_mtime_ns, stat.S_IMODE(p.stat().st_mode)) for p in root.rglob("*")}
    here = Path.cwd()
    os.chdir(root)
    try:
        take(root, blobs)
    finally:
        os.chdir(here)
    assert not (root.parent / "ran").exists()
    assert {p: (p.stat().st_mtime_ns, stat.S_IMODE(p.stat().st_mode)) for p in root.rglob("*")} == before


def test_a_folder_that_is_not_there_is_not_found(root: Path) -> None:
    with pytest.raises(RenexError) as caught:
        take(root / "nowhere")
    assert caught.value.code == "not_found"


def test_a_store_that_cannot_be_written_is_told(root: Path, tmp_path: Path) -> None:
    fill(root, "a.txt")
    fill(tmp_path, "file")
    with pytest.raises(RenexError):
        take(root, tmp_path / "file")
