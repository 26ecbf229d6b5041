"""Figures: what a row holds, how it is printed, and where it is kept."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- figures: written by `make bench` -->", "<!-- end of figures -->"
SHOWN = ("renex_jupyter", "duckdb", "pandas", "mlflow", "trackio", "wandb")


@dataclass(frozen=True)
class Row:
    """One measurement beside others."""

    number: int  # of the promise, see docs/performance.md
    what: str
    unit: str
    ours: float
    beside: dict[str, float] = field(default_factory=dict)  # by name, in the same unit
    target: str = ""
    met: bool | None = None
    note: str = ""


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def tool_rows(number: int, what: str, found: dict[str, dict[str, Any]]) -> list[Row]:
    """Return the row of a measurement of all tools: microseconds per point, and what was lost."""
    ours = found["renex"]
    peers = {name: each["us"] for name, each in found.items() if name not in ("renex", "json + DuckDB")}
    losses = [
        f"{name} lost {each['lost']:,} of {each['of']:,}"
        + (f" ({each['failed']} processes ended with an error)" if each["failed"] else "")
        for name, each in found.items()
        if each["lost"]
    ]
    points = ", ".join(f"{name} {each['points']:,}" for name, each in found.items())
    return [
        Row(
            number,
            what,
            "µs",
            ours["us"],
            {name: each["us"] for name, each in found.items() if name != "renex"},
            "faster than every peer, nothing lost",
            not ours["lost"] and all(ours["us"] < us for us in peers.values()),
            f"points: {points}; {'; '.join(losses) or 'nobody lost a point'}",
        )
    ]


def machine(folder: Path) -> dict[str, str]:
    """Return what the figures will be measured on; asked for before the measuring, which is a load itself."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    versions = {}
    for name in SHOWN:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "measured": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{memory / 2**30:.0f} GiB",
        "load of others before": f"{load:.1f}",
        "file system": _file_system(folder),
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        **versions,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _file_system(folder: Path) -> str:
    """Return the kind of the file system that holds the folder, as Linux tells it."""
    try:
        mounts = [line.split()[:3] for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return "unknown"
    holding = [each for each in mounts if folder.resolve().is_relative_to(each[1])]
    device, _, kind = max(holding, key=lambda each: len(each[1]))
    return f"{kind} on {device}"


def markdown(rows: Sequence[Row], about: dict[str, str]) -> str:
    """Return the figures as Markdown."""
    lines = ["| # | what | renex | beside it | target | met | |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        beside = "<br>".join(f"{name} {_number(value, row.unit)}" for name, value in row.beside.items())
        met = {True: "yes", False: "**no**", None: ""}[row.met]
        ours = _number(row.ours, row.unit)
        lines.append(f"| {row.number} | {row.what} | {ours} | {beside} | {row.target} | {met} | {row.note} |")
    lines += ["", *(f"- {name}: {value}" for name, value in about.items())]
    return "\n".join(lines)


def text(row: Row) -> str:
    """Return one row for a terminal."""
    beside = ", ".join(f"{name} {_number(value, row.unit)}" for name, value in row.beside.items())
    met = {True: "met", False: "NOT MET", None: ""}[row.met]
    target = f" [{row.target}: {met}]" if row.target else ""
    return f"{row.number}. {row.what}: {_number(row.ours, row.unit)}{target}  {beside}  {row.note}".rstrip()


def _number(value: float, unit: str) -> str:
    digits = 0 if value >= 100 or not value else 1 if value >= 10 else 2 if value >= 0.1 else 4
    return f"{value:,.{digits}f} {unit}"


def kept(rows: Sequence[Row], about: dict[str, str], arguments: dict[str, Any]) -> dict[str, Any]:
    """Return everything as JSON holds it."""
    return {"about": about, "arguments": arguments, "rows": [asdict(row) for row in rows]}


def write_page(page: Path, rows: Sequence[Row], about: dict[str, str]) -> None:
    """Put the figures between the two marks of a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n\n{markdown(rows, about)}\n\n{END}{after}", encoding="utf-8")
