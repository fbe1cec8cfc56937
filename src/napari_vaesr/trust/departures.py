"""How much of an image its result departs from, for the record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from napari_vaesr.arrays import Array
from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.result import Result
from napari_vaesr.engine.torch_state import own_state
from napari_vaesr.imaging.region import Factors, Region
from napari_vaesr.imaging.sampling import middle_of
from napari_vaesr.trust.consistency import LOOKED_AT, UNFAITHFUL, departure_share


def departures(job: UpscaleJob, position: int, mean: Array) -> dict[str, Any]:
    """Tell for the record how much of a plane its result departs from, and the user if that is much.

    Parameters
    ----------
    job : UpscaleJob
        What made it; its messages are added to.
    position : int
        Which of the planes that were upscaled.
    mean : array
        That plane of the result.

    Returns
    -------
    dict
        With ``departures``: the plane's number and the share. Empty where factors are not those of ``Y`` and
        ``X`` alone, for no plane of the source is a plane of the result made small then.
    """
    if not can_depart(job):
        return {}
    found = _departure(job, job.axes.planes_of(job.region)[position], job.region, mean)
    if is_much(found):
        job.messages.append(in_words(found))
    return {"departures": found}


def with_departures(job: UpscaleJob) -> Result:
    """Return the result of a job that is done, with the departures of its middle plane in the record."""
    axes, everything = job.result_axes, slice(None)
    position = axes.plane_count // 2
    mean = axes.read_plane(job.result.mean, position, everything, everything)
    found = departures(job, position, mean)
    return replace(job.result, record={**job.record().plain(), **found})


def can_depart(job: UpscaleJob) -> bool:
    """Whether planes of the source are planes of the result made small."""
    factors = job.factors
    return set(factors) == {"Y", "X"} and factors["Y"] == factors["X"]


def departure_of(job: UpscaleJob, block: Region, mean: Array) -> dict[str, Any] | None:
    """Return the departures of a block, a plane or a part of one: its number and the share.

    Parameters
    ----------
    job : UpscaleJob
        What made it.
    block : Region
        Which one, low-res pixels, every axis named.
    mean : array
        What was made of it, axes as the image's.
    """
    if not can_depart(job):
        return None
    (number,) = job.axes.planes_of(block)
    whole = slice(None)
    plane = job.axes.of_enlarged(block, job.factors).read_plane(mean, 0, whole, whole)
    return _departure(job, number, block, plane)


@own_state()
def _departure(job: UpscaleJob, number: int, part: Region, mean: Array) -> dict[str, Any]:
    factor = job.factors.whole("Y")
    plane = job.axes.plane
    seen = Region({name: middle_of(part[name], LOOKED_AT) for name in plane})  # nothing else is read
    low = job.axes.read_plane(job.array, number, *(seen.slices[name] for name in plane))
    inside = seen.enlarged(Factors.of(factor)).within(part.enlarged(job.factors))
    gain = job.scalings[job.axes.channel_of(number)].gain
    share = departure_share(mean[inside["Y"], inside["X"]], low, factor, data_range=gain)
    return {"plane": number, "share": round(share, 5)}


def is_much(found: Mapping[str, Any]) -> bool:
    """Whether departures are worth a warning."""
    return bool(found) and found["share"] > UNFAITHFUL


def in_words(found: Mapping[str, Any]) -> str:
    """Say what the user should know of them."""
    return (
        f"Made small again, the result differs from {100 * found['share']:.0f} % of the image's pixels by "
        "more than their noise: look at it beside the image."
    )
