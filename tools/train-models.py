"""Train the bundled models, calibrate them, and put them where they are bundled.

    python tools/train-models.py DATA --hours 2.4             # one core with AVX-512 or AMX
    python tools/train-models.py DATA --hours 0.15            # a GPU
    python tools/train-models.py DATA --hours 2.4 --only tiny --bundle

DATA holds train/, val/, stacks/ and, for `photo`, more photographs in train/more and calibrate/photo, which
``python tools/cut-photographs.py DATA`` and ``python benchmarks/photographs.py DATA/calibrate/photo``
write. Every network begins with the weights that are bundled now. The hours are shared out among the three.
Whatever is stopped goes on where it was when the same command is given again. With --bundle the models
replace the bundled ones, as the next version.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

from safetensors.torch import load, load_file, save

from napari_vaesr.training.config import RECIPES, TrainingConfig
from napari_vaesr.training.finish import network_scores
from napari_vaesr.training.validation import ValidationPairs
from napari_vaesr.vae.build import build
from napari_vaesr.zoo.card import read_card
from napari_vaesr.zoo.weights import write_model

BUNDLED = Path(__file__).parents[1] / "src" / "napari_vaesr" / "zoo" / "models"

PROGRAM = Path(sys.executable).with_name("napari-vaesr")

KINDS = ("em", "fluorescence", "phase", "stained")
STACKS = ("brain_half_zyx.tif", "nuclei_zyx.tif", "mitocheck_tyx.tif", "celegans_em_zyx.tif")
FOLDERS = {"em": 0.13, "fluorescence": 0.17, "phase": 0.28, "stained": 0.15, "train": 0.27}
SCALES = [2.5, 2, 2.5, 1.2, 1.2, 1.2]
CHAINS = ("6", "8", "9", "12", "16")
CHAINS_ALONG_Z = ("Z=2,Y=2,X=2", "Z=3,Y=2,X=2", "Z=4,Y=2,X=2")

SHARES = {"microscopy": 1.3, "photo": 0.7, "tiny": 0.4}
"""How the hours are shared out; `tiny` learns from `microscopy`, and is trained last."""

SETTINGS: dict[str, dict[str, Any]] = {
    "microscopy": {
        "folder_weights": FOLDERS,
        "scale_weights": SCALES,
        "muon_rate": 0.0025,
        "base_share": 0.5,
        "anneal": 1,
    },
    "photo": {
        "muon_rate": 0.0025,
        "adam_rate": 0.0005,
        "base_share": 0.8,
        "anneal": 1,
        "batch": 16,
        "scale_weights": [1, 1, 1.5],
        "folder_weights": {"photo": 0.45, "more": 0.55},
    },
    "tiny": {"folder_weights": FOLDERS, "muon_rate": 0.004, "base_share": 0.55, "anneal": 300},
}


def run(*command: str | Path) -> None:
    """Run a command of the package, and stop where it fails."""
    print("napari-vaesr", *command, flush=True)
    code = subprocess.call([PROGRAM, *map(str, command)])
    if code:
        raise SystemExit(code)


def validation(data: Path, name: str) -> list[Path]:
    if name == "photo":
        return [data / "val" / "photo"]
    stacks = (data / "stacks" / "val" / each for each in STACKS)
    return [*(data / "val" / kind for kind in KINDS), *stacks]


def train(data: Path, folder: Path, name: str, hours: float, seed: int) -> Path:
    """Train, or go on, and calibrate with all scales that take several passes; return the model."""
    models = folder / "models"
    calibrated = folder / "calibrated"
    config = folder / f"{name}.json"
    folder.mkdir(parents=True, exist_ok=True)
    config.write_text(json.dumps(SETTINGS[name] | {"validate_every": 2500, "seed": seed}))
    learnt = [data / "train" / "photo", data / "train" / "more"]
    if name != "photo":
        learnt = [*(data / "train" / kind for kind in KINDS), data / "stacks" / "train"]
    options: list[str | Path] = ["--recipe", name, "--begin-with", BUNDLED / f"{name}.json"]
    if name == "tiny":
        teacher = calibrated / "microscopy.json"
        options += ["--teacher", teacher if teacher.exists() else BUNDLED / "microscopy.json"]
    for held in validation(data, name):
        options += ["--validate", held]
    length = ["--hours", str(hours), "--config", config, "--run", folder / name, "--output", models]
    if not (models / f"{name}.json").exists():
        run("train", *learnt, *options, *length)
        if name == "photo":
            meet_halfway(
                models / f"{name}.json", BUNDLED / f"{name}.json", folder / name, validation(data, name)
            )
    images = [path for path in validation(data, name) if path.is_dir()]
    if name == "photo" and (data / "calibrate" / "photo").is_dir():
        images.append(data / "calibrate" / "photo")
    chains = [word for chain in CHAINS for word in ("--chain", chain)]
    if name != "photo":
        chains += [word for chain in CHAINS_ALONG_Z for word in ("--chain", chain)]
        chains += ["--stacks", str(data / "stacks" / "val")]
    run("calibrate", models / f"{name}.json", *images, *chains, "--output", calibrated, "--force")
    return calibrated / f"{name}.json"


def meet_halfway(model: Path, start: Path, run: Path, held: list[Path]) -> None:
    """Average the weights with those that the training began with, and score them.

    The score of blocks alone makes errors of areas right at the cost of the likeness of single samples to
    images; halfway, most of both is kept (Wortsman et al., 2022, "Robust fine-tuning of zero-shot models").
    """
    card = read_card(model)
    ours, before = (load_file(path.with_suffix(".safetensors")) for path in (model, start))
    weights = save({name: ((ours[name] + before[name]) / 2).contiguous() for name in ours})
    network = build(card.network).eval()
    network.load_state_dict(load(weights))
    config = TrainingConfig.model_validate_json((run / "config.json").read_text())
    changes = {
        "sha256": sha256(weights).hexdigest(),
        "training": card.training | {"averaged_with_start": 0.5},
        "metrics": network_scores(network, ValidationPairs(held, config, images=48)),
    }
    write_model(model.with_suffix(".safetensors"), weights, card.model_copy(update=changes))


def bundle(data: Path, model: Path) -> None:
    """Replace a bundled model, as the next version."""
    card, before = read_card(model), read_card(BUNDLED / model.name)
    recipe = RECIPES[before.name]
    # What was typed names folders of one machine; the data's own folders tell enough.
    command = str(card.training["command"])
    for folder in (data, model.parents[1], BUNDLED):
        command = command.replace(f"{folder}/", "")
    start = {"name": before.name, "version": before.version, "sha256": before.sha256}
    changes = {
        "version": str(int(before.version) + 1),
        "title": before.title,
        "description": before.description,
        "training_data": recipe.sources,
        "training": card.training | {"command": command, "start": start},
        "domains": {kind: levels for kind, levels in card.domains.items() if kind in before.domains},
    }
    weights = model.with_suffix(".safetensors").read_bytes()
    path = write_model(BUNDLED / f"{before.name}.safetensors", weights, card.model_copy(update=changes))
    print(f"{path}: version {changes['version']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder with train, val and stacks")
    parser.add_argument("--run", type=Path, default=Path("runs/models"), help="folder of the trainings")
    parser.add_argument("--hours", type=float, default=sum(SHARES.values()), help="of training, in all")
    parser.add_argument("--only", nargs="+", choices=SHARES, default=list(SHARES))
    parser.add_argument("--seed", type=int, default=0, help="another for every version")
    parser.add_argument("--bundle", action="store_true", help="replace the bundled models")
    given = parser.parse_args()
    data, folder = given.data.resolve(), given.run.resolve()
    hours = {name: given.hours * SHARES[name] / sum(SHARES[each] for each in given.only) for name in SHARES}
    for name in (each for each in SHARES if each in given.only):
        model = train(data, folder, name, hours[name], given.seed)
        if given.bundle:
            bundle(data, model)


if __name__ == "__main__":
    main()
