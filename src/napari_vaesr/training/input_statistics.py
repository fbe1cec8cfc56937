"""How the inputs of a training look, for the model's card; what is unlike them is told of later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from napari_vaesr.arrays import Array, Float64Array
from napari_vaesr.imaging.sampling import evenly_spaced
from napari_vaesr.pairs.images import load_stacks
from napari_vaesr.pairs.sources import low_res
from napari_vaesr.training.config import TrainingConfig
from napari_vaesr.training.strangers import alone, looks, processed
from napari_vaesr.trust.familiar import scores, standard
from napari_vaesr.trust.features import FEATURES, SIDE, SMALLEST, features
from napari_vaesr.zoo.card import Classifier, InputStatistics

MOST = 550
"""Planes that are looked at, shared out evenly among folders."""

CROPS = 4
"""Random parts of each plane that are looked at besides, so that small images are familiar, too."""

WAYS, ALONE = 6, 60
"""How many ways each plane is processed in, and how many drawings and the like of each kind are made."""

SHARES = (0.65, 0.1, 0.25)
"""How much planes that were processed count among the strange, drawings and noise, and other subjects."""

LIMIT = 0.98
"""Share of training inputs, not seen by the classifier, that count as familiar."""

FEWEST = 20
"""Planes and parts of planes that are enough to learn from."""

MEMBERS = 5
"""Classifiers, each learnt without one fifth of the images, on which its scores are looked at."""

HIDDEN, STEPS, DECAY, RATE = 24, 600, 0.3, 1e-2
"""Units of a classifier, and how it learns."""


@dataclass(frozen=True)
class Seen:
    """What a training learns from.

    Attributes
    ----------
    inputs : sequence of array
        Planes as the model sees them. Neighbours in the list may be of one image.
    others : sequence of array
        Planes that are as familiar, and that no strange ones are made of.
    """

    inputs: Sequence[Array]
    others: Sequence[Array] = ()

    @classmethod
    def of_truths(cls, planes: Sequence[Array], config: TrainingConfig) -> Seen:
        """Make planes small as in a training, each by one of the model's scales, and keep them, too.

        For what a model is used on later is such images as they are.

        Parameters
        ----------
        planes : sequence of array of shape (Y, X)
            Sharp ones, in any unit.
        config : TrainingConfig
            Says scales, degradation and seed.
        """
        generator = np.random.default_rng(config.seed)
        small = []
        for number, plane in enumerate(planes):
            scale = int(generator.choice(config.network.scales))
            height, width = (size // scale * scale for size in plane.shape)
            if min(height, width) >= SMALLEST * scale:
                truth = plane[:height, :width]
                small.append(low_res("", "", truth, scale, config.degradation, config.seed + number).low)
        return cls(small, planes)

    @classmethod
    def of_folders(cls, places: Sequence[Path], config: TrainingConfig) -> Seen:
        """Read planes to learn from, at most `MOST`, evenly spaced.

        Parameters
        ----------
        places : sequence of Path
            Images, and folders of them.
        config : TrainingConfig
            Says scales, degradation and seed.
        """
        chosen: list[Array] = []
        groups = load_stacks(places, smallest=1)
        share = max(1, MOST // len(groups))
        for stacks in groups.values():
            kept = [stacks[place] for place in evenly_spaced(len(stacks), share)]
            each = max(1, share // len(stacks))
            chosen += [stack[place] for stack in kept for place in evenly_spaced(len(stack), each)]
        return cls.of_truths(chosen, config)


def input_statistics(
    seen: Seen, subject: Literal["microscopy", "photographs"] = "microscopy", seed: int = 0
) -> InputStatistics | None:
    """Learn to tell what a training learns from and other images.

    Parameters
    ----------
    seen : Seen
        What it learns from.
    subject : {"microscopy", "photographs"}
        What this is of; bundled looks of the other are strange.
    seed : int
        Of what is random.

    Returns
    -------
    InputStatistics or None
        None where too few of the planes are large enough to tell.
    """
    generator = np.random.default_rng(seed)
    groups = [
        looks_of([part for plane in planes for part in parts(plane, generator, CROPS)])
        for planes in (seen.inputs, seen.others)
    ]
    if sum(map(len, groups)) < FEWEST:
        return None
    known, fold = np.concatenate(groups), np.concatenate([_folds(len(group)) for group in groups])
    made = [
        part
        for plane in seen.inputs
        if min(plane.shape) >= SMALLEST
        for other in processed(plane, generator, WAYS)
        for part in parts(other, generator, 1)
    ]
    drawn = [part for other in alone(ALONE, generator) for part in parts(other, generator, 1)]
    kinds = [
        looks_of(made),
        looks_of(drawn),
        looks("photographs" if subject == "microscopy" else "microscopy"),
    ]
    strange, other_fold = np.concatenate(kinds), np.concatenate([_folds(len(kind)) for kind in kinds])
    weight = np.concatenate(
        [np.full(len(kind), share / max(1, len(kind))) for kind, share in zip(kinds, SHARES, strict=True)]
    )
    centre = np.median(known, axis=0)
    scale = np.maximum(1.4826 * np.median(np.abs(known - centre), axis=0), 1e-3)
    near, far = standard(known, centre, scale), standard(strange, centre, scale)
    bare = InputStatistics(
        subject=subject,
        centre=_rounded(centre),
        scale=_rounded(scale),
        members=tuple(
            _learnt(
                near[fold != number], far[other_fold != number], weight[other_fold != number], seed + number
            )
            for number in range(MEMBERS)
        ),
        limit=0.0,
    )
    unseen = [
        scores(known[fold == number], bare.model_copy(update={"members": (member,)}))
        for number, member in enumerate(bare.members)
    ]
    limit = float(np.round(np.quantile(np.concatenate(unseen), LIMIT), 4))
    return bare.model_copy(update={"limit": limit})


def _learnt(near: Float64Array, far: Float64Array, weight: Float64Array, seed: int) -> Classifier:
    """Train a classifier; both kinds count the same."""
    inputs = torch.from_numpy(np.concatenate([near, far])).float()
    truth = torch.cat([torch.zeros(len(near)), torch.ones(len(far))])
    half = [np.full(len(near), 0.5 / len(near)), 0.5 * weight / weight.sum()]
    weights = torch.from_numpy(np.concatenate(half)).float()
    generator = torch.Generator().manual_seed(seed)

    def first(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator).mul_(0.15).requires_grad_()

    hidden, output = first(HIDDEN, inputs.shape[1] + 1), first(HIDDEN + 1)
    optimiser = torch.optim.AdamW([hidden, output], RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=STEPS, pct_start=0.1)
    with torch.enable_grad():
        for _ in range(STEPS):
            units = torch.tanh(inputs @ hidden[:, :-1].T + hidden[:, -1])
            logits = units @ output[:-1] + output[-1]
            loss = binary_cross_entropy_with_logits(logits, truth, weights, reduction="sum")
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    return Classifier(
        hidden=tuple(_rounded(row) for row in hidden.detach().numpy()),
        output=_rounded(output.detach().numpy()),
    )


def parts(plane: Array, generator: np.random.Generator, crops: int) -> list[Array]:
    """Return a plane and random parts of it, turned at random.

    Parameters
    ----------
    plane : array of shape (Y, X)
        Comes first, as it is.
    generator : numpy.random.Generator
        Draws the parts.
    crops : int
        How many parts to add; none of a small plane.
    """
    parts = [plane]
    largest = min(SIDE, *plane.shape)
    for _ in range(crops if largest > SMALLEST else 0):
        side = round(SMALLEST * (largest / SMALLEST) ** generator.random())
        row, column = (int(generator.integers(size - side + 1)) for size in plane.shape)
        part = np.rot90(plane[row : row + side, column : column + side], int(generator.integers(4)))
        parts.append(part.T if generator.random() < 0.5 else part)
    return parts


def looks_of(planes: Sequence[Array]) -> Float64Array:
    """Return the looks of planes, (N, features), of those that are large enough and have contrast."""
    found = [look for look in map(features, planes) if look is not None]
    return np.array(found).reshape(len(found), FEATURES)


def _folds(count: int) -> npt.NDArray[np.intp]:
    """Share out a list to the members, in 20 runs: neighbours, perhaps of one image, stay together."""
    folds: npt.NDArray[np.intp] = np.arange(count) * 4 * MEMBERS // max(count, 1) % MEMBERS
    return folds


def _rounded(values: Array) -> tuple[float, ...]:
    return tuple(float(f"{value:.4g}") for value in values)
