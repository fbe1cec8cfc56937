from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
from npe2 import PluginManifest

import napari_vaesr

MANIFEST = Path(napari_vaesr.__file__).with_name("napari.yaml")


@pytest.fixture
def manifest():
    return PluginManifest.from_file(MANIFEST)


def test_the_manifest_is_valid_and_every_command_exists(manifest):
    manifest.validate_imports()
    for command in manifest.contributions.commands:
        module, name = command.python_name.split(":")
        assert callable(getattr(import_module(module), name)), command.id


def test_the_installed_package_has_this_manifest(manifest):
    installed = PluginManifest.from_distribution("napari-vaesr")
    assert installed.contributions == manifest.contributions


def test_contributions_are_where_users_look(manifest):
    contributions = manifest.contributions
    layers = {f"napari/layers/{place}" for place in ("filter", "measure", "visualize")}
    assert set(contributions.menus) == {"napari/file/io_utilities", *layers}
    names = [widget.display_name for widget in contributions.widgets]
    assert names[:2] == ["Upscale with uncertainty", "Inspect uncertainty"]
    assert {sample.key for sample in contributions.sample_data} == {"nuclei", "phase", "tissue"}


@pytest.mark.parametrize(
    ("name", "is_ours"),
    [
        ("cells.tif", False),
        ("cells.ome.tif", False),
        ("cells.png", False),
        ("tile_x001_y002.ome.tif", False),
        ("cells_x2.ome.tif", True),
        ("cells_x12.OME.TIF", True),
        ("cells_z4y2x2.ome.tif", True),
        ("cells_z2.23y2x2.ome.tif", True),
        ("cells_z12y16x16.ome.tif", True),
        ("cells_z2.5.ome.tif", True),
        ("cells_z4.ome.tif", False),  # a plane of a stack may be called so
        ("cells_z4.json", True),
        ("cells_z2.23y2x2.zarr.json", True),
        ("cells_x2.json", True),
        ("cells_x2.zarr.json", True),
        ("cells.json", False),
    ],
)
def test_the_reader_is_in_the_way_of_no_other_files(npe2pm, manifest, tmp_path, name, is_ours):
    npe2pm.register(manifest)
    (tmp_path / name).touch()
    readers = [each.plugin_name for each in npe2pm.iter_compatible_readers([str(tmp_path / name)])]
    assert ("napari-vaesr" in readers) == is_ours
    assert not list(npe2pm.iter_compatible_readers([str(tmp_path)])), "a folder is napari's"
