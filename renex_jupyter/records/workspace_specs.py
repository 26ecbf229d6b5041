"""What a workspace looks at, and the same as plain values that JSON can say, whoever wrote these."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from renex_jupyter.errors import RenexError, invalid_argument, shown
from renex_jupyter.ids import short
from renex_jupyter.records import display
from renex_jupyter.records.charts import Chart, chart_from_json, chart_to_json
from renex_jupyter.records.predicates import EVERYTHING, Predicate, from_json, to_json

LATEST = "latest"
FORMAT = 1  # of a specification; a program refuses a higher one than it knows
MOST_IDS, MOST_CHARTS, MOST_COMPARED, MOST_COLUMNS = 100_000, 50, 10, 1000
LONGEST_NOTES = 100_000  # characters
_KEYS = frozenset({"format", "version", "filter", "selection", "charts", "compare", "columns", "sort", "notes", "seen"})


@dataclass(frozen=True, slots=True)
class Selection:
    """Some samples that are marked: by a rule, or by their keys where somebody picked them out."""

    rule: Predicate | None = None
    ids: tuple[str, ...] | None = None

    def __str__(self) -> str:
        return str(self.rule) if self.ids is None else display.count(len(self.ids), "sample") + " by key"


@dataclass(frozen=True, slots=True)
class Sort:
    """A column that samples are ordered by."""

    column: str
    descending: bool = False

    def __str__(self) -> str:
        return f"{self.column} descending" if self.descending else self.column


@dataclass(frozen=True, slots=True)
class Compared:
    """Predictions that charts are drawn of, found again by their id, their content, or their model version."""

    prediction_set_id: str | None = None
    digest: str | None = None
    model: str | None = None  # reference of the model version, "ns/name:3"
    name: str | None = None

    @property
    def title(self) -> str:
        return self.model or self.name or short(self.prediction_set_id or self.digest or "?")


@dataclass(frozen=True, slots=True)
class Seen:
    """What the workspace was on when it was saved."""

    version: int
    digest: str
    samples: int
    count: int | None  # samples of the filter
    columns: Mapping[str, str]  # name -> type, of those that the workspace names


@dataclass(frozen=True, slots=True)
class WorkspaceSpec:
    """What is looked at."""

    version: int | str = LATEST  # of the dataset
    filter: Predicate = EVERYTHING
    selection: Selection | None = None
    charts: tuple[Chart, ...] = ()
    compare: tuple[Compared, ...] = ()
    columns: tuple[str, ...] | None = None  # of the table of samples; None: all
    sort: tuple[Sort, ...] = ()
    notes: str | None = None
    seen: Seen | None = None


def spec_to_json(spec: WorkspaceSpec) -> dict[str, Any]:
    """Return a specification as plain values that JSON can say: `spec_from_json` undone."""
    return {
        "format": FORMAT,
        "version": spec.version,
        "filter": sealed(to_json(spec.filter)),
        "selection": None if spec.selection is None else _selection_to_json(spec.selection),
        "charts": [sealed(chart_to_json(each)) for each in spec.charts],
        "compare": [{name: value for name in Compared.__slots__ if (value := getattr(each, name)) is not None}
                    for each in spec.compare],
        "columns": None if spec.columns is None else list(spec.columns),
        "sort": [{"column": each.column, "descending": each.descending} for each in spec.sort],
        "notes": spec.notes,
        "seen": None if spec.seen is None else
            {**{name: getattr(spec.seen, name) for name in Seen.__slots__}, "columns": dict(spec.seen.columns)},
    }  # fmt: skip


def spec_from_json(said: Any) -> WorkspaceSpec:
    """Return the specification that plain values say, whoever wrote them.

    Raises
    ------
    RenexError : `newer_store` for one of a format that this program does not know yet; `invalid_argument`, with the
        part that is wrong, for anything else.
    """
    if not isinstance(said, Mapping):
        raise _wrong("the whole", said)
    known = said.get("format", FORMAT)
    if isinstance(known, int) and not isinstance(known, bool) and known > FORMAT:
        raise RenexError(
            "newer_store",
            f"the workspace is of format {known}; this version knows up to {FORMAT}.",
            "Update renex_jupyter: pip install -U renex-jupyter.",
        )
    if known != FORMAT:
        raise _wrong("format", known)
    unknown = sorted(map(str, said.keys() - _KEYS))
    if unknown:
        raise invalid_argument(f"a workspace has no {shown(unknown[0])}.", f"It has {', '.join(sorted(_KEYS))}.")
    selection, narrowed, notes = said.get("selection"), said.get("filter"), said.get("notes")
    if notes is not None and (not isinstance(notes, str) or len(notes) > LONGEST_NOTES):
        raise _wrong("notes", notes)
    seen = said.get("seen")
    return WorkspaceSpec(
        version_from_json(said.get("version", LATEST)),
        EVERYTHING if narrowed is None else from_json(unsealed(narrowed)),
        None if selection is None else _selection_from_json(selection),
        tuple(chart_from_json(unsealed(each)) for each in _list(said, "charts", MOST_CHARTS)),
        tuple(_compared(each) for each in _list(said, "compare", MOST_COMPARED)),
        None if said.get("columns") is None else _names(_list(said, "columns", MOST_COLUMNS)),
        tuple(_sort(each) for each in _list(said, "sort", MOST_COLUMNS)),
        notes,
        None if seen is None else _seen(seen),
    )


def version_from_json(said: Any) -> int | str:
    """Return the number of a dataset's version, or "latest". Raises `invalid_argument`."""
    if said == LATEST or (isinstance(said, int) and not isinstance(said, bool) and said > 0):
        return said  # type: ignore[no-any-return]
    raise invalid_argument(f"{shown(said)} is no version of a dataset.", "Give its number, or 'latest'.")


def sealed(said: Any) -> Any:
    """Return plain values in which infinities, which JSON cannot say, are mappings."""
    if isinstance(said, dict):
        return {key: sealed(each) for key, each in said.items()}
    if isinstance(said, (list, tuple)):
        return [sealed(each) for each in said]
    return {"infinite": 1 if said > 0 else -1} if isinstance(said, float) and math.isinf(said) else said


def unsealed(said: Any, depth: int = 0) -> Any:
    """Return what `sealed` was given."""
    if depth > 200:
        raise _wrong("predicate", said)
    if isinstance(said, Mapping):
        if said.keys() == {"infinite"} and said["infinite"] in (1, -1):
            return said["infinite"] * math.inf
        return {key: unsealed(each, depth + 1) for key, each in said.items()}
    return [unsealed(each, depth + 1) for each in said] if isinstance(said, (list, tuple)) else said


def _selection_to_json(selection: Selection) -> dict[str, Any]:
    if selection.ids is not None:
        return {"kind": "ids", "ids": list(selection.ids)}
    return {"kind": "rule", "rule": sealed(to_json(selection.rule or EVERYTHING))}


def _selection_from_json(said: Any) -> Selection:
    if isinstance(said, Mapping) and said.get("kind") == "rule" and said.keys() == {"kind", "rule"}:
        return Selection(rule=from_json(unsealed(said["rule"])))
    if isinstance(said, Mapping) and said.get("kind") == "ids" and said.keys() == {"kind", "ids"}:
        ids = said["ids"]
        if isinstance(ids, (list, tuple)) and len(ids) <= MOST_IDS and all(isinstance(each, str) for each in ids):
            return Selection(ids=tuple(ids))
    raise _wrong("selection", said)


def _compared(said: Any) -> Compared:
    if not isinstance(said, Mapping) or not said or said.keys() - set(Compared.__slots__):
        raise _wrong("compare", said)
    if not all(isinstance(each, str) and len(each) <= 1000 for each in said.values()):
        raise _wrong("compare", said)
    return Compared(**said)


def _sort(said: Any) -> Sort:
    if (
        not isinstance(said, Mapping)
        or said.keys() - {"column", "descending"}
        or not isinstance(said.get("column"), str)
    ):
        raise _wrong("sort", said)
    if not isinstance(said.get("descending", False), bool):
        raise _wrong("sort", said)
    return Sort(said["column"], said.get("descending", False))


def _seen(said: Any) -> Seen:
    wanted = {"version": int, "digest": str, "samples": int, "count": (int, type(None)), "columns": Mapping}
    if not isinstance(said, Mapping) or said.keys() != wanted.keys():
        raise _wrong("seen", said)
    for name, kind in wanted.items():
        if not isinstance(said[name], kind) or isinstance(said[name], bool):  # type: ignore[arg-type]
            raise _wrong(f"seen {name}", said[name])
    if not all(isinstance(key, str) and isinstance(value, str) for key, value in said["columns"].items()):
        raise _wrong("seen columns", said["columns"])
    return Seen(**said)


def _list(said: Mapping[str, Any], name: str, most: int) -> list[Any]:
    found = said.get(name)
    if found is None:
        return []
    if not isinstance(found, (list, tuple)) or len(found) > most:
        raise _wrong(name, found)
    return list(found)


def _names(found: list[Any]) -> tuple[str, ...]:
    if not all(isinstance(each, str) and each for each in found):
        raise _wrong("columns", found)
    return tuple(found)


def _wrong(what: str, said: object) -> RenexError:
    return invalid_argument(
        f"{shown(said)} is not what a workspace has as its {what}.", "Make one: rx.save_workspace()."
    )
