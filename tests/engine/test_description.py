"""What a job would do, told without doing it."""

from __future__ import annotations

from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.settings import make_settings
from napari_vaesr.imaging.axes import Source


def test_a_description_costs_little_and_computes_nothing(model, reads):
    job = UpscaleJob(
        Source.of(reads, "CZYX"),
        make_settings(tile=8, samples=2, device="cpu", precision="float32"),
        model=model,
    )
    reads.count = 0
    description = job.describe()
    assert reads.count == 0
    assert description.planes == 6 and description.tiles == 6 * 3 * 3
    assert description.shape == (2, 3, 34, 44)
    assert description.result_bytes == 2 * 3 * 34 * 44 * (2 + 4)
    assert description.memory > 0 and 0 < description.seconds < 60
    assert (description.device, description.precision) == ("cpu", "float32")
    assert description.reason
