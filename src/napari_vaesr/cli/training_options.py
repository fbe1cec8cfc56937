"""The options of ``train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from napari_vaesr.vae import config

Images = Annotated[
    list[Path],
    typer.Argument(
        metavar="IMAGES...",
        help="Folders of sharp images, or image files; with --pairs LOW HIGH folders.",
    ),
]
Pairs = Annotated[
    bool,
    typer.Option(
        "--pairs",
        help="IMAGES are folders two by two, LOW HIGH LOW HIGH ...: real low-res images, and high-res "
        "ones of the same names.",
    ),
]
Validate = Annotated[
    list[Path] | None,
    typer.Option(
        "--validate", "-v", help="Images to validate and calibrate on; left out, every tenth is held out."
    ),
]
HoldOut = Annotated[
    Path | None,
    typer.Option(
        "--hold-out",
        help="A text file of image names, one a line, to validate and calibrate on and not to learn "
        "from them.",
    ),
]
Name = Annotated[
    str | None, typer.Option(help="Name of the model; left out, the recipe's, which takes --output.")
]
Recipe = Annotated[
    Literal["microscopy", "photo", "tiny"] | None,
    typer.Option(help="The bundled model whose settings to start from; left out, microscopy."),
]
Start = Annotated[
    str | None,
    typer.Option(
        help="Fine-tune this model, a name or path, gently instead of beginning with random weights."
    ),
]
BeginWith = Annotated[
    str | None,
    typer.Option(
        help="Begin with the weights of this model, a name or path, instead of random ones, at the "
        "recipe's learning rates; its trunk may have fewer blocks."
    ),
]
Teacher = Annotated[
    str | None,
    typer.Option(
        help="Learn the base from this model, a name or path, instead of the truth: for small networks."
    ),
]
Over = Annotated[
    Path | None,
    typer.Option(
        help="Train a ladder over this network of other makers, which stays as it is: a .safetensors "
        "file that spandrel knows, TorchScript or a BioImage.IO package, at the recipe's degradation."
    ),
]
OverLicence = Annotated[str, typer.Option(help="Licence of the network given by --over, for the card.")]
OverAuthors = Annotated[str, typer.Option(help="Who made it, for the card.")]
OverSource = Annotated[str, typer.Option(help="Where it comes from, for the card.")]
OverColours = Annotated[
    Literal["rgb", "luma"],
    typer.Option(help="What a network for colours sees of colour images: these, or their luma."),
]
RunsCode = Annotated[
    bool,
    typer.Option(
        "--runs-code",
        help="Trust the TorchScript given by --over: it brings code, which is run whenever the model is "
        "used.",
    ),
]
Config = Annotated[
    Path | None, typer.Option(help="A JSON file of settings that replace the recipe's, see the docs.")
]
Size = Annotated[config.Size | None, typer.Option(help="Size of the network.")]
Steps = Annotated[int | None, typer.Option(help="Length of the training in steps.")]
Hours = Annotated[float | None, typer.Option(help="Length in hours of training, kept over interruptions.")]
Devices = Annotated[int, typer.Option(min=1, help="GPUs, or processes on a CPU, that share every batch.")]
Workers = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Processes that make patches for each device; left out, all cores but one where a GPU "
        "learns on Linux, and none elsewhere.",
    ),
]
Seed = Annotated[int | None, typer.Option(help="Seed of patches, degradations and first weights.")]
Run = Annotated[
    Path | None,
    typer.Option(help="Folder of checkpoints and logs, resumed if it has any; left out, runs/NAME."),
]
Output = Annotated[
    Path | None, typer.Option(help="Folder of the finished model; left out, where all doors find it.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]
