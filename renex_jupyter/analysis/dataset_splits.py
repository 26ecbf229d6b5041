"""Splits of a dataset version: which sample goes into which part, the same for the same seed on every machine.

Units (samples, or groups of them) are put into the order of the MD5 of seed and key, stratum by stratum, and cut where the
shares say. A group is a unit, of the stratum that most of its samples have.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from renex_jupyter.errors import invalid_argument, shown
from renex_jupyter.records.datasets import KEY
from renex_jupyter.store.workbench import Workbench, literal, quoted

NEAR = 1e-9  # by which shares may miss 1
HINT = 'Give {"train": 0.8, "test": 0.2}.'
_K = quoted(KEY)


def checked_parts(parts: Any) -> dict[str, float]:
    """Return name -> share. Raises `invalid_argument` for shares that are none, or are not 1 together."""
    if not isinstance(parts, Mapping) or not parts:
        raise invalid_argument(f"{shown(parts)} are no parts.", HINT)
    for name, share in parts.items():
        if not isinstance(name, str) or not name.strip():
            raise invalid_argument(f"the name {shown(name)} of a part is no text.", HINT)
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share <= 1:
            raise invalid_argument(f"the share {shown(share)} of '{name}' is not between 0 and 1.", HINT)
    total = math.fsum(parts.values())
    if abs(total - 1) > NEAR:
        raise invalid_argument(f"the shares are {total:g} together, not 1.", HINT)
    return {str(name): float(share) for name, share in parts.items()}


def make_split(
    bench: Workbench,
    parts: Mapping[str, float],
    *,
    seed: int,
    column: str,
    stratify: str | None = None,
    group: str | None = None,
    name: str = "split_samples",
) -> None:
    """Make the view of `samples` with the name of its part in a column, in the order of the samples."""
    unit = f"coalesce('g' || {quoted(group)}::varchar, 'k' || {_K})" if group else _K
    stratum = f"coalesce('v' || {quoted(stratify)}::varchar, 'null')" if stratify else "''"
    cuts, below = [], 0.0
    for part, share in list(parts.items())[:-1]:
        below += share
        cuts.append(f"when middle < {below!r} then {literal(part)}")
    last = literal(list(parts)[-1])
    said = f"case {' '.join(cuts)} else {last} end" if cuts else last
    bench.run(f"""
        create or replace table parts as
        with counted as (select {unit} as unit, {stratum} as stratum, count(*) as n from samples group by all),
        units as (select unit, arg_max(stratum, (n, stratum)) as stratum, sum(n)::double as n from counted group by unit),
        ordered as (
            select unit, (sum(n) over (partition by stratum order by md5({literal(f"{seed}:")} || unit), unit) - n / 2)
                / sum(n) over (partition by stratum) as middle from units)
        select unit, {said} as part from ordered""")
    own = [each for each in bench.columns("samples") if each.lower() != column.lower()]
    bench.run(f"""
        create or replace view {quoted(name)} as
        select {", ".join(map(quoted, own))}, part as {quoted(column)}
        from (select *, row_number() over () as "row of the sample" from samples) s join parts on unit = {unit}
        order by "row of the sample\"""")
