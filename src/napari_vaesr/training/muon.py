"""The Muon optimiser for convolutions (Jordan et al., 2024, "Muon: an optimizer for hidden layers").

Each update is the momentum with its singular values brought near one by Newton-Schulz steps. PyTorch's own
version takes matrices only; this one reads a convolution's kernel as a matrix (outputs, inputs * height *
width). Kernels of one size are brought to it together, for a GPU would wait for each of many small products.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class Muon(Optimizer):
    """Orthogonalised Nesterov momentum with decoupled weight decay.

    Parameters
    ----------
    parameters : iterable of Tensor, or of dict
        Weights of two or more dimensions, or groups of them.
    lr : float
        Learning rate.
    momentum : float
        Decay of the running gradient.
    weight_decay : float
        Share of the weight that is removed per step, times the learning rate.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update all weights that have a gradient."""
        for group in self.param_groups:
            alike: dict[torch.Size, list[Tensor]] = {}
            for weight in group["params"]:
                if weight.grad is not None:
                    alike.setdefault(weight.shape, []).append(weight)
            for weights in alike.values():
                updates = orthogonalised(torch.stack([self._momentum(w, group) for w in weights]).flatten(2))
                rows, columns = updates.shape[1:]
                rate = group["lr"] * max(1.0, rows / columns) ** 0.5
                for weight, update in zip(weights, updates, strict=True):
                    weight.mul_(1 - group["lr"] * group["weight_decay"])
                    weight.sub_(update.view_as(weight), alpha=rate)

    def _momentum(self, weight: Tensor, group: dict[str, Any]) -> Tensor:
        """Take the gradient into the running one and return the two mixed, as Nesterov looks ahead."""
        assert weight.grad is not None
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        running: Tensor = state["momentum"].lerp_(weight.grad, 1 - group["momentum"])
        return weight.grad.lerp(running, group["momentum"])


def orthogonalised(matrices: Tensor) -> Tensor:
    """Bring the singular values of matrices near one by a quintic Newton-Schulz iteration, in float32.

    Parameters
    ----------
    matrices : Tensor
        (..., rows, columns).
    """
    x = matrices.float()
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    for _ in range(5):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    result: Tensor = x.mT.contiguous() if tall else x
    return result
