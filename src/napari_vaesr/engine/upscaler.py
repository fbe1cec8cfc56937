"""The heart of the engine: one model on one plane, tile by tile, encoded once and decoded many times."""

from __future__ import annotations

import copy
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol
from weakref import WeakKeyDictionary

import numpy as np
import torch

from napari_vaesr.arrays import Float32Array
from napari_vaesr.engine.device import DeviceChoice, choose_device, is_out_of_memory, release_memory
from napari_vaesr.engine.memory import TileMemory
from napari_vaesr.engine.moments import BROAD, NEIGHBOURS, PairedMoments, smoothed, with_areas
from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.engine.speed import Speed, speed_of
from napari_vaesr.engine.torch_state import own_state
from napari_vaesr.engine.trimming import sparing, trimmed, without_halo
from napari_vaesr.errors import TryAgain, VaesrError
from napari_vaesr.imaging.tiling import Tile, plan_tiles, read_padded, round_up
from napari_vaesr.vae.base import Encoded, SuperResolutionVAE
from napari_vaesr.vae.config import Conditions, Factor
from napari_vaesr.vae.factor import shuffle
from napari_vaesr.vae.latent_noise import latent_noise
from napari_vaesr.zoo.calibration import AS_DRAWN, AreaFactors
from napari_vaesr.zoo.registry import Model

NoiseKeys = Sequence[tuple[int, float]]
"""Keys of independent noise, and weights whose squares sum to 1."""

ENCODING_WORK = 10
"""Progress counts the encoding of a tile as so many samples of it."""


class Plane(Protocol):
    """What the upscaler asks of a plane."""

    @property
    def keys(self) -> NoiseKeys:
        """What decides its noise: keys, and how much of the noise of each it has."""

    @property
    def height(self) -> int:
        """Rows in low-res pixels."""

    @property
    def width(self) -> int:
        """Columns in low-res pixels."""

    @property
    def conditions(self) -> Conditions:
        """What a conditioned network is told of it."""

    @property
    def is_rgb(self) -> bool:
        """Whether it has colours."""

    @property
    def areas(self) -> AreaFactors:
        """What its samples are changed by."""

    def luma(self, rows: slice, columns: slice) -> Float32Array:
        """Read unit intensities of shape (rows, columns, planes): as many planes as the network sees."""

    def colours(self, rows: slice, columns: slice) -> Float32Array:
        """Read unit intensities of shape (rows, columns, 3), where it has colours."""


@dataclass(frozen=True)
class TileMoments:
    """Mean and standard deviation of the samples of one tile's core, in unit intensities.

    Attributes
    ----------
    tile : Tile
        Where.
    mean : ndarray of shape (rows, columns), each times its factor
        Float32.
    std : ndarray of the same shape, or None
        None where the settings give no spread.
    samples : ndarray of one axis more, the first, or None
        What the model drew, where that was asked for. Their spread is not calibrated.
    chroma : ndarray of shape (rows, columns, 2), each times its factor, or None
        Blue and red difference, where the network sees colours and there are some.
    """

    tile: Tile
    mean: Float32Array
    std: Float32Array | None
    samples: Float32Array | None
    chroma: Float32Array | None


@dataclass(frozen=True)
class Step:
    """A little progress.

    Attributes
    ----------
    work : int
        Work done since the step before, in low-res pixels times samples; negative when a tile has to start
        again.
    finished : TileMoments or None
        The tile that this step finished.
    message : str
        Something the user should know.
    """

    work: int
    finished: TileMoments | None = None
    message: str = ""


class Upscaler:
    """Runs a model on regions of planes.

    Parameters
    ----------
    model : Model
        A card and its network.
    settings : UpscaleSettings
        What to do with it; ``settings.model`` plays no part here.

    factor : (int, int)
        How many times more rows and columns; one of those that the network makes.

    Attributes
    ----------
    choice : DeviceChoice
        Where it runs, and why.
    halo : int
        Context around every tile in low-res pixels, on a multiple of the network's alignment.
    tile : int
        Largest side of a tile in low-res pixels; halved whenever memory runs out.
    room : TileMemory
        What a tile takes, and may take.

    Raises
    ------
    VaesrError
        When the device is not there.
    ValueError
        When the network lacks the factor.
    """

    def __init__(self, model: Model, settings: UpscaleSettings, factor: Factor = (2, 2)) -> None:
        config = model.card.network
        if factor not in config.factors:
            raise ValueError(f"The model {model.card.name} can't make {factor} in one pass.")
        self.settings, self.factor = settings, factor
        self.choice = choose_device(settings.device, settings.precision)
        self.network = prepare_network(model.network, self.choice)
        has_areas = self.network.is_odd and factor[0] == factor[1]
        self._around = NEIGHBOURS + BROAD * has_areas  # what the calibration and the variance look at
        self.halo = round_up(self.network.receptive_radius + self._around, self.network.alignment)
        self.room = TileMemory(config, factor, self.choice, settings.memory)
        self.tile = settings.tile or max(self.network.alignment, self.room.largest_side(self.halo))

    def moments(
        self, plane: Plane, rows: range, columns: range, *, keep_samples: bool = False
    ) -> Iterator[Step]:
        """Compute a region of a plane.

        Parameters
        ----------
        plane : Plane
            Where pixels come from; read once per tile.
        rows, columns : range
            The region, low-res pixels. Its result does not depend on how it is cut out of the plane.
        keep_samples : bool
            Give every sample too, which takes as many times the memory of the mean.

        Yields
        ------
        Step
            Several per tile; one of them holds the tile's moments.

        Raises
        ------
        VaesrError
            When even the smallest tile does not fit the memory, or a result is not a finite number.
        """
        shape = plane.height, plane.width
        waiting = deque(self.plan(rows, columns, shape))
        while waiting:
            tile = waiting.popleft()
            work = 0
            try:
                for step in self._tile_steps(plane, tile, keep_samples):
                    work += step.work
                    yield step
                continue
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            # Out of the except clause the failed tile's tensors are free, for nothing holds the traceback.
            message = self._halve_tile(tile)
            left = [tile, *waiting]
            waiting = deque(part for old in left for part in self.plan(old.rows, old.columns, shape))
            yield Step(-work, message=message)

    def plan(self, rows: range, columns: range, shape: tuple[int, int]) -> list[Tile]:
        """Return the tiles of a region of a plane of this height and width.

        Tiles end at the border of the plane: there the network meets the zeros around its inputs
        as it did at the border of every patch that it learnt from.

        Parameters
        ----------
        rows, columns : range
            The region, low-res pixels.
        shape : (int, int)
            Height and width of the whole plane.
        """
        return plan_tiles(rows, columns, self.tile, self.halo, self.network.alignment, shape)

    def work(self, pixels: int) -> int:
        """Return the sum of all steps' work for so many low-res pixels."""
        return pixels * (self.settings.samples + ENCODING_WORK)

    def samples_at_once(self, tile: Tile) -> int:
        """Return how many samples of a tile are decoded together: whole pairs, as many as fit the memory."""
        return self.room.samples_at_once(tile, self.settings.samples)

    def memory(self, tile: Tile) -> int:
        """Estimate the bytes that a tile takes while it is computed."""
        return self.room.taken(tile, self.settings.samples)

    def seconds_per_pixel(self) -> float:
        """Return seconds per low-res pixel for an estimate, timed on a small tile now or a little before."""
        return speed_of(self.network, self.factor, self._measure_speed).seconds(self.settings.samples)

    def _measure_speed(self) -> Speed:
        side = round_up(128, self.network.alignment)
        tile = Tile(range(side), range(side), range(side), range(side))
        pixels = np.zeros((side, side, 1), dtype=np.float32)
        encoding = decoding = float("inf")
        for _ in range(2):  # the first pass warms up
            start = time.perf_counter()
            encoded = self._encode(pixels, Conditions(intercept=0.01))
            middle = time.perf_counter()
            self._add_samples(PairedMoments(), encoded, tile, ((0, 1.0),), range(2))
            encoding = min(encoding, middle - start)
            decoding = min(decoding, time.perf_counter() - middle)
        return Speed(encoding / side**2, decoding / 2 / side**2)

    def _tile_steps(self, plane: Plane, tile: Tile, keep_samples: bool) -> Iterator[Step]:
        pixels = len(tile.rows) * len(tile.columns)
        wide = tile.widened(self._around, (plane.height, plane.width))
        in_colour = self.network.sees_colours and plane.is_rgb
        seen = read_padded(plane.colours if in_colour else plane.luma, tile, plane.height, plane.width)
        with sparing(self.network, self.factor, wide):
            encoded = self._encode(seen, plane.conditions, in_colour)
        yield Step(pixels * ENCODING_WORK)
        encoded, wide = without_halo(self.network, self.factor, encoded, wide)
        tile = replace(tile, padded_rows=wide.padded_rows, padded_columns=wide.padded_columns)
        moments = PairedMoments()
        kept: list[Float32Array] = []
        samples, at_once = self.settings.samples, self.samples_at_once(tile)
        for first in range(0, samples, at_once):
            chunk = range(first, min(first + at_once, samples))
            drawn = self._add_samples(moments, encoded, wide, plane.keys, chunk, plane.areas)
            if keep_samples:
                kept.append(self._placed(drawn, encoded, tile, wide).cpu().numpy())
            del drawn  # or it would stay while the next ones are drawn
            last = chunk.stop == samples
            yield Step(
                pixels * len(chunk), self._finish(moments, encoded, tile, wide, kept) if last else None
            )

    @own_state()
    def _encode(self, pixels: Float32Array, conditions: Conditions, in_colour: bool = False) -> Encoded:
        seen = np.ascontiguousarray(np.moveaxis(pixels, -1, 0))
        planes = torch.from_numpy(seen)[None].to(self.choice.device)
        if in_colour:
            return self.network.encode_colours(planes)
        told = torch.tensor([conditions], dtype=torch.float32, device=planes.device)
        return self.network.encode(planes, self.factor, told)

    @own_state()
    def _add_samples(
        self,
        moments: PairedMoments,
        encoded: Encoded,
        tile: Tile,
        keys: NoiseKeys,
        samples: range,
        areas: AreaFactors = AS_DRAWN,
    ) -> torch.Tensor:
        """Draw samples, add what they add to the base to the moments and return its cores."""
        odd = self.network.is_odd
        drawn_from = samples[::2] if odd else samples
        noise = [self._noise(keys, drawn_from, index, tile) for index in range(len(self.network.levels))]
        rows, columns = tile.core_slices()
        drawn = self.network.residuals(encoded, noise)[:, 0, :, rows, columns]
        if odd:  # the other of each antithetic pair
            drawn = with_areas(drawn, areas)
            drawn = torch.stack([drawn, -drawn], dim=1).flatten(0, 1)
        moments.add(drawn)  # whole pairs, so that the mean is the base, however many samples are asked for
        return drawn[: len(samples)]

    def _noise(self, keys: NoiseKeys, samples: range, index: int, tile: Tile) -> torch.Tensor:
        """Return the latent noise of one level for a padded tile, times the temperature."""
        level = self.network.levels[index]
        rows, columns = (
            _latent_range(each, level.stride) for each in (tile.padded_rows, tile.padded_columns)
        )

        def of(key: int) -> torch.Tensor:
            seed, device = self.settings.seed, self.choice.device
            return latent_noise(seed, key, samples, index, level.channels, rows, columns, device)

        (first, weight), *others = keys
        noise = of(first).mul_(weight * self.settings.temperature)
        for key, weight in others:
            noise.add_(of(key), alpha=weight * self.settings.temperature)
        return noise[:, None]

    @own_state()
    def _placed(self, drawn: torch.Tensor, encoded: Encoded, tile: Tile, wide: Tile) -> torch.Tensor:
        """Add the base to the cores of what samples add to it, each high-res pixel in its place."""
        rows, columns = tile.core_slices(self.factor)
        inner = shuffle(drawn[(..., *tile.inside(wide))], self.factor)[..., 0, :, :]
        return inner + encoded.base[0, 0, rows, columns]

    @own_state()
    def _finish(
        self, moments: PairedMoments, encoded: Encoded, tile: Tile, wide: Tile, kept: list[Float32Array]
    ) -> TileMoments:
        mean: Float32Array = self._placed(moments.mean, encoded, tile, wide).cpu().numpy()
        if not np.isfinite(mean).all():
            raise VaesrError(
                f"The network's numbers left the range of {self.choice.precision}, please choose the "
                "precision float32 or remove extreme pixels from the image."
            )
        samples = np.concatenate(kept) if kept else None
        chroma: Float32Array | None = None
        if encoded.chroma is not None:
            inner = encoded.chroma[(0, slice(None), *tile.core_slices(self.factor))]
            chroma = inner.movedim(0, -1).cpu().numpy()
        if moments.variance is None or not self.settings.has_spread:
            return TileMoments(tile, mean, None, samples, chroma)
        variance = smoothed(shuffle(moments.variance, self.factor)[None])[0, 0]
        std = variance[tile.inside(wide, self.factor)].sqrt()
        if not torch.isfinite(std).all():
            raise VaesrError(
                f"The samples left the range of {self.choice.precision}, please choose a lower "
                "temperature or the precision float32."
            )
        return TileMoments(tile, mean, std.cpu().numpy(), samples, chroma)

    def _halve_tile(self, tile: Tile) -> str:
        """Make room after memory ran out at this tile, and return what to tell the user."""
        side = max(len(tile.rows), len(tile.columns))
        release_memory()
        if side <= self.network.alignment:
            raise TryAgain(
                "There is not enough memory for the smallest tile, "
                "please close other programs or use the CPU."
            )
        self.tile = round_up(max(side // 2, 1), self.network.alignment)
        self.room.budget //= 4
        return f"Memory ran out with tiles of {side} pixels, going on with tiles of {self.tile}."


_prepared: WeakKeyDictionary[torch.nn.Module, dict[tuple[str, str], SuperResolutionVAE]] = WeakKeyDictionary()


def prepare_network(network: SuperResolutionVAE, choice: DeviceChoice) -> SuperResolutionVAE:
    """Return a copy of the network on a device in a precision, made once and kept as long as the network.

    Weights converted once serve faster than converting at each call, and plain convolutions run fastest with
    channels last.
    """
    copies = _prepared.setdefault(network, {})
    key = (choice.device, choice.precision)
    if key not in copies:
        prepared = copy.deepcopy(network).eval().requires_grad_(False)
        prepared.to(device=choice.device, dtype=choice.dtype)
        copies[key] = trimmed(prepared.to(memory_format=torch.channels_last))  # type: ignore[call-overload]
    return copies[key]


def _latent_range(padded: range, stride: int) -> range:
    return range(padded.start // stride, padded.stop // stride)
