"""The options that the commands share, and those of ``upscale``: each is described once."""

from __future__ import annotations

from typing import Annotated

import typer

from napari_vaesr.engine.settings import about

Inputs = Annotated[
    list[str], typer.Argument(metavar="IN...", help="Images, folders of images or glob patterns.")
]
Output = Annotated[
    str,
    typer.Argument(
        metavar="OUT",
        help="For one input a file (.ome.tif or .zarr with mean and std as channels, or .png for a 2-D "
        "image); for several a folder, made if needed.",
    ),
]
Samples = Annotated[int, typer.Option("--samples", "-k", help=about("samples"))]
Axes = Annotated[
    str | None,
    typer.Option(help="One letter per axis in order, from TCZYXS, such as ZYX; for files that don't say."),
]
Model = Annotated[str, typer.Option("--model", "-m", help=about("model"))]
Seed = Annotated[int, typer.Option(help=about("seed"))]
Device = Annotated[str, typer.Option(help=about("device"))]
Extent = Annotated[
    str,
    typer.Option(
        help="Upscale this part alone, in input pixels: Z=10:20,Y=0:64 (from 10 to 19) or T=3.",
        show_default=False,
    ),
]
Series = Annotated[
    str | None,
    typer.Option(
        help="Which image of a file, by name or from 0 on, or all: scenes, or wells and fields of a "
        "plate such as A/1/0. Left out, the first; of a plate, all."
    ),
]
Calibrate = Annotated[
    bool,
    typer.Option("--calibrate", help="Correct the uncertainty by a check on the image itself; see check."),
]
Figure = Annotated[
    bool, typer.Option("--figure", help="Also draw input, mean and std of the middle plane, as a PNG.")
]
Workers = Annotated[int | None, typer.Option(min=1, help="Compute in so many processes on this machine.")]
Scheduler = Annotated[
    str | None,
    typer.Option(help="Compute on the workers of a Dask scheduler, such as tcp://10.0.0.1:8786."),
]
Force = Annotated[
    bool, typer.Option("--force", help="Replace outputs that exist, or were begun with other settings.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", "-n", help="Only tell what would be done, with memory and time.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
