"""A whole result holds every kind of uncertainty, and the samples, each pixel in its place."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.settings import make_settings
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Source


def run(array, axes, model, options=None, **changes):
    settings = make_settings(**{"samples": 2, "device": "cpu", "precision": "float32", **changes})
    job = UpscaleJob(Source.of(array, axes), settings, model=model, **(options or {}))
    list(job)
    return job.result


@pytest.mark.parametrize("work", [list, lambda job: list(job.pieces())], ids=["whole", "streamed"])
def test_a_result_larger_than_memory_is_refused(model, stack, monkeypatch, work):
    job = UpscaleJob(Source.of(stack, "CZYX"), make_settings(samples=2, device="cpu"), model=model)
    real = np.zeros

    def zeros(shape, *args, **kwargs):
        if np.prod(shape) >= 34 * 44:
            raise MemoryError
        return real(shape, *args, **kwargs)

    with monkeypatch.context() as patch, pytest.raises(VaesrError, match="does not fit into memory"):
        patch.setattr(np, "zeros", zeros)
        work(job)


def test_kinds_of_uncertainty(model, stack):
    image = stack[0, 0].astype(np.float32)
    image[:6, :6] = 0
    std = run(image, "YX", model)
    variance = run(image, "YX", model, uncertainty="variance")
    np.testing.assert_array_equal(variance.std, std.std)
    np.testing.assert_allclose(variance.uncertainty, std.std**2, rtol=1e-6)
    relative = run(image, "YX", model, uncertainty="relative")
    assert np.isfinite(relative.uncertainty).all()
    bright = std.mean > 100
    np.testing.assert_allclose(relative.uncertainty[bright], std.std[bright] / std.mean[bright], rtol=1e-4)


@pytest.mark.parametrize("samples", [1, 4, 5])
def test_kept_samples_are_those_of_the_mean(model, samples):
    image = np.random.default_rng(3).random((2, 9, 14)).astype("float32")
    plain = run(image, "ZYX", model, samples=samples)
    kept = run(image, "ZYX", model, {"keep_samples": True}, samples=samples)
    assert plain.samples is None and not plain.record["keep_samples"]
    assert kept.samples.shape == (samples, 2, 18, 28) and kept.samples.dtype == np.float32
    np.testing.assert_array_equal(kept.mean, plain.mean)
    if pairs := samples // 2:  # the partner of a last odd one is not kept
        np.testing.assert_allclose(kept.samples[: 2 * pairs].mean(axis=0), kept.mean, atol=2e-5)


def test_kept_samples_of_a_region_are_those_of_the_whole_in_any_tiling(model):
    image = np.random.default_rng(4).integers(0, 255, (20, 24, 3), dtype=np.uint8)

    def kept(**part):
        return run(image, "YXS", model, {"keep_samples": True, **part}, samples=3, tile=8).samples

    whole, part = kept(), kept(region={"Y": range(5, 17), "X": range(2, 11)})
    assert whole.shape == (3, 40, 48, 3)
    assert np.abs(part.astype(int) - whole[:, 10:34, 4:22]).max() <= 1
