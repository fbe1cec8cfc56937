"""What the benchmarks of speed share: work done in turn, the bare network, and rates of convolutions."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from napari_vaesr import load_model
from napari_vaesr.engine.device import choose_device, memory_released
from napari_vaesr.engine.settings import Precision, make_settings
from napari_vaesr.engine.upscaler import Upscaler, prepare_network
from napari_vaesr.vae.latent_noise import latent_noise

Work = Mapping[str, Callable[[], object]]

SIDES = (64, 96, 128, 160, 192, 256, 384, 512, 768, 1024)
"""Of square planes, from those that fit the caches to the largest tile of all."""

PIXELS = 2**18
"""That a measurement of a rate takes at least: smaller planes are repeated."""


def in_turn(
    work: Work, rounds: int, clock: Callable[[], float] = time.process_time
) -> dict[str, list[float]]:
    """Return the seconds of each piece of work in every round, after one round to warm up.

    The clock is that of the processor by default, so that other programs on the machine matter little.
    """
    taken: dict[str, list[float]] = {name: [] for name in work}
    for number in range(rounds + 1):
        for name, do in work.items():
            start = clock()
            do()
            if number:
                taken[name].append(clock() - start)
    return taken


def medians(work: Work, rounds: int, clock: Callable[[], float] = time.process_time) -> dict[str, float]:
    """Return the median seconds of each piece of work, as `in_turn` takes them."""
    return {name: median(seconds) for name, seconds in in_turn(work, rounds, clock).items()}


def bare_network(plane: np.ndarray, model: str, precision: Precision = "auto") -> Callable[[], None]:
    """Return the network at x2 with one sample on all pixels at once, without the engine."""
    network = prepare_network(load_model(model).network, choose_device("cpu", precision))
    seen = network.seen(torch.from_numpy(plane)[None, None])

    @torch.inference_mode()
    def run() -> None:
        encoded = network.encode(seen, 2)
        noise = []
        for index, level in enumerate(network.levels):
            grids = [range(side // level.stride) for side in plane.shape]
            noise.append(latent_noise(0, 0, [0], index, level.channels, *grids)[:, None])
        network.decode(encoded, noise)

    return run


def convolutions(width: int) -> dict[str, nn.Module]:
    """Return a plain 3 x 3 convolution, and a chain of eight."""
    chain = nn.Sequential(*(nn.Conv2d(width, width, 3, padding=1) for _ in range(8)))
    return {"convolution": nn.Conv2d(width, width, 3, padding=1), "chain of eight": chain}


def weights(module: nn.Module) -> int:
    """Multiply-accumulate operations per pixel of a stack of convolutions: one per weight."""
    return sum(weight.numel() for weight in module.parameters() if weight.ndim == 4)


def rates(modules: Mapping[str, nn.Module], sides: Sequence[int], rounds: int) -> dict[str, dict[int, float]]:
    """Return GFLOP of stacks of convolutions on square planes for every second of a core.

    They run as the engine runs them: in its precision on the CPU, channels last, without gradients, and with
    freed memory kept for the next layer. The best round counts, for other programs can only slow one down.
    """
    dtype = choose_device("cpu").dtype
    works: dict[tuple[str, int], Callable[[], None]] = {}
    for name, module in modules.items():
        ready = module.to(dtype).to(memory_format=torch.channels_last)
        channels = next(weight.shape[1] for weight in module.parameters() if weight.ndim == 4)
        for side in sides:
            plane = torch.rand(1, channels, side, side).to(dtype)
            works[name, side] = _repeated(ready, plane.contiguous(memory_format=torch.channels_last))
    with memory_released(), torch.inference_mode():
        keyed = {f"{name} {side}": work for (name, side), work in works.items()}
        taken = in_turn(keyed, rounds)
    found: dict[str, dict[int, float]] = {name: {} for name in modules}
    for name, side in works:
        operations = 2 * weights(modules[name]) * side**2 * _repeats(side)
        found[name][side] = operations / min(taken[f"{name} {side}"]) / 1e9
    return found


def _repeats(side: int) -> int:
    return -(-PIXELS // side**2)


def _repeated(module: nn.Module, plane: torch.Tensor) -> Callable[[], None]:
    def run() -> None:
        for _ in range(_repeats(plane.shape[-1])):
            module(plane)

    return run


class TrunkRate(NamedTuple):
    """Rates in GFLOP/s of a core, by the side of the plane."""

    trunk: dict[int, float]
    plain: dict[str, dict[int, float]]
    """Of a convolution alone and of a chain."""
    tile: int
    """The side that the engine gives the trunk of a large plane."""

    @property
    def best(self) -> float:
        """Of plain convolutions of this width, on the plane that suits them best."""
        return max(rate for by_side in self.plain.values() for rate in by_side.values())

    @property
    def share(self) -> float:
        """The trunk's rate on the engine's tile, over the best."""
        return self.trunk[self.tile] / self.best


def trunk_rate(model: str, rounds: int = 5, sides: Sequence[int] = SIDES) -> TrunkRate:
    """Measure the trunk of a model against plain convolutions of its width."""
    loaded = load_model(model)
    tile = Upscaler(loaded, make_settings(device="cpu")).tile
    trunk: Any = prepare_network(loaded.network, choose_device("cpu")).trunk
    plain = convolutions(loaded.network.config.width)
    found = rates({"trunk": trunk, **plain}, sorted({*sides, tile}), rounds)
    return TrunkRate(found.pop("trunk"), found, tile)
