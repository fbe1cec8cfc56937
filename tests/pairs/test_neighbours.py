"""Networks that look at planes beside a plane see such planes in training, of stacks and of single images."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch

from napari_vaesr.pairs.neighbours import around, hidden, neighboured, sharp_at, simulate, simulate_middle
from napari_vaesr.pairs.settings import Degradation
from napari_vaesr.vae.config import NetworkConfig

LOOKS = NetworkConfig(frames=3)


def settings(alone: float = 0.0) -> SimpleNamespace:
    return SimpleNamespace(network=LOOKS, degradation=Degradation(), alone=alone)


def test_planes_around_one_come_again_beyond_the_ends() -> None:
    stack = np.arange(4).reshape(4, 1, 1)
    assert around(stack, 2, 3).ravel().tolist() == [1, 2, 3]
    assert around(stack, 0, 5).ravel().tolist() == [0, 0, 0, 1, 2]
    assert around(stack[:1], 0, 3).ravel().tolist() == [0, 0, 0]


def test_a_stack_is_drawn_with_planes_beside_and_a_single_image_alone() -> None:
    stack = np.arange(4).reshape(4, 1, 1)
    assert sharp_at(stack, 3, LOOKS).ravel().tolist() == [2, 3, 3]
    assert sharp_at(stack[:1], 0, LOOKS).ravel().tolist() == [0]
    assert sharp_at(stack, 3, NetworkConfig()).ravel().tolist() == [3]


def test_some_neighbours_show_something_else_altogether() -> None:
    high = torch.rand(64, 1, 24, 24, generator=torch.Generator().manual_seed(0))
    stacks = neighboured(high, 5, 1.0, torch.Generator().manual_seed(1))
    torch.testing.assert_close(stacks[:, 2, None], high)

    def likeness(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        one, other = (each.flatten(1) - each.flatten(1).mean(1, keepdim=True) for each in (one, other))
        return torch.cosine_similarity(one, other)

    alike = likeness(stacks[:, 1], high[:, 0])
    assert float(alike.median()) > 0.5
    assert 2 <= int((alike < 0.2).sum()) <= 24


def test_planes_of_a_stack_are_seen_and_a_single_image_gets_made_ones() -> None:
    stack = np.random.default_rng(0).random((3, 16, 16)).astype(np.float32)
    batch = simulate([stack, stack[1:2]], (2, 2), settings(), torch.Generator().manual_seed(0))
    assert batch.low.shape == (2, 3, 8, 8) and batch.factor == (2, 2)
    torch.testing.assert_close(batch.high, torch.from_numpy(stack[1]).expand(2, 1, 16, 16))
    torch.testing.assert_close(batch.plane[0], batch.plane[1])
    beside = batch.low[:, [0, 2]] - batch.plane
    assert (beside.abs().amax(dim=(2, 3)) > 0.05).all()
    lone = simulate([stack, stack[1:2]], (2, 2), settings(alone=1.0), torch.Generator().manual_seed(0))
    torch.testing.assert_close(lone.low, batch.plane.expand(2, 3, 8, 8))


def test_some_stacks_end_on_one_side() -> None:
    low = torch.arange(5.0)[:, None, None].expand(2000, 5, 1, 1)
    seen = hidden(low, 0.25, torch.Generator().manual_seed(0))[..., 0, 0]
    assert (seen[:, 2] == 2).all()
    left, right = (seen[:, :2] == 2).any(dim=1), (seen[:, 3:] == 2).any(dim=1)
    share = [float(each.float().mean()) for each in (left & right, left ^ right, ~(left | right))]
    np.testing.assert_allclose(share, [0.25, 0.15, 0.6], atol=0.03)


def test_a_pair_to_check_on_hides_nothing() -> None:
    stack = np.random.default_rng(0).integers(0, 255, (5, 20, 24)).astype(np.uint8)
    part, draw = (slice(2, 18), slice(4, 20)), torch.Generator().manual_seed(0)
    pair = simulate_middle(stack, part, (2, 2), settings(alone=1.0), draw)
    torch.testing.assert_close(pair.high[0, 0], torch.from_numpy(stack[2, 2:18, 4:20] / np.float32(255)))
    assert pair.low.shape == (1, 3, 8, 8) and not torch.equal(pair.low[:, 0], pair.low[:, 1])
    assert simulate_middle(stack[:1], part, (2, 2), settings(), draw).low.shape == (1, 1, 8, 8)
