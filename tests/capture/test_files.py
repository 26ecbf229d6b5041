import os
import random
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

from renex_jupyter.capture import files
from renex_jupyter.capture.files import capture_files, stop_worker
from renex_jupyter.capture.index import RACY_NS, Index
from renex_jupyter.capture.walk import Capture, LeaveOutError
from renex_jupyter.errors import RenexError
from renex_jupyter.records.paths import from_text
from renex_jupyter.records.snapshots import FileTree
from renex_jupyter.store.blobs import Blobs

LIMIT = 4 * 2**20


@pytest.fixture(autouse=True)
def no_worker_is_left() -> Iterator[None]:
    yield
    stop_worker()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


@pytest.fixture
def blobs(tmp_path: Path) -> Path:
    return tmp_path / "store" / "blobs"


def fill(root: Path, path: str, text: str = "x") -> Path:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    return target


def take(root: Path, blobs: Path | None = None, **options) -> FileTree:
    return capture_files(root, blobs, **{"max_file_size": LIMIT, "timeout": 30.0, **options})


def paths(tree: FileTree) -> list[str]:
    return [entry.path for entry in tree.entries]


def left_out(tree: FileTree) -> dict[str, str]:
    return {each.path: each.reason for each in tree.left_out}


def test_every_entry_has_its_kind_role_size_mode_and_content(root: Path, blobs: Path) -> None:
    fill(root, "src/train.py", "print(1)\n").chmod(0o755)
    fill(root, "data.csv", "a,b\n")
    (root / "link").symlink_to("src/nowhere")
    (root / "empty/inner").mkdir(parents=True)
    tree = take(root, blobs)
    rows = [(e.path, e.role, e.kind, e.size) for e in tree.entries]
    assert rows == [
        ("data.csv", "file", "file", 4),
        ("empty/inner", "file", "dir", 0),
        ("link", "file", "link", 11),
        ("src/train.py", "code", "file", 9),
    ]
    contents = [Blobs(blobs).get(e.sha256) if e.sha256 else None for e in tree.entries]
    assert contents == [b"a,b\n", None, b"src/nowhere", b"print(1)\n"]
    assert tree.entries[3].mode == 0o755
    assert not tree.partial


def test_a_rename_a_swap_a_mode_and_an_edit_change_the_id_and_undoing_them_brings_it_back(root: Path) -> None:
    a, b = fill(root, "a.py", "1"), fill(root, "b.py", "2")
    ids = [take(root).files_id]
    a.rename(root / "c.py")
    ids.append(take(root).files_id)
    (root / "c.py").rename(a)
    a.write_text("2")
    b.write_text("1")
    ids.append(take(root).files_id)
    a.write_text("1")
    b.write_text("2")
    a.chmod(0o755)
    ids.append(take(root).files_id)
    (root / "empty").mkdir()
    ids.append(take(root).files_id)
    assert len(set(ids)) == len(ids)
    a.chmod(0o644)
    (root / "empty").rmdir()
    assert take(root).files_id == ids[0]


def test_a_dry_run_has_the_same_id_and_keeps_nothing(root: Path, blobs: Path) -> None:
    fill(root, "a.py")
    dry = take(root)
    assert not blobs.exists()
    assert take(root, blobs) == dry
    assert Blobs(blobs).has(dry.entries[0].sha256 or "")


def test_what_an_ignored_folder_holds_does_not_change_the_id(root: Path) -> None:
    fill(root, "logs/.gitignore", "*.log\n")
    before = take(root).files_id
    fill(root, "logs/run.log")
    fill(root, "logs/__pycache__/x.pyc")
    assert take(root).files_id == before


def test_ignore_files_nest_and_renexignore_has_the_last_word(root: Path) -> None:
    fill(root, ".gitignore", "*.log\n/data/\nmodels/*\n!models/keep.pt\n")
    fill(root, ".renexignore", "!data/small.csv\n!data/**/keep.csv\n!sub/deep/wanted.log\nsecretive/\n")
    fill(root, "data/a/b/c/d/keep.csv")
    fill(root, "sub/.gitignore", "!important.log\nlocal.txt\n")
    for path in ("run.log", "data/small.csv", "data/big.csv", "data/deep/small.csv", "models/a.pt", "models/keep.pt"):
        fill(root, path)
    for path in (
        "sub/important.log",
        "sub/local.txt",
        "local.txt",
        "sub/deep/wanted.log",
        "sub/deep/other.log",
        "secretive/x",
    ):
        fill(root, path)
    assert [each for each in paths(take(root)) if "ignore" not in each] == [
        *(
            "data/a/b/c/d/keep.csv",
            "data/small.csv",
            "local.txt",
            "models/keep.pt",
            "sub/deep/wanted.log",
            "sub/important.log",
        ),
    ]


NAMES = ["a", "b", "data", "x.py", "y.txt", "keep", "foo bar", "[z]"]
ODD = ["#c", "\\#c", "", "  ", "\\!a", "a ", "a\\ ", "**a", "/", "!", "//", "***", "a**b"]


def pattern(dice: random.Random) -> str:
    if dice.random() < 0.05:
        return dice.choice(ODD)
    pieces = [*NAMES, "*", "*.py", "**", "?", "d*", "[ab]", "*a*", ""]
    text = "/".join(dice.choices(pieces, k=dice.choice([1, 1, 1, 2, 2, 3])))
    text = "/" * (dice.random() < 0.2) + text + "/" * (dice.random() < 0.3)
    return "!" * (dice.random() < 0.35) + text


def grow(folder: Path, dice: random.Random, depth: int = 0) -> None:
    for name in dice.sample(NAMES, dice.randint(2, 5)):
        if "." in name or depth > 2 or dice.random() < 0.4:
            (folder / name).touch()
        else:
            (folder / name).mkdir()
            grow(folder / name, dice, depth + 1)
    if depth == 0 or dice.random() < 0.3:
        (folder / ".gitignore").write_text("\n".join(pattern(dice) for _ in range(dice.randint(1, 6))) + "\n")


@pytest.mark.parametrize("seed", range(40))
def test_gitignore_means_what_git_says_it_means(root: Path, seed: int) -> None:
    subprocess.run(["git", "init", "-q", root], check=True)
    grow(root, random.Random(seed))
    listed = subprocess.run(
        ["git", "-C", root, "ls-files", "-zo", "--exclude-standard"], capture_output=True, check=True
    )
    expected = sorted(each for each in listed.stdout.decode().split("\0") if each)
    assert [entry.path for entry in take(root).entries if entry.kind == "file"] == expected


@pytest.mark.parametrize(
    "path",
    [
        *(".git/config", ".renex/store.json", "a/.hg/x", ".svn/x", "__pycache__/a.pyc", "a/.ipynb_checkpoints/n.ipynb"),
        *(
            "node_modules/x.js",
            ".mypy_cache/x",
            ".ruff_cache/x",
            ".pytest_cache/x",
            "env/pyvenv.cfg",
            "c/conda-meta/history",
        ),
        *("old/.renex-checkout", "kernel-0a1b2c3d-0000.json", "jpserver-123.json", "jpserver-123-open.html"),
        *(".~train.ipynb", "jupyter_cookie_secret", "sub/.git"),
    ],
)
def test_what_nobody_wants_is_left_out_without_a_word(root: Path, path: str) -> None:
    fill(root, path)
    top = path.split("/", maxsplit=1)[0]
    if "/" in path and top != "a" and top != "sub":
        fill(root, f"{top}/beside.py")
    tree = take(root, include=[path])
    assert [entry for entry in tree.entries if entry.kind == "file"] == []
    assert tree.left_out == ()


def test_secrets_are_listed_and_kept_only_when_named(root: Path, blobs: Path) -> None:
    for path in (".env", "certs/server.pem", ".aws/credentials", "train.py"):
        fill(root, path, "hunter2")
    tree = take(root)
    assert left_out(tree) == {".env": "secret", ".aws": "secret", "certs/server.pem": "secret"}
    assert [each for each in paths(tree) if each != "certs"] == ["train.py"]
    assert not tree.partial
    asked = take(root, blobs, include=["certs/server.pem", "./.env", "certs"])
    assert paths(asked) == [".env", "certs/server.pem", "train.py"]


def test_an_ignored_secret_is_listed_too(root: Path) -> None:
    fill(root, ".gitignore", ".env\n")
    fill(root, ".env")
    assert left_out(take(root)) == {".env": "secret"}


def test_what_is_asked_for_is_kept_although_it_is_ignored_and_what_is_excluded_is_not(root: Path) -> None:
    fill(root, ".gitignore", "out/\n")
    fill(root, "out/a/metrics.json")
    fill(root, "out/big.bin")
    fill(root, "notes/a.md")
    assert paths(take(root, include=["out/a"], exclude=frozenset({"notes"}))) == [".gitignore", "out/a/metrics.json"]


def test_a_file_above_the_limit_is_pointed_at_and_its_size_counts(root: Path, blobs: Path) -> None:
    large = fill(root, "model.bin", "x" * 100)
    tree = take(root, blobs, max_file_size=99)
    assert [(e.sha256, e.size) for e in tree.entries] == [(None, 100)]
    assert left_out(tree) == {"model.bin": "too large"}
    assert not tree.partial
    assert not blobs.exists()
    large.write_text("x" * 101)
    assert take(root, max_file_size=99).files_id != tree.files_id


def test_a_large_file_is_kept_in_pieces(root: Path, blobs: Path) -> None:
    data = os.urandom(3 * 2**20 + 5)
    (root / "weights").write_bytes(data)
    tree = take(root, blobs)
    assert Blobs(blobs).get(tree.entries[0].sha256 or "") == data
    assert take(root).files_id == tree.files_id


def test_pipes_and_sockets_are_named_and_never_opened(root: Path) -> None:
    os.mkfifo(root / "pipe")
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(root / "sock"))
    tree = take(root, timeout=5.0)
    server.close()
    assert left_out(tree) == {"pipe": "special file", "sock": "special file"}
    assert tree.entries == ()


def test_what_became_a_pipe_after_it_was_listed_is_not_read(root: Path) -> None:
    os.mkfifo(root / "pipe")
    walk = Capture(str(root), None, frozenset(), (), LIMIT, Index(), lambda: None)
    with pytest.raises(LeaveOutError, match="special file"):
        walk._read("pipe")


def test_a_link_is_never_followed(root: Path, tmp_path: Path, blobs: Path) -> None:
    fill(tmp_path, "outside/secret.txt", "hunter2")
    (root / "folder").symlink_to(tmp_path / "outside")
    (root / "loop").symlink_to(".")
    (root / "file").symlink_to(tmp_path / "outside/secret.txt")
    (root / ".gitignore").symlink_to(tmp_path / "outside/secret.txt")
    tree = take(root, blobs)
    assert {(e.path, e.kind) for e in tree.entries} == {(n, "link") for n in ("folder", "loop", "file", ".gitignore")}
    assert b"hunter2" not in {Blobs(blobs).get(e.sha256 or "") for e in tree.entries}


def test_a_name_of_any_bytes_is_kept_and_found_again(root: Path, blobs: Path) -> None:
    names = [b"caf\xe9.txt", "café.txt".encode(), b"a,b\nc.csv", b"100%.csv", b'"quo\\te"', b"%:x", b"d\xff/in.txt"]
    for name in names:
        path = root / os.fsdecode(name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name)
    tree = take(root, blobs)
    found = {os.fsencode(from_text(e.path)): Blobs(blobs).get(e.sha256 or "") for e in tree.entries}
    assert found == {name: name for name in names}
    assert "café.txt" in paths(tree)
    for path in paths(tree):
        path.encode()


def test_what_cannot_be_read_makes_the_tree_partial(root: Path) -> None:
    fill(root, "locked.txt").chmod(0)
    fill(root, "shut/x").parent.chmod(0)
    fill(root, "open.txt")
    script = f"""
from pathlib import Path
from renex_jupyter.capture.files import capture_files
tree = capture_files(Path({str(root)!r}), None, max_file_size=10, timeout=20)
print([e.path for e in tree.entries], [(o.path, o.reason) for o in tree.left_out], tree.partial)
"""
    as_owner = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.getuid() == 0 else []
    done = subprocess.run([*as_owner, sys.executable, "-c", script], capture_output=True, text=True, check=True)
    (root / "shut").chmod(0o755)
    assert done.stdout.strip() == "['open.txt'] [('locked.txt', 'unreadable'), ('shut', 'unreadable')] True"


def test_a_file_that_changes_while_it_is_read_is_left_out_and_told(root: Path, blobs: Path) -> None:
    target = root / "growing.bin"
    target.write_bytes(b"x" * 2**21)
    fill(root, "still.txt")
    stop = threading.Event()

    def grow_on() -> None:
        with target.open("ab", buffering=0) as file:
            while not stop.is_set():
                file.write(b"y")

    writer = threading.Thread(target=grow_on)
    writer.start()
    tree = take(root, blobs)
    stop.set()
    writer.join()
    assert left_out(tree) == {"growing.bin": "changed while read"}
    assert tree.partial
    assert paths(tree) == ["still.txt"]
    assert "growing.bin" in paths(take(root, blobs))


def test_a_tree_that_is_torn_down_meanwhile_is_no_error(root: Path, blobs: Path) -> None:
    for number in range(300):
        fill(root, f"d{number}/f{number}", str(number))
    tearing = threading.Thread(
        target=lambda: subprocess.run(["rm", "-rf", *(str(p) for p in root.iterdir())], check=True)
    )
    tearing.start()
    tree = take(root, blobs)
    tearing.join()
    assert {each.reason for each in tree.left_out} <= {"vanished"}


def wait_until_times_can_be_trusted() -> None:
    time.sleep(RACY_NS / 1e9 + 0.1)


@pytest.mark.slow
def test_an_unchanged_file_is_read_once_and_a_changed_one_again(root: Path, blobs: Path) -> None:
    target = root / "a.bin"
    target.write_bytes(b"1" * 2**21)
    wait_until_times_can_be_trusted()
    first = take(root, blobs)
    read = bytes_read(worker().pid)
    assert take(root, blobs) == first
    assert bytes_read(worker().pid) - read < 2**20
    before = target.stat()
    target.write_bytes(b"2" * 2**21)
    os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))  # same size, same mtime: ctime tells
    assert take(root, blobs).files_id != first.files_id


def bytes_read(pid: int) -> int:
    return int(Path(f"/proc/{pid}/io").read_text().split()[1])


def test_two_edits_within_one_tick_of_the_clock_are_both_seen(root: Path) -> None:
    target = fill(root, "a.txt", "0")
    ids = []
    for number in range(20):
        target.write_text(str(number % 10))
        os.utime(target, ns=(1, 1))
        ids.append(take(root).files_id)
    assert all(one != two for one, two in pairwise(ids))


@pytest.mark.parametrize(("mtime", "ctime", "trusted"), [(5, 5, True), (9, 5, False), (5, 9, False), (99, 5, True)])
def test_a_file_is_trusted_when_its_times_are_two_seconds_from_the_reading(
    mtime: int, ctime: int, trusted: bool
) -> None:
    found = SimpleNamespace(st_size=1, st_mtime_ns=mtime * 10**9, st_ctime_ns=ctime * 10**9, st_ino=1)
    index = Index()
    index.remember("a", found, "sha", 10 * 10**9)
    assert (index.recall("a", found) == "sha") == trusted


@pytest.mark.slow
def test_a_content_that_the_store_lost_is_kept_again(root: Path, blobs: Path) -> None:
    fill(root, "a.txt")
    wait_until_times_can_be_trusted()
    sha256 = take(root, blobs).entries[0].sha256 or ""
    (only,) = (path for path in blobs.rglob("*") if path.is_file())
    only.unlink()
    take(root, blobs)
    assert Blobs(blobs).has(sha256)


def worker() -> subprocess.Popen[bytes]:
    assert files._slot.worker
    return files._slot.worker.process


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


def take_for_ever(root: Path) -> None:
    while True:
        take(root)


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


def test_an_interrupted_capture_leaves_no_stale_answer(root: Path, tmp_path: Path) -> None:
    deep(root)
    other = tmp_path / "other"
    other.mkdir()
    fill(other, "only.py")
    take(other)
    before = worker()
    for delay in (0.001, 0.01, 0.03):
        timer = threading.Timer(delay, lambda: os.kill(os.getpid(), 2))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            take_for_ever(root)
        assert paths(take(other)) == ["only.py"]
    assert worker() is before


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
from renex_jupyter.capture import files
root = Path(sys.argv[1])
take = lambda: len(files.capture_files(root, None, max_file_size=9, timeout=20).entries)
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
        [sys.executable, "-c", FORKING, root, lock], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines() == ["child 1 True", "parent 1 True"], done.stderr


LEAVING = """
import ctypes, os, sys, time
from pathlib import Path
from renex_jupyter.capture import files
files.capture_files(Path(sys.argv[1]), None, max_file_size=9, timeout=20)
if (os.fork() if sys.argv[2] == "python" else ctypes.PyDLL(None).fork()) == 0:  # the latter calls no hook of Python
    time.sleep(30)
    os._exit(0)
print(files._slot.worker.process.pid, flush=True)
time.sleep(30)
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
    ended = time.monotonic() + 15
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
