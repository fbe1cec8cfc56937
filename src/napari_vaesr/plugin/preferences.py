"""What the user set for this plugin on napari's Preferences page."""

from __future__ import annotations

from typing import Any

from napari_vaesr.engine.settings import UpscaleSettings, make_settings

PLUGIN = "napari-vaesr"


def preferred_settings(**changes: Any) -> UpscaleSettings:
    """Return the settings of the Preferences page with `changes`; the defaults where there is no page.

    Raises
    ------
    VaesrError
        If a preference, say the name of the model, is not valid.
    """
    from napari.settings import get_plugin_settings

    try:
        upscaling = get_plugin_settings(PLUGIN).upscaling
    except KeyError:  # napari does not know the plugin: it was disabled, or the package is not installed
        return make_settings(**changes)
    return make_settings(**{**upscaling.model_dump(), **changes})
