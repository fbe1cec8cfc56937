"""Measure what neighbouring planes and the heads along Z bring on real stacks, beside interpolation.

    python benchmarks/stacks.py DATA [--model microscopy] [--planes 5]

DATA holds stacks/val, TIFF files whose names end on their axes (``_zyx``, ``_tyx``). Stacks are made small
and noisy as a training does it, without blur. Along Z (or time) planes are left out, or averaged; of
an even factor they are averaged, for none lies in the middle. Models that can be told which of the two are,
and a second line says what they reach untold. Whether one plane or five are looked at is chosen as the
setting ``context`` does by itself. PSNR in dB of the contrast-stretched stack.
With --boxes: how wrong means of boxes of several planes are over what samples say of them, 1 at best.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile
import torch
from scipy.ndimage import zoom

from napari_vaesr import load_model, upscale
from napari_vaesr.arrays import Array
from napari_vaesr.engine.settings import SectionsSetting
from napari_vaesr.vae.resize import downsample_bicubic
from napari_vaesr.zoo.registry import Model

BOXED, BOXES = 16, (1, 4, 8)
"""How many planes boxes are looked for in, and how many each has."""


class Gain(NamedTuple):
    """One stack, seen in two ways: PSNR in dB of both, what it is about, and whether all was told."""

    stack: str
    what: str
    scores: dict[str, float]
    gain: float
    told: bool = True

    def __str__(self) -> str:
        scores = ", ".join(f"{name} {score:.2f}" for name, score in self.scores.items())
        what = self.what if self.told else f"{self.what}, not told"
        return f"{self.stack} {what}: {scores}, gain {self.gain:+.2f}"


def stacks(data: Path) -> Iterator[tuple[str, str, Array]]:
    for path in sorted((data / "stacks/val").glob("*.tif")):
        stack = tifffile.imread(path).astype(np.float64)
        low, high = np.percentile(stack, (0.1, 99.9))
        yield path.stem, path.stem[-3:].upper(), np.clip((stack - low) / (high - low), 0, 1.5)


def psnr(estimate: Array, truth: Array, border: int = 4) -> float:
    inside = (..., slice(border, -border), slice(border, -border))
    return float(-10 * np.log10(np.mean((np.asarray(estimate, float)[inside] - truth[inside]) ** 2)))


def made_small(stack: Array, photons: float, seed: int) -> tuple[Array, Array]:
    """Return a noisy stack of half the rows and columns, and the truth."""
    height, width = (size // 4 * 4 for size in stack.shape[1:])
    truth = stack[:, :height, :width]
    low = downsample_bicubic(torch.from_numpy(truth[:, None]).float(), 2)[:, 0].numpy().clip(0)
    noisy = np.random.default_rng(seed).poisson(low * photons) / photons
    return noisy.astype(np.float32), truth


def context_gains(name: str, axes: str, stack: Array, model: Model, planes: int) -> Iterator[Gain]:
    chosen = np.unique(np.linspace(2, len(stack) - 3, planes).round().astype(int))
    for photons in (50, 100):
        low, truth = made_small(stack, photons, seed=photons)
        found = {}
        for context in ("none", axes[0], "auto"):
            parts = []
            for plane in chosen:
                part = {axes[0]: range(plane, plane + 1)}
                result = upscale(low, axes, model=model, scale=2, samples=2, context=context, extent=part)
                parts.append(psnr(result.mean, truth[plane][None]))
            found[context] = float(np.mean(parts))
        one, five, auto = found.values()
        scores = {"one plane": one, "five": five, "chosen": auto}
        yield Gain(name, f"×2, {photons} photons", scores, auto - one)


def box_ratios(name: str, stack: Array, model: Model) -> Iterator[str]:
    """Tell how wrong means of boxes are over what samples say of them, with planes alike and each its own."""
    start = max(0, len(stack) - BOXED) // 2
    low, truth = made_small(stack[start : start + BOXED, :192, :192], 100, seed=100)
    for width in (0.0, model.card.alike_planes):
        card = model.card.model_copy(update={"alike_planes": width})
        result = upscale(low, "ZYX", model=Model(card, model.network), scale=2, samples=16, keep_samples=True)
        assert result.samples is not None
        wrong = box_means(np.asarray(result.mean, float) - truth)
        said = box_means(np.asarray(result.samples, float) - result.mean)
        ratios = [
            f"{planes}: {float(np.sqrt(np.mean(one**2) / np.mean(other**2))):.2f}"
            for planes, one, other in zip(BOXES, wrong, said, strict=True)
        ]
        yield f"{name} RMSE over std of boxes of 8 x 8 pixels and planes, alike {width}: {', '.join(ratios)}"


def box_means(volume: Array) -> list[Array]:
    """Return means over boxes of (..., Z, Y, X), of each number of planes."""
    *lead, depth, height, width = volume.shape
    found = []
    for planes in BOXES:
        whole = volume[..., : depth // planes * planes, : height // 8 * 8, : width // 8 * 8]
        shape = (*lead, depth // planes, planes, height // 8, 8, width // 8, 8)
        found.append(whole.reshape(shape).mean(axis=(-5, -3, -1)))
    return found


SAID: dict[str, SectionsSetting] = {"averaged": "thick", "left out": "thin"}
"""What planes are, by what was done to them."""


def axial_gains(name: str, stack: Array, model: Model) -> Iterator[Gain]:
    height, width = (min(size, 128) for size in stack.shape[1:])
    for factor in (2, 3, 4):
        count = len(stack) // factor
        if count < 5:
            continue
        truth = stack[: count * factor, :height, :width]
        groups = truth.reshape(count, factor, height, width)
        ways = {"averaged": groups.mean(axis=1)} | ({"left out": groups[:, 1]} if factor == 3 else {})
        for way, low in ways.items():
            missing = [plane for plane in range(len(truth)) if way == "averaged" or plane % factor != 1]
            inner = [plane for plane in missing if factor <= plane < len(truth) - factor]
            rivals = {}
            for order, rival in ((1, "linear"), (3, "cubic")):
                large = zoom(low, (factor, 1, 1), order=order, mode="nearest", grid_mode=True)
                rivals[rival] = psnr(large[inner], truth[inner])
            asked: dict[str, Any] = {"model": model, "scale": {"Z": factor}, "samples": 2, "noise": 0.0}
            listens = model.card.network.sections
            for sections in (SAID[way], "unknown") if listens else ("unknown",):
                result = upscale(low.astype(np.float32), "ZYX", sections=sections, **asked)
                own = psnr(result.mean[inner], truth[inner])
                told = sections != "unknown" or not listens
                scores, gain = {"model": own, **rivals}, own - max(rivals.values())
                yield Gain(name, f"Z×{factor}, {way}", scores, gain, told)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="microscopy")
    parser.add_argument("--planes", type=int, default=5)
    parser.add_argument("--boxes", action="store_true", help="the errors of boxes alone")
    options = parser.parse_args()
    model = load_model(options.model)
    for name, axes, stack in stacks(options.data):
        if options.boxes:
            for line in box_ratios(name, stack, model) if axes == "ZYX" else ():
                print(line, flush=True)
            continue
        for gain in context_gains(name, axes, stack, model, options.planes):
            print(gain, flush=True)
        if axes == "ZYX":
            for gain in axial_gains(name, stack, model):
                print(gain, flush=True)


if __name__ == "__main__":
    main()
