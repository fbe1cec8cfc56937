"""Volumes on the command line: factors along Z, cubic voxels, and runs that are killed in any pass."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_vaesr import UpscaleJob, load_model, read_image
from napari_vaesr import upscale as python_upscale


def make_volume(path: Path, shape: tuple[int, int, int], spacing: float) -> Path:
    """Write planes with pixels of 0.25 micrometers, so many micrometers apart."""
    pixels = np.random.default_rng(0).integers(100, 4000, shape, dtype=np.uint16)
    metadata = {"axes": "ZYX", "spacing": spacing, "unit": "um"}
    tifffile.imwrite(path, pixels, imagej=True, resolution=(4, 4), metadata=metadata)
    return path


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """Planes of 30 x 33 pixels, 1 micrometer apart."""
    return make_volume(tmp_path / "volume.tif", (10, 30, 33), 1.0)


@pytest.fixture
def upscale(run, deep_model_path):
    return lambda *arguments: run("upscale", "--model", deep_model_path, "--samples", 2, *arguments)


@pytest.mark.parametrize("name", ["out.ome.tif", "out.zarr"])
def test_a_volume_has_its_voxels_and_its_place(upscale, volume, tmp_path, name):
    result = upscale(volume, name, "--scale", "Z=2,Y=2,X=2")
    assert result.exit_code == 0, result.output
    made, source = read_image(tmp_path / name), read_image(volume)
    lengths = dict(zip(made.axes, made.data.shape, strict=True))
    assert (lengths["Z"], lengths["Y"], lengths["X"]) == (20, 60, 66)
    for letter in "ZYX":
        assert made.pixel_size[letter] == pytest.approx(source.pixel_size[letter] / 2, rel=1e-9)
        corner = made.offset[letter] - made.pixel_size[letter] / 2
        its = source.offset.get(letter, 0.0) - source.pixel_size[letter] / 2
        assert corner == pytest.approx(its, abs=1e-9)
    (record,) = tmp_path.glob("*.json")
    assert json.loads(record.read_text())["settings"]["scale"] == {"Z": 2, "Y": 2, "X": 2}
    assert {path.name for path in tmp_path.iterdir()} == {"volume.tif", name, record.name}


def test_along_z_alone(upscale, volume, tmp_path):
    assert upscale(volume, "out.zarr", "--scale", "Z=3", "--figure").exit_code == 0
    made = read_image(tmp_path / "out.zarr")
    assert dict(zip(made.axes, made.data.shape, strict=True)) == {"C": 2, "Z": 30, "Y": 30, "X": 33}
    assert made.pixel_size["Z"] == pytest.approx(1 / 3) and made.pixel_size["X"] == pytest.approx(0.25)


def test_cubic_voxels(upscale, volume, tmp_path):
    result = upscale(volume, "out.ome.tif", "--isotropic", "--scale", "1")
    assert result.exit_code == 0, result.output
    made = read_image(tmp_path / "out.ome.tif")
    assert made.pixel_size["Z"] == pytest.approx(made.pixel_size["X"]) == pytest.approx(0.25)
    tifffile.imwrite(tmp_path / "plain.tif", np.zeros((4, 9, 9), np.uint8), photometric="minisblack")
    refused = upscale("plain.tif", "plain.zarr", "--axes", "ZYX", "--isotropic")
    assert refused.exit_code == 2 and "size of its voxels" in " ".join(refused.stderr.split())


def test_cubic_voxels_that_no_factor_makes_are_resampled_or_nearly_cubic(upscale, tmp_path):
    make_volume(tmp_path / "in.tif", (6, 9, 11), 0.625)
    for ways, planes in (
        (["--isotropic"], 15),
        (["--isotropic", "exact"], 15),
        (["--isotropic", "nearest"], 18),
    ):
        name = f"out{len(ways)}{planes}.zarr"
        result = upscale("in.tif", name, *ways, "--scale", "1")
        assert result.exit_code == 0, result.output
        made = read_image(tmp_path / name)
        size = made.pixel_size["Z"]
        assert dict(zip(made.axes, made.data.shape, strict=True))["Z"] == planes
        assert size == pytest.approx(6 * 0.625 / planes) and made.pixel_size["X"] == pytest.approx(0.25)
        assert made.offset["Z"] - size / 2 == pytest.approx(-0.625 / 2, abs=1e-9)
        record = json.loads((tmp_path / f"{name}.json").read_text())
        assert record["settings"]["scale"] == {"Z": planes / 6}
        assert any("resampled" in told for told in record["messages"]) == (planes == 15)
    told = upscale("in.tif", "other.zarr", "--isotropic", "--scale", "1", "--dry-run")
    assert told.exit_code == 0 and "15" in told.stdout
    refused = upscale("in.tif", "other.zarr", "--isotropic=near", "--scale", "1")
    assert refused.exit_code == 2 and "'near' is not one of 'exact'" in " ".join(refused.stderr.split())


def test_cubic_voxels_that_were_made_are_known_again(upscale, tmp_path):
    for name in ("one.tif", "two.tif"):
        make_volume(tmp_path / name, (4, 9, 11), 0.5)
    asked = "one.tif", "two.tif", "out/", "--isotropic", "--scale", "1"
    assert upscale(*asked).exit_code == 0
    again = upscale(*asked)
    assert again.exit_code == 0 and "2 of 2 inputs were upscaled like this before" in again.stderr
    make_volume(tmp_path / "one.tif", (4, 9, 11), 0.75)
    told = upscale(*asked, "--dry-run")
    assert "1 of 2 inputs were upscaled like this before" in told.stderr


def test_cubic_voxels_are_not_corrected_by_a_check_that_cannot_see_them(upscale, volume):
    refused = upscale(volume, "out.zarr", "--isotropic", "--calibrate")
    assert refused.exit_code == 2 and "can't correct what is made along Z" in " ".join(refused.stderr.split())


def test_a_model_without_depth_says_so(run, tiny_model_path, volume):
    result = run("upscale", "--model", tiny_model_path, volume, "out.zarr", "--scale", "Z=2")
    assert result.exit_code == 2 and "has not learnt to upscale along Z" in " ".join(result.stderr.split())


def test_a_dry_run_tells_every_pass(upscale, volume):
    result = upscale(volume, "out.zarr", "--scale", "Z=4,Y=2,X=2", "--dry-run")
    assert result.exit_code == 0, result.output
    told = " ".join(result.stdout.split())
    assert "pass 1 of 3" in told and "pass 3 of 3" in told and "for a while" in told


@pytest.mark.timeout(240)
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # sockets of processes that were closed
def test_workers_make_the_same_volume(upscale, volume, tmp_path):
    # Two and a half planes for one: its blocks along Z hold different numbers of them.
    arguments = ["--scale", "Z=2.5,Y=2,X=2", "--device", "cpu", "--precision", "float32"]
    assert upscale(volume, "alone.ome.tif", *arguments).exit_code == 0
    together = upscale(volume, "together.ome.tif", *arguments, "--workers", 2)
    assert together.exit_code == 0, together.output
    alone, made = (
        np.asarray(read_image(tmp_path / f"{name}.ome.tif").data) for name in ("alone", "together")
    )
    np.testing.assert_array_equal(made, alone)
    assert not list(tmp_path.glob(".*partial"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
@pytest.mark.parametrize(
    "arguments",
    [["--scale", "Z=4,Y=2,X=2"], ["--isotropic", "--scale", "2"]],
    ids=["whole factors", "made by 6 and resampled to 4.8"],
)
def test_runs_killed_in_every_pass_go_on_and_make_the_same_file(
    upscale, kill_when, start_slowly, tmp_path, deep_model_path, arguments
):
    volume = make_volume(tmp_path / "volume.tif", (5, 20, 33), 0.6)
    sizes = {"LARGEST_BLOCK": 64, "SIDE": 16, "DEPTH": 16}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in sizes.items():
            patch.setattr(f"napari_vaesr.engine.passes.{name}", value)
        assert upscale(volume, "whole.ome.tif", *arguments).exit_code == 0
        record = json.loads((tmp_path / "whole.json").read_text())
        job = UpscaleJob.from_record(read_image(volume).data, record, model=load_model(deep_model_path))
        blocks = [len(job.grid(step.number)) for step in job.passes]
    assert len(blocks) == 3
    output = tmp_path / "out.ome.tif"
    folder = tmp_path / ".out.ome.tif.partial"
    command = ["upscale", volume, output, "-m", deep_model_path, "-k", "2", *arguments]

    def done():
        try:
            return len((folder / "journal.jsonl").read_text().splitlines()) - 1
        except FileNotFoundError:
            return 0

    for passes, count in enumerate(blocks):
        enough = sum(blocks[:passes]) + max(count // 3, 1)
        kill_when(lambda enough=enough: done() >= enough, *command, **sizes)
        assert not output.exists() and enough <= done() < sum(blocks[: passes + 1])
        # What a pass has read is gone as soon as that pass is done, and is not made again.
        assert not any((folder / f"pass-{number}" / "mean" / "c").exists() for number in range(1, passes))
    last = start_slowly(*command, **sizes)
    last.join()
    told = tmp_path.with_suffix(".stderr").read_text()
    assert last.exitcode == 0, told
    assert "parts were there from an earlier run" in " ".join(told.split())
    assert output.read_bytes() == (tmp_path / "whole.ome.tif").read_bytes()
    assert not folder.exists(), "nothing of an intermediate is left behind"


@pytest.mark.parametrize("name", ["out.ome.tif", "out.zarr"])
def test_what_planes_are_is_told_pass_by_pass(run, volume, tmp_path, told_model_path, deep_model_path, name):
    """As in Python, also where a pass lies on disk."""
    asked = ["--model", told_model_path, "--samples", 2, "--scale", "Z=3,Y=2,X=2", "--noise", 0]
    asked += ["--device", "cpu", "--precision", "float32"]
    result = run("upscale", volume, name, *asked, "--sections", "thick")
    assert result.exit_code == 0, result.output
    image = read_image(volume)
    again = python_upscale(
        image.data,
        "ZYX",
        model=told_model_path,
        samples=2,
        scale={"Z": 3, "Y": 2, "X": 2},
        noise=0,
        sections="thick",
        device="cpu",
        precision="float32",
    )
    made = read_image(tmp_path / name)
    mean = np.moveaxis(np.asarray(made.data), made.axes.index("C"), 0)[0]
    np.testing.assert_allclose(mean, again.mean, atol=1)
    refused = run("upscale", volume, "no.zarr", "--model", deep_model_path, "-s", "Z=2", "--sections", "thin")
    assert refused.exit_code == 2 and "can't be told" in " ".join(refused.stderr.split())
    assert run("check", volume, "--sections", "thin").exit_code == 2, "it sees Y and X alone"
