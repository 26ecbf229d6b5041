"""Experiments: described, renamed and moved while others log into them, starred, archived, deleted."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import pytest
from another import Another

import renex_jupyter as rx
from renex_jupyter.capture.secrets import REDACTED
from renex_jupyter.errors import RenexError
from renex_jupyter.session.current import current

PAGE = Path(__file__).parents[2] / "docs" / "experiments.md"


def run(name: str, experiment: str = "digits", namespace: str = "vision") -> str:
    rx.set_experiment(experiment, namespace=namespace)
    with rx.start_run(name) as made:
        rx.log_metric("loss", 1.0)
    return made.run_id


def names(*given: Any, **more: Any) -> list[str]:
    return list(rx.list_experiments(*given, **more)["name"])


def changes(action: str) -> list[tuple[str, str]]:
    query = 'select object_kind, before || after as said from change_events where action = ? order by "at", seq'
    return [(row.object_kind, row.said) for row in rx.sql(query, [action]).itertuples()]


def test_experiments_store_metadata_of_training_jobs(project: Path) -> None:
    made = rx.create_experiment(
        "digits",
        namespace="vision",
        description="reads digits",
        owner="ada",
        framework="pytorch",
        external_id="job-17",
        link="https://ada:swordfish99@ci.example/17",
        metadata={"shape": [28, 28], "password": "swordfish99"},
        tags={"stage": "draft", "n": 1},
    )
    assert rx.get_experiment("vision/digits") == made == rx.create_experiment("digits", namespace="vision")
    assert (made.owner, made.framework, made.external_id, made.tags) == (
        "ada",
        "pytorch",
        "job-17",
        {"stage": "draft", "n": "1"},
    )
    assert made.metadata == {"shape": [28, 28], "password": REDACTED} and "swordfish99" not in str(made.link)
    assert "swordfish99" not in str(rx.sql("select * from change_events").to_dict())
    with pytest.raises(RenexError, match="conflict: experiment 'vision/digits' is there already; its framework"):
        rx.create_experiment("digits", namespace="vision", framework="jax")
    with pytest.raises(RenexError, match=r"conflict: .* its tag 'stage' is 'draft', not 'done'"):
        rx.create_experiment("digits", namespace="vision", tags={"stage": "done"})


def test_an_edit_says_what_was_and_nothing_where_nothing_changed(project: Path) -> None:
    rx.create_experiment("digits", description="a")
    rx.update_experiment("digits", description="b", starred=True)
    rx.update_experiment("digits", description="b", starred=True)
    assert changes("update") == [
        ("experiments", '{"description":"a","starred":false}{"description":"b","starred":true}')
    ]
    assert rx.update_experiment("digits", description="").description is None


def test_stored_text_is_escaped_where_it_is_shown(project: Path) -> None:
    rx.create_experiment("<i>x", description="<script>1</script>", tags={"<k>": "<v>"})
    rx.add_note("<img src=x>", on="experiment:<i>x")
    shown = rx.get_experiment("<i>x")._repr_html_()
    assert not any(each in shown for each in ("<i>", "<script>", "<k>", "<v>", "<img"))


def test_a_list_begins_with_what_is_starred_then_with_what_ran_last(project: Path) -> None:
    for name in ("a", "b", "c"):
        run(name, experiment=name)
    run("again", experiment="a")
    rx.update_experiment("vision/b", starred=True)
    rx.set_tag("team", "red", on="experiment:vision/c")
    listed = rx.list_experiments()
    assert list(listed["name"]) == ["b", "a", "c"] and list(listed["runs"]) == [1, 2, 1]
    assert listed["tags.team"].tolist()[2] == "red" and listed["tags.team"].notna().sum() == 1
    run("elsewhere", namespace="sound")
    assert names("sound") == ["digits"] and names("nowhere") == []


def test_an_archived_experiment_is_in_no_list_but_can_be_had(project: Path) -> None:
    run("train")
    rx.update_experiment("digits", archived=True)
    assert (names(), names("vision"), names(archived=True)) == ([], [], ["digits"])
    assert rx.get_experiment("digits").archived
    with pytest.warns(UserWarning, match="experiment 'vision/digits' is archived"):
        run("again")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run("and again")
    rx.update_experiment("digits", archived=False)
    assert names() == ["digits"]


@pytest.mark.parametrize(
    "change", [{"name": "numbers"}, {"namespace": "sight"}, {"name": "numbers", "namespace": "sight"}]
)
def test_who_logs_into_a_renamed_or_moved_experiment_goes_on_in_it(project: Path, change: dict[str, str]) -> None:
    name, namespace = change.get("name", "digits"), change.get("namespace", "vision")
    with Another(project) as other:
        other.does(
            "rx.set_experiment('digits', namespace='vision'); run = rx.start_run('first'); rx.log_metric('a', 1)"
        )
        assert rx.update_experiment("vision/digits", **change).runs == 1  # type: ignore[arg-type]
        other.does("rx.log_metric('a', 2)\nwith rx.start_run('child', nested=True): rx.log_metric('b', 1)")
        other.does("rx.end_run()\nwith rx.start_run('second'): rx.log_metric('a', 3)")
        other.does("rx.snapshot('by hand')")
    found = rx.search_runs(order_by="started_at")
    assert list(found["name"]) == ["first", "child", "second"]
    assert set(zip(found["namespace"], found["experiment"], strict=True)) == {(namespace, name)}
    assert list(rx.sql("select value from metrics where key = 'a' order by value")["value"]) == [1.0, 2.0, 3.0]
    assert [(row.namespace, row.name, row.runs) for row in rx.list_experiments().itertuples()] == [(namespace, name, 3)]
    assert set(rx.list_snapshots(hidden=True)["namespace"]) == {namespace}


def test_a_process_that_was_started_before_the_renaming_goes_on_in_it(project: Path) -> None:
    rx.set_experiment("digits", namespace="vision")
    with rx.start_run("outer"), Another(project) as other:
        other.does("rx.log_metric('a', 1)")
        rx.update_experiment("vision/digits", name="numbers")
        other.does("with rx.start_run('inner'): pass")
    assert set(rx.search_runs()["experiment"]) == {"numbers"} and names() == ["numbers"]


def test_a_renaming_in_the_moment_in_which_a_run_opens_takes_it_along(project: Path) -> None:
    with Another(project) as other:
        other.does("rx.set_experiment('e0')\nwith rx.start_run('r'): pass")
        other.begin("for n in range(12):\n    with rx.start_run('r'): pass")
        for place in range(1, 10):
            rx.update_experiment(f"e{place - 1}", name=f"e{place}")
        other.ended()
    assert set(rx.search_runs()["experiment"]) == {"e9"}
    assert [(row.name, row.runs) for row in rx.list_experiments().itertuples()] == [("e9", 13)]


def test_the_name_that_was_said_again_means_a_new_experiment(project: Path) -> None:
    old = run("train")
    rx.update_experiment("digits", name="numbers")
    rx.start_run("goes on")
    rx.end_run()
    assert rx.get_run("goes on").experiment == "numbers"
    new = run("new")
    assert (rx.get_run(old).experiment, rx.get_run(new).experiment) == ("numbers", "digits")
    assert rx.get_experiment("digits").experiment_id != rx.get_experiment("numbers").experiment_id


def test_a_name_that_another_one_has_is_a_conflict(project: Path) -> None:
    run("train")
    run("other", experiment="numbers")
    run("far", namespace="sight")
    for change in ({"name": "numbers"}, {"namespace": "sight"}):
        with pytest.raises(RenexError, match="conflict: there is an experiment"):
            rx.update_experiment("vision/digits", **change)  # type: ignore[arg-type]
    assert sorted(names()) == ["digits", "digits", "numbers"]


def test_an_experiment_with_runs_is_deleted_only_with_them(project: Path) -> None:
    train = run("train")
    rx.add_note("of the run", on=train)
    rx.add_note("of the experiment", on="experiment:digits")
    rx.set_tag("a", "b", on="experiment:digits")
    with pytest.raises(RenexError, match=re.escape("conflict: experiment 'vision/digits' holds 1 run.")):
        rx.delete_experiment("digits")
    told = rx.delete_experiment("digits", dry_run=True)
    assert told.dry_run and told.counts == {"notes": 2, "tags": 1, "runs": 1, "snapshots": 2}
    assert rx.delete_experiment("digits", runs=True).counts == told.counts
    for table in ("runs", "experiments", "notes", "tags", "metrics", "latest_metrics", "metric_summaries", "snapshots"):
        assert len(rx.sql(f"from {table}")) == 0, table
    with pytest.raises(RenexError, match="not_found: no experiment 'vision/digits'"):
        rx.get_experiment("digits")
    assert rx.fsck().ok


def test_the_name_of_a_deleted_experiment_can_be_used_again(project: Path) -> None:
    run("train")
    gone = rx.delete_experiment("digits", runs=True).experiment
    with rx.start_run("goes on"):  # this session had used it
        pass
    assert rx.get_experiment("digits").runs == 1
    assert rx.get_experiment("digits").experiment_id != gone.experiment_id
    assert rx.create_experiment("digits").description is None


def test_an_experiment_in_which_one_runs_is_not_deleted(project: Path) -> None:
    with Another(project) as other:
        other.does("rx.set_experiment('digits'); run = rx.start_run('train')")
        with pytest.raises(RenexError, match=r"conflict: run 'train' .* runs in process"):
            rx.delete_experiment("digits", runs=True)
        other.does("rx.end_run()")
    rx.delete_experiment("digits", runs=True)
    assert names() == []


def test_an_experiment_is_found_by_name_place_id_and_record(project: Path) -> None:
    run("train")
    made = rx.get_experiment("digits", "vision")
    for word in ("vision/digits", made.experiment_id, made.experiment_id[:8], made):
        assert rx.get_experiment(word) == made
    rx.create_experiment("digits", namespace="sound")
    assert rx.get_experiment("digits").namespace == "vision"  # that of this session
    assert rx.get_experiment("digits", namespace="sound").namespace == "sound"
    for word in ("digts", "sound/other"):
        with pytest.raises(RenexError, match="not_found"):
            rx.get_experiment(word)
    for word in ("", 7, None):
        with pytest.raises(RenexError, match="invalid_argument"):
            rx.get_experiment(word)  # type: ignore[arg-type]
    with pytest.raises(RenexError, match="nothing to change"):
        rx.update_experiment("digits")


def test_who_deletes_the_store_meanwhile_gets_a_new_one(project: Path) -> None:
    import shutil

    run("train")
    shutil.rmtree(current().store.layout.root)
    assert run("again") and names() == ["digits"]


def test_the_page_on_experiments_can_be_run(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    said: dict[str, Any] = {}
    for block in blocks:
        exec(block, said)
    assert len(blocks) >= 5
