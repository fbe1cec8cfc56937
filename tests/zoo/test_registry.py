"""A model is found by name, path or file URL, and loaded once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from napari_vaesr.errors import VaesrError
from napari_vaesr.zoo import folders
from napari_vaesr.zoo.folders import user_models
from napari_vaesr.zoo.registry import get_card, load_model, models
from napari_vaesr.zoo.weights import save_model


def test_bundled_and_own_models_are_listed_and_own_ones_win(network, make_card):
    assert models() == {}
    save_model(folders.BUNDLED_MODELS, network, make_card("microscopy"))
    save_model(folders.BUNDLED_MODELS, network, make_card("photo"))
    save_model(user_models(), network, make_card("mine"))
    save_model(user_models(), network, make_card("photo", title="My own"))
    assert set(models()) == {"microscopy", "photo", "mine"}
    assert models()["photo"].title == "My own"
    assert get_card("photo").title == load_model("photo").card.title == "My own"


@pytest.mark.parametrize("aside", ["tiny-test-before", "tiny-test_before", "before"])
def test_a_copy_put_aside_does_not_take_the_place_of_its_model(network, make_card, aside):
    save_model(user_models() / f"{aside}.safetensors", network, make_card(title="Before"))
    assert models()["tiny-test"].title == "Before"  # as long as there is no other
    save_model(user_models(), network, make_card(title="Now"))
    assert models()["tiny-test"].title == "Now"
    assert get_card("tiny-test").title == "Now"


def test_a_broken_card_of_the_user_is_left_out_with_a_warning(network, make_card):
    save_model(folders.BUNDLED_MODELS, network, make_card("microscopy"))
    user_models().mkdir()
    (user_models() / "broken.json").write_text("{")
    with pytest.warns(UserWarning, match=r"broken\.json"):
        assert set(models()) == {"microscopy"}


def test_an_unknown_name_lists_the_known(network, make_card):
    save_model(folders.BUNDLED_MODELS, network, make_card("microscopy"))
    for find in (load_model, get_card):
        with pytest.raises(VaesrError, match="no model named 'microscope'; choose from microscopy"):
            find("microscope")


def test_no_models_at_all_is_told():
    with pytest.raises(VaesrError, match="choose from none"):
        load_model("microscopy")


@pytest.mark.parametrize("form", [str, Path, Path.as_uri])
@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
def test_a_path_to_either_file_will_do(saved: Path, form, suffix: str):
    reference = form(saved.with_suffix(suffix))
    assert load_model(reference).card == get_card(reference)
    assert get_card(reference).name == "tiny-test"


def test_a_model_is_its_own_reference(saved: Path):
    model = load_model(saved)
    assert load_model(model) is model
    assert get_card(model) is model.card


def test_a_model_is_read_once_until_its_files_change(saved: Path, network, make_card):
    first = load_model(saved)
    assert load_model(str(saved.with_suffix(".json"))) is first
    save_model(saved, network, make_card(title="Newer"))
    os.utime(saved.with_suffix(".json"), ns=(1, 1))
    second = load_model(saved)
    assert second is not first
    assert second.card.title == "Newer"


def test_weights_gone_or_damaged_after_loading_are_noticed(saved: Path):
    load_model(saved)
    saved.write_bytes(saved.read_bytes()[:100])
    with pytest.raises(VaesrError, match="damaged"):
        load_model(saved)
    saved.unlink()
    with pytest.raises(VaesrError, match="no weights"):
        load_model(saved.with_suffix(".json"))


def test_a_missing_card_is_told(saved: Path):
    saved.with_suffix(".json").unlink()
    with pytest.raises(VaesrError, match=r"keep the \.json file beside"):
        load_model(saved)


@pytest.mark.parametrize("reference", ["nowhere/a.json", "nowhere/a.safetensors", "file:///nowhere/a.json"])
def test_a_missing_file_is_told(reference: str):
    with pytest.raises(VaesrError, match="There is no model file"):
        load_model(reference)


@pytest.mark.parametrize("reference", [Path("model.pt"), Path("microscopy"), "file:///models/model.pt"])
def test_other_files_are_refused(reference):
    with pytest.raises(VaesrError, match="is no model"):
        load_model(reference)


def test_the_hash_of_a_file_url_is_checked(saved: Path):
    good = get_card(saved).sha256
    assert load_model(f"{saved.as_uri()}#sha256={good}").card.sha256 == good
    with pytest.raises(VaesrError, match="is not the one in the address"):
        load_model(f"{saved.as_uri()}#sha256={'0' * 64}")
