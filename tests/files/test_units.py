from __future__ import annotations

import pytest

from napari_vaesr.files.units import spell_out, symbol


@pytest.mark.parametrize(
    "text", ["µm", "\N{GREEK SMALL LETTER MU}m", "um", "micron", "Microns", "\\u00B5m", " micrometer "]
)
def test_spellings_of_the_micrometer(text):
    assert spell_out(text) == "micrometer"
    assert symbol(text) == "µm"


def test_case_matters_only_where_it_must():
    assert spell_out("mm") == "millimeter" and spell_out("NM") == "nanometer"
    assert spell_out("s") == spell_out("sec") == "second"
    assert symbol("second") == "s"


@pytest.mark.parametrize("text", ["", "pixel", "px", "furlong"])
def test_pixels_and_unknown_units_have_no_name(text):
    assert spell_out(text) is None and symbol(text) is None
