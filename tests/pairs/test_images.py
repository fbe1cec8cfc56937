"""Images are found where they are, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile

from napari_vaesr.pairs.images import find_images
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
