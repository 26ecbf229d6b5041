"""Where the rows of a new dataset version come from, whatever they were given as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Source:
    """Tables or views on a workbench, and what is known of them."""

    samples: str  # name of the table; a row per sample
    annotations: str | None = None  # name of the table of annotations, if there is one
    roles: Mapping[str, str] = field(default_factory=dict)  # role -> column, as the format says it
    classes: tuple[str, ...] = ()  # that the format declares, in its order
    task: str | None = None  # that the format is made for
    said: str | None = None  # where it came from, for people: "train.csv", "a DataFrame"
    keyed: bool = False  # whether it has our own column of keys
