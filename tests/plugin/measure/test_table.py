"""The table of a measurement."""

from __future__ import annotations

import numpy as np

from napari_vaesr.plugin.measure.table import short
from napari_vaesr.trust.estimate import Estimate


def test_numbers_have_as_many_digits_as_their_error():
    assert short(Estimate(12.3456, 12.3, 0.123, 12, 13, 1.0)) == "12.35 ± 0.12"
    assert short(Estimate(1234.5, 1234.0, 56.0, 1200, 1300, 1.0)) == "1234 ± 56"
    assert short(Estimate(np.nan, np.nan, np.nan, np.nan, np.nan, 0.0)) == "–"
