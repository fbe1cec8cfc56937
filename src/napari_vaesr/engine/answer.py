"""What a pass says of a region: of its planes, however they lie in it, and of all of them together."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace

import numpy as np

from napari_vaesr.arrays import Float32Array
from napari_vaesr.centres import to_larger
from napari_vaesr.engine.assembly import allocate
from napari_vaesr.engine.passes import Pass
from napari_vaesr.engine.planes import spread_out
from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.engine.upscaler import Step, TileMoments
from napari_vaesr.imaging.axes import Axes, Place
from napari_vaesr.imaging.colour import luma
from napari_vaesr.imaging.region import Region
from napari_vaesr.imaging.resample import CUBIC, LINEAR, Kernel, around, enlarged, resampled


def answered(
    step: Pass,
    region: Region,
    blank: Callable[[Region], Answer],
    look: Callable[[Axes, Place, Region, int], Iterator[Step]],
    complete: Callable[[Answer], None],
) -> Generator[Step, None, Answer]:
    """Look at all planes that a region takes; yields as the work goes on, and returns what is said of it.

    Parameters
    ----------
    step : Pass
        What is done.
    region : Region
        What is asked about, every axis named, a single channel.
    blank : callable
        Returns an answer about a region that says nothing yet.
    look : callable
        Looks at the part of a plane, of such axes and at a place, that lies in a region; its noise has keys
        from a number.
    complete : callable
        Called with the answer, about all that the network makes, to add what is known besides.
    """
    answers: list[Answer] = []
    seen, counted, first = step.looked_at(region), 0, 0
    for axes in step.planes:
        answers.append(blank(seen))
        for index in axes.planes_of(seen):
            for told in look(axes, axes.plane_coordinates(index), seen, first):
                if told.finished is not None:
                    tile = told.finished.tile
                    where = seen.changed(axes.region(index, tile.rows, tile.columns))
                    answers[-1].put(axes, where, told.finished)
                # Planes looked at for the sake of others count as work on those.
                before = counted * region.size // seen.size
                counted += told.work
                yield replace(told, work=counted * region.size // seen.size - before)
        first += axes.plane_count  # planes that lie in other ways draw noise of their own
    answer = averaged(answers)
    del answers
    with np.errstate(all="ignore"):  # what the caller has set is about his numbers; ours are looked at
        complete(answer)
        answer.bring_to(region)
    return answer


def bytes_held(step: Pass, pixels: int, written: int) -> int:
    """Return the bytes taken by what is said of so many low-res pixels, and by what is written of it.

    Parameters
    ----------
    step : Pass
        What is done.
    pixels : int
        Of the region.
    written : int
        Bytes for each pixel of the result.
    """
    return int(pixels * step.made.size) * (12 * len(step.planes) + written)


class Answer:
    """What planes say of a region, in unit intensity; axes as the image's less ``S``.

    Parameters
    ----------
    step : Pass
        What is done.
    settings : UpscaleSettings
        How many samples there are, and whether they differ.
    keep_samples : bool
        Whether there is room for every sample, too.
    in_colour : bool
        Whether the network makes the chroma, too.
    region : Region
        What the network enlarges.

    Attributes
    ----------
    mean : ndarray
        Float32.
    variance : ndarray of the same shape, or None
        As samples have it; None where they do not differ.
    std : ndarray of the same shape, or None
        Calibrated, once that is known.
    samples : ndarray of one axis more, the first, or None
        As they were drawn.
    chroma : ndarray of one axis more, the last, or None
        Blue and red difference.
    others : ndarray of one axis more, the last, or None
        These and perhaps alpha, once they are known.
    close : Region
        What interpolating beside the network looks at.
    """

    std: Float32Array | None = None
    others: Float32Array | None = None

    def __init__(
        self, step: Pass, settings: UpscaleSettings, keep_samples: bool, in_colour: bool, region: Region
    ) -> None:
        self._step, self._region = step, region
        self._axes = step.axes.without_samples()
        self.close = around(region, step.made, self._axes)
        shape = self._axes.of_enlarged(region, step.made).shape
        self.mean: Float32Array = allocate(shape, np.float32)
        self.variance = allocate(shape, np.float32) if settings.has_spread else None
        self.samples = allocate((settings.samples, *shape), np.float32) if keep_samples else None
        self.chroma = allocate((*shape, 2), np.float32) if in_colour else None

    def put(self, axes: Axes, where: Region, found: TileMoments) -> None:
        """Put what was found of a part of one plane of `axes` in its place.

        Parameters
        ----------
        axes : Axes
            Of what the pass looks at; `where` is a part of one of its planes.
        where : Region
            Low-res pixels.
        found : TileMoments
            What the network made of it, in unit intensity.
        """
        outline, made = axes.without_samples(), self._step.made
        inside = where.enlarged(made).within(self._region.enlarged(made))
        index = tuple(inside[name] if name in outline.plane else inside[name].start for name in outline.names)
        self.mean[index] = outline.arrange_plane(found.mean)
        if self.variance is not None and found.std is not None:
            self.variance[index] = outline.arrange_plane(found.std) ** 2
        if self.samples is not None and found.samples is not None:
            for kept, sample in zip(self.samples, found.samples, strict=True):
                kept[index] = outline.arrange_plane(sample)
        if self.chroma is not None and found.chroma is not None:
            for number in range(2):
                self.chroma[(*index, number)] = outline.arrange_plane(found.chroma[..., number])

    def enlarged(self, part: Float32Array, kernel: Kernel) -> Float32Array:
        """Interpolate pixels beside the network, to what it makes of its region.

        Parameters
        ----------
        part : float32 array
            Pixels of `close`, perhaps with an axis behind.
        kernel : Kernel
            How they are interpolated.
        """
        return enlarged(part, self.close, self._region, self._step.made, self._axes, kernel)

    def add_earlier(self, earlier: Float32Array) -> None:
        """Add to each sample what the pass before drew, enlarged.

        Parameters
        ----------
        earlier : float32 array
            Of `close`, an axis of samples first; of colours with ``S``, of which the luma counts.
        """
        assert self.samples is not None
        for sample, before in zip(self.samples, earlier, strict=True):
            grey = before
            if self._step.axes.is_rgb:
                colours = np.moveaxis(before, self._step.axes.names.index("S"), -1)
                grey = luma(colours[..., :3])
            sample += self.enlarged(grey, LINEAR)

    def bring_to(self, region: Region) -> None:
        """Bring it to what was asked for, where the network made more.

        The truth between two planes is as uncertain as they are, so variances are interpolated. A sample
        there is an average, which varies less: its distance from the mean is brought to that std.
        """
        if not self._step.resampled:
            return
        self.mean = self._brought_to(region, self.mean)
        if self.std is not None:
            self.std = np.sqrt(self._brought_to(region, self.std**2, LINEAR))
        if self.others is not None:
            self.others = self._brought_to(region, self.others)
        if self.samples is not None:
            samples = np.stack([self._brought_to(region, sample) for sample in self.samples])
            if self.std is not None:
                drawn = np.sqrt(np.mean((samples - self.mean) ** 2, axis=0))
                for sample in samples:
                    sample[...] = spread_out(sample, self.mean, drawn, self.std)
            self.samples = samples

    def _brought_to(self, region: Region, part: Float32Array, kernel: Kernel = CUBIC) -> Float32Array:
        """Interpolate along axes of which the network made more pixels than were asked for."""
        step = self._step
        for name in step.resampled:
            whole, wanted = step.axes.upscaled(step.made), step.factors.made_of(name, region[name])
            times = step.made.along(name) / step.factors.along(name)
            positions = to_larger(np.asarray(wanted), times)
            start = self._region[name].start * step.made.whole(name)
            axis = self._axes.names.index(name)
            part = resampled(part, axis, positions, start, whole.lengths[name], kernel)
        return part


def averaged(answers: Sequence[Answer]) -> Answer:
    """Average one answer or two; where they differ, neither is to be trusted as much.

    Parameters
    ----------
    answers : sequence of Answer
        Of the same region; the first is changed.

    Returns
    -------
    Answer
        Of two, a quarter of the squared difference of their means is added to the mean of their variances.
    """
    if len(answers) == 1:
        return answers[0]
    one, other = answers
    half = (one.mean - other.mean) / 2
    if one.samples is not None and other.samples is not None:
        # The two drew apart from each other: their sum over the root of two varies as much as either.
        for sample, its in zip(one.samples, other.samples, strict=True):
            sample += (its - other.mean) * np.float32(0.5**0.5) + (sample - one.mean) * np.float32(
                0.5**0.5 - 1
            )
            sample -= half
    one.mean -= half
    if one.variance is not None and other.variance is not None:
        one.variance += other.variance
        one.variance /= 2
        one.variance += half**2
    return one
