from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Layer

from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.progress import Progress
from napari_vaesr.engine.record import Record
from napari_vaesr.engine.settings import make_settings
from napari_vaesr.errors import VaesrError
from napari_vaesr.plugin.viewer.extents import plane_at
from napari_vaesr.plugin.viewer.task import Failure, UpscaleTask


@pytest.fixture
def stack():
    pixels = np.random.default_rng(0).integers(0, 4000, (3, 12, 16)).astype("uint16")
    return Image(pixels, name="cells", scale=(2, 0.5, 0.5), translate=(10, 0, 0), contrast_limits=(0, 4000))


@pytest.fixture
def settings(tiny_model_path):
    return make_settings(model=str(tiny_model_path), samples=4, device="cpu", precision="float32")


def finish(task):
    """Run all steps here and now; returns the steps and what came out."""
    steps, generator = [], task.steps()
    while True:
        try:
            steps.append(next(generator))
        except StopIteration as end:
            return steps, end.value


def test_a_whole_stack(stack, settings, monkeypatch):
    import napari_vaesr.engine.upscaler

    # Nobody waits for an estimate of the time: the progress bar tells it.
    monkeypatch.delattr(napari_vaesr.engine.upscaler.Upscaler, "seconds_per_pixel")
    task = UpscaleTask(stack, "ZYX", settings)
    steps, result = finish(task)
    assert result.mean.shape == (3, 24, 32) and result.mean.dtype == np.uint16
    assert all("on cpu in float32 (asked for)" in step.message for step in steps[1:])
    totals = {step.total for step in steps} - {0}
    assert len(totals) == 1 and steps[-1].done == totals.pop()
    assert all(isinstance(step, Progress) for step in steps)
    assert [step.done for step in steps] == sorted(step.done for step in steps)


def test_the_current_plane_is_the_same_plane_of_the_whole_stack(stack, settings):
    _, whole = finish(UpscaleTask(stack, "ZYX", settings))
    task = UpscaleTask(stack, "ZYX", settings, {"Z": range(2, 3)})
    _, plane = finish(task)
    np.testing.assert_array_equal(plane.mean, whole.mean[2:3])
    np.testing.assert_allclose(plane.uncertainty, whole.uncertainty[2:3], rtol=1e-5)

    mean, spread = (Layer.create(*made) for made in task.layers(plane, ["cells"]))
    for made in (mean, spread):
        np.testing.assert_allclose(made.data_to_world((0, 0.5, 0.5)), stack.data_to_world((2, 0, 0)))
    assert mean.metadata["napari_vaesr"]["extent"]["Z"] == [2, 3]


@pytest.mark.parametrize("axes", ["YXZ", "XZY"])
def test_any_order_of_axes(settings, axes):
    layer = Image(np.random.default_rng(1).random((6, 8, 10)).astype("float32"), rgb=False)
    task = UpscaleTask(layer, axes, settings, {"Z": range(1, 2)})
    _, result = finish(task)
    expected = {"YXZ": (12, 16, 1), "XZY": (12, 1, 20)}[axes]
    assert result.mean.shape == expected
    mean = Layer.create(*task.layers(result, [])[0])
    position = np.array([0.5 if name in "YX" else 0 for name in axes])
    source = np.array([0 if name in "YX" else 1 for name in axes])
    np.testing.assert_allclose(mean.data_to_world(position), layer.data_to_world(source))


def test_colour(settings):
    layer = Image(np.random.default_rng(2).integers(0, 255, (2, 8, 10, 3)).astype("uint8"), rgb=True)
    task = UpscaleTask(layer, "ZYX", settings)
    _, result = finish(task)
    mean, spread = task.layers(result, [])
    assert mean[0].shape == (2, 16, 20, 3) and spread[0].shape == (2, 16, 20)


def test_multiscale_uses_the_finest_level(settings):
    fine = np.random.default_rng(3).random((8, 10)).astype("float32")
    _, result = finish(UpscaleTask(Image([fine, fine[::2, ::2]], multiscale=True), "YX", settings))
    assert result.mean.shape == (16, 20)


def test_what_the_engine_refuses_comes_back_as_one_sentence(stack, settings):
    stack.data = np.full((3, 12, 16), np.nan, "float32")
    _, failure = finish(UpscaleTask(stack, "ZYX", settings))
    assert isinstance(failure, Failure) and "NaN" in failure.message

    _, failure = finish(UpscaleTask(stack, "ZYX", settings.model_copy(update={"model": "no-such"})))
    assert isinstance(failure, Failure) and "no-such" in failure.message


def test_an_unexpected_error_is_one_sentence_and_logged(stack, settings, monkeypatch, caplog):
    import napari_vaesr.engine.job

    def broken(*_, **__):
        raise RuntimeError("wires crossed\nsecond line")

    monkeypatch.setattr(napari_vaesr.engine.job, "UpscaleJob", broken)
    _, failure = finish(UpscaleTask(stack, "ZYX", settings))
    assert failure == Failure("Upscaling 'cells' failed: RuntimeError: wires crossed")
    assert "second line" in caplog.text


def test_axes_that_do_not_fit_are_refused_before_anything_runs(stack, settings):
    with pytest.raises(VaesrError):
        UpscaleTask(stack, "TZYX", settings)


def test_closing_stops_the_engine_and_lets_go_of_the_source(stack, settings, monkeypatch):
    import napari_vaesr.engine.job

    stopped = []

    class Job(napari_vaesr.engine.job.UpscaleJob):
        def __iter__(self):
            try:
                yield from super().__iter__()
            finally:
                stopped.append(True)

    monkeypatch.setattr(napari_vaesr.engine.job, "UpscaleJob", Job)
    task = UpscaleTask(stack, "ZYX", settings)
    steps = task.steps()
    while next(steps).done == 0:
        pass
    assert not stopped
    task.close()  # as after a worker was quit, which leaves its generator suspended
    assert stopped and task.pixels is None and task.layer is None
    task.close()


def test_the_plane_on_show_is_kept_inside_the_layer(stack):
    viewer = ViewerModel()
    viewer.add_layer(stack)
    viewer.add_image(np.zeros((2, 40, 20, 20)), contrast_limits=(0, 1))
    viewer.dims.set_point(1, 12.4)
    assert plane_at(stack, "ZYX", viewer.dims.point, viewer.dims.units) == {"Z": 1}
    assert plane_at(stack, "ZYX", (0, 999, 0, 0), None) == {"Z": 2}
    assert plane_at(stack, "ZYX", (0, -999, 0, 0), None) == {"Z": 0}


def test_a_lazy_result_is_there_at_once_and_equals_the_eager_one(stack, settings, monkeypatch):
    from napari_vaesr.engine.upscaler import Upscaler

    _, eager = finish(UpscaleTask(stack, "ZYX", settings, {"Z": range(1, 3)}))
    task = UpscaleTask(stack, "ZYX", settings, {"Z": range(1, 3)}, lazy=True)
    with monkeypatch.context() as patch:
        patch.delattr(Upscaler, "moments")  # nothing is computed, not even for contrast limits
        _, result = finish(task)
        made = task.layers(result, ["cells"])
    for _, attributes, _ in made:
        attributes["visible"] = False  # what is visible is computed when it becomes a layer
    mean, spread = (Layer.create(*each) for each in made)
    assert spread.contrast_limits == [0, 400]
    np.testing.assert_array_equal(mean.data.compute(), eager.mean)
    np.testing.assert_allclose(mean.data_to_world((0, 0.5, 0.5)), stack.data_to_world((1, 0, 0)))
    np.testing.assert_array_equal(spread.data.compute(), eager.uncertainty)


@pytest.mark.parametrize(("free", "lazy"), [(10_000, True), (10_000_000, False)])
def test_a_result_too_large_for_the_memory_is_lazy(stack, settings, monkeypatch, free, lazy):
    memory = type("Memory", (), {"available": free})
    monkeypatch.setattr("napari_vaesr.plugin.viewer.task.virtual_memory", lambda: memory)
    task = UpscaleTask(stack, "ZYX", settings, lazy=None)
    _, result = finish(task)
    assert hasattr(result.mean, "dask") == lazy == task.lazy


def test_samples_are_not_kept_of_what_is_not_computed(stack, settings):
    _, failure = finish(UpscaleTask(stack, "ZYX", settings, keep_samples=True, lazy=True))
    assert isinstance(failure, Failure) and "all at once" in failure.message


@pytest.mark.parametrize("one_channel", [False, True])
def test_samples_drawn_of_a_result_differ_as_the_result_says(settings, one_channel):
    """A check has made its std larger, in the second channel most."""
    pixels = np.random.default_rng(0).integers(0, 4000, (2, 12, 16)).astype("uint16")
    layer = Image(pixels, name="cells")
    plain = UpscaleTask(layer, "CYX", settings)._job().calibrations
    corrected = [
        each.model_copy(update={"slope": factor * each.slope, "offset": factor * each.offset})
        for each, factor in zip(plain, (2, 5), strict=True)
    ]
    extent = {"C": range(1, 2)}
    _, result = finish(UpscaleTask(layer, "CYX", settings, extent, calibrations=corrected))
    source, axes = (Image(pixels[1]), "YX") if one_channel else (layer, "CYX")
    part = {} if one_channel else extent
    made = Record.read(result.record)
    _, drawn = finish(UpscaleTask(source, axes, settings, part, keep_samples=True, made=made))
    if not one_channel:  # else it is another plane, with noise of its own
        np.testing.assert_allclose(drawn.std, result.std, rtol=1e-5)
    assert np.mean(drawn.std) == pytest.approx(np.mean(result.std), rel=0.2)
    assert not any("corrected by a check" in message for message in drawn.record["messages"])
    _, uncorrected = finish(UpscaleTask(source, axes, settings, part))
    assert np.mean(drawn.std) > 2 * np.mean(uncorrected.std)


def test_samples_drawn_of_a_stack_are_as_alike_as_those_of_the_result(stack, settings):
    """Its model was calibrated anew since."""
    _, plain = finish(UpscaleTask(stack, "ZYX", settings))
    made = Record.read(plain.record).model_copy(update={"alike_planes": 0.8})
    result = UpscaleJob.from_record(stack.data, made).run()
    _, drawn = finish(UpscaleTask(stack, "ZYX", settings, made=made))
    np.testing.assert_allclose(drawn.std, result.std, rtol=1e-5)
    assert drawn.record["alike_planes"] == 0.8 and plain.record["alike_planes"] == 0
    assert not np.allclose(drawn.std, plain.std, rtol=1e-2)
