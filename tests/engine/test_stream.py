"""Results streamed into files, block by block."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.imaging.axes import Source


def test_the_stream_equals_the_result(model, stack, settings, finish):
    result, steps = finish(UpscaleJob(Source.of(stack, "CZYX"), settings(tile=8), model=model))
    job = UpscaleJob(Source.of(stack, "CZYX"), settings(tile=8), model=model)
    seen, count = [], 0
    for count, piece in enumerate(job.pieces(seen.append)):
        where = tuple(piece.inside(job.region, job.factors).values())
        assert [part.start for part in where] == [*np.unravel_index(count, (2, 3)), 0, 0]
        np.testing.assert_array_equal(piece.mean, result.mean[where])
        np.testing.assert_array_equal(piece.std, result.std[where])
    assert count == 5 and seen == steps


def test_the_progress_callback_can_cancel_a_stream(model, stack, settings):
    def stop(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        next(UpscaleJob(Source.of(stack, "CZYX"), settings(), model=model).pieces(stop))


def test_planes_are_read_once(model, reads, settings):
    job = UpscaleJob(Source.of(reads, "CZYX"), settings(tile=8), model=model)
    reads.count = 0
    list(job)
    assert reads.count == 6 and job.describe().tiles > 6
    assert reads.largest <= 17 * 22


def test_a_huge_plane_is_read_block_by_block(model, reads, monkeypatch, run):
    monkeypatch.setattr("napari_vaesr.engine.passes.LARGEST_BLOCK", 16)
    expected = run(reads.array, "CZYX", model)
    result = run(reads, "CZYX", model)
    np.testing.assert_allclose(result.mean.astype(int), expected.mean.astype(int), atol=1)
    np.testing.assert_allclose(result.std, expected.std, rtol=1e-3, atol=0.1)
