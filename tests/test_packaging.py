"""What users install: one wheel that has everything and works offline."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "napari_vaesr"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_has_the_whole_package(wheel):
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("napari_vaesr/")}
    files = {
        path.relative_to(SOURCE.parent).as_posix()
        for path in SOURCE.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and not path.name.startswith(".")
    }
    assert packed == files
    assert {
        "napari_vaesr/napari.yaml",
        "napari_vaesr/py.typed",
        "napari_vaesr/sample_images/nuclei.tif",
    } <= packed
    assert "napari_vaesr/icon.png" in packed


def test_the_bundled_models_are_complete(wheel):
    with zipfile.ZipFile(wheel) as archive:
        models = {Path(name) for name in archive.namelist() if "/zoo/models/" in name}
    names = {path.stem for path in models}
    assert {"microscopy", "photo"} <= names
    for name in names:
        assert {path.suffix for path in models if path.stem == name} == {".json", ".safetensors"}


def test_the_wheel_is_small(wheel):
    assert wheel.stat().st_size < 10e6


@pytest.mark.skipif(sys.platform == "win32", reason="git makes no symbolic links there by default")
def test_the_manifest_at_the_top_is_the_one_in_the_package():
    assert (ROOT / "napari.yaml").resolve() == SOURCE / "napari.yaml"


def test_importing_the_package_loads_neither_torch_nor_napari():
    code = "import sys, napari_vaesr; print({'torch', 'napari', 'numpy', 'dask'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
