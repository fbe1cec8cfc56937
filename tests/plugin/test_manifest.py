from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
from napari.settings import get_plugin_settings
from npe2 import PluginManifest

import napari_vaesr
from napari_vaesr.engine.settings import UpscaleSettings, about, make_settings
from napari_vaesr.errors import VaesrError
from napari_vaesr.plugin.viewer.preferences import (
    _choices_file,
    preferred_settings,
    remember,
    starting_settings,
)
from napari_vaesr.zoo.registry import download_cache

SHARED = ("samples", "uncertainty", "device", "seed")
"""Preferences that are settings of an upscaling."""

MANIFEST = Path(napari_vaesr.__file__).with_name("napari.yaml")


@pytest.fixture
def manifest():
    return PluginManifest.from_file(MANIFEST)


@pytest.fixture
def registered(plugin_settings, npe2pm, manifest):
    """The plugin alone, with preferences of its own."""
    npe2pm.register(manifest)
    return get_plugin_settings("napari-vaesr").upscaling


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


def test_preferences_start_with_the_defaults_of_the_engine(registered):
    defaults = UpscaleSettings()
    page = registered.model_dump()
    assert (page.pop("cache"), page.pop("remember"), page.pop("memory")) == ("", True, 0)
    assert page.pop("along_z") == 1
    for name, value in page.items():
        assert value == getattr(defaults, name), name
    assert preferred_settings() == defaults


def test_memory_and_cache_folder(registered, tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_VAESR_CACHE", "elsewhere")
    registered.memory, registered.cache = 512, str(tmp_path)
    assert preferred_settings().memory == 512
    assert download_cache() == tmp_path


def test_the_choices_of_the_last_run_are_remembered_unless_unwanted(registered):
    assert starting_settings() == UpscaleSettings()
    remember(make_settings(samples=7, seed=3, memory=9))
    assert starting_settings() == make_settings(samples=7, seed=3)
    assert preferred_settings() == UpscaleSettings(), "the reader keeps to the preferences"
    registered.remember = False
    assert starting_settings() == UpscaleSettings()
    remember(make_settings(samples=5))
    registered.remember = True
    assert starting_settings().samples == 7


def test_choices_that_cannot_be_read_are_passed_over(registered):
    remember(make_settings(samples=7))
    for text in ("{", "[]", '{"samples": -1}', '{"gone": 1}'):
        _choices_file().write_text(text)
        assert starting_settings() == UpscaleSettings()


def test_preferences_are_used(registered):
    registered.samples, registered.uncertainty, registered.device = 3, "relative", "cpu"
    settings = preferred_settings(seed=9)
    assert (settings.samples, settings.uncertainty, settings.device, settings.seed) == (
        3,
        "relative",
        "cpu",
        9,
    )


def test_a_wrong_preference_is_told(registered):
    registered.device = "toaster"
    with pytest.raises(VaesrError, match="toaster"):
        preferred_settings()


def test_without_the_plugin_there_are_the_defaults(plugin_settings):
    assert preferred_settings() == UpscaleSettings()


def test_preferences_are_described_where_settings_are_defined():
    (page,) = PluginManifest.from_file(MANIFEST).contributions.configurations.values()
    for name in SHARED:
        assert page.properties[name].description == about(name)
