"""What would be done to an input, found out without computing anything."""

from __future__ import annotations

from dataclasses import dataclass

from napari_vaesr.batch.layout import written_bytes
from napari_vaesr.batch.targets import Target
from napari_vaesr.batch.write import open_job
from napari_vaesr.engine.description import Description
from napari_vaesr.engine.passes import split
from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.imaging.region import Region
from napari_vaesr.zoo.download import Report
from napari_vaesr.zoo.registry import Model, load_model


@dataclass(frozen=True)
class Outlook:
    """What would be done to an input.

    Attributes
    ----------
    shape : tuple of int
        Of the input.
    axes : str
        A letter for each of its axes.
    scale : str
        How many times as many pixels: ``x2`` or ``z4y2x2``.
    plan : Description
        Shape of the result, tiles, memory and time.
    disk : int
        Bytes that are written.
    notes : tuple of str
        What the user should know of the input.
    """

    shape: tuple[int, ...]
    axes: str
    scale: str
    plan: Description
    disk: int
    notes: tuple[str, ...]


def outlook(
    target: Target, axes: str | None, settings: UpscaleSettings, model: Model, extent: Region
) -> Outlook:
    """Open an input and tell what would be done.

    Parameters and errors are those of `open_job`.
    """
    image, job = open_job(target, axes, settings, model, extent)
    return Outlook(
        job.axes.shape,
        job.axes.names,
        job.factors.suffix,
        job.describe(),
        written_bytes(job),
        tuple(image.notes),
    )


def load_once(settings: UpscaleSettings, progress: Report | None = None) -> Model:
    """Load the model once, and refuse a scale that it cannot make before any input is opened.

    Parameters
    ----------
    settings : UpscaleSettings
        Model and scale.
    progress : callable, optional
        Called as a model is downloaded.

    Raises
    ------
    VaesrError
        If there is no such model, or it cannot make the scale.
    """
    model = load_model(settings.model, progress=progress)
    if settings.factors:  # else they may be the image's own
        split(settings.factors, model.card.network, model.card.name)
    return model
