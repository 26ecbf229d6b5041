"""Draw the figure of the README from the figures of part 9: what `kill -9` takes, and what a call costs.

python benchmarks/store.py --only 9 --rounds 5 --out benchmarks/killing.json
python benchmarks/trust.py benchmarks/killing.json docs/trust.svg
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

from killing import PAUSES

LOOP = next(iter(PAUSES))  # the loop that is drawn
INK, GREY, LINE, GOOD, BAD = "#1f2328", "#59636e", "#d8dee4", "#1a7f5a", "#c4442b"
LEFT, RIGHT, WIDTH = 150, 520, 250  # where the bars and the dots begin, and how wide each part is
TOP, STEP = 120, 48  # the middle of the first tool's row; from row to row
DECADES = range(1, 6)  # of microseconds: 10 µs to 100 ms


def text(x: float, y: float, words: str, size: int = 14, ink: str = INK, **more: str) -> str:
    """Return words that stand on the line y."""
    rest = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in more.items())
    words = words.replace("&", "&amp;").replace("<", "&lt;")
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{ink}"{rest}>{words}</text>'


def cost(microseconds: float) -> str:
    """Return a time for people, with two digits."""
    value, unit = (microseconds / 1000, "ms") if microseconds >= 1000 else (microseconds, "µs")
    return f"{value:.0f} {unit}" if value >= 10 else f"{value:.1f} {unit}"


def axis(bottom: float) -> list[str]:
    """Return the decades of the right part."""
    shapes = []
    for decade in DECADES:
        x = place(10**decade)
        shapes.append(f'<path d="M{x:.1f} {TOP - 24}V{bottom}" stroke="{LINE}"/>')
        name = f"{10**decade} µs" if decade < 3 else f"{10 ** (decade - 3)} ms"
        shapes.append(text(x, bottom + 18, name, 12, GREY, text_anchor="middle"))
    return shapes


def place(microseconds: float) -> float:
    """Return where a time stands on the logarithmic scale."""
    share = (math.log10(microseconds) - DECADES[0]) / (DECADES[-1] - DECADES[0])
    return RIGHT + WIDTH * min(1.0, max(0.0, share))


def draw(kept: dict[str, Any]) -> str:
    """Return the figure as SVG."""
    rows = [row for row in kept["rows"] if row["number"] == 9 and row["what"].endswith(LOOP)]
    points, seconds, call = ({"renex": row["ours"], **row["beside"]} for row in rows)
    bottom = TOP + STEP * len(points) - 20
    most = max(1.0, *points.values())
    shapes = [
        text(24, 36, "What a kernel that is killed takes with it, and what a call of log costs", 17, font_weight="600"),
        text(LEFT, 74, "points lost per kill -9", 14, font_weight="600"),
        text(RIGHT, 74, "one call, median (log scale)", 14, font_weight="600"),
        f'<path d="M{LEFT} {TOP - 24}V{bottom}" stroke="{GREY}"/>',
        *axis(bottom),
    ]
    for number, tool in enumerate(points):
        y, colour = TOP + STEP * number, BAD if points[tool] else GOOD
        weight = "600" if tool == "renex" else "400"
        shapes.append(text(LEFT - 14, y + 5, tool, text_anchor="end", font_weight=weight))
        length = 150 * points[tool] / most
        shapes.append(f'<rect x="{LEFT}" y="{y - 11}" width="{length:.1f}" height="22" rx="3" fill="{BAD}"/>')
        told = f"{points[tool]:.0f}, the last {seconds[tool]:.1f} s" if points[tool] else "none"
        shapes.append(text(LEFT + length + 9, y + 5, told, 14, colour, font_weight="600"))
        x = place(call[tool])
        shapes.append(f'<path d="M{RIGHT} {y}H{x:.1f}" stroke="{GREY}" stroke-width="2"/>')
        shapes.append(f'<circle cx="{x:.1f}" cy="{y}" r="7" fill="{GOOD if tool == "renex" else GREY}"/>')
        shapes.append(text(x + 13, y + 5, cost(call[tool]), 14, INK, font_weight=weight))
    about = kept["about"]
    versions = ", ".join(f"{tool} {about[tool]}" for tool in ("mlflow", "trackio", "wandb"))
    note = f"A loop that logs {LOOP}, killed {kept['arguments']['rounds']} times; default settings; {versions}"
    shapes.append(text(24, bottom + 52, note, 12, GREY))
    height = bottom + 72
    font = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
    frame = f'<rect x=".5" y=".5" width="859" height="{height - 1}" rx="10" fill="#ffffff" stroke="{LINE}"/>'
    size = f'viewBox="0 0 860 {height}" width="860" height="{height}"'
    body = "\n".join([frame, *shapes])
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{font}" role="img">\n{body}\n</svg>\n'


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(draw(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))), encoding="utf-8")
