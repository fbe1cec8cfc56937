from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

from napari_vaesr.plugin.viewer.stand_in import StandIn, Unknown

PIXELS = np.arange(4 * 5 * 6).reshape(4, 5, 6)


@pytest.mark.parametrize("index", [0, 2, np.s_[:], np.s_[2:6:3], np.s_[1, :, 2:9], np.s_[1, 2, 3]])
@pytest.mark.parametrize("source", [PIXELS, da.from_array(PIXELS, chunks=2)], ids=["numpy", "dask"])
def test_any_part_is_that_part_of_the_repeated_source(source, index):
    stand_in = StandIn(source, (1, 2, 3), (1, 0, 2))
    whole = PIXELS[1:, :, 2:].repeat(2, 1).repeat(3, 2)
    part = stand_in.read(index, whole.shape, np.dtype("float32"))
    np.testing.assert_array_equal(part, whole[index])
    assert part.dtype == np.float32


def test_between_planes_the_nearest_one_stands_in():
    part = StandIn(PIXELS, (2.25, 1, 1), (0, 0, 0)).read(np.s_[:], (9, 5, 6), np.dtype("float32"))
    np.testing.assert_array_equal(part, PIXELS[[0, 0, 1, 1, 2, 2, 2, 3, 3]])


def test_what_is_not_known_is_not_a_number_where_there_is_such():
    assert np.isnan(Unknown().read(1, (3, 4, 5), np.dtype("float32"))).all()
    assert Unknown().read(np.s_[1, :, 2:3], (3, 4, 5), np.dtype("uint8")).shape == (4, 1)
