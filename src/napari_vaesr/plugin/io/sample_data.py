"""The images under *File > Open Sample*, small enough to be held in memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_vaesr.files.image import read_image
from napari_vaesr.plugin.io.reader import image_layer
from napari_vaesr.plugin.viewer.layers import LayerTuple
from napari_vaesr.sample_images import sample_path


def nuclei() -> list[LayerTuple]:
    """Fluorescent nuclei, a z-stack."""
    return _sample("nuclei")


def phase() -> list[LayerTuple]:
    """Cells in phase contrast, one plane."""
    return _sample("phase")


def tissue() -> list[LayerTuple]:
    """Stained tissue, in colour."""
    return _sample("tissue")


def _sample(name: str) -> list[LayerTuple]:
    image = read_image(sample_path(name))
    return [image_layer(replace(image, data=np.asarray(image.data), name=name))]
