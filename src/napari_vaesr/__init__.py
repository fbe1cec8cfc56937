"""Variational super-resolution: upscale microscopy images and see where to trust the result.

Everything public is here and imported when it is first used, so that ``import napari_vaesr`` costs
nothing and loads neither torch nor napari. What is inside may move; these names stay.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_vaesr.engine.device import choose_device
    from napari_vaesr.engine.job import UpscaleJob
    from napari_vaesr.engine.result import Result
    from napari_vaesr.engine.settings import UpscaleSettings, make_settings
    from napari_vaesr.errors import UnlikeTrainingWarning, VaesrError
    from napari_vaesr.files.image import read_image, series_names
    from napari_vaesr.imaging.axes import Source
    from napari_vaesr.pairs.degradation import downscaled
    from napari_vaesr.pairs.material import (
        material_from_folder,
        material_from_image,
        material_from_pair,
    )
    from napari_vaesr.plugin.io.opening import open_upscaled
    from napari_vaesr.plugin.viewer.layers import upscale_layer
    from napari_vaesr.plugin.viewer.sources import source_array
    from napari_vaesr.sample_images import sample_path
    from napari_vaesr.training.config import finetune_config
    from napari_vaesr.training.finetune import FineTune, estimated_degradation
    from napari_vaesr.trust.certainty import certainty, joint_map
    from napari_vaesr.trust.check import Check, check
    from napari_vaesr.trust.consistency import consistency_map, low_res_psnr
    from napari_vaesr.trust.measure import measure
    from napari_vaesr.trust.metrics import affine_psnr
    from napari_vaesr.trust.reliability import fit_calibration, rank_correlation
    from napari_vaesr.trust.segment import Threshold
    from napari_vaesr.trust.upscale import lazy_upscale, upscale
    from napari_vaesr.zoo.exchange import export_model, import_model
    from napari_vaesr.zoo.registry import load_model, models

    __version__: str

_HOMES = {
    "Check": "trust.check",
    "FineTune": "training.finetune",
    "Result": "engine.result",
    "Source": "imaging.axes",
    "Threshold": "trust.segment",
    "UpscaleJob": "engine.job",
    "UnlikeTrainingWarning": "errors",
    "UpscaleSettings": "engine.settings",
    "VaesrError": "errors",
    "affine_psnr": "trust.metrics",
    "certainty": "trust.certainty",
    "check": "trust.check",
    "choose_device": "engine.device",
    "consistency_map": "trust.consistency",
    "downscaled": "pairs.degradation",
    "estimated_degradation": "training.finetune",
    "export_model": "zoo.exchange",
    "finetune_config": "training.config",
    "fit_calibration": "trust.reliability",
    "import_model": "zoo.exchange",
    "joint_map": "trust.certainty",
    "lazy_upscale": "trust.upscale",
    "load_model": "zoo.registry",
    "low_res_psnr": "trust.consistency",
    "make_settings": "engine.settings",
    "material_from_folder": "pairs.material",
    "material_from_image": "pairs.material",
    "material_from_pair": "pairs.material",
    "measure": "trust.measure",
    "models": "zoo.registry",
    "open_upscaled": "plugin.io.opening",
    "rank_correlation": "trust.reliability",
    "read_image": "files.image",
    "sample_path": "sample_images",
    "series_names": "files.image",
    "source_array": "plugin.viewer.sources",
    "upscale": "trust.upscale",
    "upscale_layer": "plugin.viewer.layers",
}

__all__ = [
    "Check",
    "FineTune",
    "Result",
    "Source",
    "Threshold",
    "UnlikeTrainingWarning",
    "UpscaleJob",
    "UpscaleSettings",
    "VaesrError",
    "__version__",
    "affine_psnr",
    "certainty",
    "check",
    "choose_device",
    "consistency_map",
    "downscaled",
    "estimated_degradation",
    "export_model",
    "finetune_config",
    "fit_calibration",
    "import_model",
    "joint_map",
    "lazy_upscale",
    "load_model",
    "low_res_psnr",
    "make_settings",
    "material_from_folder",
    "material_from_image",
    "material_from_pair",
    "measure",
    "models",
    "open_upscaled",
    "rank_correlation",
    "read_image",
    "sample_path",
    "series_names",
    "source_array",
    "upscale",
    "upscale_layer",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("napari-vaesr")
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
