"""Damaged or missing files: what is answered is right or said to be missing, and everything else is still served."""

from __future__ import annotations

import os
import random
import shutil
import warnings
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import children
import pytest
import victims
from invariant import FILES, METRICS, PARAMS, SNAPSHOTS, invariant

import renex_jupyter as rx
from renex_jupyter.config import settings
from renex_jupyter.store.keeping.fsck import fsck
from renex_jupyter.store.keeping.rebuild import rebuild
from renex_jupyter.store.store import Store

Say = Callable[[object], None]
Answers = dict[str, object]
FLIPS = 8  # of each kind of file
PARTS = {
    "runs": "select run_id, name, status from runs",
    "params": PARAMS,
    "metrics": METRICS,
    "latest": "select run_id, key, value, step, points from latest_metrics",
    "snapshots": SNAPSHOTS,
    "files": FILES.removesuffix("order by all"),
}
KINDS = {
    "journal": ("journal/*.jsonl", set()),
    "segment": ("segments/*.parquet", set()),
    "generation": ("generations/*.duckdb", set()),
    "published": ("history.duckdb", set()),
    "pack": ("archive/*.parquet", set()),
    "content": ("blobs/??/*", {"contents"}),
}
REPAIRED = {"segment", "generation", "published"}  # by the next rebuild, from the archive


@pytest.fixture
def filled(project: Path) -> Path:
    """A store with every kind of file, kept aside to begin from it again."""
    root = project / ".renex"
    children.ask(victims.fill, root, project.parent / "ledger", 3)
    shutil.copytree(root, project.parent / "kept")
    return root


def begin_again(root: Path) -> None:
    shutil.rmtree(root)
    shutil.copytree(root.parent.parent / "kept", root)


def answers(_say: Say, root: Path) -> Answers:
    """Ask everything; an error of ours stands for its answer, any other is a failure."""
    os.chdir(root.parent)
    settings().fold_in_background = False
    said: Answers = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, query in PARTS.items():
            said[name] = _told(lambda: sorted(map(repr, rx.sql(query).itertuples(index=False))))  # noqa: B023
        said["contents"] = _told(lambda: contents(root))
    return said


def contents(root: Path) -> list[str]:
    blobs = Store(root).blobs
    names = [path.parent.name + path.name.removesuffix(".zst") for path in root.glob("blobs/??/*")]
    return sorted(f"{name} {len(blobs.get(name))}" for name in names)


def _told(ask: Callable[[], list[str]]) -> object:
    try:
        return ask()
    except rx.RenexError as error:
        return error.code


def mended(say: Say, root: Path) -> Answers:
    """Rebuild the index, and ask everything again."""
    rebuild(Store(root).layout)
    return answers(say, root)


def checked(_say: Say, root: Path) -> set[str]:
    """Return what fsck finds."""
    return {f"{each.kind} {each.path}" for each in fsck(Store(root).layout).damages}


def wrong_answers(right: Answers, given: Answers) -> list[str]:
    """Return what was answered that is not so; what is missing is no wrong answer."""
    wrong = []
    for part, answer in given.items():
        wanted = right[part]
        if part == "latest" and given["metrics"] != right["metrics"]:
            continue  # of the points that are left
        if isinstance(answer, list) and isinstance(wanted, list):
            wrong += [f"{part}: {row}" for row in answer if answer.count(row) > wanted.count(row)][:2]
    return wrong


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(KINDS))
def test_a_flipped_bit_is_never_taken_for_the_truth(filled: Path, kind: str) -> None:
    pattern, may_refuse = KINDS[kind]
    rng, right = random.Random(kind), children.ask(answers, filled)
    before = children.ask(checked, filled)
    for turn in range(FLIPS):
        begin_again(filled)
        path = rng.choice([each for each in sorted(filled.glob(pattern)) if each.stat().st_size])
        where = f"{path.relative_to(filled)} {flip(rng, path)}"
        given = children.ask(answers, filled)
        assert not wrong_answers(right, given), where
        refused = {part for part, answer in given.items() if not isinstance(answer, list)}
        assert refused <= may_refuse, (where, given)
        if given != right:
            assert children.ask(checked, filled) - before, f"{where}: something is missing and fsck finds nothing"
        if kind in REPAIRED or turn == 0:
            again = children.ask(mended, filled)
            assert not wrong_answers(right, again), f"{where}: rebuilt"
            assert again == right or kind not in REPAIRED, f"{where}: rebuilt"


def flip(rng: random.Random, path: Path) -> str:
    """Flip one bit of a file."""
    data = bytearray(path.read_bytes())
    place, bit = rng.randrange(len(data)), rng.randrange(8)
    data[place] ^= 1 << bit
    mode = path.stat().st_mode
    path.chmod(0o600)
    path.write_bytes(data)
    path.chmod(mode)
    return f"byte {place} of {len(data)}, bit {bit}"


@pytest.mark.slow
def test_a_journal_cut_anywhere_keeps_every_whole_line(filled: Path) -> None:
    rng = random.Random(4)
    journals = sorted(filled.glob("journal/*.jsonl"))
    before = children.ask(answers, filled)
    for turn in range(12):
        begin_again(filled)
        path = journals[turn % len(journals)]
        data = path.read_bytes()
        cut = rng.randrange(len(data))
        path.write_bytes(data[:cut])
        whole = data[:cut].count(b"\n")
        given = children.ask(answers, filled)
        assert not wrong_answers(before, given), (path.name, cut)
        gone = sum(len(before[part]) - len(given[part]) for part in ("metrics", "params"))
        assert gone <= len(data.splitlines()) - whole, (path.name, cut)
        invariant(filled)
        after = children.ask(answers, filled)
        assert set(given["metrics"]) <= set(after["metrics"]) and set(given["params"]) <= set(after["params"])


@pytest.mark.parametrize(
    "gone",
    [each for n in (1, 2, 3) for each in combinations(("history.duckdb", "CURRENT", "generations/*"), n)],
    ids=str,
)
def test_a_missing_part_of_the_index_is_not_missed_and_comes_back(filled: Path, gone: tuple[str, ...]) -> None:
    right = children.ask(answers, filled)
    for pattern in gone:
        for path in filled.glob(pattern):
            path.unlink()
    assert children.ask(answers, filled) == right
    invariant(filled, filled.parent.parent / "ledger")
    assert (filled / "history.duckdb").exists() and Store(filled).layout.generation_in_force()
