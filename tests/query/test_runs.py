"""The list of runs, searched and ordered."""

import pytest
from recorded import Project

from renex_jupyter.errors import RenexError
from renex_jupyter.query.runs import count_runs, get_run, list_runs, search_runs
from renex_jupyter.store import liveness

VANISHED = {"status": "running", "pid": 1, "pid_started": 1.0, "boot_id": "of another boot"}


def found(project: Project, search: str) -> list[str]:
    rows = list_runs(project.store.reader, search=search, order_by="name", descending=False)
    assert count_runs(project.store.reader, search=search) == len(rows)
    return [row["name"] for row in rows]


@pytest.mark.parametrize(
    ("search", "names"),
    [
        ("val_loss", ["val_loss"]),
        ("VAL-", ["val-loss"]),
        ("%", ["50%"]),
        ("_", ["val_loss"]),
        ("\\", ["back\\slash"]),
        ("val loss", ["val-loss", "val_loss"]),
        ("lr=0.1.", ["50%"]),
        ("lr=0.1_", []),
        ("größe", ["GRÖSSE größe"]),
        ("", ["50%", "GRÖSSE größe", "back\\slash", "val-loss", "val_loss"]),
    ],
)
def test_a_search_takes_each_character_for_itself(project: Project, search: str, names: list[str]) -> None:
    for name in ("val_loss", "val-loss", "back\\slash", "GRÖSSE größe"):
        project.param(project.run(name), "lr", "0.12")
    project.param(project.run("50%"), "lr", "0.1.")
    assert found(project, search) == names


def test_a_run_whose_process_is_gone_is_searched_and_ordered_as_lost(project: Project) -> None:
    project.run("gone", **VANISHED)
    project.run("going", status="running", **liveness.identity())
    project.run("done", status="finished")
    assert found(project, "lost") == ["gone"]
    assert found(project, "running") == ["going"]
    rows = list_runs(project.store.reader, order_by="status", descending=False)
    assert [(row["name"], row["status"]) for row in rows] == [
        ("done", "finished"),
        ("gone", "lost"),
        ("going", "running"),
    ]
    assert {"pid", "pid_started", "boot_id"}.isdisjoint(rows[0])


def test_a_row_has_the_last_metrics_and_the_params(project: Project) -> None:
    run = project.run("r")
    project.log(run, "loss", 1.0, 0.5)
    project.param(run, "lr", 0.1)
    [row] = list_runs(project.store.reader)
    assert (row["metrics"], row["params"], row["tags"]) == ({"loss": 0.5}, {"lr": "0.1"}, {})
    one = get_run(project.store.reader, run)
    assert (one.metrics, one.params, one.tags) == ({"loss": 0.5}, {"lr": 0.1}, {})


@pytest.mark.parametrize(
    ("where", "order_by", "names"),
    [
        (None, "name", ["a", "b", "c"]),
        ("metrics['loss'] < 3", "name", ["a", "b"]),
        ("params['lr'] = '0.2'", None, ["b"]),
        ("METRICS['loss'] < 3 and try_cast(params['lr'] as double) > 0.1", None, ["b"]),
        (None, "metrics['loss'] desc nulls last", ["b", "a", "c"]),
        ("tags['of'] is null and name <> 'b'", "name", ["a", "c"]),
        ("name = 'z'", None, []),
    ],
)
def test_a_condition_may_name_columns_params_metrics_and_tags(
    project: Project, where: str | None, order_by: str | None, names: list[str]
) -> None:
    for name, lr, losses in (("a", 0.1, [4.0, 1.0]), ("b", 0.2, [1.0, 2.0]), ("c", 0.3, [])):
        run = project.run(name)
        project.param(run, "lr", lr)
        project.log(run, "loss", *losses)
    frame = search_runs(project.store.reader, where=where, order_by=order_by)
    assert frame["name"].tolist() == names
    assert {"params", "metrics", "tags", "pid"}.isdisjoint(frame.columns)
    if "c" in names:
        assert frame["params.lr"].tolist() == [{"a": "0.1", "b": "0.2", "c": "0.3"}[name] for name in names]
        last = frame.set_index("name")["metrics.loss"]
        assert (last["a"], str(last["c"])) == (1.0, "nan")


def test_a_param_that_is_no_number_is_passed_over_by_what_the_hint_of_a_conversion_shows(project: Project) -> None:
    for name, lr in (("a", 0.05), ("b", "auto"), ("c", 0.5)):
        project.param(project.run(name), "lr", lr)
    read = project.store.reader
    for wrong in ({"where": "params['lr']::double < 0.1"}, {"order_by": "cast(params['lr'] as double)"}):
        with pytest.raises(RenexError, match="'auto'") as error:
            search_runs(read, **wrong)
        assert error.value.code == "invalid_argument"
        assert "try_cast(params['lr'] as double) < 0.1" in error.value.hint
    assert search_runs(read, where="try_cast(params['lr'] as double) < 0.1")["name"].tolist() == ["a"]
    with pytest.raises(RenexError, match="Conversion") as error:
        search_runs(read, where="name::double < 0.1")
    assert "try_cast" not in error.value.hint
