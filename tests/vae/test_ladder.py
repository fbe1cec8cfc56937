"""The ladder of latents: its bound, its levels, and how a deeper one begins."""

from __future__ import annotations

from typing import cast

import pytest
import torch

from napari_vaesr.vae.build import build
from napari_vaesr.vae.config import Level, NetworkConfig
from napari_vaesr.vae.ladder import LadderVAE, bounded_exp

LADDER = NetworkConfig(
    width=8, blocks=1, decoder_width=8, levels=(Level(stride=4, channels=4), Level(stride=1, channels=6))
)


def test_kl_is_that_of_two_gaussians() -> None:
    """Each level's KL is that of torch.distributions for the prior and posterior that the ladder computes."""
    torch.manual_seed(0)
    ladder = cast(LadderVAE, build(LADDER))
    priors: list[torch.Tensor] = []
    posteriors: list[torch.Tensor] = []
    for rung in ladder.rungs:
        rung.prior.register_forward_hook(lambda *call: priors.append(call[-1]))
        torch.nn.init.normal_(rung.posterior.weight, std=0.01)  # a fresh one hardly leaves the prior
        rung.posterior.register_forward_hook(lambda *call: posteriors.append(call[-1]))
    elbo = ladder.elbo(torch.rand(2, 1, 16, 16), torch.rand(2, 1, 32, 32), 2)
    for level, found in enumerate(elbo.kl):
        shift, log_ratio = posteriors[level].chunk(2, dim=1)
        deviation = bounded_exp(priors[level])
        prior = torch.distributions.Normal(torch.zeros(()), deviation)
        posterior = torch.distributions.Normal(deviation * shift, deviation * bounded_exp(log_ratio))
        expected = torch.distributions.kl_divergence(posterior, prior).sum(dim=1).mean()
        assert found > 0.01
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("blocks", [1, 3])
def test_a_network_begun_with_anothers_weights_computes_the_same(blocks: int, result_of) -> None:
    torch.manual_seed(0)
    start = build(LADDER).eval()
    for weight in start.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    config = LADDER.model_copy(update={"blocks": blocks})
    assert config.extends(LADDER)
    network = cast(LadderVAE, build(config)).eval()
    network.begin_with(start)
    planes = torch.rand(1, 1, 16, 16)
    torch.testing.assert_close(result_of(network, planes, 2), result_of(start, planes, 2))
    assert len(network.trunk.blocks) == blocks
    # The further blocks can learn: their last layer moves the result.
    network.encode(planes, 2).base.sum().backward()
    gradient = network.trunk.blocks[-1].second.weight.grad
    assert gradient is not None and gradient.abs().max() > 0


def test_a_ladder_ends_at_the_pixels() -> None:
    with pytest.raises(ValueError, match="stride 1"):
        build(NetworkConfig(levels=(Level(stride=2, channels=1),)))
