"""Models: what trained versions of one task have in common."""

import json
from pathlib import Path

import pytest

import renex_jupyter as rx
from renex_jupyter.records.changes import Change
from renex_jupyter.session import current


def refused(code: str, do: object, *given: object, **named: object) -> rx.RenexError:
    with pytest.raises(rx.RenexError) as refusal:
        do(*given, **named)  # type: ignore[operator]
    assert refusal.value.code == code, refusal.value
    return refusal.value


def changes(kind: str) -> list[dict[str, object]]:
    query = 'select action, before, after from change_events where object_kind = ? order by "at", seq'
    return rx.sql(query, [kind]).to_dict("records")


def test_namespaces_are_automatically_created_when_a_new_model_specifies_the_namespace_it_wants_to_be_associated_with(
    project: Path,
) -> None:
    rx.create_model("digits", namespace="vision")
    rx.create_model("speech/words")
    (project / "w").write_text("w")
    rx.register_model("faces", path="w", namespace="vision")
    assert sorted(rx.sql("select name from namespaces").name) == ["speech", "vision"]
    assert [(row.namespace, row["name"]) for _, row in rx.list_models("vision").iterrows()] == [
        ("vision", "faces"),
        ("vision", "digits"),
    ]


def test_a_model_is_an_object_to_track_common_metadata(project: Path) -> None:
    made = rx.create_model(
        "digits", task="classification", description="# Digits", owner="ada", metadata={"datasets": ["test", "val"]}
    )
    assert (made.reference, made.task, made.description) == ("default/digits", "classification", "# Digits")
    assert (made.owner, made.metadata) == ("ada", {"datasets": ["test", "val"]})
    assert rx.get_model("digits") == made == rx.get_model(made) == rx.get_model(made.model_id[:9])
    assert "classification" in str(made) and "Model &#x27;default/digits&#x27;" in made._repr_html_()


def test_to_create_a_model_again_returns_it_unless_something_else_is_said_of_it(project: Path) -> None:
    made = rx.create_model("digits", task="ocr")
    assert rx.create_model("digits") == rx.create_model("digits", task="ocr") == made
    error = refused("conflict", rx.create_model, "digits", task="other", description="new")
    assert "default/digits" in error.message and "task" in error.message
    assert rx.get_model("digits") == made


def test_one_who_creates_a_model_owns_it_unless_somebody_else_is_named(project: Path) -> None:
    made = rx.create_model("digits")
    assert made.owner == current.current().store.journal.actor


@pytest.mark.parametrize("name", ["", " ", "a:b", "a@b", "a/", "/a", "x" * 501, " a", "a\n", 3, None, "a\ud800"])
def test_a_name_that_could_not_be_referred_to_is_refused(project: Path, name: object) -> None:
    refused("invalid_argument", rx.create_model, name)
    assert not (project / ".renex").exists()


def test_a_name_may_have_500_characters_and_blanks(project: Path) -> None:
    name = "é" * 498 + " b"
    assert rx.create_model(name).name == name
    assert rx.get_model(name).name == name


def test_two_namespaces_for_one_model_are_refused(project: Path) -> None:
    refused("invalid_argument", rx.create_model, "vision/digits", namespace="speech")
    assert rx.create_model("vision/digits", namespace="vision").namespace == "vision"
    assert rx.create_model("digits", namespace="team/vision").reference == "team/vision/digits"
    assert rx.get_model("team/vision/digits").namespace == "team/vision"


def test_a_model_without_a_namespace_is_that_of_the_experiment(project: Path) -> None:
    rx.set_experiment("train", namespace="vision")
    assert rx.create_model("digits").reference == "vision/digits" == rx.get_model("digits").reference
    rx.set_experiment("train", namespace="other")
    assert "did you mean 'vision/digits'" in refused("not_found", rx.get_model, "digits").hint
    assert rx.get_model("digits", "vision").namespace == "vision"


def test_an_unknown_model_is_told_with_the_nearest_name(project: Path) -> None:
    rx.create_model("digits")
    assert "did you mean 'default/digits'" in refused("not_found", rx.get_model, "digit").hint
    refused("invalid_argument", rx.get_model, "digits:3")
    refused("invalid_argument", rx.get_model, 7)
    refused("invalid_argument", rx.get_model, "a:b:c")


def test_a_model_whose_name_could_be_an_id_is_found_by_its_name(project: Path) -> None:
    (project / "w").write_text("w")
    rx.register_model("face", path="w")
    assert rx.get_model("face").name == rx.get_model_version("face").model == "face"


def test_a_model_is_renamed_and_moved_and_keeps_its_versions_and_aliases(project: Path) -> None:
    (project / "w").write_text("w")
    version = rx.register_model("digits", path="w")
    rx.set_alias("digits", "champion", 1)
    moved = rx.update_model("digits", name="numbers", namespace="vision")
    assert (moved.reference, moved.versions, moved.aliases) == ("vision/numbers", 1, {"champion": 1})
    found = rx.get_model_version("vision/numbers@champion")
    assert found.model_version_id == version.model_version_id and found.reference == "vision/numbers:1"
    assert rx.get_model_version(version).reference == "vision/numbers:1"  # what was returned before the move
    refused("not_found", rx.get_model, "digits")
    assert rx.register_model("vision/numbers", path="w").version == 2
    assert rx.register_model("digits", path="w").version == 1  # another model has the name now
    assert "vision" in set(rx.sql("select name from namespaces").name)
    last = changes("models")[1]
    assert json.loads(str(last["before"])) == {"name": "digits", "namespace": "default"}


def test_a_name_that_another_model_has_is_a_conflict(project: Path) -> None:
    rx.create_model("digits")
    rx.create_model("letters")
    rx.create_model("vision/digits")
    refused("conflict", rx.update_model, "letters", name="digits")
    refused("conflict", rx.update_model, "vision/digits", namespace="default")
    refused("invalid_argument", rx.update_model, "letters")
    refused("invalid_argument", rx.update_model, "letters", name="a:b")


def test_what_is_said_of_a_model_is_changed_and_taken_away(project: Path) -> None:
    rx.create_model("digits", task="ocr", metadata={"a": 1})
    changed = rx.update_model("digits", task="", metadata={}, description="d", starred=True)
    assert (changed.task, changed.metadata, changed.description, changed.starred) == (None, None, "d", True)
    before = len(changes("models"))
    assert rx.update_model("digits", description="d") == changed  # nothing differs, so nothing is written
    assert len(changes("models")) == before
    refused("invalid_argument", rx.update_model, "digits", starred="yes")
    refused("invalid_argument", rx.update_model, "digits", metadata=[1])


def test_an_archived_model_is_in_no_list_unless_asked_for(project: Path) -> None:
    rx.create_model("old")
    rx.create_model("new")
    rx.update_model("old", archived=True)
    assert list(rx.list_models().name) == ["new"]
    assert set(rx.list_models(archived=True).name) == {"new", "old"}
    assert rx.get_model("old").archived and "(archived)" in str(rx.get_model("old"))
    assert list(rx.list_models("nowhere").name) == []


def test_models_are_listed_with_their_versions_and_aliases_starred_ones_first(project: Path) -> None:
    (project / "w").write_text("w")
    rx.create_model("starred")
    rx.update_model("starred", starred=True)
    for _ in range(3):
        rx.register_model("digits", path="w")
    rx.set_alias("digits", "champion", 2)
    rx.retire_version("digits:3", "too slow")
    frame = rx.list_models()
    assert list(frame.name) == ["starred", "digits"]
    assert frame.iloc[1][["versions", "latest"]].tolist() == [3, 2] and frame.aliases[1] == {"champion": 2}
    assert frame.latest.isna().tolist() == [True, False]


def test_a_model_with_versions_is_deleted_only_with_these(project: Path) -> None:
    (project / "w").write_text("w")
    first = rx.register_model("digits", path="w", labels=["small"])
    rx.set_alias("digits", "champion", 1)
    assert "1 version" in refused("conflict", rx.delete_model, "digits").message
    rx.delete_model("digits", versions=True)
    for table in ("models", "model_versions", "aliases", "labels", "artifacts"):
        assert rx.sql(f"from {table}").empty, table
    said = rx.sql("select object_kind, before from change_events where action = 'delete'")
    gone = {row.object_kind: json.loads(row.before) for row in said.itertuples()}
    assert gone["aliases"] == {"alias": "champion", "version": 1} and gone["labels"] == {"label": "small", "version": 1}
    assert gone["model_versions"] == {"version": 1} and gone["artifacts"]["name"] == "w"
    refused("not_found", rx.get_model, "digits")
    refused("not_found", rx.get_model_version, first)
    again = rx.register_model("digits", path="w")
    assert (again.version, again.aliases, again.labels) == (1, (), ())
    assert rx.delete_model(rx.create_model("empty")).name == "empty"


def test_what_looks_like_a_secret_is_in_no_record_of_a_model(project: Path) -> None:
    rx.create_model("digits", description="at https://ada:hunter2@host/", metadata={"api_key": "hunter2"})
    rx.update_model("digits", description="now https://ada:hunter2@host/x")
    journals = b"".join(path.read_bytes() for path in (project / ".renex/journal").iterdir())
    assert b"hunter2" not in journals and b"ada" in journals


def test_nothing_is_found_and_nothing_is_created_where_nothing_is_recorded(project: Path) -> None:
    refused("not_found", rx.get_model, "digits")
    assert not (project / ".renex").exists()


def test_a_name_that_two_models_have_after_an_import_means_the_older_and_the_other_has_its_id(project: Path) -> None:
    (project / "w").write_text("w")
    rx.register_model("digits", path="w", description="the older")
    other = rx.register_model("imported", path="w", description="the other")
    rx.set_alias("imported", "champion", 1)
    session = current.current()
    session.store.write(Change("models", other.model_id, "update", {"name": "digits"}, {"name": "imported"}))
    word = other.model_id[:12]
    assert rx.get_model_version("digits:1").description == "the older"
    for ref in (word, f"{word}:1", f"{word}@champion"):
        assert rx.get_model_version(ref).description == "the other"
    assert rx.set_alias(word, "challenger", "@champion").description == "the other"
    assert rx.get_model("digits").aliases == {} and len(rx.list_models()) == 2
    rx.update_model(word, name="faces")
    assert rx.get_model_version("faces@challenger").description == "the other"
