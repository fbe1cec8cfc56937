"""Models listed, shown, and passed through one file."""

from __future__ import annotations

import json

from napari_vaesr.zoo.weights import save_model


def test_models_are_listed(run, tiny_model_path, monkeypatch):
    monkeypatch.setenv("NAPARI_VAESR_MODELS", str(tiny_model_path.parent))
    result = run("models")
    assert result.exit_code == 0
    assert "test-tiny" in result.stdout
    assert "2, 3, 4" in result.stdout
    assert str(tiny_model_path.parent) in result.stdout


def test_a_card_is_shown(run, tiny_model_path):
    result = run("models", "show", tiny_model_path)
    assert result.exit_code == 0
    assert "Makes noise." in result.stdout
    as_json = run("models", "show", tiny_model_path, "--json")
    assert json.loads(as_json.stdout)["name"] == "test-tiny"


def test_a_card_may_say_anything(run, make_card, make_network, tmp_path, monkeypatch):
    says = {"title": "[bold]Odd", "description": "Of [red channel] images [/see notes]", "licence": "[/MIT]"}
    card = make_card("odd", **says)
    save_model(tmp_path / "models", make_network(card.network), card)
    monkeypatch.setenv("NAPARI_VAESR_MODELS", str(tmp_path / "models"))
    shown, listed = run("models", "show", "odd"), run("models")
    assert shown.exit_code == listed.exit_code == 0, (shown.output, listed.output)
    assert all(text in shown.stdout for text in says.values())
    assert says["title"] in listed.stdout and says["licence"] in listed.stdout


def test_an_unknown_model_is_one_sentence(run):
    result = run("models", "show", "nobody")
    assert result.exit_code == 2
    assert "nobody" in result.stderr
    assert result.stderr.count("\n") == 1


def test_models_pass_through_one_file(run, tiny_model_path):
    done = run("models", "export", tiny_model_path, "model.zip")
    assert done.exit_code == 0 and done.output.strip() == "model.zip"
    done = run("models", "import", "model.zip", "--name", "given")
    assert done.exit_code == 0 and "--model given" in done.output
    assert "given" in run("models").output
    done = run("models", "import", "nothing.zip")
    assert done.exit_code == 2 and "no file" in done.output
