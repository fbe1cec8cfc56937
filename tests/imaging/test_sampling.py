"""What is looked at where all of an image would be too much."""

from __future__ import annotations

import pytest

from napari_vaesr.imaging.sampling import evenly_spaced, middle_of, middle_part


@pytest.mark.parametrize(
    ("count", "most", "chosen"), [(9, 3, [0, 4, 8]), (2, 5, [0, 1]), (1, 4, [0]), (5, 5, [0, 1, 2, 3, 4])]
)
def test_first_and_last_are_among_what_is_chosen(count, most, chosen):
    assert evenly_spaced(count, most) == chosen


def test_the_middle_is_as_far_from_both_ends():
    assert middle_part(10, 4) == slice(3, 7) and middle_part(3, 8) == slice(0, 3)
    assert middle_of(range(100, 110), 4) == range(103, 107)
    assert middle_of(range(5, 8), 9) == range(5, 8)
