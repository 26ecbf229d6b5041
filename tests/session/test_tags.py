"""Tags on anything: set, overwritten, taken away, set again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import renex_jupyter as rx
from renex_jupyter.errors import RenexError
from renex_jupyter.query import runs as query
from renex_jupyter.session.current import current


def test_a_tag_is_put_on_whatever_has_an_id(project: Path) -> None:
    rx.set_experiment("digits", namespace="vision")
    with rx.start_run("train"):
        rx.set_tag("open", "yes")
    taken = rx.snapshot("state")
    for on in ("run:train", "experiment:digits", "namespace:vision", taken, rx.create_model("reader")):
        rx.set_tags({"keep": True, "n": 3}, on=on)
    assert rx.get_run("train").tags == {"keep": "True", "n": "3", "open": "yes"}
    assert rx.get_experiment("digits").tags == {"keep": "True", "n": "3"}
    owners = rx.sql("select owner_kind from tags where key = 'n' order by owner_kind")["owner_kind"]
    assert list(owners) == ["experiment", "model", "namespace", "run", "snapshot"]


def test_a_tag_that_was_taken_away_is_nowhere_and_can_be_set_again(project: Path) -> None:
    with rx.start_run("train", tags={"keep": "yes", "who": "ada"}) as run:
        rx.delete_tag("keep")
        read = current().store.reader
        assert rx.get_run("train").tags == {"who": "ada"}
        assert list(rx.sql("select key from tags")["key"]) == ["who"]
        assert [name for name in rx.search_runs() if str(name).startswith("tags.")] == ["tags.who"]
        assert len(rx.search_runs("tags['keep'] is not null")) == 0
        assert len(rx.search_runs("tags.keep is not null")) == 0
        assert query.list_runs(read)[0]["tags"] == {"who": "ada"} and query.count_runs(read, search="keep=yes") == 0
        rx.set_tag("keep", "again")
        assert rx.get_run("train").tags == {"keep": "again", "who": "ada"}
    rx.delete_tag("keep", on=run)
    assert rx.get_run("train").tags == {"who": "ada"}


def test_a_change_of_a_tag_tells_what_it_was(project: Path) -> None:
    rx.create_experiment("digits")
    for value in ("a", "b", "b"):
        rx.set_tag("stage", value, on="experiment:digits")
    rx.delete_tag("stage", on="experiment:digits")
    rows = rx.sql("select before, after from change_events where object_kind = 'tags' order by seq")
    said = [
        [isinstance(each, str) and json.loads(each)["value"] for each in row] for row in rows.itertuples(index=False)
    ]
    assert said == [[False, "a"], ["a", "b"], ["b", None]]


def test_a_tag_holds_no_secret(project: Path) -> None:
    rx.create_experiment("digits")
    rx.set_tags({"password": "swordfish99", "url": "https://ada:swordfish99@host/"}, on="experiment:digits")
    assert "swordfish99" not in str(rx.sql("from change_events").to_dict())


def test_what_cannot_be_is_refused(project: Path) -> None:
    rx.create_experiment("digits")
    with pytest.raises(RenexError, match="not_found: no tag of experiment 'default/digits' 'keep'"):
        rx.delete_tag("keep", on="experiment:digits")
    with pytest.raises(RenexError, match="invalid_argument: no run is open"):
        rx.delete_tag("keep")
    for tags in ([1], {"": 1}, {7: 1}):
        with pytest.raises(RenexError, match="invalid_argument"):
            rx.set_tags(tags, on="experiment:digits")  # type: ignore[arg-type]
    with pytest.raises(RenexError, match="not_found"):
        rx.set_tag("a", "b", on="experiment:other")
    assert len(rx.sql("from tags")) == 0
