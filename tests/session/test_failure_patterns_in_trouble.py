"""Failure patterns where two processes name one, a process dies, a package is missing, or contents are gone."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from another import Another
from predicted import a_dataset, predicted

import renex_jupyter as rx
from renex_jupyter.errors import RenexError
from renex_jupyter.records.datasets import DatasetVersion
from renex_jupyter.session.current import current

N = 2_400
KEEP = """
from renex_jupyter.errors import RenexError
try:
    said = rx.keep_pattern({!r}, "dark", dataset="images").named_pattern_id
except RenexError as error:
    said = error.code
"""


@pytest.fixture
def images(project: Path) -> DatasetVersion:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"time": rng.choice(["day", "night"], N), "city": rng.choice(list("abc"), N)})
    frame["y"] = rng.choice(["no", "yes"], N)
    wrong = rng.random(N) < np.where(frame.time == "night", 0.4, 0.1)
    version = a_dataset(frame, "images", y="target")
    predicted(version, np.where(wrong, np.where(frame.y == "yes", "no", "yes"), frame.y))
    return version


@pytest.mark.parametrize("other", ["time = 'night'", "city = 'a'"])
def test_of_two_processes_that_keep_one_name_one_makes_it(project: Path, images: DatasetVersion, other: str) -> None:
    with Another(project) as one, Another(project) as two:
        for each in (one, two):
            each.does("rx.get_dataset('images')")  # so that both begin at the same moment
        one.begin(KEEP.format("time = 'night'"))
        two.begin(KEEP.format(other))
        told = [one.ended(), two.ended()]
    kept = rx.sql("select name, named_pattern_id from named_patterns")
    assert list(kept.name) == ["dark"]
    made = kept.named_pattern_id[0]
    assert sorted(told) == sorted([made, made if other == "time = 'night'" else "conflict"])


def test_a_search_that_was_killed_leaves_whole_searches_only(project: Path, images: DatasetVersion) -> None:
    code = "said = len(rx.failure_patterns('images', max_level=2))"
    with Another(project) as other:
        shown = [other.does(code), other.does(code)]
        other.begin(code)
        other.process.kill()
        assert other.process.wait(60) == -9
    rows = rx.sql(
        """select pattern_search_id, count(p.position) as n, max(p.position) as last from pattern_searches
        left join failure_patterns p using (pattern_search_id) group by all"""
    )
    assert len(rows) >= 2
    assert set(rows.n) == set(rows["last"]) == set(shown)
    assert rx.fsck().ok
    assert len(rx.failure_patterns("images", max_level=2)) == shown[0]


def test_embeddings_without_scikit_learn_say_what_to_install(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"shape": list(rng.normal(size=(N, 3))), "city": rng.choice(list("abc"), N), "y": "no"})
    version = a_dataset(frame, "shapes", y="target", shape="embedding")
    predicted(version, np.where(frame.city == "a", "yes", "no"))
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    with pytest.raises(RenexError, match="need scikit-learn") as told:
        rx.failure_patterns(version)
    assert told.value.code == "environment_unavailable"
    assert told.value.hint
    assert rx.failure_patterns(version, columns=["city"])[0].predicate_text == "city = 'a'"


def test_contents_that_are_gone_are_told_and_what_was_found_stays(project: Path, images: DatasetVersion) -> None:
    found = rx.failure_patterns(images)
    current().store.blobs.remove(images.files[0].sha256)
    with pytest.raises(RenexError, match="the samples are gone") as told:
        rx.failure_patterns(images)
    assert (told.value.code, "fsck" in told.value.hint) == ("not_found", True)
    assert rx.sql("select count(*) as n from failure_patterns").n[0] == len(found)
    kept = rx.keep_pattern(found[0], "dark")
    assert list(rx.list_patterns("images").predicate_text) == [kept.predicate_text]
    with pytest.raises(RenexError, match="the samples are gone"):
        rx.measure_patterns(images)
