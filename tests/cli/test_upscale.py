from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from napari_vaesr import upscale as upscale_in_python
from napari_vaesr.files.image import read_image


def written(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_mean_and_std_of_a_stack_are_channels_of_one_file(upscale, stack, tmp_path, tiny_model_path):
    result = upscale(stack, "out/big.ome.tif", "--scale", 3, "--figure")
    assert result.exit_code == 0, result.output
    assert written(tmp_path / "out") == {"big.ome.tif", "big.json", "big.figure.png"}
    assert result.stdout.split() == ["out/big.ome.tif", "out/big.json", "out/big.figure.png"]

    image = read_image(tmp_path / "out/big.ome.tif")
    assert image.channel_names == ("mean", "std")
    assert image.pixel_size["X"] == pytest.approx(0.25 / 3)
    assert image.pixel_size["Z"] == pytest.approx(0.5)
    assert image.units["X"] == "micrometer"
    assert image.data.dtype == np.float32
    channel = image.axes.index("C")
    mean, std = (np.take(np.asarray(image.data), each, axis=channel) for each in range(2))

    expected = upscale_in_python(
        tifffile.imread(stack), "ZYX", model=str(tiny_model_path), scale=3, samples=2
    )
    np.testing.assert_array_equal(mean, expected.mean.astype(np.float32))
    np.testing.assert_allclose(std, expected.std, rtol=1e-6)
    assert std.max() > 0


def test_the_record_tells_how_to_make_the_result_again(upscale, stack, tmp_path):
    assert upscale(stack, "big.ome.tif", "--seed", 5, "--temperature", 0.5).exit_code == 0
    record = json.loads((tmp_path / "big.json").read_text())
    assert record["settings"]["seed"] == 5
    assert record["settings"]["temperature"] == 0.5
    assert record["model"]["name"] == "test-tiny"
    assert record["files"] == {"input": str(stack), "output": "big.ome.tif"}
    assert record["axes"] == "ZYX"


def test_an_interval_is_two_channels_and_its_figure_shows_the_width(
    upscale, stack, picture, tmp_path, tiny_model_path
):
    assert upscale(stack, "big.ome.tif", "--uncertainty", "interval", "--figure").exit_code == 0
    image = read_image(tmp_path / "big.ome.tif")
    assert image.channel_names == ("mean", "lower", "upper")
    expected = upscale_in_python(
        tifffile.imread(stack), "ZYX", model=str(tiny_model_path), samples=2, uncertainty="interval"
    )
    channel = image.axes.index("C")
    for index, bound in ((1, expected.lower), (2, expected.upper)):
        np.testing.assert_array_equal(np.take(np.asarray(image.data), index, axis=channel), bound)
    assert upscale(picture, "one.png", "--uncertainty", "interval").exit_code == 0
    assert read_image(tmp_path / "one.std.tif").channel_names == ("lower", "upper")


def test_a_kind_of_image_that_was_not_calibrated_for_is_refused(upscale, picture):
    result = upscale(picture, "big.ome.tif", "--domain", "galaxies")
    assert result.exit_code != 0 and "choose from any" in result.output


@pytest.mark.parametrize("kind", ["variance", "relative"])
def test_other_kinds_of_uncertainty_are_what_python_gives(upscale, picture, tmp_path, tiny_model_path, kind):
    assert upscale(picture, "big.ome.tif", "--uncertainty", kind).exit_code == 0
    image = read_image(tmp_path / "big.ome.tif")
    assert image.channel_names == ("mean", kind)
    expected = upscale_in_python(
        tifffile.imread(picture), "YX", model=str(tiny_model_path), samples=2, uncertainty=kind
    )
    spread = np.take(np.asarray(image.data), 1, axis=image.axes.index("C")).squeeze()
    np.testing.assert_array_equal(spread, expected.uncertainty)


def test_one_sample_has_no_uncertainty_and_says_so(upscale, picture, tmp_path):
    result = upscale(picture, "big.ome.tif", "--samples", 1)
    assert result.exit_code == 0
    assert "no uncertainty" in result.stderr
    assert tifffile.imread(tmp_path / "big.ome.tif").shape == (24, 30)


def test_channels_keep_their_names(upscale, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 999, (2, 2, 9, 11), dtype=np.uint16)
    metadata = {"axes": "CZYX", "Channel": {"Name": ["DNA", "actin"]}}
    tifffile.imwrite(tmp_path / "cells.ome.tif", pixels, metadata=metadata, photometric="minisblack")
    assert upscale("cells.ome.tif", "big.ome.tif").exit_code == 0
    image = read_image(tmp_path / "big.ome.tif")
    assert image.channel_names == ("DNA mean", "DNA std", "actin mean", "actin std")


def test_a_colour_image_gives_colours_and_one_std(upscale, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (9, 11, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "tissue.tif", pixels, photometric="rgb")
    assert upscale("tissue.tif", "big.ome.tif").exit_code == 0
    image = read_image(tmp_path / "big.ome.tif")
    assert image.channel_names == ("red mean", "green mean", "blue mean", "std")
    assert upscale("tissue.tif", "small.png").exit_code == 0
    assert read_image(tmp_path / "small.png").data.shape == (18, 22, 3)


def test_a_png_has_its_std_beside_it(upscale, picture, tmp_path):
    result = upscale(picture, "big.png")
    assert result.exit_code == 0, result.output
    assert written(tmp_path) == {"picture.tif", "big.png", "big.std.tif", "big.png.json"}
    mean, std = read_image(tmp_path / "big.png"), read_image(tmp_path / "big.std.tif")
    assert mean.data.dtype == np.uint8
    assert mean.data.shape == (24, 30)
    assert std.data.dtype == np.float32


def test_a_png_of_the_other_byte_order(upscale, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 60000, (12, 15), dtype=np.uint16)
    np.save(tmp_path / "native.npy", pixels)
    np.save(tmp_path / "swapped.npy", pixels.astype(pixels.dtype.newbyteorder()))
    for name in ("native", "swapped"):
        result = upscale(f"{name}.npy", f"{name}.png", "--axes", "YX")
        assert result.exit_code == 0, result.stderr
    assert (tmp_path / "native.png").read_bytes() == (tmp_path / "swapped.png").read_bytes()


def test_a_file_does_not_become_a_folder(upscale, picture, tmp_path):
    (tmp_path / "big.zarr").write_text("precious")
    result = upscale(picture, "big.zarr", "--force")
    assert result.exit_code == 2 and "Zarr is a folder" in " ".join(result.stderr.split())
    assert (tmp_path / "big.zarr").read_text() == "precious"


def test_a_stack_does_not_fit_into_a_png(upscale, stack, tmp_path):
    result = upscale(stack, "big.png")
    assert result.exit_code == 2
    assert "ome.tif" in result.stderr
    assert written(tmp_path) == {"stack.tif"}


def test_nothing_is_overwritten_without_force(upscale, picture, tmp_path):
    output = tmp_path / "big.ome.tif"
    output.write_text("precious")
    result = upscale(picture, output)
    assert result.exit_code == 2
    assert "--force" in result.stderr
    assert output.read_text() == "precious"
    assert written(tmp_path) == {"picture.tif", "big.ome.tif"}

    assert upscale(picture, output, "--force").exit_code == 0
    assert tifffile.imread(output).shape == (2, 24, 30)


@pytest.mark.parametrize("beside", ["big.json", "big.figure.png"])
def test_files_beside_the_output_are_not_overwritten_either(upscale, picture, tmp_path, beside):
    (tmp_path / beside).write_text("precious")
    assert upscale(picture, "big.ome.tif", "--figure").exit_code == 2
    assert written(tmp_path) == {"picture.tif", beside}


def test_an_input_is_never_the_output_even_with_force(upscale, picture):
    before = picture.read_bytes()
    result = upscale(picture, picture, "--force")
    assert result.exit_code == 2
    assert "input" in result.stderr
    assert picture.read_bytes() == before


@pytest.mark.parametrize("given", [["images"], ["images/*.tif"], ["images/stack.tif", "images/picture.tif"]])
def test_several_inputs_go_to_a_folder(upscale, stack, picture, tmp_path, given):
    (tmp_path / "images").mkdir()
    for path in (stack, picture):
        path.rename(tmp_path / "images" / path.name)
    result = upscale(*given, "out", "--scale", 4)
    assert result.exit_code == 0, result.output
    names = {"stack_x4.ome.tif", "stack_x4.json", "picture_x4.ome.tif", "picture_x4.json"}
    assert written(tmp_path / "out") == names


def test_one_bad_input_does_not_stop_the_others(upscale, picture, tmp_path):
    (tmp_path / "a damaged.tif").write_bytes(picture.read_bytes()[:60])
    result = upscale(tmp_path / "*.tif", "out")
    assert result.exit_code == 1
    assert "a damaged.tif" in result.stderr
    assert "1 of 2 inputs failed" in result.stderr
    assert written(tmp_path / "out") == {"picture_x2.ome.tif", "picture_x2.json"}


def test_a_failure_half_way_leaves_the_old_output(upscale, tmp_path):
    pixels = np.random.default_rng(0).random((40, 9, 11), dtype=np.float32)
    pixels[38] = np.nan  # not among the planes that the intensity scaling looks at
    np.save(tmp_path / "sick.npy", pixels)
    (tmp_path / "big.ome.tif").write_text("precious")
    result = upscale("sick.npy", "big.ome.tif", "--axes", "TYX", "--force")
    assert result.exit_code == 2
    assert "NaN" in result.stderr
    assert (tmp_path / "big.ome.tif").read_text() == "precious"
    assert written(tmp_path) == {"sick.npy", "big.ome.tif"}


def test_inputs_of_one_name_do_not_overwrite_each_other(upscale, picture, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "picture.tif").write_bytes(picture.read_bytes())
    result = upscale(picture, "other/picture.tif", "out")
    assert result.exit_code == 2
    assert "both" in result.stderr
    assert not (tmp_path / "out").exists()


def test_an_image_without_axes_needs_them(upscale, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 99, (3, 9, 11), dtype=np.uint16)
    np.save(tmp_path / "plain.npy", pixels)
    result = upscale("plain.npy", "big.ome.tif")
    assert result.exit_code == 2
    assert "axes" in result.stderr
    assert upscale("plain.npy", "big.ome.tif", "--axes", "zyx").exit_code == 0
    assert read_image(tmp_path / "big.ome.tif").data.shape == (3, 2, 18, 22)


BAD = {
    "axes that repeat": (["stack.tif", "big.ome.tif", "--axes", "ZYY"], "twice"),
    "too few axes": (["stack.tif", "big.ome.tif", "--axes", "YX"], "2 axes"),
    "no X": (["stack.tif", "big.ome.tif", "--axes", "TZY"], "X"),
    "unknown model": (["stack.tif", "big.ome.tif", "--model", "nobody"], "nobody"),
    "missing model file": (["stack.tif", "big.ome.tif", "--model", "nowhere.safetensors"], "nowhere"),
    "unknown scale": (["stack.tif", "big.ome.tif", "--scale", "7"], "2, 3, 4"),
    "no samples": (["stack.tif", "big.ome.tif", "--samples", "0"], "samples"),
    "unknown device": (["stack.tif", "big.ome.tif", "--device", "abacus"], "device"),
    "missing input": (["nothing.tif", "big.ome.tif"], "nothing.tif"),
    "a pattern without images": (["*.jpg", "out"], "*.jpg"),
    "corrupt TIFF": (["corrupt.tif", "big.ome.tif"], "corrupt.tif"),
    "truncated TIFF": (["truncated.tif", "big.ome.tif"], "truncated.tif"),
    "unknown kind of output": (["stack.tif", "big.xyz"], ".ome.tif"),
    "several inputs into one file": (["stack.tif", "corrupt.tif", "big.ome.tif"], "folder"),
    "an output in a file": (["stack.tif", "corrupt.tif/big.ome.tif"], "corrupt.tif"),
}


@pytest.mark.parametrize("arguments, about", BAD.values(), ids=BAD.keys())
def test_bad_input_gets_one_sentence(upscale, stack, tmp_path, arguments, about):
    (tmp_path / "corrupt.tif").write_bytes(b"II*\0 this is not a TIFF")
    (tmp_path / "truncated.tif").write_bytes(stack.read_bytes()[:-400])
    before = written(tmp_path)
    result = upscale(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert about in result.stderr
    assert written(tmp_path) == before


def test_debug_lets_the_traceback_through(upscale, tmp_path):
    result = upscale("nothing.tif", "big.ome.tif", "--debug")
    assert result.exit_code == 1
    assert type(result.exception).__name__ == "VaesrError"


def test_a_dry_run_tells_all_and_writes_nothing(upscale, stack, picture, tmp_path):
    result = upscale(stack, picture, "out", "--dry-run", "--scale", 4)
    assert result.exit_code == 0, result.output
    for word in ("stack_x4.ome.tif", "3 × 68 × 88 ZYX", "48 × 60 YX", "cpu", "B", "about"):
        assert word in result.stdout
    assert written(tmp_path) == {"stack.tif", "picture.tif"}


def test_a_dry_run_finds_what_would_fail(upscale, picture, tmp_path):
    (tmp_path / "corrupt.tif").write_bytes(b"nothing")
    result = upscale("*.tif", "out", "--dry-run")
    assert result.exit_code == 1
    assert "corrupt.tif" in result.stderr
    assert "picture_x2.ome.tif" in result.stdout


def test_quiet_prints_nothing(upscale, picture):
    result = upscale(picture, "big.ome.tif", "--quiet", "--samples", 1)
    assert (result.exit_code, result.output) == (0, "")


def test_the_same_seed_gives_the_same_file(upscale, picture, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert upscale(picture, f"{name}.ome.tif", "--seed", seed).exit_code == 0
    a, b, c = (tifffile.imread(tmp_path / f"{name}.ome.tif") for name in "abc")
    np.testing.assert_array_equal(a, b)
    assert (a[1] != c[1]).any()


def test_channels_and_colours_together_are_refused(upscale, tmp_path):
    tifffile.imwrite(tmp_path / "both.tif", np.zeros((2, 12, 15, 3), np.uint8), photometric="rgb")
    done = upscale("both.tif", "out.ome.tif", "--axes", "CYXS", "--dry-run")
    assert done.exit_code == 2
    assert "give axes with another letter" in " ".join(done.output.split())


@pytest.mark.parametrize("extent", ["Z=1", "Z=1:3,Y=4:12,X=6:20"])
def test_a_part_is_that_part_of_the_whole(upscale, stack, tmp_path, extent):
    assert upscale(stack, tmp_path / "whole.ome.tif", "--precision", "float32").exit_code == 0
    part = upscale(stack, tmp_path / "part.ome.tif", "--precision", "float32", "--extent", extent, "--figure")
    assert part.exit_code == 0, part.output
    whole = tifffile.imread(tmp_path / "whole.ome.tif")
    expected = whole[1:2] if extent == "Z=1" else whole[1:3, :, 8:24, 12:40]
    written = tifffile.imread(tmp_path / "part.ome.tif").reshape(expected.shape)
    np.testing.assert_allclose(written[:, 0], expected[:, 0], atol=1)
    np.testing.assert_allclose(written[:, 1], expected[:, 1], rtol=1e-3, atol=0.1)


def test_one_channel_alone_keeps_its_name(upscale, tmp_path):
    source = tmp_path / "two.ome.tif"
    pixels = np.random.default_rng(0).integers(0, 255, (2, 12, 15), dtype=np.uint8)
    tifffile.imwrite(source, pixels, metadata={"axes": "CYX", "Channel": {"Name": ["DNA", "actin"]}})
    assert upscale(source, tmp_path / "part.ome.tif", "--extent", "C=1").exit_code == 0
    with tifffile.TiffFile(tmp_path / "part.ome.tif") as tiff:
        assert "actin mean" in tiff.ome_metadata and "DNA" not in tiff.ome_metadata


def test_an_extent_outside_is_told_before_anything_is_written(upscale, stack, tmp_path):
    result = upscale(stack, tmp_path / "part.ome.tif", "--extent", "Z=3")
    assert result.exit_code == 2 and "please choose from 0 to 3 along Z" in " ".join(result.stderr.split())
    assert not (tmp_path / "part.ome.tif").exists()


def test_an_output_around_or_inside_an_input_is_refused(upscale, tmp_path):
    """To replace it would take the input along."""
    group = zarr.create_group(tmp_path / "in.zarr")
    group.create_array("0", data=np.random.default_rng(0).integers(0, 99, (12, 16), dtype=np.uint16))
    for source, output in (("in.zarr/0", "in.zarr"), ("in.zarr/0", "in.zarr/0/out.zarr")):
        result = upscale(source, output, "--axes", "YX", "--force")
        assert result.exit_code == 2 and "one inside the other" in " ".join(result.stderr.split())
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "in.zarr/0").shape, (12, 16))


def test_what_float32_cannot_hold_is_no_file(upscale, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 1200, (12, 16), dtype=np.uint32)
    tifffile.imwrite(tmp_path / "a.tif", pixels + np.uint32(4_000_000_000))
    result = upscale("a.tif", "b.ome.tif")
    assert result.exit_code == 2 and "too little for their size" in " ".join(result.stderr.split())
    tifffile.imwrite(tmp_path / "a.tif", pixels + np.uint32(1_000_000))
    assert upscale("a.tif", "b.ome.tif").exit_code == 0
