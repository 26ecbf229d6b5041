"""Series of metrics, thinned."""

import math

from recorded import Project

from renex_jupyter.query.metrics import many_series, metric_series


def test_a_thinned_series_keeps_its_ends_its_peaks_and_every_gap(project: Project) -> None:
    run, other = project.run("long"), project.run("short")
    values = [float(step % 7) for step in range(5000)]
    values[1234], values[2345], values[1235] = 100.0, -100.0, math.nan
    project.log(run, "loss", *values)
    project.log(other, "loss", 1.0, 2.0)
    one = metric_series(project.store.reader, run, "loss", points=100)
    assert list(one) == ["step", "wallclock", "value"]
    assert 50 <= len(one) <= 101
    assert {0, 1234, 1235, 2345, 4999} <= set(one["step"])
    assert list(one["step"]) == sorted(one["step"])
    many = many_series(project.store.reader, [run, other], ["loss", "none"], points=100)
    assert len(many) == len(one) + 2
    assert list(many[many["run_id"] == run]["step"]) == list(one["step"])
