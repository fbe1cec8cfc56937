"""Variational super-resolution: upscale microscopy images and see where to trust the result.

Everything public is here and imported when it is first used, so that ``import napari_vaesr`` costs
nothing and loads neither torch nor napari.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_vaesr.engine.api import upscale
    from napari_vaesr.engine.result import Result
    from napari_vaesr.errors import VaesrError
    from napari_vaesr.plugin.viewer.layers import upscale_layer
    from napari_vaesr.trust.certainty import certainty, joint_map
    from napari_vaesr.zoo.exchange import export_model, import_model
    from napari_vaesr.zoo.registry import load_model, models

    __version__: str

__all__ = [
    "Result",
    "VaesrError",
    "__version__",
    "certainty",
    "export_model",
    "import_model",
    "joint_map",
    "load_model",
    "models",
    "upscale",
    "upscale_layer",
]

_HOMES = {
    "Result": "napari_vaesr.engine.result",
    "VaesrError": "napari_vaesr.errors",
    "certainty": "napari_vaesr.trust.certainty",
    "export_model": "napari_vaesr.zoo.exchange",
    "import_model": "napari_vaesr.zoo.exchange",
    "joint_map": "napari_vaesr.trust.certainty",
    "load_model": "napari_vaesr.zoo.registry",
    "models": "napari_vaesr.zoo.registry",
    "upscale": "napari_vaesr.engine.api",
    "upscale_layer": "napari_vaesr.plugin.viewer.layers",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("napari-vaesr")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
