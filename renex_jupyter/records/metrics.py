"""Points of metric series."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Point:
    """One value of one key, at one step of its owner."""

    owner_kind: str  # run
    owner_id: str
    key: str  # "val/loss"; a slash groups charts
    step: int  # given by the user, may repeat and go back
    wallclock: datetime  # UTC, when it was logged
    value: float | None  # unit as logged; NaN and inf are kept
    text_value: str | None = None
