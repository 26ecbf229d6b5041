"""Which runs of a session may have been taken for one another."""

from datetime import UTC, datetime, timedelta
from typing import Any

from recorded import Project

from renex_jupyter.query.runs import get_run
from renex_jupyter.query.verifications import twin_of, were_side_by_side

START = datetime(2026, 1, 1, tzinfo=UTC)


def opened(project: Project, name: str, first: float, last: float, **columns: Any) -> str:
    """Return a run of one session that was open from one second to another."""
    times = {"started_at": START + timedelta(seconds=first), "ended_at": START + timedelta(seconds=last)}
    return project.made(name, session_id="s", **times, **columns).run_id


def side_by_side(project: Project, run_id: str) -> bool:
    return were_side_by_side(project.store.reader, get_run(project.store.reader, run_id))


def test_runs_one_after_the_other_and_runs_within_runs_are_not_side_by_side(project: Project) -> None:
    outer = opened(project, "cv", 0, 10)
    first = opened(project, "fold", 1, 5, parent_run_id=outer)
    opened(project, "inner", 2, 3, parent_run_id=first)
    opened(project, "fold", 5, 9, parent_run_id=outer)
    opened(project, "detached", 0, 100, kind="command")
    opened(project, "fold", 0, 100, rerun_of=first)
    assert not side_by_side(project, outer)
    assert not side_by_side(project, first)


def test_runs_of_threads_are_side_by_side_also_where_the_asked_one_was_alone(project: Project) -> None:
    outer = opened(project, "cv", 0, 10)
    opened(project, "fold", 1, 3, parent_run_id=outer)
    opened(project, "fold", 2, 4, parent_run_id=outer)
    alone, other = opened(project, "fold", 5, 6, parent_run_id=outer), opened(project, "test", 7, 8)
    assert side_by_side(project, alone)
    assert side_by_side(project, other)  # next to "cv", in which it does not lie
    assert not side_by_side(project, opened(project, "later", 20, 21))


def test_a_twin_has_the_name_and_the_very_params_of_a_rerun(project: Project) -> None:
    run, twin, third, rerun = (project.made("fold", session_id=each) for each in ("s", "s", "s", "t"))
    for each, n in ((run, 0), (twin, 1), (third, 2), (rerun, 1)):
        project.param(each.run_id, "n", n)
        project.param(each.run_id, "layers", [8, 8])
    read = project.store.reader
    assert twin_of(read, run, rerun) == twin.run_id
    assert twin_of(read, twin, rerun) == ""  # it has them itself
    project.param(rerun.run_id, "more", 1)
    assert twin_of(read, run, rerun) == ""
