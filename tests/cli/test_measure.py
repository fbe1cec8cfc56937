"""``napari-vaesr measure`` writes a table and its record, whole or not at all."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import tifffile

from napari_vaesr import UpscaleJob, read_image


@pytest.fixture
def measure(run, tiny_model_path):
    """Run ``napari-vaesr measure`` with the small model and a few samples."""
    return lambda *arguments: run("measure", "--model", tiny_model_path, "--samples", 3, *arguments)


def rows_of(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_a_table_in_the_file_s_units_and_its_record(measure, stack, tmp_path):
    result = measure(stack, "--out", "table.csv", "--properties", "area,centroid")
    assert result.exit_code == 0, result.output
    rows = rows_of(tmp_path / "table.csv")
    volume = next(row for row in rows if row["object"] == "0" and row["quantity"] == "volume")
    assert volume["unit"] == "µm³"
    voxel = 0.5 * 0.125**2
    assert float(volume["value"]) / voxel == pytest.approx(round(float(volume["value"]) / voxel))
    assert {"count", "volume", "centroid_z", "centroid_y", "centroid_x"} == {row["quantity"] for row in rows}
    record = json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))
    assert record["segment"]["method"] == "otsu" and record["properties"] == ["area", "centroid"]
    assert record["images"][0]["ranges"].startswith("of samples alone")  # the card tells no shared errors
    image = read_image(stack)
    assert UpscaleJob.from_record(image.data, record["images"][0]).settings.samples == 3


def test_a_folder_names_its_images_and_goes_on_after_a_bad_one(measure, picture, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    picture.rename(folder / "good.tif")
    (folder / "bad.tif").write_bytes(b"no image")
    result = measure(folder, "--out", tmp_path / "table.csv")
    assert result.exit_code == 1
    assert "bad.tif" in result.stderr
    assert {row["image"] for row in rows_of(tmp_path / "table.csv")} == {str(folder / "good.tif")}


def test_labels_of_a_volume_that_do_not_name_their_axes(measure, stack, tmp_path):
    labels = np.zeros((3, 34, 44), np.uint8)
    labels[:, 3:9, 4:10] = 5
    tifffile.imwrite(tmp_path / "labels.tif", labels, photometric="minisblack")
    result = measure(stack, "--labels", "labels.tif", "--out", "table.csv", "-p", "area")
    assert result.exit_code == 0, result.output
    values = [row["value"] for row in rows_of(tmp_path / "table.csv") if row["quantity"] == "volume"]
    assert float(values[0]) == pytest.approx(3 * 36 * 0.5 * 0.125**2)


def test_labels_whose_axes_come_in_another_order(measure, tmp_path):
    """As long as each other, they would be taken for those of other time points."""
    movie = np.random.default_rng(0).integers(0, 4000, (2, 2, 16, 16)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "movie.tif", movie, imagej=True, metadata={"axes": "TZYX"})
    labels = np.zeros((2, 2, 32, 32), np.uint16)  # Z, T, ...
    labels[:, 1, 3:9, 4:10] = 5
    tifffile.imwrite(tmp_path / "labels.ome.tif", labels, metadata={"axes": "ZTYX"}, ome=True)
    result = measure("movie.tif", "--labels", "labels.ome.tif", "--out", "table.csv", "-p", "area")
    assert result.exit_code == 0, result.output
    rows = [row for row in rows_of(tmp_path / "table.csv") if row["object"] == "5"]
    assert [(row["T"], float(row["value"])) for row in rows] == [("1", 72.0)]
    both = np.stack([movie, movie], axis=2)  # of several channels, the same in each
    tifffile.imwrite(tmp_path / "both.tif", both, imagej=True, metadata={"axes": "TZCYX"})
    result = measure("both.tif", "--labels", "labels.ome.tif", "--out", "both.csv", "-p", "area")
    assert result.exit_code == 0, result.output
    rows = [row for row in rows_of(tmp_path / "both.csv") if row["object"] == "5"]
    assert [(row["T"], row["C"], float(row["value"])) for row in rows] == [("1", "0", 72.0), ("1", "1", 72.0)]


def test_labels_fix_the_objects(measure, picture, tmp_path):
    labels = np.zeros((24, 30), np.uint16)
    labels[3:9, 4:10] = 5
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    result = measure(picture, "--labels", "labels.tif", "--out", "table.csv", "-p", "area,intensity_mean")
    assert result.exit_code == 0, result.output
    areas = {row["object"]: row for row in rows_of(tmp_path / "table.csv") if row["quantity"] == "area"}
    assert areas["5"]["low"] == areas["5"]["high"] == "36.0"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--threshold", "otso"], "no threshold"),
        (["--threshold", "nan"], "finite"),
        (["--properties", "aera"], "no such property"),
        (["--samples", "1"], "no spread"),
        (["--out", "table.xls"], ".csv"),
    ],
)
def test_wrong_usage_is_said(measure, picture, arguments, message):
    result = measure(picture, *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


@pytest.mark.parametrize("command", ["measure", "check"])
def test_names_with_brackets_are_shown_as_they_are(run, tiny_model_path, tmp_path, command):
    for name in ("cells[a].tif", "cells[red].tif"):
        pixels = np.random.default_rng(0).integers(0, 4000, (40, 44), dtype=np.uint16)
        tifffile.imwrite(tmp_path / name, pixels)
    result = run(command, ".", "--model", tiny_model_path, "--samples", 2)
    assert result.exit_code == 0, result.output
    shown = result.output.rpartition("───")[2]
    assert "cells[a].tif" in shown and "cells[red].tif" in shown


def test_nothing_is_replaced_unasked(measure, picture, tmp_path):
    (tmp_path / "table.csv").write_text("mine")
    assert measure(picture, "--out", "table.csv").exit_code == 2
    assert (tmp_path / "table.csv").read_text() == "mine"
    assert measure(picture, "--out", "table.csv", "--force").exit_code == 0


def test_volumes_are_measured_with_cubic_voxels(run, deep_model_path, tmp_path):
    """In physical units, whatever the factor along Z."""
    z, y, x = np.mgrid[:6, :24, :24]
    ball = 200 + 3000 * (((z - 2.5) * 2) ** 2 + (y - 11) ** 2 + (x - 12) ** 2 < 40)
    metadata = {"axes": "ZYX", "spacing": 0.5, "unit": "um"}
    tifffile.imwrite(
        tmp_path / "ball.tif", ball.astype(np.uint16), imagej=True, resolution=(4, 4), metadata=metadata
    )
    given = ["measure", "ball.tif", "-m", deep_model_path, "-k", 2, "--threshold", 1500, "-p", "area"]
    for name, scale in (("planes", []), ("cubic", ["--isotropic"]), ("told", ["--scale", "Z=2,Y=2,X=2"])):
        result = run(*given, "--out", f"{name}.csv", *scale)
        assert result.exit_code == 0, result.output
    scales = [
        json.loads((tmp_path / f"{n}.json").read_text())["images"][0]["settings"]["scale"]
        for n in ("planes", "cubic", "told")
    ]
    assert scales == [2, {"Z": 4, "Y": 2, "X": 2}, {"Z": 2, "Y": 2, "X": 2}]
    assert {row["unit"] for row in rows_of(tmp_path / "cubic.csv") if row["quantity"] == "volume"} == {"µm³"}


@pytest.mark.parametrize("command", ["measure", "check"])
def test_a_file_with_other_images_is_told(run, tiny_model_path, tmp_path, command):
    with tifffile.TiffWriter(tmp_path / "scenes.ome.tif", ome=True) as file:
        for seed in range(2):
            pixels = np.random.default_rng(seed).integers(0, 4000, (40, 44), dtype=np.uint16)
            file.write(pixels, metadata={"axes": "YX"})
    result = run(command, "scenes.ome.tif", "--model", tiny_model_path, "--samples", 2)
    assert result.exit_code == 0, result.output
    assert "holds 2 images" in " ".join(result.stderr.split())
    result = run(command, "scenes.ome.tif", "--model", tiny_model_path, "--samples", 2, "--series", 1)
    assert result.exit_code == 0 and "holds 2 images" not in " ".join(result.stderr.split())
    written = tmp_path / "found.json"
    where = ("--json", written) if command == "check" else ("--out", written.with_suffix(".csv"))
    run(command, "scenes.ome.tif", "--model", tiny_model_path, "--samples", 2, "--series", "all", *where)
    told = json.loads(written.read_text(encoding="utf-8"))
    found = told["checks"] if command == "check" else [each["files"] for each in told["images"]]
    assert [each["series"] for each in found] == ["Image0", "Image1"]


@pytest.mark.parametrize("command", ["upscale", "measure", "check"])
def test_a_damaged_file_of_which_all_images_are_meant_stops_no_others(
    run, tiny_model_path, tmp_path, command
):
    pixels = np.random.default_rng(0).integers(0, 4000, (40, 44), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "good.tif", pixels)
    (tmp_path / "bad.tif").write_bytes(b"no image")
    options = ("--model", tiny_model_path, "--samples", 2, "--series", "all")
    output = ("made/",) if command == "upscale" else ()
    result = run(command, "bad.tif", "good.tif", *output, *options)
    told = " ".join(result.stderr.split())
    assert result.exit_code == 1, result.output
    assert "bad.tif is damaged or no TIFF" in told and "1 of 2 inputs failed" in told
    assert "good" in result.stdout


@pytest.mark.parametrize("command", ["measure", "check"])
def test_results_in_a_folder_are_no_images(run, tiny_model_path, tmp_path, command):
    (tmp_path / "images").mkdir()
    pixels = np.random.default_rng(0).integers(0, 4000, (40, 44), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "images" / "cells.tif", pixels)
    options = ("--model", tiny_model_path, "--samples", 2)
    assert run("upscale", "images/", "images/", *options).exit_code == 0
    told = (
        command,
        *options,
        *(("--out", "table.csv") if command == "measure" else ("--json", "check.json")),
    )
    result = run(*told, "images/")
    assert result.exit_code == 0, result.output
    assert "1 of 2 inputs are results" in " ".join(result.stderr.split())
    if command == "measure":
        assert "image" not in rows_of(tmp_path / "table.csv")[0]  # there is only one
    else:
        checks = json.loads((tmp_path / "check.json").read_text(encoding="utf-8"))["checks"]
        assert [each["image"].endswith("cells.tif") for each in checks] == [True]
    result = run(*told, "images/cells_x2.ome.tif", "--force")
    assert result.exit_code == 2 and "choose its source" in " ".join(result.stderr.split())
