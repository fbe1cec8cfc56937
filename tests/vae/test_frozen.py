"""A network of other makers, as it is."""

from __future__ import annotations

import pytest
import torch

from napari_vaesr.vae.frozen import Frozen, padded


@pytest.mark.parametrize(
    ("size", "needs", "wanted"),
    [
        ((5, 9), {"multiple": 8}, (8, 16)),
        ((3, 2), {"smallest": 16}, (16, 16)),
        ((1, 4), {"multiple": 4}, (4, 4)),
        ((6, 9), {"square": True}, (9, 9)),
    ],
)
def test_images_of_any_size_are_made_to_fit(size, needs, wanted, foreign, told):
    image = torch.rand(1, 1, *size)
    larger = padded(image, told(**needs))
    assert larger.shape[-2:] == wanted
    assert torch.equal(larger[..., : size[0], : size[1]], image)
    network = Frozen(foreign(1), told(**needs))
    assert network(image).shape[-2:] == (2 * size[0], 2 * size[1])


@torch.no_grad()
def test_it_computes_in_the_number_formats_that_it_bears(foreign, told):
    image = torch.rand(1, 1, 8, 8)
    network = Frozen(foreign(1), told(precisions=("bfloat16",)))
    exact = network(image)
    assert torch.equal(network(image, torch.float16), exact)
    near = network(image, torch.bfloat16)
    assert not torch.equal(near, exact)
    torch.testing.assert_close(near, exact, atol=0.02, rtol=0.02)
