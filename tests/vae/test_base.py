"""Every architecture keeps the promises of `SuperResolutionVAE`."""

from __future__ import annotations

import pytest
import torch

from napari_vaesr.vae.base import SuperResolutionVAE
from napari_vaesr.vae.build import build, outline
from napari_vaesr.vae.config import Level, NetworkConfig, factor_name
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


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_shapes(network: SuperResolutionVAE, scale: int, noise_for) -> None:
    planes = torch.rand(2, network.config.frames, 16, 16)
    encoded = network.encode(planes, scale)
    assert encoded.base.shape == (2, 1, 16 * scale, 16 * scale)
    samples = network.decode(encoded, noise_for(network, 16))
    assert samples.shape == (3, 2, 1, 16 * scale, 16 * scale)
    assert samples.dtype == encoded.base.dtype == torch.float32


def test_samples_decoded_together_or_alone_are_the_same(network: SuperResolutionVAE, noise_for) -> None:
    encoded = network.encode(torch.rand(2, network.config.frames, 16, 16), 2)
    noise = noise_for(network, 16)
    together = network.decode(encoded, noise)
    for k in range(3):
        alone = network.decode(encoded, [level[k : k + 1] for level in noise])
        torch.testing.assert_close(together[k : k + 1], alone)


def test_the_declared_receptive_radius_holds_and_is_not_idle(network: SuperResolutionVAE, result_of) -> None:
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


def test_the_prior_matters_and_so_does_every_level(network: SuperResolutionVAE, noise_for) -> None:
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
    idle = {name for name, weight in network.named_parameters() if weight.grad is None}
    # Where a residual is odd, whatever its head adds to it cancels.
    cancelling = {f"residual_head.{factor_name(each)}.bias" for each in network.config.factors}
    assert idle == (cancelling if network.is_odd else set())


@pytest.mark.parametrize("name", ["ladder", "conv"])
def test_scales_can_be_left_out(name: str, result_of) -> None:
    of_all = SMALL[name].model_copy(update={"scales": (2, 3)})
    of_one = of_all.model_copy(update={"scales": (3,)})
    assert of_one.extends(of_all) and not of_all.extends(of_one)
    start, network = build(of_all).eval(), build(of_one).eval()
    network.begin_with(start)
    planes = torch.rand(1, 1, 16, 16)
    torch.testing.assert_close(result_of(network, planes, 3), result_of(start, planes, 3))


def test_residuals_are_samples_less_their_base(network: SuperResolutionVAE, noise_for) -> None:
    encoded = network.encode(torch.rand(2, network.config.frames, 16, 16), 3)
    noise = noise_for(network, 16)
    residuals = network.residuals(encoded, noise)
    assert residuals.shape[2:] == (9, 16, 16)
    placed = torch.nn.functional.pixel_shuffle(residuals, 3) + encoded.base
    torch.testing.assert_close(network.decode(encoded, noise), placed)


def test_the_opposite_noise_gives_the_opposite_residual(noise_for) -> None:
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


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_consistent_network_gives_its_input_back(scale: int, noise_for) -> None:
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


def test_every_weight_has_one_role_and_the_base_is_made_of_those_that_say_so(
    network: SuperResolutionVAE,
) -> None:
    told = list(network.weights())
    assert {id(weight) for weight, _, _ in told} == {id(weight) for weight in network.parameters()}
    assert len(told) == len(list(network.parameters()))
    planes = torch.rand(1, network.config.frames, 16, 16)
    network.encode(planes, 2).base.sum().backward()  # type: ignore[no-untyped-call]
    assert all(is_base for weight, _, is_base in told if weight.grad is not None)
    assert any(role == "sigma" for _, role, _ in told)
