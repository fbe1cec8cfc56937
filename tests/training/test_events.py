"""What a fine-tuning tells of itself on its way."""

from __future__ import annotations

import pytest

from napari_vaesr.training.events import PATIENCE, Validation, Verdict

pytestmark = pytest.mark.filterwarnings("ignore:::lightning", "ignore::Warning:lightning.*")


def test_the_verdict() -> None:
    def verdict(*scores: float) -> Verdict:
        return Verdict(tuple(Validation(step=100 * i, scores={"2": score}) for i, score in enumerate(scores)))

    fresh = verdict(30)
    assert (fresh.gain, fresh.is_worse, fresh.has_stalled) == (0, False, False)
    assert verdict(30, 29).gain == pytest.approx(-1)
    assert verdict(30, 29).is_worse
    stalled = verdict(30, 31, *[30.5] * PATIENCE)
    assert stalled.has_stalled and stalled.best.step == 100 and not stalled.is_worse
    assert not verdict(30, 31, *[30.5] * (PATIENCE - 1)).has_stalled
    tied = verdict(30, 31, 31)
    assert tied.best.step == 100
