"""How busy the machine was while a run ran, as groups of lines of one unit each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import pandas as pd

from renex_jupyter.records.metrics import SYSTEM
from renex_jupyter.views.figures import metric_figure

# Name of a group, its unit, and which keys are in it: the first that fits.
GROUPS = (
    ("CPU", "%", re.compile("cpu_percent")),
    ("Memory", "B", re.compile("memory_bytes")),
    ("GPU", "%", re.compile(r"gpu\w*/utilization_percent")),
    ("GPU memory", "B", re.compile(r"gpu\w*/memory_bytes")),
    ("Disk", "B", re.compile(r"disk_\w+")),
    ("Network", "B", re.compile(r"network_\w+")),
    ("Other", "", re.compile(".*", re.DOTALL)),
)
_UNITS = {name: unit for name, unit, _ in GROUPS}


def is_system(key: str) -> bool:
    """Say whether a metric is about the machine."""
    return key.startswith(SYSTEM)


def system_groups(keys: Iterable[str]) -> dict[str, list[str]]:
    """Return group -> keys, in the order of the groups."""
    found: dict[str, list[str]] = {name: [] for name, *_ in GROUPS}
    for key in keys:
        found[next(name for name, _, form in GROUPS if form.fullmatch(key.removeprefix(SYSTEM)))].append(key)
    return {name: some for name, some in found.items() if some}


def system_figure(
    group: str, series: Mapping[str, pd.DataFrame], started: datetime, *, revision: str = ""
) -> dict[str, Any]:
    """Return a figure of one group over the seconds since the start.

    Parameters
    ----------
    series : key -> DataFrame with the columns step [1], wallclock [UTC] and value, ordered by step.
    """
    named = {key.removeprefix(SYSTEM): frame for key, frame in series.items()}
    figure = metric_figure(named, revision=revision)
    for trace, frame in zip(figure["data"], named.values(), strict=True):
        trace["x"] = [round(each.timestamp() - started.timestamp(), 1) for each in frame["wallclock"]]
        trace["hovertemplate"] = trace["hovertemplate"].replace("%{y:.5g}", "%{y:.4s}" + _UNITS[group])
    layout = figure["layout"]
    layout["height"] = 200
    layout["xaxis"]["title"]["text"] = "time [s]"
    unit = _UNITS[group]
    layout["yaxis"] |= {"title": {"text": group, "standoff": 4}, "rangemode": "tozero"}
    layout["yaxis"] |= {"tickformat": "~s", "ticksuffix": unit} if unit == "B" else {"ticksuffix": unit}
    return figure
