from __future__ import annotations

import builtins
import pickle
from datetime import timedelta
from types import SimpleNamespace

import dask.array as da
import numpy as np
import pytest

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.image import can_read, read_image, series_names

PIXELS = np.random.default_rng(0).integers(0, 60_000, (2, 3, 32, 40)).astype(np.uint16)

# The libraries below bioio leave files to the collector and use what others call old.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture
def czi(tmp_path):
    library = pytest.importorskip("pylibCZIrw.czi")
    pytest.importorskip("bioio_czi")
    path = tmp_path / "cells.czi"
    with library.create_czi(str(path)) as file:
        for channel in range(2):
            for z in range(3):
                pixels = PIXELS[channel, z][..., np.newaxis]
                file.write(pixels, plane={"C": channel, "Z": z, "T": 0}, scene=0)
        names = {0: "DAPI", 1: "GFP"}
        file.write_metadata("cells", channel_names=names, scale_x=1e-7, scale_y=1e-7, scale_z=5e-7)
    return path


def test_czi(czi):
    assert can_read(czi)
    image = read_image(czi)
    assert image.axes == "CZYX" and image.channel_names == ("DAPI", "GFP")
    assert image.pixel_size == pytest.approx({"Z": 0.5, "Y": 0.1, "X": 0.1})
    assert set(image.units.values()) == {"micrometer"}
    np.testing.assert_array_equal(image.data, PIXELS)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(image.data))[1, 2, 5:9], PIXELS[1, 2, 5:9])


@pytest.mark.parametrize("sizes", [((32, 40), (32, 40)), ((32, 40), (20, 60))])
def test_a_czi_whose_scenes_have_no_names(tmp_path, sizes):
    library = pytest.importorskip("pylibCZIrw.czi")
    pytest.importorskip("bioio_czi")
    path = tmp_path / "cells.czi"
    rng = np.random.default_rng(0)
    scenes = [rng.integers(0, 60_000, (2, *size)).astype(np.uint16) for size in sizes]
    with library.create_czi(str(path)) as file:
        for number, pixels in enumerate(scenes):
            for z in range(2):
                place = {"scene": number, "location": (number * 100, 0)}
                file.write(pixels[z][..., np.newaxis], plane={"C": 0, "Z": z, "T": 0}, **place)
        file.write_metadata("cells", channel_names={0: "DAPI"}, scale_x=1e-7, scale_y=1e-7, scale_z=5e-7)
    assert series_names(path) == ["scene 0", "scene 1"]
    assert "holds 2 images" in read_image(path).notes[0]
    for number, pixels in enumerate(scenes):
        image = read_image(path, series=f"scene {number}")
        assert image.axes == "ZYX" and image.name == f"cells scene {number}"
        assert image.pixel_size == pytest.approx({"Z": 0.5, "Y": 0.1, "X": 0.1})
        np.testing.assert_array_equal(image.data, pixels)


def test_scenes(tmp_path, monkeypatch):
    """As bioio has them, for libraries that write such files are rare."""

    class Scenes:
        scenes = ("first", "second")
        dims = SimpleNamespace(order="TCZYX")
        dtype, channel_names, time_interval = PIXELS.dtype, ["a", "b"], timedelta(seconds=3)
        physical_pixel_sizes = SimpleNamespace(Z=None, Y=0.2, X=0.2)
        number = 0

        def set_scene(self, number):
            self.number = number

        @property
        def shape(self):
            return self.dask_data.shape

        @property
        def dask_data(self):
            return da.from_array(PIXELS[np.newaxis, :, : self.number + 1])

    monkeypatch.setattr("napari_vaesr.files.vendor._opened", lambda path: Scenes())
    path = tmp_path / "cells.lif"
    path.touch()
    assert series_names(path) == ["first", "second"]
    first, second = read_image(path), read_image(path, series="second")
    assert first.axes == "CYX" and "holds 2 images" in first.notes[0] and first.series == "first"
    assert (
        second.axes == "CZYX" and second.name == "cells second" and second.pixel_size == {"Y": 0.2, "X": 0.2}
    )
    np.testing.assert_array_equal(second.data, PIXELS[:, :2])
    monkeypatch.setattr(Scenes, "channel_names", ["Channel:0:0", "Channel:0:1"])
    assert read_image(path).channel_names == () and len(read_image(path).notes) == 1  # bioio's own names


def test_dv(tmp_path):
    mrc = pytest.importorskip("mrc")
    pytest.importorskip("bioio_dv")
    mrc.imsave(str(tmp_path / "cells.dv"), PIXELS[0, 0].astype(np.int16))
    image = read_image(tmp_path / "cells.dv")
    assert image.axes == "YX"
    np.testing.assert_array_equal(image.data, PIXELS[0, 0].astype(np.int16))


@pytest.mark.parametrize("ending", ["czi", "nd2", "lif", "dv"])
def test_what_is_damaged_is_one_sentence(tmp_path, ending):
    pytest.importorskip("bioio")
    path = tmp_path / f"no.{ending}"
    path.write_bytes(b"nothing of that kind" * 9)
    with pytest.raises(VaesrError, match=rf"no\.{ending}") as caught:
        read_image(path)
    assert "\n" not in str(caught.value)


def test_the_extra_is_named_where_it_is_missing(tmp_path, monkeypatch):
    own = builtins.__import__

    def without(name, *args, **kwargs):
        if name.split(".")[0] == "bioio":
            raise ImportError(name)
        return own(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    (tmp_path / "a.nd2").touch()
    with pytest.raises(VaesrError, match=r"napari-vaesr\[formats\]"):
        read_image(tmp_path / "a.nd2")
