"""What is saved is what is loaded, and whatever is wrong with the files is told in one sentence."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

import pytest
import safetensors
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from napari_vaesr.errors import VaesrError
from napari_vaesr.vae.base import SuperResolutionVAE
from napari_vaesr.vae.build import build
from napari_vaesr.vae.config import PRESETS, NetworkConfig
from napari_vaesr.zoo.card import read_card
from napari_vaesr.zoo.weights import load_network, save_model, tensor_bytes


def refused(path: Path) -> str:
    with pytest.raises(VaesrError) as caught:
        load_network(read_card(path.with_suffix(".json")), path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def change_card(path: Path, **changes: object) -> None:
    card = path.with_suffix(".json")
    card.write_text(json.dumps(json.loads(card.read_text()) | changes))


def trust(path: Path) -> None:
    """Make the card vouch for the file, so that the checks after the hash are reached."""
    change_card(path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def test_loaded_is_saved(saved: Path, network):
    loaded = load_network(read_card(saved.with_suffix(".json")), saved)
    assert not loaded.training
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], tensor, rtol=0, atol=0)


def test_the_card_is_filled_in(saved: Path, network, make_card):
    card = read_card(saved.with_suffix(".json"))
    assert card.sha256 == hashlib.sha256(saved.read_bytes()).hexdigest()
    assert card.receptive_radius == network.receptive_radius > 0
    assert card.network == network.config
    filled_in = {"sha256": card.sha256, "receptive_radius": card.receptive_radius}
    assert card == make_card().model_copy(update=filled_in)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_weights_stored_small_are_loaded_as_float32(tmp_path: Path, network, precision: str, make_card):
    path = save_model(tmp_path, network, make_card(), precision=precision)
    assert {tensor.dtype for tensor in load_file(path).values()} == {getattr(torch, precision)}
    loaded = load_network(read_card(path.with_suffix(".json")), path)
    for name, tensor in network.state_dict().items():
        assert loaded.state_dict()[name].dtype == torch.float32
        expected = tensor.to(getattr(torch, precision)).float()
        torch.testing.assert_close(loaded.state_dict()[name], expected, rtol=0, atol=0)


def test_a_file_name_may_be_chosen(tmp_path: Path, network, make_card):
    path = save_model(tmp_path / "new" / "mine.safetensors", network, make_card())
    assert path == tmp_path / "new" / "mine.safetensors"
    assert read_card(tmp_path / "new" / "mine.json").name == "tiny-test"


def test_loading_leaves_the_random_numbers_alone(saved: Path):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    load_network(read_card(saved.with_suffix(".json")), saved)
    assert torch.equal(torch.rand(3), expected)


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path, network, make_card):
    broken = type(network)(network.config)
    next(broken.parameters()).data.fill_(float("nan"))
    with pytest.raises(VaesrError, match="not finite"):
        save_model(tmp_path, broken, make_card())
    assert not list(tmp_path.iterdir())


def test_a_failed_save_keeps_the_old_model(saved: Path, network, monkeypatch: pytest.MonkeyPatch, make_card):
    before = {path: path.read_bytes() for path in saved.parent.iterdir()}
    monkeypatch.setattr(
        Path, "write_text", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left"))
    )
    with pytest.raises(VaesrError):
        save_model(saved.parent, network, make_card(title="Newer"))
    assert {path: path.read_bytes() for path in saved.parent.iterdir()} == before


def test_a_folder_that_can_not_be_made_is_told(tmp_path: Path, network, make_card):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(VaesrError, match="choose another folder"):
        save_model(tmp_path / "file" / "folder", network, make_card())


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_truncation_is_refused(saved: Path, data: st.DataObject):
    whole = saved.read_bytes()
    length = data.draw(st.integers(0, len(whole) - 1))
    cut = saved.with_name("cut.safetensors")
    cut.write_bytes(whole[:length])
    with pytest.raises(VaesrError, match="damaged or no safetensors file"):
        load_network(read_card(saved.with_suffix(".json")), cut)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_changed_byte_is_refused(saved: Path, data: st.DataObject):
    content = bytearray(saved.read_bytes())
    where = data.draw(st.integers(0, len(content) - 1) | st.integers(0, 200))
    content[where] ^= data.draw(st.integers(1, 255))
    changed = saved.with_name("changed.safetensors")
    changed.write_bytes(content)
    with pytest.raises(VaesrError):
        load_network(read_card(saved.with_suffix(".json")), changed)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04 a pickle in a zip, as torch.save writes it",
        struct.pack("<Q", 2**62) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 9) + b'{"a":1}  ',
        struct.pack("<Q", 57) + b'{"a":{"dtype":"X9","shape":[1],"data_offsets":[0,4]}}    ' + bytes(4),
    ],
)
def test_what_is_no_safetensors_file_is_refused_even_with_the_right_hash(saved: Path, content: bytes):
    saved.write_bytes(content)
    trust(saved)
    assert "damaged or no safetensors file" in refused(saved)


def test_other_weights_are_refused(saved: Path, network):
    other = {name: tensor.clone() + 1 for name, tensor in network.state_dict().items()}
    save_file(other, saved)
    assert "the SHA-256 differs" in refused(saved)


def test_a_card_without_a_hash_is_refused(saved: Path):
    change_card(saved, sha256="")
    assert "no SHA-256" in refused(saved)


def test_missing_weights_are_named(saved: Path):
    saved.unlink()
    assert f"There are no weights {saved}" in refused(saved)


def test_a_tensor_too_few_or_too_many_is_named(saved: Path):
    tensors = load_file(saved)
    name = sorted(tensors)[0]
    save_file({key: value for key, value in tensors.items() if key != name}, saved)
    trust(saved)
    assert f"they lack {name!r}" in refused(saved)
    save_file(tensors | {"zzz": torch.zeros(1)}, saved)
    trust(saved)
    assert "unexpected tensor 'zzz'" in refused(saved)


def test_a_wrong_shape_or_kind_of_number_is_named(saved: Path):
    tensors = load_file(saved)
    name = sorted(tensors)[0]
    save_file(tensors | {name: torch.zeros(2, 3, 7)}, saved)
    trust(saved)
    assert name in refused(saved)
    assert "(2, 3, 7)" in refused(saved)
    save_file(tensors | {name: tensors[name].to(torch.int32)}, saved)
    trust(saved)
    assert "torch.int32" in refused(saved)


def test_another_architecture_is_refused(saved: Path):
    change_card(saved, network=PRESETS["conv_vae"].model_dump())
    assert "don't fit their card" in refused(saved)


def test_a_card_that_is_wrong_about_the_receptive_radius_is_refused(saved: Path):
    change_card(saved, receptive_radius=1)
    assert "sees 1 pixels" in refused(saved)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"levels": [{"stride": 2, "channels": 4}]}, "can't be built"),
        ({"width": 10**9}, "network.width"),
        ({"width": 60000}, "don't fit their card"),
        ({"width": 2**63}, "network.width"),
        ({"scales": list(range(2, 200_000))}, "network.scales"),
        ({"scales": [2, 10**30]}, "network.scales"),
        ({"scales": []}, "don't fit their card"),
    ],
)
def test_a_network_that_can_not_be_is_refused(saved: Path, changes: dict, says: str):
    change_card(saved, network=PRESETS["tiny"].model_dump() | changes)
    assert says in refused(saved)


def test_no_memory_is_taken_for_a_network_that_does_not_fit(saved: Path, monkeypatch: pytest.MonkeyPatch):
    devices: list[str] = []

    def watched(config: NetworkConfig) -> SuperResolutionVAE:
        network = build(config)
        devices.append(next(network.parameters()).device.type)
        return network

    monkeypatch.setattr("napari_vaesr.vae.build.build", watched)
    load_network(read_card(saved.with_suffix(".json")), saved)
    assert set(devices) == {"meta"}
    change_card(saved, network=PRESETS["tiny"].model_dump() | {"width": 1500})
    assert "don't fit their card" in refused(saved)
    assert set(devices) == {"meta"}


def test_equal_tensors_make_equal_bytes(tmp_path: Path) -> None:
    """However the library orders what it is told besides: a hash names the file."""
    tensors = {"b": torch.arange(3.0), "a.weight": torch.ones(2, 3, dtype=torch.float16)}
    metadata = dict.fromkeys(("model", "format", "author", "license"), "Müller")
    first = tensor_bytes(tensors, metadata)
    assert all(tensor_bytes(tensors, dict(sorted(metadata.items()))) == first for _ in range(8))
    assert int.from_bytes(first[:8], "little") % 8 == 0
    path = tmp_path / "a.safetensors"
    path.write_bytes(first)
    with safetensors.safe_open(path, "pt") as file:
        assert file.metadata() == metadata
        assert all(torch.equal(file.get_tensor(name), each) for name, each in tensors.items())
