"""How far a model is off, on images made small."""

from __future__ import annotations

from pathlib import Path

from napari_vaesr.training.spreads import originals


def test_crops_share_an_original_unless_numbers_are_all_that_tells_files_apart() -> None:
    crops = [Path("cells") / name for name in ("a_0.png", "a_1.ome.tif", "b_0.png")]
    assert [*originals(crops).values()] == ["a", "a", "b"]
    numbered = [Path("cells") / f"image_{number:03}.png" for number in range(3)]
    assert len(set(originals([*crops, *numbered]).values())) == 3
    assert len(set(originals(numbered).values())) == 3
