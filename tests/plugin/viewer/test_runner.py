"""Tasks in worker threads: cancelled at whatever moment, they end and say so."""

from __future__ import annotations

from threading import Event

import pytest

from napari_vaesr.engine.progress import Progress
from napari_vaesr.plugin.viewer.runner import Runner


class InTwoSteps:
    """A task that waits, in its first or in its last step, until it may go on."""

    def __init__(self, step: int):
        self.step, self.reached, self.may_go_on, self.is_closed = step, Event(), Event(), False

    def _wait(self, step: int) -> None:
        if step == self.step:
            self.reached.set()
            assert self.may_go_on.wait(20)

    def steps(self):
        self._wait(0)
        yield Progress(1, 2, "working")
        self._wait(1)
        return "made"

    def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize("step", [0, 1])
def test_what_is_cancelled_in_any_step_ends_and_another_may_follow(qtbot, step):
    ended = []
    runner = Runner(lambda task, progress: None, lambda task, outcome: ended.append(outcome))
    task = InTwoSteps(step)
    runner.submit(task)
    assert task.reached.wait(20)
    runner.cancel()
    task.may_go_on.set()
    qtbot.waitUntil(lambda: not runner.is_running, timeout=60000)
    assert ended == [None] and task.is_closed
    following = InTwoSteps(2)
    runner.submit(following)
    qtbot.waitUntil(lambda: not runner.is_running, timeout=60000)
    assert ended == [None, "made"] and following.is_closed


@pytest.mark.parametrize("step", [0, 1])
def test_what_is_replaced_in_any_step_is_followed_and_says_nothing(qtbot, step):
    ended = []
    runner = Runner(lambda task, progress: None, lambda task, outcome: ended.append(outcome))
    task, following = InTwoSteps(step), InTwoSteps(2)
    runner.submit(task)
    assert task.reached.wait(20)
    runner.submit(following)
    task.may_go_on.set()
    qtbot.waitUntil(lambda: not runner.is_running, timeout=60000)
    assert ended == ["made"] and task.is_closed and following.is_closed
