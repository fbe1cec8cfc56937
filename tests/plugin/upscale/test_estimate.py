"""What a run would take, in words."""

from __future__ import annotations

from types import SimpleNamespace

from napari_vaesr.plugin.upscale.estimate import described


class Task:
    """Would take so long, or cannot be planned."""

    def __init__(self, error=None):
        self.error, self.is_closed = error, False

    def plan(self):
        if self.error is not None:
            raise self.error
        return SimpleNamespace(seconds=30.0, memory=10**9, result_bytes=10**9, device="cpu")

    def close(self):
        self.is_closed = True


def test_layers_alike_take_their_time_one_after_another_and_memory_once():
    tasks = [Task() for _ in range(4)]
    assert described(tasks[:1]) == "About 30 s on cpu, 2.0 GB."
    assert described(tasks) == "About 2 min on cpu, 5.0 GB."
    assert all(task.is_closed for task in tasks)


def test_what_cannot_be_known_is_not_said():
    task = Task(RuntimeError("no"))
    assert described([task]) == "" and task.is_closed
