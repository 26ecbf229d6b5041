"""Verify a run: do it again and compare, and say why where it is not the same."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from renex_jupyter.analysis.reasons import SHOWN, Circumstances, explained, likely_reason
from renex_jupyter.analysis.verification import (
    Result,
    Tolerance,
    compare,
    counts,
    not_compared,
    verdict_of,
)
from renex_jupyter.errors import RenexError, invalid_argument, shown, text_argument
from renex_jupyter.ids import new_id, short
from renex_jupyter.query import environments
from renex_jupyter.query import runs as run_query
from renex_jupyter.query import snapshots as snapshot_query
from renex_jupyter.query import verifications as query
from renex_jupyter.query.objects import RUN, checked_word
from renex_jupyter.records.changes import Change, now, plain
from renex_jupyter.records.diffs import PackageChange
from renex_jupyter.records.runs import Run
from renex_jupyter.records.snapshots import Cell
from renex_jupyter.records.verifications import (
    ABSOLUTE_TOLERANCE,
    CLOSE,
    DIFFERENT,
    FAILED,
    RELATIVE_TOLERANCE,
    REPRODUCED,
    Difference,
    Verification,
)
from renex_jupyter.session import places, work
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.found_runs import mark_vanished
from renex_jupyter.session.rerun_plans import taken_for_another
from renex_jupyter.session.reruns import Choice, do_again
from renex_jupyter.session.results import cell_error, ignore_files, result_of

# Errors of a rerun that say something of the run: any other one is of this machine, or of the call, and is raised.
OF_THE_RUN = frozenset({"conflict", "corrupt", "environment_unavailable", "not_found", "unsafe_path"})
NOTHING = "nothing was compared but how it ended: no metric, no param, and no file that it wrote"


def verify(
    run_id: object,
    *,
    rerun: object = None,
    environment: str | None = None,
    executor: str | None = None,
    image: str | None = None,
    relative_tolerance: float = RELATIVE_TOLERANCE,
    absolute_tolerance: float = ABSOLUTE_TOLERANCE,
    ignore: Sequence[str] = (),
    confirm: bool = True,
    echo: Callable[[str], None] | None = None,
    timeout: float | None = None,
) -> Verification:
    """Do a run again and say whether it gives the same: all its metric points, params and the files that it wrote.

    Parameters
    ----------
    run_id : id, unique prefix or name of a run, or the run itself.
    rerun : a rerun of it that there is already; None: it is done again now.
    environment, executor, image, echo, timeout : see `rerun`.
    relative_tolerance, absolute_tolerance : two numbers within one of them are close (`math.isclose`).
    ignore : patterns such as "epoch_seconds" or "time/*" of metrics and params that are not compared; of files, with
        "file:" before: "file:out/*.log". What begins with "system/" never is.
    confirm : where nothing else explains a difference, do it once more: reruns that differ from each other prove
        randomness without a seed.

    Returns
    -------
    The verdict `reproduced` (all is the same, to the last bit), `close` (within the tolerance), `different`, or `failed`
    (it could not be done again, or failed where it had finished); with every difference and the likely reason. It is
    kept in the table `verifications`.

    Raises
    ------
    RenexError : `not_found` for the run, `invalid_argument`, also for a second run that is no rerun of it;
        `conflict` while one of them is running; `interrupted` where the rerun was stopped by hand, of which nothing is
        kept; `docker_unavailable`; what is wrong with the machine and not with the run, such as `disk_full`.
    """
    checked_word(run_id, (RUN,))
    tolerance = _tolerance(relative_tolerance, absolute_tolerance, ignore)
    session = current()
    mark_vanished(session)
    read = session.store.reader
    recorded = run_query.get_run(read, run_query.find_run(read, run_id))
    _refuse_running(recorded)

    def again() -> Run:
        return do_again(session, recorded, Choice(executor, environment, image, timeout), echo)

    if rerun is not None:
        checked_word(rerun, (RUN,))
        second = run_query.get_run(read, run_query.find_run(read, rerun))
        _refuse_others(session, recorded, second)
        return _keep(session, _compared(session, recorded, second, tolerance, None))
    try:
        second = again()
    except RenexError as error:
        if error.code not in OF_THE_RUN:
            raise
        return _keep(session, _not_started(recorded, error, tolerance))
    try:
        found = _compared(session, recorded, second, tolerance, again if confirm else None)
    except KeyboardInterrupt:  # of the run that was to confirm it
        _keep(session, _compared(session, recorded, second, tolerance, None))
        raise
    return _keep(session, found)


def _refuse_running(run: Run) -> None:
    if run.status == "running":
        hint = f"Wait for its end, or stop it: %renex stop {short(run.run_id)}"
        raise RenexError("conflict", f"run '{run.name}' is still running.", hint)


def _refuse_others(session: Session, recorded: Run, second: Run) -> None:
    """Refuse to compare a run with one that is no rerun of it, or of a rerun of it."""
    _refuse_running(second)
    before = second.rerun_of
    while before and before != recorded.run_id:
        found = session.store.reader.rows("select rerun_of from inside.runs where run_id = ?", [before])
        before = found[0]["rerun_of"] if found else None
    if before is None:
        message = (
            f"run '{second.name}' {short(second.run_id)} is no rerun of '{recorded.name}' {short(recorded.run_id)}."
        )
        raise invalid_argument(message, "Leave `rerun` out: the run is done again then.")


def _tolerance(relative: float, absolute: float, ignore: Sequence[str]) -> Tolerance:
    given: tuple[tuple[str, object], ...] = (("relative_tolerance", relative), ("absolute_tolerance", absolute))
    for name, value in given:
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value < math.inf:
            raise invalid_argument(f"{name} {shown(value)} is no tolerance.", "Use a small number, such as 1e-6, or 0.")
    patterns = [ignore] if isinstance(ignore, str) else list(ignore)
    for each in patterns:
        text_argument(each, "a pattern to ignore", 'Use names, such as ignore=["seconds", "file:*.log"].')
    return Tolerance(float(relative), float(absolute), tuple(patterns))


def _not_started(recorded: Run, error: RenexError, tolerance: Tolerance) -> Verification:
    reason = f"it could not be started: {error.code}: {error.message}"
    return _made(recorded, None, FAILED, (), f"{reason} {error.hint}".strip(), tolerance, {})


def _compared(
    session: Session, recorded: Run, second: Run, tolerance: Tolerance, again: Callable[[], Run] | None
) -> Verification:
    if second.status == "stopped":
        hint = "Nothing was compared. Verify it once more and let the rerun end."
        raise RenexError("interrupted", f"the rerun of '{recorded.name}' was stopped.", hint)
    one, other = result_of(session, recorded), result_of(session, second)
    differences = compare(one, other, tolerance)
    verdict = verdict_of(one, other, differences)
    known = _circumstances(session, recorded, second, verdict, differences)
    if verdict == DIFFERENT and again is not None and not explained(known):
        known = replace(known, random=_confirmed(session, other, again, tolerance))
    compared = counts(one, tolerance)
    said = "; ".join(_notes(one, other, tolerance, compared)) if verdict in (REPRODUCED, CLOSE) else ""
    reason = "; ".join(filter(None, (likely_reason(known), said)))
    made = _made(recorded, second, verdict, differences, reason, tolerance, compared)
    return replace(made, ignore_files=ignore_files(session, recorded))


def _confirmed(session: Session, second: Result, again: Callable[[], Run], tolerance: Tolerance) -> str | None:
    """Return in what one more rerun differs from the second; None where it did not come as far, and proves nothing."""
    try:
        third = result_of(session, again())
    except RenexError:
        return None
    if third.status != second.status:
        return None
    differences = compare(second, third, tolerance)
    return differences[0].line if differences else ""


def _notes(one: Result, other: Result, tolerance: Tolerance, compared: Mapping[str, int]) -> Iterator[str]:
    """Yield what a good verdict does not rest on."""
    left = not_compared(one, other, tolerance)
    if not any(compared.values()):
        yield NOTHING
    if left:
        more = f" and {len(left) - SHOWN:,} more" if len(left) > SHOWN else ""
        yield f"not compared: {', '.join(left[:SHOWN])}{more}"


def _circumstances(
    session: Session, recorded: Run, second: Run, verdict: str, differences: tuple[Difference, ...]
) -> Circumstances:
    read = session.store.reader
    before = snapshot_query.get_snapshot(read, recorded.before_snapshot_id or "")
    cells = () if recorded.kind == "command" else query.replayed_cells(read, recorded)
    twin, side_by_side = taken_for_another(session, recorded, second) if verdict in (DIFFERENT, FAILED) else ("", False)
    return Circumstances(
        verdict,
        differences,
        recorded_status=recorded.status,
        error=cell_error(second.error) if second.error and cells else second.error,
        missing=work.missing_files(session, before, of_command=recorded.kind == "command"),
        packages=_packages(session, recorded, second),
        image=_image(recorded, second),
        twin=twin,
        side_by_side=side_by_side,
        beside=query.open_beside(read, recorded) if verdict == DIFFERENT else "",
        interrupted=tuple(f"cell [{each.execution_count}]" for each in cells if each.status == "interrupted"),
        disorder=_disorder(snapshot_query.snapshot_cells(read, before.snapshot_id)) if cells else "",
        unknown_start=any(each.status is None for each in cells),
        machine=_machine(session, recorded, second) if verdict in (CLOSE, DIFFERENT) else "",
    )


def _packages(session: Session, recorded: Run, second: Run) -> tuple[PackageChange, ...]:
    if not recorded.environment_id or not second.environment_id or recorded.environment_id == second.environment_id:
        return ()
    read = session.store.reader
    return places.differences(
        *(environments.get_environment(read, str(each.environment_id)) for each in (recorded, second))
    )


def _image(recorded: Run, second: Run) -> str:
    """Return how the image of a rerun is another one; "" where an environment tells more of it, or one was in none."""
    one, other = recorded.action or {}, second.action or {}
    ids = [str(each.get("image_id") or "").removeprefix("sha256:")[:12] for each in (one, other)]
    if recorded.environment_id or not all(ids) or ids[0] == ids[1]:
        return ""
    return f"{one.get('image')} {ids[0]} -> {other.get('image')} {ids[1]}"


def _disorder(cells: Sequence[Cell]) -> str:
    counted = (
        ("changed since they ran", sum(each.stale for each in cells)),
        ("out of order", sum(each.out_of_order for each in cells)),
    )
    return ", ".join(f"{number} {words}" for words, number in counted if number)


def _machine(session: Session, recorded: Run, second: Run) -> str:
    """Return in what the processor of a rerun is another one."""
    rows = session.store.reader.rows("select hardware_id, cpu, cores from hardware")
    known = {row["hardware_id"]: f"{row['cpu']}, {row['cores']} cores" for row in rows}
    one, other = (known.get(_hardware(session, each) or "") for each in (recorded, second))
    return f"{one} -> {other}" if one and other and one != other else ""


def _hardware(session: Session, run: Run) -> str | None:
    """Return the machine of a run: a rerun has the state before of another one, and a state after of its own."""
    state = run.after_snapshot_id
    return snapshot_query.get_snapshot(session.store.reader, state).hardware_id if state else run.hardware_id


def _made(
    recorded: Run,
    second: Run | None,
    verdict: str,
    differences: tuple[Difference, ...],
    reason: str,
    tolerance: Tolerance,
    compared: dict[str, int],
) -> Verification:
    return Verification(
        verification_id=new_id(),
        run_id=recorded.run_id,
        rerun_run_id=second.run_id if second else None,
        verdict=verdict,
        reason=reason,
        differences=differences,
        relative_tolerance=tolerance.relative,
        absolute_tolerance=tolerance.absolute,
        created_at=now(),
        ignored=tolerance.ignored,
        name=recorded.name,
        compared=compared,
    )


def _keep(session: Session, found: Verification) -> Verification:
    """Write what was found, for whoever asks later."""
    session.begin()
    after = {
        name: plain(getattr(found, name)) if name in ("differences", "ignored") else getattr(found, name)
        for name in found.__dataclass_fields__
        if name not in ("name", "compared", "ignore_files") and getattr(found, name) is not None
    }
    session.store.write(Change("verifications", found.verification_id, "create", after))
    return found
