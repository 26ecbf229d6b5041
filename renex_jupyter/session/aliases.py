"""Aliases and labels: words of a model that name one of its versions each.

An alias is what others load a version by, so it moves with a reason and by the rules of the model; a label is a mark.
Both are moved by one record, which says what they named before: that is their history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from renex_jupyter.capture.secrets import redact_text
from renex_jupyter.errors import RenexError, invalid_argument, not_found, shown, text_argument, warn
from renex_jupyter.query import models as query
from renex_jupyter.records.changes import Change, now
from renex_jupyter.records.model_words import checked_alias, checked_word, number_of
from renex_jupyter.records.models import ACTIVE, Model, ModelVersion
from renex_jupyter.records.policies import RELEASED
from renex_jupyter.session import requirements
from renex_jupyter.session.alone import alone
from renex_jupyter.session.current import Session, current
from renex_jupyter.store.reader import Reader

WHAT = "the aliases and labels of a model"  # as a message names what cannot be changed
LET_GO = "Its contents were let go of, so nobody can load it: take another version, or register it anew."
Row = Mapping[str, Any]


def set_alias(
    model: str | Model,
    alias: str,
    version: int | str | ModelVersion,
    *,
    reason: str | None = None,
    force: bool = False,
) -> ModelVersion:
    """Have an alias name a version of a model from now on, and return the version. Whoever loads it gets that one.

    Parameters
    ----------
    alias : 1 to 500 characters without any of `/ : @`; `latest`, and what looks like a number, is not to be set.
    version : its number, a reference such as `digits@challenger`, an id, or the record.
    reason : why; it is kept with the change.
    force : also to a version that is retired, or that does not meet what a policy requires; the change says so.

    Raises
    ------
    RenexError : `policy_failed` with what is not met, `conflict` for a retired version; `not_found`, `ambiguous`,
        `invalid_argument`, `locked`.
    """
    alias, reason = checked_alias(alias), kept_reason(reason)
    session = current()
    read = session.store.reader
    row = query.find_model(read, model, session.namespace)
    meant = version_of(read, row, version)
    session.begin()
    with alone(session.store, what=WHAT):
        row = query.find_model(read, row["model_id"])
        meant = query.numbered(read, row, meant["version"])  # it may be retired, or deleted, by now
        if not force:
            check_active(meant)
            requirements.check_required(session, row, meant, alias)
        point_alias(session, row, alias, meant, _told(reason, force=force))
    return query.as_version(read, query.find_version(read, meant["model_version_id"]))


def delete_alias(model: str | Model, alias: str, *, reason: str | None = None) -> None:
    """Take an alias away; the version stays as it is.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`, `locked`.
    """
    _take_away("alias", model, checked_alias(alias), kept_reason(reason))


def set_label(model: str | Model, label: str, version: int | str | ModelVersion) -> ModelVersion:
    """Put a label on a version of a model, and return the version. One that had it loses it, as a line tells.

    Parameters
    ----------
    version : its number, a reference such as `digits@challenger`, an id, or the record.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`, `locked`.
    """
    label = checked_word("label", label)
    session = current()
    read = session.store.reader
    row = query.find_model(read, model, session.namespace)
    meant = version_of(read, row, version)
    session.begin()
    with alone(session.store, what=WHAT):
        row = query.find_model(read, row["model_id"])
        meant = query.numbered(read, row, meant["version"])
        session.store.write(*labels_changes(session, row, [label], meant["version"]))
    return query.as_version(read, query.find_version(read, meant["model_version_id"]))


def delete_label(model: str | Model, label: str) -> None:
    """Take a label away from the version that has it.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`, `locked`.
    """
    _take_away("label", model, checked_word("label", label), None)


def point_alias(session: Session, model: Row, alias: str, version: Row, reason: str | None) -> None:
    """Write that an alias names a version; nothing where it does already. Whoever calls is `alone` and has checked.

    Parameters
    ----------
    model, version : rows of `models` and of `model_versions`.
    """
    changes = alias_changes(session, model, alias, version["version"], reason)
    if changes:
        session.store.write(*changes)


def alias_changes(session: Session, model: Row, alias: str, number: int | None, reason: str | None) -> list[Change]:
    """Return what has an alias name the version of a number; None: no version any more."""
    return _changes(session, model, "alias", alias, number, {"reason": reason})


def labels_changes(session: Session, model: Row, labels: Sequence[str], number: int | None) -> list[Change]:
    """Return what puts labels on the version of a number, and tell from which version each is taken by that."""
    found = []
    for label in labels:
        changes = _changes(session, model, "label", label, number, {})
        before = (changes[0].before or {}).get("version") if changes else None
        if before is not None and number is not None:
            warn(f"label '{label}' of model '{model['name']}' is now that of v{number}; it was that of v{before}.")
        found += changes
    return found


def taken_words(session: Session, record: ModelVersion) -> list[Change]:
    """Return what takes the aliases and labels of a version away, as it is deleted."""
    model = {"model_id": record.model_id, "namespace": record.namespace, "name": record.model}
    reason = f"v{record.version} is deleted"
    changes = [each for alias in record.aliases for each in alias_changes(session, model, alias, None, reason)]
    return [*changes, *labels_changes(session, model, record.labels, None)]


def _changes(
    session: Session, model: Row, kind: str, word: str, number: int | None, more: Mapping[str, Any]
) -> list[Change]:
    """Return the change of one word, with what it named before; none where it names that already."""
    word_id, store = f"{model['model_id']}/{word}", session.store
    names = ("version", "set_by", "created_at", *more)
    found = f"select {', '.join(names)} from inside.{_TABLES[kind]} where {kind}_id = ?"
    rows = store.reader.rows(found, [word_id])
    before = dict(rows[0]) if rows else {}
    if before.get("version") == number:
        return []
    after = {
        "model_id": model["model_id"],
        kind: word,
        "version": number,
        "set_by": store.journal.actor,
        "created_at": now(),
        **more,
    }
    action = "set" if number is not None else "remove"
    was = {"version": None, **before}
    return [Change(_TABLES[kind], word_id, action, after, was, model["namespace"])]


def _take_away(kind: str, model: str | Model, word: str, reason: str | None) -> None:
    session = current()
    read = session.store.reader
    row = query.find_model(read, model, session.namespace)
    session.begin()
    with alone(session.store, what=WHAT):
        row = query.find_model(read, row["model_id"])
        more = {"reason": reason} if kind == "alias" else {}
        changes = _changes(session, row, kind, word, None, more)
        if not changes:
            known = read.rows(
                f"select {kind} as word from inside.{_TABLES[kind]} where model_id = ? and version is not null",
                [row["model_id"]],
            )
            said = f"{row['namespace']}/{row['name']}"
            raise not_found(kind, word, [each["word"] for each in known], listing=f"%renex model ls {said}")
        session.store.write(*changes)


_TABLES = {"alias": "aliases", "label": "labels"}


def version_of(read: Reader, model: Row, wanted: object) -> dict[str, Any]:
    """Return the row of the version of a model that a number, a reference, an id or a record means.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`; `invalid_argument` also for a version of another model.
    """
    number = number_of(wanted)
    if number is not None:
        return query.numbered(read, model, number)
    word = wanted.strip() if isinstance(wanted, str) else wanted
    if isinstance(word, str) and word.startswith(("@", ":")):
        word = f"{model['model_id']}{word}"  # another model may have its name, after an import
    if not isinstance(word, str | ModelVersion) or not word:
        hint = (
            "Give its number, such as 3, a reference such as 'digits@champion', or what rx.register_model() returned."
        )
        raise invalid_argument(f"{shown(wanted)} names no version.", hint)
    found = query.find_version(read, word, model["namespace"])
    if found["model_id"] != model["model_id"]:
        fact = f"'{found['namespace']}/{found['model']}:{found['version']}' is no version of model '{model['name']}'."
        raise invalid_argument(fact, "An alias, a label and a decision are about the versions of one model.")
    return found


def check_active(version: Row) -> None:
    """Refuse a version that is retired, or whose contents were let go of.

    Raises
    ------
    RenexError : `conflict`.
    """
    status = version["status"] or ACTIVE
    if status != ACTIVE:
        restored = "Restore it: rx.restore_version() (%renex model restore); or do it with force=True (--force)."
        hint = LET_GO if status == RELEASED else restored
        said = f"{version['namespace']}/{version['model']}:{version['version']}"
        raise RenexError("conflict", f"model version '{said}' is {status}.", hint)


def kept_reason(reason: object) -> str | None:
    """Return why something is done, without secrets.

    Raises
    ------
    RenexError : `invalid_argument` for what is no text.
    """
    if reason is None:
        return None
    return redact_text(text_argument(reason, "a reason", 'Use a text, such as reason="won on the test set".')) or None


def _told(reason: str | None, *, force: bool) -> str | None:
    return f"forced: {reason}" if force and reason else "forced" if force else reason
