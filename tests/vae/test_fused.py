"""Fused operators compute what the steps they stand for compute."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_vaesr.vae import fused, winograd
from napari_vaesr.vae.config import NetworkConfig
from napari_vaesr.vae.fused import convolve, convolve_add, convolve_add_relu, convolve_rectify
from napari_vaesr.vae.trunk import Trunk

OPERATORS: dict[str, tuple[Callable[..., Tensor], Callable[[Tensor, Tensor], Tensor]]] = {
    "nothing": (lambda layer, x, other: convolve(layer, x), lambda y, other: y),
    "rectify": (lambda layer, x, other: convolve_rectify(layer, x), lambda y, other: F.leaky_relu(y, 0.1)),
    "add": (convolve_add, lambda y, other: y + other),
    "add to what may be overwritten": (
        lambda layer, x, other: convolve_add(
            layer, x, other.clone(memory_format=torch.preserve_format), reuse=True
        ),
        lambda y, other: y + other,
    ),
    "add, relu": (convolve_add_relu, lambda y, other: F.relu(y + other)),
}


@pytest.fixture(params=OPERATORS)
def operator(
    request: pytest.FixtureRequest,
) -> tuple[Callable[..., Tensor], Callable[[Tensor, Tensor], Tensor]]:
    return OPERATORS[request.param]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.02)])
@pytest.mark.parametrize("channels_last", [True, False])
def test_they_equal_the_steps(operator, dtype: torch.dtype, tolerance: float, channels_last: bool) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(5, 7, 3, padding=1)
    x, other = torch.randn(2, 5, 9, 11), torch.randn(2, 7, 9, 11)
    expected = operator[1](layer(x), other)
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
        other = other.contiguous(memory_format=torch.channels_last)
    layer, before = layer.to(dtype), other.clone()
    with torch.inference_mode():
        result = operator[0](layer, x.to(dtype), other.to(dtype))
    torch.testing.assert_close(result.float(), expected.detach(), rtol=tolerance, atol=tolerance)
    assert result.dtype == dtype and torch.equal(other, before)


@pytest.mark.parametrize("blocks", [0, 1, 3])
def test_a_trunk_that_overwrites_its_features_computes_the_same(blocks: int) -> None:
    torch.manual_seed(0)
    trunk = Trunk(NetworkConfig(width=6, blocks=blocks)).to(memory_format=torch.channels_last)
    planes = torch.rand(1, 1, 12, 10)
    before = planes.clone()
    with torch.no_grad():
        fast = trunk(planes)
    torch.testing.assert_close(fast, trunk(planes).detach(), rtol=1e-5, atol=1e-5)  # gradients keep it all
    assert torch.equal(planes, before)


def test_they_are_used_where_they_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither while gradients are recorded nor under autocast, which would have to cast the weights."""
    layer = nn.Conv2d(3, 3, 3, padding=1)
    x = torch.randn(1, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    calls = []
    real = fused._operator()
    monkeypatch.setattr(fused, "_operator", lambda: lambda *given: calls.append(1) or real(*given))
    with torch.no_grad():
        convolve_rectify(layer, x)
        assert len(calls) == (1 if torch.backends.mkldnn.is_available() else 0)
        with torch.autocast("cpu", torch.bfloat16):
            convolve_rectify(layer, x)
    convolve_rectify(layer, x).sum().backward()
    assert len(calls) <= 1 and layer.weight.grad is not None


def test_bfloat16_needs_no_special_processor(tmp_path: Path) -> None:
    """OneDNN is told to do without AVX-512, as on older processors; then it has no fused bfloat16."""
    script = """
import torch
from torch import nn
from napari_vaesr.vae.fused import convolve_add, convolve_add_relu, convolve_rectify
layer = nn.Conv2d(4, 4, 3, padding=1).bfloat16()
x = torch.ones(1, 4, 8, 8, dtype=torch.bfloat16).contiguous(memory_format=torch.channels_last)
with torch.inference_mode():
    convolve_rectify(layer, x)
    convolve_add(layer, x, x)
    convolve_add_relu(layer, x, x)
"""
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment, capture_output=True)


@pytest.fixture
def detours(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """As with AVX2 and nothing wider; holds how many channels enter each layer that takes the detour."""
    taken: list[int] = []
    real = winograd.convolve
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    monkeypatch.setattr(
        winograd, "convolve", lambda x, *given: (taken.append(x.shape[1]), real(x, *given))[1]
    )
    return taken


@pytest.mark.parametrize("channels_last", [True, False])
def test_fewer_products_give_the_same(operator, channels_last: bool, detours: list[int]) -> None:
    """What a processor with AVX2 and nothing wider computes; others can, too."""
    torch.manual_seed(0)
    layer = nn.Conv2d(48, 50, 3, padding=1)
    x, other = torch.randn(2, 48, 33, 38), torch.randn(2, 50, 33, 38)
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
        other = other.contiguous(memory_format=torch.channels_last)
    expected, before = operator[1](layer(x), other), other.clone()
    with torch.inference_mode():
        result = operator[0](layer, x, other)
    operator[0](layer, x, other)  # which can't be learnt through
    assert detours == [48] and torch.equal(other, before)
    torch.testing.assert_close(result, expected.detach(), rtol=1e-4, atol=1e-4)


def test_one_plane_is_added_to_all_of_a_batch(detours: list[int]) -> None:
    layer, x, other = nn.Conv2d(48, 48, 3, padding=1), torch.randn(3, 48, 16, 16), torch.randn(1, 48, 16, 16)
    with torch.inference_mode():
        result = convolve_add_relu(layer, x, other)
        torch.testing.assert_close(result, F.relu(layer(x) + other), rtol=1e-4, atol=1e-4)
        with pytest.raises((IndexError, RuntimeError)):
            convolve_add(layer, x, other.expand(2, -1, -1, -1))
    assert detours == [48, 48]


@pytest.mark.parametrize(
    "settings",
    [
        {"groups": 2},
        {"stride": 2},
        {"dilation": 2, "padding": 2},
        {"padding": 0},
        {"kernel_size": 5, "padding": 2},
        {"kernel_size": 1, "padding": 0},
        {"padding_mode": "reflect"},
    ],
    ids=str,
)
def test_other_layers_take_no_detour(detours: list[int], settings: dict[str, object]) -> None:
    layer, x = nn.Conv2d(96, 96, **{"kernel_size": 3, "padding": 1} | settings), torch.rand(1, 96, 20, 20)
    with torch.inference_mode():
        torch.testing.assert_close(convolve(layer, x), layer(x))
    assert not detours


@pytest.mark.parametrize(("inputs", "outputs", "side"), [(48, 47, 64), (47, 48, 64), (48, 48, 15)])
def test_small_planes_and_narrow_layers_take_no_detour(
    detours: list[int], inputs: int, outputs: int, side: int
) -> None:
    with torch.inference_mode():
        made = convolve_rectify(nn.Conv2d(inputs, outputs, 3, padding=1), torch.rand(1, inputs, side, side))
    assert made.shape == (1, outputs, side, side) and not detours


def test_other_circumstances_take_no_detour(detours: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x = nn.Conv2d(48, 48, 3, padding=1), torch.rand(1, 48, 20, 20)
    with torch.inference_mode():
        assert convolve(layer, x[0]).shape == (48, 20, 20)
        convolve(layer.bfloat16(), x.bfloat16())
        with torch.autocast("cpu", torch.bfloat16):
            convolve(layer.float(), x)
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
        convolve(layer, x)
    assert not detours
