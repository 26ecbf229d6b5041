"""Notes on anything: Markdown, dated, kept as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import renex_jupyter as rx
from renex_jupyter.errors import RenexError

MARKDOWN = "# Seen\n\n* the loss is **flat** <script>alert(1)</script>\n"


def test_a_note_is_on_the_open_run_else_on_the_experiment(project: Path) -> None:
    with rx.start_run("train") as run:
        on_run = rx.add_note(MARKDOWN)
        assert list(rx.list_notes()["note_id"]) == [on_run.note_id]
    on_experiment = rx.add_note("more data", kind="feedback")
    assert (on_run.owner_kind, on_run.owner_id, on_run.text) == ("run", run.run_id, MARKDOWN)
    assert (on_experiment.owner_kind, on_experiment.kind) == ("experiment", "feedback")
    assert list(rx.list_notes()["text"]) == ["more data"]
    assert rx.get_experiment("default").notes == (on_experiment,)
    assert on_run.author and on_run.created_at.tzinfo and on_run.edited_at is None


def test_a_note_comes_before_everything_else_in_a_store(project: Path) -> None:
    rx.set_experiment("digits", namespace="vision")
    rx.add_note("begin")
    assert [each.text for each in rx.get_experiment("vision/digits").notes] == ["begin"]


def test_a_note_is_on_whatever_has_an_id(project: Path) -> None:
    rx.set_experiment("digits", namespace="vision")
    with rx.start_run("train"):
        pass
    taken = rx.snapshot("state")
    model = rx.create_model("reader", namespace="vision")
    owners: list[tuple[str, Any]] = [
        ("run", "train"),
        ("run", rx.get_run("train")),
        ("experiment", "experiment:digits"),
        ("experiment", rx.get_experiment("digits")),
        ("namespace", "namespace:vision"),
        ("namespace", rx.get_namespace("vision")),
        ("snapshot", taken),
        ("model", model),
    ]
    for place, (kind, on) in enumerate(owners):
        assert rx.add_note(f"note {place}", on=on).owner_kind == kind
    assert list(rx.list_notes(on="train")["text"]) == ["note 1", "note 0"]
    assert len(rx.list_notes(namespace="vision")) == len(owners) and len(rx.list_notes(namespace="sound")) == 0
    rx.add_note("good", kind="feedback", on="train")
    assert list(rx.list_notes(on="train", kind="feedback")["text"]) == ["good"]


def test_markdown_is_kept_raw_and_escaped_where_it_is_shown(project: Path) -> None:
    note = rx.add_note(MARKDOWN)
    assert rx.sql("select text from notes")["text"][0] == MARKDOWN
    assert "<script>" not in note._repr_html_() and "&lt;script&gt;" in note._repr_html_()


def test_an_edited_note_says_so_and_its_change_tells_what_it_was(project: Path) -> None:
    note = rx.add_note("first")
    edited = rx.update_note(note.note_id[:10], "second")
    assert edited.text == "second" and edited.edited_at is not None and edited.created_at == note.created_at
    assert rx.update_note(note, "second") == edited
    rows = rx.sql("select before, namespace from change_events where object_kind = 'notes' and action = 'update'")
    assert len(rows) == 1 and '"text":"first"' in rows["before"][0] and rows["namespace"][0] == "default"
    assert rx.delete_note(edited) == edited
    assert len(rx.list_notes()) == 0
    with pytest.raises(RenexError, match="not_found: no note"):
        rx.update_note(note, "third")


def test_a_note_holds_no_secret(project: Path) -> None:
    note = rx.add_note("see https://ada:swordfish99@host/x")
    rx.update_note(note, "or https://bob:swordfish99@host/x")
    assert "swordfish99" not in str(rx.sql("from change_events").to_dict())


@pytest.mark.parametrize("text", ["", "  \n", None, 7, "\ud800"])
def test_what_is_no_text_is_no_note(project: Path, text: Any) -> None:
    with pytest.raises(RenexError, match="invalid_argument"):
        rx.add_note(text)
    assert not (project / ".renex").exists()


def test_a_note_of_another_kind_or_on_nothing_is_refused(project: Path) -> None:
    rx.create_experiment("digits")
    with pytest.raises(RenexError, match="invalid_argument: 'praise' is no kind of note"):
        rx.add_note("x", kind="praise")
    with pytest.raises(RenexError, match="not_found"):
        rx.add_note("x", on="experiment:other")
    with pytest.raises(RenexError, match="invalid_argument"):
        rx.add_note("x", on=7)
    with pytest.raises(RenexError, match="too_large"):
        rx.add_note("x" * 2**20 + "x")
    assert len(rx.sql("from notes")) == 0
