"""The state of PyTorch that results depend on, set for our own work and left to others as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch


@contextmanager
def own_state() -> Iterator[None]:
    """Compute in the formats that we name, without gradients, whatever the caller has switched on.

    All that is set here belongs to the thread alone: autocast, inference mode and the default device. What
    belongs to the process, such as the default dtype and the random numbers, is neither set nor used, for
    another thread would see it: tensors are made with their dtype, and noise is a function of its place.
    """
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    kinds = {"cpu"} | ({found.type} if found else set())
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode())
        # Only where it is needed, for it makes every call slower. PyTorch before 2.8 tells in no other way.
        if torch.empty(0).device.type != "cpu":
            stack.enter_context(torch.device("cpu"))
        for kind in sorted(kinds):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        yield
