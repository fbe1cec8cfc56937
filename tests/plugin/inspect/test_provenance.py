from __future__ import annotations

import shlex
import subprocess
import sys
from types import SimpleNamespace

import napari
import numpy as np
import pytest
import tifffile
from napari.layers import Image, Layer
from typer.testing import CliRunner

from napari_vaesr.cli import app
from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.record import Record
from napari_vaesr.engine.settings import make_settings
from napari_vaesr.errors import VaesrError
from napari_vaesr.files.output import KEY
from napari_vaesr.plugin.inspect.provenance import as_command, as_python, in_words
from napari_vaesr.plugin.io.sample_data import phase
from napari_vaesr.plugin.viewer.task import UpscaleTask


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a stack.tif"
    pixels = np.random.default_rng(0).integers(100, 4000, (3, 17, 22), dtype=np.uint16)
    tifffile.imwrite(path, pixels, imagej=True, metadata={"axes": "ZYX"})
    return path


@pytest.fixture(scope="session")
def made(finished):
    def made(layer, axes, model_path, extent=None, **changes):
        settings = make_settings(
            **{
                "model": str(model_path),
                "samples": 4,
                "seed": 5,
                "device": "cpu",
                "precision": "float32",
                **changes,
            }
        )
        task = UpscaleTask(layer, axes, settings, extent or {})
        result = finished(task)
        return result, task.layers(result, [])[0][1]["metadata"][KEY]

    return made


def run_here(code):
    assert "napari_vaesr." not in code, "scripts use public names alone"
    names = {}
    exec(code, names)
    return names["result"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """The scripts save what they make where they are run."""
    monkeypatch.chdir(tmp_path)


EXTENTS = [None, {"Z": range(1, 3), "Y": range(2, 9), "X": range(5, 6)}]


@pytest.mark.parametrize("extent", EXTENTS, ids=["whole", "part"])
@pytest.mark.parametrize("kind", ["std", "relative"])
def test_the_python_of_a_file_gives_the_same_pixels(path, tiny_model_path, extent, kind, made):
    layer = Image(tifffile.imread(path), name="a")
    layer._source = layer.source.model_copy(update={"path": str(path)})
    result, record = made(layer, "ZYX", tiny_model_path, extent, uncertainty=kind)
    again = run_here(as_python(record))
    np.testing.assert_array_equal(again.mean, result.mean)
    np.testing.assert_array_equal(again.uncertainty, result.uncertainty)
    np.testing.assert_array_equal(tifffile.imread("a_x2_mean.tif"), result.mean)
    assert "device=" not in as_python(record)  # it runs where it is run


def test_the_python_of_a_sample_runs_as_a_script(tiny_model_path, made):
    layer = Layer.create(*phase()[0])
    layer._source = layer.source.model_copy(update={"sample": ("napari-vaesr", "phase")})
    _, record = made(layer, "YX", tiny_model_path, {"Y": range(8), "X": range(8)}, samples=2)
    code = as_python(record) + "print(result.mean.shape)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "(16, 16)"


def test_the_python_of_a_layer_without_a_file_takes_it_from_the_viewer(tiny_model_path, monkeypatch, made):
    layer = Image(np.random.default_rng(0).random((9, 12)).astype("float32"), name='my "cells"')
    result, record = made(layer, "YX", tiny_model_path)
    code = as_python(record)
    monkeypatch.setattr(napari, "current_viewer", lambda: SimpleNamespace(layers={'my "cells"': layer}))
    np.testing.assert_array_equal(run_here(code).mean, result.mean)
    with pytest.raises(VaesrError, match="no command line"):
        as_command(record)
    layer.name = "renamed"
    assert "layers['renamed']" in as_python(record, [layer])


def test_the_python_of_a_corrected_uncertainty_corrects_it_too(path, tiny_model_path, made):
    layer = Image(tifffile.imread(path), name="a")
    layer._source = layer.source.model_copy(update={"path": str(path)})
    _, told = made(layer, "ZYX", tiny_model_path, EXTENTS[1])
    record = Record.read(told)
    corrected = [each.model_copy(update={"slope": 3 * each.slope}) for each in record.calibration]
    job = UpscaleJob.from_record(layer.data, record.model_copy(update={"calibration": tuple(corrected)}))
    result = job.run()
    told = {**result.record, "source": told["source"]}
    np.testing.assert_array_equal(run_here(as_python(told)).std, result.std)
    with pytest.raises(VaesrError, match="copy as Python"):
        as_command(told)
    layer.data = layer.data[:1]
    told["source"] = {**told["source"], "path": None, "axes": "YX"}
    with pytest.raises(VaesrError, match="no script"):
        as_python(told)


@pytest.mark.parametrize("extent", EXTENTS, ids=["whole", "part"])
def test_the_command_line_gives_the_same_pixels(path, tiny_model_path, extent, tmp_path, monkeypatch, made):
    layer = Image(tifffile.imread(path), name="a")
    layer._source = layer.source.model_copy(update={"path": str(path)})
    result, record = made(layer, "ZYX", tiny_model_path, extent, temperature=0.5)
    words = shlex.split(as_command(record))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, words[1:])
    assert done.exit_code == 0, done.output
    written = tifffile.imread(tmp_path / words[3]).reshape(len(result.mean), 2, *result.mean.shape[1:])
    np.testing.assert_array_equal(written[:, 0], result.mean)
    np.testing.assert_array_equal(written[:, 1], result.std)


def test_the_command_line_tells_noise_and_blur(path, tmp_path, monkeypatch, made):
    layer = Image(tifffile.imread(path), name="a")
    layer._source = layer.source.model_copy(update={"path": str(path)})
    noise, blur = {"gain": 1 / 3, "read": 4.0}, 0.4
    result, record = made(layer, "ZYX", "microscopy", {}, noise=noise, blur=blur, context="none")
    words = shlex.split(as_command(record))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, words[1:])
    assert done.exit_code == 0, done.output
    written = tifffile.imread(tmp_path / words[3]).reshape(len(result.mean), 2, *result.mean.shape[1:])
    np.testing.assert_array_equal(written[:, 0], result.mean)


def test_python_and_command_line_tell_what_planes_are(path, tmp_path, told_model_path, monkeypatch, made):
    layer = Image(tifffile.imread(path), name="a")
    layer._source = layer.source.model_copy(update={"path": str(path)})
    result, record = made(layer, "ZYX", told_model_path, scale={"Z": 2}, sections="thick", noise=0.0)
    assert "Planes are thick" in in_words(record) and "Noise 0.0" in in_words(record)
    np.testing.assert_array_equal(run_here(as_python(record)).mean, result.mean)
    words = shlex.split(as_command(record))
    assert words[words.index("--sections") + 1] == "thick"
    done = CliRunner().invoke(app, words[1:])
    assert done.exit_code == 0, done.output
    written = tifffile.imread(tmp_path / words[3]).reshape(len(result.mean), 2, *result.mean.shape[1:])
    np.testing.assert_array_equal(written[:, 0], result.mean)


def test_a_file_that_holds_other_pixels_now_is_not_named(path, tiny_model_path, made):
    layer = Image(tifffile.imread(path) // 2, name="a")
    layer._source = layer.source.model_copy(update={"path": str(path)})
    _, record = made(layer, "ZYX", tiny_model_path)
    assert "current_viewer" in as_python(record)


def test_the_words_tell_model_source_and_part(tiny_model_path, made):
    layer = Image(np.random.default_rng(0).random((4, 9, 12)).astype("float32"), name="cells")
    _, record = made(layer, "ZYX", tiny_model_path, {"Z": range(2, 3), "X": range(3, 9)})
    words = in_words(record)
    for told in (
        "Model test-tiny, version 0",
        "×2, 4 samples",
        "cells, ZYX 4 × 9 × 12, float32",
        "Z 2, X 3 to 8",
    ):
        assert told in words
