"""Pictures that a camera held on its side stand upright."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from napari_vaesr.files.image import read_image

CASES = Path(__file__).parents[1] / "cases"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "tif"])
def test_pictures_stand_upright(tmp_path, orientation, ending):
    path = tmp_path / f"photo.{ending}"
    pixels = np.zeros((24, 40, 3), np.uint8)
    pixels[:8, :8], pixels[-8:, :16, 1], pixels[8:16, -8:, 2] = 255, 200, 150
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x011A], exif[0x011B], exif[0x0128] = 100.0, 200.0, 3
    picture = Image.fromarray(pixels)
    if ending == "tif":
        tags = [(0x0112, 3, 1, orientation, True)]
        tifffile.imwrite(
            path, pixels, extratags=tags, photometric="rgb", resolution=(100, 200), resolutionunit=3
        )
    else:
        picture.save(path, exif=exif, quality=95, dpi=(100, 200))
    picture = Image.open(path)
    expected = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"), int)
    image = read_image(path)
    assert np.abs(np.asarray(image.data, int) - expected).max() <= 3
    across, down = image.dots
    assert (down / across) == pytest.approx(0.5 if orientation > 4 else 2, rel=1e-3)
    if ending == "tif":
        assert (image.pixel_size["X"] > image.pixel_size["Y"]) == (orientation <= 4)


@pytest.mark.parametrize(("number", "shape"), [(3, (24, 40)), (6, (40, 24)), (8, (40, 24))])
def test_photos_of_the_cases_stand_upright(number, shape):
    image = read_image(CASES / f"photo_o{number}.jpg")
    assert image.data.shape[:2] == shape
    corner = {3: (-4, -4), 6: (4, -4), 8: (-4, 4)}[
        number
    ]  # where the bright corner of the stored pixels goes
    assert image.data[corner][0] > 200
