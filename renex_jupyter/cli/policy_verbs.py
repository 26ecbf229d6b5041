"""`policy ls|set|check|apply|history|enable|disable|delete`: the rules of a model."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from renex_jupyter.cli.parsing import Parser, add_verb
from renex_jupyter.errors import invalid_argument
from renex_jupyter.records.policies import POLICY_KINDS, UNMET, Policy, Verdicts
from renex_jupyter.session import evaluations, policies

if TYPE_CHECKING:
    import pandas as pd

POLICY_VERBS = ("ls", "list", "set", "check", "apply", "history", "enable", "disable", "delete")
MODEL = "name, namespace/name or id of a model"
NAME = "name of a policy of it"
TEXTS = ("metric", "dataset", "goal", "where", "younger_than")  # keys whose values are taken as they are
LISTS = ("datasets", "metrics", "labels", "experiment", "run")
USAGE = 'renex policy set digits label alias=champion metric=accuracy dataset=test margin=0.002 where="latency_ms < 20"'


def add_policy_verbs(verbs: Any) -> None:
    """Add `policy` with its own verbs."""
    policy = add_verb(verbs, "policy", "rules of a model, and what they say of its versions")
    policy.set_defaults(do=_list, model=None)
    own = policy.add_subparsers(dest="policy_verb", metavar="VERB", parser_class=Parser)
    listing = add_verb(own, "ls", "list the policies of a model, or of all", aliases=["list"])
    listing.add_argument("model", nargs="?", help=MODEL)
    listing.set_defaults(do=_list)
    put = add_verb(own, "set", "declare one, or those of a file; one of the same name is replaced")
    put.add_argument("model", nargs="?", help=MODEL)
    put.add_argument("kind", nargs="?", help=", ".join(POLICY_KINDS))
    put.add_argument("rule", nargs="*", metavar="KEY=VALUE", help="as docs/policies.md lists them; a,b is a list")
    put.add_argument("--name", help="(default: made of the rule)")
    put.add_argument("--file", metavar="FILE", help="a TOML file with [[policy]] in it")
    put.set_defaults(do=_set)
    _add_asking(own)
    words = {"enable": "have one asked again", "disable": "have one asked no more", "delete": "take one away"}
    for name, said in words.items():
        verb = add_verb(own, name, said)
        verb.add_argument("model", help=MODEL)
        verb.add_argument("name", help=NAME)
        verb.set_defaults(do=_SWITCHES[name])


def _add_asking(own: Any) -> None:
    check = add_verb(own, "check", "what they say, and what they would do; changes and records nothing")
    apply = add_verb(own, "apply", "do what they say, and record what changed of it")
    for verb in (check, apply):
        verb.add_argument("model", help=MODEL)
        verb.add_argument("version", nargs="?", help="only about this version: 3, v3, digits@champion")
    check.set_defaults(do=lambda args: evaluations.evaluate_policies(args.model, args.version))
    apply.add_argument("-y", "--yes", action="store_true", help="also release contents, which cannot be undone")
    apply.set_defaults(do=_apply)
    history = add_verb(own, "history", "what they said, newest first")
    history.add_argument("model", help=MODEL)
    history.add_argument("name", nargs="?", help=NAME)
    history.add_argument("-n", "--limit", type=int, default=20, help="at most this many (default 20)")
    history.set_defaults(do=lambda args: policies.policy_history(args.model, args.name, limit=args.limit))


def _list(args: argparse.Namespace) -> pd.DataFrame:
    frame = policies.list_policies(args.model)
    return frame[["name", "kind", "rule", "enabled", "model", "namespace", "set_by", "created_at", "policy_id"]]


def _set(args: argparse.Namespace) -> Policy | list[Policy]:
    if args.file is not None:
        if args.kind is not None or args.name is not None:
            raise invalid_argument("--file says everything itself.", "Give a kind and its keys, or --file.")
        return policies.set_policies(args.model, args.file)
    if args.model is None or args.kind is None:
        raise invalid_argument("a policy is of a model and of a kind.", f"Usage: {USAGE}")
    return policies.set_policy(args.model, args.kind, args.name, **rule_of(args.kind, args.rule))


def rule_of(kind: str, words: Sequence[str]) -> dict[str, Any]:
    """Return the rule that words such as `margin=0.002` say.

    Raises
    ------
    RenexError : `invalid_argument`.
    """
    rule: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key or key in rule:
            why = "is there twice" if key in rule else "is no KEY=VALUE"
            raise invalid_argument(f"'{word}' {why}.", f"Usage: {USAGE}")
        rule[key] = _value(kind, key, _unquoted(value))
    return rule


def _value(kind: str, key: str, value: str) -> Any:
    if key in LISTS or (key, kind) == ("alias", "require"):
        return [each.strip() for each in value.split(",")]
    if key in TEXTS or key == "alias":
        return value
    try:
        return json.loads(value.lower())
    except ValueError:
        return value  # what it is not is told by the check of its key


def _unquoted(value: str) -> str:
    """Take quotes off that a notebook's line has left: `where="a < 1"`."""
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted and value[0] not in value[1:-1] else value


def _apply(args: argparse.Namespace) -> Verdicts:
    if not args.yes:
        going = [
            each
            for each in evaluations.evaluate_policies(args.model, args.version)
            if each.kind == "retain" and each.verdict == UNMET
        ]
        if going:
            said = ", ".join(f"v{each.version}" for each in going)
            raise invalid_argument(
                f"the contents of {said} would be released for good (policy '{going[0].policy}').",
                "Look with: renex policy check MODEL. To do it, add --yes.",
            )
    # What is there by now is not what was looked at: without --yes nothing is let go of all the same.
    return evaluations.evaluate(args.model, args.version, acts=True, releases=args.yes)


_SWITCHES: dict[str, Callable[[argparse.Namespace], Policy]] = {
    "enable": lambda args: policies.enable_policy(args.model, args.name),
    "disable": lambda args: policies.disable_policy(args.model, args.name),
    "delete": lambda args: policies.delete_policy(args.model, args.name),
}
