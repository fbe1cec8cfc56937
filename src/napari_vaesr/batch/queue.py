"""Many inputs upscaled one after the other, each with a status of its own, stopped and gone on with."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from napari_vaesr.batch.targets import Inputs, Target, is_made, plan_targets, refuse_overwriting
from napari_vaesr.engine.progress import Progress
from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.errors import Cancelled, VaesrError, files_spoken_of, first_sentence
from napari_vaesr.imaging.region import Region
from napari_vaesr.zoo.registry import Model, get_card

if TYPE_CHECKING:
    from napari_vaesr.batch.outlook import Outlook

logger = logging.getLogger(__name__)

Status = Literal["waiting", "running", "done", "done before", "stopped", "failed"]

OVER = ("done", "done before", "failed")
"""Where nothing is left to do."""


@dataclass(frozen=True)
class Line:
    """An input of a batch.

    Attributes
    ----------
    target : Target
        The input and its output.
    status : str
        What became of it.
    outlook : Outlook or None
        What it takes, once that has been found out.
    share : float
        How much of it is done, from 0 to 1.
    message : str
        Why it failed, or what the user should know of its result.
    """

    target: Target
    status: Status = "waiting"
    outlook: Outlook | None = None
    share: float = 0.0
    message: str = ""


Report = Callable[[int, Line], None]


class Queue:
    """A run over many inputs.

    Parameters
    ----------
    inputs : sequence of str
        Files, folders and patterns, as for `plan_targets`.
    output : str
        A folder.
    settings : UpscaleSettings
        How each is upscaled.
    axes : str, optional
        Axis letters, for files that don't say.
    replace : bool
        Write over outputs that exist.
    progress : callable, optional
        Called as inputs are looked through, which takes seconds for thousands. What it raises stops that.

    Attributes
    ----------
    lines : list of Line
        The inputs; a line is replaced when something becomes known of it.
    notes : list of str
        What the user should know of the inputs as a whole.

    Raises
    ------
    VaesrError
        As `plan_targets`, and where there is no such model.
    """

    def __init__(
        self,
        inputs: Sequence[str],
        output: str,
        settings: UpscaleSettings,
        axes: str | None = None,
        replace: bool = False,
        progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self.settings, self.axes, self.replace = settings, axes, replace
        self.notes: list[str] = []
        # A folder for one input, too.
        output = f"{output.rstrip('/')}/"
        targets = plan_targets(inputs, output, settings.factors, notes=self.notes, progress=progress)
        card = get_card(settings.model)
        self.lines: list[Line] = []
        for target in targets:
            if progress is not None:
                progress(Progress(len(self.lines), len(targets), "Looking for results that exist"))
            made = not replace and is_made(target, axes, settings, card, Region(), False)
            self.lines.append(Line(target, "done before", share=1.0) if made else Line(target))

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do, so that another run is to look at the inputs anew."""
        return all(line.status in OVER for line in self.lines)

    @property
    def seconds(self) -> float:
        """Estimated time for what is left, as far as it is known."""
        left = [each for each in self.lines if each.outlook and each.status not in OVER]
        return sum(each.outlook.plan.seconds * (1 - each.share) for each in left if each.outlook)

    @property
    def disk(self) -> int:
        """Bytes that are written, as far as they are known."""
        return sum(each.outlook.disk for each in self.lines if each.outlook)

    def look(self) -> Iterator[int]:
        """Find out what each input takes; yields the number of the line that it knows now.

        What cannot be read becomes a line that failed.

        Raises
        ------
        VaesrError
            As `load_once`.
        """
        from napari_vaesr.batch.outlook import load_once

        model = load_once(self.settings)
        for number in range(len(self.lines)):
            self._look(number, model)
            yield number

    def _look(self, number: int, model: Model) -> None:
        from napari_vaesr.batch.outlook import outlook

        line = self.lines[number]
        try:
            with files_spoken_of():
                found = outlook(line.target, self.axes, self.settings, model, Region())
                self.lines[number] = replace(line, outlook=found, message=" ".join(found.notes))
                if line.status == "waiting":
                    self._refuse(line.target)
        except VaesrError as error:
            self.lines[number] = replace(self.lines[number], status="failed", message=str(error))
        except Exception as error:
            logger.exception("Opening %s failed", line.target.source)
            message = f"It cannot be opened: {first_sentence(error)}"
            self.lines[number] = replace(self.lines[number], status="failed", message=message)

    def _refuse(self, target: Target) -> None:
        spread, read = self.settings.has_spread, self._read
        refuse_overwriting([target], spread, False, self.replace, "tick Replace", read)

    @cached_property
    def _read(self) -> Inputs:
        """All that is read of the inputs; it takes long to find out for very many."""
        return Inputs.of([line.target for line in self.lines], self.replace)

    def run(self, report: Report, is_stopped: Callable[[], bool]) -> None:
        """Upscale what is not done yet; every error stays with its input.

        Parameters
        ----------
        report : callable
            Called with the number and the `Line` of an input whenever something has changed.
        is_stopped : callable
            Asked between steps; true to stop. What was done of an input is kept, and the next run goes on.

        Raises
        ------
        VaesrError
            As `load_once`.
        """
        from napari_vaesr.batch.outlook import load_once

        model = load_once(self.settings)

        def tell(number: int, **changes: object) -> None:
            self.lines[number] = replace(self.lines[number], **changes)  # type: ignore[arg-type]
            report(number, self.lines[number])

        for number, line in enumerate(self.lines):
            if line.status in ("done", "done before"):
                continue
            if is_stopped():
                return
            tell(number, status="running", message="", share=0.0)
            try:
                with files_spoken_of():
                    messages = self._upscale(line.target, model, number, tell, is_stopped)
                tell(number, status="done", message=" ".join(messages), share=1.0)
            except Cancelled:
                tell(number, status="stopped")
                return
            except VaesrError as error:
                tell(number, status="failed", message=str(error))
            except Exception as error:  # of one file, such as a full disk; the others may go well
                logger.exception("Upscaling %s failed", line.target.source)
                tell(number, status="failed", message=f"It failed unexpectedly: {first_sentence(error)}")

    def _upscale(
        self,
        target: Target,
        model: Model,
        number: int,
        tell: Callable[..., None],
        is_stopped: Callable[[], bool],
    ) -> list[str]:
        from napari_vaesr.batch.write import upscale_file

        self._refuse(target)

        def follow(step: Progress) -> None:
            if step.total:
                tell(number, share=step.done / step.total)
            if is_stopped():
                raise Cancelled("Stopped.")

        return upscale_file(
            target, self.axes, self.settings, model, Region(), restart=self.replace, progress=follow
        )
