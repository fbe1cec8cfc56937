"""A ladder over another network."""

from __future__ import annotations

import copy

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from napari_vaesr.luma import BLUE, GREEN, RED
from napari_vaesr.vae.build import build
from napari_vaesr.vae.config import BaseNetwork, Level, OverConfig
from napari_vaesr.vae.frozen import Frozen


def small(base: BaseNetwork) -> OverConfig:
    levels = (Level(stride=2, channels=2), Level(stride=1, channels=2))
    return OverConfig(base=base, scales=(2,), width=8, blocks=1, decoder_width=8, levels=levels)


@pytest.fixture
def over(foreign, told):
    def over(colours: str = "grey", **changes: object):
        base = told(colours=colours, **changes)
        torch.manual_seed(0)
        network = build(small(base)).eval()
        for parameter in network.parameters():
            nn.init.normal_(parameter, std=0.1)
        network.base = Frozen(foreign(1 if colours == "grey" else 3), base)
        return network

    return over


def draw(network, encoded, height: int, width: int) -> torch.Tensor:
    noise = network.antithetic_noise(torch.zeros(1, 1, height, width), 4, torch.Generator().manual_seed(0))
    return network.decode(encoded, noise)


@torch.no_grad()
def test_the_mean_of_antithetic_samples_is_what_the_other_network_says(over):
    network, planes = over(), torch.rand(1, 1, 12, 16)
    samples = draw(network, network.encode(planes, 2), 12, 16)
    assert samples.std(dim=0).min() > 0
    torch.testing.assert_close(samples.mean(dim=0), network.base(planes))


@torch.no_grad()
def test_colours_are_seen_and_their_chroma_is_kept(over):
    network, colours = over("rgb"), torch.rand(1, 3, 12, 16)
    encoded = network.encode_colours(colours)
    answer = network.base(colours)
    luma = sum(weight * answer[:, index] for index, weight in enumerate((RED, GREEN, BLUE)))[:, None]
    torch.testing.assert_close(encoded.base, luma)
    blue, red = (answer[:, [index]] - luma for index in (2, 0))
    wanted = torch.cat([blue / (2 * (1 - BLUE)), red / (2 * (1 - RED))], dim=1)
    torch.testing.assert_close(encoded.chroma, wanted)


@torch.no_grad()
@pytest.mark.parametrize("colours", ["luma", "rgb"])
def test_a_network_for_colours_sees_grey_in_each_of_them(colours, over):
    network, planes = over(colours), torch.rand(1, 1, 8, 8)
    network.encode(planes, 2)
    (copied,) = network.base._copies.values()
    torch.testing.assert_close(copied.asked[-1], planes.expand(1, 3, 8, 8))
    assert network.sees_colours == (colours == "rgb")


def test_the_ladder_and_its_trunk_learn_and_the_other_network_does_not(over):
    network = over().train()
    low, high = torch.rand(2, 1, 8, 8), torch.rand(2, 1, 16, 16)
    elbo = network.elbo(low, high, 2)
    (elbo.nll + sum(elbo.kl)).backward()
    assert network.trunk.entry.weight.grad is not None
    assert not any(parameter.requires_grad for parameter in network.base.module.parameters())
    assert not any("layers" in name for name in network.state_dict())
    assert copy.deepcopy(network).base is network.base


@torch.no_grad()
def test_it_looks_as_far_as_it_says(over):
    network, planes = over(), torch.rand(1, 1, 64, 64)
    other = planes.clone()
    other[..., 0] += 1
    one, two = (draw(network, network.encode(each, 2), 64, 64) for each in (planes, other))
    changed = ((one - two).abs() > 1e-6).any(dim=0)[0, 0].any(dim=0).nonzero().max() // 2
    assert changed <= network.receptive_radius


def test_what_has_no_base_yet_says_so(told):
    with pytest.raises(RuntimeError, match="not been given"):
        build(small(told())).encode(torch.rand(1, 1, 8, 8), 2)


@pytest.mark.parametrize("changes", [{"scales": (3,)}, {"frames": 3}, {"conditioned": True}])
def test_what_another_network_cannot_do_is_refused(changes, told):
    with pytest.raises(ValidationError):
        OverConfig.model_validate({**small(told()).model_dump(), **changes})
