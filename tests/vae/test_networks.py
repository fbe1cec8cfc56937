"""Every architecture keeps the promises of `SuperResolutionVAE`."""

from __future__ import annotations

from typing import cast

import pytest
import torch

from napari_vaesr.vae.base import SuperResolutionVAE
from napari_vaesr.vae.build import build, outline
from napari_vaesr.vae.config import PRESETS, Level, NetworkConfig
from napari_vaesr.vae.ladder import LadderVAE, bounded_exp
from napari_vaesr.vae.orientations import ORIENTATIONS
from napari_vaesr.vae.resize import downsample_bicubic

LADDER = NetworkConfig(
    width=8, blocks=1, decoder_width=8, levels=(Level(stride=4, channels=4), Level(stride=1, channels=6))
)
SMALL = {
    "ladder": LADDER,
    "one level": LADDER.model_copy(update={"levels": (Level(stride=1, channels=2),)}),
    "consistent": LADDER.model_copy(update={"consistent": True}),
    "orientations": LADDER.model_copy(update={"orientations": 4}),
    "three frames": LADDER.model_copy(update={"frames": 3}),
    "conv": NetworkConfig(
        architecture="conv_vae", width=4, blocks=0, decoder_width=4, levels=(Level(stride=4, channels=3),)
    ),
}


@pytest.fixture(params=SMALL, ids=str)
def network(request: pytest.FixtureRequest) -> SuperResolutionVAE:
    torch.manual_seed(1)
    return build(SMALL[request.param]).eval()


def test_an_outline_has_all_shapes_and_no_memory(network: SuperResolutionVAE) -> None:
    made, whole = outline(network.config).state_dict(), network.state_dict()
    assert {name: tensor.shape for name, tensor in made.items()} == {
        name: tensor.shape for name, tensor in whole.items()
    }
    assert {tensor.device.type for tensor in made.values()} == {"meta"}


def noise_for(network: SuperResolutionVAE, size: int, samples: int = 3, batch: int = 2) -> list[torch.Tensor]:
    return [
        torch.randn(samples, batch, level.channels, size // level.stride, size // level.stride)
        for level in network.levels
    ]


def result_of(network: SuperResolutionVAE, planes: torch.Tensor, scale: int) -> torch.Tensor:
    torch.manual_seed(2)
    encoded = network.encode(planes, scale)
    return network.decode(encoded, noise_for(network, planes.shape[-1], samples=1, batch=1)) + encoded.base


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_shapes(network: SuperResolutionVAE, scale: int) -> None:
    planes = torch.rand(2, network.config.frames, 16, 16)
    encoded = network.encode(planes, scale)
    assert encoded.base.shape == (2, 1, 16 * scale, 16 * scale)
    samples = network.decode(encoded, noise_for(network, 16))
    assert samples.shape == (3, 2, 1, 16 * scale, 16 * scale)
    assert samples.dtype == encoded.base.dtype == torch.float32


def test_samples_decoded_together_or_alone_are_the_same(network: SuperResolutionVAE) -> None:
    encoded = network.encode(torch.rand(2, network.config.frames, 16, 16), 2)
    noise = noise_for(network, 16)
    together = network.decode(encoded, noise)
    for k in range(3):
        alone = network.decode(encoded, [level[k : k + 1] for level in noise])
        torch.testing.assert_close(together[k : k + 1], alone)


def test_the_declared_receptive_radius_holds_and_is_not_idle(network: SuperResolutionVAE) -> None:
    """By gradient: no input pixel beyond the radius moves a result pixel, and some of them come near it."""
    radius, unit = network.receptive_radius, network.alignment
    half = -(-(radius + 2 * unit) // unit) * unit
    farthest = 0
    for offset in range(unit):
        planes = torch.rand(1, network.config.frames, 2 * half, 2 * half, requires_grad=True)
        result = result_of(network, planes, 2)
        middle = half + offset
        result[..., 2 * middle : 2 * middle + 2, 2 * middle : 2 * middle + 2].sum().backward()
        assert planes.grad is not None
        seen = planes.grad.abs().amax(dim=(0, 1)).nonzero()
        farthest = max(farthest, int((seen - middle).abs().max()))
    assert farthest <= radius
    assert farthest >= radius / 2, "the declared radius is needlessly large"


def test_the_prior_matters_and_so_does_every_level(network: SuperResolutionVAE) -> None:
    encoded = network.encode(torch.rand(1, network.config.frames, 16, 16), 2)
    noise = noise_for(network, 16, samples=1, batch=1)
    reference = network.decode(encoded, noise)
    for index in range(len(noise)):
        changed = list(noise)
        changed[index] = changed[index] + 1
        assert not torch.equal(network.decode(encoded, changed), reference)


def test_elbo_terms_are_finite_and_every_weight_learns(network: SuperResolutionVAE) -> None:
    total = torch.zeros(())
    for scale in network.config.scales:
        low = torch.rand(2, network.config.frames, 16, 16)
        elbo = network.elbo(low, torch.rand(2, 1, 16 * scale, 16 * scale), scale)
        assert len(elbo.kl) == len(network.levels)
        assert all(float(kl.detach()) >= 0 for kl in elbo.kl)
        total = total + elbo.nll + sum(elbo.kl) + elbo.base.mean()
    total.backward()
    idle = [name for name, weight in network.named_parameters() if weight.grad is None]
    assert idle == []


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
def test_a_network_begun_with_anothers_weights_computes_the_same(blocks: int) -> None:
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


@pytest.mark.parametrize("name", ["ladder", "conv"])
def test_scales_can_be_left_out(name: str) -> None:
    of_all = SMALL[name].model_copy(update={"scales": (2, 3)})
    of_one = of_all.model_copy(update={"scales": (3,)})
    assert of_one.extends(of_all) and not of_all.extends(of_one)
    start, network = build(of_all).eval(), build(of_one).eval()
    network.begin_with(start)
    planes = torch.rand(1, 1, 16, 16)
    torch.testing.assert_close(result_of(network, planes, 3), result_of(start, planes, 3))


def test_only_a_ladder_may_have_more_blocks_than_what_it_begins_with() -> None:
    assert LADDER.extends(LADDER)
    assert not LADDER.extends(LADDER.model_copy(update={"blocks": 2}))
    assert not LADDER.extends(LADDER.model_copy(update={"width": 16}))
    assert LADDER.extends(SMALL["orientations"]) and SMALL["orientations"].extends(LADDER)
    conv = SMALL["conv"]
    assert conv.extends(conv) and not conv.model_copy(update={"blocks": 1}).extends(conv)


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_the_base_is_laid_as_the_plane_is(count: int) -> None:
    """The base of a turned plane is the turned base, for the orientations that the network looks from."""
    torch.manual_seed(0)
    network = build(SMALL["consistent"].model_copy(update={"orientations": count})).eval()
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
    network = build(SMALL["orientations"])
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


def test_residuals_are_samples_less_their_base(network: SuperResolutionVAE) -> None:
    encoded = network.encode(torch.rand(2, network.config.frames, 16, 16), 3)
    noise = noise_for(network, 16)
    residuals = network.residuals(encoded, noise)
    assert residuals.shape[2:] == (9, 16, 16)
    placed = torch.nn.functional.pixel_shuffle(residuals, 3) + encoded.base
    torch.testing.assert_close(network.decode(encoded, noise), placed)


def test_the_opposite_noise_gives_the_opposite_residual() -> None:
    network = build(LADDER)
    encoded = network.encode(torch.rand(2, 1, 16, 16), 2)
    noise = noise_for(network, 16)
    residuals = network.residuals(encoded, noise)
    assert network.is_odd and residuals.abs().max() > 1e-3
    torch.testing.assert_close(network.residuals(encoded, [-part for part in noise]), -residuals)


def test_bfloat16_weights_stay_close_to_float32(network: SuperResolutionVAE) -> None:
    planes = torch.rand(1, network.config.frames, 32, 32)
    exact = network.encode(planes, 2).base
    half = build(network.config).eval()
    half.load_state_dict(network.state_dict())
    rounded = half.to(torch.bfloat16).encode(planes, 2).base
    assert rounded.dtype == torch.float32
    assert (rounded - exact).abs().max() < 0.02


@pytest.mark.parametrize(
    ("name", "smallest", "largest"), [("tiny", 40_000, 120_000), ("base", 400_000, 1_000_000)]
)
def test_sizes(name: str, smallest: int, largest: int) -> None:
    weights = sum(weight.numel() for weight in build(PRESETS[name]).parameters())
    assert smallest < weights < largest


@pytest.mark.parametrize(
    "levels", [((2, 1), (2, 1)), ((1, 1), (2, 1)), ((3, 1), (2, 1))], ids=["same", "rising", "no divisor"]
)
def test_levels_that_do_not_nest_are_refused(levels: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(ValueError, match="coarse to fine"):
        NetworkConfig(levels=tuple(Level(stride=s, channels=c) for s, c in levels))


def test_a_ladder_ends_at_the_pixels() -> None:
    with pytest.raises(ValueError, match="stride 1"):
        build(NetworkConfig(levels=(Level(stride=2, channels=1),)))


def test_conv_vae_has_one_level() -> None:
    with pytest.raises(ValueError, match="one latent level"):
        build(LADDER.model_copy(update={"architecture": "conv_vae"}))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_consistent_network_gives_its_input_back(scale: int) -> None:
    """Whatever its weights, downscaling its base and samples comes nearer to the input than a plain one's."""
    torch.manual_seed(3)
    plain = build(LADDER).eval()
    for weight in plain.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    consistent = build(LADDER.model_copy(update={"consistent": True})).eval()
    consistent.load_state_dict(plain.state_dict())
    low = torch.nn.functional.avg_pool2d(torch.rand(1, 1, 96, 96), 3)
    noise = noise_for(plain, 32, samples=2, batch=1)
    errors = []
    for network in (plain, consistent):
        encoded = network.encode(low, scale)
        samples = network.decode(encoded, noise)
        seen = downsample_bicubic(torch.cat([encoded.base, *samples]), scale)
        errors.append((seen - low)[..., 6:-6, 6:-6].square().mean(dim=(1, 2, 3)).sqrt())
    assert (samples - encoded.base).std() > 0.1
    assert (errors[1] < 0.5 * errors[0]).all()
