"""Every supply of batches: endless, and a function of seed and step."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from napari_vaesr.pairs.degradation import Batch
from napari_vaesr.training.batches import Batches, scale_odds, turned
from napari_vaesr.training.config import TrainingConfig
from napari_vaesr.vae.config import PRESETS

CONFIG = TrainingConfig(name="small", network=PRESETS["tiny"], seed=3)


class Drawn(Batches):
    """Batches of one number."""

    def batch(self, step: int) -> Batch:
        number = torch.tensor(self.random(step).random())
        return number, number, step


def test_a_run_goes_on_with_the_batches_that_it_would_have_had() -> None:
    whole = list(islice(Drawn(CONFIG), 6))
    rest = list(islice(Drawn(CONFIG, 4), 2))
    assert rest == whole[4:] and [step for _, _, step in whole] == list(range(6))
    assert len({float(number) for number, _, _ in whole}) == 6
    other = CONFIG.model_copy(update={"seed": 4})
    assert next(iter(Drawn(other)))[0] != whole[0][0]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning", "ignore:.*worker processes in total")
def test_workers_share_the_steps_and_keep_their_order() -> None:
    loader = DataLoader(Drawn(CONFIG, 4), batch_size=None, num_workers=2)
    assert [tuple(batch) for batch in islice(loader, 7)] == list(islice(Drawn(CONFIG, 4), 7))


@pytest.mark.parametrize(
    ("weights", "usable", "odds"),
    [
        (None, None, (1 / 3, 1 / 3, 1 / 3)),
        (None, [True, False, True], (1 / 2, 0, 1 / 2)),
        ((1, 2, 5), None, (1 / 8, 2 / 8, 5 / 8)),
        ((1, 2, 5), [True, True, False], (1 / 3, 2 / 3, 0)),
    ],
)
def test_scales_are_drawn_by_weight(weights: object, usable: list[bool] | None, odds: object) -> None:
    config = CONFIG.model_copy(update={"scale_weights": weights})
    np.testing.assert_allclose(scale_odds(config, usable), odds)


def test_there_are_eight_ways_to_turn_a_patch() -> None:
    plane = np.arange(9, dtype=np.float32).reshape(3, 3)
    ways = {turned(plane, flip, turns).tobytes() for flip in (False, True) for turns in range(4)}
    assert len(ways) == 8 and plane.tobytes() in ways
