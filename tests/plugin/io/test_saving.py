from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers import Image, Layer
from napari.utils.notifications import notification_manager
from npe2 import PluginManifest

from napari_vaesr.engine.record import ModelVersion, Record, RecordedInput
from napari_vaesr.engine.result import Result
from napari_vaesr.engine.settings import make_settings
from napari_vaesr.errors import VaesrError
from napari_vaesr.files.image import read_image
from napari_vaesr.imaging.axes import Axes
from napari_vaesr.imaging.intensity import IntensityScaling
from napari_vaesr.imaging.region import Region
from napari_vaesr.plugin.io.opening import open_upscaled
from napari_vaesr.plugin.io.reader import read_upscaled
from napari_vaesr.plugin.io.saving import write_result, write_tiff, write_zarr
from napari_vaesr.plugin.viewer.layers import layer_tuples, metadata
from napari_vaesr.plugin.viewer.results import results

SUFFIXES = [".ome.tif", ".ome.zarr"]

oblique = pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")


def made(shape, axes, kind="std", dtype="uint16", **place):
    """Layers of a result, without a network."""
    rng = np.random.default_rng(0)
    rgb = "S" in axes
    source = Image(rng.integers(0, 255, shape).astype(dtype), rgb=rgb, name="cells", **place)
    result_shape = tuple(2 * n if name in "YX" else n for n, name in zip(shape, axes, strict=True))
    mean = rng.integers(0, 200, result_shape).astype(dtype)
    std = rng.random(result_shape[:-1] if rgb else result_shape).astype("float32")
    uncertainty = np.stack([std, std + 1]) if kind == "interval" else std
    record = Record(
        model=ModelVersion(name="tiny", version="0", sha256=""),
        settings=make_settings(uncertainty=kind),
        axes=axes,
        input=RecordedInput(shape=shape, dtype=dtype),
        intensity=[IntensityScaling(offset=0, gain=1)] * (shape[axes.index("C")] if "C" in axes else 1),
        extent=Region().of(Axes.parse(axes, shape).lengths),
    ).plain()
    result = Result(mean, std, uncertainty, record, axes)
    layers = [Layer.create(*each) for each in layer_tuples(result, source, axes, 2, kind)]
    return source, layers


def saved_and_opened(layers, path):
    assert write_result(str(path), [layer.as_layer_data_tuple() for layer in layers]) == [str(path)]
    return [Layer.create(*each) for each in read_upscaled(path)]


@oblique
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("shape", "axes", "kind", "dtype"),
    [
        ((12, 16), "YX", "std", "uint8"),
        ((1, 12, 16), "ZYX", "std", "uint16"),
        ((2, 3, 20, 16), "TZYX", "variance", "float32"),
        ((2, 3, 10, 12), "CZYX", "std", "uint16"),
        ((10, 12, 3), "YXZ", "relative", "uint16"),
        ((10, 12, 3), "YXS", "std", "uint8"),
        ((3, 10, 12), "ZYX", "interval", "uint16"),
        ((10, 12), "YX", "std", "uint32"),
    ],
)
def test_a_result_opens_as_it_was_saved(tmp_path, suffix, shape, axes, kind, dtype):
    ndim = len(axes.replace("S", ""))
    place = {
        "scale": np.linspace(0.3, 2, ndim),
        "translate": np.arange(ndim) - 0.7,
        "units": ("um",) * ndim,
        "axis_labels": tuple(axes.replace("S", "").lower()),
    }
    if ndim == 3:
        place |= {"rotate": (10, 20, 30), "affine": np.diag([1, 2, 3, 1.0])}
    _, layers = made(shape, axes, kind, dtype, **place)
    if "S" not in axes:
        layers[0].colormap, layers[0].contrast_limits, layers[0].gamma = "green", (3, 90), 0.8
    layers[1].visible, layers[0].opacity = True, 0.6
    opened = saved_and_opened(layers, tmp_path / f"result{suffix}")
    assert [layer.name for layer in opened] == [layer.name for layer in layers]
    for before, after in zip(layers, opened, strict=True):
        assert after.data.dtype == before.data.dtype and after.rgb == before.rgb
        np.testing.assert_array_equal(np.asarray(after.data), before.data)
        corner = np.array(before.data.shape[: before.ndim]) - 0.5
        for index in (corner, -0.5 * np.ones(before.ndim)):
            np.testing.assert_allclose(
                after.data_to_world(index), before.data_to_world(index), rtol=0, atol=1e-9
            )
        assert after.units == before.units and after.axis_labels == before.axis_labels
        assert (after.visible, after.opacity) == (before.visible, before.opacity)
        if not before.rgb:
            np.testing.assert_allclose(after.colormap.colors, before.colormap.colors, atol=1e-6)
            assert tuple(after.contrast_limits) == tuple(before.contrast_limits)
        told = after.metadata["napari_vaesr"]
        assert told["axes"] == axes and told["source"]["name"] == "cells"
    assert len(results(opened)) == 1
    assert not results([layers[0], *opened[1:]]), "what was opened is a result of its own"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_mirrored_layers_are_right_in_other_programs(tmp_path, suffix):
    place = {"scale": (2, -0.5, 0.25), "translate": (1, 2, 3), "axis_labels": tuple("zyx")}
    _, layers = made((3, 10, 12), "ZYX", **place)
    path = tmp_path / f"saved{suffix}"
    opened = saved_and_opened(layers, path)
    for before, after in zip(layers, opened, strict=True):
        np.testing.assert_array_equal(after.data, before.data)
        np.testing.assert_array_equal(after.scale, before.scale)
    image = read_image(path)
    mean = np.asarray(image.data)[(slice(None), 0) if image.axes.startswith("ZC") else 0]
    np.testing.assert_array_equal(mean, layers[0].data[:, ::-1])
    assert image.pixel_size["Y"] == 0.25
    last = layers[0].data_to_world((0, 19, 0))
    assert image.offset == pytest.approx(dict(zip("ZYX", last, strict=True)))


def test_layers_that_are_turned_back_are_saved_as_they_are_now(tmp_path):
    _, layers = made((10, 12), "YX", scale=(-0.5, 0.25))
    opened = saved_and_opened(layers, tmp_path / "mirrored.ome.tif")
    for layer in opened:
        layer.scale = np.abs(layer.scale)
    again = saved_and_opened(opened, tmp_path / "upright.ome.tif")
    for before, after in zip(opened, again, strict=True):
        np.testing.assert_array_equal(after.data, before.data)
        np.testing.assert_array_equal(after.scale, before.scale)


def test_what_a_file_has_no_words_for_is_said(tmp_path):
    before = len(notification_manager.records)
    _, layers = made((10, 12), "YX", rotate=30)
    saved_and_opened(layers, tmp_path / "a.ome.tif")
    said = [record.message for record in notification_manager.records[before:]]
    assert any("rotation" in each for each in said) and not any("shear" in each for each in said)


@oblique
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_others_see_channels_and_pixel_sizes(tmp_path, suffix):
    _, layers = made((3, 10, 12), "ZYX", scale=(2, 0.5, 0.5), units=("um",) * 3)
    path = tmp_path / f"result{suffix}"
    saved_and_opened(layers, path)
    image = read_image(path)
    assert image.pixel_size == {"Z": 2, "Y": 0.25, "X": 0.25}
    assert set(image.units.values()) == {"micrometer"}
    if suffix == ".ome.tif":
        assert image.channel_names == ("mean", "std")
        assert tifffile.imread(path).shape == (3, 2, 20, 24)
    else:
        import zarr

        assert zarr.open_group(path).attrs["ome"]["version"] == "0.5"
        json.dumps(dict(zarr.open_group(path).attrs))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_saving_again_replaces_and_a_failure_leaves_what_was_there(tmp_path, suffix, monkeypatch):
    _, layers = made((10, 12), "YX")
    path = tmp_path / f"result{suffix}"
    saved_and_opened(layers, path)
    layers[0].data = layers[0].data + 1
    opened = saved_and_opened(layers, path)
    np.testing.assert_array_equal(np.asarray(opened[0].data), layers[0].data)

    import napari_vaesr.plugin.io.saving

    def broken(*_):
        yield np.zeros((2, 20, 24), "float32")
        raise RuntimeError

    monkeypatch.setattr(napari_vaesr.plugin.io.saving, "_planes", broken)
    with pytest.raises(RuntimeError):
        write_result(path, [layer.as_layer_data_tuple() for layer in layers])
    np.testing.assert_array_equal(np.asarray(opened[0].data), layers[0].data)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_what_is_not_one_result_is_refused(tmp_path):
    source, layers = made((10, 12), "YX")
    _, others = made((10, 12), "YX")
    for chosen in ([source], [layers[0], others[1]], [layers[1]]):
        with pytest.raises(VaesrError, match="of one result"):
            write_result(tmp_path / "a.ome.tif", [layer.as_layer_data_tuple() for layer in chosen])
    assert not list(tmp_path.iterdir())


def test_samples_and_sources_among_them_are_left_out(tmp_path):
    source, layers = made((10, 12), "YX")
    told = layers[0].metadata["napari_vaesr"]
    samples = Image(
        np.zeros((4, 20, 24), "uint16"),
        metadata=metadata(told, source, "YX", "samples", told["layer"]["result"]),
    )
    assert len(saved_and_opened([source, samples, *layers], tmp_path / "a.ome.tif")) == 2


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_through_napari(tmp_path, suffix, npe2pm):
    npe2pm.register(PluginManifest.from_distribution("napari-vaesr"))
    _, layers = made((3, 10, 12), "ZYX")
    viewer = ViewerModel()
    viewer.layers.extend(layers)
    path = tmp_path / f"result_x2{suffix}"
    assert viewer.layers.save(str(path), plugin="napari-vaesr") == [str(path)]
    again = ViewerModel()
    if path.is_file():
        again.open(path, plugin="napari-vaesr")
    else:  # folders are left to napari
        open_upscaled(path, again)
    np.testing.assert_array_equal(np.asarray(again.layers[0].data), layers[0].data)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("axes", "shape", "kind", "extent"),
    [
        ("ZYX", (3, 12, 16), "std", ()),
        ("ZYX", (3, 12, 16), "interval", ("--extent", "Z=1,Y=2:10,X=4:12")),
        ("CYX", (2, 12, 16), "relative", ()),
        ("YXS", (12, 16, 3), "std", ()),
    ],
)
def test_what_the_command_line_wrote_is_not_upscaled_again(
    tmp_path, tiny_model_path, axes, shape, kind, extent, suffix
):
    from typer.testing import CliRunner

    from napari_vaesr import upscale
    from napari_vaesr.cli import app

    pixels = np.random.default_rng(0).integers(50, 200, shape).astype("uint8")
    source = tmp_path / "in.tif"
    tifffile.imwrite(
        source,
        pixels,
        photometric="rgb" if axes == "YXS" else "minisblack",
        metadata={"axes": axes},
        ome=True,
    )
    common = ("--samples", 2, "--device", "cpu", "--precision", "float32", "--uncertainty", kind)
    output = tmp_path / f"out{suffix}"
    words = ["upscale", source, output, "--model", tiny_model_path, *common, *extent]
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    assert read_image(output).annotation["files"]["input"] == str(source)
    layers = [Layer.create(*each) for each in read_upscaled(output)]
    expected = upscale(
        pixels,
        axes,
        model=tiny_model_path,
        samples=2,
        device="cpu",
        precision="float32",
        uncertainty=kind,
        extent=extent[1] if extent else None,
    )
    assert layers[0].rgb == (axes == "YXS")
    np.testing.assert_array_equal(np.asarray(layers[0].data), expected.mean)
    maps = expected.uncertainty if kind == "interval" else [expected.uncertainty]
    for layer, data in zip(layers[1:], maps, strict=True):
        np.testing.assert_allclose(np.asarray(layer.data), data, rtol=1e-5)
    (shown,) = results(layers)
    assert shown.record["source"]["name"] == "in"
    if kind != "relative":  # a mean of integers is rounded and clipped
        np.testing.assert_allclose(np.asarray(shown.std()), expected.std, rtol=1e-2, atol=0.5)
    if extent:
        np.testing.assert_allclose(layers[0].data_to_world((0, -0.5, -0.5)), (1, 1.5, 3.5))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_one_plane_and_one_channel_of_the_command_line_lie_where_they_are(tmp_path, tiny_model_path, suffix):
    from typer.testing import CliRunner

    from napari_vaesr.cli import app

    sizes = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 3.0}
    source, output = tmp_path / "in.ome.tif", tmp_path / f"out{suffix}"
    tifffile.imwrite(source, np.zeros((2, 3, 12, 16), "uint8"), metadata={"axes": "CZYX", **sizes})
    words = ["upscale", source, output, "--model", tiny_model_path, "--samples", 2, "--extent", "C=1,Z=1"]
    assert CliRunner().invoke(app, [str(word) for word in words]).exit_code == 0
    for attributes in (each[1] for each in read_upscaled(output)):
        np.testing.assert_allclose(attributes["scale"], (1, 3, 0.25, 0.25))
        np.testing.assert_allclose(attributes["translate"], (1, 3, -0.125, -0.125))
        assert len(set(map(str, attributes["units"][1:]))) == 1


@pytest.mark.parametrize(("write", "added"), [(write_tiff, ".ome.tif"), (write_zarr, ".ome.zarr")])
def test_a_path_without_an_ending_gets_that_of_its_kind(tmp_path, write, added):
    _, layers = made((12, 16), "YX")
    tuples = [layer.as_layer_data_tuple() for layer in layers]
    assert write(str(tmp_path / "v1.2"), tuples) == [str(tmp_path / f"v1.2{added}")]
    assert len(read_upscaled(tmp_path / f"v1.2{added}")) == 2
    with pytest.raises(VaesrError, match="there already"):
        write(tmp_path / "v1.2", tuples)
    assert write(tmp_path / f"v1.2{added}", tuples) == [str(tmp_path / f"v1.2{added}")]
