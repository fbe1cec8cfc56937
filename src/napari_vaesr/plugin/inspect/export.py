"""Save what the panel shows: samples as a movie, a profile as a table, the plane on show as a figure."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from magicgui.widgets import Container, PushButton

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.atomic import atomic_path
from napari_vaesr.plugin.inspect.line_profile import Profile
from napari_vaesr.plugin.viewer.results import ShownResult, newest_samples
from napari_vaesr.plugin.viewer.sources import source_array, source_axes, source_of
from napari_vaesr.plugin.viewer.world import Units, to_shown_pixels
from napari_vaesr.plugin.widgets.dialogs import path_to_save
from napari_vaesr.plugin.widgets.panel import errors_shown, row

if TYPE_CHECKING:
    import napari

AnyPath = str | PathLike[str]

MP4 = ".mp4"

FRAME_MILLISECONDS = 200
"""How long the movie shows each sample, as *Play* does."""


def write_movie(path: AnyPath, samples: Any, point: Sequence[float], units: Units) -> None:
    """Write the samples of the plane on show as an animated GIF or MP4, in the colours of their layer.

    Parameters
    ----------
    path : path
        Ends with ``.gif``, or with ``.mp4``, which needs the extra ``movie``.
    samples : napari.layers.Image
        A layer whose first axis counts samples.
    point : sequence of float
        Position in the viewer.
    units : sequence of pint.Unit or None
        Of `point`.

    Raises
    ------
    VaesrError
        When the file can't be written, or what writes an MP4 is not installed.
    """
    from PIL import Image

    where = _plane(samples, point, units)
    frames = [_picture(samples, samples.data[(number, *where[1:])]) for number in range(len(samples.data))]
    if str(path).lower().endswith(MP4):
        _write_mp4(path, frames)
        return
    pictures = [Image.fromarray(frame) for frame in frames]
    with atomic_path(path) as temporary:
        pictures[0].save(
            temporary, "GIF", save_all=True, append_images=pictures[1:], duration=FRAME_MILLISECONDS, loop=0
        )


def _write_mp4(path: AnyPath, frames: Sequence[npt.NDArray[np.uint8]]) -> None:
    try:
        from imageio_ffmpeg import write_frames
    except ImportError:
        raise VaesrError(
            'An MP4 needs the extra movie, please install it: pip install "napari-vaesr[movie]". '
            "A GIF needs nothing."
        ) from None
    height, width = (length + length % 2 for length in frames[0].shape[:2])  # players want even sides
    with atomic_path(path) as temporary:
        writer = write_frames(
            str(temporary),
            (width, height),
            fps=1000 / FRAME_MILLISECONDS,
            quality=9,
            macro_block_size=2,
            output_params=["-f", "mp4"],
        )
        writer.send(None)
        for frame in frames:
            rows, columns = height - frame.shape[0], width - frame.shape[1]
            whole = np.pad(frame, ((0, rows), (0, columns), (0, 0)), mode="edge")
            writer.send(np.ascontiguousarray(whole))
        writer.close()


def write_profile(path: AnyPath, profile: Profile, source: npt.NDArray[Any] | None = None) -> None:
    """Write a profile as CSV: the distance with its unit, mean, lower and upper bound, and the source.

    Raises
    ------
    VaesrError
        When the file can't be written.
    """
    columns = [profile.distance, profile.mean, profile.lower, profile.upper]
    names = [f"distance ({profile.unit})", "mean", "lower bound of 90 %", "upper bound of 90 %"]
    if source is not None:
        columns, names = [*columns, source], [*names, "source"]
    with atomic_path(path) as temporary, Path(temporary).open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(names)
        table.writerows([f"{value:.7g}" for value in values] for values in zip(*columns, strict=True))


def write_plane(
    path: AnyPath, result: ShownResult, source: Any, point: Sequence[float], units: Units
) -> None:
    """Write source, mean and standard deviation of the plane on show as a figure.

    Raises
    ------
    VaesrError
        When the source is gone, planes are not spanned by Y and X, or the file can't be written.
    """
    from napari_vaesr.files.figure import write_figure

    if source is None:
        raise VaesrError("The source is no longer there, so it cannot be put beside its mean: open it first.")
    axes, extent, factors = source_axes(result.record), result.made.extent, result.made.settings.factors
    where = _plane(result.mean, point, units)

    def in_source(name: str, at: int | slice) -> int | slice:
        if isinstance(at, slice):
            return slice(extent[name].start, extent[name].stop)
        made = factors.made_of(name, extent[name]).start + at
        return factors.made_from(name, range(made, made + 1)).start

    input_where = tuple(in_source(name, at) for name, at in zip(axes, where, strict=False))
    mean = np.asarray(source_array(result.mean)[where])
    write_figure(
        path,
        np.asarray(source_array(source)[input_where]),
        mean,
        np.asarray(result.std(where)),
        abs(float(source.scale[-1])),  # below 0 where it is mirrored
        str(source.units[-1]),
        result.name,
    )


def _plane(layer: Any, point: Sequence[float], units: Units) -> tuple[int | slice, ...]:
    """Return the index of the plane on show, kept inside the layer; rows and columns are whole."""
    shape = source_array(layer).shape
    letters = "".join(layer.axis_labels[-2:]).upper()
    whole = (layer.ndim - 2, layer.ndim - 1)
    indices = to_shown_pixels(layer, point, units, whole)
    if set(letters) & set("TCZ"):
        raise VaesrError("This is for layers whose last two axes are Y and X.")
    return tuple(
        slice(None) if axis in whole else int(min(max(round(float(indices[axis])), 0), shape[axis] - 1))
        for axis in range(layer.ndim)
    )


def _picture(layer: Any, pixels: Any) -> npt.NDArray[np.uint8]:
    """Return pixels as the layer shows them, 8-bit RGB."""
    values = np.asarray(pixels, np.float64)
    if layer.rgb:
        dtype = np.dtype(layer.data.dtype)
        whole = np.iinfo(dtype).max if dtype.kind in "iu" else 1  # as napari shows colours
        return np.round(np.clip(values[..., :3] / whole, 0, 1) * 255).astype(np.uint8)
    low, high = layer.contrast_limits
    share = np.clip((values - low) / max(high - low, 1e-12), 0, 1) ** layer.gamma
    colours = layer.colormap.map(share.ravel()).reshape(*share.shape, 4)
    return np.round(255 * colours[..., :3]).astype(np.uint8)


class ExportSection(Container):
    """Buttons that save a figure, a movie of the samples and a profile.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer with the result.
    profile : callable
        Returns the profile on show and the source along it, each None where there is none.
    say : callable
        Called with what the user should read.
    """

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        profile: Callable[[], tuple[Profile | None, Any]],
        say: Callable[[str], None],
    ):
        self._viewer, self._profile, self._say = viewer, profile, say
        self._result: ShownResult | None = None
        self.figure_button = PushButton(
            text="Figure", tooltip="Save source, mean and standard deviation of the plane on show as PNG."
        )
        self.movie_button = PushButton(
            text="Movie", tooltip="Save the newest samples, drawn above, as GIF or MP4."
        )
        self.profile_button = PushButton(
            text="Profile", tooltip="Save the values along the line, with their 90 % band, as CSV."
        )
        buttons = [self.figure_button, self.movie_button, self.profile_button]
        super().__init__(widgets=[row(buttons)], labels=False)
        self.margins = (0, 0, 0, 0)
        self.figure_button.changed.connect(lambda: self._save(self.save_figure, {"PNG": ".png"}))
        self.movie_button.changed.connect(lambda: self._save(self.save_movie, {"GIF": ".gif", "MP4": MP4}))
        self.profile_button.changed.connect(lambda: self._save(self.save_profile, {"CSV": ".csv"}))

    def show_result(self, result: ShownResult | None) -> None:
        """Save this result from now on."""
        self._result = result

    def save_figure(self, path: AnyPath) -> None:
        """Save the figure; raises as `write_plane`."""
        assert self._result is not None
        dims, source = self._viewer.dims, source_of(self._result.record, self._viewer.layers)
        write_plane(path, self._result, source, dims.point, dims.units)

    def save_movie(self, path: AnyPath) -> None:
        """Save the movie; raises `VaesrError` where no samples were drawn, and as `write_movie`."""
        samples = newest_samples(self._viewer.layers)
        if samples is None:
            raise VaesrError("There are no samples yet: draw some first.")
        write_movie(path, samples, self._viewer.dims.point, self._viewer.dims.units)

    def save_profile(self, path: AnyPath) -> None:
        """Save the profile; raises `VaesrError` where no line was drawn, and as `write_profile`."""
        profile, source = self._profile()
        if profile is None:
            raise VaesrError("There is no line over the result: draw one first.")
        write_profile(path, profile, source)

    def _save(self, write: Callable[[AnyPath], None], kinds: Mapping[str, str]) -> None:
        if self._result is None:
            return
        path = path_to_save(self.native, "Save", self._result.name, kinds)
        if path is None:
            return
        with errors_shown(self._say):
            write(path)
            self._say(f"Saved {path.name}.")
