"""Settings of how images are made worse."""

from __future__ import annotations

import pytest

from napari_vaesr.pairs.settings import Degradation


def test_degradation_ranges_are_checked() -> None:
    with pytest.raises(ValueError, match="clean"):
        Degradation(clean=2.0)
