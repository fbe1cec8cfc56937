"""A network that looks at neighbours, is told noise and blur, and makes rows alone."""

from __future__ import annotations

import pytest
import torch

from napari_vaesr.vae.base import SuperResolutionVAE
from napari_vaesr.vae.build import build
from napari_vaesr.vae.config import Level, NetworkConfig
from napari_vaesr.vae.resize import downsample_bicubic

CONFIG = NetworkConfig(
    scales=(2, 3),
    row_factors=(2, 3),
    frames=5,
    conditioned=True,
    sections=True,
    consistent=True,
    width=8,
    blocks=2,
    decoder_width=8,
    levels=(Level(stride=2, channels=2), Level(stride=1, channels=2)),
)
OLD = CONFIG.model_copy(
    update={
        "row_factors": (),
        "frames": 1,
        "conditioned": False,
        "sections": False,
        "consistent": False,
        "blocks": 1,
    }
)


def network_of(config: NetworkConfig, seed: int = 0) -> SuperResolutionVAE:
    torch.manual_seed(seed)
    return build(config).eval()


def noise(samples: int, batch: int, side: int) -> list[torch.Tensor]:
    return [torch.randn(samples, batch, 2, side // stride, side // stride) for stride in (2, 1)]


@pytest.mark.parametrize("factor", CONFIG.factors)
@torch.no_grad()
def test_every_factor_has_a_head(factor: tuple[int, int]) -> None:
    network = network_of(CONFIG)
    planes, conditions = torch.rand(2, 5, 16, 16), torch.rand(2, 3) * 0.01
    encoded = network.encode(planes, factor, conditions)
    shape = (2, 1, 16 * factor[0], 16 * factor[1])
    assert encoded.base.shape == shape
    assert network.decode(encoded, noise(4, 2, 16)).shape == (4, *shape)
    elbo = network.elbo(planes, torch.rand(shape), factor, conditions)
    assert elbo.mean.shape == shape and torch.isfinite(elbo.nll)


@torch.no_grad()
def test_what_is_new_changes_nothing_at_first() -> None:
    old, new = network_of(OLD), network_of(CONFIG.model_copy(update={"consistent": False}), seed=1)
    assert new.config.extends(old.config) and not old.config.extends(new.config)
    new.begin_with(old)
    planes, conditions = torch.rand(2, 5, 16, 16), torch.rand(2, 3) * 0.01
    draws = noise(2, 2, 16)
    before, after = old.encode(planes[:, 2, None], 3), new.encode(planes, 3, conditions)
    torch.testing.assert_close(after.base, before.base)
    torch.testing.assert_close(new.decode(after, draws), old.decode(before, draws))


@torch.no_grad()
def test_neighbours_and_conditions_count_each_for_its_own_plane() -> None:
    network = network_of(CONFIG)
    planes, conditions = torch.rand(2, 5, 16, 16), torch.rand(2, 4) * 0.01
    base = network.encode(planes, 2, conditions).base
    for part in range(5):
        other = planes.clone()
        other[0, part] = torch.rand(16, 16)
        changed = network.encode(other, 2, conditions).base
        assert not torch.allclose(changed[0], base[0]) and torch.equal(changed[1], base[1])
    for part in range(4):
        told = conditions.clone()
        told[0, part] += 0.05
        changed = network.encode(planes, 2, told).base
        assert not torch.allclose(changed[0], base[0]) and torch.equal(changed[1], base[1])


@torch.no_grad()
def test_a_plane_told_to_be_clean_is_kept_when_made_small_again() -> None:
    """Of a batch, only the clean one; its samples too."""
    network = network_of(CONFIG)
    smooth = torch.nn.functional.interpolate(torch.rand(2, 1, 8, 8), (32, 32), mode="bicubic")
    planes = smooth.expand(-1, 5, -1, -1)
    conditions = torch.tensor([[0.0, 0.0, 0.0], [0.01, 0.0, 0.0]])
    encoded = network.encode(planes, 2, conditions)
    for images in (encoded.base, network.decode(encoded, noise(1, 2, 32))[0]):
        error = (downsample_bicubic(images, 2) - smooth)[..., 4:-4, 4:-4].square().mean((1, 2, 3)).sqrt()
        assert error[0] < 0.01 < error[1]


@pytest.mark.parametrize("rows", [2, 3, 4])
@torch.no_grad()
def test_rows_told_what_became_of_them_say_the_same_again(rows: int) -> None:
    """Averages over all the way to the next, and thin ones; not where it is not known, or there is noise."""
    network = network_of(CONFIG.model_copy(update={"row_factors": (2, 3, 4)}))
    planes = torch.rand(4, 5, 16, 16)
    conditions = torch.zeros(4, 4)
    conditions[:, 3] = torch.tensor([1.0, -1.0, 0.0, 1.0])
    conditions[3, 0] = 0.01
    encoded = network.encode(planes, (rows, 1), conditions)
    for images in (encoded.base, network.decode(encoded, noise(1, 4, 16))[0]):
        groups = images.reshape(4, 16, rows, 16)
        averages, middles = groups.mean(2), groups[:, :, (rows - 1) // 2 : rows // 2 + 1].mean(2)
        torch.testing.assert_close(averages[0], planes[0, 2], atol=1e-5, rtol=0)
        torch.testing.assert_close(middles[1], planes[1, 2], atol=1e-5, rtol=0)
        for each in (2, 3):
            assert (averages[each] - planes[each, 2]).abs().max() > 0.01
            assert (middles[each] - planes[each, 2]).abs().max() > 0.01


@torch.no_grad()
def test_a_missing_neighbour_is_the_middle_plane_again() -> None:
    network = network_of(CONFIG)
    planes = torch.rand(1, 3, 8, 8)
    seen = network.seen(planes)
    assert torch.equal(seen[:, 1:4], planes) and torch.equal(seen[:, 0], planes[:, 1])
    assert torch.equal(network_of(OLD).seen(seen), planes[:, 1:2])


@torch.no_grad()
def test_a_network_takes_as_many_planes_as_it_looks_at() -> None:
    network, planes = network_of(CONFIG), torch.rand(2, 7, 16, 16)
    for given in (planes, planes[:, 3, None]):
        one, other = network.encode(given, 2), network.encode(network.seen(given), 2)
        assert torch.equal(one.base, other.base)
    assert torch.isfinite(network.elbo(planes[:, 3, None], torch.rand(2, 1, 32, 32), 2).nll)
