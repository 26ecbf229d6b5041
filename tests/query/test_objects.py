"""What a word means, asked of a real store."""

import uuid
from collections.abc import Callable

import pytest
from recorded import Project

from renex_jupyter.errors import RenexError
from renex_jupyter.query.objects import RUN, SNAPSHOT, find_object
from renex_jupyter.query.runs import find_run
from renex_jupyter.query.snapshots import find_snapshot

WRITTEN: dict[str, Callable[[str], str]] = {
    "as kept": str,
    "a prefix": lambda each: each[:8],
    "upper case": str.upper,
    "a UUID": lambda each: str(uuid.UUID(each)),
    "a UUID in upper case": lambda each: str(uuid.UUID(each)).upper(),
    "the beginning of a UUID": lambda each: str(uuid.UUID(each))[:16],
}


@pytest.mark.parametrize("form", WRITTEN)
def test_an_id_is_found_however_it_is_written(project: Project, form: str) -> None:
    run, snapshot = project.run("train"), project.snapshot()
    assert find_object(project.store.reader, WRITTEN[form](run)) == (RUN, run)
    assert find_run(project.store.reader, WRITTEN[form](run)) == run
    assert find_object(project.store.reader, WRITTEN[form](snapshot)) == (SNAPSHOT, snapshot)
    assert find_snapshot(project.store.reader, WRITTEN[form](snapshot)) == snapshot


def test_a_label_goes_before_a_name_and_a_name_before_an_id(project: Project) -> None:
    first = project.run("same")
    named_as_id, snapshot = project.run(first), project.snapshot("same")
    read = project.store.reader
    assert find_object(read, "same") == (SNAPSHOT, snapshot)
    assert find_run(read, "same") == first
    assert find_run(read, first) == named_as_id


def test_of_several_with_one_name_the_newest_is_meant(project: Project) -> None:
    project.run("train")
    newest = project.run("train")
    assert find_run(project.store.reader, "train") == newest


@pytest.mark.parametrize("wanted", ["dead-beef", "-", "trian", "g" * 32])
def test_a_word_with_dashes_is_no_beginning_of_an_id(project: Project, wanted: str) -> None:
    project.run("train", run_id="deadbeef" + "0" * 24)
    with pytest.raises(RenexError) as error:
        find_run(project.store.reader, wanted)
    assert error.value.code == "not_found"
    assert ("did you mean 'train'?" in error.value.hint) is (wanted == "trian")


def test_only_the_kind_that_is_asked_for_is_found(project: Project) -> None:
    run, snapshot = project.run("train"), project.snapshot("kept")
    for find, wanted in ((find_run, snapshot), (find_run, "kept"), (find_snapshot, run), (find_snapshot, "train")):
        with pytest.raises(RenexError) as error:
            find(project.store.reader, wanted)
        assert error.value.code == "not_found"


def test_a_prefix_of_several_names_them(project: Project) -> None:
    for last in "12":
        project.run("train", run_id="deadbeef" * 3 + "0000000" + last)
    with pytest.raises(RenexError, match="fits 2: run deadbeef") as error:
        find_run(project.store.reader, "deadbeef")
    assert error.value.code == "ambiguous"


def test_a_name_means_the_run_and_not_its_rerun_where_there_is_one(project: Project) -> None:
    first = project.run("same")
    again = project.run("same", rerun_of=first)
    alone = project.run("alone", rerun_of=first)
    read = project.store.reader
    assert find_run(read, "same") == first
    assert find_run(read, again) == again
    assert find_run(read, "alone") == alone
