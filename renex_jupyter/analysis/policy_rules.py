"""What a policy of each kind may say; anything else is refused with the nearest key."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from renex_jupyter.analysis.policy_conditions import parse
from renex_jupyter.errors import invalid_argument, shown, text_argument
from renex_jupyter.records.keys import LONGEST_KEY
from renex_jupyter.records.model_words import checked_alias, checked_word
from renex_jupyter.records.policies import POLICY_KINDS
from renex_jupyter.records.times import moment_of

GOALS = ("max", "min")
PAGE = "See docs/policies.md."
Check = Callable[[str, Any], Any]


def _text(what: str, value: Any) -> str:
    text = text_argument(value, f"the {what} of a policy", PAGE)
    if not text.strip() or len(text) > LONGEST_KEY:
        raise invalid_argument(f"{what} {shown(value)} is no text of 1 to {LONGEST_KEY} characters.", PAGE)
    return text


def _texts(what: str, value: Any) -> list[str]:
    if isinstance(value, str):
        return [_text(what, value)]
    if not isinstance(value, Sequence) or not value:
        raise invalid_argument(f"{what} {shown(value)} is no list of texts.", f'Write {what}=["test"], for example.')
    return list(dict.fromkeys(_text(what, each) for each in value))


def _alias(_what: str, value: Any) -> str:
    return checked_alias(value)


def _aliases(what: str, value: Any) -> list[str]:
    return [_alias(what, each) for each in _texts(what, value)]


def _labels(what: str, value: Any) -> list[str]:
    return [checked_word("label", each) for each in _texts(what, value)]


def _number(what: str, value: Any) -> float:
    try:
        number = math.nan if isinstance(value, (bool, str, bytes)) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise invalid_argument(f"{what} {shown(value)} is no number.", PAGE)
    return number


def _margin(what: str, value: Any) -> float:
    margin = _number(what, value)
    if margin < 0:
        raise invalid_argument(f"{what} {shown(value)} is below 0.", f"{what}=0.002 asks for that much more, or less.")
    return margin


def _count(what: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise invalid_argument(f"{what} {shown(value)} is no whole number from 1.", PAGE)
    return int(value)


def _flag(what: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise invalid_argument(f"{what} {shown(value)} is neither True nor False.", PAGE)
    return value


def _always(what: str, value: Any) -> bool:
    if not _flag(what, value):
        raise invalid_argument(f"{what} cannot be False.", "What an alias names is always kept; take the alias away.")
    return True


def _goal(what: str, value: Any) -> str:
    if value not in GOALS:
        raise invalid_argument(f"{what} {shown(value)} is neither 'max' nor 'min'.", PAGE)
    return str(value)


def _condition(_what: str, value: Any) -> str:
    parse(value)
    return str(value).strip()


def _age(what: str, value: Any) -> str:
    moment_of(value, what)
    return value if isinstance(value, str) else str(value.isoformat())


_METRIC: dict[str, Check] = {"metric": _text, "dataset": _text, "goal": _goal}
KEYS: dict[str, dict[str, Check]] = {
    "evaluate": {"datasets": _texts, "metrics": _texts},
    "label": {"alias": _alias, **_METRIC, "margin": _margin, "where": _condition, "no_worse_patterns": _flag},
    "require": {
        "alias": _aliases,
        "where": _condition,
        "datasets": _texts,
        "metrics": _texts,
        "description": _flag,
        "labels": _labels,
    },
    "retain": {
        "keep_last": _count,
        "keep_best": _count,
        **_METRIC,
        "keep_labelled": _flag,
        "keep_aliased": _always,
        "younger_than": _age,
    },
    "convert": {
        **_METRIC,
        "better_than": _number,
        "where": _condition,
        "best": _flag,
        "experiment": _texts,
        "run": _texts,
    },
}
NEEDED = {"evaluate": ("datasets",), "label": ("alias", "metric"), "convert": (), "require": (), "retain": ()}
ONE_OF = {
    "require": ("where", "datasets", "metrics", "description", "labels"),
    "retain": ("keep_last", "keep_best", "younger_than"),
    "convert": ("better_than", "where", "best"),
}
NEEDS_METRIC = ("keep_best", "better_than", "best")


def checked_kind(kind: object) -> str:
    """Return a kind of policy, if it is one.

    Raises
    ------
    RenexError : `invalid_argument`, with the nearest one.
    """
    if kind not in POLICY_KINDS:
        near = get_close_matches(str(kind), POLICY_KINDS, n=1)
        meant = f"did you mean '{near[0]}'? " if near else ""
        raise invalid_argument(f"{shown(kind)} is no kind of policy.", f"{meant}There are: {', '.join(POLICY_KINDS)}.")
    return str(kind)


def checked_rule(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rule with nothing in it but what its kind knows; what is None is not given.

    Raises
    ------
    RenexError : `invalid_argument` for a key that is unknown or missing, and for a value that is none.
    """
    known = KEYS[kind]
    rule = {}
    for key, value in given.items():
        if key not in known:
            raise _unknown(kind, key)
        if value is not None:
            rule[key] = known[key](key, value)
    for key in NEEDED[kind]:
        if key not in rule:
            raise invalid_argument(f"a policy of kind '{kind}' needs {key}.", _listed(kind))
    asks = [key for key in ONE_OF.get(kind, ()) if rule.get(key) not in (None, False)]
    if kind in ONE_OF and not asks:
        raise invalid_argument(f"a policy of kind '{kind}' that asks for nothing.", _listed(kind, ONE_OF[kind]))
    wanting = next((key for key in NEEDS_METRIC if rule.get(key) not in (None, False)), None)
    if wanting and "metric" not in rule:
        raise invalid_argument(f"{wanting} needs a metric.", 'Add metric="accuracy", for example.')
    if "metric" not in rule and ("dataset" in rule or "goal" in rule):
        raise invalid_argument("a dataset or a goal without a metric.", 'Add metric="accuracy", for example.')
    return rule


def name_of(kind: str, rule: Mapping[str, Any]) -> str:
    """Return the name of a policy that was given none: champion by accuracy on test."""
    metric = " ".join(filter(None, (rule.get("metric"), f"on {rule['dataset']}" if "dataset" in rule else "")))
    if kind == "evaluate":
        return _cut(f"measured on {', '.join(rule['datasets'])}")
    if kind == "label":
        return _cut(f"{rule['alias']} by {metric}")
    if kind == "require":
        return _cut(f"required for {', '.join(rule['alias'])}" if "alias" in rule else "required")
    if kind == "retain":
        return _cut(f"keep {' or '.join(kept(rule))}")
    return _cut(f"checkpoints by {metric}" if metric else f"checkpoints with {rule['where']}")


def kept(rule: Mapping[str, Any]) -> list[str]:
    """Return in words what a policy of kind `retain` keeps: last 5, best 3 by accuracy on test, younger than 30d."""
    on = f" on {rule['dataset']}" if "dataset" in rule else ""
    said = {
        "keep_last": f"last {rule.get('keep_last')}",
        "keep_best": f"best {rule.get('keep_best')} by {rule.get('metric')}{on}",
        "younger_than": f"younger than {rule.get('younger_than')}",
    }
    return [words for key, words in said.items() if key in rule]


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_KEY else f"{text[: LONGEST_KEY - 3]}..."


def _unknown(kind: str, key: object) -> Exception:
    near = get_close_matches(str(key), KEYS[kind], n=1)
    elsewhere = [each for each in POLICY_KINDS if key in KEYS[each]]
    hint = f"did you mean '{near[0]}'? " if near else ""
    hint += f"It is a key of kind {' and '.join(elsewhere)}. " if elsewhere and not near else ""
    return invalid_argument(f"a policy of kind '{kind}' has no {shown(key)}.", hint + _listed(kind))


def _listed(kind: str, keys: Sequence[str] | None = None) -> str:
    wanted = "Give one of" if keys else "Its keys are"
    return f"{wanted}: {', '.join(keys or KEYS[kind])}. {PAGE}"
