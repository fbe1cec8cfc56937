"""Preferences of the plugin, and what was chosen last."""

from __future__ import annotations

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
from napari_vaesr.zoo.folders import download_cache

SHARED = ("samples", "uncertainty", "device", "seed")
"""Preferences that are settings of an upscaling."""

MANIFEST = Path(napari_vaesr.__file__).with_name("napari.yaml")


@pytest.fixture
def registered(plugin_settings, npe2pm):
    """The plugin alone, with preferences of its own."""
    npe2pm.register(PluginManifest.from_file(MANIFEST))
    return get_plugin_settings("napari-vaesr").upscaling


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
