"""Measurements with error bars: the same measurement on every sample gives its uncertainty."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_vaesr.arrays import Array
from napari_vaesr.engine.draws import Field, count_fields, fields_of_arrays, fields_of_job, fields_of_result
from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.progress import Progress
from napari_vaesr.engine.result import Result
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Axes
from napari_vaesr.trust.estimate import Estimate
from napari_vaesr.trust.layer_source import LayerSource, as_told
from napari_vaesr.trust.regions import ALL, Quantities, Spacing, regions
from napari_vaesr.trust.segment import Labels, as_segmentation, checked_labels, matched
from napari_vaesr.trust.shared import SharedErrors

if TYPE_CHECKING:
    import pandas

OVERLAP = 0.3
"""Intersection over union from which on an object counts as found again in a sample."""

DEFAULTS = ("area", "intensity_mean", "centroid")

Extra = Callable[[npt.NDArray[np.bool_], Array], float]
"""A property of one's own: from the mask of an object and its intensities, both of its box, to a number."""


@dataclass(frozen=True)
class Measured:
    """Measurements of one field, a plane or a stack along Z.

    Attributes
    ----------
    place : dict of str to int
        Where it is along the other axes.
    labels : ndarray
        The objects of the mean image.
    presence : dict of int to float
        Share of the samples in which each object is there.
    value : dict of (int, str) to float
        By object and quantity, on the mean image; object 0 is all of them together.
    samples : dict of (int, str) to ndarray of shape (samples,)
        The same in every sample; NaN where the object is not there.
    units : dict of str to str
        Of the quantities that have one.
    """

    place: dict[str, int]
    labels: Labels
    presence: dict[int, float]
    value: dict[tuple[int, str], float]
    samples: dict[tuple[int, str], npt.NDArray[np.float64]]
    units: dict[str, str]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of the table, object by object."""
        for (number, quantity), values in self.samples.items():
            found = Estimate.of(self.value[number, quantity], values)
            yield {
                **self.place,
                "object": number,
                "quantity": quantity,
                "unit": self.units.get(quantity, ""),
                "value": found.value,
                "mean": found.mean,
                "error": found.error,
                "low": found.low,
                "high": found.high,
                "presence": self.presence[number],
            }


def measure(
    source: Any,
    segment: Any = "otsu",
    properties: Sequence[str] = DEFAULTS,
    *,
    extra: Sequence[Extra] = (),
    axes: str | None = None,
    pixel_size: Mapping[str, float] | None = None,
    units: Mapping[str, str] | None = None,
    offset: Mapping[str, float] | None = None,
    overlap: float = OVERLAP,
    progress: Callable[[Progress], None] | None = None,
) -> pandas.DataFrame:
    """Measure objects and whole images, with the uncertainty of every number.

    The same measurement is made on the mean and on every sample, thresholds found anew each time. Samples of
    a job or a result get the errors that all of an image shares, too, where the model's card tells them (see
    `napari_vaesr.trust.shared`); those of an array are taken as they are.

    Parameters
    ----------
    source : Result, UpscaleJob, array or napari layer
        What to measure. A job draws its samples as they are needed, and never holds all of them; a result
        must have kept them; an array has one axis of samples before those of `axes`; a layer is that of
        samples kept, or another of a result whose source lies in a file, from which samples are drawn then,
        in its units. Fields (planes, or volumes if there is a ``Z``) come one by one, colours by their luma.
    segment : labels, Threshold, str, float or callable
        Labels of the upscaled image's shape, with or without its channels (then objects are fixed and only
        intensities vary), the name of a threshold (``otsu``, ``li``, ``triangle``), an intensity, or a
        function from an image to labels.
    properties : sequence of str
        Numbers of scikit-image's ``regionprops_table``, of volumes ``volume``; and ``intensity_sum``.
    extra : sequence of callable
        Further properties, named as their functions: from mask and intensities of an object to a number.
    axes : str, optional
        Of `source` if it is an array, without the samples; needed beyond two dimensions.
    pixel_size : mapping of str to float, optional
        Distance between pixels by axis letter, of the image that was upscaled (of the samples themselves if
        `source` is an array). All lengths, areas, volumes and positions are in its unit; pixels of the
        upscaled image by default.
    units : mapping of str to str, optional
        Unit of `pixel_size` by axis letter, for the column ``unit``.
    offset : mapping of str to float, optional
        Where the centre of the first pixel of the image that was upscaled is; centroids are told from there.
        Those of a layer of samples that is turned, sheared or transformed are where it is shown.
    overlap : float
        Intersection over union from which on an object counts as found again in a sample.
    progress : callable, optional
        Called as samples are drawn and measured. What it raises stops the work.

    Returns
    -------
    pandas.DataFrame
        One row for each field, object and quantity. Columns: those of the field's place (``T``, ``C``);
        ``object``, its label in the mean image, 0 for all objects together; ``quantity`` and its ``unit``;
        ``value`` on the mean image; ``mean`` and ``error`` (standard deviation) over samples, ``low`` and
        ``high``, the 90 % range; ``presence``, the share of samples in which the object is there. Object 0
        has the quantity ``count``, too. Values over samples are of those in which the object is there.

    Raises
    ------
    VaesrError
        When the source has no samples, or objects or properties are not right.

    Examples
    --------
    >>> table = measure(result, "otsu", ("area", "intensity_mean"))  # doctest: +SKIP
    """
    if not 0 < overlap <= 1:
        raise VaesrError(f"An overlap of {overlap} is not possible, please give one between 0 and 1.")
    told = as_told(source, axes, pixel_size, units, offset)
    named = (properties,) if isinstance(properties, str) else tuple(properties)
    return as_table(_measured(told, segment, Quantities(named, tuple(extra)), overlap, progress))


def _measured(
    told: LayerSource,
    segment: Any,
    quantities: Quantities,
    overlap: float,
    progress: Callable[[Progress], None] | None,
) -> Iterator[Measured]:
    """Measure field by field; see `measure`."""
    spacing = Spacing.of(told.source, told.pixel_size, told.units, told.offset, told.turn)
    labels = None if callable(segment) or not hasattr(segment, "shape") or not segment.shape else segment
    find = None if labels is not None else as_segmentation(segment)
    shared = SharedErrors.of(told.record or told.source)
    whole, count, fields = _fields(told.source, told.axes, progress)
    for number, field in enumerate(fields):
        field = field if shared is None else shared(field)
        fixed = None if labels is None else _labels_of(labels, whole, field, number, count)
        yield measure_field(field, find, fixed, quantities, spacing, overlap)


def as_table(fields: Iterable[Measured]) -> pandas.DataFrame:
    """Put the measurements of all fields into one table; see `measure`."""
    import pandas

    return pandas.DataFrame([row for field in fields for row in field.rows()])


def measure_field(
    field: Field,
    find: Callable[[Array], Labels] | None,
    fixed: Labels | None,
    quantities: Quantities,
    spacing: Spacing,
    overlap: float = OVERLAP,
) -> Measured:
    """Measure one field; objects are found by a function, or fixed.

    Parameters
    ----------
    field : Field
        With its samples.
    find : callable or None
        From an image to labels.
    fixed : ndarray or None
        Labels, instead.
    quantities : Quantities
        What to measure.
    spacing : Spacing
        Of the field's pixels.
    overlap : float
        See `measure`.
    """
    own = spacing.within(field)

    def of(image: Array, labels: Labels) -> dict[tuple[int, str], float]:
        return regions(image, labels, field.axes, quantities, own)

    def segmented(image: Array) -> Labels:
        if fixed is not None:
            return fixed
        assert find is not None
        return find(image)

    reference = segmented(field.mean)
    value = of(field.mean, reference)
    objects = [int(number) for number in np.unique(reference) if number]
    samples = {key: np.full(len(field.samples), np.nan) for key in value}
    found = dict.fromkeys(objects, 0)
    for index in range(len(field.samples)):
        image = field.samples[index]
        labels = segmented(image)
        here = of(image, labels)
        same = {each: each for each in objects} if fixed is not None else matched(reference, labels, overlap)
        for each in same:
            found[each] += 1
        for number, quantity in value:
            other = ALL if number == ALL else same.get(number)
            if other is not None:
                samples[number, quantity][index] = here[other, quantity]
    count = len(field.samples)
    presence = {ALL: 1.0} | {each: found[each] / count for each in objects}
    named = spacing.units_of({quantity for _, quantity in value}, field.axes)
    return Measured(field.place, reference, presence, value, samples, named)


def _fields(
    source: Result | UpscaleJob | Array, axes: str | None, progress: Callable[[Progress], None] | None
) -> tuple[Axes, int, Iterator[Field]]:
    """Return the axes of the upscaled image, how many fields there are, and all of them."""
    if isinstance(source, UpscaleJob):
        if not source.settings.has_spread:
            raise VaesrError("One sample has no spread, draw 2 samples or more, better 32.")
        count = count_fields(source.axes.of_region(source.region))
        return source.result_axes, count, fields_of_job(source, progress)
    if isinstance(source, Result):
        whole = Axes.parse(source.axes, source.mean.shape)
        return whole, count_fields(whole), fields_of_result(source)
    samples = np.asanyarray(source)
    if samples.ndim < 3:
        raise VaesrError(
            f"Samples have one axis before those of the image, please give them instead of an array of shape "
            f"{samples.shape}; of a layer, measure its result."
        )
    if axes is None and samples.ndim > 3:
        raise VaesrError(
            f"The axes of samples of shape {samples.shape} are not known, please name those of the image, "
            "for example axes='ZYX'."
        )
    whole = Axes.parse(axes or "YX", samples.shape[1:])
    return whole, count_fields(whole), fields_of_arrays(None, samples, whole.names)


def _labels_of(labels: Any, whole: Axes, field: Field, number: int, count: int) -> Labels:
    """Return the labels of one of so many fields: its own, or the same ones for every field."""
    own, lengths = field.mean.shape, whole.without_samples().lengths
    plain = {name: length for name, length in lengths.items() if name != "C"}
    for told in (lengths, plain):  # of every channel, or the same for all
        if tuple(labels.shape) == tuple(told.values()):
            others = {name: length for name, length in lengths.items() if name not in field.axes}
            place = np.unravel_index(number, tuple(others.values()))
            at = {name: int(index) for name, index in zip(others, place, strict=True)}
            part = np.asarray(labels[tuple(at.get(name, slice(None)) for name in told)])
            order = [name for name in told if name not in at]  # where that of a field is ZYX
            return checked_labels(part.transpose([order.index(name) for name in field.axes]), own)
    if tuple(labels.shape) == own:
        return checked_labels(labels, own)
    array = np.asarray(labels)
    if array.ndim > len(own) and array.shape[-len(own) :] == own:
        fields = array.reshape(-1, *own)
        if len(fields) == count:
            return checked_labels(fields[number], own)
    raise VaesrError(
        f"Labels of shape {array.shape} do not fit the upscaled image, with {count} planes or stacks of the "
        f"shape {own}: please make them on what is upscaled, and of a part on that part."
    )
