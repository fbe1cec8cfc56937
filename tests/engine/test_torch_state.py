"""What a caller has switched on in PyTorch and NumPy changes no result, and stays as it was."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext

import numpy as np
import pytest
import torch

from napari_vaesr.engine.torch_state import own_state
from napari_vaesr.trust.upscale import upscale
from napari_vaesr.vae import resize
from napari_vaesr.zoo import registry


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


STATES = {
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "float64": lambda: default_dtype(torch.float64),
    "bfloat16": lambda: default_dtype(torch.bfloat16),
    "device": lambda: torch.device("meta"),
    "gradients": torch.enable_grad,
    "numpy": lambda: np.errstate(all="raise"),
}


@pytest.fixture
def again(tiny_model_path, stack):
    """A function that loads the model anew and upscales."""

    def again() -> list[np.ndarray]:
        registry._load.cache_clear()
        for kept in vars(resize).values():
            if hasattr(kept, "cache_clear"):
                kept.cache_clear()
        result = upscale(
            stack[0, 0], model=tiny_model_path, samples=4, precision="float32", keep_samples=True
        )
        return [result.mean, result.std, result.samples]

    return again


@pytest.mark.parametrize("state", STATES)
def test_no_state_of_the_caller_changes_a_number(again, state):
    expected = again()
    with STATES[state]():
        found = again()
        if state in ("float64", "bfloat16"):
            assert torch.get_default_dtype() == getattr(torch, state)
        assert torch.is_autocast_enabled("cpu") == (state == "autocast")
        assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
    for ours, theirs in zip(expected, found, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_eight_threads_leave_the_random_numbers_alone(again):
    torch.manual_seed(7)
    np.random.seed(7)  # noqa: NPY002
    expected, legacy = torch.rand(3), np.random.rand(3)  # noqa: NPY002
    torch.manual_seed(7)
    np.random.seed(7)  # noqa: NPY002
    alone = again()

    def one(number: int) -> list[np.ndarray]:
        with torch.autocast("cpu", torch.bfloat16) if number % 2 else nullcontext():
            return again()

    with ThreadPoolExecutor(8) as threads:
        for result in threads.map(one, range(8)):
            for ours, theirs in zip(alone, result, strict=True):
                np.testing.assert_array_equal(ours, theirs)
    assert torch.equal(torch.rand(3), expected)
    np.testing.assert_array_equal(np.random.rand(3), legacy)  # noqa: NPY002


def test_a_device_chosen_for_a_while_is_left_out(monkeypatch):
    """Before 2.8, PyTorch does not tell of it."""
    monkeypatch.setattr(torch, "get_default_device", lambda: torch.device("cpu"))
    with torch.device("meta"), own_state():
        assert torch.zeros(1).device.type == "cpu"
