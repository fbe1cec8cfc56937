"""The optimiser orthogonalises what it moves weights by, and minimises."""

from __future__ import annotations

import pytest
import torch

from napari_vaesr.training.muon import Muon, orthogonalised


@pytest.mark.parametrize("shape", [(8, 40), (40, 8), (16, 16)])
def test_orthogonalised_singular_values_are_near_one(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.linalg.svdvals(orthogonalised(torch.randn(shape, generator=generator)))
    assert values.min() > 0.3
    assert values.max() < 1.4


def test_muon_minimises_a_quadratic() -> None:
    torch.manual_seed(0)
    target = torch.randn(6, 3, 3, 3)
    weight = torch.nn.Parameter(torch.zeros_like(target))
    optimiser = Muon([weight], lr=0.05, weight_decay=0.0)
    for _ in range(300):
        optimiser.zero_grad()
        (weight - target).square().sum().backward()
        optimiser.step()
    assert (weight - target).square().mean() < 0.01 * target.square().mean()


def test_muon_treats_kernels_of_one_size_each_on_its_own() -> None:
    torch.manual_seed(0)
    shapes = [(16, 8, 3, 3), (8, 8, 3, 3), (16, 8, 3, 3), (8, 8, 3, 3), (40, 8, 1, 1)]
    start, gradients = ([torch.randn(shape) for shape in shapes] for _ in range(2))

    def stepped(chosen: slice) -> list[torch.Tensor]:
        weights = [torch.nn.Parameter(weight.clone()) for weight in start[chosen]]
        optimiser = Muon(weights, lr=0.1)
        for _ in range(2):
            for weight, gradient in zip(weights, gradients[chosen], strict=True):
                weight.grad = gradient
            optimiser.step()
        return [weight.detach() for weight in weights]

    alone = [stepped(slice(place, place + 1))[0] for place in range(len(shapes))]
    for together, single in zip(stepped(slice(None)), alone, strict=True):
        torch.testing.assert_close(together, single)
