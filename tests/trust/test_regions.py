"""What is measured of objects, in physical units and places."""

from __future__ import annotations

import re

import numpy as np
import pytest

from napari_vaesr.engine.draws import Field
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.geometry import Turn
from napari_vaesr.trust.regions import ALL, COUNT, Quantities, Spacing, regions

LABELS = np.zeros((6, 8), np.int32)
LABELS[1:3, 1:5], LABELS[4:6, 6:8] = 2, 7
IMAGE = np.arange(48, dtype=np.float32).reshape(6, 8)
MICROMETERS = Spacing({"Y": 0.5, "X": 0.25}, {"Y": 10.0, "X": -1.0}, {"Y": "µm", "X": "µm"})


def test_areas_intensities_and_places_are_physical():
    found = regions(IMAGE, LABELS, "YX", Quantities(("area", "intensity_sum", "centroid")), MICROMETERS)
    assert found[ALL, COUNT] == 2
    assert found[2, "area"] == pytest.approx(8 * 0.125) and found[ALL, "area"] == pytest.approx(12 * 0.125)
    assert found[7, "intensity_sum"] == IMAGE[4:6, 6:8].sum()
    assert (found[2, "centroid_y"], found[2, "centroid_x"]) == pytest.approx(
        (10 + 1.5 * 0.5, -1 + 2.5 * 0.25)
    )


def test_what_is_counted_here_is_what_scikit_image_says():
    from skimage.measure import regionprops_table

    names = ("area", "intensity_mean", "centroid")
    theirs = regionprops_table(LABELS, IMAGE, ("label", *names), spacing=(0.5, 0.25))
    ours = Quantities(names).table(LABELS, IMAGE, (0.5, 0.25))
    for name, column in theirs.items():
        np.testing.assert_allclose(ours[name], column)


def test_what_is_an_area_in_a_plane_is_a_volume_in_a_volume():
    labels, image, voxels = (
        np.stack([LABELS] * 3),
        np.stack([IMAGE] * 3),
        Spacing(dict.fromkeys("ZYX", 0.5), dict.fromkeys("ZYX", 0.0)),
    )
    for asked in (("area", "area_filled"), ("volume", "volume_filled")):
        quantities = Quantities(asked)
        found = regions(image, labels, "ZYX", quantities, voxels)
        assert {name for _, name in found} == {COUNT, "volume", "volume_filled"}
        assert found[2, "volume"] == found[2, "volume_filled"] == pytest.approx(3 * 8 * 0.125)
        none = regions(image, labels * 0, "ZYX", quantities, voxels)
        assert none[ALL, "volume"] == none[ALL, "volume_filled"] == 0
        assert regions(IMAGE, LABELS, "YX", quantities, MICROMETERS)[2, "area"] == pytest.approx(8 * 0.125)


def test_positions_fall_along_an_axis_that_is_mirrored():
    spacing = Spacing.of(IMAGE, {"Y": -0.5, "X": 0.5}, {"Y": "um", "X": "um"}, {"Y": 9.0})
    assert spacing.mirrored == "Y" and spacing.size["Y"] == 0.5
    found = regions(IMAGE, LABELS, "YX", Quantities(("centroid",)), spacing)
    assert found[2, "centroid_y"] == pytest.approx(9 - 1.5 * 0.5)


def test_positions_of_what_is_turned_are_in_the_world_in_its_unit():
    """A stack whose planes are told in nanometres, turned by a quarter from Y to Z, and a plane of it."""
    turn = Turn("ZYX", np.array([[0.0, 1000, 0], [0.001, 0, 0], [0, 0, 1]]), np.array([100.0, 2000, 5]))
    sizes, units = {"Z": 500.0, "Y": 0.5, "X": 0.5}, {"Z": "nm", "Y": "um", "X": "um"}
    spacing = Spacing.of(IMAGE, sizes, units, {"Z": 3000.0}, turn)
    own = (3.0, 1.5 * 0.5, 2.5 * 0.5)
    found = regions(np.stack([IMAGE]), np.stack([LABELS]), "ZYX", Quantities(("centroid",)), spacing)
    world = [found[2, f"centroid_{name}"] for name in "zyx"]
    assert world == pytest.approx([own[1] + 0.1, own[0] + 2000, own[2] + 5])
    field = Field({"Z": 0}, "YX", IMAGE, [IMAGE])
    found = regions(IMAGE, LABELS, "YX", Quantities(("centroid",)), spacing.within(field))
    assert [found[2, f"centroid_{name}"] for name in "yx"] == pytest.approx(world[1:])


def test_units_are_those_of_the_axes_if_they_agree():
    quantities = {"area", "perimeter", "intensity_mean"}
    assert MICROMETERS.units_of(quantities, "YX") == {"area": "µm²", "perimeter": "µm"}
    assert Spacing().units_of({"volume"}, "ZYX") == {"volume": "px³"}
    mixed = Spacing({"Y": 1.0, "X": 1.0}, {}, {"Y": "s", "X": "µm"})
    assert mixed.units_of(quantities, "YX") == {}


def test_nothing_at_all_is_nothing_and_not_an_error():
    found = regions(IMAGE, LABELS * 0, "YX", Quantities(("area", "intensity_mean")), MICROMETERS)
    assert found[ALL, COUNT] == found[ALL, "area"] == 0 and np.isnan(found[ALL, "intensity_mean"])


@pytest.mark.parametrize(("name", "says"), [("size", "no such property"), ("image", "not a number")])
def test_properties_that_are_no_numbers_are_refused(name, says):
    with pytest.raises(VaesrError, match=says):
        Quantities((name,))


@pytest.mark.parametrize("size", [0.0, float("nan"), float("inf")])
def test_sizes_that_are_none_are_refused(size):
    with pytest.raises(VaesrError, match="pixel size"):
        Spacing.of(IMAGE, {"X": size, "Y": 1.0}, None, None)


@pytest.mark.parametrize(
    ("name", "shape", "spacing", "says"),
    [
        ("aera", (8, 9), (1.0, 1.0), "no such property to measure, aera:"),
        ("perimeter", (8, 9), (0.5, 0.7), "perimeter can't be measured with pixels of 0.5 × 0.7, please"),
        ("perimeter", (3, 8, 9), (1.0, 1.0, 1.0), "perimeter can't be measured of volumes, please"),
        ("feret_diameter_max", (3, 8, 9), (1.0, 1.0, 1.0), "feret_diameter_max can't be measured of some"),
    ],
)
def test_what_can_not_be_measured_is_named(name, shape, spacing, says):
    labels = np.zeros(shape, np.int32)
    labels[..., -1:, :5] = 1
    quantities = Quantities(("area", "intensity_std"))
    object.__setattr__(quantities, "properties", ("area", "intensity_std", name))
    with pytest.raises(VaesrError, match=re.escape(says)):
        quantities.table(labels, np.ones(shape), spacing)


def test_what_a_function_of_the_user_raises_is_left_as_it_is():
    def own(mask, image):
        raise AttributeError("mine")

    with pytest.raises(AttributeError, match="mine"):
        Quantities(("area",), (own,))
