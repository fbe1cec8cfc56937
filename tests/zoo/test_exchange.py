"""A model goes through one file unchanged; whatever is wrong with the file, nothing is written."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch

from napari_vaesr.errors import VaesrError
from napari_vaesr.zoo import folders
from napari_vaesr.zoo.calibration import Calibration
from napari_vaesr.zoo.exchange import export_model, import_model
from napari_vaesr.zoo.folders import user_models
from napari_vaesr.zoo.registry import Model, get_card, load_model, models
from napari_vaesr.zoo.weights import save_model


@pytest.fixture
def exported(saved: Path, tmp_path: Path) -> Path:
    """A file with the model ``tiny-test``, which is nowhere else in the registry."""
    return export_model(saved, tmp_path / "tiny-test.zip")


def test_a_model_survives_its_file(exported, saved, network):
    card = import_model(exported)
    assert card == get_card(saved) == get_card("tiny-test")
    for name, weight in load_model("tiny-test").network.state_dict().items():
        assert torch.equal(weight, network.state_dict()[name])
    own = user_models()
    assert {path.name for path in own.iterdir()} == {"tiny-test.json", "tiny-test.safetensors"}
    assert (own / "tiny-test.safetensors").read_bytes() == saved.read_bytes()
    assert import_model(exported) == card  # once more changes nothing and is no clash


@pytest.mark.parametrize("left", [None, 1000])
def test_weights_that_are_gone_or_damaged_come_back(exported, saved, left):
    import_model(exported)
    weights = user_models() / "tiny-test.safetensors"
    if left is None:
        weights.unlink()
    else:
        weights.write_bytes(weights.read_bytes()[:left])
    import_model(exported)
    assert weights.read_bytes() == saved.read_bytes()
    assert load_model("tiny-test").card == get_card(saved)


def test_a_model_in_memory_is_exported_too(network, make_card, tmp_path):
    file = export_model(Model(make_card(), network), tmp_path)
    assert file == tmp_path / "tiny-test.zip"
    assert import_model(file).sha256


def test_a_name_that_is_taken_is_refused_until_one_says_what_to_do(exported, network, make_card):
    save_model(user_models(), network, make_card(title="Mine", version="2"), precision="float16")
    with pytest.raises(VaesrError, match="another name, or replace it"):
        import_model(exported)
    assert models()["tiny-test"].title == "Mine"
    assert import_model(exported, "other").name == "other"
    assert models()["other"].title == "Random weights"
    import_model(exported, replace=True)
    assert models()["tiny-test"].title == "Random weights"


def test_a_name_in_a_file_of_another_name_is_taken_too(exported, network, make_card):
    path = save_model(user_models(), network, make_card(title="Mine", version="2"))
    path.with_suffix(".json").rename(user_models() / "z.json")
    path.rename(user_models() / "z.safetensors")
    with pytest.raises(VaesrError, match="You have another model"):
        import_model(exported)
    import_model(exported, replace=True)
    assert models()["tiny-test"].title == "Random weights"


def test_a_bundled_model_is_never_replaced(exported, network, make_card):
    save_model(folders.BUNDLED_MODELS, network, make_card(), precision="float16")
    with pytest.raises(VaesrError, match="bundled model"):
        import_model(exported, replace=True)
    assert not user_models().exists()


def test_the_same_weights_on_another_card_are_another_model(exported, saved, network, make_card, tmp_path):
    """A new calibration, for one."""
    import_model(exported)
    card = make_card(calibration={"2": (Calibration(slope=2.0),)})
    again = export_model(Model(card, network), tmp_path / "again.zip")
    with pytest.raises(VaesrError, match="another name, or replace it"):
        import_model(again)
    import_model(again, replace=True)
    assert models()["tiny-test"].calibration == card.calibration


@pytest.mark.parametrize("name", ["", "a b", "../escape", "a/b"])
def test_a_name_that_is_no_file_name_is_refused(exported, name):
    with pytest.raises(VaesrError, match="can't be a model's name"):
        import_model(exported, name)


def repacked(exported: Path, change) -> Path:
    """The same archive after `change` of its members, a dictionary of name to content."""
    with zipfile.ZipFile(exported) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(exported, "w") as archive:
        for name, content in change(members).items():
            archive.writestr(name, content)
    return exported


def test_members_can_not_leave_the_folder(exported, tmp_path):
    repacked(exported, lambda members: {f"../../{name}": content for name, content in members.items()})
    import_model(exported)
    everything = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("tiny-test*")}
    assert everything == {
        "tiny-test.zip",
        "saved/tiny-test.json",
        "saved/tiny-test.safetensors",
        "user/tiny-test.json",
        "user/tiny-test.safetensors",
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: {}, "holds 0 .json files"),
        (lambda m: {"tiny-test.json": m["tiny-test.json"]}, "holds 0 .safetensors files"),
        (lambda m: m | {"second.json": b"{}"}, "holds 2 .json files"),
        (lambda m: m | {"tiny-test.json": b"{"}, "not valid JSON"),
        (lambda m: m | {"tiny-test.safetensors": b"x"}, "damaged"),
        (lambda m: m | {"tiny-test.safetensors": m["tiny-test.safetensors"][:-1] + b"x"}, "SHA-256"),
    ],
)
def test_a_wrong_archive_is_one_sentence_and_writes_nothing(exported, change, words):
    with pytest.raises(VaesrError, match=words) as error:
        import_model(repacked(exported, change))
    assert str(exported) in str(error.value)
    assert not user_models().exists()


def test_every_cut_is_refused(exported):
    whole = exported.read_bytes()
    for length in {0, 1, 30, len(whole) // 2, len(whole) - 30, len(whole) - 1}:
        exported.write_bytes(whole[:length])
        with pytest.raises(VaesrError, match="damaged or no exported model"):
            import_model(exported)
    assert not user_models().exists()


def test_changed_bytes_are_refused(exported):
    whole = exported.read_bytes()
    start = whole.index(b"PK", 4)  # the second member: the weights
    for position in range(start, len(whole) - 22, len(whole) // 40):
        exported.write_bytes(whole[:position] + bytes([whole[position] ^ 255]) + whole[position + 1 :])
        with pytest.raises(VaesrError):
            import_model(exported)
    assert not user_models().exists()


def test_what_can_not_be_is_said(exported, saved, tmp_path, monkeypatch):
    with pytest.raises(VaesrError, match="no file"):
        import_model(tmp_path / "missing.zip")
    with pytest.raises(VaesrError, match=r"\.zip file"):
        export_model(saved, tmp_path / "model.tar")
    with pytest.raises(VaesrError, match="is no file"):
        import_model(tmp_path)
    monkeypatch.setattr("napari_vaesr.zoo.exchange.LARGEST_CARD", 10)
    with pytest.raises(VaesrError, match="too large"):
        import_model(exported)


def test_a_damaged_model_is_not_given_away(saved, tmp_path):
    saved.write_bytes(saved.read_bytes()[:-4])
    with pytest.raises(VaesrError, match="damaged"):
        export_model(saved, tmp_path / "out.zip")
    assert not (tmp_path / "out.zip").exists()


@pytest.mark.parametrize("kind", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_packed_to_burst_are_not_unpacked(exported, kind):
    with zipfile.ZipFile(exported) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(exported, "w", kind) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(VaesrError, match="packed in an unusual way"):
        import_model(exported)


def test_weights_are_no_larger_than_their_card_says(exported):
    with zipfile.ZipFile(exported) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(exported, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content if name.endswith(".json") else bytes(2**26))
    with pytest.raises(VaesrError, match="too large"):
        import_model(exported)


def test_a_name_is_short_enough_for_a_file(exported):
    with pytest.raises(VaesrError, match="can't be a model's name"):
        import_model(exported, "a" * 300)
    repacked(
        exported, lambda m: {n: c.replace(b'"tiny-test"', b'"' + b"a" * 300 + b'"') for n, c in m.items()}
    )
    with pytest.raises(VaesrError, match="name"):
        import_model(exported)
