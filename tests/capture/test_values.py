from __future__ import annotations

import argparse
import dataclasses
import math
import os
from collections import namedtuple
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from renex_jupyter.capture.values import from_object, metrics_from, read_values
from renex_jupyter.errors import RenexError


@dataclasses.dataclass
class Optimizer:
    lr: float
    betas: tuple[float, float]


class Sequential:
    def __len__(self) -> int:
        return 3


class Reference(Mapping[str, Any]):
    """As OmegaConf: a mapping that resolves its values when asked and may fail at it."""

    def __init__(self, **values: Any) -> None:
        self.values_by_key = values

    def __getitem__(self, key: str) -> Any:
        if self.values_by_key[key] == "???":
            raise LookupError(f"missing mandatory value: {key}")
        return self.values_by_key[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_key)

    def __len__(self) -> int:
        return len(self.values_by_key)


class Container:
    def to_container(self) -> dict[str, Any]:
        return {"a": {"b": 1}}


@pytest.mark.parametrize(
    ("spec", "value"),
    [
        ("lr=0.1", 0.1),
        ("lr=1e-3", 0.001),
        ("epochs=10", 10),
        ("flag=true", True),
        ("flag=True", True),
        ("nothing=null", None),
        ("layers=[64, 32]", [64, 32]),
        ("shape=(3, 4)", [3, 4]),
        ('name="quoted"', "quoted"),
        ("name=plain text", "plain text"),
        ("zip=007", "007"),
        ("url=http://host/?a=b", "http://host/?a=b"),
        ("items={1, 2}", "{1, 2}"),
        ("raw=b'x'", "b'x'"),
        ("call=__import__('os').getcwd()", "__import__('os').getcwd()"),
        ("empty=", ""),
    ],
)
def test_a_literal_gets_its_type_and_all_else_stays_text(spec: str, value: object) -> None:
    assert list(read_values(spec, {}).values()) == [value]
    assert type(next(iter(read_values(spec, {}).values()))) is type(value)


def test_a_key_may_carry_dots_and_slashes() -> None:
    assert read_values("val/loss.mean=0.5", {}) == {"val/loss.mean": 0.5}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.json", '{"lr": 0.001, "model": {"layers": [1, 2]}}'),
        ("c.yaml", "lr: 1e-3\nmodel:\n  layers: [1, 2]\n"),
        ("c.YML", "lr: 0.001\nmodel: {layers: [1, 2]}\n"),
        ("c.toml", "lr = 0.001\n[model]\nlayers = [1, 2]\n"),
    ],
)
def test_the_same_config_is_read_from_every_kind_of_file(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read_values(str(tmp_path / name), {}) == {"lr": 0.001, "model": {"layers": [1, 2]}}


def test_dates_in_a_file_are_kept_as_text(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("day: 2024-01-31\n")
    assert read_values(str(tmp_path / "c.yaml"), {}) == {"day": "2024-01-31"}


@pytest.mark.parametrize(
    ("name", "text", "code", "words"),
    [
        ("c.json", '{\n "lr": 0.1,\n "x" 2}', "invalid_argument", "line 3"),
        ("c.yaml", "a: 1\nb: [1\nc: 2\n", "invalid_argument", "line 3"),
        ("c.yaml", "a: !!python/object/apply:os.getcwd []\n", "invalid_argument", "line 1"),
        ("c.toml", "a = 1\nb = \n", "invalid_argument", "line 2"),
        ("c.json", "[1, 2]", "invalid_argument", "list"),
        ("c.json", "[" * 100_000, "invalid_argument", "too deeply"),
        ("c.yaml", "a: &x [*x]\n", "unsupported_value", "deeper"),
        ("c.json", "{" + " " * (10 * 2**20) + "}", "too_large", "10,485,7"),
    ],
)
def test_a_bad_file_is_one_clear_error(tmp_path: Path, name: str, text: str, code: str, words: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(RenexError) as caught:
        read_values(str(tmp_path / name), {})
    assert caught.value.code == code
    assert words in caught.value.message


def test_yaml_that_multiplies_itself_is_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    (tmp_path / "bomb.yaml").write_text("\n".join(lines))
    with pytest.raises(RenexError, match="too_large"):
        read_values(str(tmp_path / "bomb.yaml"), {})


def test_bytes_that_are_no_text_a_folder_and_a_pipe_are_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.json").write_bytes(b'{"a": "\xe9"}')
    (tmp_path / "folder.json").mkdir()
    os.mkfifo(tmp_path / "pipe.json")
    for name in ("latin.json", "folder.json", "pipe.json"):
        with pytest.raises(RenexError, match="invalid_argument"):
            read_values(str(tmp_path / name), {})


def test_a_missing_file_offers_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").touch()
    with pytest.raises(RenexError, match=r"not_found.*confg\.yaml[^?]*config\.yaml"):
        read_values(str(tmp_path / "confg.yaml"), {})


def test_an_unknown_variable_offers_the_nearest() -> None:
    with pytest.raises(RenexError, match=r"no variable 'confg'[^?]*config"):
        read_values("confg", {"config": {}, "_confg": 1})


def test_a_name_too_long_for_a_file_is_an_unknown_variable() -> None:
    with pytest.raises(RenexError, match="not_found"):
        read_values("x" * 5000, {})


Pair = namedtuple("Pair", "lr steps")  # noqa: PYI024  # as users write them


@pytest.mark.parametrize(
    "value",
    [
        {"lr": 0.1, "steps": 2},
        Pair(0.1, 2),
        argparse.Namespace(lr=0.1, steps=2),
        SimpleNamespace(lr=0.1, steps=2),
        pd.Series({"lr": 0.1, "steps": 2}, dtype=object),
        Reference(lr=np.float64(0.1), steps=np.int32(2)),
    ],
)
def test_every_kind_of_config_object_gives_the_same_values(value: object) -> None:
    found = read_values("cfg", {"cfg": value})
    assert found == {"lr": 0.1, "steps": 2}
    assert [type(each) for each in found.values()] == [float, int]


def test_nesting_is_kept_through_every_kind_of_object() -> None:
    config = {"optimizer": Optimizer(0.1, (0.9, 0.99)), "model": Container(), 3: SimpleNamespace(x=[Pair(1, 2)])}
    expected = {
        "optimizer": {"lr": 0.1, "betas": [0.9, 0.99]},
        "model": {"a": {"b": 1}},
        "3": {"x": [{"lr": 1, "steps": 2}]},
    }
    assert from_object(config, "config") == expected


def test_scalars_become_python_values() -> None:
    class Mode(Enum):
        FAST = "fast"

    values = {
        "f32": np.float32(0.5), "nan": np.float32("nan"), "bool": np.bool_(True), "zero_d": np.array(3),
        "text": np.str_("a"),
        "path": Path("a/b"), "mode": Mode.FAST, "at": datetime(2024, 1, 1, tzinfo=UTC), "day": date(2024, 1, 2),
    }  # fmt: skip
    found = from_object(values, "config")
    assert math.isnan(found.pop("nan"))
    assert [*map(type, found.values())] == [float, bool, int, str, str, str, str, str]
    assert found["day"] == "2024-01-02"


def test_a_single_number_is_kept_under_its_name() -> None:
    assert read_values("lr", {"lr": 0.1}) == {"lr": 0.1}


def test_what_cannot_be_kept_is_named_by_its_key_path() -> None:
    with pytest.raises(RenexError) as caught:
        from_object({"stages": [{"model": Sequential()}]}, "config")
    assert caught.value.code == "unsupported_value"
    assert caught.value.message == "config['stages'][0]['model'] is Sequential, which cannot be kept."
    assert caught.value.hint


@pytest.mark.parametrize("value", [pd.DataFrame({"a": [1]}), np.zeros((2, 2)), b"x", {1}, Sequential, math, print, 1j])
def test_data_and_code_are_no_config(value: object) -> None:
    with pytest.raises(RenexError, match=r"config\['x'\] is "):
        from_object({"x": value}, "config")


def test_a_config_that_holds_itself_ends() -> None:
    config: dict[str, Any] = {}
    config["again"] = config
    with pytest.raises(RenexError, match="deeper"):
        from_object(config, "config")


def test_a_config_that_fails_when_read_says_why() -> None:
    with pytest.raises(RenexError, match="missing mandatory value: lr"):
        from_object(Reference(lr="???"), "config")


def test_metrics_are_numbers_nested_or_not() -> None:
    assert metrics_from({"acc": np.float32(0.5), "per": {"cat": 0.0}, "ok": True}) == {
        "acc": 0.5, "per": {"cat": 0.0}, "ok": True,
    }  # fmt: skip
    assert metrics_from("acc=0.93") == {"acc": 0.93}
    assert math.isnan(metrics_from("loss=nan")["loss"])
    assert metrics_from("loss=-inf") == {"loss": -math.inf}


@pytest.mark.parametrize("value", ["good", None, [1, 2]])
def test_a_metric_that_is_no_number_is_refused_by_name(value: object) -> None:
    with pytest.raises(RenexError, match=r"unsupported_value: metrics\['a'\]\['b'\] is"):
        metrics_from({"a": {"b": value}})


def test_a_config_of_omegaconf_is_kept_with_its_references_resolved() -> None:
    config = OmegaConf.create({"lr": 0.1, "opt": {"name": "adam", "rate": "${lr}"}, "sizes": [1, 2], "none": None})
    assert read_values("config", {"config": config}) == {
        "lr": 0.1,
        "opt": {"name": "adam", "rate": 0.1},
        "sizes": [1, 2],
        "none": None,
    }
    with pytest.raises(RenexError) as caught:
        read_values("config", {"config": OmegaConf.create({"lr": "???", "b": "${nowhere}"})})
    assert caught.value.code == "unsupported_value"
