"""A DuckDB of its own: tables in, sums out, and nothing left behind."""

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from renex_jupyter.errors import RenexError
from renex_jupyter.store.workbench import Workbench, quoted

HOSTILE = ['a"b', "a'b", "a;drop table t", "naïve 😀", "a b", "select", "a\nb", '"', "a\\b"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_a_name_whatever_is_in_it(name: str) -> None:
    with Workbench(threads=1) as bench:
        bench.take(name, {name: [1, 2]})
        assert bench.value(f"select sum({quoted(name)}) from {quoted(name)}") == 3
        assert bench.columns(name) == {name: "BIGINT"}


def test_a_frame_is_taken_however_it_lies_in_memory() -> None:
    frame = pd.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"], "c": [1.5, math.nan, math.inf]})
    with Workbench(threads=1) as bench:
        for turned in (frame.iloc[::-1], frame.iloc[::2], frame.set_index("a", drop=False), frame.sort_values("b")):
            bench.take("t", turned)
            assert bench.values("select a from t") == [(each,) for each in turned["a"]]
        bench.take("t", frame)
        assert bench.values("select b, c from t") == [("x", 1.5), (None, None), ("z", math.inf)]


@pytest.mark.parametrize("given", [3, "text", [1, 2], object()])
def test_what_is_no_table_is_told(given: Any) -> None:
    with Workbench(threads=1) as bench, pytest.raises(RenexError, match="is no table"):
        bench.take("t", given)


def test_what_is_not_possible_is_an_error_of_ours() -> None:
    with Workbench(threads=1) as bench:
        for query in ("select nothing", "this is no SQL", "select 'a'::int"):
            with pytest.raises(RenexError) as raised:
                bench.values(query)
            assert raised.value.code == "invalid_argument"


def test_what_is_written_is_read_and_its_folder_goes_with_it() -> None:
    with Workbench(threads=1) as bench:
        folder = Path(bench.folder)
        file = folder / "it's.parquet"
        assert bench.write("select i, null::double as d from range(3) t(i)", file, sort="i desc") == 3
        bench.files("again", [file])
        assert bench.values("from again") == [(2, None), (1, None), (0, None)]
    assert not folder.exists()


def test_what_needs_more_memory_than_it_may_use_goes_to_disk_or_says_so() -> None:
    with Workbench(memory="60MB", threads=1) as bench:
        wide = "select i, md5(i::varchar) as m from range(400_000) t(i)"
        assert bench.value(f"select count(*) from (select m, i from ({wide}) order by m)") == 400_000
        with pytest.raises(RenexError) as raised:
            bench.value("select length(string_agg(md5(i::varchar))) from range(5_000_000) t(i)")
        assert raised.value.code == "too_large"
