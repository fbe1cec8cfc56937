"""Where models are."""

from __future__ import annotations

import pytest

from napari_vaesr.zoo import folders


def test_the_folders_default_to_those_of_the_platform(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("NAPARI_VAESR_MODELS")
    monkeypatch.delenv("NAPARI_VAESR_CACHE")
    for folder in (folders.user_models(), folders.download_cache()):
        assert "napari-vaesr" in folder.parts
        assert folder.name == "models"
    assert folders.user_models() != folders.download_cache()
