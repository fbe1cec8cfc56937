from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from napari_vaesr.zoo.weights import save_model

PROGRAM = [sys.executable, "-c", "from napari_vaesr.cli import main; main()"]


def test_version(run):
    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"napari-vaesr {version('napari-vaesr')}\n")


def test_without_arguments_help_is_shown(run):
    result = run()
    assert "upscale" in result.output
    assert "models" in result.output


def test_usage_errors_are_2(run):
    assert run("upscale").exit_code == 2
    assert run("enlarge").exit_code == 2
    assert run("upscale", "a.tif", "b.tif", "--samples", "many").exit_code == 2


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


@pytest.mark.parametrize("arguments", [["--help"], ["upscale", "--help"], ["models"]])
def test_help_and_models_do_not_load_torch(arguments):
    code = (
        "import sys\n"
        "from napari_vaesr.cli import app\n"
        f"try: app({arguments!r})\n"
        "finally: print(sorted({'torch', 'napari', 'dask', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.skipif(sys.platform == "win32", reason="a process can't send another one Ctrl-C on Windows")
def test_ctrl_c_leaves_no_half_output_and_keeps_what_is_done(tiny_model_path: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "long.npy", np.random.default_rng(0).random((2000, 24, 24), dtype=np.float32))
    command = ["upscale", "long.npy", "big.ome.tif", "--axes", "TYX", "--model", str(tiny_model_path)]
    process = subprocess.Popen(
        [*PROGRAM, *command],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's `&` ignores it
    )
    try:
        # Wait until it is in the middle of writing.
        deadline = time.monotonic() + 60
        journal = tmp_path / ".big.ome.tif.partial" / "journal.jsonl"
        while not (journal.exists() and "done" in journal.read_text()):
            assert process.poll() is None, process.stderr and process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "Stopped" in errors and "of 2000 parts" in errors
    assert sorted(path.name for path in tmp_path.iterdir()) == [".big.ome.tif.partial", "long.npy"]


def test_models_pass_through_one_file(run, tiny_model_path):
    done = run("models", "export", tiny_model_path, "model.zip")
    assert done.exit_code == 0 and done.output.strip() == "model.zip"
    done = run("models", "import", "model.zip", "--name", "given")
    assert done.exit_code == 0 and "--model given" in done.output
    assert "given" in run("models").output
    done = run("models", "import", "nothing.zip")
    assert done.exit_code == 2 and "no file" in done.output
