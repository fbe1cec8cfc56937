from __future__ import annotations

import json

import pytest
import typer

from napari_vaesr.cli import console
from napari_vaesr.cli.console import Failures, free_to_write, readable_seconds, spoken_errors
from napari_vaesr.errors import VaesrError


@pytest.mark.parametrize(
    "seconds, words",
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.99, "10 s"),
        (59.6, "1 min 0 s"),
        (125, "2 min 5 s"),
        (7260, "2 h 1 min"),
    ],
)
def test_readable_seconds(seconds, words):
    assert readable_seconds(seconds) == words


EVIL = "a\x1b[31m\x1b]0;title\x07b\x9b2J\r\u202etxt"


def test_texts_of_files_do_not_steer_the_terminal(run, tmp_path, tiny_model_path, capsys):
    card = json.loads(tiny_model_path.with_suffix(".json").read_text())
    folder = tmp_path / "no models"
    folder.mkdir()
    for suffix in (".json", ".safetensors"):
        (folder / f"evil{suffix}").write_bytes(tiny_model_path.with_suffix(suffix).read_bytes())
    texts = {"title": EVIL, "description": EVIL, "licence": EVIL, "limits": EVIL, "training": {EVIL: EVIL}}
    (folder / "evil.json").write_text(json.dumps(card | {"name": "evil"} | texts))
    for arguments in (["models"], ["models", "show", "evil"], ["models", "show", "evil", "--json"]):
        result = run(*arguments)
        assert result.exit_code == 0 and "evil" in result.output
        assert not set(result.output) & set("\x1b\x07\x9b\r\u202e")
    for arguments in (["upscale", f"no {EVIL}.tif", "o.ome.tif"], ["models", "show", EVIL]):
        result = run(*arguments)
        assert result.exit_code == 2 and not set(result.output) & set("\x1b\x07\x9b\r\u202e")


def test_what_the_system_says_of_a_file_is_a_sentence(tmp_path, capsys):
    failures = Failures(2, debug=False)
    with failures.of("a.tif"):
        (tmp_path / "gone.tif").stat()
    with pytest.raises(typer.Exit), spoken_errors(debug=False):
        (tmp_path / "gone.tif").stat()
    told = " ".join(capsys.readouterr().err.split())
    assert failures.count == 1 and told.count("gone.tif cannot be used (No such file or directory)") == 2


def test_a_folder_that_takes_nothing_is_told_before_the_long_part(tmp_path, monkeypatch):
    free_to_write([tmp_path / "table.csv"], force=False)
    monkeypatch.setattr(console.os, "access", lambda *_: False)  # who runs the tests may be allowed to
    with pytest.raises(VaesrError, match="Nothing may be written into"):
        free_to_write([tmp_path / "table.csv"], force=False)


def test_folders_are_no_files_to_write(tmp_path):
    for paths in ([tmp_path], [tmp_path / "a", tmp_path / "a" / "plot.png"]):
        with pytest.raises(VaesrError, match="is a folder"):
            free_to_write(paths, force=True)
    assert not (tmp_path / "a").exists()
