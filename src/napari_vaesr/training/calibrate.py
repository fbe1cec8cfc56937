"""Calibrate a model on images that it has not learnt from, through the same engine that users run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_vaesr.engine.passes import split
from napari_vaesr.engine.progress import Progress
from napari_vaesr.engine.settings import make_settings
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.noise import estimate_noise
from napari_vaesr.imaging.region import Factors
from napari_vaesr.imaging.sampling import evenly_spaced
from napari_vaesr.pairs.images import find_images, grey
from napari_vaesr.pairs.settings import Degradation
from napari_vaesr.training.alike import MOSTLY_NOISE, fit_alike_planes
from napari_vaesr.training.spreads import first_plane, spread_of_pair
from napari_vaesr.training.truths import Truths
from napari_vaesr.training.validation import FixedPairs
from napari_vaesr.trust.levels import (
    Spread,
    cross_validated_coverage,
    guaranteed_levels,
    with_shared,
)
from napari_vaesr.vae.base import SuperResolutionVAE
from napari_vaesr.vae.config import factor_name
from napari_vaesr.zoo.calibration import Calibrations
from napari_vaesr.zoo.card import ANY, ModelCard
from napari_vaesr.zoo.registry import Model

PER_DOMAIN = 48
"""Images of each domain at most, evenly spaced."""

MANY = 180
"""Images of a domain as if of which noisy ones are made where shared errors alone are fitted: a few each."""

NOISY_TRUTH = 0.05
"""A truth whose own noise is above this part of its range can't tell an error from its noise."""


@dataclass(frozen=True)
class Fitted:
    """What goes onto the card: calibrations for all images together and by domain, and how they do."""

    calibration: dict[str, Calibrations]
    domains: dict[str, dict[str, Calibrations]]
    metrics: dict[str, float]
    alike_planes: float | None = None

    def changes(self) -> dict[str, Any]:
        """Return the fields of the card, without the metrics."""
        found = {"calibration": self.calibration, "domains": self.domains}
        return found if self.alike_planes is None else {**found, "alike_planes": self.alike_planes}


def calibrate(
    model: Model,
    places: Sequence[Path],
    degradation: Degradation,
    progress: Callable[[Progress], None] | None = None,
    chains: Sequence[int | Factors] = (),
    stacks: Sequence[Path] = (),
    keep: bool = False,
) -> Fitted:
    """Fit a model's calibration to sharp images; every folder's name is a domain.

    Low-res images are made as `napari-vaesr evaluate` does: by antialiased bicubic interpolation, and, for a
    model that knows noise, blurred and noisy as in its training. Images whose own noise is large are left
    out, as long as others remain.

    Parameters
    ----------
    model : Model
        Its own calibration plays no part, unless it is kept.
    places : sequence of Path
        Images that were not learnt from, and folders of them.
    degradation : Degradation
        Of the training.
    progress : callable, optional
        Called after every image and scale.
    chains : sequence of int or Factors
        Scales that take several passes, to be calibrated as a whole, some of them on `stacks`.
    stacks : sequence of Path
        Stacks along ``Z`` that were not learnt from, and folders of them. They also tell how alike samples
        of neighbouring planes have to be.
    keep : bool
        Keep what is on the card, and fit the chains alone.

    Returns
    -------
    Fitted
        With the share of pixels inside the intervals in a ten-fold cross-validation over originals.

    Raises
    ------
    VaesrError
        When there is no image, a file can't be read, or the model can't make a chain.
    """
    whole = [_checked_chain(each, model.card) for each in chains]
    truths = Truths(calibration_images(places), stacks, degradation)
    fitted = _known(model.card) if keep else Fitted({}, {}, {})
    single = () if keep else map(factor_name, model.card.network.factors)
    scales = list(dict.fromkeys([*single, *whole]))
    for scale in filter(truths.lacks_stacks, whole):  # before hours of work are lost
        raise VaesrError(_too_small(scale))
    told = _Told(progress, sum(map(truths.steps, scales)))
    for scale in scales:
        if scale in whole:  # with what was fitted so far, for the earlier passes
            model = Model(model.card.model_copy(update={"calibration": fitted.calibration}), model.network)
        spreads = truths.spreads(model, scale, told.of(f"calibrating ×{scale}"))
        if spreads:
            _fit(fitted, scale, spreads, truths.has_domains(scale))
        elif scale in whole:  # a single factor goes without
            raise VaesrError(_too_small(scale))
    return replace(fitted, alike_planes=fit_alike_planes(model, truths.stacks, degradation))


def _checked_chain(asked: int | Factors, card: ModelCard) -> str:
    """Return the name of a chain, or say before any work is done that there is no such."""
    scale = dict(asked) if isinstance(asked, Factors) else asked
    factors = make_settings(model=card.name, scale=scale).factors
    passes = split(factors, card.network, card.name)
    if factors.across and len(passes) == 1:
        raise VaesrError(f"{factors} is a single pass, which is calibrated with the others: leave it out.")
    return str(factors)


def _too_small(scale: str) -> str:
    return f"The chain {scale} takes larger images, or takes stacks with planes enough: give them."


def calibrate_shared(
    model: Model,
    places: Sequence[Path],
    degradation: Degradation,
    progress: Callable[[Progress], None] | None = None,
    stacks: Sequence[Path] = (),
) -> Fitted:
    """Keep the calibration on a card, and fit to it the errors that all of an image shares.

    Parameters and errors are those of `calibrate`. Scales that no truth is large enough for are left as they
    are.
    """
    truths, fitted = Truths(calibration_images(places), stacks, degradation, MANY), _known(model.card)
    told = _Told(progress, sum(map(truths.steps, fitted.calibration)))
    for scale in fitted.calibration:
        spreads = truths.spreads(model, scale, told.of(f"measuring ×{scale}"))
        if spreads:
            _add_shared(fitted, scale, spreads, truths.has_domains(scale))
    return fitted


@dataclass
class _Told:
    """Tells how far a calibration is, step by step."""

    progress: Callable[[Progress], None] | None
    total: int
    done: int = 0

    def of(self, message: str) -> Callable[[], None]:
        """Return what tells that one step more is done."""

        def tell() -> None:
            self.done += 1
            if self.progress is not None:
                self.progress(Progress(self.done, self.total, message))

        return tell


def _add_shared(fitted: Fitted, scale: str, spreads: Sequence[Spread], has_domains: bool) -> None:
    """Add shared errors to the levels of one scale, for all domains together and for each."""
    fitted.calibration[scale] = with_shared(fitted.calibration[scale], spreads)
    for domain, known in fitted.domains.items() if has_domains else ():
        own = [spread for spread in spreads if spread.domain == domain]
        if own and scale in known:
            known[scale] = with_shared(known[scale], own)


def _known(card: ModelCard) -> Fitted:
    """Return what is on a card already."""
    metrics = {key: value for key, value in card.metrics.items() if key.startswith("coverage90")}
    domains = {domain: dict(levels) for domain, levels in card.domains.items()}
    return Fitted(dict(card.calibration), domains, metrics)


def calibrate_on_pairs(
    network: SuperResolutionVAE, pairs: FixedPairs, start: ModelCard | None = None
) -> Fitted:
    """Fit a calibration to pairs as they are, all of one domain; see `calibrate`.

    The truth of a pair is a recording with noise of its own, which counts as no error of the model's: it is
    estimated and taken out. Where it is most of what there is, the pairs can't tell how wrong the model is.

    Parameters
    ----------
    network : SuperResolutionVAE
        In evaluation mode.
    pairs : FixedPairs
        Images with their truth.
    start : ModelCard, optional
        Whose calibration is kept where the pairs can't tell.
    """
    fitted = Fitted({}, {}, {})
    for factor in pairs.factors:
        some = [(index, pair) for index, pair in enumerate(pairs.pairs) if pair.factor == factor]
        measured = [spread_of_pair(network, pair, str(index)) for index, pair in some]
        spreads = [spread for spread, _ in measured]
        name = factor_name(factor)
        known = () if start is None else start.calibration.get(name, ())
        if known and np.mean([share for _, share in measured]) > MOSTLY_NOISE:
            fitted.calibration[name] = known
            continue
        fitted.calibration[name] = guaranteed_levels(spreads)
        _note(fitted, f"x{name}", spreads)
    return fitted


def _fit(fitted: Fitted, scale: str, spreads: Sequence[Spread], has_domains: bool) -> None:
    """Calibrate one scale, for all domains together and for each."""
    fitted.calibration[scale] = guaranteed_levels(spreads)
    _note(fitted, f"x{scale}", spreads)
    domains = {spread.domain for spread in spreads}
    if not has_domains or len(domains) == 1:
        return
    for domain in sorted(domains - {ANY}):  # a folder may have that name
        own = [spread for spread in spreads if spread.domain == domain]
        fitted.domains.setdefault(domain, {})[scale] = guaranteed_levels(own)
        _note(fitted, f"{domain}_x{scale}", own)


def _note(fitted: Fitted, where: str, spreads: Sequence[Spread]) -> None:
    covered = cross_validated_coverage(spreads)
    if covered is not None:
        fitted.metrics[f"coverage90_{where}"] = round(covered, 4)


def calibration_images(places: Sequence[Path], per_domain: int = PER_DOMAIN) -> list[Path]:
    """Choose evenly spaced images of each folder name, without those that are noise themselves.

    Parameters
    ----------
    places : sequence of Path
        Images, and folders of them.
    per_domain : int
        How many of each folder name at most.
    """
    domains: dict[str, list[Path]] = {}
    for path in find_images(places):
        domains.setdefault(path.parent.name, []).append(path)
    chosen = []
    for paths in domains.values():
        sharp = [path for path in paths if not is_noisy_truth(path)] or paths
        chosen += [sharp[place] for place in evenly_spaced(len(sharp), per_domain)]
    return chosen


def is_noisy_truth(path: Path) -> bool:
    """Tell whether an image is so noisy that errors measured against it are mostly its noise."""
    _, plane = first_plane(path)
    image = grey(plane).astype(np.float64)
    low, high = np.percentile(image, (0.1, 99.9))
    return bool(estimate_noise(image) > NOISY_TRUTH * (high - low))
