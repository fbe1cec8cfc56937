"""A measurement in a worker is that of Python, and its failures are sentences."""

from __future__ import annotations

import pandas

from napari_vaesr import Source, Threshold, UpscaleJob, load_model, measure
from napari_vaesr.plugin.measure.task import MeasureTask
from napari_vaesr.plugin.viewer.task import Failure


def test_it_is_what_python_measures(finished, shown, settings):
    layer = shown.layers["cells"]
    task = MeasureTask(layer, "ZYX", settings, {"Z": range(1, 3)}, Threshold(), ("area", "centroid"))
    (field,) = finished(task).fields
    job = UpscaleJob(
        Source.of(layer.data, "ZYX"), settings, {"Z": range(1, 3)}, model=load_model("test-tiny")
    )
    table = measure(
        job,
        Threshold(),
        ("area", "centroid"),
        pixel_size={"Z": 2, "Y": 0.5, "X": 0.5},
        units=dict.fromkeys("ZYX", "um"),
        offset={"Y": 10, "X": 20},
    )
    assert pandas.DataFrame(field.rows()).equals(table)


def test_a_failure_is_a_sentence(finished, shown, settings):
    wrong = settings.model_copy(update={"model": "not there"})
    task = MeasureTask(shown.layers["cells"], "ZYX", wrong, {}, Threshold(), ("area",))
    assert isinstance(finished(task), Failure)
