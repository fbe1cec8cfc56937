from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.tiling import Tile, plan_tiles, read_padded, reflect_indices

extents = st.builds(
    lambda start, length: range(start, start + length), st.integers(0, 60), st.integers(1, 90)
)


@given(
    extents,
    extents,
    st.integers(1, 64),
    st.integers(0, 20),
    st.sampled_from([1, 2, 4, 8]),
    st.integers(0, 30),
)
def test_plans_cover_exactly_once_aligned_with_halo(rows, columns, tile, halo, alignment, beyond):
    shape = rows.stop + beyond, columns.stop + beyond
    tiles = plan_tiles(rows, columns, tile, halo, alignment, shape)
    count = np.zeros((rows.stop, columns.stop), int)
    for piece in tiles:
        count[piece.rows.start : piece.rows.stop, piece.columns.start : piece.columns.stop] += 1
        for core, padded, whole, size in (
            (piece.rows, piece.padded_rows, rows, shape[0]),
            (piece.columns, piece.padded_columns, columns, shape[1]),
        ):
            assert len(core) > 0
            assert core.start == whole.start or core.start % alignment == 0
            assert core.stop == whole.stop or core.stop % alignment == 0
            assert padded.start % alignment == 0 and padded.stop % alignment == 0
            # A halo, or all that there is of the image, up to the alignment.
            assert core.start - padded.start >= halo or padded.start == 0
            assert padded.stop - core.stop >= halo or padded.stop >= size
            assert padded.start >= 0 and padded.stop < size + alignment
            assert len(core) <= -(-tile // alignment) * alignment
    expected = np.zeros_like(count)
    expected[rows.start :, columns.start :] = 1
    np.testing.assert_array_equal(count, expected)


@given(st.integers(1, 300), st.integers(1, 64))
def test_equal_tiles_waste_less_than_a_cell_each(length, tile):
    tiles = plan_tiles(range(length), range(1), tile, 4, 4)
    padded = sum(len(piece.padded_rows) - 8 for piece in tiles)
    assert padded - length < 4 * (len(tiles) + 1)


@given(st.integers(1, 9), st.integers(-40, 40), st.integers(0, 60))
def test_reflect_indices_is_numpy_pad(size, start, length):
    before, after = max(0, -start), max(0, start + length - size)
    reference = np.pad(np.arange(size), (before, after), mode="reflect")
    indices = range(start, start + length)
    np.testing.assert_array_equal(
        reflect_indices(indices, size), reference[before + start : before + start + length]
    )


@given(
    st.integers(1, 20),
    st.integers(1, 20),
    st.integers(1, 16),
    st.integers(0, 24),
    st.sampled_from([1, 4]),
    st.booleans(),
    st.data(),
)
def test_read_padded_is_a_crop_of_the_padded_plane(height, width, tile, halo, alignment, colour, data):
    shape = (height, width, 3) if colour else (height, width)
    image = np.arange(np.prod(shape)).reshape(shape)
    border = 60
    padded = np.pad(image, [(border, border)] * 2 + [(0, 0)] * colour, mode="reflect")
    piece = data.draw(st.sampled_from(plan_tiles(range(height), range(width), tile, halo, alignment)))
    reads = []

    def read(rows, columns):
        assert 0 <= rows.start < rows.stop <= height and 0 <= columns.start < columns.stop <= width
        reads.append((rows, columns))
        return image[rows, columns]

    actual = read_padded(read, piece, height, width)
    expected = padded[
        border + piece.padded_rows.start : border + piece.padded_rows.stop,
        border + piece.padded_columns.start : border + piece.padded_columns.stop,
    ]
    np.testing.assert_array_equal(actual, expected)
    assert len(reads) == 1


def test_read_padded_reads_no_more_than_its_box():
    piece = plan_tiles(range(1000), range(1000), 100, 8, 4)[0]
    boxes = []
    read_padded(
        lambda rows, columns: boxes.append((rows, columns)) or np.zeros((1000, 1000)), piece, 1000, 1000
    )
    assert boxes == [(slice(0, 108), slice(0, 108))]


@given(extents, extents, st.integers(1, 40), st.integers(0, 9), st.integers(1, 4))
def test_cores_of_upscaled_tiles_make_the_upscaled_plane(rows, columns, tile, halo, scale):
    image = np.random.default_rng(0).random((rows.stop, columns.stop))
    large = np.kron(image, np.ones((scale, scale)))
    result = np.full_like(large, np.nan)
    for piece in plan_tiles(rows, columns, tile, halo, 4):
        patch = read_padded(lambda r, c: image[r, c], piece, *image.shape)
        core = np.kron(patch, np.ones((scale, scale)))[piece.core_slices((scale, scale))]
        result[
            piece.rows.start * scale : piece.rows.stop * scale,
            piece.columns.start * scale : piece.columns.stop * scale,
        ] = core
    region = np.s_[rows.start * scale :, columns.start * scale :]
    np.testing.assert_array_equal(result[region], large[region])


@given(st.integers(8, 90), st.integers(8, 90), st.integers(1, 40))
def test_a_local_filter_sees_no_tiles(height, width, tile):
    """The contract in small: a filter of radius 3 gives the same result tiled and whole."""
    image = np.random.default_rng(0).random((height, width))

    def blur(patch):
        for axis in (0, 1):
            pad = [(3, 3) if each == axis else (0, 0) for each in (0, 1)]
            shifted = np.lib.stride_tricks.sliding_window_view(np.pad(patch, pad), 7, axis)
            patch = shifted.sum(axis=-1)  # with zeros around it, as a convolution has
        return patch

    def run(size):
        result = np.empty_like(image)
        for piece in plan_tiles(range(height), range(width), size, 3, 4, (height, width)):
            patch = blur(read_padded(lambda r, c: image[r, c], piece, height, width))
            result[piece.rows.start : piece.rows.stop, piece.columns.start : piece.columns.stop] = patch[
                piece.core_slices()
            ]
        return result

    assume(tile < max(height, width))
    np.testing.assert_array_equal(run(tile), run(1000))


def test_nonsense_is_refused():
    with pytest.raises(VaesrError, match="tile size is 0"):
        plan_tiles(range(9), range(9), 0, 1, 1)
    with pytest.raises(VaesrError, match="no pixels"):
        plan_tiles(range(9), range(5, 5), 4, 1, 1)
    with pytest.raises(VaesrError, match="no pixels"):
        plan_tiles(range(0, 9, 2), range(9), 4, 1, 1)
    with pytest.raises(VaesrError, match="halo"):
        plan_tiles(range(9), range(9), 4, -1, 1)


def test_tiles_are_plain_values():
    assert Tile(range(4), range(4), range(-4, 8), range(-4, 8)) == plan_tiles(range(4), range(4), 4, 1, 4)[0]
