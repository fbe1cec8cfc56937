from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.image import read_image
from napari_vaesr.files.npy import NpyArray

KEYS = st.one_of(
    st.integers(0, 2),
    st.slices(3).filter(lambda part: part.step is None or part.step > 0),
    st.just(slice(None)),
)


@settings(max_examples=60)
@given(st.lists(KEYS, max_size=4), st.sampled_from("CF"), st.sampled_from([">u2", "<f4", "u1", "<f8"]))
def test_any_part_is_that_of_the_array(tmp_path_factory, keys, order, dtype):
    pixels = np.asarray(np.random.default_rng(0).integers(0, 255, (3, 4, 5, 6)), dtype, order=order)
    path = tmp_path_factory.mktemp("npy") / "a.npy"
    np.save(path, pixels)
    array = NpyArray.open(path)
    np.testing.assert_array_equal(array[tuple(keys)], pixels[tuple(keys)])
    assert array.dtype == pixels.dtype


def test_a_file_cut_off_meanwhile_is_told_in_one_sentence(tmp_path):
    path = tmp_path / "stack.npy"
    pixels = np.random.default_rng(0).integers(0, 255, (9, 400, 300), dtype=np.uint16)
    np.save(path, pixels)
    image = read_image(path, "ZYX")
    np.testing.assert_array_equal(np.asarray(image.data[8]), pixels[8])
    with path.open("r+b") as file:
        file.truncate(5000)
    with pytest.raises(VaesrError, match="cut off"):
        np.asarray(image.data[8])
    with pytest.raises(VaesrError, match="damaged"):
        read_image(path, "ZYX")


def test_an_archive_is_no_array(tmp_path):
    with (tmp_path / "a.npy").open("wb") as file:
        np.savez(file, np.zeros((3, 3)))
    with pytest.raises(VaesrError, match=r"numpy\.save"):
        read_image(tmp_path / "a.npy")


GREY = np.arange(20 * 30).reshape(20, 30)


def test_npy(tmp_path):
    stack = np.arange(60.0).reshape(3, 4, 5)
    np.save(tmp_path / "stack.npy", stack)
    with pytest.raises(VaesrError, match=r"\(3, 4, 5\)"):
        read_image(tmp_path / "stack.npy")
    image = read_image(tmp_path / "stack.npy", "TYX")
    assert image.data.chunks[0] == (1, 1, 1) and image.axes == "TYX"
    np.testing.assert_array_equal(image.data, stack)
    np.save(tmp_path / "plane.npy", stack[0])
    assert read_image(tmp_path / "plane.npy").axes == "YX"


def test_npy_never_unpickles(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    np.save(tmp_path / "trap.npy", np.array([[Trap()]], dtype=object))
    with pytest.raises(VaesrError, match="no plain array"):
        read_image(tmp_path / "trap.npy")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00v", b"garbage"])
def test_damaged_npy(tmp_path, content):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(VaesrError, match="damaged"):
        read_image(tmp_path / "a.npy")


def test_an_archive_called_npy(tmp_path):
    with (tmp_path / "a.npy").open("wb") as file:
        np.savez(file, first=GREY)
    with pytest.raises(VaesrError, match="several arrays"):
        read_image(tmp_path / "a.npy")
