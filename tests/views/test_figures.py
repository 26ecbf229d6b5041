"""Figures say what was logged, and nothing of it is read as markup."""

import json
import math

import pandas as pd
import pytest

from renex_jupyter.views.figures import escaped, finite, metric_figure


def frame(*values: float) -> pd.DataFrame:
    return pd.DataFrame({"step": range(len(values)), "value": values})


def test_nan_and_infinity_become_gaps_that_json_can_say() -> None:
    figure = metric_figure({"loss": frame(1.0, math.nan, math.inf, 0.5)})
    assert figure["data"][0]["y"] == [1.0, None, None, 0.5]
    assert figure["data"][0]["connectgaps"] is False
    json.dumps(figure, allow_nan=False)


@pytest.mark.parametrize("name", ["<b>x</b>", '<a href="javascript:alert(1)">x</a>', "a & b", "$x^2$", "%{y}"])
def test_stored_text_is_not_read_as_markup(name: str) -> None:
    figure = metric_figure({name: frame(1.0)})
    shown = [figure["data"][0]["name"], figure["data"][0]["hovertemplate"].split("<extra>")[1]]
    shown.append(figure["layout"]["yaxis"]["title"]["text"])
    assert [text.removesuffix("</extra>") for text in shown] == [escaped(name)] * 3
    assert not set("<>$%") & set(escaped(name))


def test_lines_of_one_group_share_an_axis_title_and_a_legend() -> None:
    layout = metric_figure({"val/loss": frame(1.0), "val/acc": frame(0.5)})["layout"]
    assert layout["yaxis"]["title"]["text"] == "val"
    assert layout["showlegend"] is True


def test_the_same_revision_keeps_the_readers_zoom() -> None:
    layouts = [metric_figure({"loss": frame(*[1.0] * n)}, revision="r1")["layout"] for n in (3, 4)]
    assert layouts[0]["uirevision"] == layouts[1]["uirevision"] == "r1"


def test_a_log_scale_is_asked_for() -> None:
    assert metric_figure({"loss": frame(1.0)}, log_scale=True)["layout"]["yaxis"]["type"] == "log"


def test_finite_keeps_the_order() -> None:
    assert finite([1, None, math.nan, -math.inf, 2.5]) == [1.0, None, None, None, 2.5]
