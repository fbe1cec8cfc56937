"""What the panel saves is what it shows."""

from __future__ import annotations

import csv
import gc
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Layer
from PIL import Image as Picture

from napari_vaesr.engine.result import Result
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.region import Factors
from napari_vaesr.plugin.inspect.export import _plane, write_movie, write_plane, write_profile
from napari_vaesr.plugin.inspect.line_profile import line_profile, source_along
from napari_vaesr.plugin.viewer.layers import layer_tuples, upscale_layer
from napari_vaesr.plugin.viewer.results import results


@pytest.fixture
def shown():
    """A ramp along X, upscaled as it should be, with three samples."""
    source = Image(
        np.tile(np.arange(20.0, dtype="float32"), (2, 10, 1)),
        name="ramp",
        scale=(3, 1, 1),
        translate=(0, 5, 7),
    )
    mean = np.tile((np.arange(40, dtype="float32") + 0.5) / 2 - 0.5, (2, 20, 1))
    std = np.ones_like(mean)
    samples = np.stack([mean, mean + 4, mean - 4])
    viewer = ViewerModel()
    viewer.layers.append(source)
    for each in layer_tuples(Result(mean, std, std, {}, "ZYX", samples), source, "ZYX", 2):
        viewer.layers.append(Layer.create(*each))
    result = results(viewer.layers)[0]
    result.__dict__["made"] = SimpleNamespace(
        axes="ZYX",
        calibration=(),
        intensity=(),
        region={},
        extent={"Z": range(2), "Y": range(10), "X": range(20)},
        settings=SimpleNamespace(factors=Factors.of(2)),
    )
    return viewer, source, result


def test_the_source_is_read_where_the_mean_is(shown, tmp_path):
    viewer, source, result = shown
    ends = [source.data_to_world((1, 4, 2)), source.data_to_world((1, 4, 15))]
    point = viewer.dims.point[:-3] + tuple(ends[0])
    profile = line_profile(result, np.array(ends), point[-3:], (1, 2), source.units)
    values = source_along(result, source, profile)
    np.testing.assert_allclose(values, profile.mean, atol=1e-5)
    source.translate, source.scale = (50, -100, 300), (1, 2, 2)  # moved since
    np.testing.assert_array_equal(source_along(result, source, profile), values)
    write_profile(tmp_path / "line.csv", profile, values)
    with (tmp_path / "line.csv").open() as file:
        table = list(csv.reader(file))
    assert table[0][1:] == ["mean", "lower bound of 90 %", "upper bound of 90 %", "source"]
    assert len(table) == 1 + len(values) and float(table[1][4]) == pytest.approx(values[0])


@pytest.mark.parametrize("extent", [{}, {"Z": range(2, 5), "X": range(3, 13)}], ids=["all", "part"])
def test_the_plane_of_the_source_is_the_one_that_a_plane_made_lies_in(
    tmp_path, deep_model_path, monkeypatch, extent
):
    stack = np.random.default_rng(0).integers(0, 99, (6, 12, 14)) + 1000 * np.arange(6).reshape(6, 1, 1)
    source = Image(stack.astype("uint16"), axis_labels=("z", "y", "x"), scale=(2, 1, 1))
    options = {"scale": {"Z": 2, "Y": 2, "X": 2}, "samples": 2, "extent": extent}
    made = [Layer.create(*each) for each in upscale_layer(source, model=deep_model_path, **options)]
    (result,) = results(made)
    drawn = []
    monkeypatch.setattr(
        "napari_vaesr.files.figure.write_figure", lambda path, low, mean, *_: drawn.append((low, mean))
    )
    first = extent.get("Z", range(6)).start
    for number in range(result.mean.data.shape[0]):
        write_plane(tmp_path / "a.png", result, source, result.mean.data_to_world((number, 0, 0)), None)
        low, mean = drawn[-1]
        assert low.shape == (mean.shape[0] // 2, mean.shape[1] // 2)
        assert low.min() // 1000 == first + number // 2
        np.testing.assert_array_equal(mean, result.mean.data[number])


def test_the_figure_of_a_mirrored_layer_has_a_scale_bar(tmp_path, tiny_model_path):
    pixels = np.random.default_rng(0).integers(0, 99, (12, 14)).astype("uint16")
    source = Image(pixels, scale=(0.5, -0.5), units=("um", "um"))
    made = [Layer.create(*each) for each in upscale_layer(source, model=tiny_model_path, samples=2)]
    write_plane(tmp_path / "a.png", results(made)[0], source, (0, 0), None)
    assert (tmp_path / "a.png").stat().st_size > 1000


@pytest.mark.parametrize("dtype, white", [("uint8", 255), ("uint16", 65535), ("float32", 1)])
def test_a_movie_has_the_colours_that_are_shown(tmp_path, dtype, white):
    frames = (np.array([0.0, 0.4, 0.8]).reshape(3, 1, 1, 1) * white * np.ones((3, 8, 8, 3))).astype(dtype)
    write_movie(tmp_path / "samples.gif", Image(frames, rgb=True), (0, 0, 0), None)
    with Picture.open(tmp_path / "samples.gif") as movie:
        levels = []
        for number in range(3):
            movie.seek(number)
            levels.append(np.asarray(movie.convert("L"), float).mean())
    np.testing.assert_allclose(levels, [0, 102, 204], atol=2)


def test_samples_are_a_movie(shown, tmp_path):
    viewer, _, _ = shown
    samples = viewer.layers["ramp x2 samples"]
    assert not samples.visible
    write_movie(tmp_path / "samples.gif", samples, viewer.dims.point, viewer.dims.units)
    with Picture.open(tmp_path / "samples.gif") as movie:
        assert getattr(movie, "n_frames", 1) == 3 and movie.size == (40, 20)
        levels = []
        for number in range(3):
            movie.seek(number)
            levels.append(np.asarray(movie.convert("L"), float).mean())
    assert levels[2] < levels[0] < levels[1]


# imageio-ffmpeg leaves its pipes to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_samples_are_an_mp4_too(shown, tmp_path):
    from imageio_ffmpeg import read_frames

    viewer, _, _ = shown
    path = tmp_path / "samples.mp4"
    write_movie(path, viewer.layers["ramp x2 samples"], viewer.dims.point, viewer.dims.units)
    frames = read_frames(str(path))
    assert next(frames)["size"] == (40, 20)
    assert len(list(frames)) == 3
    del frames
    gc.collect()


def test_an_mp4_without_its_extra_is_told(shown, tmp_path, monkeypatch):
    viewer, _, _ = shown
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(VaesrError, match="extra movie"):
        write_movie(
            tmp_path / "samples.mp4", viewer.layers["ramp x2 samples"], viewer.dims.point, viewer.dims.units
        )
    assert not list(tmp_path.iterdir())


def test_of_a_sheared_stack_it_takes_the_plane_that_napari_shows():
    shear = np.array([[1, 0.3, 0], [0, 1, 0], [0, 0, 1]])
    layer = Image(np.zeros((20, 40, 50)), scale=(1, 0.2, 0.2), shear=shear)
    assert [_plane(layer, (plane, 4, 5), None)[0] for plane in (2, 5, 8)] == [2, 5, 8]
