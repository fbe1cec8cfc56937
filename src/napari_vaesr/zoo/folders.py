"""Where models are: those of the package, the user's own, and those that were downloaded."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path, user_data_path

BUNDLED_MODELS = Path(__file__).parent / "models"


def is_bundled(name: str) -> bool:
    """Say whether a bundled model has this name."""
    return (BUNDLED_MODELS / f"{name}.json").exists()


def user_models() -> Path:
    """Return the folder of the user's own models, which the variable NAPARI_VAESR_MODELS may name."""
    folder = os.environ.get("NAPARI_VAESR_MODELS")
    return Path(folder).expanduser() if folder else user_data_path("napari-vaesr", appauthor=False) / "models"


def download_cache() -> Path:
    """Return the folder of downloaded models, which the variable NAPARI_VAESR_CACHE may name."""
    folder = os.environ.get("NAPARI_VAESR_CACHE")
    return (
        Path(folder).expanduser() if folder else user_cache_path("napari-vaesr", appauthor=False) / "models"
    )
