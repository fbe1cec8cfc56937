"""Pages of the files in ``tests/cases``, and what was read of their pixel sizes."""

from __future__ import annotations

from pathlib import Path

import pytest
import tifffile


@pytest.fixture(scope="session")
def sizes():
    """The size of a pixel and its unit, by the letter of the axis, to be compared."""

    def sizes(image) -> dict[str, tuple[float, str | None]]:
        return {name: (pytest.approx(size), image.units.get(name)) for name, size in image.pixel_size.items()}

    return sizes


@pytest.fixture(scope="session")
def page():
    def page(name: str, number: int = 0):
        with tifffile.TiffFile(Path(__file__).parents[1] / "cases" / name) as tiff:
            return tiff.pages[number].asarray()

    return page
