"""Small real images to try things on; NOTICE tells where they come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_vaesr.errors import VaesrError


@dataclass(frozen=True)
class Sample:
    """A bundled image.

    Attributes
    ----------
    name : str
        What to ask for it by.
    file : str
        Its file in this folder.
    title : str
        What it shows.
    axes : str
        Its axes in order, ``S`` for the samples of a colour image.
    licence : str
        The licence it is published under.
    origin : str
        Who made it, and what was done to it here.
    """

    name: str
    file: str
    title: str
    axes: str
    licence: str
    origin: str


SAMPLES: dict[str, Sample] = {
    sample.name: sample
    for sample in (
        Sample(
            name="nuclei",
            file="nuclei.tif",
            title="Fluorescent cell nuclei, a z-stack",
            axes="ZYX",
            licence="CC0-1.0",
            origin=(
                "Allen Institute for Cell Science, by way of cells3d of scikit-image "
                "(voxels of 0.29 x 0.26 x 0.26 µm); planes 16 to 55 of the nuclei."
            ),
        ),
        Sample(
            name="phase",
            file="phase.png",
            title="Cells in phase contrast",
            axes="YX",
            licence="MIT",
            origin="Usiigaci, Okinawa Institute of Science and Technology; a part, as 8-bit grey.",
        ),
        Sample(
            name="tissue",
            file="tissue.tif",
            title="Colon glands, stained brown (DAB) and blue (haematoxylin)",
            axes="YXS",
            licence="No known copyright restrictions",
            origin=(
                "Center for Microscopy and Molecular Imaging (CMMI), by way of immunohistochemistry "
                "of scikit-image; a part."
            ),
        ),
    )
}
"""The bundled images by name."""


def sample_path(name: str) -> Path:
    """Return the path of a bundled image.

    Parameters
    ----------
    name : str
        A key of `SAMPLES`.

    Raises
    ------
    VaesrError
        When there is no such image.
    """
    if name not in SAMPLES:
        raise VaesrError(f"There is no sample named {name!r}; choose one of {', '.join(SAMPLES)}.")
    return Path(__file__).parent / SAMPLES[name].file
