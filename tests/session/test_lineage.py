"""Lineage: what came from what, upward and downward."""

from pathlib import Path

import pytest

import renex_jupyter as rx


@pytest.fixture
def chain(project: Path) -> dict[str, str]:
    """A run that used what another one made, and was a part of a third; the ids by name."""
    with rx.start_run("prepare") as prepare:
        data = rx.log_artifact("model.py", "data")
    with rx.start_run("outer") as outer, rx.start_run("train") as train:
        rx.download_artifact(data)
        checkpoint = rx.log_checkpoint("pyproject.toml", 1)
    with rx.start_run("neighbour"):
        rx.log_artifact("pyproject.toml", "unrelated")
    return {
        "prepare": prepare.run_id,
        "data": data.artifact_id,
        "outer": outer.run_id,
        "train": train.run_id,
        "checkpoint": checkpoint.checkpoint_id,
        "weights": checkpoint.artifact_id,
    }


def edges(frame) -> set[tuple[str, str, str]]:
    return {(row.from_id, row.relation, row.to_id) for row in frame.itertuples()}


def test_a_checkpoint_leads_up_to_what_its_run_used(chain: dict[str, str]) -> None:
    found = rx.lineage(f"checkpoint:{chain['checkpoint']}", direction="up")
    assert edges(found) >= {
        (chain["checkpoint"], "written_by", chain["train"]),
        (chain["checkpoint"], "holds", chain["weights"]),
        (chain["train"], "uses", chain["data"]),
        (chain["train"], "part_of", chain["outer"]),
        (chain["data"], "logged_in", chain["prepare"]),
    }
    assert {"started_from", "ran_in"} <= set(found["relation"])
    assert (found["depth"] > 0).all() and found["depth"].is_monotonic_increasing
    names = dict(zip(found["to_id"], found["to_name"], strict=True))
    assert (names[chain["data"]], names[chain["prepare"]]) == ("data", "prepare")


def test_an_artifact_leads_down_to_what_was_made_of_it_and_not_to_neighbours(chain: dict[str, str]) -> None:
    found = rx.lineage("artifact:" + chain["data"], direction="down")
    assert edges(found) == {
        (chain["train"], "uses", chain["data"]),
        (chain["checkpoint"], "written_by", chain["train"]),
        (chain["weights"], "logged_in", chain["train"]),
        (chain["checkpoint"], "holds", chain["weights"]),
    }
    assert (found["depth"] < 0).all()
    assert edges(rx.lineage("data", direction="down")) == edges(found)


def test_both_ways_and_as_far_as_is_asked(chain: dict[str, str]) -> None:
    both = rx.lineage("train")
    assert (both["depth"] > 0).any() and (both["depth"] < 0).any()
    near = rx.lineage("train", depth=1)
    assert set(near["depth"]) == {1, -1} and edges(near) < edges(both)
    assert edges(rx.lineage(rx.get_run("train"))) == edges(both)
    assert len(both.drop_duplicates()) == len(both)


def test_an_environment_leads_down_to_the_runs_in_it(chain: dict[str, str]) -> None:
    environment = rx.get_run("train").environment_id
    found = rx.lineage(environment, direction="downstream", depth=1)
    assert {"prepare", "train", "outer", "neighbour"} <= set(found["from_name"])


def test_a_circle_comes_to_an_end(chain: dict[str, str]) -> None:
    with rx.start_run(run_id=chain["prepare"]):
        rx.download_artifact(f"artifact:{chain['weights']}")
    found = rx.lineage("prepare", direction="up")
    assert (chain["prepare"], "uses", chain["weights"]) in edges(found)
    assert (chain["train"], "uses", chain["data"]) in edges(found)


@pytest.mark.parametrize("given", [{"direction": "left"}, {"depth": 0}, {"depth": "1"}, {"obj": 3}, {"obj": ""}])
def test_what_means_nothing_is_refused(chain: dict[str, str], given: dict[str, object]) -> None:
    with pytest.raises(rx.RenexError) as caught:
        rx.lineage(**{"obj": "train", **given})
    assert caught.value.code == "invalid_argument" and caught.value.hint
    with pytest.raises(rx.RenexError) as caught:
        rx.lineage("nothing-of-this-name")
    assert caught.value.code == "not_found"
