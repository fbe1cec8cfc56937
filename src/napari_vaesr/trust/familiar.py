"""Whether an image is like those that a model learnt from, told by a few dozen numbers of its look.

The numbers are of noise, sharpness, contrast and of what processing leaves behind, at several scales. A
model's card holds how they vary over its training inputs, and a small classifier that tells these from other
images: photographs, drawings, masks, noise alone, and training inputs that were sharpened, deconvolved,
compressed or enlarged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_vaesr.imaging.axes import Source
from napari_vaesr.imaging.colour import rgb_to_luma_chroma
from napari_vaesr.imaging.region import Region
from napari_vaesr.zoo.card import InputStatistics
from napari_vaesr.zoo.registry import Model

if TYPE_CHECKING:
    from napari_vaesr.engine.job import UpscaleJob

Array = npt.NDArray[Any]
Vector = npt.NDArray[np.float64]

LEVELS = 3
"""Scales that are looked at, each half as fine as the one before."""

PLANES = 3
"""Planes of a stack that are looked at, evenly spaced."""

SIDE = 256
"""Largest side of the middle of an image that is looked at."""

SMALLEST = 24
"""Pixels a side that tell something."""

LIMIT = 0.97
"""Share of training inputs, not seen by the classifier, that count as familiar."""

FOLDS, BLOCK = 5, 8
"""Parts that the limit is found on; neighbours in the list, perhaps crops of one image, stay together."""

HIDDEN, STEPS, DECAY, RATE = 24, 700, 0.3, 1e-2
"""Units of the classifier, and how it learns."""

REACH = 6.0
"""Standard deviations beyond which a feature counts as this far off."""


def features(plane: Array) -> Vector | None:
    """Describe the look of a plane; None where it is too small or has no contrast.

    Parameters
    ----------
    plane : array of shape (Y, X)
        Intensities in any unit; nothing here depends on gain and offset.
    """
    image = _middle(np.asarray(plane, np.float64))
    low, high = np.percentile(image, (0.1, 99.9))
    if min(image.shape) < SMALLEST or not high > low:
        return None
    image = (image - low) / (high - low)
    found = [*_levels(image), *_histogram(np.clip(image, 0, 1), plane), *_traces(image)]
    return np.array(found)


def fit(familiar: Sequence[Array], strange: Sequence[Array], seed: int = 0) -> InputStatistics:
    """Learn to tell training inputs from other images.

    Parameters
    ----------
    familiar : sequence of array
        Planes as a model sees them in its training.
    strange : sequence of array
        Planes that it should not be used on.
    seed : int
        Of the classifier's first weights.
    """
    known, other = (
        np.array([row for row in map(features, some) if row is not None]) for some in (familiar, strange)
    )
    fold = np.arange(len(known)) // BLOCK % FOLDS
    other_fold = np.arange(len(other)) // BLOCK % FOLDS
    scores: list[float] = []
    for number in range(FOLDS):
        part = _learnt(known[fold != number], other[other_fold != number], seed)
        scores += [_score(row, part) for row in known[fold == number]]
    limit = float(np.round(np.quantile(scores, LIMIT), 4))
    return _learnt(known, other, seed).model_copy(update={"limit": limit})


def _learnt(known: Array, other: Array, seed: int) -> InputStatistics:
    """Train the classifier; both kinds count the same."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    centre = np.median(known, axis=0)
    scale = np.maximum(1.4826 * np.median(np.abs(known - centre), axis=0), 1e-3)
    inputs = torch.tensor(np.concatenate([_standard(some, centre, scale) for some in (known, other)]))
    truth = torch.cat([torch.zeros(len(known)), torch.ones(len(other))]).double()
    weight = torch.where(truth > 0, 0.5 / len(other), 0.5 / len(known))
    generator = torch.Generator().manual_seed(seed)
    first = torch.randn(HIDDEN, inputs.shape[1] + 1, generator=generator).double().mul_(0.2)
    second = torch.randn(HIDDEN + 1, generator=generator).double().mul_(0.2)
    parameters = [first.requires_grad_(), second.requires_grad_()]
    optimiser = torch.optim.AdamW(parameters, RATE, weight_decay=DECAY)
    with torch.enable_grad():
        for _ in range(STEPS):
            hidden = torch.tanh(inputs @ first[:, :-1].T + first[:, -1])
            logits = hidden @ second[:-1] + second[-1]
            loss = binary_cross_entropy_with_logits(logits, truth, weight, reduction="sum")
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return InputStatistics(
        centre=_rounded(centre),
        scale=_rounded(scale),
        hidden=tuple(_rounded(row) for row in first.detach().numpy()),
        output=_rounded(second.detach().numpy()),
        limit=0.0,
    )


def strangeness(plane: Array, statistics: InputStatistics) -> float:
    """Return how unlike the training inputs a plane is: above 0 it is, below it is not.

    Minus infinity where the plane is too small to tell, or other numbers were learnt from than are known now.
    """
    described = features(plane)
    if described is None or described.size != len(statistics.centre):
        return -np.inf
    return _score(described, statistics) - statistics.limit


def unlike(source: Source, model: Model, region: Mapping[str, range] | None = None) -> str:
    """Say in a sentence that an image is unlike what a model learnt from; empty where it is not, or unknown.

    At most three planes of the part are looked at, the middle of each.

    Parameters
    ----------
    source : Source
        The image.
    model : Model
        Its card may hold statistics of its training inputs.
    region : mapping of str to range, optional
        The part that is upscaled.
    """
    statistics = model.card.inputs
    if statistics is None:
        return ""
    axes = source.axes
    part = Region(region or {}).of(axes)
    numbers = axes.planes_of(part)
    chosen = np.unique(np.linspace(0, len(numbers) - 1, min(PLANES, len(numbers))).round().astype(int))
    rows, columns = (_middle_of(part[name]) for name in "YX")
    found = []
    for place in chosen:
        plane = axes.read_plane(source.array, numbers[place], rows, columns)
        if plane.ndim == 3:
            plane = rgb_to_luma_chroma(plane[..., :3].astype(np.float32))[0]
        if np.isfinite(plane).all():
            found.append(strangeness(plane, statistics))
    if not found or float(np.median(found)) <= 0:
        return ""
    return (
        f"This image is unlike those that the model {model.card.name} learnt from: it may be noise alone, a "
        "drawing, a photograph or a mask, or sharpened, compressed or enlarged already. Check the result, or "
        "give the image as it was recorded."
    )


def note_unlike(job: UpscaleJob) -> str:
    """Note `unlike` of what a job upscales among its messages, where there is something to say; return it."""
    strange = unlike(job.source, job.model, job.region)
    if strange:
        job.messages.append(strange)
    return strange


def _middle_of(part: range) -> slice:
    start = part.start + max(0, len(part) - SIDE) // 2
    return slice(start, min(part.stop, start + SIDE))


def _score(row: Vector, statistics: InputStatistics) -> float:
    inputs = _standard(row, np.array(statistics.centre), np.array(statistics.scale))
    hidden, output = np.array(statistics.hidden), np.array(statistics.output)
    return float(np.tanh(hidden[:, :-1] @ inputs + hidden[:, -1]) @ output[:-1] + output[-1])


def _standard(rows: Vector, centre: Vector, scale: Vector) -> Vector:
    standard: Vector = np.clip((rows - centre) / scale, -REACH, REACH)
    return standard


def _rounded(values: Vector) -> tuple[float, ...]:
    return tuple(float(f"{value:.5g}") for value in values)


def _middle(image: Array) -> Array:
    rows, columns = (slice(max(0, size - SIDE) // 2, max(0, size - SIDE) // 2 + SIDE) for size in image.shape)
    return image[rows, columns]


def _levels(image: Array) -> list[float]:
    """Of the details at each scale: typical and mean size, diagonal beside straight, and their outliers."""
    found = []
    for _ in range(LEVELS):
        height, width = (size // 2 * 2 for size in image.shape)
        a, b = image[:height:2, :width:2], image[:height:2, 1:width:2]
        c, d = image[1:height:2, :width:2], image[1:height:2, 1:width:2]
        diagonal, across, down = (a - b - c + d) / 2, (a - b + c - d) / 2, (a + b - c - d) / 2
        straight = np.sqrt(np.mean(across**2) + np.mean(down**2))
        found += [
            _log(np.median(np.abs(diagonal)) / 0.6745),
            _log(np.sqrt(np.mean(diagonal**2))),
            _log(straight),
            _log(np.mean(np.abs(across) < 1e-3)),
            abs(np.log10((np.mean(across**2) + 1e-7) / (np.mean(down**2) + 1e-7))),
        ]
        image = (a + b + c + d) / 4
    return found


def _histogram(unit: Array, plane: Array) -> list[float]:
    """Of the grey levels: spread, asymmetry, shares of black and white, and how many there are."""
    spread = float(unit.std())
    skewness = float(np.mean((unit - unit.mean()) ** 3)) / max(spread**3, 1e-9)
    values = np.unique(np.round(unit * 255)).size / 256
    return [
        _log(spread),
        float(np.clip(skewness, -4, 6)),
        float(np.mean(unit < 0.02)),
        float(np.mean(unit > 0.98)),
        float(np.mean((unit > 0.1) & (unit < 0.9))),
        _log(values),
    ]


def _traces(image: Array) -> list[float]:
    """Look for what processing leaves: blocks of 8 pixels, overshoot, an empty end of the spectrum."""
    found = []
    across = np.abs(np.diff(image, axis=1)).mean(axis=0)
    down = np.abs(np.diff(image, axis=0)).mean(axis=1)
    ratios = []
    for steps in (across, down):
        whole = steps[: len(steps) // 8 * 8].reshape(-1, 8).mean(axis=0)
        ratios.append(whole.max() / max(float(np.median(whole)), 1e-6))
    found += [float(np.log(min(ratios))), float(np.log(max(ratios)))]
    second = np.diff(image, n=2, axis=1)
    first = np.diff(image, axis=1)
    found.append(_log(np.mean(second**2) / max(float(np.mean(first**2)), 1e-9)))
    found.append(float(np.mean(first[:, 1:] * first[:, :-1])) / max(float(np.mean(first**2)), 1e-9))
    size = min(image.shape) // 2 * 2
    square = image[:size, :size] - image[:size, :size].mean()
    window = np.hanning(size)
    power = np.abs(np.fft.fft2(square * window[:, None] * window)) ** 2
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size))
    edges = (0.02, 0.06, 0.12, 0.2, 0.3, 0.4, 0.5)
    rings = [float(power[(frequency >= low) & (frequency < high)].mean()) for low, high in pairwise(edges)]
    logs = [np.log10(ring / size**2 + 1e-7) for ring in rings]
    found += [float(after - before) for before, after in pairwise(logs)]
    return found


def _log(value: Any) -> float:
    return float(np.log10(float(value) + 1e-4))
