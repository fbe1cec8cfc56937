from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

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
        deadline = time.monotonic() + 150
        journal = tmp_path / ".big.ome.tif.partial" / "journal.jsonl"
        while not (journal.exists() and "done" in journal.read_text()):
            assert process.poll() is None, process.stderr and process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "Stopped" in errors and "of 2000 parts" in errors
    assert sorted(path.name for path in tmp_path.iterdir()) == [".big.ome.tif.partial", "long.npy"]
