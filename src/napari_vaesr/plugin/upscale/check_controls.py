"""The check of the panel: whether a model holds on what is visible, and where results depart from it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox, Container, PushButton
from napari.layers import Image
from qtpy.compat import isalive

from napari_vaesr.engine.progress import Progress
from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.errors import VaesrError
from napari_vaesr.files.output import KEY
from napari_vaesr.imaging.colour import visible_luma
from napari_vaesr.imaging.region import Factors
from napari_vaesr.plugin.upscale.pace import patient_part
from napari_vaesr.plugin.viewer.extents import chosen_extent
from napari_vaesr.plugin.viewer.layers import unique_name, upscaled_place
from napari_vaesr.plugin.viewer.runner import Runner
from napari_vaesr.plugin.viewer.sources import layer_as_source, source_array, weakly
from napari_vaesr.plugin.viewer.task import Failure, told_failures
from napari_vaesr.plugin.widgets.panel import errors_shown, row, show_failure, status_line

if TYPE_CHECKING:
    import napari

    from napari_vaesr.plugin.upscale.form import UpscaleForm
    from napari_vaesr.trust.check import Check
    from napari_vaesr.zoo.calibration import Calibration


@dataclass(frozen=True)
class Checked:
    """What came of a check.

    Attributes
    ----------
    check : Check
        How the model does on the image made small again.
    differences : ndarray of shape (Y, X)
        Where the result of the part departs from the input, in units of its noise.
    share : float
        Of the input's pixels where it does by more than the noise allows.
    """

    check: Check
    differences: Any
    share: float


@dataclass(eq=False, repr=False)
class CheckTask:
    """A check of a part of a layer, carried out in a worker."""

    layer: Any
    axes: str
    settings: UpscaleSettings
    extent: Mapping[str, range]
    name: str = field(init=False)
    _source: Any = field(init=False)

    def __post_init__(self) -> None:
        self.name = self.layer.name
        self._source = layer_as_source(self.layer, self.axes)
        self.axes = self._source.axes.names

    def __repr__(self) -> str:
        return f"the check of '{self.name}'"

    def steps(self) -> Generator[Progress, None, Checked | Failure]:
        """Check; errors come back as a `Failure`."""
        return (yield from told_failures(self._check(), f"Checking '{self.name}'"))

    def _check(self) -> Generator[Progress, None, Checked]:
        yield Progress(0, 0, "Checking ...")
        from napari_vaesr.engine.job import UpscaleJob
        from napari_vaesr.trust.check import check_source
        from napari_vaesr.trust.consistency import consistency_map, inconsistent_share
        from napari_vaesr.zoo.registry import load_model

        model = load_model(self.settings.model)
        done = check_source(self._source, self.settings, self.extent, model)
        yield Progress(0, 0, "Comparing the result with the image ...")
        quick = self.settings.model_copy(update={"samples": 2})
        job = UpscaleJob(self._source, quick, self.extent, model=model)
        yield from job
        low = _grey(self._source.axes.of_region(job.region), self._source.read(job.region))
        mean = _grey(job.result_axes, job.result.mean)
        channel = job.region["C"].start if "C" in job.region else 0
        differences = consistency_map(
            mean, low, self.settings.factors.whole("X"), data_range=job.scalings[channel].gain
        )
        return Checked(done, differences, inconsistent_share(differences))

    def close(self) -> None:
        """Let go of the source."""
        self.layer = self._source = None


def _grey(axes: Any, array: Any) -> Any:
    """Return the only plane of an array, (Y, X) whatever its axes, colours as their luma."""
    plane = axes.read_plane(array, 0, slice(None), slice(None))
    return visible_luma(plane) if axes.is_rgb else plane


class CheckControls(Container):
    """Checks what is visible of the current plane, and offers to use what came of it.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer that is looked at and added to.
    form : UpscaleForm
        Which layer, model and settings.
    say : callable
        Called with what the user should read.
    """

    def __init__(self, viewer: napari.viewer.Viewer, form: UpscaleForm, say: Callable[[str], None]):
        self._viewer, self._form, self._say = viewer, form, say
        self._found: tuple[Any, Checked] | None = None
        self._of: Any = None
        self._pixels: Any = None
        self._map_place: Any = None
        self.button = PushButton(
            text="Check on this image",
            tooltip="Make what is visible small again, with its noise, upscale it, compare it with itself:\n"
            "how much better than interpolation is the model here, and do its intervals hold?\n"
            "What the optics removed, this cannot see.",
        )
        self.map_button = PushButton(
            text="Show departures",
            visible=False,
            tooltip="Add a layer: where the result, made small again, differs from the image, in standard\n"
            "deviations of its noise. Beyond 3 there is something in the one that is not in the other.",
        )
        self.calibrate = CheckBox(
            text="Correct the uncertainty by it",
            value=False,
            visible=False,
            tooltip="Scale the uncertainty of the next run so that it is right on what was checked.\n"
            "It is kept in the record.",
        )
        self.words = status_line()
        super().__init__(
            widgets=[row([self.button, self.map_button]), self.words, self.calibrate], labels=False
        )
        self.margins = (0, 0, 0, 0)
        self.words.visible = False
        self.runner = Runner(self._on_step, self._on_end)
        self.button.changed.connect(self.check)
        self.map_button.changed.connect(self.show_map)
        form.changed.connect(self._on_change)

    def calibrations(self) -> Sequence[Calibration] | None:
        """Return the corrected calibrations, if wanted and if the check was of this layer and model."""
        if self._found is None or not self.calibrate.value or not self._is_of(self._form.layer.value):
            return None
        return self._found[1].check.calibrations if self._corrects() else None

    def check(self) -> None:
        """Start a check, or cancel one that is going on."""
        if self.runner.is_running:
            self.runner.cancel()
            return
        form = self._form
        if form.layer.value is None:
            return
        with errors_shown(self._tell):
            extent = chosen_extent(self._viewer, form.layer.value, form.axes.value, "plane", "visible")
            settings = form.settings().flat
            if settings.samples < 2:
                raise VaesrError("One sample has no spread to check: draw 2 samples or more.")
            task = CheckTask(form.layer.value, form.axes.value, settings, extent)
            self._of, self._pixels = self._asked(), weakly(source_array(task.layer))
            self.button.text = "Cancel"
            self.runner.submit(task)

    def show_map(self) -> None:
        """Add the consistency map of the last check as a layer over its source."""
        if self._found is None or self._map_place is None:
            return
        differences, (layer, axes, extent) = self._found[1].differences, self._map_place
        if layer not in self._viewer.layers:
            self._tell(f"'{layer.name}' is no longer there, so there is no place for the map.")
            return
        spatial = axes.replace("S", "")
        order = [name for name in spatial if name in "YX"]
        plane = differences if order == ["Y", "X"] else differences.T
        lengths = dict(zip(order, plane.shape, strict=True))
        shape = tuple(lengths.get(name, 1) for name in spatial)
        origin = {name: part.start for name, part in extent.items()}
        place = upscaled_place(layer, spatial, Factors(), origin)
        taken = [each.name for each in self._viewer.layers]
        self._viewer.add_layer(
            Image(
                plane.reshape(shape),
                name=unique_name(f"{layer.name} departures", taken),
                colormap="PiYG",
                contrast_limits=(-6, 6),
                # So that it is not taken for an image to upscale.
                metadata={KEY: {"layer": {"role": "departures", "result": uuid.uuid4().hex}}},
                **place,
            )
        )

    def stop(self) -> None:
        """Check nothing more."""
        self.runner.cancel()

    def _asked(self) -> Any:
        form = self._form
        chosen = (form.layer, form.axes, form.model, form.scale, form.domain)
        told = (form.told["noise"], form.told["blur"])
        return tuple(each.value for each in (*chosen, *told))

    def _is_of(self, layer: Any) -> bool:
        """Whether what was found is of a layer as it is, and of all else that is chosen."""
        is_chosen = self._found is not None and self._found[0] == self._asked()
        return is_chosen and self._has_pixels_of(layer)

    def _has_pixels_of(self, layer: Any) -> bool:
        """Whether a layer still has the pixels that were checked."""
        return layer is not None and self._pixels() is source_array(layer)

    def _corrects(self) -> bool:
        """Whether something was found of the uncertainty, and a run makes just what was checked."""
        if self._found is None or not self._found[1].check.is_told:
            return False
        return bool(self._form.settings().scale == self._found[1].check.scale)

    def _on_change(self, *_: Any) -> None:
        if self._found is None:
            return
        if not self._is_of(self._form.layer.value):
            self._forget()
        else:
            self.calibrate.visible = self._corrects()

    def _forget(self) -> None:
        self._found = self._map_place = None
        self.calibrate.value = False
        self.calibrate.visible = self.map_button.visible = False
        self._tell("")

    def _tell(self, text: str) -> None:
        self.words.value = text
        self.words.visible = bool(text)

    def _on_step(self, task: Any, step: Progress) -> None:
        if isalive(self.native):
            self._tell(step.message)

    def _on_end(self, task: Any, outcome: Any) -> None:
        if not isalive(self.native):
            return
        self.button.text = "Check on this image"
        if outcome is None:
            self._tell("Cancelled; nothing was checked.")
        elif isinstance(outcome, Failure):
            show_failure(self._tell, outcome.message)
        elif not self._has_pixels_of(task.layer):
            self._tell(f"'{task.name}' got other data while it was checked: check it again.")
        else:
            from napari_vaesr.trust.consistency import UNFAITHFUL

            self._found = self._of, outcome
            self._map_place = task.layer, task.axes, task.extent
            words = outcome.check.advised(f"tick '{self.calibrate.text}' below" if self._corrects() else "")
            if outcome.share > UNFAITHFUL:
                words += (
                    f" The result departs from the image in {100 * outcome.share:.0f} % of its pixels: look "
                    "where, by Show departures."
                )
            if outcome.check.is_told and not self._corrects():
                words += f" A run that makes {patient_part(self._form.settings())} is not corrected by it."
            self._tell(words)
            self.map_button.visible = True
            self.calibrate.visible = self._corrects()
