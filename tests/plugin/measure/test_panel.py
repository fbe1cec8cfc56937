"""The panel measures what is shown, where it is shown, and says what it cannot."""

from __future__ import annotations

import numpy as np
import pandas
import pytest
from napari.layers import Labels, Layer
from qtpy.QtWidgets import QApplication

from napari_vaesr import Threshold
from napari_vaesr.imaging.region import Factors
from napari_vaesr.plugin.measure.panel import NOTHING, MeasurePanel
from napari_vaesr.plugin.measure.task import Measurement, MeasureTask
from napari_vaesr.plugin.viewer.layers import same_place as there
from napari_vaesr.plugin.viewer.results import results
from napari_vaesr.plugin.viewer.task import UpscaleTask
from napari_vaesr.trust.measure import Measured


@pytest.fixture
def panel(shown, qtbot):
    panel = MeasurePanel(shown)
    qtbot.addWidget(panel.native)
    panel.samples.value = 3
    return panel


def test_without_a_result_there_is_nothing_to_measure(viewer, qtbot):
    panel = MeasurePanel(viewer)
    qtbot.addWidget(panel.native)
    assert not panel.measure_button.enabled and panel.status.value == NOTHING


def test_a_measurement_from_the_choice_to_the_table(panel, shown, qtbot, tmp_path):
    panel.part.value = ("all", "whole")
    panel.properties.value = "area, centroid"
    panel.measure()
    qtbot.waitUntil(lambda: not panel.runner.is_running, timeout=60000)
    layer = shown.layers["cells x2 objects"]
    assert isinstance(layer, Labels)
    np.testing.assert_allclose(layer.extent.world, shown.layers["cells x2 mean"].extent.world)
    assert panel.table.rowCount() == len(np.unique(layer.data))
    saved = tmp_path / "table.csv"
    panel.save(str(saved))
    table = pandas.read_csv(saved)
    volume = table[(table["object"] == 0) & (table["quantity"] == "volume")].iloc[0]
    assert volume["unit"] == "µm³"
    assert volume["value"] == pytest.approx(np.count_nonzero(layer.data) * 2 * 0.25**2)
    centre = table[(table["object"] == 0) & (table["quantity"] == "centroid_x")].iloc[0]
    world = layer.data_to_world(np.argwhere(layer.data).mean(axis=0))
    assert centre["value"] == pytest.approx(world[2])
    panel.copy()
    assert QApplication.clipboard().text().startswith("object\tquantity")


def test_a_line_that_is_clicked_selects_its_object(panel, shown, qtbot):
    panel.part.value = ("plane", "whole")
    panel.measure()
    qtbot.waitUntil(lambda: not panel.runner.is_running, timeout=60000)
    layer = shown.layers["cells x2 objects"]
    panel.table.selectRow(1)
    assert layer.selected_label == 1
    place = np.median(np.argwhere(layer.data == 1), axis=0)
    expected = layer.data_to_world(place)
    np.testing.assert_allclose(shown.scene.camera.center[-2:], expected[-2:])


def test_labels_that_fit(panel, shown, qtbot):
    labels = np.zeros((3, 40, 48), int)
    labels[1, 4:10, 4:12] = 3
    shown.add_labels(labels, name="mine", **there(shown.layers["cells x2 mean"]))
    panel.part.value = ("all", "whole")
    panel.objects.value = "labels"
    panel.marked.value = shown.layers["mine"]
    panel.measure()
    qtbot.waitUntil(lambda: not panel.runner.is_running, timeout=60000)
    assert panel.frame()["object"].unique().tolist() == [0, 3]
    panel.part.value = ("plane", "whole")
    panel.measure()
    qtbot.waitUntil(lambda: not panel.runner.is_running, timeout=60000)
    assert "shape" in panel.status.value


def test_labels_are_those_of_the_moment_in_which_one_measures(panel, shown, qtbot):
    """What is painted or taken back meanwhile would be in some of the samples alone."""
    labels = np.zeros((3, 40, 48), int)
    labels[1, 4:10, 4:12] = 3
    mine = shown.add_labels(labels, name="mine", **there(shown.layers["cells x2 mean"]))
    panel.part.value = ("all", "whole")
    panel.objects.value = "labels"
    panel.marked.value = mine
    task = panel._task(panel.result)
    mine.brush_size = 4
    mine.paint((1, 30, 30), 9)
    assert 9 in mine.data and 9 not in task.segment and 3 in task.segment


@pytest.mark.parametrize(
    ("change", "is_refused"),
    [
        ({}, False),
        ({"translate": (0, 10, 20)}, False),  # half a pixel of the result away, as many make them
        ({"translate": (0, 10, 20.25)}, True),
        ({"scale": (2, 0.5, 0.5)}, True),
        ({"translate": (2, 9.875, 19.875)}, True),
        ({"scale": (2000, 250, 250), "translate": (0, 9875, 19875), "units": ("nm",) * 3}, False),
        ({"rotate": 90}, True),
    ],
)
def test_labels_that_lie_elsewhere_are_refused(panel, shown, qtbot, change, is_refused):
    labels = np.zeros((3, 40, 48), int)
    labels[1, 4:10, 4:12] = 3
    shown.add_labels(labels, name="mine", **{**there(shown.layers["cells x2 mean"]), **change})
    panel.part.value = ("all", "whole")
    panel.objects.value = "labels"
    panel.marked.value = shown.layers["mine"]
    panel.measure()
    qtbot.waitUntil(lambda: not panel.runner.is_running, timeout=60000)
    assert panel.status.value.startswith("'mine' lies elsewhere") == is_refused
    assert (panel.frame() is None) == is_refused


def test_of_a_result_of_a_part_that_part_is_measured(finished, viewer, settings, qtbot):
    """With labels that were made on its mean, too."""
    stack = np.random.default_rng(0).integers(100, 4000, (3, 20, 24)).astype(np.uint16)
    layer = viewer.add_image(stack, name="cells", axis_labels=("z", "y", "x"))
    task = UpscaleTask(layer, "ZYX", settings, {"Z": range(1, 3), "Y": range(4, 14)})
    for each in task.layers(finished(task), ["cells"]):
        viewer.add_layer(Layer.create(*each))
    panel = MeasurePanel(viewer)
    qtbot.addWidget(panel.native)
    panel.samples.value = 2
    panel.part.value = ("all", "whole")
    panel.measure()
    qtbot.waitUntil(lambda: not panel.runner.is_running, timeout=20000)
    mean, objects = viewer.layers["cells x2 mean"], viewer.layers["cells x2 objects"]
    assert objects.data.shape == mean.data.shape == (2, 20, 48)
    np.testing.assert_allclose(objects.extent.world, mean.extent.world)
    labels = np.zeros((2, 20, 48), int)
    labels[1, 4:10, 4:12] = 3
    viewer.add_labels(labels, name="mine", **there(mean))
    panel.objects.value = "labels"
    panel.marked.value = viewer.layers["mine"]
    panel.measure()
    qtbot.waitUntil(lambda: not panel.runner.is_running, timeout=20000)
    assert panel.frame()["object"].unique().tolist() == [0, 3]
    panel.part.value = ("plane", "whole")
    viewer.dims.set_point(0, 0)
    panel.measure()
    assert panel.status.value.startswith("'cells x2 mean' does not reach what is on show")


def test_objects_have_the_numbers_of_their_layer_in_the_table_that_is_saved(
    finished, viewer, settings, qtbot
):
    """Also those of a Labels layer, in which one object is in several time points."""
    movie = np.random.default_rng(0).integers(100, 4000, (2, 20, 24)).astype(np.uint16)
    layer = viewer.add_image(movie, name="cells")
    task = UpscaleTask(layer, "TYX", settings)
    for each in task.layers(finished(task), ["cells"]):
        viewer.add_layer(Layer.create(*each))
    panel = MeasurePanel(viewer)
    qtbot.addWidget(panel.native)
    panel.samples.value = 2
    panel.part.value = ("all", "whole")
    panel.properties.value = "area"

    def measured():
        panel.measure()
        qtbot.waitUntil(lambda: not panel.runner.is_running, timeout=60000)
        objects = [each for each in viewer.layers if "objects" in each.name][-1]
        for _, row in panel.frame().query("object > 0").iterrows():
            assert row["value"] == np.count_nonzero(objects.data[row["T"]] == row["object"]) > 0
        return objects

    measured()
    labels = np.zeros((2, 40, 48), int)
    labels[0, 4:10, 4:12], labels[1, 20:26, 30:40] = 2_000_000_000, 2_000_000_000
    viewer.add_labels(labels, name="mine", **there(viewer.layers["cells x2 mean"]))
    panel.objects.value = "labels"
    panel.marked.value = viewer.layers["mine"]
    objects = measured()
    np.testing.assert_array_equal(objects.data, labels)
    lines = [[panel.table.item(row, column).text() for column in (0, 1)] for row in range(4)]
    panel.table.selectRow(lines.index(["1", "2000000000"]))
    assert viewer.dims.point[0] == 1


def test_a_mirrored_layer_is_measured_and_negative_labels_are_refused(finished, viewer, settings, qtbot):
    pixels = np.random.default_rng(0).integers(100, 4000, (20, 24)).astype(np.uint16)
    layer = viewer.add_image(pixels, name="cells", scale=(-0.5, 0.5), translate=(9, 0), units=("um", "um"))
    for each in (task := UpscaleTask(layer, "YX", settings)).layers(finished(task), ["cells"]):
        viewer.add_layer(Layer.create(*each))
    panel = MeasurePanel(viewer)
    qtbot.addWidget(panel.native)
    panel.samples.value = 2
    panel.properties.value = "centroid"
    panel.measure()
    qtbot.waitUntil(lambda: not panel.runner.is_running, timeout=60000)
    objects = viewer.layers["cells x2 objects"]
    world = objects.data_to_world(np.argwhere(objects.data == 1).mean(axis=0))
    told = panel.frame().query("object == 1")["value"]
    np.testing.assert_allclose(told, world)
    viewer.add_labels(-objects.data, name="negative", **there(objects))
    panel.objects.value = "labels"
    panel.marked.value = viewer.layers["negative"]
    panel.measure()
    qtbot.waitUntil(lambda: not panel.runner.is_running, timeout=60000)
    assert "whole numbers" in panel.status.value


TURNED = {
    "rotated": {"rotate": (30, 0, 0)},
    "sheared": {"shear": [0.4, 0.2, -0.3]},
    "transformed": {"affine": [[1, 0, 0, 5], [0, 0, -1.5, 7], [0, 1.5, 0.2, -3], [0, 0, 0, 1]]},
}


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
@pytest.mark.parametrize("how", TURNED)
@pytest.mark.parametrize("part", [("all", "whole"), ("plane", "whole")])
def test_the_middles_of_a_layer_that_is_turned_are_where_it_is_shown(
    finished, viewer, settings, qtbot, how, part
):
    """And sizes are those of its pixels."""
    stack = np.random.default_rng(0).integers(100, 4000, (3, 20, 24)).astype(np.uint16)
    place = {"scale": (2000, 0.5, 0.25), "translate": (8000, 1, 5), "units": ("nm", "um", "um")}
    layer = viewer.add_image(stack, name="cells", axis_labels=("z", "y", "x"), **place, **TURNED[how])
    for each in (task := UpscaleTask(layer, "ZYX", settings)).layers(finished(task), ["cells"]):
        viewer.add_layer(Layer.create(*each))
    panel = MeasurePanel(viewer)
    qtbot.addWidget(panel.native)
    panel.samples.value = 2
    panel.properties.value = "area, centroid"
    panel.part.value = part
    panel.measure()
    qtbot.waitUntil(lambda: not panel.runner.is_running, timeout=60000)
    objects = viewer.layers["cells x2 objects"]
    middle = np.argwhere(objects.data == 1).mean(axis=0)
    world = np.divide(objects.data_to_world(middle), (1000, 1, 1))
    told = panel.frame().query("object == 1").set_index("quantity")["value"]
    names = ["centroid_z", "centroid_y", "centroid_x"][-(3 if part[0] == "all" else 2) :]
    np.testing.assert_allclose(told[names], world[-len(names) :])
    size = 2 * 0.25 * 0.125 if part[0] == "all" else 0.25 * 0.125
    assert told.iloc[0] == pytest.approx(np.count_nonzero(objects.data == 1) * size)


def test_the_intensity_has_the_digits_that_an_image_needs(viewer, settings, qtbot, finished):
    pixels = np.random.default_rng(0).uniform(0, 0.01, (20, 24)).astype(np.float32)
    layer = viewer.add_image(pixels, name="cells")
    for each in (task := UpscaleTask(layer, "YX", settings)).layers(finished(task), ["cells"]):
        viewer.add_layer(Layer.create(*each))
    panel = MeasurePanel(viewer)
    qtbot.addWidget(panel.native)
    panel.objects.value = "value"
    panel.level.value = 0.0035
    assert panel._segment().method == 0.0035
    layer = viewer.add_image(1e5 * pixels, name="bright")
    for each in (task := UpscaleTask(layer, "YX", settings)).layers(finished(task), ["bright"]):
        viewer.add_layer(Layer.create(*each))
    faint, bright = (each.identity for each in results(viewer.layers))
    panel.choice.value = bright
    assert panel._segment().method == 0.0035, "what was typed is not rounded"
    panel.level.value = 350.5
    panel.choice.value = faint
    assert panel.level.native.text() == "350.500000"
    panel.choice.value = bright
    assert panel.level.native.text() == "350.50"


def test_more_objects_than_napari_has_colours_for_are_shown(viewer, settings):
    layer = viewer.add_image(np.zeros((200, 400), np.uint8), name="cells")
    task = MeasureTask(layer, "YX", settings, {}, Threshold(), ("area",))
    labels = np.arange(1, 80_001, dtype=np.int32).reshape(200, 400)
    presence = {0: 1.0, 1: 0.5} | dict.fromkeys(range(2, 80_001), 1.0)
    for least in (1.0, 0.5):
        presence[80_000] = least
        field = Measured({}, labels, presence, {}, {}, {})
        found = Measurement([field], labels, [()], "YX")
        assert (found.colours is None) == (least < 1)
        viewer.add_layer(task.labels_layer(found, Factors(), []))


def test_a_wrong_property_is_said_at_once(panel, messages):
    panel.properties.value = "aera"
    panel.measure()
    assert "no such property" in panel.status.value
    assert any("no such property" in text for text in messages())


def test_what_a_check_corrected_is_measured_so(finished, viewer, settings, panel):
    source = viewer.layers["cells"]
    plain = UpscaleTask(source, "ZYX", settings)._job().calibrations
    corrected = [each.model_copy(update={"slope": 9 * each.slope}) for each in plain]
    task = UpscaleTask(source, "ZYX", settings, {"Z": range(1, 2)}, calibrations=corrected)
    mean, std = (Layer.create(*each) for each in task.layers(finished(task), ["cells"]))
    errors = []
    for shown in (viewer.layers["cells x2 mean"], mean):
        if shown is mean:
            viewer.layers.extend([mean, std])
        viewer.layers.selection.active = shown
        panel.choice.take_active()
        task = panel._task(panel.result)
        assert (panel.result.mean is shown) and task.made == panel.result.made
        (first, *_) = finished(task).fields
        errors.append(first.samples[0, "intensity_mean"].std())
    assert errors[1] > 3 * errors[0]
