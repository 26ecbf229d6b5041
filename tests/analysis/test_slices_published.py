"""Tables that others published, on the same data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from published import ADULT, COMPAS, data_file
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import OneHotEncoder

from renex_jupyter.analysis.slices.cube import Cube, cube
from renex_jupyter.analysis.slices.search import find_slices
from renex_jupyter.store.workbench import Workbench

pytestmark = pytest.mark.slow  # the first time it downloads 50 MB

# What the authors of DivExplorer print for COMPAS at a support of 0.1: the paper's Table 2 and, with more digits, the
# notebook Example_Divergence_analysis_COMPAS.ipynb of github.com/elianap/divexplorer.
FALSE_POSITIVES = [
    ("#prior=>3, age=25-45, race=Afr-Am, sex=Male", 0.128645, 0.219722, 7.116857),
    ("#prior=>3, age=25-45, race=Afr-Am", 0.145010, 0.210928, 7.448260),
    ("#prior=>3, age=25-45, charge=F, race=Afr-Am", 0.109527, 0.201841, 6.201585),
    ("#prior=>3, charge=F, race=Afr-Am, sex=Male", 0.130752, 0.180408, 6.132988),
    ("#prior=>3, race=Afr-Am, sex=Male", 0.175308, 0.178557, 7.214382),
    ("#prior=>3, race=Afr-Am", 0.196695, 0.172783, 7.582039),
    ("#prior=>3, charge=F, race=Afr-Am", 0.148412, 0.170810, 6.421341),
    ("#prior=>3, age=25-45, charge=F, sex=Male", 0.133668, 0.170019, 6.011738),
    ("#prior=>3, age=25-45, charge=F", 0.155865, 0.167741, 6.491614),
    ("#prior=>3, age=25-45, sex=Male", 0.180655, 0.164627, 6.903692),
]
FALSE_NEGATIVES = [  # of the same notebook: its first rows
    ("sex=Male", 0.809624, -0.011074, 0.864525),
    ("stay=<week", 0.772683, 0.052920, 4.059364),
    ("charge=F", 0.643227, -0.039699, 2.896145),
    ("sex=Male, stay=<week", 0.614226, 0.041651, 3.011311),
]
ERRORS = [  # there as accuracy, of which the divergence is that of the error with the other sign
    ("sex=Male", 0.809624, 0.012419, 1.350598),
    ("stay=<week", 0.772683, -0.012055, 1.301787),
    ("charge=F", 0.643227, 0.017116, 1.738770),
    ("sex=Male, stay=<week", 0.614226, 0.002760, 0.280104),
]


@pytest.fixture(scope="module")
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the wheel is kept from one run of the tests to the next."""
    cache = getattr(request.config, "cache", None)
    return cache.mkdir("published") if cache is not None else tmp_path_factory.mktemp("published")


@pytest.fixture(scope="module")
def compas(folder: Path) -> pd.DataFrame:
    """The defendants, prepared as the authors do; `class` is what happened, `predicted` what was foretold."""
    raw = pd.read_csv(data_file(folder, COMPAS))
    days = (pd.to_datetime(raw["c_jail_out"]).dt.normalize() - pd.to_datetime(raw["c_jail_in"]).dt.normalize()).dt.days
    raw = raw.assign(days=days)[(raw["days_b_screening_arrest"].abs() <= 30) & (raw["c_charge_degree"] != "O")]
    return pd.DataFrame(
        {
            "age": raw["age_cat"].map({"Less than 25": "<25", "25 - 45": "25-45", "Greater than 45": ">45"}),
            "charge": raw["c_charge_degree"],
            "race": raw["race"].replace({"African-American": "Afr-Am", "Caucasian": "Cauc"}),
            "sex": raw["sex"],
            "#prior": np.select([raw["priors_count"] <= 0, raw["priors_count"] <= 3], ["0", "[1-3]"], ">3"),
            # 8 days count as more than 3 months there, and so do those whose days are not known
            "stay": np.select([raw["days"] <= 7, (raw["days"] > 8) & (raw["days"] <= 93)], ["<week", "1w-3M"], ">3M"),
            "class": raw["two_year_recid"],
            "predicted": (raw["decile_score"] >= 8).astype(int),
        }
    )


def divergences(compas: pd.DataFrame, error: pd.Series) -> Cube:
    with Workbench(memory="500MB") as bench:
        bench.take("given", compas.drop(columns=["class", "predicted"]).assign(error=error.astype("Float64")))
        bench.run("create table held as from given")
        columns = ["age", "charge", "race", "sex", "#prior", "stay"]
        return cube(bench, "held", columns, "error", min_support=618)  # 0.1 of 6,172


def told(found: Cube) -> list[tuple[str, float, float, float]]:
    return [
        (", ".join(f"{name}={value}" for name, value in each.items), each.size / found.n, each.divergence, each.t)
        for each in found.top()
    ]


def test_divergences_of_the_false_positive_rate_of_compas_are_those_that_were_published(compas: pd.DataFrame) -> None:
    assert len(compas) == 6172
    found = divergences(compas, (compas["predicted"] == 1).where(compas["class"] == 0))
    assert len(found.patterns) == 155  # with the one of no items, as there
    whole = found.patterns[frozenset()]
    assert (whole.counted, whole.sum_error) == (3066 + 297, 297)
    for ours, theirs in zip(told(found), FALSE_POSITIVES, strict=False):
        assert ours == (theirs[0], *(pytest.approx(each, abs=6e-7) for each in theirs[1:]))


@pytest.mark.parametrize(("name", "published"), [("fnr", FALSE_NEGATIVES), ("error", ERRORS)])
def test_divergences_of_other_rates_of_compas_are_those_that_were_published(
    compas: pd.DataFrame, name: str, published: list[tuple[str, float, float, float]]
) -> None:
    wrong = compas["predicted"] != compas["class"]
    found = divergences(compas, wrong.where(compas["class"] == 1) if name == "fnr" else wrong)
    ours = {each[0]: each[1:] for each in told(found)}
    for items, *numbers in published:
        assert ours[items] == tuple(pytest.approx(each, abs=6e-7) for each in numbers)


# By alpha: score and rows of the ten best slices of Adult, of the experiment behind the figure "Top-1 Slice Size" of the
# SliceLine paper: results/Experiment3_Adult_a*.dat of github.com/damslab/reproducibility, sigmod2021-sliceline-p218.
SLICELINE = {
    0.68: (0.1702, [14439, 13484, 14976, 14021, 12877, 13368, 12919, 12504, 13410, 12841]),
    0.84: (0.5287, [13484, 14439, 12877, 14021, 12504, 12919, 11863, 14976, 13368, 12540]),
    0.92: (0.7138, [13484, 12877, 7541, 7117, 7261, 12504, 11863, 7663, 6866, 14439]),
    0.96: (0.8754, [2756, 7541, 7117, 2651, 6866, 7261, 6648, 7663, 6311, 2818]),
    0.98: (1.1237, [2651, 2756, 1858, 2326, 2417, 2619, 2818, 2818, 1632, 2312]),  # one has the rows of another
    0.99: (1.2938, [1858, 1632, 2651, 2326, 2756, 2417, 2619, 2312, 1243, 2818]),
}
MODEL_ERRORS = (
    4966  # of the authors' logistic regression: it follows from score, errors and rows of any of those slices
)


@pytest.fixture(scope="module")
def adult(folder: Path) -> pd.DataFrame:
    """Adult as the authors prepare it: no age, numbers in 10 bins of equal width, errors of a logistic regression."""
    names = (
        "age workclass fnlwgt education educationnum marital occupation relationship race sex gain loss hours country"
    )
    raw = pd.read_csv(data_file(folder, ADULT), names=[*names.split(), "income"], skipinitialspace=True)
    numbers = ["fnlwgt", "educationnum", "gain", "loss", "hours"]
    binned = {name: pd.cut(raw[name], 10, labels=False).astype(int) for name in numbers}
    columns = raw.drop(columns=["age", "income"]).assign(**binned)
    coded = OneHotEncoder().fit_transform(columns.astype(str))
    rich = raw["income"] == ">50K"
    model = LogisticRegression(max_iter=500).fit(coded, rich)
    return columns.assign(error=(model.predict(coded) != rich).astype(float))


@pytest.mark.parametrize("alpha", SLICELINE)
def test_the_best_slices_of_adult_are_those_that_sliceline_published(adult: pd.DataFrame, alpha: float) -> None:
    score, sizes = SLICELINE[alpha]
    assert len(adult) == 32561
    assert adult["error"].sum() == pytest.approx(MODEL_ERRORS, rel=0.01)  # another solver, and so some other errors
    with Workbench(memory="500MB") as bench:
        bench.take("given", adult)
        bench.run("create table held as from given")
        columns = [each for each in adult if each != "error"]
        found = find_slices(bench, "held", columns, "error", alpha=alpha, k=10, min_support=326, max_level=3).slices
    assert found[0].size == sizes[0]
    assert found[0].score == pytest.approx(score, abs=0.01)
    assert len(set(sizes) - {each.size for each in found}) <= 1, [each.size for each in found]
    assert len({each.size for each in found}) == 10
