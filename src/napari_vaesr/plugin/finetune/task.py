"""What the fine-tuning panel does, without a window: read layers, train in a worker, save, go on later.

Nothing here needs Qt. The training's own code, and torch with it, is imported only in the methods that a
worker runs.
"""

from __future__ import annotations

import logging
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from threading import Event as Flag
from typing import TYPE_CHECKING, Any, Literal

from napari_vaesr.engine.progress import Progress
from napari_vaesr.errors import Cancelled, VaesrError, first_sentence
from napari_vaesr.imaging.axes import Axes
from napari_vaesr.pairs.settings import Degradation
from napari_vaesr.plugin.viewer.sources import checked_axes, source_array
from napari_vaesr.plugin.viewer.task import Failure
from napari_vaesr.training.config import finetune_config
from napari_vaesr.training.events import Event, Verdict
from napari_vaesr.zoo.card import ModelCard, checked_name, numbered
from napari_vaesr.zoo.folders import user_models
from napari_vaesr.zoo.registry import get_card, models

if TYPE_CHECKING:
    import napari.layers

    from napari_vaesr.pairs.material import Material
    from napari_vaesr.training.finetune import FineTune
    from napari_vaesr.zoo.registry import Model

logger = logging.getLogger(__name__)

BlurFrom = Literal["estimated", "model", "measured"]
"""Where the blur and the noise of simulated low-res images come from."""


class LayerPixels:
    """The pixels of a layer, taken on the main thread.

    Parameters
    ----------
    layer : napari.layers.Image
        In memory, lazy or multiscale.
    axes : str
        Names of its axes.

    Raises
    ------
    VaesrError
        When the axes do not fit.
    """

    def __init__(self, layer: napari.layers.Image, axes: str) -> None:
        self.name: str = layer.name
        self.axes = checked_axes(layer, axes)
        self.array = source_array(layer)
        Axes.parse(self.axes, self.array.shape)


@dataclass(frozen=True)
class Request:
    """What to fine-tune, on what, and how.

    Attributes
    ----------
    start : str
        The model to start from.
    name : str
        What to call the new one.
    minutes : float
        How long to train, checks not counted.
    high : LayerPixels, optional
        The high-res truth.
    low : LayerPixels, optional
        The low-res image that was recorded beside it; left out, low-res images are simulated.
    folder : Path, optional
        Sharp images to learn from instead of `high`.
    blur_from : {"estimated", "model", "measured"}
        Blur and noise of simulated images: estimated from the truth, as the start learnt, or from `psf` and
        `noise`.
    psf : float
        Standard deviation of the point spread function of the truth, in its pixels.
    noise : float
        Standard deviation of the noise of the truth, as a share of its intensity range.
    rate : float
        Factor on the learning rates.
    batch : int
        Patches per step.
    seed : int
        Seed of the patches.
    """

    start: str
    name: str
    minutes: float = 5.0
    high: LayerPixels | None = None
    low: LayerPixels | None = None
    folder: Path | None = None
    blur_from: BlurFrom = "estimated"
    psf: float = 0.5
    noise: float = 0.02
    rate: float = 1.0
    batch: int = 8
    seed: int = 0

    def check(self) -> None:
        """Refuse what cannot be run, before a worker is started.

        Raises
        ------
        VaesrError
            When the name is taken or not possible, or there is nothing to learn from.
        """
        card = get_card(self.start)
        name_checked(self.name)
        if self.folder is not None and not self.folder.exists():
            raise VaesrError(f"{self.folder} does not exist: choose a folder of images.")
        if self.folder is None and self.high is None:
            raise VaesrError("Choose an image to learn from.")
        if self.low is not None and self.high is not None:
            low, high = (Axes.parse(each.axes, each.array.shape) for each in (self.low, self.high))
            if (high.height, high.width) not in [
                (scale * low.height, scale * low.width) for scale in card.scales
            ]:
                scales = " or ".join(map(str, card.scales))
                raise VaesrError(
                    f"The high-res image has to have {scales} times as many pixels along Y and X as the "
                    f"low-res one: they have {high.width} × {high.height} and {low.width} × {low.height}."
                )


def name_checked(name: str) -> None:
    """Refuse a name that no new model can have.

    Raises
    ------
    VaesrError
        When it is taken, or is no name.
    """
    if checked_name(name) in models():
        raise VaesrError(f"There is a model called {name!r} already: choose another name.")


def free_name(start: str, ending: str = "tuned") -> str:
    """Return a name for a model that comes from another, and that is not taken."""
    stem = re.sub(r"[^A-Za-z0-9._-]", "-", Path(start).stem).lstrip("._-")[:80]
    return untaken(f"{stem or 'model'}-{ending}")


def untaken(name: str) -> str:
    """Return a name, with a number where it is taken; one that is too long for that is cut."""
    return numbered(name, models().__contains__)


@dataclass(frozen=True)
class Outcome:
    """How a sitting ended.

    Attributes
    ----------
    kind : {"saved", "no gain", "paused", "cancelled"}
        ``no gain``: it reached its end and nothing was better than the start, so nothing was saved.
    verdict : Verdict, optional
        What the checks say.
    card : ModelCard, optional
        Of the model that was saved.
    """

    kind: Literal["saved", "no gain", "paused", "cancelled"]
    verdict: Verdict | None = None
    card: ModelCard | None = None


@dataclass(eq=False, repr=False)
class FineTuneTask:
    """One sitting of a fine-tuning, set up on the main thread and carried out in a worker.

    Parameters
    ----------
    request : Request, optional
        A new fine-tuning; or
    folder : Path, optional
        one to go on with.

    Attributes
    ----------
    events : SimpleQueue
        What the worker tells.
    is_aborted : callable
        Asked, like the two methods, whether to pause.
    """

    request: Request | None = None
    folder: Path | None = None
    events: SimpleQueue[Event] = field(init=False, default_factory=SimpleQueue)
    is_aborted: Callable[[], bool] = field(init=False, default_factory=lambda: _never)
    _pause: Flag = field(init=False, default_factory=Flag)
    _cancel: Flag = field(init=False, default_factory=Flag)

    def __repr__(self) -> str:  # napari names running work by it when its window is closed
        return "a fine-tuning, which goes on when it is resumed"

    def pause(self) -> None:
        """Stop after this step and keep a checkpoint; before the first, there is nothing to keep."""
        self._pause.set()

    def cancel(self) -> None:
        """Stop after this step and remove the run."""
        self._cancel.set()

    @property
    def stops(self) -> bool:
        """Whether it was asked to stop."""
        return self._pause.is_set() or self._cancel.is_set() or self.is_aborted()

    def run(self) -> Outcome | Failure:
        """Train until the end or until stopped; errors come back as a `Failure`, never as a traceback."""
        try:
            return self._run()
        except Cancelled:  # before its first step
            if self.folder is not None and not self._cancel.is_set():
                return Outcome("paused")
            if self.folder is not None:
                shutil.rmtree(self.folder, ignore_errors=True)
            return Outcome("cancelled")
        except VaesrError as error:
            return Failure(str(error))
        except ModuleNotFoundError as error:
            return Failure(f'Fine-tuning needs {error.name}: run pip install "napari-vaesr[train]".')
        except Exception as error:
            logger.exception("A fine-tuning failed")
            return Failure(f"The fine-tuning failed: {first_sentence(error)}")
        finally:
            self.request = None  # let go of the pixels: napari keeps every worker, and so this task

    def _run(self) -> Outcome:
        from napari_vaesr.training.finetune import FineTune

        self._say("Loading the training ...")
        tuning = FineTune(self.folder) if self.folder is not None else self._prepare()
        self.folder = tuning.folder
        self._say("Checking the model it starts from ...")
        finished = tuning.run(self.events.put, lambda: self.stops)
        if self._cancel.is_set():
            shutil.rmtree(tuning.folder, ignore_errors=True)
            return Outcome("cancelled")
        found = tuning.verdict
        if not finished:
            return Outcome("paused", found)
        if found is None or found.gain <= 0:
            return Outcome("no gain", found)
        return Outcome("saved", found, self._save(tuning))

    def save(self) -> Outcome | Failure:
        """Save the best weights so far as a model, be they better than the start or not; for a worker.

        A run that reached its end is then removed.
        """
        from napari_vaesr.training.finetune import FineTune

        try:
            assert self.folder is not None
            tuning = FineTune(self.folder)
            return Outcome("saved", tuning.verdict, self._save(tuning))
        except VaesrError as error:
            return Failure(str(error))
        except Exception as error:
            logger.exception("Saving a fine-tuning failed")
            return Failure(f"The model could not be saved: {first_sentence(error)}")

    def _save(self, tuning: FineTune) -> ModelCard:
        self._say("Scoring and calibrating the new model on the held-out part ...")
        # Another training of this name may have ended while this one was paused.
        weights = tuning.save(command="napari, Fine-tune a model", name=untaken(tuning.config.name))
        card = get_card(weights)
        shutil.rmtree(tuning.folder, ignore_errors=True)
        return card

    def _prepare(self) -> FineTune:
        """Read what to learn from and write the run's folder."""
        from napari_vaesr.training.finetune import FineTune, estimated_degradation, measured_degradation
        from napari_vaesr.zoo.registry import load_model

        request = self.request
        assert request is not None
        model = load_model(request.start)
        material = self._read(request, model)
        if material.message:
            self._say(material.message)
        changes: dict[str, Any] = {}
        if request.blur_from == "estimated":
            changes["degradation"] = estimated_degradation([pair.truth for pair in material.learn])
        elif request.blur_from == "measured":
            changes["degradation"] = measured_degradation(request.psf, request.noise)
        if "degradation" in changes:
            self._say(described(changes["degradation"]))
        plain = finetune_config(model.card)
        config = finetune_config(
            model.card,
            name=request.name,
            hours=request.minutes / 60,
            muon_rate=request.rate * plain.muon_rate,
            adam_rate=request.rate * plain.adam_rate,
            sigma_rate=request.rate * plain.sigma_rate,
            batch=request.batch,
            seed=request.seed,
            **changes,
        )
        stamp = time.strftime("%Y%m%d-%H%M%S")
        return FineTune.prepare(runs_folder() / f"{request.name}-{stamp}", material, model, config)

    def _read(self, request: Request, model: Model) -> Material:
        from napari_vaesr.pairs.material import (
            material_from_folder,
            material_from_image,
            material_from_pair,
        )

        def progress(step: Progress) -> None:
            if self.stops:
                raise Cancelled
            self.events.put(step)

        network, intensity = model.card.network, model.card.intensity
        if request.folder is not None:
            return material_from_folder([request.folder], network, intensity, progress=progress)
        high, low = request.high, request.low
        assert high is not None
        if low is None:
            return material_from_image(
                high.array, high.axes, network, intensity, name=high.name, progress=progress
            )
        return material_from_pair(
            low.array,
            low.axes,
            high.array,
            high.axes,
            network,
            intensity,
            name=f"{low.name}' and '{high.name}",
            progress=progress,
        )

    def _say(self, message: str) -> None:
        self.events.put(Progress(0, 0, message))


def _never() -> bool:
    return False


def described(degradation: Degradation) -> str:
    """Say what blur and noise a degradation stands for."""
    noise = sum(degradation.read_noise) / 2
    return (
        f"Blur of {degradation.blur[1]:.2g} pixels (standard deviation), noise of {noise:.1%} of the "
        "intensity range."
    )


def runs_folder() -> Path:
    """Return the folder where fine-tunings live until they are saved, beside that of the user's models."""
    return user_models().parent / "fine-tuning"


@dataclass(frozen=True)
class Unfinished:
    """A fine-tuning that can go on."""

    folder: Path
    title: str


def unfinished() -> list[Unfinished]:
    """List the fine-tunings that were paused, or whose napari was closed or killed, the newest first."""
    found = []
    folders = sorted(runs_folder().glob("*/config.json"), key=lambda path: path.stat().st_mtime)
    for path in reversed(folders):
        folder = path.parent
        when = time.strftime("%d %b, %H:%M", time.localtime(path.stat().st_mtime))
        found.append(Unfinished(folder, f"{folder.name.rsplit('-', 2)[0]} ({when})"))
    return found


def discard(folder: Path) -> None:
    """Remove a fine-tuning that was not saved; nothing outside of the folder of runs is touched."""
    if folder.parent == runs_folder():
        shutil.rmtree(folder, ignore_errors=True)
