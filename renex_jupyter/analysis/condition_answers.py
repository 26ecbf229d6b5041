"""What a condition says of some metrics: yes, no, or what is missing; in words."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from renex_jupyter.analysis.policy_conditions import Term
from renex_jupyter.analysis.policy_numbers import one, side_by_side

Metrics = Mapping[str, float]
Names = frozenset[str]
NONE: Names = frozenset()
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "<>": operator.ne,
}
_RECKON: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": math.fmod,  # as SQL has it: with the sign of the first
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a condition says of some metrics."""

    holds: bool | None  # None: it depends on what is missing
    missing: tuple[str, ...]  # metrics that it depends on
    words: tuple[str, ...]  # of each part that matters: "latency_ms 12 < 20", "latency_ms 25, needs < 20"
    values: Mapping[str, float]  # of the metrics that it names


def answer(condition: Term, metrics: Metrics) -> Answer:
    """Return what a condition says; a comparison with NaN holds for nobody, also not behind a `not`."""
    values = {name: metrics[name] for name in condition.names if name in metrics}
    each = [(part, *_holds(part, metrics)) for part in condition.demands]
    failed = [part for part, holds, missing in each if holds is False or (holds is None and not missing)]
    if failed:
        return Answer(False, (), tuple(_unmet(part, metrics) for part in failed), values)
    absent = tuple(dict.fromkeys(name for part, _, missing in each for name in part.names if name in missing))
    if absent:
        return Answer(None, absent, tuple(not_measured(name, metrics) for name in absent), values)
    return Answer(True, (), tuple(_met(part, metrics) for part in condition.demands), values)


def not_measured(name: str, there: Iterable[str] = ()) -> str:
    """Return the words for a metric that is missing, and on which versions of its dataset it is there.

    Parameters
    ----------
    there : names of the metrics that are measured.
    """
    key, at, dataset = name.rpartition("@")
    if not at:
        return f"{name} is not measured"
    # A rule about "people" means its newest version, and this one may be measured on an older one only, "people:3".
    others = [each[len(key) + 1 :] for each in there if each.startswith(f"{name}:")]
    more = f" (but on {', '.join(repr(each) for each in others)})" if others else ""
    return f"{key} is not measured on dataset '{dataset}'{more}"


def spoken(name: str) -> str:
    """Return the name of a metric as a sentence has it."""
    key, at, dataset = name.rpartition("@")
    return f"{key} on {dataset}" if at else name


def _value(term: Term, metrics: Metrics) -> tuple[float | None, Names]:
    """Return a number and the metrics that are missing for it; it is None then."""
    if term.op == "number":
        return float(term.parts[0]), NONE
    if term.op == "metric":
        name = term.parts[0]
        return (metrics[name], NONE) if name in metrics else (None, frozenset((name,)))
    found = [_value(part, metrics) for part in term.parts]
    if term.op == "coalesce":
        first = next((value for value, _ in found if value is not None), None)
        return (first, NONE) if first is not None else (None, NONE.union(*(names for _, names in found)))
    missing = NONE.union(*(names for _, names in found))
    if missing:
        return None, missing
    return _reckoned(term.op, [value for value, _ in found if value is not None]), NONE


def _reckoned(op: str, values: list[float]) -> float:
    if any(math.isnan(each) for each in values):
        return math.nan
    if op in ("abs", "negative"):
        return abs(values[0]) if op == "abs" else -values[0]
    if op in ("least", "greatest"):
        return min(values) if op == "least" else max(values)
    try:
        return _RECKON[op](*values)
    except (ZeroDivisionError, ValueError, OverflowError):
        return math.nan


def _holds(term: Term, metrics: Metrics) -> tuple[bool | None, Names]:
    """Return whether a condition holds, and what is missing; None without a missing metric is NaN's doing."""
    if term.op in ("and", "or"):
        return _joined([_holds(part, metrics) for part in term.parts], deciding=term.op == "or")
    if term.op == "not":
        holds, missing = _holds(term.parts[0], metrics)
        return (None if holds is None else not holds), missing
    found = [_value(part, metrics) for part in term.parts]
    if term.op == "is null":
        return found[0][0] is None, NONE
    missing = NONE.union(*(names for _, names in found))
    values = [value for value, _ in found if value is not None]
    if missing or any(math.isnan(each) for each in values):
        return None, missing
    if term.op == "between":
        return values[1] <= values[0] <= values[2], NONE
    if term.op == "in":
        return values[0] in values[1:], NONE
    return _COMPARE[term.op](values[0], values[1]), NONE


def _joined(found: list[tuple[bool | None, Names]], *, deciding: bool) -> tuple[bool | None, Names]:
    """Return what `or` (deciding: True) or `and` (False) makes of its parts, as Kleene has it."""
    if any(holds is deciding for holds, _ in found):
        return deciding, NONE
    if all(holds is not None for holds, _ in found):
        return not deciding, NONE
    return None, NONE.union(*(missing for holds, missing in found if holds is None))


def _met(term: Term, metrics: Metrics) -> str:
    if term.op in _COMPARE:
        left, right = _sides(term, metrics)
        return f"{left} {term.op} {right}"
    return _with_values(term, metrics, "")


def _unmet(term: Term, metrics: Metrics) -> str:
    broken = [spoken(name) for name in term.names if math.isnan(metrics.get(name, 0.0))]
    if broken:
        return f"{' and '.join(broken)} {'is' if len(broken) == 1 else 'are'} NaN"
    if term.op in _COMPARE:
        left, right = _sides(term, metrics)
        return f"{left}, needs {term.op} {right}"
    return _with_values(term, metrics, " does not hold")


def _sides(term: Term, metrics: Metrics) -> tuple[str, str]:
    """Return both sides of a comparison with their numbers."""
    values = [_value(part, metrics)[0] for part in term.parts]
    assert values[0] is not None and values[1] is not None  # noqa: PT018  it was answered
    compare = _COMPARE[term.op]

    def decided(first: Decimal, second: Decimal) -> bool:
        return compare(first, second)  # type: ignore[arg-type]  # numbers of both kinds compare alike

    texts = side_by_side(values[0], values[1], decided)
    left, right = (_side(part, text) for part, text in zip(term.parts, texts, strict=True))
    return left, right


def _side(term: Term, text: str) -> str:
    if not term.names:
        return text
    return f"{spoken(term.names[0]) if term.op == 'metric' else term.text} {text}"


def _with_values(term: Term, metrics: Metrics, said: str) -> str:
    values = ", ".join(f"{spoken(name)} {one(metrics[name])}" for name in term.names if name in metrics)
    return f"{term.text}{said}" + (f" ({values})" if values else "")
