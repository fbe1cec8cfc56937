"""What a network of other makers does not say of itself, found by running it on a made image."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_vaesr.errors import VaesrError
from napari_vaesr.vae.config import BaseNetwork
from napari_vaesr.vae.frozen import Frozen

HEIGHT, WIDTH, CORE = 64, 256, range(128, 144)
"""Size of the made image in low-res pixels, and the columns that are compared in tiles of it."""

HALOS = (4, 8, 12, 16, 24, 32, 48, 64)
ALIGNMENTS = (1, 8, 16, 32, 64)

EXACT = 1e-5
"""Difference, in unit intensity, that is none: floats are added in another order in another tile."""

GOAL = 1 / 512
"""Largest difference between tiles that nobody sees: half a grey level of 8 bits."""

SCRIPT_BYTES = 2**13
"""Bytes for every pixel of a TorchScript graph, into which nobody can look."""

HALF_ERROR = 1.5e-3
"""Root mean square difference from float32 that a number format may make, in unit intensity."""


def made_image(channels: int) -> Tensor:
    """Return an image (1, channels, 64, 256) in [0, 1] with the spectrum of photographs and uneven contrast.

    Uneven, for some networks look at the mean of all that they see, which another tile changes.
    """
    generator = torch.Generator().manual_seed(0)
    spectrum = torch.fft.rfft2(torch.randn(HEIGHT, WIDTH, generator=generator))
    rows, columns = torch.fft.fftfreq(HEIGHT)[:, None], torch.fft.rfftfreq(WIDTH)[None]
    image = torch.fft.irfft2(spectrum / (rows.square() + columns.square()).sqrt().clamp(min=1 / WIDTH))
    contrast = torch.linspace(0.05, 0.15, WIDTH)
    image = (0.5 + contrast * (image - image.mean()) / image.std()).clamp(0, 1)
    made: Tensor = image.expand(1, channels, -1, -1).contiguous()
    return made


def measured(module: nn.Module, told: BaseNetwork) -> BaseNetwork:
    """Fill in the halo and its tolerance, alignment, number formats and memory of a network.

    Parameters
    ----------
    module : Module
        The network.
    told : BaseNetwork
        What is known of it.

    Returns
    -------
    BaseNetwork
        With what was measured.

    Raises
    ------
    VaesrError
        When what it makes is not finite.
    """
    frozen = Frozen(module, told)
    image = made_image(frozen.channels)
    whole = frozen(image)
    if not whole.isfinite().all():
        raise VaesrError(f"{told.name} makes pixels that are no numbers: get the file again.")
    multiple = _alignment(frozen, image, whole)
    halo, tolerance = _halo(frozen, image, whole, multiple)
    tile = image[..., :HEIGHT]
    exact = frozen(tile)
    borne = tuple(
        name
        for name in told.precisions
        if (frozen(tile, getattr(torch, name)) - exact).square().mean().sqrt() <= HALF_ERROR
    )
    return told.model_copy(
        update={
            "multiple": multiple,
            "halo": halo,
            "tolerance": tolerance,
            "precisions": borne,
            "bytes_per_pixel": _bytes_per_pixel(module, tile),
        }
    )


def _difference(frozen: Frozen, image: Tensor, whole: Tensor, first: int, stop: int) -> Tensor:
    """Return how much a tile of some columns differs from the whole within the core."""
    tile = frozen(image[..., first:stop])
    factor = frozen.told.factor
    inside = slice((CORE.start - first) * factor, (CORE.stop - first) * factor)
    core = slice(CORE.start * factor, CORE.stop * factor)
    unlike: Tensor = (tile[..., inside] - whole[..., core]).abs()
    return unlike


def _alignment(frozen: Frozen, image: Tensor, whole: Tensor) -> int:
    """Return what tiles have to begin on multiples of, lest windows of attention lie otherwise in them."""
    own = frozen.told.multiple
    choices = [own, *(each for each in ALIGNMENTS if each % own == 0 and each > own)]
    unlike: dict[int, float] = {}
    for each in choices:
        # Begins on a multiple of this, but of no larger one.
        first = each if each < CORE.start else 0
        unlike[each] = float(_difference(frozen, image, whole, first, CORE.stop + HALOS[-1]).mean())
        if unlike[each] <= EXACT:
            return each
    return next(each for each in choices if unlike[each] <= 1.5 * unlike[choices[-1]])


def _halo(frozen: Frozen, image: Tensor, whole: Tensor, multiple: int) -> tuple[int, float]:
    """Return how far around a tile the network has to look, and how much tiles differ even so."""
    found: dict[int, float] = {}
    for halo in HALOS:
        halo = -(-halo // multiple) * multiple
        if halo not in found and halo <= CORE.start:
            tile = CORE.start - halo, CORE.stop + halo
            found[halo] = float(_difference(frozen, image, whole, *tile).max())
        if found.get(halo, 1.0) <= EXACT:
            break
    exact = [halo for halo, unlike in found.items() if unlike <= EXACT]
    near = [halo for halo, unlike in found.items() if unlike <= GOAL]
    chosen = min(exact) if exact else min(near) if near else max(found)
    return chosen, round(found[chosen], 6)


def _bytes_per_pixel(module: nn.Module, tile: Tensor) -> int:
    """Estimate memory by the largest layer: what it reads, what it makes, and as much again beside it."""
    largest = 0

    def note(layer: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        nonlocal largest
        tensors = [each for each in (*inputs, output) if isinstance(each, Tensor)]
        largest = max(largest, sum(each.numel() * each.element_size() for each in tensors))

    leaves = [each for each in module.modules() if not list(each.children())]
    if any(isinstance(each, torch.jit.ScriptModule) for each in leaves):
        return SCRIPT_BYTES
    hooks = [each.register_forward_hook(note) for each in leaves]
    try:
        with torch.no_grad():
            module(tile)
    finally:
        for hook in hooks:
            hook.remove()
    return 2 * largest // (tile.shape[-1] * tile.shape[-2])
