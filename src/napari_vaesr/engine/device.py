"""Where to compute and in which number format. One code path: torch.accelerator and the CPU."""

from __future__ import annotations

import ctypes
import gc
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import torch

from napari_vaesr.engine.settings import Precision
from napari_vaesr.errors import VaesrError


@dataclass(frozen=True)
class DeviceChoice:
    """A device, a precision, and why.

    Attributes
    ----------
    device : str
        As torch writes it, for example ``"cpu"`` or ``"cuda:0"``.
    precision : {"float32", "bfloat16", "float16"}
        Number format of the network's weights and activations.
    reason : str
        A phrase for people, such as why no GPU is used.
    """

    device: str
    precision: str
    reason: str

    @property
    def dtype(self) -> torch.dtype:
        """The precision as torch names it."""
        dtype: torch.dtype = getattr(torch, self.precision)
        return dtype


def choose_device(request: str = "auto", precision: Precision = "auto") -> DeviceChoice:
    """Find a device and a precision.

    Parameters
    ----------
    request : str
        ``auto`` for the accelerator if there is one, or ``cpu``, ``cuda``, ``cuda:1``, ``mps``, ``xpu``.
    precision : {"auto", "float32", "bfloat16", "float16"}
        ``auto`` takes bfloat16 where the hardware computes in it (float16 on older CUDA cards), else float32.

    Raises
    ------
    VaesrError
        When the device asked for is not there.
    """
    device, reason = _find(request)
    used = fastest_precision(device) if precision == "auto" else precision
    return DeviceChoice(str(device), used, reason)


def _find(request: str) -> tuple[torch.device, str]:
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if request == "auto":
        if found is None:
            return torch.device("cpu"), f"no GPU is used because {_why_no_accelerator()}"
        return torch.device(found.type, 0), "PyTorch found this accelerator"
    if request == "cpu":
        return torch.device("cpu"), "asked for"
    try:
        device = torch.device(request)
    except RuntimeError:
        raise VaesrError(f"There is no device {request!r}, please use auto, cpu, cuda, mps or xpu.") from None
    if found is None:
        raise VaesrError(
            f"The device {request} can't be used because {_why_no_accelerator()}, please use auto or cpu."
        )
    count = torch.accelerator.device_count()
    if device.type != found.type or (device.index or 0) >= count:
        names = ", ".join(f"{found.type}:{index}" for index in range(count))
        raise VaesrError(f"There is no device {request} here, please use auto, cpu or one of {names}.")
    return torch.device(device.type, device.index or 0), "asked for"


def _why_no_accelerator() -> str:
    version = torch.__version__.split("+")[0]
    if platform.system() == "Darwin":
        return f"PyTorch {version} finds no Metal GPU"
    if torch.version.cuda is None and torch.version.hip is None and torch.version.xpu is None:
        return f"this PyTorch ({version}) was installed without GPU support"
    return f"PyTorch {version} finds no GPU that it can use"


def fastest_precision(device: torch.device) -> str:
    """Name the number format in which a device convolves fastest without harm to the result."""
    if device.type == "cpu":
        # Without such instructions bfloat16 is emulated and slower than float32.
        checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        native = any(getattr(torch.cpu, check, lambda: False)() for check in checks)
        return "bfloat16" if native else "float32"
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    if device.type == "xpu":
        return "bfloat16"
    return "float32"


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that memory ran out; CPUs and some drivers have no class of their own."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(
        phrase in text for phrase in ("out of memory", "can't allocate memory", "not enough memory")
    )


def release_memory() -> None:
    """Give memory that nothing refers to back to the device and the system."""
    gc.collect()
    _return_blocks()


@contextmanager
def memory_released() -> Iterator[None]:
    """Release memory on the way out, however that comes about; while inside, reuse it fast."""
    _keep_blocks(True)
    try:
        yield
    except BaseException:
        gc.collect()  # reference cycles come with errors; without one the collection would be wasted time
        raise
    finally:
        _keep_blocks(False)
        _return_blocks()


def _return_blocks() -> None:
    if torch.accelerator.is_available():
        torch.accelerator.empty_cache()
    if libc := _glibc():
        libc.malloc_trim(0)


# Parameters of mallopt(3).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_DEFAULT_THRESHOLD, _WHILE_WORKING = 2**25, 2**30


def _keep_blocks(keep: bool) -> None:
    """Let the C library keep large freed blocks for the next layer, where the system's is glibc.

    By default it returns them at once, and having them paged in anew takes up to a third of the time of a
    network whose activations are larger than 32 MB.
    """
    if libc := _glibc():
        threshold = _WHILE_WORKING if keep else _DEFAULT_THRESHOLD
        libc.mallopt(_M_MMAP_THRESHOLD, threshold)
        libc.mallopt(_M_TRIM_THRESHOLD, 2 * threshold - 1)


@cache
def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
