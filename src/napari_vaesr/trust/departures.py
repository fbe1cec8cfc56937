"""How much of an image its result departs from, for the record."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy.typing as npt

from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.result import Result
from napari_vaesr.engine.torch_state import own_state
from napari_vaesr.trust.consistency import UNFAITHFUL, departure_share


@own_state()
def departures(job: UpscaleJob, position: int, mean: npt.NDArray[Any]) -> dict[str, Any]:
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
    factors = job.factors
    if set(factors) != {"Y", "X"} or factors["Y"] != factors["X"]:
        return {}
    number = job.axes.planes_of(job.region)[position]
    rows, columns = (slice(job.region[name].start, job.region[name].stop) for name in "YX")
    low = job.axes.read_plane(job.array, number, rows, columns)
    gain = job.scalings[job.axes.channel_of(number)].gain
    share = departure_share(mean, low, factors.whole("Y"), data_range=gain)
    if share > UNFAITHFUL:
        job.messages.append(
            f"Made small again, the result differs from {100 * share:.0f} % of the image's pixels by more "
            "than their noise: look at it beside the image."
        )
    return {"departures": {"plane": number, "share": round(share, 5)}}


def with_departures(job: UpscaleJob) -> Result:
    """Return the result of a job that is done, with the departures of its middle plane in the record."""
    axes, everything = job.result_axes, slice(None)
    position = axes.plane_count // 2
    mean = axes.read_plane(job.result.mean, position, everything, everything)
    found = departures(job, position, mean)
    return replace(job.result, record={**job.record().plain(), **found})
