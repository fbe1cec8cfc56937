from __future__ import annotations

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader
from ome_zarr_models.v05 import Image

from napari_vaesr.files.image import read_image
from napari_vaesr.files.output import OutputImage
from napari_vaesr.files.zarr_output import ZarrOutput
from napari_vaesr.imaging.axes import Axes
from napari_vaesr.imaging.region import Region


def described(names, shape, together=2, **about):
    axes = Axes.parse(names, shape)
    channels = dict(zip(names, shape, strict=True)).get("C", 1)
    labels = tuple(f"{c} {kind}" for c in range(channels) for kind in ("mean", "std")[:together])
    return OutputImage(axes, labels, **about)


def fill(output, planes):
    """Write blocks in a random order."""
    height, width = output.block
    axes = output.image.axes
    blocks = [
        (n, range(y, min(y + height, axes.height)), range(x, min(x + width, axes.width)))
        for n in range(axes.plane_count)
        for y in range(0, axes.height, height)
        for x in range(0, axes.width, width)
    ]
    for index in np.random.default_rng(1).permutation(len(blocks)):
        n, rows, columns = blocks[index]
        part = planes[n][:, rows.start : rows.stop, columns.start : columns.stop]
        output.write(axes.region(n, rows, columns), part)


@settings(max_examples=15)
@given(
    st.sets(st.sampled_from("TCZ")).flatmap(lambda extra: st.permutations(sorted(extra | {"Y", "X"}))),
    st.integers(1, 2),
)
def test_every_pixel_of_any_axes_comes_back(tmp_path_factory, names, together):
    names = "".join(names)
    image = described(names, [{"T": 2, "C": 3, "Z": 2, "Y": 9, "X": 13}[name] for name in names], together)
    path = tmp_path_factory.mktemp("any") / "result.zarr"
    output = ZarrOutput.create(path, image, (8, 8))
    rng = np.random.default_rng(0)
    planes = [rng.random((together, 9, 13), np.float32) for _ in range(image.axes.plane_count)]
    fill(output, planes)
    again = ZarrOutput(path, image, (8, 8))
    for number, plane in enumerate(planes):
        np.testing.assert_array_equal(again.read(number), plane)
    read = read_image(path)
    assert read.axes == "".join(name for name in "TCZYX" if name in names or name == "C")
    for number, plane in enumerate(planes):
        at = image.axes.plane_coordinates(number)
        for extra in range(together):
            channel = at.get("C", 0) * together + extra
            where = tuple((at | {"C": channel}).get(name, slice(None)) for name in read.axes)
            np.testing.assert_array_equal(np.asarray(read.data[where]), plane[extra])


@pytest.fixture
def large(tmp_path):
    """A large plane in four blocks, with micrometers, and its pixels."""
    image = described(
        "ZYX",
        (2, 1500, 1100),
        pixel_size={"Z": 0.5, "Y": 0.1, "X": 0.2},
        units={"Z": "micrometer", "Y": "um", "X": "nm"},
        offset={"Y": -0.05, "X": 7.0},
        windows=((0.0, 1.0), (0.0, 0.1)),
        name="cells",
    )
    output = ZarrOutput.create(tmp_path / "large.zarr", image, (1024, 1024))
    planes = [np.random.default_rng(n).random((2, 1500, 1100), np.float32) for n in range(2)]
    planes[0][:, :1024, :1024] = 0  # an empty block is written all the same
    fill(output, planes)
    output.finish({"scale": 2})
    return output, planes


def test_levels_average_and_lie_where_they_should(large):
    output, planes = large
    group = zarr.open_group(output.path, mode="r")
    assert group.attrs["napari_vaesr"] == {"scale": 2}
    assert [group[str(level)].shape for level in range(output.levels)] == [
        (2, 2, 1500, 1100),
        (2, 2, 750, 550),
        (2, 2, 375, 275),
        (2, 2, 188, 138),
    ]
    expected = planes[1]
    for level in range(1, output.levels):
        _, height, width = expected.shape
        expected = np.pad(expected, ((0, 0), (0, height % 2), (0, width % 2)), mode="edge")
        expected = expected.reshape(2, -(-height // 2), 2, -(-width // 2), 2).mean(axis=(2, 4))
        np.testing.assert_allclose(group[str(level)][:, 1], expected, rtol=1e-5)

    (multiscale,) = group.attrs["ome"]["multiscales"]
    for level, dataset in enumerate(multiscale["datasets"]):
        (_, _, _, x_scale), (_, _, _, x_start) = (
            next(t[kind] for t in dataset["coordinateTransformations"] if t["type"] == kind)
            for kind in ("scale", "translation")
        )
        # All levels begin at the same place.
        assert x_start - x_scale / 2 == pytest.approx(7.0 - 0.1)
        assert x_scale == pytest.approx(0.2 * 2**level)


def test_a_block_is_one_file_of_small_chunks(large):
    output, _ = large
    array = zarr.open_array(output.path / "0", mode="r")
    assert array.shards == (2, 1, 1024, 1024) and array.chunks == (1, 1, 512, 512)
    assert len([path for path in (output.path / "0" / "c").rglob("*") if path.is_file()]) == 8
    assert array.metadata.dimension_names == ("c", "z", "y", "x")


def test_other_programs_read_it(large):
    output, planes = large
    Image.from_zarr(zarr.open_group(output.path, mode="r"))  # the specification, to the letter
    (node,) = Reader(parse_url(output.path))()
    assert [axis["name"] for axis in node.metadata["axes"]] == list("czyx")
    assert [axis.get("unit") for axis in node.metadata["axes"]] == [
        None,
        "micrometer",
        "micrometer",
        "nanometer",
    ]
    assert node.metadata["channel_names"] == ["0 mean", "0 std"]
    assert node.metadata["contrast_limits"] == [[0.0, 1.0], [0.0, 0.1]]
    (scale, translation) = node.metadata["coordinateTransformations"][0]
    assert scale["scale"] == [1.0, 0.5, 0.1, 0.2] and translation["translation"] == [0, 0, -0.05, 7.0]
    np.testing.assert_array_equal(np.asarray(node.data[0][:, 1]), planes[1])

    image = read_image(output.path)
    assert image.pixel_size == {"Z": 0.5, "Y": 0.1, "X": 0.2}
    assert image.offset == {"Y": -0.05, "X": 7.0}
    assert image.channel_names == ("0 mean", "0 std")


def test_what_a_killed_process_left_is_removed(tmp_path):
    output = ZarrOutput.create(tmp_path / "a.zarr", described("YX", (8, 8)), (8, 8))
    output.write(Region(Y=range(8), X=range(8)), np.zeros((2, 8, 8)))
    leftover = tmp_path / "a.zarr/0/c/0/0/0.123.partial"
    leftover.write_text("half a block")
    output.finish({})
    assert not leftover.exists()


@pytest.mark.parametrize("side", [1, 3, 40])
def test_blocks_of_any_size(tmp_path, side):
    image = described("YX", (side, side))
    block = 1 << (side - 1).bit_length()
    output = ZarrOutput.create(tmp_path / "a.zarr", image, (block * 3, block * 3))
    output.write(Region(Y=range(side), X=range(side)), np.ones((2, side, side)))
    assert (output.read(0) == 1).all()
