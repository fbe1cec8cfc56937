from __future__ import annotations

import json

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile

from napari_vaesr import sample_path
from napari_vaesr.training.strangers import text


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "phase.png"
    iio.imwrite(path, iio.imread(sample_path("phase"))[:96, :96])
    return path


def test_it_says_a_sentence_and_writes_what_it_found(run, image, tiny_model_path, tmp_path):
    result = run("check", image, "-m", tiny_model_path, "--json", "check.json", "--figure", "check.png")
    assert result.exit_code == 0, result.output
    assert "On this image the model is" in result.stdout
    told = json.loads((tmp_path / "check.json").read_text())["checks"][0]
    assert told["image"] == str(image) and {"psnr", "coverage", "ratio", "calibrations"} <= told.keys()
    assert (tmp_path / "check.png").exists()
    assert run("check", image, "--json", "check.json").exit_code == 2


def test_it_says_which_option_corrects_what_is_off(run, image, tiny_model_path, tmp_path, monkeypatch):
    """But not in what is kept, which is read elsewhere."""
    monkeypatch.setattr("napari_vaesr.trust.check.BETTER", -100.0)
    monkeypatch.setattr("napari_vaesr.trust.check.HONEST", (1.1, 1.2))
    result = run("check", image, "-m", tiny_model_path, "--json", "check.json")
    assert "upscale with --calibrate to correct it" in " ".join(result.stdout.split())
    told = json.loads((tmp_path / "check.json").read_text())["checks"][0]
    assert told["sentence"].endswith(".") and "--calibrate" not in told["sentence"]


def test_some_may_fail(run, image, tiny_model_path, tmp_path):
    (tmp_path / "bad.tif").write_bytes(b"none")
    result = run("check", image, tmp_path / "bad.tif", "-m", tiny_model_path)
    assert result.exit_code == 1 and "bad.tif" in result.stderr


def test_an_upscaling_is_corrected_by_it(run, image, tiny_model_path, tmp_path):
    """The correction is in the record, and so are the pixels that it gives."""
    given = ["-m", tiny_model_path, "--samples", 4]
    for name, more in (("plain", []), ("corrected", ["--calibrate"])):
        result = run("upscale", image, f"{name}.ome.tif", *given, *more)
        assert result.exit_code == 0, result.output
    records = [json.loads((tmp_path / f"{name}.json").read_text()) for name in ("plain", "corrected")]
    slope = records[1]["calibration"][0]["slope"]
    assert slope != records[0]["calibration"][0]["slope"]
    assert any("corrected to this" in message for message in records[1]["messages"])
    std = [tifffile.imread(tmp_path / f"{name}.ome.tif")[1].mean() for name in ("plain", "corrected")]
    assert std[1] / std[0] == pytest.approx(slope, rel=0.01)


def test_noise_alone_corrects_nothing(run, tmp_path):
    noise = np.random.default_rng(0).poisson(50, (96, 96)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "noise.tif", noise)
    result = run("check", "noise.tif", "-m", "tiny")
    assert result.exit_code == 0 and "nothing is known of its uncertainty" in result.stdout
    assert "–" in result.stdout
    assert run("upscale", "noise.tif", "made.ome.tif", "-m", "tiny", "-k", 2, "--calibrate").exit_code == 0
    told = json.loads((tmp_path / "made.json").read_text())["messages"]
    assert any("nothing is known" in each and each.endswith("left as it is.") for each in told)


def test_a_chain_is_corrected_and_what_grows_along_z_is_refused(
    run, tiny_model_path, deep_model_path, tmp_path
):
    given = ["-m", tiny_model_path, "--samples", 2, "--calibrate", "--scale"]
    large = tmp_path / "large.png"
    iio.imwrite(large, iio.imread(sample_path("phase"))[:128, :128])
    result = run("upscale", large, "out.ome.tif", *given, 8)
    assert result.exit_code == 0, result.output
    first, last = json.loads((tmp_path / "out.json").read_text())["calibration"]
    assert first["slope"] == 1 != last["slope"]
    tifffile.imwrite(tmp_path / "stack.ome.tif", np.ones((3, 40, 40), np.uint8), metadata={"axes": "ZYX"})
    given = ["-m", deep_model_path, "--samples", 2, "--calibrate", "--scale", "Z=2,Y=2,X=2"]
    refused = run("upscale", "stack.ome.tif", "deep.zarr", *given)
    assert refused.exit_code == 2 and "made along Z" in " ".join(refused.stderr.split())


def test_the_noise_and_the_blur_may_be_told(run, image, tmp_path):
    for name, told in (("plain", []), ("told", ["--noise", "0", "--blur", "0.6"])):
        assert run("check", image, "--json", f"{name}.json", "-k", 2, *told).exit_code == 0
    plain, told = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("plain", "told"))
    assert plain["checks"][0]["psnr"] != told["checks"][0]["psnr"]


def test_departures_are_in_the_record_and_much_of_them_is_told(run, image, tiny_model_path, tmp_path):
    """A network of random weights gives back another image."""
    for output in ("result.ome.tif", "result.png"):
        result = run("upscale", image, output, "-m", tiny_model_path, "--samples", 2, "--force")
        assert result.exit_code == 0, result.output
        told = json.loads((tmp_path / "result.json").read_text())
        assert told["departures"]["share"] > 0.1
        assert "Made small again" in result.stderr


def test_what_is_unlike_the_training_is_told(run, image, tmp_path):
    iio.imwrite(tmp_path / "text.png", text(np.random.default_rng(0)))
    told = run("check", image, "text.png", "-m", "tiny", "--samples", 2)
    assert told.exit_code == 0, told.output
    assert "text.png: This image is unlike" in told.stderr and told.stderr.count("unlike") == 1
