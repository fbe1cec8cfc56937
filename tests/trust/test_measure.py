"""Measurements with error bars agree with what is drawn, are in the right place and unit, and honest."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vaesr import Source, Threshold, UpscaleJob, VaesrError, load_model, measure, upscale
from napari_vaesr.engine.draws import fields_of_arrays, fields_of_result
from napari_vaesr.engine.result import Result
from napari_vaesr.engine.settings import make_settings
from napari_vaesr.trust.measure import measure_field
from napari_vaesr.trust.regions import Quantities, Spacing
from napari_vaesr.trust.segment import as_segmentation


def squares(offset: int = 0) -> np.ndarray:
    """Two bright squares, of 6 x 6 and 4 x 8 pixels."""
    image = np.zeros((32, 40), np.float32)
    image[4:10, 5 + offset : 11 + offset] = 100
    image[20:24, 20:28] = 50
    return image


@pytest.fixture(scope="module")
def model(tiny_model_path):
    return load_model(tiny_model_path)


@pytest.fixture(scope="module")
def stack():
    return np.random.default_rng(0).integers(0, 4000, (3, 20, 24)).astype(np.uint16)


def number(table, quantity, column="value", thing=0):
    rows = table[(table["quantity"] == quantity) & (table["object"] == thing)]
    assert len(rows) == 1
    return float(rows[column].iloc[0])


def only_field(source, properties, segment="otsu"):
    """Measure the only field of a result, or of samples of a plane."""
    fields = fields_of_result(source) if isinstance(source, Result) else fields_of_arrays(None, source, "YX")
    (field,) = fields
    spacing = Spacing.of(source, None, None, None)
    return measure_field(field, as_segmentation(segment), None, Quantities(properties), spacing)


def test_what_does_not_vary_has_no_error():
    table = measure(np.stack([squares()] * 5), Threshold(30.0, smoothing=0))
    assert number(table, "count") == 2
    assert number(table, "area") == 68
    assert number(table, "area", thing=1) == 36
    assert number(table, "intensity_mean", thing=2) == 50
    assert number(table, "centroid_y", thing=2) == 21.5
    assert number(table, "centroid_x", thing=2) == 23.5
    assert (table["error"] < 1e-12).all() and (table["low"] == table["value"]).all()
    assert (table["presence"] == 1).all()


def test_an_object_is_found_again_where_it_moved_and_missed_where_it_is_gone():
    samples = np.stack([squares(), squares(1), squares(), squares()])
    samples[3, 20:24] = 0
    measured = only_field(samples, ("centroid",), Threshold(30.0, smoothing=0))
    assert measured.presence == {0: 1.0, 1: 1.0, 2: 0.75}
    np.testing.assert_array_equal(measured.samples[1, "centroid_x"], [7.5, 8.5, 7.5, 7.5])
    np.testing.assert_array_equal(measured.samples[2, "centroid_y"], [21.5, 21.5, 21.5, np.nan])
    np.testing.assert_array_equal(measured.samples[0, "count"], [2, 2, 2, 1])


def test_labels_fix_the_objects():
    samples = np.stack([squares(), squares() * 2])
    labels = np.zeros(samples.shape[1:], int)
    labels[4:10, 5:11] = 7
    table = measure(samples, labels, ("area", "intensity_mean", "intensity_sum"))
    assert set(table["object"]) == {0, 7}
    assert number(table, "area", "error", 7) == 0
    assert number(table, "intensity_mean", "mean", 7) == 150
    assert number(table, "intensity_sum", "high", 7) == 36 * 200


def test_lengths_and_places_are_physical():
    """A pixel of the result is half as large, and the first one's corner is that of the source's."""
    image = np.kron(squares()[:16, :20], np.ones((1, 1))).astype(np.float32)
    samples = np.stack([squares()] * 2)
    table = measure(
        samples,
        Threshold(30.0, smoothing=0),
        ("area", "perimeter", "centroid"),
        pixel_size={"Y": 0.5, "X": 0.5},
        units={"Y": "micrometer", "X": "micrometer"},
        offset={"Y": 100.0},
    )
    assert image.shape == (16, 20)
    assert number(table, "area", thing=1) == 36 * 0.25
    assert number(table, "centroid_y", thing=1) == 100 + 6.5 * 0.5
    assert number(table, "centroid_x", thing=1) == 7.5 * 0.5
    units = dict(zip(table["quantity"], table["unit"], strict=True))
    assert units["area"] == "µm²" and units["centroid_y"] == units["perimeter"] == "µm"


def test_places_of_what_is_mirrored_fall(model, stack):
    """As in a layer whose scale is below 0 along an axis."""
    result = upscale(stack[0], model=model, samples=2, keep_samples=True)
    labels = np.zeros(result.mean.shape, int)
    labels[4:12, 6:10] = 1
    sizes, at = {"Y": -2.0, "X": 0.5}, {"Y": 100.0, "X": 7.0}
    table = measure(result, labels, ("area", "centroid"), pixel_size=sizes, offset=at)
    assert number(table, "area", thing=1) == 8 * 4 * 1.0 * 0.25
    assert number(table, "centroid_y", thing=1) == 100 - 2.0 * (7.5 / 2 - 0.25)
    assert number(table, "centroid_x", thing=1) == 7 + 0.5 * (7.5 / 2 - 0.25)
    with pytest.raises(VaesrError, match="is 0"):
        measure(result, labels, ("area",), pixel_size={"Y": 0.0})


def test_lengths_in_a_unit_that_was_not_told_have_none():
    samples = np.stack([squares()] * 2)
    assert "px²" in set(measure(samples)["unit"])
    assert set(measure(samples, pixel_size={"Y": 0.5, "X": 0.5})["unit"]) == {""}


def test_volumes_have_one_unit_where_planes_are_told_in_another():
    samples = np.stack([np.stack([squares()] * 3)] * 2)
    table = measure(
        samples,
        Threshold(30.0, smoothing=0),
        ("area", "equivalent_diameter_area", "centroid"),
        axes="ZYX",
        pixel_size={"Z": 0.5, "Y": 100.0, "X": 100.0},
        units={"Z": "micrometer", "Y": "nanometer", "X": "nanometer"},
        offset={"Z": 2.0},
    )
    assert number(table, "volume", thing=1) == pytest.approx(3 * 36 * 500 * 100 * 100)
    assert number(table, "centroid_z", thing=1) == pytest.approx(2000 + 500)
    diameter = (6 / np.pi * 3 * 36 * 500 * 100 * 100) ** (1 / 3)
    assert number(table, "equivalent_diameter_area", thing=1) == pytest.approx(diameter)
    units = dict(zip(table["quantity"], table["unit"], strict=True))
    assert units["volume"] == "nm³" and units["centroid_z"] == "nm"


def test_labels_of_the_whole_are_not_taken_for_those_of_a_part(model, stack):
    job = UpscaleJob(
        Source.of(stack, "TYX"), make_settings(samples=2, device="cpu"), {"T": range(1, 3)}, model=model
    )
    labels = np.zeros((3, 40, 48), int)
    labels[1, 4:12, 4:12], labels[2, 4:12, 4:16] = 1, 1
    with pytest.raises(VaesrError, match="of a part on that part"):
        measure(job, labels, ("area",))
    table = measure(job, labels[1:], ("area",))
    areas = table[(table["quantity"] == "area") & (table["object"] == 1)]
    assert dict(zip(areas["T"], areas["value"], strict=True)) == {1: 64, 2: 96}


@pytest.mark.parametrize("axes", ["XY", "ZTYX", "YXT"])
def test_labels_have_the_order_of_their_image(model, axes):
    """Where lengths are alike, another order fits as well, and is that of other pixels."""
    pixels = {"XY": (20, 20), "ZTYX": (2, 2, 20, 20), "YXT": (20, 20, 2)}[axes]
    image = np.random.default_rng(0).integers(0, 4000, pixels).astype(np.uint16)
    result = upscale(image, axes, model=model, samples=2, keep_samples=True)
    labels = np.zeros(result.mean.shape, int)
    part = {"X": slice(4, 10), "Y": slice(20, 32), "Z": slice(None), "T": 1}
    labels[tuple(part[name] for name in axes)] = 1
    job = UpscaleJob(Source.of(image, axes), make_settings(samples=2), model=model)
    for source in (result, job):
        table = measure(source, labels, ("intensity_sum",))
        sums = table[(table["object"] == 1) & (table["quantity"] == "intensity_sum")]
        assert float(sums["value"].iloc[0]) == result.mean[labels == 1].sum(dtype=float)
        assert len(sums) == 1 and ("T" not in axes or sums["T"].tolist() == [1])


def test_labels_may_be_those_of_every_channel():
    samples = np.stack([np.stack([[squares(), 2 * squares()], [0 * squares(), squares()]])] * 2)  # T, C
    labels = np.zeros((2, 32, 40), int)
    labels[0, 4:10, 5:11], labels[1, 20:24, 20:28] = 1, 2
    table = measure(samples, labels, ("intensity_mean",), axes="TCYX").query("object > 0")
    told = {(row["T"], row["C"], row["object"]): row["value"] for _, row in table.iterrows()}
    assert told == {(0, 0, 1): 100, (0, 1, 1): 200, (1, 0, 2): 0, (1, 1, 2): 50}


def test_in_what_is_flat_to_the_last_digits_there_is_nothing():
    image = (30_000 + 0.004 * np.random.default_rng(0).random((32, 40))).astype(np.float32)
    assert number(measure(np.stack([image] * 2), Threshold("otsu")), "count") == 0


def test_numbers_of_objects_may_be_far_apart(monkeypatch):
    """What counts by number would take as much memory as the largest asks for."""
    monkeypatch.setattr("napari_vaesr.trust.segment.COUNTED", 10)
    counted = np.bincount

    def bincount(numbers, *others, **options):
        assert numbers.max(initial=0) < 10_000
        return counted(numbers, *others, **options)

    monkeypatch.setattr(np, "bincount", bincount)
    labels = np.zeros((32, 40), np.int64)
    labels[4:10, 5:11], labels[20:24, 20:28] = 2_000_000_000, 1_999_999_999
    quantities = ("area", "perimeter", "intensity_mean")
    for segment in (labels, lambda _: labels):
        table = measure(np.stack([squares()] * 2), segment, quantities)
        assert set(table["object"]) == {0, 1_999_999_999, 2_000_000_000}
        assert number(table, "intensity_mean", thing=2_000_000_000) == 100
        assert number(table, "area", "mean", thing=1_999_999_999) == 32
        assert (table["presence"] == 1).all()


def test_letters_of_pixel_sizes_may_be_small_and_a_time_alone_is_no_length():
    samples = np.stack([squares()] * 2)
    table = measure(samples, pixel_size={"y": 0.5, "x": 0.5}, units={"y": "um", "x": "um"}, offset={"y": 7})
    expected = measure(
        samples, pixel_size={"Y": 0.5, "X": 0.5}, units={"Y": "um", "X": "um"}, offset={"Y": 7}
    )
    assert table.equals(expected) and "µm²" in set(table["unit"])
    timed = measure(samples, pixel_size={"T": 3.0}, units={"T": "second"})
    assert timed.equals(measure(samples))


def test_a_crop_tells_the_same_places_as_the_whole(model, stack):
    """With the pixel size, centroids are those of the image that was upscaled, halves of pixels and all."""

    def middle(image):
        mask = np.zeros(image.shape, int)
        rows = slice(4, 12) if image.shape[0] == 24 else slice(12, 20)
        mask[rows, 6:10] = 1
        return mask

    image, options = stack[0], {"model": model, "samples": 2, "keep_samples": True}
    whole = upscale(image, **options)
    part = upscale(image, extent="Y=4:16", **options)
    told = [
        measure(result, middle, ("centroid",), pixel_size={"Y": 2.0, "X": 2.0}) for result in (whole, part)
    ]
    for quantity in ("centroid_y", "centroid_x"):
        assert number(told[0], quantity) == number(told[1], quantity)
    # Rows 12 to 19 of the result are 6 to 9 of the source, whose middle is 7.5 of its pixels.
    assert number(told[0], "centroid_y") == 15.0


def test_drawn_as_needed_equals_what_was_kept(model, stack, monkeypatch):
    """Also where samples go through a file, over time and in depth."""
    axes, fields = "TYX", 3
    kept = upscale(stack, axes, model=model, samples=4, keep_samples=True)
    job = UpscaleJob(Source.of(stack, axes), make_settings(samples=4), model=model)
    expected = measure(kept)
    monkeypatch.setattr("napari_vaesr.engine.assembly.LARGEST_HELD", 0)
    drawn = measure(job)
    assert drawn.equals(expected)
    assert sorted(drawn["T"].unique()) == list(range(fields))


def test_a_volume_is_one_field(model, stack):
    result = upscale(stack, "ZYX", model=model, samples=3, keep_samples=True)
    measured = only_field(result, ("area", "centroid"))
    assert measured.labels.shape == (3, 40, 48)
    assert {"centroid_z", "centroid_y", "centroid_x"} <= {quantity for _, quantity in measured.value}
    assert measured.units["volume"] == "px³"


def test_one_plane_of_a_volume_is_a_plane(model, stack):
    result = upscale(stack, "ZYX", model=model, samples=3, keep_samples=True, extent="Z=1")
    measured = only_field(result, ("area", "perimeter"))
    assert measured.place == {"Z": 1} and measured.labels.ndim == 2
    assert measured.units["area"] == "px²"


def test_progress_reaches_the_end_and_may_cancel(model, stack):
    job = UpscaleJob(Source.of(stack, "TYX"), make_settings(samples=2), model=model)
    seen = []
    measure(job, progress=seen.append)
    assert seen[-1].done == seen[-1].total == job.total

    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(job, progress=stop)


def test_properties_of_ones_own():
    def brightest(mask, image):
        return float(image[mask].max())

    table = measure(np.stack([squares()] * 2), 30.0, ("eccentricity",), extra=[brightest])
    assert number(table, "brightest") == 100
    assert "eccentricity" in set(table["quantity"])


def test_nothing_there_is_counted_as_nothing():
    table = measure(np.zeros((3, 16, 16), np.float32), 1.0)
    assert number(table, "count", "high") == 0 and number(table, "area", "mean") == 0
    assert np.isnan(number(table, "intensity_mean"))


@pytest.mark.parametrize(
    ("segment", "properties", "message"),
    [
        ("otso", ("area",), "no threshold"),
        ("otsu", ("aera",), "no such property"),
        ("otsu", ("coords",), "not a number"),
        (np.ones((4, 4), int), ("area",), "do not fit"),
        (np.full((32, 40), -1), ("area",), "whole numbers"),
        (None, ("area",), "threshold"),
        (np.nan, ("area",), "finite"),
    ],
)
def test_what_is_wrong_is_said(segment, properties, message):
    with pytest.raises(VaesrError, match=message):
        measure(np.stack([squares()] * 2), segment, properties)


@pytest.mark.parametrize("wrong", [{"method": np.inf}, {"smoothing": np.nan}, {"split": np.nan}])
def test_a_threshold_is_made_of_finite_numbers(wrong):
    with pytest.raises(VaesrError, match="finite"):
        Threshold(**wrong)


def test_a_result_without_samples_is_refused(model, stack):
    with pytest.raises(VaesrError, match="keep_samples"):
        measure(upscale(stack[0], model=model, samples=2))


class Layer:
    """What is asked of a layer of napari."""

    def __init__(self, data, told, unit="micrometer"):
        self.data, self.metadata, self.name = data, {"napari_vaesr": told} if told else {}, "cells"
        count = data.ndim
        self.scale, self.translate, self.units = [1.0, *[0.5] * (count - 1)], [0.0] * count, [unit] * count
        self.turn = np.eye(count)

    def data_to_world(self, index):
        return tuple(self.turn @ (np.multiply(self.scale, index) + self.translate))


def test_the_middles_of_samples_that_are_turned_are_in_the_world(stack, tiny_model_path):
    result = upscale(stack[0], model=tiny_model_path, samples=4, keep_samples=True)
    told = {**result.record, "layer": {"role": "samples"}, "source": {"axes": "YX"}}
    straight, turned = Layer(result.samples, told), Layer(result.samples, told)
    turned.turn = np.eye(3)[[0, 2, 1]]
    own, world = (measure(each, Threshold(300.0, 0), ("centroid", "area")) for each in (straight, turned))
    for one, other in (("y", "x"), ("x", "y")):
        assert number(world, f"centroid_{one}") == pytest.approx(number(own, f"centroid_{other}"))
    assert number(world, "area") == number(own, "area")


def test_layers_of_samples_and_of_results_of_files_are_measured(stack, model, tmp_path, tiny_model_path):
    import tifffile

    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, stack[0], photometric="minisblack")
    result = upscale(stack[0], model=tiny_model_path, samples=4, keep_samples=True)
    source = {"name": "cells", "axes": "YX", "path": str(path)}

    def told(role):
        return {**result.record, "source": source, "layer": {"role": role, "result": "1"}}

    segment = Threshold(float(np.median(result.mean)), smoothing=0)
    plain = measure(result, segment)
    kept = measure(Layer(result.samples, told("samples")), segment)
    assert number(kept, "area", "mean") == pytest.approx(number(plain, "area", "mean") / 4)
    drawn = measure(Layer(result.mean, told("mean")), segment)
    assert number(drawn, "area", "mean") == pytest.approx(number(plain, "area", "mean"))
    for layer, says in (
        (Layer(result.mean, None), "is no result"),
        (Layer(result.mean, {**told("mean"), "source": {**source, "path": None}}), "in no file"),
    ):
        with pytest.raises(VaesrError, match=says):
            measure(layer, segment)
