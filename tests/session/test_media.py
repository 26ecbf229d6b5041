"""Texts, dicts, tables, images, figures and histograms: what comes back is what was logged."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import zlib
from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from told import heard

import renex_jupyter as rx
from renex_jupyter.errors import RenexError
from renex_jupyter.records.artifacts import Artifact
from renex_jupyter.records.histograms import histogram
from renex_jupyter.records.images import png
from renex_jupyter.session.current import current

KEYS = [0, 1, 2]


def content(artifact: Artifact | None) -> bytes:
    assert artifact is not None
    assert artifact.sha256 is not None
    return current().store.blobs.get(artifact.sha256)


def pixels(data: bytes) -> np.ndarray[Any, Any]:
    """Decode a PNG as its specification says, by nothing of ours."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height, depth, colour = int.from_bytes(data[16:20]), int.from_bytes(data[20:24]), data[24], data[25]
    assert depth == 8
    channels = {0: 1, 4: 2, 2: 3, 6: 4}[colour]
    place, body = 8, b""
    while place < len(data):
        size, name = int.from_bytes(data[place : place + 4]), data[place + 4 : place + 8]
        part = data[place + 8 : place + 8 + size]
        assert zlib.crc32(name + part) == int.from_bytes(data[place + 8 + size : place + 12 + size])
        body += part if name == b"IDAT" else b""
        place += 12 + size
    raw, stride = zlib.decompress(body), width * channels
    rows: list[bytearray] = []
    for row in range(height):
        start = row * (stride + 1)
        kind, line = raw[start], bytearray(raw[start + 1 : start + 1 + stride])
        for at in range(stride):
            left = line[at - channels] if at >= channels else 0
            above = rows[-1][at] if rows else 0
            line[at] = (line[at] + {0: 0, 1: left, 2: above}[kind]) % 256
        rows.append(line)
    found = np.frombuffer(b"".join(rows), np.uint8).reshape(height, width, channels)
    return found[:, :, 0] if channels == 1 else found


@pytest.mark.usefixtures("project")
def test_a_text_and_a_dict_come_back_as_they_were() -> None:
    with rx.start_run("train") as run:
        text = rx.log_text("Größe\n\x00 5 µm", "notes/report.md", step=3)
        kept = rx.log_dict(
            {"a": [1, 2.5, None, True], "b": {"c": "ü"}, 3: np.float32(0.5), "n": math.nan}, "config.json"
        )
    assert text is not None
    assert (text.kind, text.mime, text.step, text.run_id) == ("text", "text/markdown", 3, run.run_id)
    assert content(text).decode() == "Größe\n\x00 5 µm"
    assert kept is not None
    assert (kept.kind, kept.mime) == ("dict", "application/json")
    assert json.loads(content(kept)) == {"a": [1, 2.5, None, True], "b": {"c": "ü"}, "3": 0.5, "n": "NaN"}
    listed = rx.list_artifacts(run)
    assert set(listed["kind"]) == {"text", "dict"}


@pytest.mark.usefixtures("project")
def test_secrets_are_not_kept_with_a_dict_or_a_text() -> None:
    with rx.start_run("train"):
        kept = rx.log_dict({"password": "correct horse", "url": "postgres://ada:tulip@db/x", "lr": 1}, "config.json")
        text = rx.log_text("postgres://ada:tulip@db/x", "log.txt")
    assert json.loads(content(kept))["lr"] == 1
    for word in (b"correct horse", b"tulip"):
        assert word not in content(kept) + content(text)


@pytest.mark.usefixtures("project")
def test_the_same_name_at_many_steps_is_a_series_and_the_same_content_is_kept_once() -> None:
    with rx.start_run("train") as run:
        for step in (0, 5, 5, -1):
            rx.log_image(np.zeros((4, 4), np.uint8), "sample", step=step)
    listed = rx.list_artifacts(run, kind="image")
    assert sorted(listed["step"]) == [-1, 0, 5, 5]
    assert set(listed["name"]) == {"sample"}
    assert listed["sha256"].nunique() == 1


@pytest.mark.usefixtures("project")
def test_media_belong_to_what_on_means() -> None:
    with rx.start_run("train"):
        rx.log_metric("loss", 1)
    owned = rx.log_text("observed", "notes.txt", on="experiment:default")
    assert owned is not None
    assert owned.owner_kind == "experiment"
    with pytest.raises(RenexError, match="not_found"):
        rx.log_text("lost", "notes.txt", on="experiment:none")


TABLES: dict[str, Any] = {
    "a frame": pd.DataFrame({"a": [1, 2], "b": [0.1, math.nan], "c": ["x", None], "d": [True, False]}),
    "times": pd.DataFrame({"at": pd.to_datetime(["2026-01-01", None], utc=True)}),
    "numbers as names": pd.DataFrame([[1, 2]], columns=[0, 1]),
    "none": pd.DataFrame({"a": pd.Series([], dtype="float64")}),
    "an index": pd.DataFrame({"a": [1, 2]}, index=["p", "q"]),
    "a dict of columns": {"a": [1, 2], "b": ["x", "y"]},
    "a list of dicts": [{"a": 1, "b": 2}, {"a": 3}],
    "great numbers": pd.DataFrame({"a": [2**62, -(2**62)], "b": [5e-324, 1.7976931348623157e308]}),
    "infinities": pd.DataFrame({"a": [math.inf, -math.inf, math.nan]}),
}


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("arrow", [True, False])
def test_a_table_comes_back_as_it_was(name: str, arrow: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from renex_jupyter.session import tables

    if arrow:
        pytest.importorskip("pyarrow")
    else:
        monkeypatch.setattr(tables, "find_spec", lambda _: None)
    with rx.start_run("train"):
        kept = rx.log_table(TABLES[name], "predictions", step=1)
    assert kept is not None
    assert kept.mime == (tables.PARQUET if arrow else tables.JSON)
    expected = TABLES[name] if isinstance(TABLES[name], pd.DataFrame) else pd.DataFrame(TABLES[name])
    expected = expected.set_axis([str(each) for each in expected.columns], axis=1)
    for given in (kept, kept.artifact_id, "predictions"):
        found = rx.load_table(given)
        if not arrow:
            expected = expected.reset_index(drop=True)
        pd.testing.assert_frame_equal(found, expected, check_index_type=False)


@pytest.mark.usefixtures("project")
def test_a_column_of_mixed_values_is_kept_too() -> None:
    frame = pd.DataFrame({"a": [1, "x", None, [1, 2], {"k": 1}], "b": [1, 2, 3, 4, 5]})
    with rx.start_run("train"):
        kept = rx.log_table(frame, "mixed")
    assert kept is not None
    assert rx.load_table(kept)["a"].tolist()[:2] == [1, "x"]
    assert rx.load_table(kept)["b"].tolist() == [1, 2, 3, 4, 5]


@pytest.mark.usefixtures("project")
def test_what_is_no_table_is_not_loaded_as_one() -> None:
    with rx.start_run("train"):
        text = rx.log_text("a", "a.txt")
    with pytest.raises(RenexError, match="no table") as caught:
        rx.load_table(text)  # type: ignore[arg-type]
    assert caught.value.code == "invalid_argument"


RANDOM = np.random.default_rng(7)
IMAGES = {
    "grey": RANDOM.integers(0, 256, (5, 7), np.uint8),
    "colour": RANDOM.integers(0, 256, (6, 3, 3), np.uint8),
    "opacity": RANDOM.integers(0, 256, (1, 9, 4), np.uint8),
    "one pixel": np.array([[7]], np.uint8),
    "a ramp": np.tile(np.arange(200, dtype=np.uint8), (50, 1)),
    "not contiguous": RANDOM.integers(0, 256, (8, 8, 3), np.uint8)[::2, ::-1],
}


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("name", IMAGES)
def test_an_array_of_pixels_is_a_png_of_these_pixels(name: str) -> None:
    with rx.start_run("train"):
        kept = rx.log_image(IMAGES[name], "sample", step=2)
    assert kept is not None
    assert (kept.kind, kept.mime, kept.step) == ("image", "image/png", 2)
    assert (pixels(content(kept)) == IMAGES[name]).all()
    assert kept.metadata == {"height": IMAGES[name].shape[0], "width": IMAGES[name].shape[1]}


def test_floats_from_0_to_1_and_bools_are_pixels() -> None:
    grey = np.linspace(0, 1, 256).reshape(16, 16)
    assert (pixels(png("x", grey)) == np.arange(256).reshape(16, 16)).all()
    assert (pixels(png("x", grey.astype(np.float32))) == np.arange(256).reshape(16, 16)).all()
    assert pixels(png("x", np.array([[True, False]]))).tolist() == [[255, 0]]
    assert pixels(png("x", np.zeros((2, 2, 1)))).tolist() == [[0, 0], [0, 0]]


def test_a_smooth_image_is_smaller_than_its_pixels() -> None:
    ramp = np.add.outer(np.arange(256), np.arange(256)).astype(np.uint8)
    assert len(png("x", ramp)) < ramp.size / 20


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    "image",
    [
        np.zeros(3, np.uint8),
        np.zeros((2, 2, 5), np.uint8),
        np.zeros((0, 4), np.uint8),
        np.zeros((2, 2), np.int64),
        np.full((2, 2), 1.5),
        np.full((2, 2), -0.1),
        np.array([[math.nan, 0.5]]),
        np.array([["a"]]),
        np.zeros((2, 2), complex),
        [[1, 2], [3]],
        b"%PDF-1.7",
        b"",
        object(),
        None,
        go.Figure(),
    ],
)
def test_what_is_no_picture_is_told_and_does_not_stop_the_program(image: Any) -> None:
    with rx.start_run("train"), heard() as said:
        assert rx.log_image(image, "sample") is None
        rx.log_metric("loss", 1)
    assert len(said) == 1, said
    assert "image 'sample'" in said[0]
    assert "not kept" in said[0]


@pytest.mark.usefixtures("project")
def test_the_bytes_and_the_file_of_an_image_are_kept_as_they_are(project: Path) -> None:
    data = png("x", IMAGES["colour"])
    (project / "sample.png").write_bytes(data)
    (project / "sample.txt").write_text("none")
    with rx.start_run("train"), heard() as said:
        of_bytes, of_path = rx.log_image(data, "bytes"), rx.log_image(project / "sample.png", "path", step=4)
        named = rx.log_image("sample.png", "text")
        refused = rx.log_image("sample.txt", "other")
    assert [content(each) for each in (of_bytes, of_path, named)] == [data] * 3
    assert of_path is not None
    assert (of_path.kind, of_path.mime, of_path.step) == ("image", "image/png", 4)
    assert refused is None
    assert "sample.txt" in said[0]
    jpeg = rx.log_image(b"\xff\xd8\xff\xe0rest", "photo")
    assert jpeg is not None
    assert jpeg.mime == "image/jpeg"
    with pytest.raises(RenexError, match="not_found"):
        rx.log_image("none.png", "none")


def numbers(column: Any) -> list[float]:
    """Return numbers as plotly.js reads them: a list, or bytes in base64."""
    return list(np.frombuffer(b64decode(column["bdata"]), column["dtype"]) if isinstance(column, dict) else column)


@pytest.mark.usefixtures("project")
def test_a_figure_of_plotly_is_its_data_and_layout_and_never_html() -> None:
    figure = go.Figure(go.Scatter(x=[1, 2, 3], y=np.array([0.1, 0.2, 0.3])), {"title": {"text": "</script>"}})
    with rx.start_run("train"):
        kept, again = rx.log_figure(figure, "curve", step=1), rx.log_figure(figure.to_dict(), "dict")
    assert kept is not None
    assert (kept.kind, kept.mime) == ("figure", "application/vnd.plotly.v1+json")
    for each in (kept, again):
        shown = go.Figure(json.loads(content(each)))
        assert numbers(shown.data[0].y) == [0.1, 0.2, 0.3]
        assert shown.layout.title.text == "</script>"


@pytest.mark.usefixtures("project")
def test_a_figure_that_saves_itself_is_a_png() -> None:
    data = png("x", IMAGES["colour"])
    drawn = SimpleNamespace(savefig=lambda file, **_: file.write(data))
    axes = SimpleNamespace(get_figure=lambda: drawn)
    with rx.start_run("train"), heard() as said:
        kept = [rx.log_figure(drawn, "a"), rx.log_image(drawn, "b"), rx.log_figure(axes, "c")]
        assert rx.log_figure(42, "d") is None
    assert [content(each) for each in kept] == [data] * 3
    assert [each.kind for each in kept if each] == ["figure", "image", "figure"]
    assert "figure 'd'" in said[0]


@pytest.mark.usefixtures("project")
def test_real_libraries_of_images_and_tensors(project: Path) -> None:
    plt = pytest.importorskip("matplotlib.figure")
    image = pytest.importorskip("PIL.Image")
    figure = plt.Figure()
    figure.subplots().plot([1, 2])
    with rx.start_run("train"):
        for each in (figure, figure.axes[0]):
            assert pixels_of_any(content(rx.log_figure(each, "figure"))) > 1000
        assert (pixels(content(rx.log_image(image.fromarray(IMAGES["colour"]), "pil"))) >= 0).all()


def pixels_of_any(data: bytes) -> int:
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(data[16:20]) * int.from_bytes(data[20:24])


class Tensor:
    """As torch's: on another device, in a graph, channels first."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.array, self.shape, self.dtype = array, array.shape, f"torch.{array.dtype}"

    def detach(self) -> Tensor:
        return self

    def cpu(self) -> Tensor:
        return self

    def numpy(self) -> np.ndarray[Any, Any]:
        return self.array


@pytest.mark.usefixtures("project")
def test_a_tensor_with_its_channels_first_is_turned() -> None:
    with rx.start_run("train"):
        kept = rx.log_image(Tensor(IMAGES["not contiguous"].transpose(2, 0, 1)), "sample")
        same = rx.log_image(Tensor(IMAGES["not contiguous"]), "sample")
        counted = rx.log_histogram(Tensor(np.arange(10.0)), "weights")
    assert (pixels(content(kept)) == IMAGES["not contiguous"]).all()
    assert content(same) == content(kept)
    assert json.loads(content(counted))["max"] == 9


@pytest.mark.usefixtures("project")
def test_a_histogram_says_edges_counts_and_moments_and_counts_what_is_no_number() -> None:
    values = np.array([0.0, 1.0, 2.0, 3.0, math.nan, math.inf, math.inf, -math.inf])
    with rx.start_run("train"):
        kept = rx.log_histogram(values, "weights", step=7, bins=3)
    assert kept is not None
    assert (kept.kind, kept.step) == ("histogram", 7)
    found = json.loads(content(kept))
    assert found == {
        "edges": [0, 1, 2, 3], "counts": [1, 1, 2], "min": 0, "max": 3, "mean": 1.5, "std": pytest.approx(math.sqrt(1.25)),
        "count": 4, "nan": 1, "inf": 2, "minus_inf": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "bins"),
    [
        (np.zeros(10), 1),
        (np.full(3, 1e300), 1),
        ([1.0, math.nextafter(1.0, 2.0)], 1),
        (np.array([-1.7e308, 1.7e308]), 64),
        (np.array([5e-324, 0.0]), None),
        ([], 0),
        ([math.nan], 0),
        ([True, False, True], 64),
        (np.arange(6).reshape(2, 3), 64),
        (np.array([2**63], np.uint64), 1),
    ],
)
def test_a_histogram_of_any_numbers_counts_each_of_them_once(values: Any, bins: int | None) -> None:
    found = histogram("x", values)
    finite = np.asarray(values, float)[np.isfinite(np.asarray(values, float))]
    assert sum(found["counts"]) == found["count"] == finite.size
    assert len(found["edges"]) == len(found["counts"]) + (1 if finite.size else 0)
    assert bins is None or len(found["counts"]) == bins
    assert all(math.isfinite(each) for each in found["edges"])
    if finite.size:
        assert math.isfinite(found["mean"])
        assert math.isfinite(found["std"])
        assert (found["edges"][0], found["edges"][-1]) == (finite.min(), finite.max())


@pytest.mark.usefixtures("project")
def test_what_holds_no_numbers_is_told_and_a_wrong_argument_is_an_error() -> None:
    with rx.start_run("train"), heard() as said:
        for values in (["a"], [[1], [2, 3]], {"a": 1}, np.array([1j]), None):
            assert rx.log_histogram(values, "weights") is None
    assert len(said) == 5
    for wrong in (0, -1, True, 2.5, 10**6):
        with pytest.raises(RenexError, match="bins"):
            rx.log_histogram([1, 2], "weights", bins=wrong)  # type: ignore[arg-type]
    for name in ("", " ", "a/../b", 3, None, "a\0b", "x" * 501):
        with pytest.raises(RenexError) as caught:
            rx.log_text("a", name)  # type: ignore[arg-type]
        assert caught.value.code == "invalid_argument"
    with pytest.raises(RenexError, match="step"):
        rx.log_dict({}, "a", step="first")  # type: ignore[arg-type]
    rx.end_run()


class Bad:
    """A value that raises when it is looked at."""

    dtype = shape = None

    def tolist(self) -> Any:
        raise RuntimeError("of its own")

    def __array__(self, *_: Any) -> Any:
        raise RuntimeError("of its own")


@pytest.mark.usefixtures("project")
def test_no_value_stops_the_program() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with rx.start_run("train"), heard() as said:
        for value in (
            {"a": object()},
            {"a": endless},
            {1: 2, "1": 3},
            {"a": "\ud800"},
            {("a",): 1},
            {"a": Bad()},
            "text",
            3,
        ):
            assert rx.log_dict(value, "d") is None  # type: ignore[arg-type]
        assert rx.log_text(3, "t") is None  # type: ignore[arg-type]
        assert rx.log_text("\ud800", "t") is None
        for table in (3, "a", {"a": [1], "b": [1, 2]}, [1, 2]):
            assert rx.log_table(table, "t") is None
        assert rx.log_image(Bad(), "i") is None
        assert rx.log_histogram(Bad(), "h") is None
    assert len(said) == 16
    assert all("not kept" in each for each in said)


@pytest.mark.usefixtures("project")
def test_times_paths_and_arrays_in_a_dict_are_said() -> None:
    value = {
        "at": datetime(2026, 1, 2, tzinfo=UTC),
        "path": Path("a/b"),
        "array": np.eye(2),
        "n": np.int64(3),
        "t": (1, 2),
    }
    with rx.start_run("train"):
        kept = rx.log_dict(value, "config")
    expected = {"at": "2026-01-02T00:00:00+00:00", "path": "a/b", "array": [[1, 0], [0, 1]], "n": 3, "t": [1, 2]}
    assert json.loads(content(kept)) == expected


@pytest.mark.usefixtures("project")
def test_without_a_run_one_is_opened_with_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    kept = rx.log_text("a", "a.txt")
    assert kept is not None
    assert "no run was open" in capsys.readouterr().out
    assert rx.active_run() is not None
    rx.end_run()


def test_what_was_logged_before_a_kill_is_there(project: Path) -> None:
    program = (
        "import os, signal, numpy as np, renex_jupyter as rx\n"
        "rx.start_run('train')\n"
        "rx.log_image(np.zeros((2, 2), np.uint8), 'sample', step=1)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=project, check=False, capture_output=True, timeout=120)
    listed = rx.list_artifacts(kind="image")
    assert listed["step"].tolist() == [1]
    assert (pixels(current().store.blobs.get(listed["sha256"][0])) == 0).all()
