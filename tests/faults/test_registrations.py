"""Registrations at one time, and registrations that are killed: every number once, no gap, a whole version or none."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import children
import pytest
from invariant import invariant

import renex_jupyter as rx
from renex_jupyter.session.current import current
from renex_jupyter.store.store import Store

Say = Callable[[object], None]
VERSIONS, MOVES = 50, 40


def registers(_say: Say, project: Path, name: str, meeting: Any) -> list[int]:
    """Register versions as fast as it goes; return their numbers."""
    os.chdir(project)
    (project / name).write_text(name)
    meeting.wait(240)
    return [rx.register_model("digits", path=name, labels=[name]).version for _ in range(VERSIONS)]


@pytest.mark.slow
@pytest.mark.timeout(900)  # on a machine that is busy with other things
def test_two_processes_registering_50_versions_each_of_one_model_get_100_distinct_numbers_without_a_gap(
    project: Path,
) -> None:
    meeting = children.meeting(2)
    alive = [children.Child(registers, project, name, meeting) for name in ("one", "two")]
    given = children.answers(alive, 800, behind="BrokenBarrierError")
    assert sorted(number for each in given for number in each) == list(range(1, 2 * VERSIONS + 1))
    assert all(each == sorted(each) for each in given)
    models, versions, labels = children.ask(registered, project)
    assert models == [("default", "digits")]  # also the first use was one
    assert sorted(number for number, _ in versions) == list(range(1, 2 * VERSIONS + 1))
    assert {label: len(numbers) for label, numbers in labels.items()} == {"one": 1, "two": 1}
    invariant(project / ".renex", deep=True)


def registered(_say: Say, project: Path) -> tuple[list[tuple[str, str]], list[tuple[int, bytes]], dict[str, list[int]]]:
    """Return the models, the versions with what they hold, and the versions by label."""
    os.chdir(project)
    models = rx.sql("select namespace, name from models").itertuples(index=False, name=None)
    numbers = rx.sql("select version from model_versions order by version").version
    versions = [(int(number), rx.load_model(f"digits:{number}").read_bytes()) for number in numbers]
    rows = rx.sql("select label, version from labels").itertuples(index=False, name=None)
    labels: dict[str, list[int]] = {}
    for label, version in rows:
        labels.setdefault(label, []).append(int(version))
    return list(models), versions, labels


def registers_until_killed(say: Say, project: Path) -> None:
    os.chdir(project)
    say("up")
    number = 0
    while True:
        number += 1
        path = project / f"w{os.getpid()}"
        path.write_text(f"{os.getpid()} {number}")
        made = rx.register_model("digits", path=path, labels=[f"of {os.getpid()}"], params={"n": number})
        say((made.version, path.read_text()))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_registration_that_is_killed_leaves_a_whole_version_or_none(project: Path) -> None:
    rng = random.Random(6)
    acknowledged: dict[int, str] = {}
    for _ in range(6):
        alive = [children.Child(registers_until_killed, project) for _ in range(2)]
        for each in alive:
            assert each.says() == "up"
        first = alive[0].says()  # so that the moment of the kill lies in registrations, however slow the machine is
        acknowledged[first[0]] = first[1]
        time.sleep(rng.uniform(0.0, 0.3))
        for each in alive:
            assert each.kill() == -9
        for each in alive:
            acknowledged |= dict(rest(each))
    models, versions, labels = children.ask(registered, project)
    numbers = [number for number, _ in versions]
    assert models == [("default", "digits")]
    assert numbers == list(range(1, len(numbers) + 1))  # none was used up by who was killed
    held = {number: contents.decode() for number, contents in versions}
    assert {number: held[number] for number in acknowledged} == acknowledged
    counts = children.ask(parts, project)
    assert counts["artifacts"] == counts["model_versions"] == len(numbers)
    assert sum(map(len, labels.values())) == len(labels)
    assert children.ask(next_number, project) == len(numbers) + 1  # and nobody waits for a lock of who was killed
    invariant(project / ".renex", deep=True)


def rest(child: children.Child) -> list[tuple[int, str]]:
    """Return what a killed child had said that nobody has heard."""
    heard = []
    while True:
        try:
            heard.append(child.says())
        except EOFError:
            return heard


def parts(_say: Say, project: Path) -> dict[str, int]:
    os.chdir(project)
    return {name: int(rx.sql(f"select count(*) as n from {name}").n[0]) for name in ("artifacts", "model_versions")}


def next_number(_say: Say, project: Path) -> int:
    os.chdir(project)
    return rx.register_model("digits", path=project / "model.py").version


def dies_before_it_writes(say: Say, project: Path) -> None:
    """Die where the number is given and nothing is written yet, with the lock held."""
    os.chdir(project)
    rx.register_model("digits", path=project / "model.py")
    current().store.write = lambda *_: children.die()  # type: ignore[method-assign]
    say("up")
    rx.register_model("digits", path=project / "model.py")


def test_the_number_of_a_registration_that_died_with_the_lock_is_given_to_the_next(project: Path) -> None:
    child = children.Child(dies_before_it_writes, project)
    assert child.says() == "up"
    assert child.wait() == -9
    assert children.ask(next_number, project) == 2
    assert children.ask(parts, project) == {"artifacts": 2, "model_versions": 2}


def moves_an_alias(_say: Say, project: Path, version: int, meeting: Any) -> None:
    os.chdir(project)
    meeting.wait(240)
    for turn in range(MOVES):
        rx.set_alias("digits", "champion", version, reason=f"turn {turn} of {version}")
        rx.set_alias("digits", "champion", 3, reason=f"turn {turn} of {version}")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_processes_that_fight_for_an_alias_leave_one_history_without_a_break(project: Path) -> None:
    for _ in range(3):
        children.ask(next_number, project)
    meeting = children.meeting(2)
    alive = [children.Child(moves_an_alias, project, version, meeting) for version in (1, 2)]
    children.answers(alive, 800, behind="BrokenBarrierError")
    history, now = children.ask(history_of_champion, project)
    assert now == 3
    before = None
    for was, version in history:  # each begins where the one before has ended, so that none was lost
        assert was == before
        before = version
    assert before == now
    assert set(Counter(version for _, version in history)) == {1, 2, 3}


def history_of_champion(_say: Say, project: Path) -> tuple[list[tuple[int | None, int]], int]:
    os.chdir(project)
    query = """
        select (before->>'version')::bigint as was, (after->>'version')::bigint as version
        from inside.changes where kind = 'aliases' order by at_us, writer, seq"""
    rows = Store(project / ".renex").reader.rows(query)
    return [(row["was"], row["version"]) for row in rows], rx.get_model_version("digits@champion").version


def loads(_say: Say, project: Path, meeting: Any) -> list[int]:
    os.chdir(project)
    found = []
    for number in range(1, 11):
        meeting.wait(240)
        path = rx.load_model(f"digits:{number}")
        found.append(len(path.joinpath("a").read_bytes()) + len(path.joinpath("b").read_bytes()))
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_processes_that_load_one_version_at_once_each_get_all_of_it(project: Path) -> None:
    children.ask(register_folders, project)
    meeting = children.meeting(4)
    alive = [children.Child(loads, project, meeting) for _ in range(4)]
    assert children.answers(alive, 800, behind="BrokenBarrierError") == [[2_000_000 + 2 * n for n in range(1, 11)]] * 4


def register_folders(_say: Say, project: Path) -> None:
    os.chdir(project)
    for number in range(1, 11):
        (project / "bundle").mkdir(exist_ok=True)
        for name in "ab":
            (project / "bundle" / name).write_bytes(os.urandom(1_000_000 + number))
        rx.register_model("digits", path=project / "bundle")
