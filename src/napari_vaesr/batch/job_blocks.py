"""The blocks of all passes of a job, numbered one after the other, and where their pixels are written."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from napari_vaesr.engine.blocks import BlockGrid
from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.pixels import Pixels, Stored
from napari_vaesr.engine.result_file import ResultFile
from napari_vaesr.engine.stream import Store
from napari_vaesr.files.output import Output


@dataclass(frozen=True)
class JobBlocks:
    """All blocks of a job.

    Attributes
    ----------
    job : UpscaleJob
        What is done.
    grids : tuple of BlockGrid
        The blocks of each pass.
    stores : tuple of Store
        Where each pass writes: all but the last into a folder beside the output.
    """

    job: UpscaleJob
    grids: tuple[BlockGrid, ...]
    stores: tuple[Store, ...]

    @classmethod
    def of(cls, job: UpscaleJob, folder: Path, output: Output) -> JobBlocks:
        """Open what was begun in a folder, and lay out the rest.

        Parameters
        ----------
        job : UpscaleJob
            What is computed.
        folder : Path
            Where passes leave what they made to the next.
        output : Output
            Where the last pass writes; it is laid out already.
        """
        grids = tuple(job.grid(number) for number in range(len(job.passes)))
        stores: list[Store] = []
        for step, grid in zip(job.passes[:-1], grids, strict=False):
            path = intermediate(folder, step.number)
            begun = Stored(path, step)
            has_spread = job.settings.has_spread
            stores.append(
                begun if begun.is_whole else Stored.create(path, step, grid.block_shape, has_spread)
            )
        return cls(job, grids, (*stores, ResultFile(output, job.passes[-1])))

    def __len__(self) -> int:
        return sum(map(len, self.grids))

    def first(self, number: int) -> int:
        """Return the number of the first block of a pass."""
        return sum(map(len, self.grids[:number]))

    def checksum(self, number: int, block: int) -> int | None:
        """Return the checksum of a block of a pass as it is on the disk, None where it is not."""
        return self.stores[number].stored(self.grids[number][block])

    def sound(self, done: Mapping[int, int]) -> dict[int, int]:
        """Return which of the blocks that a journal tells of are on the disk as it says.

        What a pass leaves to the next is not asked about once that is done.
        """
        kept: dict[int, int] = {}
        for number in reversed(range(len(self.grids))):
            first, count = self.first(number), len(self.grids[number])
            own = {part: checksum for part, checksum in done.items() if first <= part < first + count}
            if not self._is_followed(number, kept):
                own = {p: crc for p, crc in own.items() if self.checksum(number, p - first) == crc}
            kept |= own
        return kept

    def missing(self, number: int, done: Mapping[int, int]) -> list[int]:
        """Return the blocks of a pass that are left, counted within the pass; none once the next is done."""
        if self._is_followed(number, done):
            return []
        first = self.first(number)
        return [block for block in range(len(self.grids[number])) if first + block not in done]

    def _is_followed(self, number: int, done: Mapping[int, int]) -> bool:
        """Whether there is a next pass, and all of it is done."""
        if number + 1 == len(self.grids):
            return False
        first = self.first(number + 1)
        return all(part in done for part in range(first, first + len(self.grids[number + 1])))

    def read_by(self, number: int) -> Pixels:
        """Return what a pass reads."""
        before = self.stores[number - 1] if number else None
        return before if isinstance(before, Stored) else self.job.original()

    def finish(self, number: int) -> None:
        """Remove what a pass that is done has read."""
        before = self.stores[number - 1] if number else None
        if isinstance(before, Stored):
            shutil.rmtree(before.path, ignore_errors=True)

    def work(self, number: int, blocks: list[int]) -> int:
        """Return the work that some blocks of a pass are."""
        return self.job.work(number, sum(self.grids[number][block].size for block in blocks))


def intermediate(folder: Path, number: int) -> Path:
    """Return the folder in which a pass leaves what it made to the next."""
    return folder / f"pass-{number + 1}"
