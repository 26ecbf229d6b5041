"""Variables between a notebook and a process of its own."""

import json
import math
import os
import pickle
import struct
from collections import OrderedDict
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from renex_jupyter.errors import RenexError
from renex_jupyter.tasks.handover import Cell, lay_out, pack, read_outputs, variable_names

TIMES = pd.date_range("2024-01-01", periods=3, tz="Europe/Berlin", name="when")
TABLE = pd.DataFrame({"n": [1, 2, 3], "x": [0.1, math.nan, math.inf], "text": ["a", None, "ü"]})


def _there_and_back(value: Any, folder: Path) -> Any:
    pack(["value"], {"value": value}, {}).write(folder / "out")
    return read_outputs(folder, ["value"])["value"]


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -(2**200),
        0.1,
        -0.0,
        math.inf,
        5e-324,
        "ü \ud800 \0",
        [],
        [1, [2.5, "x"], {"a": None}],
        (),
        (1, [2, (3,)]),
        {"a": 1, "": 2},
        {1: "one", None: 0, (2, "x"): 3, False: 4},
        {"$array": 0},
        {"$tuple": [1], "$dict": []},
    ],
    ids=repr,
)
def test_plain_values_come_back_exactly(value: Any, tmp_path: Path) -> None:
    back = _there_and_back(value, tmp_path)
    assert type(back) is type(value)
    assert repr(back) == repr(value)


def test_nan_comes_back_as_nan(tmp_path: Path) -> None:
    assert math.isnan(_there_and_back([math.nan], tmp_path)[0])


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array(3.5),
        np.array([], dtype="float32"),
        np.array([1, 2], dtype=">i4"),
        np.array([1 + 2j]),
        np.array(["a", "üü"]),
        np.array(["2024-01-01", "NaT"], dtype="datetime64[ns]"),
        np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]),
        np.array([True, False]),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_arrays_come_back_bit_for_bit(array: np.ndarray, tmp_path: Path) -> None:
    back = _there_and_back(array, tmp_path)
    assert back.dtype == array.dtype and back.shape == array.shape and back.flags.fnc == array.flags.fnc
    assert back.tobytes() == array.tobytes()


def test_a_scalar_of_numpy_stays_one(tmp_path: Path) -> None:
    back = _there_and_back({"accuracy": np.float32(0.1), "n": np.int64(3)}, tmp_path)
    assert type(back["accuracy"]) is np.float32 and back["accuracy"] == np.float32(0.1)
    assert type(back["n"]) is np.int64


def test_arrays_can_lie_in_lists_and_dicts(tmp_path: Path) -> None:
    back = _there_and_back({"weights": [np.ones(2), np.zeros(3)], "split": (TABLE, TABLE["x"])}, tmp_path)
    assert [each.tolist() for each in back["weights"]] == [[1, 1], [0, 0, 0]]
    pd.testing.assert_frame_equal(back["split"][0], TABLE)
    pd.testing.assert_series_equal(back["split"][1], TABLE["x"])


@pytest.mark.parametrize(
    "frame",
    [
        TABLE,
        TABLE.set_index(TIMES),
        TABLE.set_index(["n", "text"]),
        pd.DataFrame({0: [1], 1: [2]}),
        pd.DataFrame({"c": pd.Categorical(["a", "b", "a"], ordered=True)}),
        pd.DataFrame({"i": pd.array([1, None], dtype="Int64")}),
        pd.DataFrame(index=[3, 4]),
        TABLE.iloc[1:],
    ],
    ids=range(8),
)
def test_a_table_comes_back_with_its_index_and_its_types(frame: pd.DataFrame, tmp_path: Path) -> None:
    pd.testing.assert_frame_equal(_there_and_back(frame, tmp_path), frame, check_freq=False)


@pytest.mark.parametrize("name", [None, "x", 3])
def test_a_series_keeps_its_name(name: Any, tmp_path: Path) -> None:
    series = pd.Series([1.5, 2.5], name=name, index=["a", "b"])
    pd.testing.assert_series_equal(_there_and_back(series, tmp_path), series)


def test_tables_of_arrow_and_polars_come_back_as_theirs(tmp_path: Path) -> None:
    pa, pl = pytest.importorskip("pyarrow"), pytest.importorskip("polars")
    table, frame = pa.table({"a": [1, None]}), pl.DataFrame({"a": [1, None], "b": ["x", "y"]})
    back = _there_and_back([table, frame, frame["b"]], tmp_path)
    assert back[0].equals(table)
    assert back[1].equals(frame) and isinstance(back[2], pl.Series)


def test_columns_of_the_same_name_have_a_hint_of_their_own() -> None:
    with pytest.raises(RenexError, match="more than one column 'a'") as caught:
        pack(["value"], {"value": pd.DataFrame([[1, 2, 3]], columns=["b", "a", "a"])}, {})
    assert "a name of its own" in caught.value.hint and "type" not in caught.value.hint


class Level(IntEnum):
    """A number that is more than one."""

    ONE = 1


class Model:
    """Something of the user's own."""


_ENDLESS: list[Any] = []
_ENDLESS.append(_ENDLESS)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (Model(), "'value' is tests.tasks.test_handover.Model"),
        ({"a": [Model()]}, "'value['a'][0]' is "),
        (lambda: 1, "function"),
        ({1, 2}, "'value' is set"),
        (b"bytes", "'value' is bytes"),
        (OrderedDict(a=1), "collections.OrderedDict"),
        (Level.ONE, "Level"),
        ({Level.ONE: 1}, "a key of type"),
        (_ENDLESS, "nested deeper"),
        (10**5000, "digits"),
        (np.array([Model()]), "of dtype object"),
        (np.ma.array([1]), "MaskedArray"),
        (np.array([("x",)], dtype=[("a", object)]), "npy files do not hold"),
        (pd.DataFrame({"a": [1, "x"]}, dtype=object), "Arrow does not hold"),
        (pd.DataFrame({"a": [1, 2]}, dtype=object), "the columns a would come back changed"),
        (pd.DataFrame({"a": [Model()]}), "Arrow does not hold"),
        (pd.Series([1], name=("a", "b")), "has a name of type tuple"),
        (pd.DataFrame({"a": [1]}).groupby("a"), "DataFrameGroupBy"),
    ],
    ids=range(18),
)
def test_anything_else_is_refused_by_name_and_type_with_a_hint(value: Any, said: str) -> None:
    with pytest.raises(RenexError) as caught:
        pack(["value"], {"value": value}, {})
    assert caught.value.code == "unsupported_value"
    assert said.replace("tests.tasks.", "") in caught.value.message.replace("tests.tasks.", "")
    assert caught.value.hint


def test_a_variable_that_is_not_there_is_named() -> None:
    with pytest.raises(RenexError, match="no variable 'modle'"):
        pack(["modle"], {"model": 1}, {})


def test_names_are_split_at_commas_and_have_to_be_names() -> None:
    assert variable_names("a, b,a", "--inputs") == ("a", "b")
    assert variable_names(None, "--inputs") == ()
    with pytest.raises(RenexError, match=r"a\.b"):
        variable_names("a.b", "--inputs")


def _left(folder: Path, tree: Any, **files: bytes) -> Path:
    out = folder / "out"
    out.mkdir(parents=True)
    (out / "values.json").write_text(json.dumps(tree) if not isinstance(tree, str) else tree)
    for name, content in files.items():
        (out / name.replace("_", ".")).write_bytes(content)
    return folder


class Bomb:
    """Leaves a file where it is unpickled."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("exploded",)


def _npy(header: str, body: bytes) -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


@pytest.mark.parametrize(
    ("tree", "files"),
    [
        ({"m": {"$array": 0}}, {"0_npy": pickle.dumps(Bomb())}),
        (
            {"m": {"$array": 0}},
            {"0_npy": _npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", pickle.dumps(Bomb()))},
        ),
        ({"m": {"$array": 0}}, {"0_npy": _npy("__import__('os').mkdir('exploded')", b"")}),
        ({"m": {"$array": 0}}, {"0_npy": _npy("{'descr': '<f8', 'fortran_order': False, 'shape': (10**9,)}", b"x")}),
        (
            {"m": {"$array": 0}},
            {"0_npy": _npy("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999,)}", b"x")},
        ),
        ({"m": {"$frame": 0}}, {"0_arrow": b"ARROW1\0\0" + pickle.dumps(Bomb())}),
        ({"m": {"$polars": 0}}, {"0_arrow": b"ARROW1\0\0"}),
        ({"m": {"$array": "../../secret"}}, {}),
        ({"m": {"$array": True}}, {}),
        ({"m": {"$dict": [[[1], 2]]}}, {}),
        ({"m": {"$dict": [1]}}, {}),
        ({"m": {"$tuple": 5}}, {}),
        ({"other": 1}, {}),
        ([1], {}),
        ("{", {}),
        ("[" * 100_000, {}),
    ],
    ids=range(16),
)
def test_a_hostile_folder_is_refused_and_runs_nothing(
    tree: Any, files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RenexError) as caught:
        read_outputs(_left(tmp_path / "values", tree, **files), ["m"])
    assert caught.value.code == "corrupt"
    assert not Path("exploded").exists()


@pytest.mark.skipif(os.name == "nt", reason="needs links and pipes")
@pytest.mark.parametrize("what", ["link", "pipe", "folder"])
def test_links_and_pipes_in_the_folder_are_not_followed(what: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "values.json").write_text('{"m": "secret"}')
    folder = tmp_path / "values"
    folder.mkdir()
    if what == "folder":
        (folder / "out").symlink_to(secret)
    else:
        (folder / "out").mkdir()
        place = folder / "out" / "values.json"
        os.mkfifo(place) if what == "pipe" else place.symlink_to(secret / "values.json")
    with pytest.raises(RenexError) as caught:
        read_outputs(folder, ["m"])
    assert caught.value.code == "corrupt"


def test_without_outputs_it_is_said_that_there_are_none(tmp_path: Path) -> None:
    lay_out(tmp_path / "values", [Cell("1")], name="train")
    with pytest.raises(RenexError, match="were not brought back"):
        read_outputs(tmp_path / "values", ["m"])
