"""Notes on anything: what somebody observed, or thinks of it, in Markdown."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from renex_jupyter.capture.secrets import redact_text
from renex_jupyter.errors import invalid_argument, shown, text_argument
from renex_jupyter.ids import new_id
from renex_jupyter.query import notes as query
from renex_jupyter.query.owners import find_owner
from renex_jupyter.records.changes import Change, fields, now
from renex_jupyter.records.experiments import NOTE_KINDS, Note
from renex_jupyter.records.owners import Owner
from renex_jupyter.records.values import checked_text
from renex_jupyter.session.alone import alone
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.points import checked_name
from renex_jupyter.session.runs import active_run

if TYPE_CHECKING:
    import pandas as pd

TEXT_HINT = "Give a text, in Markdown if you like."


def add_note(text: str, *, kind: str = "observation", on: object = None) -> Note:
    """Keep a note: dated, with who wrote it.

    Parameters
    ----------
    text : Markdown; kept as it is, and escaped where it is shown.
    kind : observation, or feedback.
    on : what it is about: what our functions return, or a word such as 'run:train', 'experiment:digits',
        'vision/digits:3'; None: the open run, else the experiment of this session.

    Raises
    ------
    RenexError : `invalid_argument`, `too_large`; `not_found`, `ambiguous` for `on`.
    """
    text, kind = _checked(text), _checked_kind(kind)
    session = current()
    if on is not None:
        owner = find_owner(session.store.reader, on, session.namespace)
    session.begin()
    if on is None:
        owner = _owner_here(session, create=True)
    note = Note(new_id(), owner.kind, owner.id, text, now(), kind, session.store.journal.actor)
    session.store.write(Change("notes", note.note_id, "create", fields(note), namespace=owner.namespace))
    return note


def list_notes(on: object = None, *, kind: str | None = None, namespace: str | None = None) -> pd.DataFrame:
    """Return notes as a DataFrame, the newest first: the columns of `notes`.

    Parameters
    ----------
    on : as in `add_note`.
    kind : only observations, or only feedback.
    namespace : those on all that is in it, unless `on` says on what.

    Raises
    ------
    RenexError : `invalid_argument`, `not_found`, `ambiguous`.
    """
    kind = None if kind is None else _checked_kind(kind)
    session = current()
    read = session.store.reader
    if on is None and namespace is not None:
        home = checked_name("namespace", namespace, 'rx.list_notes(namespace="vision")')
        return query.list_notes(read, kind=kind, namespace=home)
    owner = _owner_here(session) if on is None else find_owner(read, on, session.namespace)
    return query.list_notes(read, owner.id, kind=kind)


def update_note(note: str | Note, text: str) -> Note:
    """Give a note another text; it says then when it was edited.

    Parameters
    ----------
    note : what `add_note` returned, its id, or the beginning of one.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`, `too_large`, `locked`.
    """
    text = _checked(text)
    session = current()
    store = session.store
    found = query.get_note(store.reader, _word(note))
    session.begin()
    with alone(store, what="the notes"):
        record = query.get_note(store.reader, found.note_id)
        edited = replace(record, text=text, edited_at=now())
        if text == record.text:
            return record
        after = {"text": text, "edited_at": edited.edited_at}
        before = {"text": record.text, "edited_at": record.edited_at}
        store.write(Change("notes", record.note_id, "update", after, before, _namespace_of(session, record)))
    return edited


def delete_note(note: str | Note) -> Note:
    """Delete a note, and return what it was.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    session = current()
    store = session.store
    found = query.get_note(store.reader, _word(note))
    session.begin()
    store.write(Change("notes", found.note_id, "delete", {}, fields(found), _namespace_of(session, found)))
    return found


def _owner_here(session: Session, *, create: bool = False) -> Owner:
    """Return what a note is on where nobody says it: the open run, else the experiment of this session."""
    run = active_run()
    if run is not None:
        return Owner("run", run.run_id, run.run.namespace, f"run '{run.name}'")
    if create:
        session.ensure_experiment(session.namespace, session.experiment)
    namespace, name = session.place_now()
    return find_owner(session.store.reader, f"experiment:{namespace}/{name}", namespace)


def _namespace_of(session: Session, note: Note) -> str:
    """Return the namespace of what a note is on; of what is gone that of this session."""
    rows = session.store.reader.rows(
        "select namespace from inside.changes where kind = 'notes' and id = ? and action = 'create' limit 1",
        [note.note_id],
    )
    return rows[0]["namespace"] if rows and rows[0]["namespace"] else session.namespace


def _word(note: str | Note) -> str:
    if isinstance(note, Note):
        return note.note_id
    return text_argument(note, "the word for a note", "Give its id, or what rx.add_note() returned.")


def _checked(text: str) -> str:
    text_argument(text, "a note", TEXT_HINT)
    if not text.strip():
        raise invalid_argument("a note without a text says nothing.", TEXT_HINT)
    return redact_text(checked_text("the note", text))


def _checked_kind(kind: str) -> str:
    if kind not in NOTE_KINDS:
        raise invalid_argument(f"{shown(kind)} is no kind of note.", f"Use one of {', '.join(NOTE_KINDS)}.")
    return kind
