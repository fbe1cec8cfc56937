"""Samples field by field, of arrays and of results."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vaesr import upscale
from napari_vaesr.engine.draws import count_fields, fields_of_arrays, fields_of_result
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Axes


def test_stacks_along_z_are_one_field_for_each_time_and_channel():
    samples = np.random.default_rng(0).random((3, 2, 2, 4, 5, 6)).astype(np.float32)
    fields = list(fields_of_arrays(None, samples, "TCZYX", {"T": 7}))
    assert len(fields) == count_fields(Axes.parse("TCZYX", samples.shape[1:])) == 4
    assert [field.place for field in fields] == [{"T": t, "C": c} for t in (7, 8) for c in (0, 1)]
    for field in fields:
        own = samples[:, field.place["T"] - 7, field.place["C"]]
        assert field.axes == "ZYX" and len(field.samples) == 3
        np.testing.assert_array_equal(field.samples[1], own[1])
        np.testing.assert_allclose(field.mean, own.mean(axis=0), rtol=1e-6)


def test_colours_that_are_hidden_by_alpha_are_dark():
    colours = np.full((2, 6, 7, 4), 200, "uint8")
    colours[..., :3, 3] = 0
    colours[..., 4, 3] = 0
    colours[..., 5, 3] = 255
    (field,) = fields_of_arrays(colours[0], colours, "YXS")
    np.testing.assert_allclose(field.mean[:, [2, 4, 5]], [[0, 0, 200]] * 6, rtol=1e-6)


def test_colours_become_luma():
    samples = np.zeros((2, 4, 5, 3), np.float32)
    samples[1, ..., 1] = 1
    (field,) = fields_of_arrays(None, samples, "YXS")
    assert field.axes == "YX" and field.samples[1].shape == (4, 5)
    np.testing.assert_allclose(field.samples[1] - field.samples[0], 0.587, atol=1e-3)


def test_what_tells_no_spread_is_refused(model, stack):
    with pytest.raises(VaesrError, match="One sample has no spread"):
        next(fields_of_arrays(None, np.zeros((1, 4, 5)), "YX"))
    result = upscale(stack[0, 0], "YX", model=model, samples=2)
    with pytest.raises(VaesrError, match="keep_samples=True"):
        next(fields_of_result(result))
