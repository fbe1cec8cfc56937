"""What a fine-tuning of a few minutes gains on a bundled sample: ``python benchmarks/finetune.py``.

The held-out part is a fifth of every plane, never learnt from; low-res images are made with the blur and the
noise estimated from the sample, as the panel does.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from napari_vaesr.engine.progress import Progress
from napari_vaesr.files.image import read_image
from napari_vaesr.pairs.material import material_from_image
from napari_vaesr.sample_images import SAMPLES, sample_path
from napari_vaesr.training.config import finetune_config
from napari_vaesr.training.events import Verdict
from napari_vaesr.training.finetune import FineTune, estimated_degradation
from napari_vaesr.zoo.registry import load_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", choices=list(SAMPLES), default="nuclei")
    parser.add_argument("--start", default="microscopy")
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--rate", type=float, default=1, help="factor on the learning rates")
    given = parser.parse_args()
    start = load_model(given.start)
    pixels, axes = pixels_of(given.sample)
    material = material_from_image(pixels, axes, start.card.network, start.card.intensity, name=given.sample)
    degradation = estimated_degradation([pair.truth for pair in material.learn])
    plain = finetune_config(start.card)
    config = finetune_config(
        start.card,
        hours=given.minutes / 60,
        degradation=degradation,
        muon_rate=given.rate * plain.muon_rate,
        adam_rate=given.rate * plain.adam_rate,
        sigma_rate=given.rate * plain.sigma_rate,
    )
    print(f"{start.card.name} {start.card.sha256[:12]} on {given.sample}, {given.minutes:g} min")
    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads")
    print(f"blur {degradation.blur}, noise {degradation.read_noise}")
    with tempfile.TemporaryDirectory() as name:
        run = FineTune.prepare(Path(name) / "run", material, start, config)
        began, latest = time.monotonic(), Progress(0, 0, "")

        def listen(event: object) -> None:
            nonlocal latest
            if isinstance(event, Progress):
                latest = event
            elif isinstance(event, Verdict):
                check = event.latest
                scores = ", ".join(f"x{scale} {score:.2f}" for scale, score in check.scores.items())
                gain = check.score - event.start.score
                seconds = time.monotonic() - began
                print(f"{seconds:5.0f} s  step {check.step:5}  {scores}  {gain:+.2f} dB", flush=True)

        run.run(listen)
        print(f"{latest.message}; best {run.verdict.gain:+.2f} dB at step ", end="")
        print(f"{run.verdict.best.step}, {time.monotonic() - began:.0f} s in all")


def pixels_of(sample: str) -> tuple[np.ndarray, str]:
    """Read a bundled sample."""
    return np.asarray(read_image(sample_path(sample), SAMPLES[sample].axes).data), SAMPLES[sample].axes


if __name__ == "__main__":
    main()
