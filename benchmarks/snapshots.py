"""What a snapshot and a checkout of a project take, beside restic, git and plain copies of the same files."""

from __future__ import annotations

import os
import random
import resource
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import child
from report import Row, median

SMALL, LARGE, SIZE = 2000, 5, 100 * 2**20  # small files, large files, bytes of a large one
MANY = 100_000  # files
SPARSE = 10 * 2**30  # bytes
WORDS = [f"word{number}" for number in range(2000)]
RESTIC = {"RESTIC_PASSWORD": "benchmark", "RESTIC_CACHE_DIR": "cache"}
WHO = ["-c", "user.email=a@b", "-c", "user.name=a", "-c", "gc.auto=0"]


def fill(folder: Path, small: int, large: int) -> None:
    """Make a project of text files, about 4 KB each, in 100 folders, and of large files of random bytes."""
    chance = random.Random(1)
    for number in range(small):
        path = folder / f"d{number % 100:03}" / f"f{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {number}\n" + " ".join(chance.choices(WORDS, k=chance.randint(20, 1500))))
    for number in range(large):
        (folder / f"large{number}.bin").write_bytes(chance.randbytes(SIZE))
    (folder / "pyproject.toml").touch()


def take(times: int, changed: str | None) -> dict[str, list[float]]:
    """Return the seconds of snapshots, the first one of this process apart, and the most memory; in a process of its own."""
    import renex_jupyter as rx
    from renex_jupyter.capture.files import _slot

    found: dict[str, list[float]] = {"seconds": [], "ids": []}
    for number in range(times):
        if changed and number:
            with Path(changed).open("a") as file:
                file.write(f"# {number}\n")
        if number:
            time.sleep(2.5)  # so that the files' times can be trusted, and what a fold does is done
        start = time.perf_counter()
        rx.snapshot(f"number {number}")
        found["seconds"].append(time.perf_counter() - start)
    worker = _slot.worker
    used = [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]
    if worker:
        status = Path(f"/proc/{worker.process.pid}/status").read_text()
        used.append(int(status.partition("VmHWM:")[2].split()[0]) / 1024)
    found["memory"] = used
    return found


def check_out(source: str, target: str, times: int) -> list[tuple[float, float]]:
    """Return the seconds of `cp -r` and of a checkout of the last snapshot, in turns; in a process of its own.

    How long it takes to make 2,000 files depends on what the disk did before, so that only neighbours can be compared.
    """
    import renex_jupyter as rx

    newest = str(rx.list_snapshots(limit=1)["snapshot_id"][0])
    found = []
    for turn in range(times + 1):
        os.sync()
        copied = _seconds(["cp", "-r", source, target], Path.cwd())
        shutil.rmtree(target)
        os.sync()
        start = time.perf_counter()
        rx.checkout(newest, to=target)
        found.append((copied, time.perf_counter() - start))
        shutil.rmtree(target)
        if not turn:
            found = []  # what is imported by the first one is not measured
    return found


def measure(folder: Path, rounds: int) -> list[Row]:
    """Measure a first snapshot, one after a change, a checkout and the room they take."""
    made = folder / "made"
    fill(made, SMALL, LARGE)
    found: dict[str, list[float]] = {}

    def note(name: str, seconds: float) -> None:
        found.setdefault(name, []).append(seconds)

    for turn in range(rounds):
        here = folder / str(turn)
        here.mkdir()
        tree, other = here / "tree", here / "git"
        shutil.copytree(made, tree)
        shutil.copytree(made, other)
        os.sync()
        _restic(here, "init")
        note("restic first", _restic(here, "backup", "tree"))
        os.sync()
        for number, seconds in enumerate(child.call(tree, "snapshots.take", 4, "d001/f1.py")["seconds"]):
            note("first" if not number else "changed", seconds)
        note("restic changed", _restic(here, "backup", "tree"))
        note("git first", _git(other))
        for number in range(3):
            with (other / "d001/f1.py").open("a") as file:
                file.write(f"# {number}\n")
            note("git changed", _git(other))
        shutil.rmtree(other)
        os.sync()
        for copied, checked_out in child.call(tree, "snapshots.check_out", str(made), str(here / "copy"), 3):
            note("cp", copied)
            note("checkout", checked_out)
            note("ratio", checked_out / copied)
        os.sync()
        note("restic restore", _restic(here, "restore", "latest", "--target", "restored"))
        if not turn:
            note("disk", _disk(tree / ".renex"))
            note("restic disk", _disk(here / "repository"))
        shutil.rmtree(here, ignore_errors=True)
    shutil.rmtree(made)
    return _rows({name: median(values) for name, values in found.items()})


def _rows(seconds: dict[str, float]) -> list[Row]:
    what = f"of {SMALL:,} small files and {LARGE} of 100 MB"

    def row(
        number: int, name: str, ours: str, beside: dict[str, str], most: float, target: str, paired: str = ""
    ) -> Row:
        others = {tool: seconds[key] for tool, key in beside.items()}
        ratio = seconds[paired] if paired else seconds[ours] / next(iter(others.values()))
        return Row(number, f"{name} {what}", "s", seconds[ours], others, target, ratio <= most, f"{ratio:.2f}x")

    first = {"restic": "restic first", "git add + commit": "git first"}
    changed = {"git add + commit": "git changed", "restic": "restic changed"}
    disk = seconds["disk"] / seconds["restic disk"]
    return [
        row(10, "first snapshot", "first", first, 1.2, "at most 1.2x restic"),
        row(11, "snapshot after one small change", "changed", changed, 3, "at most 3x git"),
        row(
            12,
            "checkout",
            "checkout",
            {"cp -r": "cp", "restic restore": "restic restore"},
            1.5,
            "at most 1.5x cp -r",
            "ratio",
        ),
        Row(
            13,
            f"the whole store after four snapshots {what}",
            "MB",
            seconds["disk"] / 1e6,
            {"restic": seconds["restic disk"] / 1e6},
            "no more than restic",
            disk <= 1,
            f"{disk:.3f}x",
        ),
    ]


def measure_many(folder: Path, rounds: int) -> list[Row]:
    """Measure a snapshot of many unchanged files beside `git status`."""
    tree = folder / "many"
    fill(tree, MANY, 0)
    _seconds(["git", "init", "-q"], tree)
    _git(tree)
    taken = child.call(tree, "snapshots.take", rounds + 2, None)
    status = [_seconds(["git", "status", "--short"], tree) for _ in range(rounds + 2)][1:]
    unchanged = median(taken["seconds"][1:])
    ratio = unchanged / median(status)
    shutil.rmtree(tree, ignore_errors=True)  # a fold may still be at work in it
    first, memory = taken["seconds"][0], sum(taken["memory"])
    return [
        Row(14, f"first snapshot of {MANY:,} files", "s", first),
        Row(
            14,
            f"snapshot of {MANY:,} unchanged files",
            "s",
            unchanged,
            {"git status": median(status)},
            "at most 3x git status",
            ratio <= 3,
            f"{ratio:.2f}x",
        ),
        Row(14, f"peak memory of both processes, {MANY:,} files", "MB", memory, {}, "at most 500", memory <= 500),
    ]


def measure_sparse(folder: Path) -> list[Row]:
    """Measure a file of nothing but a hole."""
    tree = folder / "sparse"
    tree.mkdir()
    (tree / "pyproject.toml").touch()
    with (tree / "hole.bin").open("wb") as file:
        file.truncate(SPARSE)
    time.sleep(2.5)  # of a file that just changed nobody knows whether its holes are true
    taken, restored, blocks = child.call(tree, "snapshots.take_sparse", str(folder / "restored"))
    shutil.rmtree(tree, ignore_errors=True)  # a fold may still be at work in it
    shutil.rmtree(folder / "restored")
    what = f"a sparse file of {SPARSE / 2**30:.0f} GB"
    return [
        Row(15, f"first snapshot of {what}", "s", taken, {}, "seconds", taken < 60),
        Row(
            15,
            f"checkout of {what}",
            "s",
            restored,
            {},
            "seconds, sparse again",
            blocks < 2**20,
            f"{blocks:,} bytes on disk",
        ),
    ]


def take_sparse(target: str) -> tuple[float, float, int]:
    """Return the seconds of a snapshot and of a checkout, and the bytes on disk of what came back; in a process of its own."""
    import renex_jupyter as rx
    from renex_jupyter.config import settings

    settings().max_file_size = 2 * SPARSE
    start = time.perf_counter()
    taken = rx.snapshot("sparse")
    between = time.perf_counter()
    rx.checkout(taken.snapshot_id, to=target)
    return between - start, time.perf_counter() - between, Path(target, "hole.bin").stat().st_blocks * 512


def missing() -> list[str]:
    """Return the programs that are not installed."""
    return [name for name in ("git", "restic") if shutil.which(name) is None]


def _git(folder: Path) -> float:
    if not (folder / ".git").exists():
        _seconds(["git", "init", "-q"], folder)
    return _seconds(["git", "add", "-A"], folder) + _seconds(["git", *WHO, "commit", "-qm", "x"], folder)


def _restic(folder: Path, *words: str) -> float:
    return _seconds(["restic", "-q", "-r", "repository", *words], folder)


def _seconds(command: list[str], folder: Path) -> float:
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env={**os.environ, **RESTIC})
    return time.perf_counter() - start


def _disk(folder: Path) -> float:
    """Return the bytes that a folder takes on the disk."""
    return float(sum(path.lstat().st_blocks * 512 for path in folder.rglob("*")))


def parts(folder: Path, rounds: int) -> list[tuple[str, Callable[[], list[Row]]]]:
    """Return the measurements, by the numbers of what they measure."""
    return [
        ("10 11 12 13", lambda: measure(folder, rounds)),
        ("14", lambda: measure_many(folder, rounds)),
        ("15", lambda: measure_sparse(folder)),
    ]
