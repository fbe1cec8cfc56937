"""From a run's checkpoint to a model: averaged weights, scores and calibration on the validation images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import JsonValue
from torch import Tensor

from napari_vaesr.engine.moments import PairedMoments, smoothed
from napari_vaesr.engine.progress import Progress
from napari_vaesr.errors import VaesrError
from napari_vaesr.training.calibrate import calibrate, calibrate_on_pairs
from napari_vaesr.training.claims import note_made, own_name
from napari_vaesr.training.config import TrainingConfig
from napari_vaesr.training.events import Verdict
from napari_vaesr.training.fit import newest_checkpoint
from napari_vaesr.training.input_statistics import Seen, input_statistics
from napari_vaesr.training.module import psnr
from napari_vaesr.training.spreads import SAMPLES
from napari_vaesr.training.validation import FixedPairs, ValidationPairs
from napari_vaesr.training.watch import best_weights, read_checks
from napari_vaesr.trust.reliability import rank_correlation
from napari_vaesr.vae.base import SuperResolutionVAE
from napari_vaesr.vae.build import build
from napari_vaesr.vae.config import factor_name
from napari_vaesr.vae.resize import upsample_bicubic
from napari_vaesr.zoo.bases import with_base
from napari_vaesr.zoo.card import ModelCard, read_card
from napari_vaesr.zoo.registry import Model
from napari_vaesr.zoo.weights import save_model

IMAGES = 48
"""How many validation images are used at most."""


def finish_training(
    run: Path,
    destination: Path,
    validate: Sequence[Path] | FixedPairs,
    *,
    command: str = "",
    name: str | None = None,
    start: Model | None = None,
    seen: Seen | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Path:
    """Turn a run into a model that can be loaded: its best weights where they were watched, else the newest.

    Parameters
    ----------
    run : Path
        The folder of the run.
    destination : Path
        A folder for ``<name>.safetensors`` and ``<name>.json``.
    validate : sequence of Path, or FixedPairs
        Folders of images that were not trained on, or pairs; scores and calibration come from them.
    command : str
        What was typed to train it, for the card.
    name : str, optional
        What to call the model; left out, as the settings of the run say. It gets a number where there is a
        model of that name which another run has made.
    start : Model, optional
        The model that the run fine-tuned, to be scored too; what its inputs look like stays familiar.
    seen : Seen, optional
        What the run learnt from; left out, the card tells nothing of how it looks.
    progress : callable, optional
        Called while images calibrate.

    Returns
    -------
    Path
        The weights file.

    Raises
    ------
    VaesrError
        When the run has no checkpoint yet, or the model cannot be written.
    """
    checkpoint = newest_checkpoint(run)
    if checkpoint is None:
        raise VaesrError(
            f"{run} holds no checkpoint yet: let the training run on until its first validation."
        )
    config = TrainingConfig.model_validate_json((run / "config.json").read_text())
    content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    network = with_base(build(config.network)).eval()
    network.load_state_dict(best_weights(run) or _averaged(content["state_dict"]))
    pairs = validate if isinstance(validate, FixedPairs) else ValidationPairs(validate, config, images=IMAGES)
    metrics = network_scores(network, pairs)
    if start is not None:
        metrics |= _scores_before(start, pairs)
    bare = ModelCard(
        name=name or config.name,
        title=config.title or name or config.name,
        description=config.description,
        network=config.network,
        receptive_radius=network.receptive_radius,
        intensity=config.intensity,
        training_data=config.sources,
        training=_told(run, config, command, content["progress"]),
        metrics=metrics,
        limits=f"{LIMITS} {TUNED_LIMITS}" if read_checks(run) else LIMITS,
    )
    if isinstance(validate, FixedPairs):
        fitted = calibrate_on_pairs(network, pairs, None if start is None else start.card)
    else:
        fitted = calibrate(Model(bare, network), validate, config.degradation, progress=progress)
    inputs = () if start is None else start.card.inputs
    own = None if seen is None else input_statistics(seen, config.subject, config.seed)
    changes = {
        "metrics": metrics | fitted.metrics,
        "inputs": inputs if own is None else (own, *inputs),
        **fitted.changes(),
    }
    return _saved(run, destination, network, bare.model_copy(update=changes))


def _saved(run: Path, destination: Path, network: SuperResolutionVAE, card: ModelCard) -> Path:
    """Write the model, under another name where one has been made in all this time by another run."""
    name = own_name(run, destination, card.name)
    title = name if card.title == card.name else card.title
    weights = save_model(destination, network, card.model_copy(update={"name": name, "title": title}))
    note_made(run, destination, card.name, read_card(weights.with_suffix(".json")).sha256)
    return weights


def _scores_before(start: Model, pairs: FixedPairs) -> dict[str, float]:
    """Return the scores of the model that was fine-tuned."""
    before = network_scores(start.network, pairs)
    names = [factor_name(factor) for factor in pairs.factors]
    return {f"psnr_start_x{name}": before[f"psnr_mean_x{name}"] for name in names}


def _averaged(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the averaged weights of a checkpoint's."""
    prefix = "average.module."
    return {name.removeprefix(prefix): each for name, each in state.items() if name.startswith(prefix)}


def _told(
    run: Path, config: TrainingConfig, command: str, reached: Mapping[str, Any]
) -> dict[str, JsonValue]:
    """Return what the card tells of the run."""
    begun: dict[str, JsonValue] = {}
    if config.start is not None:
        begun["start"] = config.start.model_dump()
    checks = read_checks(run)
    if checks:
        begun["weights_of_step"] = Verdict(tuple(checks)).best.step
    settings = config.model_dump(
        mode="json", exclude={"name", "title", "description", "network", "intensity", "sources", "start"}
    )
    return {
        "command": command,
        "steps": reached["steps"],
        "hours": round(reached["seconds"] / 3600, 2),
        "date": datetime.now(UTC).date().isoformat(),
        **begun,
        "settings": settings,
    }


LIMITS = (
    "Computational upsampling: it does not add resolution that was not recorded. Detail finer "
    "than the input's pixels is a guess from the training images; where the standard deviation is high, do "
    "not trust it. Measure intensities and counts in the source, not in the result."
)

TUNED_LIMITS = (
    "Fine-tuned on few images: on images of another kind it may be worse than the model that it started "
    "from, and the scores are those of a held-out part of the same images."
)


@torch.inference_mode()
def network_scores(network: SuperResolutionVAE, pairs: FixedPairs) -> dict[str, float]:
    """Score a network on pairs, factor by factor.

    Parameters
    ----------
    network : SuperResolutionVAE
        In evaluation mode.
    pairs : FixedPairs
        Images with their truth.

    Returns
    -------
    dict of float
        PSNR in dB, averaged over images (border of as many pixels as the factor left out), of bicubic
        interpolation, the base, the mean of 16 samples and one sample; and Spearman's correlation of the
        standard deviation and the absolute error.
    """
    metrics: dict[str, float] = {}
    generator = torch.Generator().manual_seed(0)
    for factor in pairs.factors:
        name = factor_name(factor)
        scores: dict[str, list[float]] = {}
        deviations, errors = [], []
        for pair in (each for each in pairs.pairs if each.factor == factor):
            encoded = network.encode(pair.low, factor, pair.conditions)
            samples = network.decode(encoded, network.antithetic_noise(pair.low, SAMPLES, generator))
            estimates = {
                "bicubic": upsample_bicubic(pair.plane, factor),
                "base": encoded.base,
                "mean": samples.mean(dim=0),
                "sample": samples[0],
            }
            for what, estimate in estimates.items():
                scores.setdefault(what, []).append(psnr(estimate, pair.high, max(factor)))
            moments = PairedMoments()
            moments.add(samples)
            assert moments.variance is not None
            deviations.append(smoothed(moments.variance).sqrt().flatten().numpy())
            errors.append((estimates["mean"] - pair.high).flatten().numpy())
        metrics |= {f"psnr_{what}_x{name}": round(float(np.mean(s)), 3) for what, s in scores.items()}
        deviation, error = np.concatenate(deviations), np.concatenate(errors)
        metrics[f"spearman_x{name}"] = round(rank_correlation(deviation, error), 3)
    return metrics
