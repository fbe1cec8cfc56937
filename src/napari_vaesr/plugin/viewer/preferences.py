"""What the user set for this plugin on napari's Preferences page, and what was chosen last."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from platformdirs import user_state_path

from napari_vaesr.engine.settings import UpscaleSettings, make_settings
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Source
from napari_vaesr.imaging.region import Factors

PLUGIN = "napari-vaesr"
CACHE = "NAPARI_VAESR_CACHE"


def preferred_settings(**changes: Any) -> UpscaleSettings:
    """Return the settings of the Preferences page with `changes`; the defaults where there is no page.

    Raises
    ------
    VaesrError
        If a preference, say the name of the model, is not valid.
    """
    preferences = _page()
    preferences.pop("remember", None)
    preferences.pop("along_z", None)
    if cache := preferences.pop("cache", ""):
        os.environ[CACHE] = str(Path(cache).expanduser())
    preferences["memory"] = preferences.get("memory") or None
    return make_settings(**{**preferences, **changes})


def preferred_settings_for(source: Source) -> UpscaleSettings:
    """Return the settings of the Preferences page for an image that is opened, along Z, too.

    Voxels are made cubic where that is preferred, their sizes are known, and the model can; where the sizes
    are not known, it is told.

    Raises
    ------
    VaesrError
        As `preferred_settings`, and where there is no such model.
    """
    from napari.utils.notifications import show_info

    from napari_vaesr.zoo.registry import get_card

    settings, depth = preferred_settings(), int(_page().get("along_z", 1))
    if "Z" not in source.axes.names:
        return settings
    if depth:
        factors = Factors({**settings.factors, "Z": depth})
        return settings.model_copy(update={"scale": factors.setting})
    if not get_card(settings.model).factors_along("Z"):
        return settings
    if not {"Z", "X"} <= source.pixel_size.keys():
        show_info("The size of the voxels is not known, so planes along Z stay as many as they are.")
        return settings
    return settings.model_copy(update={"isotropic": "exact"})


def starting_settings() -> UpscaleSettings:
    """Return what the panel begins with: the choices of the last run, or the preferences.

    Raises
    ------
    VaesrError
        As `preferred_settings`.
    """
    preferred = preferred_settings()
    if not _page().get("remember", True):
        return preferred
    try:
        chosen = json.loads(_choices_file().read_text(encoding="utf-8"))
        return make_settings(**{**preferred.model_dump(), **chosen})
    except (OSError, ValueError, TypeError, VaesrError):  # none yet, or of another version
        return preferred


def or_defaults(choose: Callable[[], UpscaleSettings]) -> UpscaleSettings:
    """Return the settings chosen, or the defaults, with a warning, where a preference is not valid."""
    from napari.utils.notifications import show_warning

    try:
        return choose()
    except VaesrError as error:
        show_warning(f"In Preferences, VAE super-resolution: {error}")
        return make_settings()


def remember(settings: UpscaleSettings) -> None:
    """Keep the choices of a run for the next time the panel is opened, if the user wants that."""
    if not _page().get("remember", True):
        return
    path = _choices_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings.model_dump(exclude={"memory"})), encoding="utf-8")
    except OSError:
        pass  # a comfort only


def _page() -> dict[str, Any]:
    """Return the values of the Preferences page."""
    from napari.settings import get_plugin_settings

    try:
        page: dict[str, Any] = get_plugin_settings(PLUGIN).upscaling.model_dump()
    except KeyError:  # napari does not know the plugin: it was disabled, or the package is not installed
        return {}
    return page


def _choices_file() -> Path:
    """Return the file of the choices, which the variable NAPARI_VAESR_CHOICES may name."""
    if named := os.environ.get("NAPARI_VAESR_CHOICES"):
        return Path(named).expanduser()
    return user_state_path(PLUGIN, appauthor=False) / "choices.json"
