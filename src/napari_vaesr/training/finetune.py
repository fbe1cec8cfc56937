"""Fine-tune a model on images of one's own: prepared once, run, stopped and resumed, and saved as a model.

All of it lives in one folder: the settings, the first weights, the images, the checkpoints, the checks and
the best weights. So it goes on after a kill, without the images being at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from napari_vaesr.arrays import Float32Array
from napari_vaesr.errors import VaesrError
from napari_vaesr.pairs.material import Material
from napari_vaesr.pairs.settings import Degradation
from napari_vaesr.training.claims import note_begun
from napari_vaesr.training.config import TrainingConfig
from napari_vaesr.training.estimates import immerkaer_noise, psf_from_spectrum
from napari_vaesr.training.events import Listen, Verdict
from napari_vaesr.training.finish import finish_training
from napari_vaesr.training.fit import fit, quiet_lightning
from napari_vaesr.training.follow import Follow
from napari_vaesr.training.input_statistics import Seen
from napari_vaesr.training.material_patches import MaterialPatches, checked_pairs
from napari_vaesr.training.watch import Watch, read_checks
from napari_vaesr.zoo.card import DataSource
from napari_vaesr.zoo.folders import user_models
from napari_vaesr.zoo.registry import Model, load_model
from napari_vaesr.zoo.weights import save_model


def fitting_patch(material: Material, config: TrainingConfig) -> int:
    """Return the patch of `config`, or the largest one that the images have room for.

    Parameters
    ----------
    material : Material
        The images.
    config : TrainingConfig
        Says the largest patch.

    Returns
    -------
    int
        Side in low-res pixels, a multiple of the coarsest latent stride.
    """
    stride = config.network.levels[0].stride
    room = material.smallest_side // max(config.network.scales) // stride * stride
    return max(stride, min(config.patch, room))


def estimated_degradation(planes: Sequence[Float32Array]) -> Degradation:
    """Return a degradation that gives low-res images the blur and the noise that the given ones have.

    Parameters
    ----------
    planes : sequence of array
        (Y, X) in unit intensity; a few are looked at.
    """
    chosen = planes[:: max(1, len(planes) // 8)]
    noise = sorted(immerkaer_noise(plane) for plane in chosen)[len(chosen) // 2]
    return measured_degradation(psf_from_spectrum(chosen), noise)


def measured_degradation(psf: float, noise: float) -> Degradation:
    """Return a degradation for a point spread function and a noise.

    An image made small has a point spread function as many times narrower, in its own pixels, and less noise.
    What is missing is added: the blur between half of `psf` and all of it, for an estimate is an upper bound,
    and the noise from half of it to one and a half times.

    Parameters
    ----------
    psf : float
        Standard deviation of the point spread function of the images, in their pixels.
    noise : float
        Standard deviation of their noise, in unit intensity.
    """
    return Degradation(
        blur=(0.5 * psf, psf),
        read_noise=(0.5 * noise, 1.5 * noise),
        clean=0.0,
        gain=(0.7, 1.2),
        offset=(-0.05, 0.05),
    )


class FineTune:
    """A fine-tuning that lives in a folder.

    Parameters
    ----------
    folder : str or Path
        What `prepare` made.

    Attributes
    ----------
    folder : Path
        The folder.
    config : TrainingConfig
        Its settings.

    Raises
    ------
    VaesrError
        When there is none in the folder.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        try:
            self.config = TrainingConfig.model_validate_json((self.folder / "config.json").read_bytes())
        except (OSError, ValidationError) as error:
            raise VaesrError(f"There is no fine-tuning in {self.folder}: start a new one.") from error

    @classmethod
    def prepare(
        cls, folder: str | Path, material: Material, start: Model, config: TrainingConfig
    ) -> FineTune:
        """Write down all that a fine-tuning needs.

        Parameters
        ----------
        folder : str or Path
            An empty or new folder.
        material : Material
            What to learn from and to check on.
        start : Model
            Whose weights are the first ones.
        config : TrainingConfig
            As from `finetune_config`; the patch is made smaller where the images have no room for it.

        Raises
        ------
        VaesrError
            When the folder is in use or can't be written.
        """
        folder = Path(folder)
        if (folder / "config.json").exists():
            raise VaesrError(f"{folder} holds a fine-tuning already: resume it, or choose another folder.")
        config = config.model_copy(
            update={
                "patch": fitting_patch(material, config),
                # Planes are learnt from at their own size, where the blur and noise were found.
                "degradation": config.degradation.model_copy(update={"reduce": (1.0, 1.0)}),
                "sources": (
                    *config.sources,
                    DataSource(name="your own", origin=material.origin, licence="the owner's"),
                ),
            }
        )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            save_model(folder / "start", start.network, start.card)
            material.save(folder / "images.npz")
            note_begun(folder)
            (folder / "config.json").write_text(config.model_dump_json(indent=2) + "\n")
        except OSError as error:
            raise VaesrError(
                f"{folder} can't be written ({error.strerror or error}): make room or choose another folder."
            ) from error
        return cls(folder)

    @property
    def start(self) -> Model:
        """The model that it started from, as it was then.

        Raises
        ------
        VaesrError
            When its files are damaged.
        """
        cards = sorted((self.folder / "start").glob("*.json"))
        if not cards:
            raise VaesrError(f"The start of the fine-tuning in {self.folder} is missing: start a new one.")
        return load_model(cards[0])

    @property
    def verdict(self) -> Verdict | None:
        """What the checks so far say; None before the first."""
        checks = read_checks(self.folder)
        return Verdict(tuple(checks)) if checks else None

    def run(
        self,
        listen: Listen = lambda event: None,
        should_stop: Callable[[], bool] = lambda: False,
        *,
        precision: str = "auto",
    ) -> bool:
        """Train, from the beginning or from where it was stopped or killed.

        Parameters
        ----------
        listen : callable, optional
            Told about progress, checks and pictures, in this thread.
        should_stop : callable, optional
            Asked after every step; when it says so, a checkpoint is saved and the training stops.
        precision : str
            As for `fit`.

        Returns
        -------
        bool
            Whether the run reached its end.

        Raises
        ------
        VaesrError
            When something in the folder is missing or damaged.
        """
        material, start = Material.load(self.folder / "images.npz"), self.start
        pairs = checked_pairs(material, self.config)
        watch = Watch(self.folder, pairs, start.network, listen, should_stop)
        with quiet_lightning():
            module = fit(
                self.config,
                partial(MaterialPatches, material, self.config),
                pairs,
                self.folder,
                start=start,
                callbacks=[Follow(listen, should_stop), watch],
                precision=precision,
            )
        return module.progress >= 1

    def save(
        self, destination: str | Path | None = None, *, command: str = "", name: str | None = None
    ) -> Path:
        """Write the best weights so far as a model, with scores and calibration on the held-out images.

        Parameters
        ----------
        destination : str or Path, optional
            A folder; left out, that of the user's models, where all doors find it.
        command : str
            How it was made, for the card.
        name : str, optional
            What to call it; left out, as the settings say.

        Returns
        -------
        Path
            The weights file.

        Raises
        ------
        VaesrError
            When there was no check yet, or the model can't be written.
        """
        material = Material.load(self.folder / "images.npz")
        if material.scale is None:
            seen = Seen.of_truths([view.truth for view in material.learn], self.config)
        else:
            seen = Seen([view.low for view in material.learn])
        return finish_training(
            self.folder,
            user_models() if destination is None else Path(destination),
            checked_pairs(material, self.config),
            command=command,
            name=name,
            start=self.start,
            seen=seen,
        )
