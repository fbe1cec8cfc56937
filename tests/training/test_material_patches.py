"""Patches of a fine-tuning: low and high stay together, and recorded pairs come first."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from napari_vaesr.pairs.degradation import downscaled
from napari_vaesr.pairs.material import material_from_pair
from napari_vaesr.training.config import finetune_config
from napari_vaesr.training.material_patches import MaterialPatches, checked_pairs
from napari_vaesr.zoo.registry import Model


def test_pairs_stay_together(start: Model, blobs: Callable[..., np.ndarray]) -> None:
    high = blobs((3, 96, 192)).astype(np.float32)
    low = downscaled(high, 2) * 3 + 50  # another exposure
    material = material_from_pair(low, "ZYX", high, "ZYX", start.card.network, "percentile", name="a and b")
    assert material.scale == 2
    config = finetune_config(start.card, patch=8, batch=2, steps=8)
    for low_part, high_part, (scale, _), _ in [
        *(MaterialPatches(material, config).batch(step) for step in range(6)),
        *checked_pairs(material, config).pairs,
    ]:
        assert low_part.shape[-1] * scale == high_part.shape[-1]
        if scale == 2:
            again = torch.from_numpy(downscaled(high_part.numpy(), 2))
            inside = (..., slice(2, -2), slice(2, -2))
            torch.testing.assert_close(again[inside], low_part[inside], atol=2e-3, rtol=0)


def test_recorded_pairs_come_first_and_the_other_scales_stay_in_use(
    start: Model, blobs: Callable[..., np.ndarray]
) -> None:
    high = blobs((1, 96, 192)).astype(np.float32)
    material = material_from_pair(
        downscaled(high, 2), "ZYX", high, "ZYX", start.card.network, "minmax", name="p"
    )
    patches = MaterialPatches(material, finetune_config(start.card, patch=8, batch=1, steps=8))
    scales = [patches.batch(step).factor[0] for step in range(60)]
    assert set(scales) == {2, 3, 4} and scales.count(2) > 30
