"""A training from folders of images as it was asked for, and what it takes, put together."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.atomic import atomic_path
from napari_vaesr.files.image import SUFFIXES
from napari_vaesr.files.place import file_state
from napari_vaesr.pairs.images import find_images, hold_out, hold_out_listed, why_passed, with_intensities
from napari_vaesr.pairs.recorded import read_recorded
from napari_vaesr.training.claims import has_made
from napari_vaesr.training.config import RECIPES, ModelUsed, TrainingConfig, checked_config, finetune_config
from napari_vaesr.training.fit import Supply, newest_checkpoint
from napari_vaesr.training.input_statistics import Seen
from napari_vaesr.training.over import OVER_SETTINGS, described_base, over_network
from napari_vaesr.training.recorded_patches import RecordedPatches, for_pairs, recorded_checks
from napari_vaesr.training.validation import FixedPairs, ValidationPairs
from napari_vaesr.vae.config import PRESETS, SIZES, Size
from napari_vaesr.zoo.card import DataSource
from napari_vaesr.zoo.folders import is_bundled, user_models
from napari_vaesr.zoo.registry import Model, load_model

BEGINNING = 2**20
"""Bytes of an image by which it is known again."""


@dataclass(frozen=True)
class OtherNetwork:
    """A network of other makers to train over, and what the card is to say of it.

    Attributes
    ----------
    path : Path
        Its file.
    licence, authors, source : str
        Of its weights; empty where they are not known.
    colours : {"rgb", "luma"}
        What it sees of colour images.
    runs_code : bool
        Whether TorchScript, which brings code of its own, may run.
    """

    path: Path
    licence: str = ""
    authors: str = ""
    source: str = ""
    colours: Literal["rgb", "luma"] = "rgb"
    runs_code: bool = False


@dataclass(frozen=True)
class TrainingRequest:
    """What to train, on what, and from where.

    Attributes
    ----------
    images : list of Path
        Folders of sharp images, or image files; with `pairs` folders two by two, low-res and high-res.
    pairs : bool
        Whether they are recorded pairs.
    validate : list of Path, optional
        Images to validate and calibrate on; left out, every tenth is held out.
    hold_out : Path, optional
        A text file of names to hold out.
    recipe : str, optional
        Name of the recipe to start from; left out, ``microscopy``, or what a model is fine-tuned with.
    config : Path, optional
        A JSON file of settings that replace the recipe's.
    size : {"tiny", "base", "conv_vae"}, optional
        Of the network.
    options : dict of str to Any
        Settings that replace those: ``name``, ``steps``, ``hours``, ``seed``; None leaves one as it is.
    start, begin_with, teacher : str, optional
        Models: to fine-tune, to begin with the weights of, and to learn from.
    over : OtherNetwork, optional
        The network to train over.
    run, output : Path, optional
        Folders of the run and of the model.
    """

    images: list[Path]
    pairs: bool = False
    validate: list[Path] | None = None
    hold_out: Path | None = None
    recipe: str | None = None
    config: Path | None = None
    size: Size | None = None
    options: dict[str, Any] = field(default_factory=dict)
    start: str | None = None
    begin_with: str | None = None
    teacher: str | None = None
    over: OtherNetwork | None = None
    run: Path | None = None
    output: Path | None = None

    def prepare(self, say: Callable[[str], None]) -> Prepared:
        """Load the models, read the images and settle the settings.

        Parameters
        ----------
        say : callable
            Told what the user should know.

        Raises
        ------
        VaesrError
            When the request contradicts itself, something can't be read, or a model is in the way.
        """
        if self.start is not None and self.begin_with is not None:
            raise VaesrError("--start fine-tunes and --begin-with trains in full: give one of them.")
        tuned, first, teacher = (
            None if name is None else load_model(name) for name in (self.start, self.begin_with, self.teacher)
        )
        settings = self.settings(tuned, say)
        if tuned is not None:
            own = DataSource(name="your own", origin=", ".join(map(str, self.images)), licence="the owner's")
            settings = settings.model_copy(update={"sources": (*settings.sources, own)})
        elif first is not None:  # its images are behind these weights, too
            sources = tuple(dict.fromkeys((*settings.sources, *first.card.training_data)))
            settings = settings.model_copy(update={"start": ModelUsed.of(first.card), "sources": sources})
        if teacher is not None:
            settings = settings.model_copy(update={"teacher": ModelUsed.of(teacher.card)})
        prepared = self._material(settings, tuned, first or tuned, teacher, say)
        _check_place(prepared)
        _remember_images(prepared, self.images, say)
        return prepared

    def _material(
        self,
        settings: TrainingConfig,
        tuned: Model | None,
        start: Model | None,
        teacher: Model | None,
        say: Callable[[str], None],
    ) -> Prepared:
        """Add what is learnt from, what is validated on and what is scored on at the end."""
        made = partial(Prepared, tuned=tuned, start=start, teacher=teacher, run=self.run, output=self.output)
        if self.pairs:
            if self.validate or self.hold_out or len(self.images) % 2:
                raise VaesrError(
                    "With --pairs give folders two by two, LOW HIGH, without --validate and --hold-out: the "
                    "last tenth of the names is validated on."
                )
            folders = list(zip(self.images[::2], self.images[1::2], strict=True))
            recorded, held = read_recorded(folders, settings.network.scales, settings.intensity)
            own = for_pairs(settings, [*recorded, *held])
            if own.network.scales != settings.network.scales:
                scales = " and ".join(f"×{scale}" for scale in own.network.scales)
                say(f"Note: the pairs are of {scales}, so the model will make no other scale.")
            checks = recorded_checks(held, own)
            seen = partial(Seen, [pair.low for pair in recorded])
            return made(own, partial(RecordedPatches, recorded, own), checks, checks, seen)
        if self.hold_out:
            learn, kept = hold_out_listed(self.images, self.hold_out)
            scored = [*kept, *(self.validate or [])]
        elif self.validate:
            learn, scored = self.images, self.validate
        else:
            learn, scored = hold_out(self.images, settings.network.whole_side)
        if self.validate:
            learn = _without(learn, self.validate, say)
        checks, seen = ValidationPairs(scored, settings), partial(Seen.of_folders, learn, settings)
        return made(settings, learn, checks, scored, seen)

    def settings(
        self, tuned: Model | None = None, say: Callable[[str], None] = lambda text: None
    ) -> TrainingConfig:
        """Put together the recipe, the file and the options; the later replace the earlier.

        Parameters
        ----------
        tuned : Model, optional
            The model that is fine-tuned, whose settings then stand in for the recipe's.
        say : callable, optional
            Told what the user should know.

        Raises
        ------
        VaesrError
            When one is not valid, or they contradict one another.
        """
        if tuned is not None and self.recipe is not None:
            raise VaesrError(f"The settings are those of {tuned.card.name!r}: leave --recipe out.")
        recipe = RECIPES[self.recipe or "microscopy"]
        fields = (finetune_config(tuned.card) if tuned else recipe).model_dump()
        options, size = dict(self.options), self.size
        if self.over is not None:
            fields |= self._over_settings(self.over, options, say)
            size = None
        if tuned is not None and size is not None:
            raise VaesrError(f"The sizes are those of {tuned.card.name!r}: leave --size out.")
        if tuned is None and (options.get("name") is not None or self.config is not None):
            # What the recipe says of its own images and use does not hold for another model.
            fields |= {"title": "", "description": "", "sources": ()}
        asked = {} if self.config is None else _read_settings(self.config)
        for key, value in asked.items():
            # A group such as `degradation` changes what it names and keeps the rest.
            group = isinstance(value, dict) and isinstance(fields.get(key), dict)
            fields[key] = fields[key] | value if group else value
        if size is not None:
            preset = PRESETS[size]
            # Of the same architecture, what the network looks at and makes stays that of the recipe.
            is_alike = preset.architecture == fields["network"]["architecture"]
            fields["network"] |= preset.model_dump(include=SIZES if is_alike else None)
        fields |= {key: value for key, value in options.items() if value is not None}
        if "scale_weights" not in asked:
            made = checked_config({**fields, "scale_weights": None}).network.factors
            if len(fields["scale_weights"] or ()) != len(made):
                fields["scale_weights"] = None  # the recipe's are of other factors
        settings = checked_config(fields)
        if settings.steps is None and settings.hours is None:
            settings = settings.model_copy(update={"hours": 1.0 if tuned is None else 0.25})
        return settings

    def _over_settings(
        self, other: OtherNetwork, options: dict[str, Any], say: Callable[[str], None]
    ) -> dict[str, Any]:
        """Return what a model over another network has of its own, and name it."""
        if self.start is not None or self.begin_with is not None:
            raise VaesrError("--over begins with another network: leave --start and --begin-with out.")
        if self.size is not None and PRESETS[self.size].architecture != "ladder_vae":
            raise VaesrError(f"A {self.size} stands on no other network: leave --size out.")
        options["name"] = options.get("name") or f"{other.path.stem}-sure"
        base = described_base(
            other.path,
            licence=other.licence,
            authors=other.authors,
            source=other.source,
            colours=other.colours,
            runs_code=other.runs_code,
            run=self.run or Path("runs") / options["name"],
            say=say,
        )
        return {**OVER_SETTINGS, "network": over_network(base, self.size).model_dump()}


@dataclass(frozen=True)
class Prepared:
    """What a training takes.

    Attributes
    ----------
    settings : TrainingConfig
        Its settings.
    learn : list of Path, or callable
        What is learnt from; see `fit`.
    checks : FixedPairs
        What is validated on.
    scored : list of Path, or FixedPairs
        What the model is scored and calibrated on at the end.
    seen : callable
        Returns what the card is to tell of the images that are learnt from.
    tuned, start, teacher : Model or None
        The model that is fine-tuned, the one whose weights are the first, and the one that is learnt from.
    run, output : Path or None
        Folders, where they were named.
    """

    settings: TrainingConfig
    learn: list[Path] | Supply
    checks: FixedPairs
    scored: list[Path] | FixedPairs
    seen: Callable[[], Seen]
    tuned: Model | None
    start: Model | None
    teacher: Model | None
    run: Path | None
    output: Path | None

    @property
    def folder(self) -> Path:
        """Where checkpoints and logs go."""
        return self.run or Path("runs") / self.settings.name

    @property
    def models(self) -> Path:
        """Where the finished model goes."""
        return self.output or user_models()


def _check_place(prepared: Prepared) -> None:
    """Refuse to train what would take the place of another model, or could not be written."""
    name, models = prepared.settings.name, prepared.models
    if prepared.output is None and is_bundled(name):
        raise VaesrError(
            f"A bundled model is called {name!r}, and this one would take its place: give it a --name of its "
            "own, or an --output folder."
        )
    card = models / f"{name}.json"
    if card.exists() and not has_made(prepared.folder, card):
        raise VaesrError(
            f"{models} has a model {name} that this run has not made: choose another --name or --output, or "
            "remove that model."
        )
    if models.exists() and not models.is_dir():
        raise VaesrError(f"{models} is no folder: choose another --output.")
    models.mkdir(parents=True, exist_ok=True)
    if not os.access(models, os.W_OK | os.X_OK):
        raise VaesrError(f"Nothing may be written into the folder {models}: choose another --output.")


def _remember_images(prepared: Prepared, images: Sequence[Path], say: Callable[[str], None]) -> None:
    """Write down what a run learns from, and refuse to go on with other images; say what is left out.

    They are told by their names, sizes and beginnings, for they may have moved.
    """
    passed: list[Path] = []
    if isinstance(prepared.scored, FixedPairs):
        parts = [[path for folder in images for path in with_intensities(folder, SUFFIXES, passed)]]
    else:
        parts = [find_images(images, passed), find_images(prepared.scored, passed)]
    if passed:
        say(f"Note: {why_passed(passed)}.")
    looks = [sorted(map(_look, part)) for part in parts]
    found = sha256(json.dumps(looks).encode()).hexdigest()
    told = prepared.folder / "images.sha256"
    before = told.read_text() if told.exists() else found  # earlier versions do not tell
    if before != found and newest_checkpoint(prepared.folder) is not None:
        raise VaesrError(
            f"The run in {prepared.folder} has learnt from other images, or held others out: choose another "
            "--name or --run, or remove that folder."
        )
    prepared.folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(told) as temporary:  # half of it would be that of other images
        temporary.write_text(found)


def _look(path: Path) -> str:
    if path.is_dir():  # a Zarr
        return f"{path.name!r} {file_state(path)['size']}"
    with path.open("rb") as file:
        beginning = sha256(file.read(BEGINNING)).hexdigest()
    return f"{path.name!r} {path.stat().st_size} {beginning}"


def _without(learn: Sequence[Path], validate: Sequence[Path], say: Callable[[str], None]) -> list[Path]:
    """Leave out what is validated on, which may lie in a folder below: it would be known by heart."""
    held = {path.resolve() for path in find_images(validate)}
    files = find_images(learn)
    left = [path for path in files if path.resolve() not in held]
    if not left:
        raise VaesrError("All images are validated on, so none is left to train on: name fewer.")
    if len(left) < len(files):
        say(f"Note: {len(files) - len(left)} images are validated on, and not learnt from.")
    return left


def _read_settings(path: Path) -> dict[str, Any]:
    """Read a JSON file of settings."""
    try:
        asked = json.loads(path.read_text(encoding="utf-8"))
        return dict(asked.items())
    except (OSError, ValueError, AttributeError) as error:
        raise VaesrError(f"The settings {path} cannot be read as a JSON object: {error}.") from error
