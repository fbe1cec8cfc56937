from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from napari_vaesr.files.made import is_mask, is_result
from napari_vaesr.pairs.images import find_images, grey_planes

PIXELS = np.zeros((8, 9), np.uint8)


def test_masks_and_labels_are_told_from_images(tmp_path):
    images = ["cells.tif", "blood_label.tif", "a/mask_1.tif"]
    masks = ["cells_mask.tif", "cells-labels.tif", "cells_cp_masks.tif", "masks/cells.tif", "a/Labels/b.tif"]
    for name in images + masks:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        tifffile.imwrite(path, PIXELS)
    tifffile.imwrite(tmp_path / "truth.tif", PIXELS > 0)
    Image.fromarray(PIXELS > 0).save(tmp_path / "truth.png")
    masks += ["truth.tif", "truth.png"]
    assert [is_mask(tmp_path / name, tmp_path) for name in images + masks] == [False] * 3 + [True] * 7
    passed = []
    assert find_images([tmp_path], passed) == sorted(tmp_path / name for name in images)
    assert sorted(passed) == sorted(tmp_path / name for name in masks)
    assert len(find_images([tmp_path / "masks"])) == 1  # whoever names the folder means it


def test_trainings_learn_from_the_pixels_of_each_file():
    cases = Path(__file__).parents[1] / "cases"
    for number in range(2):
        path = cases / f"p_Pos{number}.ome.tif"
        with tifffile.TiffFile(path) as tiff:
            np.testing.assert_array_equal(grey_planes(path)[0], tiff.pages[0].asarray())


def test_a_damaged_file_is_no_result(tmp_path):
    for name in ("a.tif", "b.png", "c.npy"):
        (tmp_path / name).write_bytes(b"")
        assert not is_result(tmp_path / name) and not is_mask(tmp_path / name, tmp_path)
