"""Failure patterns of datasets in a real store."""

from __future__ import annotations

import json
from hashlib import md5
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from predicted import a_dataset, predicted
from scipy import stats

import renex_jupyter as rx
from renex_jupyter.errors import RenexError
from renex_jupyter.records.predicates import from_json

pytestmark = pytest.mark.usefixtures("project")


def samples(n: int, seed: int = 0, columns: int = 4, values: int = 6) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({f"c{i}": rng.choice([f"v{j}" for j in range(values)], n) for i in range(columns)})
    return frame.assign(age=rng.integers(17, 90, n), y=rng.choice(["no", "yes"], n))


def wrong_where(frame: pd.DataFrame, where, often: float, base: float, seed: int = 1) -> np.ndarray:
    """Predictions that are wrong with a probability where a mask is true, and with another one elsewhere."""
    rng = np.random.default_rng(seed)
    wrong = rng.random(len(frame)) < np.where(where, often, base)
    return np.where(wrong, np.where(frame.y == "yes", "no", "yes"), frame.y)


def test_a_planted_slice_is_found_first_confirmed_and_kept_with_both_error_rates():
    frame = samples(6_000)
    planted = ((frame.c0 == "v1") & (frame.c1 == "v2")).to_numpy()
    said = wrong_where(frame, planted, 0.6, 0.1)
    version = a_dataset(frame, y="target")
    predicted(version, said)
    found = rx.failure_patterns("adult")
    first = found[0]
    assert first.predicate_text == "c0 = 'v1' and c1 = 'v2'"
    assert first.status == "confirmed"
    assert found.confirmed[0] is first
    wrong = said != frame.y.to_numpy()
    assert first.support + first.holdout_support == planted.sum()
    assert first.errors + first.holdout_errors == wrong[planted].sum()
    assert first.holdout_error_rate == pytest.approx(first.holdout_errors / first.holdout_support)
    assert found.search.n_samples == 6_000
    assert found.search.base_rate == pytest.approx(wrong.mean())
    rows = rx.sql(
        "select predicate, predicate_text, status, holdout_error_rate from failure_patterns order by position"
    )
    assert list(rows.predicate_text) == [each.predicate_text for each in found]
    assert from_json(json.loads(rows.predicate[0])) == first.predicate
    search = rx.sql("select * from pattern_searches").iloc[0]
    assert (search.error, bool(search.complete), search.n_samples) == ("error", True, 6_000)
    shown = found._repr_html_()
    assert "confirmed" in shown
    assert "c0 = &#x27;v1&#x27;" in shown
    assert str(found).count(first.predicate_text) == 1


def test_one_cause_is_told_once_and_what_repeats_it_says_so():
    rng = np.random.default_rng(20)
    frame = samples(6_000, seed=20, columns=3, values=3)
    frame["c3"] = rng.choice(["a", "b"], 6_000)
    planted = ((frame.c0 == "v1") & (frame.c1 == "v2")).to_numpy()
    said = wrong_where(frame, planted, 0.6, 0.1)
    version = a_dataset(frame, y="target")
    predicted(version, said)
    found = rx.failure_patterns(version)
    assert len(found.confirmed) > 2
    assert [each.predicate_text for each in found.distinct] == ["c0 = 'v1' and c1 = 'v2'"]
    assert all(each.explained_by == 1 for each in found[1:])
    general = next(each for each in found if each.predicate_text == "c0 = 'v1'")
    kept = np.array([md5(f"0:{n}".encode()).hexdigest() >= "8" for n in range(6_000)])
    rest = kept & (frame.c0 == "v1").to_numpy() & ~planted
    wrong = (said != frame.y.to_numpy())[rest]
    assert (general.rest_support, general.rest_errors) == (rest.sum(), wrong.sum())
    assert general.rest_error_rate == pytest.approx(wrong.mean())
    shown = f"#1, the rest {general.repeats.split(', the rest ')[1]}"
    assert f"repeats {shown}" in str(found)
    assert f"as {shown}" in found._repr_html_()
    special = next(each for each in found if each.rest_support == 0)
    assert (special.repeats, special.rest_error_rate) == ("as #1", None)
    kept_rows = rx.sql("select explained_by, rest_support, rest_p_value from failure_patterns order by position")
    assert kept_rows.explained_by.isna().tolist() == [True] + [False] * (len(found) - 1)
    assert kept_rows.rest_support.tolist() == [each.rest_support for each in found]
    assert rx.keep_pattern(general.failure_pattern_id, "general").predicate == general.predicate


def test_two_causes_are_both_told():
    frame = samples(6_000, seed=21, columns=3, values=3)
    first, second = (frame.c0 == "v1") & (frame.c1 == "v2"), (frame.c2 == "v0") & (frame.age >= 60)
    version = a_dataset(frame, y="target")
    predicted(version, wrong_where(frame, (first | second).to_numpy(), 0.6, 0.1))
    found = rx.failure_patterns(version, k=20, bins=4)
    texts = [each.predicate_text for each in found.distinct]
    assert "c0 = 'v1' and c1 = 'v2'" in texts
    assert any("age" in each and "c2 = 'v0'" in each for each in texts)
    assert len(texts) < len(found) / 2
    assert set(texts) <= {each.predicate_text for each in found.confirmed}


def test_the_proof_of_the_other_half_is_that_of_scipy_adjusted_by_holm():
    frame = samples(5_000, seed=3)
    said = wrong_where(frame, frame.c2 == "v0", 0.25, 0.1, seed=4)
    version = a_dataset(frame, y="target")
    predicted(version, said)
    found = rx.failure_patterns(version, k=5)
    assert found
    errors = round(found[0].holdout_base_rate * (5_000 - half(5_000)))
    p = [
        stats.hypergeom.sf(each.holdout_errors - 1, 5_000 - half(5_000), errors, each.holdout_support) for each in found
    ]
    assert [each.holdout_p_value for each in found] == pytest.approx(p, rel=1e-9)
    order = np.argsort(p)
    running, adjusted = 0.0, {}
    for place, i in enumerate(order):
        running = max(running, min(1.0, (len(p) - place) * p[i]))
        adjusted[i] = running
    assert [each.adjusted_p_value for each in found] == pytest.approx([adjusted[i] for i in range(len(p))], rel=1e-9)


def mask(frame: pd.DataFrame, text: str) -> np.ndarray:
    """The rows that a text of equalities selects."""
    wanted = [each.split(" = ") for each in text.split(" and ")]
    return np.all([frame[name] == value.strip("'") for name, value in wanted], axis=0)


def half(n: int, seed: int = 0) -> int:
    """How many of the keys 0, 1, ... are in the half that is searched."""
    return sum(md5(f"{seed}:{key}".encode()).hexdigest() < "8" for key in range(n))


def test_few_samples_are_not_split_and_the_note_says_so():
    frame = samples(900, seed=5)
    version = a_dataset(frame, y="target")
    predicted(version, wrong_where(frame, frame.c0 == "v1", 0.9, 0.05))
    found = rx.failure_patterns(version)
    assert not found.search.split
    assert "900 samples were not split" in found.search.outcome
    assert found[0].predicate_text == "c0 = 'v1'"
    assert found[0].status == "confirmed"
    assert found[0].holdout_support is None
    assert "not split" in str(found)
    assert "not split" in found._repr_html_()


def test_a_pattern_that_is_chance_is_not_confirmed():
    frame = samples(2_400, seed=6, columns=3)
    version = a_dataset(frame, y="target")
    predicted(version, wrong_where(frame, False, 0, 0.1, seed=7))
    found = rx.failure_patterns(version, alpha=0.999)
    assert found
    assert {each.status for each in found} <= {"not confirmed", "too small"}


def test_numbers_texts_times_and_null_become_patterns_whose_predicate_selects_the_counted_rows():
    rng = np.random.default_rng(8)
    n = 3_000
    frame = pd.DataFrame(
        {
            "age": rng.integers(17, 90, n),
            "gain": np.where(rng.random(n) < 0.8, 0.0, rng.lognormal(7, 1, n)),
            "city": rng.choice(["a", "b", None], n),
            "at": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 86_400 * 300, n), "s"),
            "review": [" ".join(rng.choice(["good", "bad", "film", "was", "so", "it's"], 9)) for _ in range(n)],
            "y": rng.choice(["no", "yes"], n),
        }
    )
    worse = {
        "city is null": frame.city.isna(),
        "dayname(\"at\") = 'Monday'": frame["at"].dt.day_name() == "Monday",
        "review contains 'bad film'": frame.review.str.contains(r"\bbad film\b"),
        "age >= ": frame.age >= 80,
    }
    for text, where in worse.items():
        version = a_dataset(frame, name=f"set {len(text)}", y="target", review="text")
        predicted(version, wrong_where(frame, where.to_numpy(), 0.7, 0.08))
        found = rx.failure_patterns(version, max_level=1)
        said = found[0].predicate_text.replace("dayname(at)", 'dayname("at")')
        assert said.startswith(text), (text, [each.predicate_text for each in found])
        assert found[0].status == "confirmed"
        if not text.startswith("age"):
            assert found[0].support + found[0].holdout_support == where.sum()


def test_embeddings_become_clusters():
    rng = np.random.default_rng(9)
    n = 2_400
    centre = rng.integers(0, 6, n)
    vectors = rng.normal(size=(6, 8))[centre] * 8 + rng.normal(size=(n, 8))
    frame = pd.DataFrame({"shape": list(vectors), "y": rng.choice(["no", "yes"], n)})
    version = a_dataset(frame, y="target", shape="embedding")
    predicted(version, wrong_where(frame, centre == 2, 0.7, 0.08))
    found = rx.failure_patterns(version)
    assert found[0].predicate_text.startswith('"shape cluster" = ')
    assert found[0].status == "confirmed"
    again = rx.failure_patterns(version, columns=["shape"])
    assert [each.predicate_text for each in again] == [each.predicate_text for each in found]


def test_the_actual_class_may_be_a_column_and_the_predicted_one():
    frame = samples(4_000, seed=10)
    version = a_dataset(frame, y="target")
    predicted(version, wrong_where(frame, (frame.y == "yes") & (frame.c0 == "v1"), 0.8, 0.05))
    assert (
        rx.failure_patterns(version, columns=["c0", "c1", "actual"])[0].predicate_text == "actual = 'yes' and c0 = 'v1'"
    )
    assert "predicted = 'no'" in rx.failure_patterns(version, columns=["c0", "predicted"])[0].predicate_text
    with pytest.raises(RenexError, match="together say what is wrong"):
        rx.failure_patterns(version, columns=["predicted", "actual"])
    with pytest.raises(RenexError, match="says by itself"):
        rx.failure_patterns(version, columns=["predicted"], error="false_positive:yes")


def test_errors_of_numbers_are_tested_by_welch():
    rng = np.random.default_rng(11)
    frame = samples(4_000, seed=11).drop(columns="y")
    truth = rng.normal(size=4_000)
    said = truth + rng.normal(size=4_000) * np.where(frame.c1 == "v3", 3, 1)
    version = a_dataset(frame.assign(y=truth), y="target")
    predicted(version, said, column="value")
    found = rx.failure_patterns(version)
    assert found.search.error == "squared"
    assert "c1 = 'v3'" in found[0].predicate_text
    assert found[0].status == "confirmed"
    assert found.search.params["test"] == "welch"
    low = rx.failure_patterns(version, error="residual")
    assert "c1 = 'v3'" in low[0].predicate_text
    squares = (said - truth) ** 2
    assert found.search.base_rate == pytest.approx(squares.mean())
    kept = [n for n in range(4_000) if md5(f"0:{n}".encode()).hexdigest() >= "8"]
    there, where = squares[kept], mask(frame.iloc[kept], found[0].predicate_text)
    expected = stats.ttest_ind(there[where], there[~where], equal_var=False, alternative="greater").pvalue
    assert found[0].holdout_p_value == pytest.approx(expected, rel=1e-6)


def test_what_is_all_right_or_the_same_everywhere_gives_an_empty_list_with_a_reason():
    frame = samples(2_100, seed=12)
    version = a_dataset(frame, y="target")
    predicted(version, frame.y)
    found = rx.failure_patterns(version)
    assert len(found) == 0
    assert found.search.outcome
    assert found.search.outcome in found._repr_html_()
    nothing = a_dataset(frame.assign(y=None), "unlabelled", y="target")
    predicted(nothing, frame.y)
    assert len(rx.failure_patterns(nothing)) == 0


def test_the_same_seed_finds_the_same_and_nothing_is_kept_where_it_is_not_wanted():
    frame = samples(3_000, seed=13)
    version = a_dataset(frame, y="target")
    predicted(version, wrong_where(frame, frame.c0 == "v1", 0.4, 0.1))
    first, again = (rx.failure_patterns(version, record=False) for _ in range(2))
    assert [(each.predicate, each.score, each.adjusted_p_value) for each in first] == [
        (each.predicate, each.score, each.adjusted_p_value) for each in again
    ]
    assert rx.failure_patterns(version, seed=1, record=False)[0].support != first[0].support
    assert rx.sql("select count(*) as n from pattern_searches").n[0] == 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"k": 0}, "k 0"),
        ({"bins": 1}, "bins 1"),
        ({"cut": "even"}, "cut 'even'"),
        ({"holdout": "some"}, "holdout 'some'"),
        ({"columns": "c0"}, "no list of names"),
        ({"columns": ["c00"]}, "no column 'c00'"),
        ({"error": "wrong"}, "no error of classification"),
        ({"alpha": 2.0}, "alpha"),
        ({"seed": -1}, "seed"),
        ({"predictions": "x", "model": "y"}, "Give one of both"),
    ],
)
def test_bad_options_are_told(wrong, said):
    version = a_dataset(samples(100), y="target")
    predicted(version, samples(100).y)
    with pytest.raises(RenexError) as error:
        rx.failure_patterns(version, **wrong)
    assert said in str(error.value)


def test_a_column_called_error_is_left_out_and_told():
    frame = samples(2_100, seed=14)
    frame["error"] = "x"
    frame["score"] = np.where(frame.c0 == "v1", "high", "low")
    version = a_dataset(frame, y="target")
    predicted(version, wrong_where(frame, frame.c0 == "v1", 0.6, 0.1))
    found = rx.failure_patterns(version, columns=None)
    assert "error of the samples" in found.search.outcome
    assert {each.predicate_text for each in found} & {"c0 = 'v1'", "score = 'high'"}


def test_a_run_that_is_open_is_kept_with_the_search():
    frame = samples(300, seed=15)
    version = a_dataset(frame, y="target")
    predicted(version, frame.y)
    with rx.start_run("look") as run:
        rx.failure_patterns(version)
    assert rx.sql("select run_id from pattern_searches").run_id[0] == run.run_id


def test_missed_boxes_are_found_by_what_describes_a_box_and_followed_by_name():
    rng = np.random.default_rng(16)
    images = pd.DataFrame({"id": [f"i{n}" for n in range(800)], "light": rng.choice(["day", "night"], 800)})
    boxes = pd.DataFrame({"id": np.repeat(images.id, 3)})
    boxes["label"] = rng.choice(["cat", "dog"], len(boxes))
    boxes["x"] = np.tile([20.0, 200.0, 400.0], 800)
    boxes["y"], boxes["w"], boxes["h"] = 50.0, 40.0, 40.0
    night = np.repeat((images.light == "night").to_numpy(), 3)
    rx.create_dataset("boxes", images, key="id", annotations=boxes, task="detection")

    def log(often: float, name: str):
        hit = np.random.default_rng(17).random(len(boxes)) >= np.where(night & (boxes.label == "cat"), often, 0.1)
        found = boxes[hit].assign(score=0.9)
        Path(name).write_text(name)
        return rx.log_predictions("boxes", found, key="id", model=rx.register_model("finder", path=name))

    log(0.5, "one")
    found = rx.failure_patterns("boxes")
    assert found.search.error == "missed"
    assert found.search.n_samples == 2_400
    assert found[0].predicate_text == "class = 'cat' and light = 'night'"
    assert found[0].status == "confirmed"
    rx.keep_pattern(found[0], "cats at night")
    log(0.7, "two")
    told = rx.sql("select change, p_value from pattern_measures where previous_id is not null")
    assert told.change[0] == "worse"
    assert len(rx.list_events(name="failure_pattern.worse")) == 1
