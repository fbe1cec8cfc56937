"""The benchmark command on tiny images with a model of random weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from napari_vaesr.cli import app


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two domains: three grey images of 8 bits, and a colour one beside a stack of 16 bits."""
    random = np.random.default_rng(0)
    folder = tmp_path / "images"
    for name in ("cells", "mixed"):
        (folder / name).mkdir(parents=True)
    for number in range(3):
        pixels = random.integers(0, 255, (41, 52), dtype=np.uint8)
        tifffile.imwrite(folder / "cells" / f"{number}.tif", pixels)
    tifffile.imwrite(
        folder / "mixed" / "colour.tif", random.integers(0, 255, (40, 48, 3), np.uint8), photometric="rgb"
    )
    stack = random.integers(100, 4000, (2, 44, 40), dtype=np.uint16)
    tifffile.imwrite(folder / "mixed" / "stack.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    return folder


@pytest.fixture
def evaluate(run, tiny_model_path: Path):
    """Run ``napari-vaesr evaluate`` with the small model and two samples, unless told otherwise."""
    return lambda *arguments: run("evaluate", "--model", tiny_model_path, "--samples", 2, *arguments)


def test_every_image_of_every_domain_is_scored_at_every_scale(evaluate, images, tmp_path):
    result = evaluate(images, "--scales", "2,3", "--json", "out/scores.json", "--plots", "out")
    assert result.exit_code == 0, result.output
    scores = json.loads((tmp_path / "out/scores.json").read_text())
    summaries = [(each["domain"], each["scale"], each["images"]) for each in scores["summaries"]]
    assert summaries == [
        ("images/cells", 2, 3),
        ("images/cells", 3, 3),
        ("images/mixed", 2, 3),
        ("images/mixed", 3, 3),
    ]
    assert len(scores["images"]) == 12
    first = scores["summaries"][0]
    assert list(first["scores"]) == ["mean", "base", "one sample", "bicubic", "Lanczos", "Richardson-Lucy"]
    own = [image["scores"]["mean"]["psnr"] for image in scores["images"][:6:2]]
    assert first["scores"]["mean"]["psnr"] == pytest.approx(np.mean(own))
    assert f"{np.mean(own):.2f}" in result.stdout
    assert 0 <= first["uncertainty"]["coverage"] <= 1
    plots = {path.name for path in (tmp_path / "out").glob("*.png")}
    assert plots == {
        f"{kind}_x{scale}.png" for kind in ("reliability", "sparsification", "blocks") for scale in (2, 3)
    }


def test_noise_is_the_same_every_time_and_makes_it_harder(evaluate, images, tmp_path):
    for name, kind in (("a", "noisy"), ("b", "noisy"), ("c", "clean")):
        arguments = ("--scales", 2, "--limit", 1, "--degradation", kind, "--json", f"{name}.json")
        assert evaluate(images, *arguments).exit_code == 0
    a, b, c = (json.loads((tmp_path / f"{name}.json").read_text()) for name in "abc")
    assert a == b
    assert len(a["summaries"]) == len(c["summaries"]) == 2
    for noisy, clean in zip(a["summaries"], c["summaries"], strict=True):
        assert noisy["scores"]["bicubic"]["psnr"] < clean["scores"]["bicubic"]["psnr"]
        assert "Gaussian + bicubic" in noisy["scores"]
        assert "Gaussian + bicubic" not in clean["scores"]


def test_real_pairs_find_their_scale(evaluate, tmp_path):
    random = np.random.default_rng(0)
    for folder, side in (("low", 20), ("high", 60)):
        (tmp_path / folder).mkdir()
        for name in ("a", "b"):
            pixels = random.integers(0, 4000, (side, side), dtype=np.uint16)
            tifffile.imwrite(tmp_path / folder / f"{name}.tif", pixels)
    result = evaluate("--pairs", "low", "high", "--json", "scores.json")
    assert result.exit_code == 0, result.output
    (summary,) = json.loads((tmp_path / "scores.json").read_text())["summaries"]
    assert (summary["scale"], summary["images"]) == (3, 2)
    assert "Gaussian + bicubic" in summary["scores"]

    (tmp_path / "high" / "b.tif").rename(tmp_path / "high" / "c.tif")
    result = evaluate("--pairs", "low", "high")
    assert result.exit_code == 2
    assert "b.tif has no partner" in result.stderr


def test_one_bad_image_does_not_stop_the_others(evaluate, images, tmp_path):
    good = images / "cells" / "0.tif"
    (images / "cells" / "damaged.tif").write_bytes(good.read_bytes()[:60])
    tifffile.imwrite(images / "cells" / "small.tif", np.zeros((12, 12), np.uint8))
    result = evaluate(images / "cells", "--scales", 2, "--json", "scores.json")
    assert result.exit_code == 1
    assert "damaged.tif" in result.stderr
    assert "small.tif" in result.stderr
    assert "2 of 5 inputs failed" in result.stderr
    (summary,) = json.loads((tmp_path / "scores.json").read_text())["summaries"]
    assert summary["images"] == 3


def test_masks_beside_images_are_left_out_with_a_note(evaluate, images):
    folder = images / "cells"
    (folder / "0.tif").rename(folder / "first_cell.tif")
    for name in ("first_cell_mask.tif", "first_cell_labels.tif"):
        tifffile.imwrite(folder / name, np.zeros((41, 52), np.uint8))
    result = evaluate(folder, "--scales", 2, "--limit", 1)
    assert result.exit_code == 0, result.output
    assert "Note: 2 files are left out, 2 masks or labels" in " ".join(result.stderr.split())
    (folder / "alone").mkdir()
    (folder / "first_cell_mask.tif").rename(folder / "alone" / "mask.tif")
    tifffile.imwrite(folder / "alone" / "mask.tif", np.zeros((41, 52), bool))
    result = evaluate(folder / "alone", "--scales", 2)
    assert result.exit_code == 2 and "a mask or labels by its type or name" in " ".join(result.stderr.split())


def test_nothing_is_overwritten_without_force(evaluate, images, tmp_path):
    (tmp_path / "scores.json").write_text("precious")
    arguments = (images, "--limit", 1, "--scales", 2, "--json", "scores.json")
    result = evaluate(*arguments)
    assert result.exit_code == 2
    assert "--force" in result.stderr
    assert (tmp_path / "scores.json").read_text() == "precious"
    assert evaluate(*arguments, "--force").exit_code == 0
    assert json.loads((tmp_path / "scores.json").read_text())["summaries"]


def test_an_image_is_not_replaced_by_its_scores(evaluate, images, tmp_path):
    image = next(path for path in images.rglob("*") if path.is_file())
    before = image.read_bytes()
    done = evaluate(images, "--json", image, "--force")
    assert done.exit_code == 2 and "an input as well as an output" in done.stderr
    assert image.read_bytes() == before


def test_stopping_leaves_nothing_half_written(evaluate, images, tmp_path, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_vaesr.trust.summary.summarise", interrupt)
    result = evaluate(images, "--limit", 1, "--scales", 2, "--json", "scores.json")
    assert result.exit_code == 130
    assert "Stopped" in result.stderr
    assert not (tmp_path / "scores.json").exists()


BAD = {
    "no folder": ([], "--pairs LOW HIGH"),
    "folder and pairs": (["images", "--pairs", "images", "images"], "not both"),
    "missing folder": (["nowhere"], "nowhere"),
    "empty folder": (["empty"], "no images"),
    "unknown scale": (["images", "--scales", "7"], "2, 3, 4"),
    "scales that are no numbers": (["images", "--scales", "two"], "two"),
    "no uncertainty": (["images", "--samples", "1"], "--samples 2"),
    "unknown model": (["images", "--model", "nobody"], "nobody"),
}


@pytest.mark.parametrize("arguments, about", BAD.values(), ids=BAD.keys())
def test_bad_input_gets_one_sentence(evaluate, images, tmp_path, arguments, about):
    (tmp_path / "empty").mkdir()
    result = evaluate(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert about in result.stderr


def test_help_needs_no_torch():
    import subprocess
    import sys

    code = "import sys; from napari_vaesr.cli import app; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    assert CliRunner().invoke(app, ["evaluate", "--help"]).exit_code == 0
