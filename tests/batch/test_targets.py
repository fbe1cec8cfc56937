from __future__ import annotations

from pathlib import Path

import pytest

from napari_vaesr.batch.targets import Target, plan_targets
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.region import Factors


@pytest.fixture(autouse=True)
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for name in ("a.ome.tif", "b.png"):
        Path("in", name).write_bytes(b"pixels")


@pytest.mark.parametrize(
    "output, expected",
    [
        ("big.ome.tif", "big.ome.tif"),
        ("new/big.TIFF", "new/big.TIFF"),
        ("big.png", "big.png"),
        ("out/", "out/a_x3.ome.tif"),
        ("in", "in/a_x3.ome.tif"),
        (Path("/new folder/big.ome.tif").absolute().as_uri(), Path("/new folder/big.ome.tif").absolute()),
    ],
)
def test_one_file(output, expected):
    assert plan_targets(["in/a.ome.tif"], output, Factors.of(3)) == [
        Target(Path("in/a.ome.tif"), Path(expected))
    ]


def test_results_are_written_on_this_machine():
    with pytest.raises(VaesrError, match="on this machine"):
        plan_targets(["in/a.ome.tif"], "s3://bucket/big.zarr", Factors.of(2))


@pytest.mark.parametrize("inputs", [["in"], ["in/*"], ["in/b.png", "in/a.ome.tif"]])
def test_several_files(inputs):
    targets = plan_targets(inputs, "out", Factors.of(2))
    assert [target.output for target in targets] == [Path("out/a_x2.ome.tif"), Path("out/b_x2.ome.tif")]


def test_a_folder_with_one_image_goes_to_a_folder():
    Path("in/b.png").unlink()
    assert plan_targets(["in"], "out", Factors.of(2))[0].output == Path("out/a_x2.ome.tif")


@pytest.mark.parametrize("output", ["big", "big.jpg", ".tif"])
def test_one_file_needs_a_known_ending(output):
    with pytest.raises(VaesrError, match="should end with"):
        plan_targets(["in/b.png"], output, Factors.of(2))


def test_files_beside_the_output():
    target = Target(Path("in/b.png"), Path("out/b_x2.ome.tif"))
    assert target.record == Path("out/b_x2.json")
    assert target.figure == Path("out/b_x2.figure.png")
    assert target.files(spread=True, figure=False) == [target.output, target.record]
