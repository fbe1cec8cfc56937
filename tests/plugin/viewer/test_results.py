from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image
from napari.layers._source import layer_source
from napari.utils._proxies import PublicOnlyProxy

from napari_vaesr.imaging.axes import Axes
from napari_vaesr.imaging.intensity import fit_scalings
from napari_vaesr.plugin.viewer.layers import STD_KEY
from napari_vaesr.plugin.viewer.look import source_in
from napari_vaesr.plugin.viewer.results import newest_samples, result_of, results
from napari_vaesr.plugin.viewer.sources import remember_source, source_of


@pytest.mark.parametrize("kind", ["std", "variance", "relative", "interval"])
@pytest.mark.parametrize("kept", [True, False], ids=["with its std", "from what is shown"])
def test_every_kind_follows_from_any_other(make_result, viewer, cells, tiny_model_path, kind, kept):
    shown, made = make_result(viewer, cells, "ZYX", tiny_model_path, uncertainty=kind)
    if not kept:
        for layer in shown.uncertainty:
            layer.metadata.pop(STD_KEY, None)
    # A mean of integers was rounded and clipped after the relative uncertainty had been taken.
    sure = np.ones(made.std.shape, bool) if kept or kind != "relative" else made.mean > 500
    reach = made.record["calibration"][0]["interval"]
    for name, expected in (("std", made.std), ("variance", made.std**2), ("width", 2 * reach * made.std)):
        np.testing.assert_allclose(shown.map(name)[sure], expected[sure], rtol=5e-3, atol=0.1)
    relative, _ = make_result(ViewerModel(), cells, "ZYX", tiny_model_path, uncertainty="relative")
    bright = made.mean > 500
    np.testing.assert_allclose(
        shown.map("relative")[bright], np.asarray(relative.uncertainty[0].data)[bright], rtol=0.01
    )


def test_channels_have_their_own_darkest_intensity(make_result, viewer, tiny_model_path):
    pixels = np.random.default_rng(0).random((2, 8, 10)).astype("float32") * [[[1]], [[1000]]]
    layer = viewer.add_image(pixels.astype("float32"), name="two")
    shown, made = make_result(viewer, layer, "CYX", tiny_model_path, uncertainty="relative")
    np.testing.assert_allclose(shown.map("relative"), made.uncertainty, rtol=1e-4)
    part, made = make_result(
        viewer, layer, "CYX", tiny_model_path, {"C": range(1, 2)}, uncertainty="relative"
    )
    np.testing.assert_allclose(part.map("relative"), made.uncertainty, rtol=1e-4)


def test_colour_and_lazy_results(make_result, viewer, tiny_model_path):
    pixels = np.random.default_rng(0).integers(0, 255, (8, 10, 3)).astype("uint8")
    layer = viewer.add_image(pixels, rgb=True, name="tissue")
    shown, made = make_result(viewer, layer, "YXS", tiny_model_path)
    assert shown.luma().shape == made.std.shape == (16, 20)
    assert shown.map("relative").shape == (16, 20)
    shown.mean.data = da.from_array(shown.mean.data)
    shown.uncertainty[0].data = da.from_array(shown.uncertainty[0].data)
    for kind in ("variance", "relative", "width"):
        assert isinstance(shown.map(kind), da.Array)


@pytest.mark.parametrize("kind", ["relative", "interval"])
def test_colours_that_are_hidden_by_alpha_play_no_part(make_result, viewer, tiny_model_path, kind):
    pixels = np.random.default_rng(0).integers(110, 150, (8, 10, 4)).astype("uint8")
    layer = viewer.add_image(pixels, rgb=True, name="tissue")
    shown, made = make_result(viewer, layer, "YXS", tiny_model_path, uncertainty=kind)
    for each in shown.uncertainty:
        each.metadata.pop(STD_KEY, None)  # as after it was saved and opened
    np.testing.assert_allclose(shown.std(), made.std, rtol=0.05, atol=0.05)


def test_an_interval_of_several_passes_is_that_of_the_last(make_result, viewer):
    pixels = np.random.default_rng(0).integers(100, 4000, (3, 12, 16)).astype("uint16")
    layer = viewer.add_image(pixels, name="volume")
    factors = {"Z": 2, "Y": 2, "X": 2}
    shown, made = make_result(viewer, layer, "ZYX", "tiny", uncertainty="interval", samples=2, scale=factors)
    first, last = (each["interval"] for each in made.record["calibration"])
    assert first != last
    assert shown.reach() == np.float32(last)
    for each in shown.uncertainty:
        each.metadata.pop(STD_KEY, None)
    np.testing.assert_allclose(shown.std(), made.std, rtol=1e-3)


def test_results_are_found_by_what_they_are_not_by_name(make_result, viewer, cells, tiny_model_path):
    first, _ = make_result(viewer, cells, "ZYX", tiny_model_path, {"Z": range(1)})
    second, _ = make_result(viewer, cells, "ZYX", tiny_model_path, {"Z": range(1, 2)})
    first.mean.name, first.uncertainty[0].name = "a", "b"
    viewer.layers.move(1, 4)
    assert {each.identity for each in results(viewer.layers)} == {first.identity, second.identity}
    assert result_of(second.uncertainty[0], viewer.layers).mean is second.mean
    assert result_of(cells, viewer.layers) is None
    viewer.layers.remove(first.uncertainty[0])
    assert [each.identity for each in results(viewer.layers)] == [second.identity]


def test_copies_projections_and_labels_of_a_mean_are_no_results(make_result, viewer, cells, tiny_model_path):
    shown, _ = make_result(viewer, cells, "ZYX", tiny_model_path)
    mean = shown.mean
    with layer_source(parent=mean):
        copy = Image(mean.data.copy(), metadata=mean.metadata)
    viewer.layers.insert(0, copy)
    viewer.add_image(mean.data.max(0), metadata=mean.metadata)
    viewer.add_labels(mean.data, metadata=mean.metadata)
    assert [(each.mean, each.uncertainty) for each in results(viewer.layers)] == [(mean, shown.uncertainty)]
    viewer.layers.remove(mean)
    assert [each.mean for each in results(viewer.layers)] == [copy]
    viewer.layers.remove(copy)
    assert results(viewer.layers) == []


def test_parts_that_were_cut_out_of_a_result_are_no_result(make_result, viewer, cells, tiny_model_path):
    shown, _ = make_result(viewer, cells, "ZYX", tiny_model_path, {"Z": range(1)})
    layers = (shown.mean, *shown.uncertainty)
    for layer in layers:  # as plugins that crop do, and layer.data = ...
        viewer.add_image(layer.data[0], metadata=layer.metadata, name=f"{layer.name} plane")
        viewer.add_image(layer.data[:, :10, :12], metadata=layer.metadata, name=f"{layer.name} cut")
        viewer.layers.remove(layer)
    (plane,) = results(viewer.layers)  # an axis of length 1 is not missed
    assert [plane.mean.ndim, *(each.ndim for each in plane.uncertainty)] == [2, 2]
    viewer.layers.remove(plane.mean)
    assert results(viewer.layers) == []


@pytest.mark.parametrize("axes", ["ZYX", "CYX"])
def test_results_of_parts_and_channels_are_results(make_result, viewer, cells, tiny_model_path, axes):
    shown, _ = make_result(viewer, cells, axes, tiny_model_path, {axes[0]: range(1, 3), "X": range(3, 10)})
    assert shown.mean.data.shape == (2, 24, 14)
    channel = viewer.add_image(shown.mean.data[0], metadata=shown.mean.metadata)
    viewer.add_image(shown.std()[0], metadata=shown.uncertainty[0].metadata)
    for layer in (shown.mean, *shown.uncertainty):
        viewer.layers.remove(layer)
    assert [each.mean for each in results(viewer.layers)] == ([channel] if axes == "CYX" else [])


def test_a_layer_that_is_taken_through_a_proxy_is_known(make_result, viewer, cells, tiny_model_path):
    shown, _ = make_result(viewer, cells, "ZYX", tiny_model_path, {"Z": range(1)})
    viewer.layers.selection.active = shown.mean
    panels = PublicOnlyProxy(viewer)  # what panels get from the menu
    assert result_of(panels.layers.selection.active, panels.layers).mean is shown.mean


def test_a_source_that_was_noted_is_the_source_whatever_layers_are_called(
    make_result, viewer, cells, tiny_model_path
):
    shown, _ = make_result(viewer, cells, "ZYX", tiny_model_path, {"Z": range(1)})
    remember_source(shown.record, cells, cells.data)
    cells.name = "renamed"
    other = viewer.add_image(cells.data + np.uint16(7), name="cells")
    viewer.layers.move(viewer.layers.index(other), 0)
    assert source_of(shown.record, viewer.layers) is source_in(viewer.layers, shown) is cells
    viewer.layers.remove(other)
    assert source_in(viewer.layers, shown) is cells


def test_the_source_is_found_after_it_was_renamed(make_result, viewer, cells, tiny_model_path):
    shown, _ = make_result(viewer, cells, "ZYX", tiny_model_path, {"Z": range(1)})
    assert source_of(shown.record, viewer.layers) is cells
    cells.name = "renamed"
    assert source_of(shown.record, viewer.layers) is cells
    other = viewer.add_image(cells.data + np.uint16(7), name="of the same size")
    viewer.layers.move(viewer.layers.index(other), 0)
    assert source_of(shown.record, viewer.layers) is cells
    viewer.layers.remove(cells)
    assert source_of(shown.record, viewer.layers) is None


def test_another_image_of_the_name_of_the_source_is_not_taken_for_it(
    make_result, viewer, cells, tiny_model_path
):
    shown, _ = make_result(viewer, cells, "ZYX", tiny_model_path, {"Z": range(1)})
    viewer.layers.remove(cells)
    other = viewer.add_image(cells.data + np.uint16(7), name="cells")
    assert source_of(shown.record, viewer.layers) is None
    other.data = cells.data.copy()
    assert source_of(shown.record, viewer.layers) is other
    other.data = cells.data[:, ::-1] + np.uint16(7)
    original = viewer.add_image(cells.data, name="copy")
    assert source_of(shown.record, viewer.layers) is original


def test_other_data_in_the_layer_of_a_source_are_not_the_source(make_result, viewer, cells, tiny_model_path):
    shown, _ = make_result(viewer, cells, "ZYX", tiny_model_path, {"Z": range(1)})
    pixels = cells.data
    remember_source(shown.record, cells, pixels)
    for other in (pixels[:, :5], pixels[0], pixels + np.uint16(7)):
        cells.data = other
        assert source_in(viewer.layers, shown) is None
        assert source_of(shown.record, viewer.layers) is None
    cells.data = pixels
    assert source_in(viewer.layers, shown) is source_of(shown.record, viewer.layers) is cells


def test_the_window_does_not_wait_for_intensities_of_what_is_known(
    make_result, viewer, cells, tiny_model_path, monkeypatch
):
    shown, _ = make_result(viewer, cells, "ZYX", tiny_model_path, {"Z": range(1)})
    other = viewer.add_image(cells.data + np.uint16(7), name="of the same size")
    looked_at = []

    def fit(pixels, *others):
        looked_at.append(pixels)
        return fit_scalings(pixels, *others)

    monkeypatch.setattr("napari_vaesr.plugin.viewer.sources.fit_scalings", fit)
    remember_source(shown.record, cells, cells.data)
    assert source_of(shown.record, viewer.layers) is cells and not looked_at
    viewer.layers.remove(cells)
    for _ in range(3):  # as a line is moved
        assert source_of(shown.record, viewer.layers) is None
    assert len(looked_at) == 1 and looked_at[0] is other.data


def test_one_channel_tells_whether_a_file_is_the_source(
    make_result, viewer, cells, tiny_model_path, monkeypatch
):
    source = viewer.add_image(da.from_array(cells.data), name="channels")
    viewer.layers.remove(cells)
    shown, _ = make_result(viewer, source, "CYX", tiny_model_path)
    looked_at = []

    def fit(pixels, axes, method, channels):
        looked_at.extend(channels)
        return fit_scalings(pixels, axes, method, channels)

    monkeypatch.setattr("napari_vaesr.plugin.viewer.sources.fit_scalings", fit)
    assert source_of(shown.record, viewer.layers) is source and looked_at == [0]
    source.data = da.from_array(cells.data + np.uint16(7))
    assert source_of(shown.record, viewer.layers) is None


def test_a_layer_that_was_read_by_two_sorts_of_axes_is_the_source_of_both(
    make_result, viewer, cells, tiny_model_path
):
    for axes in ("ZYX", "CYX"):
        shown, _ = make_result(viewer, cells, axes, tiny_model_path, {axes[0]: range(1)})
        assert source_in(viewer.layers, shown) is cells


def test_a_result_of_another_model_of_the_same_name_knows_its_source(
    make_result, viewer, cells, tiny_model_path
):
    shown, _ = make_result(viewer, cells, "ZYX", tiny_model_path, {"Z": range(1)})
    (extremes,) = fit_scalings(cells.data, Axes.parse("ZYX", cells.data.shape), "minmax")
    assert shown.made.intensity[0].gain < extremes.gain
    told = {**shown.record, "intensity": [extremes.model_dump()]}
    assert source_of(told, viewer.layers) is None
    earlier = {**told, "model": {**told["model"], "sha256": "0" * 64}}  # which took the extremes
    assert source_of(earlier, viewer.layers) is cells


def test_the_source_may_be_an_array_without_weak_references(
    make_result, viewer, cells, tiny_model_path, slotted
):
    source = viewer.add_image(slotted(cells.data), name="slotted", contrast_limits=(0, 4000))
    viewer.layers.remove(cells)
    shown, _ = make_result(viewer, source, "ZYX", tiny_model_path, {"Z": range(1)})
    assert source_of(shown.record, viewer.layers) is source
    remember_source(shown.record, source, source.data)
    assert source_in(viewer.layers, shown) is source
    source.data = slotted(cells.data + np.uint16(7))
    assert source_in(viewer.layers, shown) is None


def test_the_source_is_found_by_a_record_that_tells_less_of_its_intensities(
    make_result, viewer, cells, tiny_model_path
):
    shown, _ = make_result(viewer, cells, "ZYX", tiny_model_path, {"Z": range(1)})
    older = [{name: each[name] for name in ("offset", "gain", "noise")} for each in shown.record["intensity"]]
    cells.name = "renamed"
    assert source_of({**shown.record, "intensity": older}, viewer.layers) is cells
    darker = [{**each, "offset": each["offset"] - 7} for each in older]
    assert source_of({**shown.record, "intensity": darker}, viewer.layers) is None


def test_layers_of_others_are_passed_over(viewer):
    viewer.add_image(np.zeros((4, 4)), metadata={"napari_vaesr": "something else"})
    viewer.add_layer(Image(np.zeros((4, 4)), metadata={"napari_vaesr": {"made": "before"}}))
    assert results(viewer.layers) == []


def test_a_projection_of_samples_is_no_samples(viewer):
    told = {"napari_vaesr": {"layer": {"role": "samples", "result": "a"}}}
    samples = Image(np.zeros((4, 3, 12, 16)), axis_labels=("sample", "z", "y", "x"), metadata=told)
    assert newest_samples(viewer.layers) is None
    viewer.layers.append(samples)
    viewer.layers.append(Image(np.zeros((3, 12, 16)), axis_labels=("z", "y", "x"), metadata=told))
    assert newest_samples(viewer.layers) is samples
