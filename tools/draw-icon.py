"""Draw the icon of the plugin, a cell in coarse pixels on one side and in fine ones on the other.

.venv/bin/python tools/draw-icon.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image

SIDE, COARSE = 256, 8
TARGET = Path(__file__).parents[1] / "src" / "napari_vaesr" / "icon.png"


def cell(side: int) -> np.ndarray:
    """Return a bright ring with a nucleus, from 0 to 1."""
    places = (np.arange(side) + 0.5) / side * 2 - 1
    y, x = np.meshgrid(places, places, indexing="ij")
    distance = np.hypot(x * 0.95 + 0.1 * y, y)
    ring = np.exp(-(((distance - 0.68) / 0.13) ** 2))
    nucleus = 0.9 * np.exp(-(((x - 0.12) / 0.27) ** 2) - ((y + 0.08) / 0.24) ** 2)
    return np.clip(ring + nucleus, 0, 1)


def main() -> None:
    """Write the icon."""
    coarse = np.kron(cell(COARSE), np.ones((SIDE // COARSE, SIDE // COARSE)))
    places = np.arange(SIDE)
    is_coarse = places[np.newaxis] < SIDE - places[:, np.newaxis]
    colours = matplotlib.colormaps["inferno"](0.08 + 0.87 * np.where(is_coarse, coarse, cell(SIDE)))
    y, x = np.meshgrid(places, places, indexing="ij")
    radius = SIDE / 6  # rounded corners
    corner = np.hypot(
        np.maximum(np.abs(x - SIDE / 2 + 0.5) - SIDE / 2 + radius, 0),
        np.maximum(np.abs(y - SIDE / 2 + 0.5) - SIDE / 2 + radius, 0),
    )
    colours[..., 3] = np.clip(radius - corner, 0, 1)
    Image.fromarray(np.round(255 * colours).astype(np.uint8)).resize((128, 128)).save(TARGET, optimize=True)


if __name__ == "__main__":
    main()
