"""Images are found where they are, and nothing else."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_vaesr.errors import VaesrError
from napari_vaesr.pairs.images import (
    find_images,
    grey_stacks,
    hold_out,
    hold_out_listed,
    load_planes,
    read_planes,
    to_unit,
    why_passed,
)
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


def test_what_is_left_out_is_said_with_the_reason(tmp_path: Path) -> None:
    for name in ("cells_mask.png", "masks/cells.png", "cells.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        iio.imwrite(tmp_path / name, np.zeros((8, 8), np.uint8))
    tifffile.imwrite(tmp_path / "made.tif", np.zeros((8, 8), np.uint8), software="napari-vaesr 0.3")
    passed: list[Path] = []
    find_images([tmp_path, tmp_path], passed)  # none counts twice
    assert why_passed(passed) == (
        "3 files are left out, 2 masks or labels by type or name and the result of an upscaling"
    )
    with pytest.raises(VaesrError, match=r"\(1 file is left out, a mask or labels by its type or name\)"):
        find_images([alone_in(tmp_path / "alone")])


def alone_in(folder: Path) -> Path:
    """Make a folder with a mask and nothing else."""
    folder.mkdir()
    tifffile.imwrite(folder / "bool.tif", np.ones((8, 8), bool))
    return folder


def test_what_is_wrong_with_an_image_is_said(tmp_path: Path) -> None:
    Image.new("CMYK", (9, 9)).save(tmp_path / "printed.jpg")
    with pytest.raises(VaesrError, match=r"remove it or replace it: .*CMYK"):
        grey_stacks(tmp_path / "printed.jpg")
    tifffile.imwrite(tmp_path / "waves.tif", np.ones((9, 9), np.complex64))
    with pytest.raises(VaesrError, match="complex64 and no intensities"):
        grey_stacks(tmp_path / "waves.tif")


def test_a_folder_named_like_an_image_is_none(tmp_path: Path) -> None:
    (tmp_path / "montage.png").mkdir()
    iio.imwrite(tmp_path / "montage.png" / "a.png", np.zeros((8, 8), np.uint8))
    assert find_images([tmp_path]) == [tmp_path / "montage.png" / "a.png"]


def test_hold_out_is_disjoint(images: Path) -> None:
    learn, check = hold_out([images])
    assert learn and check and not set(learn) & set(check)
    alone = [next(images.rglob("0.png"))]
    assert hold_out(alone) == (alone, alone)


def test_what_is_held_out_is_large_enough(tmp_path: Path) -> None:
    for number in range(12):
        side = 8 if number == 5 else 30
        tifffile.imwrite(tmp_path / f"{number:02}.tif", np.zeros((side, side), np.uint8))
    assert [path.name for path in hold_out([tmp_path])[1]] == ["05.tif"]
    learn, check = hold_out([tmp_path], 24)
    assert [path.name for path in check] == ["06.tif"] and len(learn) == 10
    assert hold_out([tmp_path / "05.tif"], 24)[1] == [tmp_path / "05.tif"]  # and is told when it is read


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


def test_what_alpha_hides_is_no_colour(tmp_path: Path) -> None:
    """As for the network, which sees nothing there."""
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 4), np.uint8)
    pixels[:, :8, 3], pixels[:, 8:, 3] = 0, 255
    Image.fromarray(pixels).save(tmp_path / "half.png")
    (stack,) = grey_stacks(tmp_path / "half.png")
    ((_, plane),) = read_planes(tmp_path / "half.png")
    assert not stack[0, :, :8].any() and not plane[:, :8].any()
    np.testing.assert_array_equal(plane[:, 8:], pixels[:, 8:, :3])
    luma = pixels[:, 8:, :3] @ np.array([0.299, 0.587, 0.114])
    assert np.abs(stack[0, :, 8:] - luma).max() <= 1
    tifffile.imwrite(
        tmp_path / "odd.tif", pixels.astype(np.float32), photometric="rgb", extrasamples=["unassalpha"]
    )
    for read in (grey_stacks, read_planes):
        with pytest.raises(VaesrError, match=r"odd\.tif: The alpha of colours"):
            list(read(tmp_path / "odd.tif"))


@pytest.mark.parametrize("dtype", [np.uint32, np.int32, np.float64])
def test_small_differences_of_large_values_stay(dtype: type) -> None:
    plane = (2**30 + np.arange(64).reshape(8, 8)).astype(dtype)
    np.testing.assert_allclose(to_unit(plane), np.arange(64).reshape(8, 8) / 63, rtol=1e-6)
