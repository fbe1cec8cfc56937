"""What a conditioned network is told of an image: its noise, the blur of the optics, and what planes are."""

from __future__ import annotations

from collections.abc import Sequence

from napari_vaesr.engine.acquisition import blur_in_pixels, noise_line
from napari_vaesr.engine.passes import Pass
from napari_vaesr.engine.settings import SectionsSetting, UpscaleSettings
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.intensity import IntensityScaling
from napari_vaesr.vae.config import Conditions
from napari_vaesr.zoo.card import ModelCard

SECTIONS: dict[SectionsSetting, float] = {"unknown": 0.0, "thin": -1.0, "thick": 1.0}
"""What a network is told of planes that become more along ``Z``."""


def conditions_of(settings: UpscaleSettings, scaling: IntensityScaling) -> Conditions:
    """Return what a network is told of a channel.

    Parameters
    ----------
    settings : UpscaleSettings
        Its noise, left to what was estimated on the channel or told in the image's own unit, its blur, and
        what its planes are.
    scaling : IntensityScaling
        Of the channel, with the estimate.
    """
    return Conditions(
        *noise_line(settings.noise, scaling), blur_in_pixels(settings.blur), SECTIONS[settings.sections]
    )


def conditions_in_pass(told: Conditions, step: Pass, passes: Sequence[Pass]) -> Conditions:
    """Return what the network is told in one pass of a chain, of what is told of the image.

    The first pass alone sees noise, and the first that looks at planes as they are undoes the blur. What
    planes are holds in every pass along ``Z``: after one, each new plane of averages is the average over its
    own, smaller distance, and thin planes have thin ones between them.

    Parameters
    ----------
    told : Conditions
        Of the image.
    step : Pass
        The pass in question.
    passes : sequence of Pass
        All of the chain, in their order.
    """
    undoes_blur = step is next((each for each in passes if each.is_flat), None)
    return Conditions(
        slope=told.slope if step.is_first else 0.0,
        intercept=told.intercept if step.is_first else 0.0,
        blur=told.blur if undoes_blur else 0.0,
        sections=0.0 if step.is_flat else told.sections,
    )


def learnt_blur(card: ModelCard) -> float | None:
    """Return the largest blur, in input pixels, that a model has learnt to undo; None if not said."""
    blur = card.degradation.get("blur") if isinstance(card.degradation, dict) else None
    if isinstance(blur, list) and len(blur) == 2 and isinstance(blur[1], (int, float)):
        return float(blur[1])
    return None


def check_conditions(settings: UpscaleSettings, card: ModelCard) -> list[str]:
    """Refuse to tell a network what it does not listen to.

    Parameters
    ----------
    settings : UpscaleSettings
        What is told of noise, blur and sections.
    card : ModelCard
        Of the model.

    Returns
    -------
    list of str
        A warning of a blur that it has not learnt, or nothing.

    Raises
    ------
    VaesrError
        When noise, blur or sections are given for a model that can't be told them, or sections where nothing
        goes along ``Z``.
    """
    if settings.sections != "unknown":
        _check_sections(card, bool(settings.factors.across))
    pixels = blur_in_pixels(settings.blur)
    if not card.network.conditioned:
        if settings.noise != "auto" or pixels > 0:
            raise VaesrError(
                f"The model {card.name} can't be told the noise or the blur of an image, please leave "
                "these settings alone or choose another model."
            )
        return []
    learnt = learnt_blur(card)
    if learnt is None or pixels <= learnt * 1.01:
        return []
    return [
        f"The blur of {pixels:.2f} pixels is beyond what the model {card.name} has learnt to undo, "
        f"{learnt:g} pixels: expect some blur to stay, or make the image smaller first."
    ]


def _check_sections(card: ModelCard, goes_along_z: bool) -> None:
    """Refuse to say what planes are to a model that can't be told, or where it plays no part."""
    if not card.network.sections:
        raise VaesrError(
            f"The model {card.name} can't be told whether planes are thin or thick, please leave sections at "
            "unknown or choose another model."
        )
    if not goes_along_z:
        raise VaesrError(
            "Planes do not become more along Z, so whether they are thin or thick plays no part: please "
            "leave sections at unknown or give a factor along Z."
        )
