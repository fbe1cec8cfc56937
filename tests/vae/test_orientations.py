"""Planes turned and mirrored: what can be undone, and what a network makes of them."""

from __future__ import annotations

import pytest
import torch

from napari_vaesr.vae.build import build
from napari_vaesr.vae.config import Level, NetworkConfig
from napari_vaesr.vae.orientations import ORIENTATIONS

LADDER = NetworkConfig(
    width=8, blocks=1, decoder_width=8, levels=(Level(stride=4, channels=4), Level(stride=1, channels=6))
)


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_the_base_is_laid_as_the_plane_is(count: int) -> None:
    """The base of a turned plane is the turned base, for the orientations that the network looks from."""
    torch.manual_seed(0)
    network = build(LADDER.model_copy(update={"consistent": True, "orientations": count})).eval()
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    planes = torch.rand(1, 1, 12, 16)
    base = network.encode(planes, 3).base
    alike = [
        torch.allclose(
            orientation.undo(network.encode(orientation.apply(planes), 3).base), base, rtol=1e-4, atol=1e-5
        )
        for orientation in ORIENTATIONS
    ]
    assert alike == [True] * count + [False] * (8 - count)


def test_rows_alone_are_made_more_of_planes_as_they_lie() -> None:
    torch.manual_seed(0)
    config = LADDER.model_copy(update={"row_factors": (2,), "orientations": 8})
    network = build(config).eval()
    one = build(config.model_copy(update={"orientations": 1})).eval()
    one.load_state_dict(network.state_dict())
    planes = torch.rand(1, 1, 12, 16)
    assert torch.equal(network.encode(planes, (2, 1)).base, one.encode(planes, (2, 1)).base)


def test_a_training_looks_from_one_orientation() -> None:
    torch.manual_seed(0)
    planes = torch.rand(1, 1, 12, 16)
    network = build(LADDER.model_copy(update={"orientations": 4}))
    one = build(LADDER)
    one.load_state_dict(network.state_dict())
    assert torch.equal(network.encode(planes, 2).base, one.encode(planes, 2).base)
    assert not torch.equal(network.eval().encode(planes, 2).base, one.eval().encode(planes, 2).base)


def test_orientations_can_be_undone_and_differ() -> None:
    planes = torch.arange(24.0).reshape(1, 1, 4, 6)
    for orientation in ORIENTATIONS:
        assert torch.equal(orientation.undo(orientation.apply(planes)), planes)
    square = torch.arange(16.0).reshape(4, 4)
    assert len({tuple(each.apply(square).flatten().tolist()) for each in ORIENTATIONS}) == 8
