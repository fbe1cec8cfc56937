"""A measurement as a task for a worker: draw, measure, and put labels in their place. No window is needed."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_vaesr.engine.progress import Progress
from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Axes, Source
from napari_vaesr.imaging.geometry import Turn
from napari_vaesr.imaging.region import Factors, Region
from napari_vaesr.plugin.viewer.layers import unique_name, upscaled_place
from napari_vaesr.plugin.viewer.sources import calibrate_alike, layer_as_source, source_array
from napari_vaesr.plugin.viewer.task import Failure, told_failures
from napari_vaesr.plugin.viewer.world import Units, to_pixels, to_world
from napari_vaesr.trust.segment import checked_labels

if TYPE_CHECKING:
    from napari.layers import Image, Labels

    from napari_vaesr.engine.record import Record
    from napari_vaesr.trust.measure import Measured

ABSENT, PRESENT = np.array([1.0, 0.51, 0.12, 1.0]), np.array([0.29, 0.7, 1.0, 1.0])
"""Colours of objects that are in none and in all of the samples."""

MOST_COLOURED = 2**16
"""Largest number of an object that napari gives a colour of its own."""


@dataclass(frozen=True)
class Measurement:
    """What a task brings: measurements, objects, and where these are.

    Attributes
    ----------
    fields : list of Measured
        One for each plane or stack; objects that were found are numbered through all of them.
    labels : ndarray
        All objects by their numbers, with the axes of the source less ``S``.
    places : list of tuple
        For each field where in `labels` it is.
    axes : str
        Of `labels`.
    """

    fields: list[Measured]
    labels: Any
    places: list[tuple[int | slice, ...]]
    axes: str

    @property
    def colours(self) -> dict[int | None, Any] | None:
        """Colours by number, of all that are not told None: by the share of samples that have an object.

        Nothing where napari has no room for them.
        """
        shares = {number: share for each in self.fields for number, share in each.presence.items()}
        told = {number: share for number, share in shares.items() if share < 1}
        if max(told, default=0) > MOST_COLOURED:
            return None
        colours: dict[int | None, Any] = {None: PRESENT, 0: np.zeros(4)}
        return colours | {number: share * PRESENT + (1 - share) * ABSENT for number, share in told.items()}


@dataclass(eq=False, repr=False)
class MeasureTask:
    """A measurement on one layer, set up on the main thread and carried out in a worker.

    Parameters
    ----------
    layer : napari.layers.Image
        The source that is upscaled as it is measured.
    axes : str
        Of its pixels.
    settings : UpscaleSettings
        How it is upscaled, and by how many samples.
    extent : mapping of str to range
        The part to measure, in pixels of the layer.
    segment : Threshold or array
        What finds objects; or labels of the part that is measured.
    properties : tuple of str
        As for `napari_vaesr.measure`.
    made : Record, optional
        Of the result that is measured, whose calibrations hold.
    """

    layer: Any
    axes: str
    settings: UpscaleSettings
    extent: Mapping[str, range]
    segment: Any
    properties: tuple[str, ...]
    made: Record | None = None
    name: str = field(init=False)
    _source: Source = field(init=False)
    _work: Any = field(init=False, default=None)

    def __post_init__(self) -> None:
        from napari_vaesr.trust.regions import Quantities

        self.name = self.layer.name
        self._source = layer_as_source(self.layer, self.axes)
        self.axes = self._source.axes.names
        Region(self.extent).of(self._source.axes.lengths)
        self._quantities = Quantities(self.properties)
        self._units, self._sizes, self._offset = _physical(self.layer, self.axes)
        names = self.axes.replace("S", "")
        self._turn = Turn.of(self.layer.data_to_world, names, self.layer.scale, self.layer.translate)

    @property
    def has_place(self) -> bool:
        """Whether the layer still has the axes that the objects have."""
        return int(self.layer.ndim) == len(self.axes.replace("S", ""))

    def check_place(self, labels: Labels, units: Units) -> None:
        """Refuse labels that have the size of what is measured and lie elsewhere.

        Less than a pixel is let pass, for some who make labels leave half pixels out.

        Parameters
        ----------
        labels : napari.layers.Labels
            What `segment` was taken from.
        units : sequence of pint.Unit or None
            Of the viewer, ``viewer.dims.units``.

        Raises
        ------
        VaesrError
            If a corner lies a pixel or more from where it belongs.
        """
        from napari.layers import Labels

        names, factors = self.axes.replace("S", ""), self.settings.factors
        lengths = Region(self.extent).of(self._source.axes.lengths).enlarged(factors).lengths
        shape = source_array(labels).shape
        if shape != tuple(lengths[name] for name in names):
            return  # it is told when the labels are cut
        there = Labels(np.zeros((1,) * len(names), np.uint8), **self._place(factors))
        for corner in product(*((0, length - 1) for length in shape)):
            found = to_pixels(there, to_world(labels, corner, units), units)
            if np.abs(found - corner).max() >= 1:
                raise VaesrError(
                    f"'{labels.name}' lies elsewhere than what is measured, please give it the scale and the "
                    "translation of the mean, or make labels on the mean."
                )

    def __repr__(self) -> str:
        return f"the measurement of '{self.name}'"

    def steps(self) -> Generator[Progress, None, Measurement | Failure]:
        """Measure, yielding at least once per tile; errors come back as a `Failure`."""
        self._work = told_failures(self._measure(), f"Measuring '{self.name}'")
        return (yield from self._work)

    def _measure(self) -> Generator[Progress, None, Measurement]:
        yield Progress(0, 0, f"Loading the model '{self.settings.model}' ...")
        from napari_vaesr.engine.draws import Field, draws
        from napari_vaesr.engine.job import UpscaleJob
        from napari_vaesr.trust.measure import measure_field
        from napari_vaesr.trust.regions import Spacing
        from napari_vaesr.trust.shared import SharedErrors

        job = UpscaleJob(self._source, self.settings, self.extent)
        if self.made is not None:
            calibrate_alike(job, self.made, self.axes)
        spacing = Spacing.of(job, self._sizes, self._units, self._offset, self._turn)
        shared = SharedErrors.of(job)
        result_axes = job.result_axes.without_samples()
        labels = np.zeros(result_axes.shape, np.int32)
        fields: list[Measured] = []
        places: list[tuple[int | slice, ...]] = []
        for step in draws(job):
            if not isinstance(step, Field):
                yield Progress(step.done, step.total, "Drawing samples")
                continue
            yield Progress(0, 0, "Measuring ...")
            fixed = None if callable(self.segment) else self._fixed(step, result_axes, job.region)
            find = self.segment if fixed is None else None
            own = step if shared is None else shared(step)
            measured = measure_field(own, find, fixed, self._quantities, spacing)
            if fixed is None:
                measured = _numbered_on(measured, max((max(each.presence) for each in fields), default=0))
            fields.append(measured)
            places.append(_index(measured.place, result_axes, job.region))
            _arranged(labels[places[-1]], result_axes, step.axes)[...] = measured.labels
        return Measurement(fields, labels, places, result_axes.names)

    def _fixed(self, step: Any, axes: Axes, region: Region) -> Any:
        """Cut the labels of a field out of an array of labels of the part that is measured."""
        array = np.asarray(self.segment)
        if array.shape != axes.shape:
            raise VaesrError(
                f"The labels have the shape {array.shape} and what is measured {axes.shape}: choose the part "
                "'Everything', and labels that were made on the mean."
            )
        part = _arranged(array[_index(step.place, axes, region)], axes, step.axes)
        return checked_labels(part, part.shape)

    def close(self) -> None:
        """Stop where it stands and let go of the source."""
        if self._work is not None:
            self._work.close()
        self._work = self.layer = None

    def labels_layer(self, found: Measurement, factors: Factors, taken: list[str]) -> Labels:
        """Return the objects as a layer in place over the source, coloured by how many samples have them."""
        from napari.layers import Labels
        from napari.utils.colormaps import DirectLabelColormap

        colours = found.colours
        return Labels(
            found.labels,
            name=unique_name(f"{self.name} {factors.suffix} objects", taken),
            colormap=None if colours is None else DirectLabelColormap(color_dict=colours),
            opacity=0.6,
            **self._place(factors),
        )

    def _place(self, factors: Factors) -> dict[str, Any]:
        """Return where what is measured lies."""
        origin = {name: part.start for name, part in self.extent.items()}
        return upscaled_place(self.layer, self.axes.replace("S", ""), factors, origin)


def _physical(layer: Image, axes: str) -> tuple[dict[str, str], dict[str, float] | None, dict[str, float]]:
    """Return units, pixel sizes and the place of the first pixel of a layer; none for pixels."""
    names = axes.replace("S", "")
    units = {
        name: f"{unit:~P}" for name, unit in zip(names, layer.units, strict=True) if f"{unit}" != "pixel"
    }
    spatial = [name for name in names if name in "ZYX"]
    if not all(name in units for name in spatial):
        return {}, None, {}
    sizes = dict(zip(names, map(float, layer.scale), strict=True))
    offset = dict(zip(names, map(float, layer.translate), strict=True))
    return (
        {name: units[name] for name in spatial},
        {name: sizes[name] for name in spatial},
        {name: offset[name] for name in spatial},
    )


def _index(place: Mapping[str, int], axes: Axes, region: Region) -> tuple[int | slice, ...]:
    return tuple(place[name] - region[name].start if name in place else slice(None) for name in axes.names)


def _arranged(part: Any, axes: Axes, wanted: str) -> Any:
    """Bring the axes of one field into another order."""
    have = [name for name in axes.names if name in wanted]
    return np.transpose(part, [have.index(name) for name in wanted])


def _numbered_on(measured: Measured, start: int) -> Measured:
    """Return the measurement of a field with its objects numbered from the first after `start`."""
    objects = sorted(number for number in measured.presence if number)
    numbers = {0: 0} | {label: start + count for count, label in enumerate(objects, 1)}
    table = np.zeros(max(numbers) + 1, np.int32)
    table[list(numbers)] = list(numbers.values())
    return replace(
        measured,
        labels=table[measured.labels],
        presence={numbers[label]: share for label, share in measured.presence.items()},
        value={(numbers[label], name): value for (label, name), value in measured.value.items()},
        samples={(numbers[label], name): values for (label, name), values in measured.samples.items()},
    )
