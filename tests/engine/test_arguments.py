from __future__ import annotations

import inspect
import subprocess
import sys

import dask.array
import numpy as np
import pytest
import torch

import napari_vaesr
from napari_vaesr import VaesrError, upscale
from napari_vaesr.engine.arguments import as_source
from napari_vaesr.engine.settings import UpscaleSettings, about


def test_one_call(model, stack):
    seen = []
    result = upscale(stack[0], axes="ZYX", model=model, samples=2, progress=seen.append)
    assert isinstance(result, napari_vaesr.Result)
    assert isinstance(result.mean, np.ndarray) and result.mean.shape == (3, 34, 44)
    assert result.std.shape == (3, 34, 44)
    assert seen[-1].done == seen[-1].total
    assert result.record["settings"]["model"] == "random"
    again = upscale(stack[0], axes="ZYX", model=model, samples=2)
    np.testing.assert_array_equal(again.mean, result.mean)


def test_a_saved_model_is_used_by_path(tiny_model_path, stack):
    result = upscale(stack[0, 0], model=tiny_model_path, samples=2)
    assert result.record["model"]["name"] == "test-tiny" and len(result.record["model"]["sha256"]) == 64


def test_axes_are_asked_for_unless_there_is_no_doubt(model, stack):
    assert upscale(stack[0, 0], model=model, samples=1).axes == "YX"
    with pytest.raises(VaesrError, match="please name them, for example axes='ZYX'"):
        upscale(stack[0], model=model)


@pytest.mark.parametrize("pixel_size", [0.5, {"Z": 0.0}, {"Z": -1}, {"Z": float("nan")}, {"Z": "thick"}])
def test_pixel_sizes_are_positive_numbers_by_axis(model, stack, pixel_size):
    with pytest.raises(VaesrError, match="please give a positive number for each axis"):
        upscale(stack[0], axes="ZYX", model=model, samples=1, pixel_size=pixel_size)
    assert as_source(stack[0], "zyx", {"z": 2, "x": 1}).pixel_size == {"Z": 2.0, "X": 1.0}


def test_lists_are_arrays_too(model):
    assert upscale([[1, 2], [3, 4]], model=model, samples=1).mean.shape == (4, 4)
    with pytest.raises(VaesrError, match="regular"):
        upscale([[1, 2], [3]], model=model)


def test_tensors_are_arrays_too(model, stack):
    pixels = stack[0, 0].astype(np.float32)
    expected = upscale(pixels, model=model, samples=2)
    np.testing.assert_array_equal(
        upscale(torch.from_numpy(pixels), model=model, samples=2).mean, expected.mean
    )


@pytest.mark.parametrize(
    "image", [torch.zeros(8, 8, requires_grad=True), torch.zeros(8, 8, dtype=torch.bfloat16)]
)
def test_tensors_that_numpy_can_not_read_are_one_sentence(model, image):
    with pytest.raises(VaesrError, match=r"please give one; of a tensor, tensor\.detach"):
        upscale(image, model=model, samples=1)
    assert upscale(image.detach().cpu().float().numpy(), model=model, samples=1).mean.shape == (16, 16)


@pytest.mark.parametrize("image", [3.0, [1, 2, 3], "cells.tif", None])
def test_what_has_no_plane_is_refused(model, image):
    with pytest.raises(VaesrError, match="at least the axes Y and X"):
        upscale(image, model=model)


def test_names_of_files_and_unknown_sizes_are_told(model):
    with pytest.raises(VaesrError, match="read_image"):
        upscale("cells.tif", model=model)
    image = dask.array.from_array(np.eye(12, dtype=np.float32), chunks=4)
    unknown = image[image.sum(axis=1) > 0]
    with pytest.raises(VaesrError, match="compute_chunk_sizes"):
        upscale(unknown, model=model)
    assert upscale(unknown.compute_chunk_sizes(), model=model, samples=1).mean.shape == (24, 24)


def test_bad_settings_are_one_sentence(model, stack):
    with pytest.raises(VaesrError, match="samples is 0"):
        upscale(stack[0, 0], model=model, samples=0)


def test_what_progress_raises_stops_the_work(model, stack):
    def stop(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upscale(stack[0, 0], model=model, progress=stop)


def test_all_public_names_are_there():
    assert set(napari_vaesr.__all__) <= set(dir(napari_vaesr))
    for name in napari_vaesr.__all__:
        assert getattr(napari_vaesr, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'downscale'"):
        _ = napari_vaesr.downscale


def test_importing_loads_nothing_heavy():
    code = (
        "import sys, napari_vaesr, napari_vaesr.engine.settings;"
        "heavy = {'torch', 'napari', 'dask', 'matplotlib', 'lightning'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


@pytest.mark.parametrize(
    "extent", ["Z=1:3,Y=4:12,X=3", {"Z": range(1, 3), "Y": range(4, 12), "X": range(3, 4)}]
)
def test_an_extent_is_a_part_of_the_whole(model, stack, extent):
    def make(extent):
        made = upscale(
            stack[0], "ZYX", model=model, samples=2, device="cpu", precision="float32", extent=extent
        )
        return made

    whole, part = make(None), make(extent)
    assert part.mean.shape == (2, 16, 2)
    assert np.abs(part.mean.astype(int) - whole.mean[1:3, 8:24, 6:8]).max() <= 1
    assert part.record["extent"] == {"Z": [1, 3], "Y": [4, 12], "X": [3, 4]}


def test_what_is_unlike_the_training_is_warned_of_and_recorded(model, stack):
    from napari_vaesr import UnlikeTrainingWarning, read_image, sample_path
    from napari_vaesr.zoo.registry import Model, get_card

    inputs = get_card("microscopy").inputs
    knowing = Model(card=model.card.model_copy(update={"inputs": inputs}), network=model.network)
    usual = np.asarray(read_image(sample_path("nuclei")).data)[14, 60:124, 80:144]
    strange = np.random.default_rng(0).normal(128, 30, (160, 160))
    with pytest.warns(UnlikeTrainingWarning, match="unlike those"):
        result = upscale(strange, model=knowing, samples=2)
    assert any("unlike those" in told for told in result.record["messages"])
    told = upscale(usual, model=knowing, samples=2).record["messages"]
    assert not any("unlike those" in each for each in told)


def test_the_record_has_the_share_that_a_result_departs_from(model, stack):
    planes = stack[0]
    record = upscale(planes, axes="ZYX", model=model, samples=2).record
    assert record["departures"]["plane"] == 1 and 0 <= record["departures"]["share"] <= 1
    crop = upscale(planes, axes="ZYX", model=model, samples=2, extent="Z=2").record
    assert crop["departures"]["plane"] == 2


def test_help_tells_every_setting_its_default_and_what_it_does():
    parameters, words = inspect.signature(upscale).parameters, " ".join((upscale.__doc__ or "").split())
    for name, field in UpscaleSettings.model_fields.items():
        assert parameters[name].default == field.default
        assert name == "model" or about(name) in words
    assert "**settings" not in words


def test_a_setting_that_there_is_not_is_refused_in_a_sentence():
    with pytest.raises(VaesrError, match="no setting 'overlap'"):
        upscale(np.zeros((8, 8)), overlap=8)  # type: ignore[call-arg]
