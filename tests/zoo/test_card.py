"""The card survives its file unchanged, and every bad card gets one sentence."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from napari_vaesr.errors import VaesrError
from napari_vaesr.vae.config import PRESETS
from napari_vaesr.zoo.calibration import Calibration
from napari_vaesr.zoo.card import ModelCard, read_card


@given(
    title=st.text(),
    metrics=st.dictionaries(st.text(), st.floats(allow_nan=False, allow_infinity=False)),
    training=st.dictionaries(st.text(), st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text())),
    slope=st.floats(0, 1e6),
    offset=st.floats(-1, 1),
)
def test_a_card_survives_its_file(title, metrics, training, slope, offset, make_card):
    calibration = {"3": Calibration(slope=slope, offset=offset)}
    card = make_card(title=title, metrics=metrics, training=training, calibration=calibration)
    assert ModelCard.model_validate_json(card.to_json()) == card


def test_scales_are_those_of_the_network(make_card):
    assert make_card().scales == make_card().network.scales == (2, 3, 4)


def test_factors_along_an_axis_are_made_in_one_pass_or_two(make_card):
    deep = PRESETS["tiny"].model_copy(update={"scales": (2, 3), "row_factors": (2,)})
    card = make_card(network=deep)
    assert card.factors_along("Y") == card.factors_along("X") == [2, 3, 4, 6, 9]
    assert card.factors_along("Z") == [2, 4] and make_card().factors_along("Z") == []


def test_a_card_can_not_be_changed(make_card):
    with pytest.raises(ValidationError):
        make_card().name = "other"


@pytest.mark.parametrize("name", ["", "a b", "../escape", "a/b", ".hidden"])
def test_names_are_safe_as_file_names(name, make_card):
    with pytest.raises(ValidationError):
        make_card(name)


def test_every_field_is_described():
    assert all(field.description for field in ModelCard.model_fields.values())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"network": {"architecture": "transformer"}}, "architecture 'transformer'"),
        ({"schema_version": 99}, "upgrade napari-vaesr"),
        ({"schema_version": [1]}, "upgrade napari-vaesr"),
        ({"colour": "red"}, "'colour'"),
        ({"sha256": "abc"}, "'sha256'"),
        ({"calibration": {"two": {"slope": 1}}}, "'two' is not a scale"),
        ({"calibration": {"2": {"slope": -1}}}, "'calibration.2.0.slope'"),
        ({"calibration": {"2": []}}, "order of their noise"),
        ({"calibration": {"2": [{"noise": 0.1}, {"noise": 0.1}]}}, "order of their noise"),
        ({"calibration": {"2": {"interval": 0}}}, "'calibration.2.0.interval'"),
        ({"domains": {"any": {}}}, "stands for all"),
        ({"domains": {"em": {"x": []}}}, "'x' is not a scale"),
        ({"name": 3}, "'name'"),
    ],
)
def test_a_bad_card_gets_one_sentence(tmp_path: Path, change: dict, words: str, make_card):
    content = json.loads(make_card().to_json()) | change
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(VaesrError) as caught:
        read_card(path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b"\xff\xfe\x00", b"null", b"[" * 100_000])
def test_what_is_no_card_gets_one_sentence(tmp_path: Path, content: bytes):
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(VaesrError, match="get the file again"):
        read_card(path)


def test_a_missing_card_is_named(tmp_path: Path):
    with pytest.raises(VaesrError, match=r"no model card .*lost\.json"):
        read_card(tmp_path / "lost.json")
    with pytest.raises(VaesrError, match="can't be read"):
        read_card(tmp_path)


def test_cards_are_read_without_torch(saved: Path):
    code = (
        "import sys; from napari_vaesr.zoo.registry import models, get_card;"
        f"models(); get_card({str(saved)!r}); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
