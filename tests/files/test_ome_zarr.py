from __future__ import annotations

import warnings

import numpy as np
import pytest
import zarr

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.image import can_read, read_image


@pytest.fixture
def stack():
    return np.random.default_rng(0).integers(0, 60_000, (2, 3, 40, 50)).astype(np.uint16)


AXES = [
    {"name": "c", "type": "channel"},
    {"name": "z", "type": "space", "unit": "micrometer"},
    {"name": "y", "type": "space", "unit": "micrometer"},
    {"name": "x", "type": "space", "unit": "micrometer"},
]


WINDOW = {"min": 0, "max": 65535, "start": 0, "end": 60000}
CHANNELS = [{"label": label, "color": "FFFFFF", "window": WINDOW} for label in ("DNA", "actin")]
SCALES = [[1, 2.0, 0.5 * 2**level, 0.25 * 2**level] for level in range(2)]


def write_by_hand(path, stack, version):
    """Write two levels, word by word as https://ngff.openmicroscopy.org has it."""
    group = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
    datasets = []
    for level, scale in enumerate(SCALES):
        group.create_array(str(level), data=stack[..., :: 2**level, :: 2**level])
        datasets.append(
            {"path": str(level), "coordinateTransformations": [{"type": "scale", "scale": scale}]}
        )
    if version == "0.4":
        group.attrs["multiscales"] = [{"version": "0.4", "axes": AXES, "datasets": datasets}]
        group.attrs["omero"] = {"channels": CHANNELS}
    else:
        multiscales = [{"axes": AXES, "datasets": datasets}]
        group.attrs["ome"] = {"version": "0.5", "multiscales": multiscales, "omero": {"channels": CHANNELS}}


def write_by_library(path, stack, version):
    """Write what the reference implementation does."""
    pytest.importorskip("ome_zarr", exc_type=ImportError)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it deprecates parts of itself now and then
        from ome_zarr.format import format_from_version
        from ome_zarr.writer import write_image

        fmt = format_from_version(version)
        write_image(
            stack,
            zarr.open_group(path, mode="w", zarr_format=fmt.zarr_format),
            axes=AXES,
            fmt=fmt,
            scale_factors=[2],
            scale=dict(zip("czyx", SCALES[0], strict=True)),
            axes_units=dict.fromkeys("zyx", "micrometer"),
            omero={"channels": CHANNELS},
        )


@pytest.mark.parametrize("write", [write_by_hand, write_by_library])
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr(tmp_path, stack, version, write):
    path = tmp_path / "cells.ome.zarr"
    write(path, stack, version)
    assert can_read(path)
    image = read_image(path)
    assert (image.name, image.axes) == ("cells", "CZYX")
    assert image.pixel_size == {"Z": 2, "Y": 0.5, "X": 0.25}
    assert image.units == dict.fromkeys("ZYX", "micrometer")
    assert image.channel_names == ("DNA", "actin")
    assert image.data.shape == stack.shape and image.data.chunksize == (1, 1, 40, 50)
    np.testing.assert_array_equal(image.data, stack)


def test_a_common_scale_and_older_axes(tmp_path, stack):
    path = tmp_path / "old.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=2)
    group.create_array("0", data=stack)
    scale = [{"type": "scale", "scale": [1, 1, 3, 3]}]
    group.attrs["multiscales"] = [
        {"axes": list("tzyx"), "datasets": [{"path": "0", "coordinateTransformations": scale}],
         "coordinateTransformations": [{"type": "scale", "scale": [5, 1, 1, 2]}]}
    ]  # fmt: skip
    image = read_image(path)
    assert image.axes == "TZYX" and image.pixel_size == {"T": 5, "Z": 1, "Y": 3, "X": 6} and not image.units


def test_a_plain_array_needs_axes(tmp_path, stack):
    path = tmp_path / "plain.zarr"
    zarr.save_array(path, stack)
    with pytest.raises(VaesrError, match="doesn't name its axes"):
        read_image(path)
    image = read_image(path, "TZYX")
    assert image.axes == "TZYX"
    np.testing.assert_array_equal(image.data, stack)


def test_an_array_may_name_its_axes(tmp_path, stack):
    path = tmp_path / "named.zarr"
    zarr.create_array(path, data=stack, dimension_names=("t", "z", "y", "x"))
    assert read_image(path).axes == "TZYX"


def test_a_collection_opens_its_first_image(tmp_path, stack):
    path = tmp_path / "collection.zarr"
    root = zarr.open_group(path, mode="w", zarr_format=2)
    root.attrs["bioformats2raw.layout"] = 3
    write_by_hand(path / "0", stack, "0.4")
    np.testing.assert_array_equal(read_image(path).data, stack)


def test_unknown_axes_are_asked_for(tmp_path, stack):
    path = tmp_path / "odd.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=2)
    group.create_array("0", data=stack)
    axes = [{"name": name} for name in ("angle", "z", "y", "x")]
    group.attrs["multiscales"] = [{"axes": axes, "datasets": [{"path": "0"}]}]
    with pytest.raises(VaesrError, match="doesn't name its axes"):
        read_image(path)
    assert read_image(path, "TZYX").axes == "TZYX"


def test_what_holds_no_image(tmp_path, stack):
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(VaesrError, match="damaged or no Zarr") as caught:
        read_image(tmp_path / "empty.zarr")
    assert "\n" not in str(caught.value)
    assert not can_read(tmp_path / "empty.zarr")

    zarr.open_group(tmp_path / "group.zarr", mode="w")
    with pytest.raises(VaesrError, match="no OME-Zarr image"):
        read_image(tmp_path / "group.zarr")

    zarr.save_array(tmp_path / "damaged.zarr", stack)
    (tmp_path / "damaged.zarr" / "zarr.json").write_text("{")
    with pytest.raises(VaesrError, match="damaged"):
        read_image(tmp_path / "damaged.zarr", "TZYX")


def test_damaged_chunks_are_told_when_they_are_read(tmp_path, stack):
    path = tmp_path / "chunks.zarr"
    zarr.create_array(path, data=stack, chunks=(1, 1, 40, 50))
    (path / "c" / "1" / "2" / "0" / "0").write_bytes(b"nonsense")
    image = read_image(path, "CZYX")
    np.testing.assert_array_equal(image.data[1, 1], stack[1, 1])
    with pytest.raises(VaesrError, match=r"chunks\.zarr cannot be read here"):
        image.data[1, 2].compute()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "x", None])
@pytest.mark.parametrize("kind", ["scale", "translation"])
def test_places_that_are_no_numbers_are_refused(tmp_path, kind, value):
    group = zarr.create_group(tmp_path / "a.zarr")
    group.create_array("0", shape=(4, 4), dtype="u1")
    axes = [{"name": name, "type": "space"} for name in "yx"]
    datasets = [{"path": "0", "coordinateTransformations": [{"type": kind, kind: [1.0, value]}]}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    with pytest.raises(VaesrError, match="no finite number"):
        read_image(tmp_path / "a.zarr")
