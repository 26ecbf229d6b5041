"""A recorded run against its rerun: every kind of difference is found, and nothing that is the same is one."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from renex_jupyter.analysis.reasons import Circumstances, explained, likely_reason
from renex_jupyter.analysis.verification import (
    Logged,
    Result,
    Tolerance,
    compare,
    counts,
    files_of,
    not_compared,
    verdict_of,
    without_stand_ins,
)
from renex_jupyter.records.diffs import PackageChange
from renex_jupyter.records.snapshots import FileEntry
from renex_jupyter.records.verifications import Difference, Verification


def series(*values: float | None, key: str = "loss") -> tuple[Logged, ...]:
    return tuple(Logged(key, step, value) for step, value in enumerate(values))


def result(*values: float | None, **more: Any) -> Result:
    return Result("finished", points=series(*values), **more)


def verdict(one: Result, other: Result, tolerance: Tolerance | None = None) -> str:
    return verdict_of(one, other, compare(one, other, tolerance or Tolerance()))


def entry(path: str, sha256: str | None = "a" * 64, size: int = 3, role: str = "file", kind: str = "file") -> FileEntry:
    return FileEntry(path, role, kind, sha256, size, 0o644)


def test_the_same_points_params_and_files_are_reproduced() -> None:
    one = result(0.3, math.nan, math.inf, None, params={"lr": 0.1, "layers": [8, 8]}, files={"model.npy": "file ab"})
    assert verdict(one, one) == "reproduced"
    assert compare(one, replace(one), Tolerance()) == ()


def test_nan_is_nothing_else_than_nan() -> None:
    (found,) = compare(result(math.nan), result(0.0), Tolerance())
    assert (found.kind, found.step, found.now, found.close) == ("metric", 0, 0.0, False)
    assert found.relative is None


def test_a_last_digit_is_close_and_says_by_how_much() -> None:
    one, other = result(1.0, 2.0, 3.0), result(1.0, 2.0 + 2e-9, 3.0 + 6e-9)
    (found,) = compare(one, other, Tolerance())
    assert (found.what, found.step, found.count, found.close) == ("loss", 1, 2, True)
    assert found.relative == pytest.approx(2e-9, rel=1e-3)
    assert verdict(one, other) == "close"
    assert verdict(one, other, Tolerance(relative=1e-9)) == "different"
    assert verdict(one, other, Tolerance(relative=0.0, absolute=1e-8)) == "close"


def test_one_point_out_of_tolerance_makes_the_whole_series_different() -> None:
    assert verdict(result(1.0, 2.0), result(1.0 + 1e-9, 2.5)) == "different"


def test_a_series_that_is_shorter_longer_or_missing_is_different() -> None:
    for other, now in ((result(1.0), "1 point"), (result(1.0, 2.0, 3.0), "3 points"), (result(), None)):
        (found,) = compare(result(1.0, 2.0), other, Tolerance())
        assert (found.kind, found.recorded, found.now) == ("points", "2 points", now)
        assert not found.close


def test_points_of_the_same_step_are_compared_in_the_order_in_which_they_were_logged() -> None:
    twice = Result("finished", points=(Logged("loss", 0, 1.0), Logged("loss", 0, 2.0)))
    swapped = Result("finished", points=(Logged("loss", 0, 2.0), Logged("loss", 0, 1.0)))
    assert verdict(twice, twice) == "reproduced"
    assert verdict(twice, swapped) == "different"


def test_texts_and_arrays_are_compared_exactly() -> None:
    one = Result("finished", points=(Logged("says", 0, None, "hello"),))
    other = Result("finished", points=(Logged("says", 0, None, "Hello"),))
    (found,) = compare(one, other, Tolerance(relative=1.0))
    assert (found.recorded, found.now, found.close) == ("hello", "Hello", False)


def test_a_param_that_changed_or_is_new_or_gone_is_different() -> None:
    one, other = result(params={"lr": 0.1, "a": 1}), result(params={"lr": 0.2, "b": True})
    assert [(each.kind, each.what, each.recorded, each.now) for each in compare(one, other, Tolerance())] == [
        ("param", "a", "1", None),
        ("param", "b", None, "true"),
        ("param", "lr", "0.1", "0.2"),
    ]
    assert verdict(result(params={"x": 1.0}), result(params={"x": 1.0 + 1e-9})) == "close"
    assert verdict(result(params={"x": 1}), result(params={"x": True})) == "different"


def test_what_is_ignored_is_not_compared_and_system_metrics_never_are() -> None:
    one = Result("finished", points=series(1.0, key="system/cpu_percent"), params={"host": "a"}, files={"a.log": "1"})
    other = Result("finished", points=series(2.0, key="system/cpu_percent"), params={"host": "b"}, files={"a.log": "2"})
    assert [each.kind for each in compare(one, other, Tolerance())] == ["param", "file"]
    assert compare(one, other, Tolerance(ignored=("host", "file:*.log"))) == ()
    assert counts(one, Tolerance(ignored=("host", "file:*.log"))) == {"points": 0, "params": 0, "files": 0}


def test_a_rerun_that_does_not_finish_has_failed_and_a_recorded_failure_can_be_reproduced() -> None:
    failed = Result("failed", exit_code=3)
    assert verdict(result(), failed) == "failed"
    assert verdict(failed, failed) == "reproduced"
    assert verdict(failed, result()) == "different"
    assert verdict(failed, Result("failed", exit_code=4)) == "different"
    assert verdict(Result("failed", error="ValueError: a/1"), Result("failed", error="ValueError: b/1")) == "reproduced"
    assert verdict(Result("failed", error="ValueError: a"), Result("failed", error="KeyError: a")) == "different"


def traced(kind: str, message: str = "no\nreally: not") -> Result:
    error = f'Traceback (most recent call last):\n  File "/p/t.py", line 3, in <module>\n    x()\n{kind}: {message}'
    return Result("failed", exit_code=1, error=error)


def test_the_same_exit_code_with_another_exception_is_no_reproduction() -> None:
    recorded = traced("ValueError")
    assert verdict(recorded, traced("ValueError", "other words")) == "reproduced"
    (found,) = compare(recorded, traced("KeyError"), Tolerance())
    assert (found.kind, found.what, found.recorded, found.now) == ("status", "error", "ValueError", "KeyError")
    assert verdict(recorded, Result("failed", exit_code=1, error="wrong usage")) == "different"
    cut_off = Result("failed", exit_code=1, error='Traceback (most recent call last):\n  File "/p/t.py"')
    assert verdict(recorded, cut_off) == "reproduced"


def test_a_failure_for_the_lack_of_a_file_or_module_is_none_that_was_recorded() -> None:
    recorded = traced("ValueError")
    for kind in ("FileNotFoundError", "ModuleNotFoundError"):
        assert verdict(recorded, traced(kind)) == "failed"
    assert verdict(traced("FileNotFoundError"), traced("FileNotFoundError")) == "reproduced"
    shell = Result("failed", exit_code=1, error="wrong usage")
    assert verdict(shell, replace(shell, error="cat: x: No such file or directory")) == "failed"
    said = likely_reason(known(verdict="failed", error="FileNotFoundError: [Errno 2] No such file or directory: 'a/b'"))
    assert said.startswith(
        "a file is missing that the kept state never had, as it is ignored or came from elsewhere: a/b;"
    )


def test_a_file_of_which_only_the_size_is_known_is_not_compared_and_that_is_told() -> None:
    before, after = replace(entry("big", None, 2_000), mtime_ns=1), replace(entry("big", None, 2_000), mtime_ns=2)
    made = result(files=files_of([before], [after]))
    assert made.files == {"big": "file of 2,000 B"}
    assert files_of([before], [before]) == {}
    assert counts(made, Tolerance())["files"] == 0
    assert not_compared(made, made, Tolerance()) == (
        "big (only its size is known: it is larger than what is kept, or was purged)",
    )
    assert verdict(made, result(files={"big": "file ab"})) == "reproduced"
    assert verdict(made, result(files={"big": "removed"})) == "different"
    assert not_compared(made, made, Tolerance(ignored=("file:big",))) == ()
    assert verdict(made, result(files={"big": "file of 1 B"})) == "different"


def test_a_large_file_that_a_container_only_read_is_none_that_it_changed() -> None:
    before, stand_in = entry("big", None, 2_000), entry("big", "e" * 64, 0)
    assert files_of([before], without_stand_ins([before], [stand_in, entry("new")])) == {"new": f"file {'a' * 64}"}


def test_without_a_state_after_no_file_is_compared_and_that_is_told() -> None:
    one, other = result(files={"a": "file ab"}), result(files=None)
    assert verdict(one, other) == "reproduced"
    assert not_compared(one, other, Tolerance()) == ("the files (there is no state after the rerun)",)


def test_the_files_of_a_run_are_those_that_it_made_changed_and_removed() -> None:
    before = [
        entry("same"),
        entry("changed"),
        entry("gone"),
        entry("never kept", None),
        entry("n.ipynb", role="notebook"),
    ]
    after = [entry("same"), entry("changed", "b" * 64), entry("new", "c" * 64), entry("big", None, 2_000)]
    assert files_of(before, after) == {
        "changed": f"file {'b' * 64}",
        "new": f"file {'c' * 64}",
        "big": "file of 2,000 B",
        "gone": "removed",
    }


def known(*differences: Difference, verdict: str = "different", **more: Any) -> Circumstances:
    return Circumstances(verdict, differences, **more)


LOSS = Difference("metric", "loss", 0.3, 0.4, step=2)


def test_without_a_difference_there_is_nothing_to_explain() -> None:
    assert likely_reason(known(verdict="reproduced", packages=(PackageChange("upgraded", "numpy", "1", "2"),))) == ""


def test_a_changed_package_is_named_with_both_versions() -> None:
    packages = (PackageChange("upgraded", "numpy", "1.26.4", "2.1.0"), PackageChange("removed", "pandas", "2.2.0"))
    said = likely_reason(known(LOSS, packages=packages))
    assert said == "packages differ: numpy 1.26.4 -> 2.1.0, pandas 2.2.0 removed"


def test_a_missing_file_goes_before_a_package_and_is_named_by_a_failure() -> None:
    facts = {"missing": (("data/x.csv", "too large"),), "packages": (PackageChange("upgraded", "numpy", "1", "2"),)}
    assert likely_reason(known(LOSS, **facts)).startswith(
        "not in the kept state, so the rerun did not have it: data/x.csv"
    )
    said = likely_reason(known(verdict="failed", error="FileNotFoundError: [Errno 2] 'data/x.csv'", **facts))
    assert said.startswith("a file that was not kept is missing: data/x.csv; the rerun failed: FileNotFoundError")


def test_a_missing_module_is_a_missing_package() -> None:
    said = likely_reason(known(verdict="failed", error="ModuleNotFoundError: No module named 'torch.nn'"))
    assert said.startswith("a package is missing: torch;")


def test_two_reruns_that_differ_prove_randomness() -> None:
    assert not explained(known(LOSS))
    said = likely_reason(known(LOSS, random="metric loss at step 0: 1 -> 2"))
    assert said.startswith("randomness without a seed: two reruns differ")
    assert likely_reason(known(LOSS, random="")).startswith("two reruns agree")


def test_cells_in_disorder_are_a_guess_that_facts_go_before() -> None:
    disorder = known(LOSS, disorder="1 out of order")
    assert not explained(disorder)
    assert likely_reason(disorder) == "the notebook's cells were not as they ran (1 out of order)"
    assert "disorder" not in likely_reason(replace(disorder, random="loss"))


@pytest.mark.parametrize("key", ["seconds", "epoch_time", "train/duration_s", "samples_per_second", "elapsed"])
def test_keys_that_tell_of_time_are_to_be_left_out(key: str) -> None:
    said = likely_reason(known(Difference("metric", key, 1.0, 2.0)))
    assert said.startswith(f"these tell of time or of the machine: {key}")


@pytest.mark.parametrize("key", ["loss", "timeless", "accuracy", "mean_step"])
def test_other_keys_do_not(key: str) -> None:
    assert not explained(known(Difference("metric", key, 1.0, 2.0)))


def test_a_verification_shows_its_first_difference_and_escapes_what_was_stored() -> None:
    hostile = Difference("metric", "<script>alert(1)</script>", 1.0, 2.0, step=0, count=3, relative=0.5)
    made = Verification(
        "v" * 32,
        "a" * 32,
        "b" * 32,
        "different",
        "<b>why</b>",
        (hostile, LOSS),
        1e-6,
        1e-12,
        datetime.now(UTC),
        name="x",
    )
    assert "<script>" not in made._repr_html_() and "<b>why" not in made._repr_html_()
    assert made.line == (
        "run 'x' aaaaaaaa different · metric <script>alert(1)</script> at step 0: 1.0 -> 2.0 "
        "(3 points, relative difference up to 0.5) · and 1 more"
    )
    assert "metric loss at step 2: 0.3 -> 0.4" in str(made)
    assert not made.ok
    assert made.as_dict()["differences"][1]["what"] == "loss"


def test_integers_beyond_any_float_are_never_close() -> None:
    one, other = result(params={"big": 10**400}), result(params={"big": 10**400 + 1})
    assert verdict(one, one) == "reproduced"
    assert verdict(one, other) == "different"
    assert verdict(result(params={"big": 1.5}), other) == "different"


def test_another_image_is_named_after_what_the_rerun_lacked() -> None:
    image = "python:3.12 a1b2 -> python:3.12 c3d4"
    assert explained(known(LOSS, image=image))
    assert likely_reason(known(LOSS, image=image)) == f"the image is another one: {image}"
    said = likely_reason(known(LOSS, image=image, missing=(("data.csv", "too large"),)))
    assert said.endswith(f"; the image is another one: {image}")


def test_a_secret_file_explains_nothing_by_itself_and_is_named_where_nothing_else_does() -> None:
    env = ((".env", "secret"),)
    assert not explained(known(LOSS, missing=env))
    assert explained(known(LOSS, missing=(*env, ("data.csv", "too large"))))
    assert likely_reason(known(LOSS, missing=env, random="loss 1 -> 2")).startswith("randomness without a seed")
    assert likely_reason(known(LOSS, missing=env, random="")).endswith(".env (secret)")


def test_a_run_that_was_open_beside_explains_files_and_nothing_else() -> None:
    made = Difference("file", "b.txt", "1", None)
    assert likely_reason(known(made, beside="'b' 1234abcd")).endswith("that was open beside it: 'b' 1234abcd")
    assert not explained(known(LOSS, beside="'b' 1234abcd"))


def test_a_rerun_that_is_another_run_of_the_session_is_no_randomness() -> None:
    assert explained(known(LOSS, side_by_side=True))
    said = likely_reason(known(LOSS, twin="d" * 32, side_by_side=True))
    assert said.startswith("the rerun has the params of another run of that name (dddddddd)")
    assert "side by side" not in said
