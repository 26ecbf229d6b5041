"""Metric points of the open run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from renex_jupyter.errors import RenexError, invalid_argument, unsupported_value
from renex_jupyter.records.changes import now
from renex_jupyter.records.metrics import Point
from renex_jupyter.session.active_run import checked
from renex_jupyter.session.runs import run_to_log_on


def log_metric(key: str, value: Any, step: int | None = None, wallclock: float | datetime | None = None) -> None:
    """Log one value of a metric on the open run; when this returns, the value survives the death of the process.

    Parameters
    ----------
    key : a name such as "loss" or "val/loss"; a slash groups charts.
    value : number (NaN and inf are kept), numpy or torch scalar, or text.
    step : any whole number, may repeat and go back; None: one more than the highest so far (from 0) of this key.
    wallclock : seconds since the epoch or an aware datetime; None: now.

    Raises
    ------
    RenexError : `unsupported_value`, `invalid_argument`; `disk_full` and its like when it could not be written.
    """
    log_metrics({key: value}, step, wallclock)


def log_metrics(values: Mapping[str, Any], step: int | None = None, wallclock: float | datetime | None = None) -> None:
    """Log several metrics at one step, with one write; see `log_metric`."""
    moment = _moment(wallclock)
    at = None if step is None else _whole(step)
    read = {
        checked("metric", key): _read(key, value) for key, value in values.items()
    }  # refused before a run is opened
    run = run_to_log_on()
    run.write_points(
        [
            Point("run", run.run_id, key, run.next_step(key) if at is None else at, moment, number, text)
            for key, (number, text) in read.items()
        ]
    )


def _read(key: str, value: Any) -> tuple[float | None, str | None]:
    """Return a value as number or text."""
    return (None, value) if isinstance(value, str) else (_number(key, value), None)


def _whole(step: Any) -> int:
    try:
        number = int(step)
    except (TypeError, ValueError, OverflowError) as error:
        raise invalid_argument(f"step {step!r} is not a whole number.", "Use step=epoch, for example.") from error
    if number != step or not -(2**63) <= number < 2**63:
        raise invalid_argument(f"step {step!r} is not a whole number of 64 bits.", "Use step=epoch, for example.")
    return number


def _number(key: str, value: Any) -> float:
    try:
        return float(value)  # also numpy, torch and jax scalars, Decimal, Fraction
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        hint = "Log a number or a text; of an array log its mean, of a tensor .item()."
        raise unsupported_value(f"metric '{key}'", value, hint) from error


def _moment(wallclock: float | datetime | None) -> datetime:
    if wallclock is None:
        return now()
    if isinstance(wallclock, datetime):
        return wallclock
    try:
        return datetime.fromtimestamp(wallclock, UTC)
    except (OverflowError, OSError, ValueError, TypeError) as error:
        raise RenexError("invalid_argument", f"wallclock {wallclock!r} is no time.", "Use time.time().") from error
