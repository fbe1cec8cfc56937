"""``napari-vaesr calibrate``: a model and sharp images in; the model with a new calibration out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from napari_vaesr.errors import VaesrError, needing

from . import options
from .console import free_to_write, out, report_note, spoken_errors
from .progress import progress_bars

Model = Annotated[str, typer.Argument(metavar="MODEL", help="A model's name, or the path of its file.")]
Images = Annotated[
    list[Path],
    typer.Argument(
        metavar="IMAGES...",
        help="Folders of sharp images that the model has not learnt from; the name of each subfolder "
        "becomes a kind of image to choose from.",
    ),
]
Output = Annotated[Path | None, typer.Option(help="Folder of the model; left out, where all doors find it.")]
Name = Annotated[str | None, typer.Option(help="Another name for the model.")]
Chains = Annotated[
    list[str] | None,
    typer.Option(
        "--chain",
        help="Also calibrate this scale, which takes several passes, as a whole, such as 8. One that makes "
        "planes and their pixels more takes --stacks. May be given again.",
    ),
]
Stacks = Annotated[
    list[Path] | None,
    typer.Option(
        help="Stacks that the model has not learnt from, or folders of them: for chains that take them, and "
        "for how alike samples of neighbouring planes are."
    ),
]
Keep = Annotated[
    bool,
    typer.Option(
        "--keep", help="Keep the calibration on the card, and fit the chains, and what stacks tell, alone."
    ),
]
Shared = Annotated[
    bool,
    typer.Option(
        "--shared",
        help="Keep the calibration on the card, and fit alone the errors that all of an image shares, for "
        "ranges of measurements; those of chains that take stacks on --stacks.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace a model that exists.")]


def calibrate(
    model: Model,
    images: Images,
    output: Output = None,
    name: Name = None,
    chains: Chains = None,
    stacks: Stacks = None,
    keep: Keep = False,
    shared: Shared = False,
    force: Force = False,
    debug: options.Debug = False,
) -> None:
    """Fit the calibration of a model's uncertainty to images of your own.

    Low-res images are made as in the model's training, upscaled, and compared with the sharp ones. Weights
    stay as they are; the card gets the calibration, for each folder and for all together.
    """
    with spoken_errors(debug):
        from pydantic import ValidationError

        from napari_vaesr.imaging.region import Factors
        from napari_vaesr.pairs.images import find_images, why_passed
        from napari_vaesr.pairs.settings import Degradation
        from napari_vaesr.zoo.card import checked_name
        from napari_vaesr.zoo.registry import card_path, load_model
        from napari_vaesr.zoo.weights import write_model

        loaded = load_model(model)
        card = loaded.card
        if keep and not (chains or stacks):
            raise VaesrError("--keep fits chains alone: name them with --chain, or leave it out.")
        if shared and (keep or chains):
            raise VaesrError("--shared keeps the calibration and its chains: leave out --keep and --chain.")
        if name is not None:
            card = card.model_copy(update={"name": checked_name(name)})
        folder = _folder_for(card.name, output, force)
        try:
            degradation = Degradation.model_validate(card.degradation)
        except ValidationError as error:
            raise VaesrError(
                "The card does not say how the model was trained, in a way known here."
            ) from error
        passed: list[Path] = []
        find_images([*images, *(stacks or ())], passed)
        if passed:
            report_note(f"{why_passed(passed)}.")
        with needing("train", "Calibrating needs"):
            from napari_vaesr.training.calibrate import calibrate as fit
            from napari_vaesr.training.calibrate import calibrate_shared
        with progress_bars(quiet=False) as bars, bars.follow("calibrating") as progress:
            if shared:
                fitted = calibrate_shared(loaded, images, degradation, progress, stacks or ())
            else:
                fitted = fit(
                    loaded,
                    images,
                    degradation,
                    progress=progress,
                    chains=[Factors.parse(each) for each in chains or ()],
                    stacks=stacks or (),
                    keep=keep,
                )
        gone = [scale for scale in card.calibration if scale not in fitted.calibration]
        if gone:
            report_note(
                f"the calibration of {', '.join(f'×{scale}' for scale in gone)} is no longer on the "
                "card: single passes take larger images, and others --chain."
            )
        metrics = {key: value for key, value in card.metrics.items() if not key.startswith("coverage90")}
        changes = {"metrics": metrics | fitted.metrics, **fitted.changes()}
        # The bytes as they are: records that name these weights by their hash stay valid.
        weights = card_path(model).with_suffix(".safetensors").read_bytes()
        path = write_model(folder / f"{card.name}.safetensors", weights, card.model_copy(update=changes))
        table = Table("images", "inside 90 % intervals, images not fitted to", box=box.SIMPLE_HEAD)
        for key, value in fitted.metrics.items():
            table.add_row(key.removeprefix("coverage90_").replace("_x", " ×"), f"{100 * value:.1f} %")
        out().print(table)
        out().print(f"Model: {path}", markup=False)


def _folder_for(name: str, output: Path | None, force: bool) -> Path:
    """Return the folder of the calibrated model, in which its name is free or may be replaced."""
    from napari_vaesr.zoo.folders import is_bundled, user_models

    folder = output or user_models()
    if (folder / f"{name}.json").exists() and not force:
        raise VaesrError(f"{folder / name} exists already, choose another --name or use --force.")
    if folder.exists() and not folder.is_dir():
        raise VaesrError(f"{folder} is no folder: choose another --output.")
    free_to_write([folder / f"{name}.json"], force=True)
    if output is None and is_bundled(name):
        report_note(
            f"all doors will find this model in place of the bundled {name}, whatever its later "
            "versions bring; give a --name to keep both."
        )
    return folder
