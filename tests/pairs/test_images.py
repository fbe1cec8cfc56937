"""Images are found where they are, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_vaesr.errors import VaesrError
from napari_vaesr.pairs.images import find_images, grey_stacks, hold_out, hold_out_listed, load_planes
from napari_vaesr.pairs.sources import find_sources


def test_hidden_files_are_passed_over_unless_they_are_named(tmp_path: Path) -> None:
    """Such as macOS's notes beside files, and pages of results that are not finished."""
    folder = tmp_path / ".home" / "images"  # what lies above does not count
    (folder / ".b.ome.tif.partial").mkdir(parents=True)
    image, notes, page = folder / "a.tif", folder / "._a.tif", folder / ".b.ome.tif.partial" / "0.tif"
    for path in (image, page):
        tifffile.imwrite(path, np.zeros((8, 8), np.uint8))
    notes.write_bytes(b"Mac OS X")
    assert find_images([folder]) == [image] == [source.path for source in find_sources([folder])]
    assert find_images([folder, page]) == [page, image]


def test_hold_out_is_disjoint(images: Path) -> None:
    learn, check = hold_out([images])
    assert learn and check and not set(learn) & set(check)
    alone = [next(images.rglob("0.png"))]
    assert hold_out(alone) == (alone, alone)


def test_listed_images_are_held_out(images: Path, tmp_path: Path) -> None:
    listing = tmp_path / "held.txt"
    one = next(images.rglob("0.png"))
    listing.write_text(f"{one.parent.name}/{one.name}\n\n")
    learn, check = hold_out_listed([images], listing)
    assert check == [one] and one not in learn and len(learn) == 2
    for content, message in (("gone.png", "not among"), ("0.png\n1.tif\n2.png", "none is left")):
        listing.write_text(content)
        with pytest.raises(VaesrError, match=message):
            hold_out_listed([images], listing)
    with pytest.raises(VaesrError, match="can't be read"):
        hold_out_listed([images], tmp_path / "missing.txt")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "missing", "does not exist"),
        (lambda folder: folder, "holds no PNG"),
        (lambda folder: folder / "bad.png", "cannot be read"),
    ],
)
def test_nothing_to_train_on_is_said(tmp_path: Path, make: object, message: str) -> None:
    place = make(tmp_path)  # type: ignore[operator]
    if place.suffix:
        place.write_bytes(b"no image")
    with pytest.raises(VaesrError, match=message):
        load_planes([place], 8)


def test_a_value_that_is_no_number_is_said_with_the_file(tmp_path: Path) -> None:
    plane = np.ones((16, 16), np.float32)
    plane[3, 4] = np.nan
    tifffile.imwrite(tmp_path / "hole.tif", plane)
    with pytest.raises(VaesrError, match=r"hole\.tif holds NaN"):
        load_planes([tmp_path], 8)


def test_values_beyond_float32_are_said_with_the_file(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "large.tif", np.full((16, 16), -1e300))
    with pytest.raises(VaesrError, match=r"large\.tif holds values too large"):
        grey_stacks(tmp_path / "large.tif")


def test_images_that_are_too_small_are_said(images: Path) -> None:
    with pytest.raises(VaesrError, match="100 pixels"):
        load_planes([images], 100)


def test_colour_is_told_by_the_file_not_by_its_size(tmp_path: Path) -> None:
    """A stack of strips three pixels wide is no colour image; colours are, before or behind the pixels."""
    pixels = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)
    tifffile.imwrite(tmp_path / "strips.tif", pixels, photometric="minisblack")
    tifffile.imwrite(tmp_path / "planar.tif", np.moveaxis(pixels, -1, 0), photometric="rgb")
    tifffile.imwrite(tmp_path / "colour.tif", pixels, photometric="rgb")
    luma = (pixels @ np.array([0.299, 0.587, 0.114])).round()
    assert len(load_planes([tmp_path / "strips.tif"], 3)[tmp_path.name]) == 40
    for name in ("planar.tif", "colour.tif"):
        (plane,) = load_planes([tmp_path / name], 8)[tmp_path.name]
        assert np.abs(plane - luma).max() <= 1
