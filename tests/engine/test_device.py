from __future__ import annotations

import pytest
import torch

from napari_vaesr.engine.device import choose_device, is_out_of_memory, memory_released
from napari_vaesr.errors import VaesrError


@pytest.fixture
def no_accelerator(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)


@pytest.fixture
def two_cards(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: False)


def test_auto_falls_back_to_the_cpu_and_says_why(no_accelerator):
    choice = choose_device("auto")
    assert choice.device == "cpu"
    assert "no GPU is used because" in choice.reason and torch.__version__.split("+")[0] in choice.reason


def test_auto_takes_the_accelerator(two_cards):
    choice = choose_device("auto")
    assert (choice.device, choice.precision, choice.dtype) == ("cuda:0", "float16", torch.float16)
    assert choose_device("cuda:1").device == "cuda:1"


@pytest.mark.parametrize("request_", ["cuda", "cuda:0", "mps", "xpu"])
def test_a_missing_device_is_refused(no_accelerator, request_):
    with pytest.raises(VaesrError, match="please use auto or cpu"):
        choose_device(request_)


@pytest.mark.parametrize("request_", ["cuda:2", "mps"])
def test_a_card_that_is_not_there_is_refused_with_those_that_are(two_cards, request_):
    with pytest.raises(VaesrError, match="cuda:0, cuda:1"):
        choose_device(request_)


def test_nonsense_is_refused():
    with pytest.raises(VaesrError, match="no device 'toaster'"):
        choose_device("toaster")


def test_the_cpu_computes_in_bfloat16_only_natively(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    assert choose_device("cpu").precision == "bfloat16"
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False, raising=False)
    assert choose_device("cpu").precision == "float32"
    assert choose_device("cpu", "bfloat16").precision == "bfloat16"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"), True),
        (MemoryError(), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_out_of_memory_is_recognised(error, expected):
    assert is_out_of_memory(error) is expected


def test_memory_is_released_whatever_happens(two_cards, monkeypatch):
    calls = []
    monkeypatch.setattr(torch.accelerator, "empty_cache", lambda: calls.append(1))
    with memory_released():
        pass
    with pytest.raises(KeyError), memory_released():
        raise KeyError
    assert calls == [1, 1]
