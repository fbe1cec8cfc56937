"""What a job would do: how much there is to compute, the memory, the disk and the time it takes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from napari_vaesr.engine.answer import bytes_held
from napari_vaesr.engine.blocks import BlockGrid
from napari_vaesr.engine.device import DeviceChoice
from napari_vaesr.engine.pixels import bytes_of
from napari_vaesr.engine.stage import Stage


@dataclass(frozen=True)
class PassDescription:
    """What a pass of a job would do.

    Attributes
    ----------
    factors : str
        How much it enlarges.
    tiles : int
        How much there is to compute.
    seconds : float
        Estimated time.
    memory : int
        Estimated bytes for computing and for one block of what it makes.
    disk : int
        Bytes that it leaves to the next pass, beside the output until that is done; 0 of the last.
    """

    factors: str
    tiles: int
    seconds: float
    memory: int
    disk: int

    @classmethod
    def of(cls, stage: Stage, grid: BlockGrid) -> PassDescription:
        """Return the description of a pass in blocks."""
        step, upscaler = stage.step, stage.upscaler
        tiles = computed = memory = 0
        for planes, axes, rows, columns in step.cut(grid.parts):
            plan = upscaler.plan(rows, columns, (axes.height, axes.width))
            tiles += planes * len(plan)
            computed += planes * sum(math.prod(tile.padded_shape) for tile in plan)
            memory = max(memory, *map(upscaler.memory, plan))
        written = stage.dtype.itemsize * step.axes.lengths.get("S", 1)
        return cls(
            factors=str(step.factors),
            tiles=tiles,
            seconds=computed * upscaler.seconds_per_pixel(),
            memory=memory + bytes_held(step, math.prod(grid.block_shape.values()), written),
            disk=0 if step.is_last else bytes_of(step, upscaler.settings.has_spread),
        )


@dataclass(frozen=True)
class Description:
    """What a job would do.

    Attributes
    ----------
    planes, tiles : int
        How much there is to compute, in all.
    shape : tuple of int
        Shape of the result's mean.
    memory : int
        Estimated bytes for computing and for one plane of the result.
    result_bytes : int
        Bytes of the whole result, for those who hold it in memory.
    seconds : float
        Estimated time.
    device, precision, reason : str
        Where it would run, in which number format, and why there.
    passes : tuple of PassDescription
        The same for every pass.
    """

    planes: int
    tiles: int
    shape: tuple[int, ...]
    memory: int
    result_bytes: int
    seconds: float
    device: str
    precision: str
    reason: str
    passes: tuple[PassDescription, ...]

    @classmethod
    def of(
        cls,
        passes: tuple[PassDescription, ...],
        choice: DeviceChoice,
        planes: int,
        shape: tuple[int, ...],
        result_bytes: int,
    ) -> Description:
        """Return the description of all passes together; what is not theirs is as the attributes tell."""
        return cls(
            planes=planes,
            tiles=sum(each.tiles for each in passes),
            shape=shape,
            memory=max(each.memory for each in passes),
            result_bytes=result_bytes,
            seconds=sum(each.seconds for each in passes),
            device=choice.device,
            precision=choice.precision,
            reason=choice.reason,
            passes=passes,
        )
