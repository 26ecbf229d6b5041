"""Policies: rules of a model that are declared once, in Python or in a TOML file, and asked whenever something is logged."""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from renex_jupyter.analysis.policy_rules import checked_kind, checked_rule, name_of
from renex_jupyter.capture.files import read_texts
from renex_jupyter.capture.secrets import redact_text
from renex_jupyter.errors import RenexError, invalid_argument, not_found, shown, text_argument
from renex_jupyter.ids import new_id
from renex_jupyter.query import models
from renex_jupyter.query import policies as query
from renex_jupyter.query.goals import goal_of
from renex_jupyter.records.changes import Change, fields, now
from renex_jupyter.records.models import Model
from renex_jupyter.records.policies import Policy
from renex_jupyter.session.alone import alone
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.points import checked_name

if TYPE_CHECKING:
    import pandas as pd

WHAT = "the policies"  # as a message names what cannot be changed
LARGEST = 2**20  # bytes of a TOML file
TIMEOUT = 60.0  # seconds to read it
EXAMPLE = '[[policy]]\nmodel = "digits"\nkind = "label"\nalias = "champion"\nmetric = "accuracy"'
MAKE_IT = "Make it: rx.create_model() (%renex model create)."
HINT = f"A file of policies reads:\n{EXAMPLE}"


def set_policy(model: str | Model, kind: str | Mapping[str, Any], name: str | None = None, **rule: Any) -> Policy:
    """Declare a rule of a model; one that has the same name is replaced.

    Parameters
    ----------
    model : name, `namespace/name`, id, or what `create_model` returned.
    kind : what the rule does, or the whole rule as a mapping with `kind` in it:
        "evaluate" (on which datasets every version must be measured), "label" (which version gets an alias),
        "require" (what a version needs before an alias names it), "retain" (whose contents stay), "convert" (which
        checkpoints become versions by themselves).
    name : None: made of the rule, such as "champion by accuracy on test".
    rule : the keys of its kind, see docs/policies.md: `alias="champion", metric="accuracy", dataset="test", margin=0.002,
        where="latency_ms < 20"`.

    Raises
    ------
    RenexError : `invalid_argument` for a key or a value that its kind does not have, with the nearest key; `conflict`
        for a second policy that sets the same alias; `not_found` for the model, `locked`.
    """
    if isinstance(kind, Mapping):
        whole = {**kind, **rule}
        kind, given = whole.pop("kind", None), whole.pop("name", None)
        rule, name = whole, name or given
    session = current()
    return _set(session, _model(session, model), *_checked(kind, name, rule))


def set_policies(
    model: str | Model | os.PathLike[str] | None, path: str | os.PathLike[str] | None = None
) -> list[Policy]:
    """Declare the rules of a TOML file: all of them, or none if one cannot be.

    Policies that the file does not name stay as they are.

    Parameters
    ----------
    model : of those `[[policy]]` that name none; with one argument that is the path, and each names its model.
    path : the file.

    Raises
    ------
    RenexError : as `set_policy`, with the place in the file.
    """
    if path is None:
        model, path = None, model
    session = current()
    checked = []
    for place, given in enumerate(_read(path), start=1):
        try:
            rule = dict(given)
            named = rule.pop("model", None) or model
            if named is None:
                raise invalid_argument("it names no model.", 'Add model = "digits".')
            row = _model(session, named)
            checked.append((row, *_checked(rule.pop("kind", None), rule.pop("name", None), rule)))
        except RenexError as error:
            raise RenexError(error.code, f"policy {place} of {path}: {error.message}", error.hint) from error
    return [_set(session, *each) for each in checked]


def list_policies(model: str | Model | None = None) -> pd.DataFrame:
    """Return the policies of a model, or of all, as a DataFrame.

    Returns
    -------
    Columns: policy_id, namespace, model, name, kind, rule [JSON], enabled, set_by, created_at.

    Raises
    ------
    RenexError : `not_found` for the model.
    """
    session = current()
    found = None if model is None else _model(session, model)["model_id"]
    return query.policy_frame(session.store.reader, found)


def get_policy(model: str | Model, name: str | Policy) -> Policy:
    """Return a policy of a model by its name.

    Raises
    ------
    RenexError : `not_found`, with the nearest name.
    """
    session = current()
    return _named(session, _model(session, model), name)


def enable_policy(model: str | Model, name: str | Policy) -> Policy:
    """Have a policy asked again. Raises as `get_policy`, and `conflict` as `set_policy`."""
    return _switch(model, name, enabled=True)


def disable_policy(model: str | Model, name: str | Policy) -> Policy:
    """Have a policy asked no more; it stays declared. Raises as `get_policy`."""
    return _switch(model, name, enabled=False)


def delete_policy(model: str | Model, name: str | Policy) -> Policy:
    """Take a policy away, and return what it was; what it said stays in the history. Raises as `get_policy`."""
    session = current()
    row = _model(session, model)
    session.begin()
    with alone(session.store, what=WHAT):
        found = _named(session, row, name)
        session.store.write(Change("policies", found.policy_id, "delete", {}, fields(found), row["namespace"]))
    return found


def policy_history(model: str | Model, name: str | Policy | None = None, *, limit: int = 1000) -> pd.DataFrame:
    """Return what the policies of a model said, the newest first: a row whenever a verdict or its reason changed.

    Parameters
    ----------
    name : of one policy; None: of all, also of those that were deleted.

    Returns
    -------
    Columns: created_at [UTC], policy [its name], kind, version, verdict, reason, subject_kind, subject_id,
    facts [JSON], policy_id, result_id.

    Raises
    ------
    RenexError : `not_found` for the model or the policy.
    """
    session = current()
    row = _model(session, model)
    word = None if name is None else _named(session, row, name).name
    if type(limit) is not int or limit < 1:
        raise invalid_argument(f"limit {shown(limit)} is no number of rows.", "Give a whole number from 1.")
    return query.history_frame(session.store.reader, row["model_id"], word, limit)


def _model(session: Session, model: object) -> dict[str, Any]:
    """Return the row of a model that there is: a rule for one that is mistyped would never be asked."""
    if not session.store.exists:
        raise not_found("model", str(model), listing=f"%renex ls models. {MAKE_IT[:-1]}")
    try:
        return models.find_model(session.store.reader, model, session.namespace)
    except RenexError as error:
        if error.code != "not_found":
            raise
        raise RenexError(error.code, error.message, f"{error.hint} {MAKE_IT}") from error


def _checked(kind: object, name: object, rule: Mapping[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """Return kind, name and rule, if they are any."""
    if kind is None:
        raise invalid_argument("a policy without a kind.", 'Give one, such as "label".')
    known = checked_kind(kind)
    checked = checked_rule(known, rule)
    if name is None:
        return known, name_of(known, checked), checked
    return known, redact_text(checked_name("policy", name, "'champion by accuracy'")), checked


def _set(session: Session, model: Mapping[str, Any], kind: str, name: str, rule: dict[str, Any]) -> Policy:
    store = session.store
    if "metric" in rule:
        goal_of(store.reader, rule["metric"], rule.get("goal"))  # refused here, not when it is asked
    session.begin()
    with alone(store, what=WHAT):
        models.find_model(store.reader, model["model_id"])  # it may be deleted by now
        others = query.policies_of(store.reader, model["model_id"], enabled=False)
        there = next((each for each in others if each.name == name), None)
        made = Policy(there.policy_id if there else new_id(), model["model_id"], name, kind, rule,
                      there.created_at if there else now(), True, store.journal.actor)  # fmt: skip
        _check_alias_is_free(made, others)
        if there is None:
            store.write(Change("policies", made.policy_id, "create", fields(made), namespace=model["namespace"]))
        elif dataclasses.replace(made, set_by=there.set_by) != there:
            store.write(_update(there, made, model["namespace"]))
        else:
            return there
    return made


def _switch(model: str | Model, name: str | Policy, *, enabled: bool) -> Policy:
    session = current()
    row = _model(session, model)
    session.begin()
    with alone(session.store, what=WHAT):
        found = _named(session, row, name)
        made = dataclasses.replace(found, enabled=enabled)
        if enabled:
            _check_alias_is_free(made, query.policies_of(session.store.reader, row["model_id"]))
        if made != found:
            session.store.write(_update(found, made, row["namespace"]))
    return made


def _update(before: Policy, after: Policy, namespace: str) -> Change:
    was, told = fields(before), fields(after)
    changed = [name for name, value in told.items() if value != was.get(name)]
    return Change("policies", after.policy_id, "update", {name: told[name] for name in changed},
                  {name: was.get(name) for name in changed}, namespace)  # fmt: skip


def _check_alias_is_free(policy: Policy, others: list[Policy]) -> None:
    """Refuse two policies that would move one alias to and fro."""
    for each in others:
        same = each.kind == policy.kind == "label" and each.rule.get("alias") == policy.rule["alias"]
        if same and each.enabled and each.policy_id != policy.policy_id:
            raise RenexError(
                "conflict",
                f"policy '{each.name}' sets the alias '{policy.rule['alias']}' already; two would move it to and fro.",
                f"Replace it by giving this one its name, or take it away: rx.delete_policy() (%renex policy delete MODEL "
                f"'{each.name}').",
            )


def _named(session: Session, model: Mapping[str, Any], name: object) -> Policy:
    word = name.name if isinstance(name, Policy) else text_argument(name, "the name of a policy", "Use its name.")
    there = query.policies_of(session.store.reader, model["model_id"], enabled=False)
    found = next((each for each in there if each.name == word), None)
    if found is None:
        said = f"{model['namespace']}/{model['name']}"
        raise not_found("policy", word, [each.name for each in there], listing=f"%renex policy ls {said}")
    return found


def _read(path: object) -> list[Mapping[str, Any]]:
    """Return the policies that a TOML file declares; it is read by another process, as every file of the user."""
    if not isinstance(path, (str, os.PathLike)):
        raise invalid_argument(f"{shown(path)} is no path of a file.", HINT)
    file = Path(path).expanduser().absolute()
    resolved = file.resolve()
    content = read_texts(resolved.parent, [resolved.name], limit=LARGEST, timeout=TIMEOUT).get(resolved.name)
    if content is None:
        raise RenexError("not_found", f"no file {path} of at most {LARGEST:,} bytes.", HINT)
    try:
        said = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid_argument(f"{path} is no TOML: {error}.", HINT) from error
    unknown = [key for key in said if key != "policy"]
    tables = said.get("policy")
    if unknown or not isinstance(tables, list) or not tables or not all(isinstance(each, dict) for each in tables):
        fact = f"{path} has {shown(unknown[0])} at its top." if unknown else f"{path} has no [[policy]]."
        raise invalid_argument(fact, HINT)
    return tables
