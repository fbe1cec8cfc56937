"""Which calibrations of a card are those of a chain of passes."""

from __future__ import annotations

from collections.abc import Sequence

from napari_vaesr.engine.passes import factor_of, split
from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.imaging.region import Factors
from napari_vaesr.vae.config import factor_name
from napari_vaesr.zoo.calibration import Calibration
from napari_vaesr.zoo.card import ModelCard

UNCALIBRATED = (
    "The model {} is not calibrated for scale {}, so the uncertainty is only how much its samples differ: "
    "calibrate it with napari-vaesr calibrate."
)


def calibration_keys(card: ModelCard, factors: Factors) -> list[str]:
    """Return which calibration of a card is that of each pass: of the last, the chain's own, if any.

    Parameters
    ----------
    card : ModelCard
        Says what the network makes in one pass, and what is calibrated.
    factors : Factors
        What is asked for.

    Raises
    ------
    VaesrError
        As `split`.
    """
    parts = split(factors, card.network, card.name)
    keys = [factor_name(factor_of(part)) for part in parts]
    whole = chain_key(parts)
    if len(parts) > 1 and whole in card.calibration:
        keys[-1] = whole
    return keys


def chain_key(parts: Sequence[Factors]) -> str:
    """Return the name on a card of a chain that is calibrated as a whole: ``8``, or ``Z=4,Y=2,X=2``.

    Parameters
    ----------
    parts : sequence of Factors
        Of each pass.
    """
    whole = Factors()
    for part in parts:
        whole = whole.times(part)
    return str(whole)


def calibrations_of(
    card: ModelCard, factors: Factors, noises: Sequence[float], domain: str
) -> tuple[Calibration, ...]:
    """Return the calibrations of every pass, and in each of every channel, that a card has.

    Parameters
    ----------
    card : ModelCard
        The model's.
    factors : Factors
        What is asked for.
    noises : sequence of float
        Of each channel of the image, in unit intensity.
    domain : str
        Kind of image.
    """
    whole = chain_key(split(factors, card.network, card.name))
    # What the first pass makes has no noise; but a chain was calibrated as a whole by that of the image.
    return tuple(
        card.calibration_at(key, noise if number == 0 or key == whole else 0.0, domain)
        for number, key in enumerate(calibration_keys(card, factors))
        for noise in noises
    )


def chosen_calibrations(
    card: ModelCard,
    factors: Factors,
    noises: Sequence[float],
    settings: UpscaleSettings,
    given: Sequence[Calibration] | None,
) -> tuple[tuple[Calibration, ...], list[str]]:
    """Return the calibrations of every pass and channel, and what to tell of those that a card lacks.

    Parameters
    ----------
    card, factors, noises
        As for `calibrations_of`.
    settings : UpscaleSettings
        Which kind of image it is, and whether there is a spread.
    given : sequence of Calibration, or None
        One for every channel, of the last pass, which corrects all of them; or for every pass and channel.
    """
    keys, parts = calibration_keys(card, factors), split(factors, card.network, card.name)
    if given is not None and len(given) == len(keys) * len(noises):
        return tuple(given), []
    messages = [
        UNCALIBRATED.format(card.name, part)
        for part, key in zip(parts, keys, strict=True)
        if given is None and settings.has_spread and not card.levels(key, settings.domain)
    ]
    own = calibrations_of(card, factors, noises, settings.domain)
    return own if given is None else own[: -len(noises)] + tuple(given), messages
