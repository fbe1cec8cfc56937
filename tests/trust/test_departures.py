"""What lazy results say of how they depart from their input."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vaesr import Source, UpscaleJob, load_model, make_settings
from napari_vaesr.trust.departures import with_departures
from napari_vaesr.trust.upscale import lazily


@pytest.fixture(scope="module")
def model(tiny_model_path):
    return load_model(tiny_model_path)


@pytest.fixture
def stack():
    """Of smooth shapes, without noise that would hide what a result departs by."""
    z, y, x = np.mgrid[:3, :20, :24]
    return (2000 + 900 * np.sin(y / 4 + z) + 900 * np.cos(x / 5)).astype(np.uint16)


def asked(**changes):
    return make_settings(**{"samples": 2, "device": "cpu", "precision": "float32", **changes})


def test_departures_grow_with_what_is_looked_at_and_much_is_told_once(stack, model):
    """A network of random weights gives back another image."""
    job = UpscaleJob(Source.of(stack, "ZYX"), asked(), model=model)
    told: list[str] = []
    result = lazily(job, tell=told.append)
    assert result.record["departures"] == {}
    shallow = {**result.record}  # as in the metadata of layers
    np.asarray(result.mean[1])
    assert len(told) == 1 and "Made small again" in told[0]
    found = dict(result.record["departures"])
    eager = UpscaleJob(Source.of(stack, "ZYX"), asked(), {"Z": range(3)}, model=model)
    for _ in eager:
        pass
    assert found == with_departures(eager).record["departures"], "that of its middle plane, too"
    np.asarray(result.mean[0])
    np.asarray(result.mean[2])
    assert shallow["departures"]["share"] >= found["share"]
    assert shallow["messages"] == told and len(told) == 1


def test_parts_of_large_planes_are_looked_at(stack, model, monkeypatch):
    monkeypatch.setattr("napari_vaesr.engine.passes.LARGEST_BLOCK", 16)
    result = lazily(UpscaleJob(Source.of(stack[0], "YX"), asked(), model=model))
    np.asarray(result.mean)
    assert result.record["departures"]["plane"] == 0


def test_planes_that_have_no_counterpart_have_no_departures(stack, deep_model_path):
    deep = load_model(deep_model_path)
    result = lazily(UpscaleJob(Source.of(stack, "ZYX"), asked(scale={"Z": 2}), model=deep))
    np.asarray(result.mean)
    assert "departures" not in result.record
