"""``napari-vaesr train`` puts its settings together and makes a model that the other commands find."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from skimage.io import imsave
from typer.testing import CliRunner

from napari_vaesr.cli import app
from napari_vaesr.training.config import RECIPES
from napari_vaesr.training.module import Training


@pytest.mark.filterwarnings("ignore:::lightning", "ignore::Warning:lightning.*")
def test_from_images_to_an_upscaled_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_VAESR_MODELS", str(tmp_path / "models"))
    monkeypatch.chdir(tmp_path)
    images = tmp_path / "images"
    images.mkdir()
    rng = np.random.default_rng(0)
    for index in range(3):
        imsave(images / f"{index}.png", rng.integers(0, 255, (48, 48), np.uint8), check_contrast=False)
    (tmp_path / "small.json").write_text(
        json.dumps(
            {
                "patch": 8,
                "batch": 2,
                "validate_every": 2,
                "network": {"width": 8, "blocks": 1, "decoder_width": 8, "scales": [2]},
            }
        )
    )
    command = ["train", "images", "--name", "mine", "--steps", "2", "--config", "small.json"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "--model mine" in done.output
    again = CliRunner().invoke(app, ["models"])
    assert "mine" in again.output
    done = CliRunner().invoke(
        app, ["upscale", "images/0.png", "out.ome.tif", "--model", "mine", "--samples", "2"]
    )
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out.ome.tif").stat().st_size > 0

    # A deeper network goes on from it, at the full rates and to its end.
    settings = json.loads((tmp_path / "small.json").read_text())
    settings["network"]["blocks"] = 2
    (tmp_path / "deeper.json").write_text(json.dumps(settings))
    deeper = ["train", "images", "--name", "deeper", "--begin-with", "mine", "--steps", "2"]
    done = CliRunner().invoke(app, [*deeper, "--config", "deeper.json"])
    assert done.exit_code == 0, done.output
    first, second = (
        json.loads((tmp_path / "models" / f"{name}.json").read_text()) for name in ("mine", "deeper")
    )
    assert second["network"]["blocks"] == 2 and second["training"]["start"]["sha256"] == first["sha256"]
    assert second["limits"] == first["limits"] and "weights_of_step" not in second["training"]
    refused = CliRunner().invoke(app, [*deeper, "--start", "mine"])
    assert refused.exit_code == 2 and "give one of them" in refused.output

    # What is there is not overwritten by another run, and a name that no model can have is refused at once.
    other = CliRunner().invoke(app, [*command, "--run", "elsewhere"])
    assert other.exit_code == 2 and "has not made" in other.output
    (tmp_path / "models" / ".third.training").write_text(str(tmp_path / "runs" / "mine"))
    third = CliRunner().invoke(app, [*command, "--name", "third"])
    assert third.exit_code == 2 and "choose another --name" in " ".join(third.output.split())
    wrong = CliRunner().invoke(app, ["train", "images", "--name", "my cells", "--steps", "2"])
    assert wrong.exit_code == 2 and "'name' is wrong" in " ".join(wrong.output.split())


def test_no_images_is_said(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["train", str(tmp_path), "--steps", "1"])
    assert done.exit_code == 2
    assert "holds no PNG" in done.output


@pytest.mark.filterwarnings("ignore:::lightning", "ignore::Warning:lightning.*")
def test_from_a_model_and_images_to_a_tuned_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_model_path: Path
) -> None:
    monkeypatch.setenv("NAPARI_VAESR_MODELS", str(tmp_path / "models"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    rng = np.random.default_rng(0)
    for index in range(3):
        pixels = rng.integers(0, 255, (48, 48), np.uint8)
        imsave(tmp_path / "images" / f"{index}.png", pixels, check_contrast=False)
    (tmp_path / "few.json").write_text(json.dumps({"patch": 8, "batch": 2, "validate_every": 2}))
    command = ["train", "images", "--start", str(tiny_model_path), "--steps", "4", "--config", "few.json"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "On the validation images it went" in done.output and "--model test-tiny-tuned" in done.output
    card = json.loads((tmp_path / "models" / "test-tiny-tuned.json").read_text())
    assert card["training"]["start"]["name"] == "test-tiny"
    assert [source["name"] for source in card["training_data"]] == ["none", "your own"]
    assert "psnr_start_x2" in card["metrics"]
    refused = CliRunner().invoke(app, [*command, "--size", "base"])
    assert refused.exit_code == 2 and "leave --size out" in refused.output


RECORDING = """
import torch
from napari_vaesr.cli import main
from napari_vaesr.training.module import Training

backward = Training.manual_backward

def recorded(self, loss):
    backward(self, loss)
    gradients = {name: p.grad for name, p in self.network.named_parameters() if p.grad is not None}
    save(self, gradients, f"gradients-{self.steps_done}")

def finished(self):
    save(self, self.network.state_dict(), "weights")

def save(self, tensors, name):
    torch.save(tensors, f"{self.trainer.logger.save_dir}/{name}-{self.global_rank}.pt")

Training.manual_backward, Training.on_train_end = recorded, finished
main()
"""
"""Trains by the command line, and writes down what every process has after every step."""


@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore:::lightning", "ignore::Warning:lightning.*")
def test_two_processes_learn_what_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By Lightning's DDP over gloo. While the base learns alone, nothing is random."""
    (tmp_path / "images").mkdir()
    rng = np.random.default_rng(0)
    for index in range(3):
        pixels = rng.integers(0, 255, (48, 48), np.uint8)
        imsave(tmp_path / "images" / f"{index}.png", pixels, check_contrast=False)
    network = {"width": 8, "blocks": 1, "decoder_width": 8, "scales": [2]}
    few = {"patch": 8, "batch": 4, "base_share": 1.0, "validate_every": 3, "network": network}
    (tmp_path / "few.json").write_text(json.dumps(few))
    # Lightning starts the script again for the second process.
    (tmp_path / "program.py").write_text(RECORDING)
    command = ["train", "images", "--size", "tiny", "--steps", "3", "--config", "few.json", "--debug"]

    def arguments(devices: int) -> list[str]:
        return [*command, "--run", f"run{devices}", "--output", f"out{devices}", "--devices", str(devices)]

    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch:
        for name in ("manual_backward", "on_train_end"):  # the program puts its own in their places
            patch.setattr(Training, name, getattr(Training, name))
        patch.setattr(sys, "argv", ["program.py", *arguments(1)])
        with pytest.raises(SystemExit) as end:
            exec(RECORDING, {"__name__": "__main__"})
    assert end.value.code == 0
    done = subprocess.run(
        [sys.executable, "program.py", *arguments(2), "--workers", "1"],
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Model: ") == 1

    def recorded(devices: int, rank: int, name: str) -> dict[str, torch.Tensor]:
        tensors: dict[str, torch.Tensor] = torch.load(tmp_path / f"run{devices}" / f"{name}-{rank}.pt")
        return tensors

    alone, first, second = (recorded(*which, "gradients-0") for which in ((1, 0), (2, 0), (2, 1)))
    assert "trunk.entry.weight" in alone
    for name, whole in alone.items():  # the mean of both halves of the batch, and not that of one
        torch.testing.assert_close(first[name], whole, atol=0.02 * float(whole.abs().max()), rtol=0, msg=name)
    for name in ("gradients-0", "gradients-2", "weights"):
        first, second = (recorded(2, rank, name) for rank in range(2))
        assert all(torch.equal(tensor, second[key]) for key, tensor in first.items()), name
    assert any(not torch.equal(tensor, recorded(2, 0, "gradients-2")[key]) for key, tensor in alone.items())


def test_shares_of_a_batch_make_the_whole() -> None:
    from napari_vaesr.pairs.degradation import Batch

    module = Training(RECIPES["tiny"])
    numbers = torch.arange(6.0)
    batch = Batch(numbers, numbers + 10, (3, 3), numbers + 20)

    def share(rank: int, size: int, training: bool = True) -> Batch:
        trainer = SimpleNamespace(global_rank=rank, world_size=size, training=training)
        module._trainer = trainer  # type: ignore[assignment]
        return module.on_before_batch_transfer(batch, 0)

    assert share(0, 1) is batch and share(1, 3, training=False) is batch
    seen = []
    for rank in range(3):
        low, high, factor, conditions = share(rank, 3)
        assert len(low) == 2 and factor == (3, 3) and torch.equal(high, low + 10)
        assert torch.equal(conditions, low + 20)
        seen += low.tolist()
    assert sorted(seen) == batch[0].tolist()


@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform != "linux", reason="they are started by fork there")
def test_ctrl_c_stops_a_training_with_workers(tmp_path: Path) -> None:
    """A terminal sends it to all processes of the group."""
    imsave(tmp_path / "a.png", np.random.default_rng(0).integers(0, 255, (200, 200), np.uint8))
    network = {"width": 8, "blocks": 1, "decoder_width": 8, "scales": [2]}
    few = {"patch": 8, "batch": 4, "validate_every": 1000000, "network": network}
    (tmp_path / "few.json").write_text(json.dumps(few))
    program = [sys.executable, "-c", "from napari_vaesr.cli import main; main()"]
    command = [*program, "train", "a.png", "--size", "tiny", "--workers", "2"]
    process = subprocess.Popen(
        [*command, "--steps", "1000000", "--config", "few.json", "--run", "run", "--output", "out"],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        log = tmp_path / "run" / "log" / "version_0" / "metrics.csv"
        until = time.monotonic() + 300
        while not log.exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.2)
        os.killpg(process.pid, signal.SIGINT)
        told, _ = process.communicate(timeout=250)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130, told
    assert told.count("Stopping after this step") == 1 and "Traceback" not in told
    assert "the same command goes on" in told and list((tmp_path / "run").glob("*.ckpt"))


def test_a_batch_that_cannot_be_shared_is_refused(tmp_path: Path) -> None:
    (tmp_path / "few.json").write_text(json.dumps({"batch": 3}))
    imsave(tmp_path / "a.png", np.random.default_rng(0).integers(0, 255, (400, 400), np.uint8))
    command = ["train", str(tmp_path / "a.png"), "--steps", "1", "--run", str(tmp_path / "run")]
    command += ["--output", str(tmp_path / "models")]
    done = CliRunner().invoke(app, [*command, "--config", str(tmp_path / "few.json"), "--devices", "2"])
    assert done.exit_code == 2 and "choose a divisor" in done.output
