from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers import Layer
from napari.settings import get_plugin_settings
from npe2 import PluginManifest

from napari_vaesr.engine.result import DARKEST
from napari_vaesr.errors import VaesrError
from napari_vaesr.plugin.inspect.provenance import as_command, as_python
from napari_vaesr.plugin.io.opening import open_upscaled
from napari_vaesr.plugin.io.reader import get_reader, read_upscaled
from napari_vaesr.plugin.viewer.results import results
from napari_vaesr.plugin.viewer.sources import source_of


@pytest.fixture(autouse=True)
def preferences(plugin_settings, npe2pm, tiny_model_path):
    """The plugin alone, set to the tiny model."""
    npe2pm.register(PluginManifest.from_distribution("napari-vaesr"))
    upscaling = get_plugin_settings("napari-vaesr").upscaling
    upscaling.model, upscaling.samples, upscaling.device = str(tiny_model_path), 4, "cpu"
    return upscaling


@pytest.fixture
def stack_path(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 4000, (3, 12, 16)).astype("uint16")
    path = tmp_path / "cells.ome.tif"
    tifffile.imwrite(
        path,
        pixels,
        metadata={
            "axes": "ZYX",
            "PhysicalSizeX": 0.25,
            "PhysicalSizeXUnit": "µm",
            "PhysicalSizeY": 0.25,
            "PhysicalSizeYUnit": "µm",
            "PhysicalSizeZ": 2.0,
            "PhysicalSizeZUnit": "µm",
        },
    )
    return path


CASES = Path(__file__).parents[2] / "cases"


def test_all_scenes_are_opened():
    layers = [Layer.create(*made) for made in read_upscaled(str(CASES / "scenes.ome.tif"))]
    assert [layer.name for layer in layers[::3]] == ["scenes scene A", "scenes scene B"]
    assert [layer.data.shape for layer in layers[::3]] == [(32, 40), (48, 64)]
    assert layers[3].scale == pytest.approx([0.4, 0.4])
    assert "series='scene B'" in as_python(layers[4].metadata["napari_vaesr"])
    assert "--series 'scene B'" in as_command(layers[4].metadata["napari_vaesr"])


def test_a_well_of_a_plate_is_opened():
    layers = read_upscaled(str(CASES / "plate.zarr"))
    assert [about["name"] for _, about, _ in layers[::3]] == ["plate A1 0", "plate A1 1"]
    layers = read_upscaled(str(CASES / "plate.zarr" / "B" / "1"))
    assert [about["name"] for _, about, _ in layers[::3]] == ["plate B1 0", "plate B1 1"]


def test_a_picture_that_was_upscaled_and_its_std_are_not_upscaled_again(tmp_path, tiny_model_path):
    from PIL import Image
    from typer.testing import CliRunner

    from napari_vaesr.cli import app

    Image.fromarray(np.arange(192, dtype="uint8").reshape(12, 16)).save(tmp_path / "in.png")
    words = ["upscale", tmp_path / "in.png", tmp_path / "out.png", "--model", tiny_model_path, "--samples", 2]
    assert CliRunner().invoke(app, [str(word) for word in words]).exit_code == 0
    (record,) = tmp_path.glob("*.json")
    for path in (tmp_path / "out.png", record, tmp_path / "out.std.tif"):
        ((pixels, about, _),) = read_upscaled(str(path))
        assert pixels.shape == (24, 32) and "metadata" not in about


def test_channels_have_their_own_look_and_place():
    made = read_upscaled(str(CASES / "omero.zarr"))
    sources = [Layer.create(*each) for each in made[::3]]
    assert [layer.name for layer in sources] == ["omero DAPI", "omero GFP"]
    assert [tuple(layer.contrast_limits) for layer in sources] == [(150, 900), (100, 3000)]
    assert [layer.colormap.colors[-1][:3].tolist() for layer in sources] == [[0, 0, 1], [0, 1, 0]]
    (source, *_) = read_upscaled(str(CASES / "tile.zarr"))
    assert source[1]["translate"] == [3, 100, -40]


def test_an_address_of_a_file_is_opened():
    address = (CASES / "tile.zarr").as_uri()
    assert get_reader(address) is not None
    assert read_upscaled(address)[0][1]["name"] == "tile"


def test_source_mean_and_uncertainty_are_lazy_and_in_place(stack_path):
    reader = get_reader(str(stack_path))
    source, mean, spread = (Layer.create(*made) for made in reader(str(stack_path)))
    assert [source.name, mean.name, spread.name] == [
        source.name,
        f"{source.name} x2 mean",
        f"{source.name} x2 std",
    ]
    assert source.visible and mean.visible and not spread.visible
    np.testing.assert_allclose(source.scale, (2, 0.25, 0.25))
    assert {str(unit) for unit in source.units} == {"micrometer"} == {str(unit) for unit in mean.units}
    assert source.axis_labels == ("Z", "Y", "X")
    assert mean.data.shape == spread.data.shape == (3, 24, 32) and mean.data.chunksize == (1, 24, 32)
    np.testing.assert_allclose(mean.data_to_world((0, 0.5, 0.5)), source.data_to_world((0, 0, 0)))
    assert mean.contrast_limits == source.contrast_limits
    assert mean.metadata["napari_vaesr"]["settings"]["samples"] == 4


def test_opening_computes_no_plane_and_showing_computes_one(stack_path, monkeypatch):
    from napari_vaesr.engine.lazy import LOOK_AHEAD, _Chunks

    computed = []
    compute = _Chunks._upscale

    def upscale(chunks, key, stop):
        if threading.current_thread().name != LOOK_AHEAD:  # of an earlier test
            computed.append(key)
        return compute(chunks, key, stop)

    monkeypatch.setattr(_Chunks, "_upscale", upscale)
    monkeypatch.setattr(_Chunks, "_compute_ahead", lambda *_: None)
    viewer = ViewerModel()
    made = read_upscaled(stack_path)
    made[1][1]["visible"] = False
    viewer.layers.extend(Layer.create(*each) for each in made)
    assert not computed
    viewer.dims.set_current_step(0, 2)
    viewer.layers[1].visible = True
    assert computed == [(2, 0, 0)]


def test_lazy_planes_are_the_same_as_the_widget_makes(stack_path, tiny_model_path, finished):
    from napari_vaesr.engine.settings import make_settings
    from napari_vaesr.plugin.viewer.task import UpscaleTask

    source, mean, spread = (Layer.create(*made) for made in read_upscaled(stack_path))
    settings = make_settings(model=str(tiny_model_path), samples=4, device="cpu")
    result = finished(UpscaleTask(source, "ZYX", settings, {"Z": range(1, 2)}))
    np.testing.assert_array_equal(np.asarray(mean.data[1:2]), result.mean)
    np.testing.assert_allclose(np.asarray(spread.data[1:2]), result.uncertainty, rtol=1e-4)


def test_channels_become_layers_of_their_own(tmp_path):
    path = tmp_path / "two.ome.tif"
    pixels = np.random.default_rng(1).integers(0, 255, (2, 12, 16)).astype("uint8")
    tifffile.imwrite(path, pixels, metadata={"axes": "CYX", "Channel": {"Name": ["DAPI", "actin"]}})
    layers = [Layer.create(*made) for made in read_upscaled(path)]
    assert len(layers) == 6
    assert [layer.ndim for layer in layers] == [2] * 6
    assert "DAPI" in layers[1].name and "actin" in layers[4].name
    assert layers[1].colormap.name != layers[4].colormap.name
    assert layers[1].blending == layers[4].blending == "additive"
    np.testing.assert_array_equal(np.asarray(layers[3].data), pixels[1])
    assert np.asarray(layers[4].data).shape == (24, 32)


def test_every_channel_tells_of_itself(tmp_path, tiny_model_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # scripts write where they run
    path = tmp_path / "two.ome.tif"
    pixels = np.random.default_rng(1).integers(0, 255, (3, 2, 12, 16)).astype("uint16")
    pixels[:, 1] *= 200
    tifffile.imwrite(path, pixels, metadata={"axes": "ZCYX", "Channel": {"Name": ["DAPI", "actin"]}})
    viewer = ViewerModel()
    open_upscaled(path, viewer)
    for number, shown in enumerate(results(viewer.layers)):
        gains = [each["gain"] for each in shown.record["intensity"]]
        reaches = [each["interval"] for each in shown.record["calibration"]]
        assert gains[0] != gains[1]
        assert shown.reach() == np.float32(reaches[number])
        std, mean = np.asarray(shown.std()), np.asarray(shown.luma())
        dark = np.float32(DARKEST * gains[number])
        np.testing.assert_allclose(
            np.asarray(shown.map("relative")), std / np.maximum(np.abs(mean), dark), rtol=1e-4
        )
        assert source_of(shown.record, viewer.layers) is viewer.layers[3 * number]
        made = upscale_by(as_python(shown.record))
        np.testing.assert_array_equal(made.mean[:, 0], np.asarray(shown.mean.data))
        assert f"--extent C={number}:{number + 1}" in as_command(shown.record)
        path.rename(path.with_suffix(".moved"))
        assert "axes='ZYX'" in as_python(shown.record), "the layer lacks the file's channels"
        path.with_suffix(".moved").rename(path)


def upscale_by(code):
    names = {}
    exec(code, names)
    return names["result"]


def test_the_bounds_of_an_interval_are_layers_of_every_channel(tmp_path, preferences):
    preferences.uncertainty = "interval"
    path = tmp_path / "two.ome.tif"
    pixels = np.random.default_rng(1).random((2, 12, 16), "float32")
    tifffile.imwrite(path, pixels, metadata={"axes": "CYX"})
    layers = [Layer.create(*made) for made in read_upscaled(path)]
    kinds = [layer.name.split()[-1] for layer in layers]
    assert kinds[1:4] == kinds[5:] == ["mean", "lower", "upper"]
    _, mean, lower, upper = (np.asarray(layer.data, float) for layer in layers[4:])
    assert mean.shape == lower.shape == upper.shape == (24, 32)
    assert (lower < mean).all() and (mean < upper).all()


def test_colour_images(tmp_path):
    from imageio.v3 import imwrite

    path = tmp_path / "tissue.png"
    imwrite(path, np.random.default_rng(2).integers(0, 255, (10, 12, 3)).astype("uint8"))
    source, mean, spread = (Layer.create(*made) for made in read_upscaled(path))
    assert source.rgb and mean.rgb and not spread.rgb
    assert mean.data.shape == (20, 24, 3) and spread.data.shape == (20, 24)
    assert np.asarray(mean.data).dtype == np.uint8


def test_colours_stored_plane_by_plane(tmp_path):
    path = tmp_path / "planar.tif"
    pixels = np.random.default_rng(2).integers(0, 255, (3, 10, 12)).astype("uint8")
    tifffile.imwrite(path, pixels, photometric="rgb", planarconfig="separate")
    source, mean, _ = (Layer.create(*made) for made in read_upscaled(path))
    assert source.rgb and mean.rgb
    np.testing.assert_array_equal(np.asarray(source.data), np.moveaxis(pixels, 0, -1))
    assert np.asarray(mean.data).shape == (20, 24, 3)


def test_several_files(stack_path, tmp_path):
    np.save(tmp_path / "plane.npy", np.random.default_rng(3).random((12, 16)).astype("float32"))
    paths = [str(stack_path), str(tmp_path / "plane.npy")]
    assert len(get_reader(paths)(paths)) == 6


def test_what_cannot_be_read(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    assert get_reader(str(text)) is None
    assert get_reader(str(tmp_path / "missing.tif")) is None or callable(get_reader("missing.tif"))
    assert get_reader([]) is None

    corrupt = tmp_path / "corrupt.tif"
    corrupt.write_bytes(b"II*\x00 this is no TIFF file")
    with pytest.raises(VaesrError, match="corrupt"):
        read_upscaled(corrupt)


def test_ambiguous_axes_say_where_to_name_them(tmp_path):
    path = tmp_path / "pages.tif"
    tifffile.imwrite(path, np.zeros((5, 12, 16), "uint8"), metadata=None)
    with pytest.raises(VaesrError, match="Layers > Filter"):
        read_upscaled(path)


def test_it_is_told_what_is_done(stack_path, messages):
    read_upscaled(stack_path)
    assert [message for message in messages() if "'cells' is upscaled (x2) by" in message]


def test_a_result_is_opened_as_it_is_by_its_record_too(tmp_path, tiny_model_path, messages):
    from typer.testing import CliRunner

    from napari_vaesr.cli import app

    pixels = np.random.default_rng(0).integers(50, 200, (2, 12, 16)).astype("uint8")
    names = {"axes": "CYX", "Channel": {"Name": ["green", "red one"]}}  # colours, but no colour image
    tifffile.imwrite(tmp_path / "in.tif", pixels, photometric="minisblack", metadata=names, ome=True)
    words = ["upscale", tmp_path / "in.tif", tmp_path / "out.zarr", "--model", tiny_model_path, "-k", "2"]
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    for path in (tmp_path / "out.zarr", tmp_path / "out.zarr.json"):
        layers = get_reader(str(path))(str(path))
        assert len(layers) == 2 and not any(attributes["rgb"] for _, attributes, _ in layers)
    assert not messages(), "nothing is upscaled"
    (tmp_path / "other.json").write_text('{"model": 1}')
    assert get_reader(str(tmp_path / "other.json")) is None


def test_a_stack_is_made_longer_along_z_where_that_is_preferred(preferences, stack_path, deep_model_path):
    preferences.model, preferences.along_z = str(deep_model_path), 3
    source, mean, _ = (Layer.create(*each) for each in read_upscaled(stack_path))
    assert mean.data.shape == (9, 24, 32)
    assert np.asarray(mean.data[4]).shape == (24, 32)
    np.testing.assert_allclose(mean.scale, [2 / 3, 0.125, 0.125])
    first = np.full(3, -0.5)
    np.testing.assert_allclose(mean.data_to_world(first), source.data_to_world(first), atol=1e-9)


@pytest.mark.parametrize(("spacing", "planes"), [(0.5, 6), (None, 3)])
def test_voxels_are_made_cubic_where_that_is_preferred_and_their_size_is_known(
    preferences, tmp_path, deep_model_path, messages, spacing, planes
):
    preferences.model, preferences.along_z, preferences.scale = str(deep_model_path), 0, 2
    sizes = {"PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm"}
    if spacing is not None:
        sizes |= {"PhysicalSizeZ": spacing, "PhysicalSizeZUnit": "µm"}
    path = tmp_path / "cubic.ome.tif"
    pixels = np.random.default_rng(0).integers(0, 4000, (3, 12, 16)).astype("uint16")
    tifffile.imwrite(path, pixels, metadata={"axes": "ZYX", **sizes})
    _, mean, _ = (Layer.create(*each) for each in read_upscaled(path))
    assert mean.data.shape == (planes, 24, 32)
    told = [each for each in messages() if "size of the voxels is not known" in each]
    assert len(told) == (spacing is None)
