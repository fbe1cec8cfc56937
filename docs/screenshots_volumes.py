"""Make the pictures of volumes and time-lapses in docs/images anew, so that they stay true.

    tools/with-display python docs/screenshots_volumes.py                       # of the bundled nuclei
    tools/with-display python docs/screenshots_volumes.py --only flicker
    tools/with-display python docs/screenshots_volumes.py --stack STACK.tif --to FOLDER

Two planes of every three are left out, so that there is a truth to compare with. Needs a display with OpenGL.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import matplotlib
import napari
import numpy as np
from scipy import ndimage
from screenshots import as_new, wait_until

from napari_vaesr import read_image, sample_path, upscale

matplotlib.use("Agg")
from matplotlib import pyplot

from napari_vaesr.arrays import Array

IMAGES = Path(__file__).parent / "images"
LEFT_OUT = 3
"""One plane of so many is kept."""

SIDE = 128
"""Of the part of the stack that is looked at, in pixels."""

FRAMES, NOISE = 20, 0.03
"""Repeats of one frame, and their camera noise in parts of its range."""

DOTS_PER_INCH = 130


def main() -> None:
    """Make all pictures, or some."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stack", type=Path, default=Path(sample_path("nuclei")), help="of axes ZYX")
    parser.add_argument("--to", type=Path, default=IMAGES, help="folder of the pictures")
    parser.add_argument("--only", nargs="+", choices=list(PICTURES), default=list(PICTURES))
    options = parser.parse_args()
    options.to.mkdir(exist_ok=True)
    image = read_image(options.stack)
    stack = middle(np.asarray(image.data))
    voxel = [image.pixel_size.get(name, 1.0) for name in "ZYX"]
    with tempfile.TemporaryDirectory() as empty:
        as_new(empty)
        for name in options.only:
            PICTURES[name](stack, voxel, options.to / f"{name}.png")


def middle(stack: Array) -> Array:
    """Return the middle of every plane, and as many planes as two of three can be left out of."""
    starts = [max(0, size - SIDE) // 2 for size in stack.shape[1:]]
    rows, columns = (slice(start, start + SIDE) for start in starts)
    planes = (len(stack) - 1) // LEFT_OUT * LEFT_OUT + 1
    return stack[:planes, rows, columns]


def volume_picture(stack: Array, voxel: list[float], path: Path) -> None:
    """Draw a coarse stack and its upscaled mean in 3-D, seen from the same place."""
    coarse = stack[::LEFT_OUT]
    factors = {"Z": 2 * LEFT_OUT, "Y": 2, "X": 2}
    result = upscale(coarse, "ZYX", scale=factors, samples=2)
    size = np.array([voxel[0] * LEFT_OUT, *voxel[1:]])
    made = size / list(factors.values())
    viewer = napari.Viewer(show_welcome_screen=False)
    viewer.window.resize(1300, 800)
    limits = [float(each) for each in np.percentile(stack, (40, 99.7))]
    look: dict[str, Any] = {"contrast_limits": limits, "rendering": "attenuated_mip", "attenuation": 0.12}
    layers = [
        viewer.add_image(coarse, scale=size, name="before", interpolation3d="nearest", **look),
        viewer.add_image(result.mean, scale=made, translate=(made - size) / 2, name="after", **look),
    ]
    viewer.dims.ndisplay = 3
    shots = []
    for shown in layers:
        for layer in layers:
            layer.visible = layer is shown
        viewer.reset_view()
        viewer.scene.camera.angles = (-8, 28, 76)
        viewer.scene.camera.zoom *= 0.95
        settled = time.monotonic() + 1
        wait_until(lambda settled=settled: time.monotonic() > settled)  # type: ignore[misc]
        shots.append(viewer.screenshot(canvas_only=True, flash=False))
    viewer.close()
    planes = [f"before: {len(coarse)} planes", f"after: {len(result.mean)} planes, Z ×6, Y and X ×2"]
    write_panels(path, [(shot, title, {}) for shot, title in zip(shots, planes, strict=True)], (10, 4.6))


def section_picture(stack: Array, voxel: list[float], path: Path) -> None:
    """Draw sections along X and Z: what was kept, interpolated, made of it, and the truth."""
    coarse = stack[::LEFT_OUT].astype(np.float32)
    result = upscale(coarse, "ZYX", scale={"Z": LEFT_OUT}, samples=8, keep_samples=True)
    assert result.std is not None and result.samples is not None
    row = int(np.argmax(stack.astype(np.float64).std(axis=(0, 2))))
    # Planes lie in the middle of those that become of them.
    planes = (np.arange(LEFT_OUT * len(coarse)) - (LEFT_OUT - 1) / 2) / LEFT_OUT
    there = (planes >= 0) & (planes <= len(coarse) - 1)
    linear = ndimage.map_coordinates(
        coarse[:, row], np.meshgrid(planes[there], np.arange(coarse.shape[2]), indexing="ij"), order=1
    )
    low, high = (float(each) for each in np.percentile(stack[:, row], (1, 98.5)))
    grey: dict[str, Any] = {"cmap": "gray", "vmin": low, "vmax": high}
    nearest = np.repeat(coarse[:, row], LEFT_OUT, axis=0)[there]
    std = result.std[there, row]
    spread: dict[str, Any] = {"cmap": "magma", "vmin": 0, "vmax": float(np.percentile(std, 99.5))}
    panels = [
        (nearest, f"one plane of {LEFT_OUT} kept", grey),
        (linear, "linear along Z", grey),
        (result.mean[there, row], f"microscopy, Z ×{LEFT_OUT}: mean", grey),
        (stack[:, row], "all planes as recorded", grey),
        (result.samples[0][there, row], "one sample", grey),
        (std, "standard deviation", spread),
    ]
    write_panels(path, panels, (9, 5.2), columns=2, aspect=voxel[0] / voxel[2])


def flicker_picture(stack: Array, voxel: list[float], path: Path) -> None:
    """Draw how much one sample of a still scene varies in time, and how much it would with noise anew."""
    scene = ndimage.gaussian_filter(stack[len(stack) // 2].astype(np.float32), 1)[:96, :96]
    reach = float(np.ptp(scene))
    generator = np.random.default_rng(0)
    movie = scene + generator.normal(0, NOISE * reach, (FRAMES, *scene.shape)).astype(np.float32)
    shared = one_sample(movie, seed=0)
    frames = [{"T": range(number, number + 1)} for number in range(FRAMES)]
    anew = np.concatenate([one_sample(movie, seed, frame) for seed, frame in enumerate(frames)])
    figure, (first, second, third) = pyplot.subplots(1, 3, figsize=(10, 3.6), width_ratios=(1, 1, 1.5))
    top = float(np.percentile(anew.std(axis=0) / reach, 99.5))
    for panel, drawn, title in ((first, shared, "as it is"), (second, anew, "noise drawn anew")):
        spread = drawn.std(axis=0) / reach
        panel.imshow(spread, cmap="magma", vmin=0, vmax=top)
        panel.set_title(f"{title}: {spread.mean():.4f}", fontsize=10)
        panel.axis("off")
    place = np.unravel_index(int(np.argmax(anew.std(axis=0))), anew.shape[1:])
    for drawn, label, colour in ((anew, "noise drawn anew", "#d55e00"), (shared, "as it is", "#0072b2")):
        third.plot(drawn[(slice(None), *place)] / reach, color=colour, label=label, marker=".", linewidth=1.2)
    third.set(xlabel="frame", ylabel="one sample, in parts of the range")
    third.set_title("at the pixel that would flicker most", fontsize=10)
    third.legend(frameon=False, fontsize=9)
    third.spines[["top", "right"]].set_visible(False)
    title = f"Standard deviation over {FRAMES} repeats of one frame, in parts of its range"
    figure.suptitle(title, fontsize=11)
    figure.tight_layout()
    figure.savefig(path, dpi=DOTS_PER_INCH)
    pyplot.close(figure)
    for name, drawn in (("as it is", shared), ("noise drawn anew", anew)):
        print(f"temporal std of one sample, {name}: {drawn.std(axis=0).mean() / reach:.4f}")


def one_sample(movie: Array, seed: int, extent: dict[str, range] | None = None) -> Array:
    """Return one sample of every frame, or of some; they see their neighbours all the same."""
    result = upscale(movie, "TYX", samples=2, seed=seed, extent=extent, keep_samples=True)
    assert result.samples is not None
    return np.asarray(result.samples[0])


def write_panels(
    path: Path,
    panels: list[tuple[Array, str, dict[str, Any]]],
    size: tuple[float, float],
    columns: int | None = None,
    aspect: float = 1.0,
) -> None:
    """Draw images with titles, side by side."""
    columns = columns or len(panels)
    rows = -(-len(panels) // columns)
    figure, places = pyplot.subplots(rows, columns, figsize=size, squeeze=False)
    for place in places.flat:
        place.axis("off")
    for place, (image, title, look) in zip(places.flat, panels, strict=False):
        place.imshow(image, aspect=aspect, interpolation="nearest", **look)
        place.set_title(title, fontsize=10)
    figure.tight_layout()
    figure.savefig(path, dpi=DOTS_PER_INCH)
    pyplot.close(figure)


PICTURES = {"volume-3d": volume_picture, "xz-sections": section_picture, "flicker": flicker_picture}

if __name__ == "__main__":
    main()
