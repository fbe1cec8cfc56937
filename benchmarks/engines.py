"""Print speed and loss of the trunk and base in OpenVINO, 8-bit integers among its formats, beside PyTorch.

    pip install --target engines --no-deps openvino nncf openvino-telemetry tabulate natsort
    pip install networkx pandas psutil pydot scikit-learn  # if these are missing
    PYTHONPATH=engines python benchmarks/engines.py DATA

Only the part that is not repeated for samples is run: the trunk and the head of the base at x2, which is most
of the work. Integers are made by NNCF after training, with patches of DATA/train; the PSNR is that of the
base on DATA/val, low-res images made by antialiased bicubic interpolation.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import nncf
import numpy as np
import openvino as ov
import torch
from rich import box
from rich.console import Console
from rich.table import Table
from timing import in_turn, medians
from torch import Tensor, nn
from torch.nn import functional as F

from napari_vaesr import load_model
from napari_vaesr.engine.device import choose_device, memory_released
from napari_vaesr.engine.settings import Precision
from napari_vaesr.engine.upscaler import prepare_network
from napari_vaesr.pairs.sources import find_sources, made_pairs
from napari_vaesr.trust.metrics import psnr
from napari_vaesr.vae.resize import upsample_bicubic

SCALE, PATCH = 2, 128
Run = Callable[[np.ndarray], np.ndarray]
"""From a low-res plane (1, 1, Y, X) to the correction of the base, (1, scale**2, Y, X), float32."""


class Correction(nn.Module):
    """The trunk and the head of the base."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.trunk, self.head = network.trunk, network.base_head[str(SCALE)]

    def forward(self, planes: Tensor) -> Tensor:
        return self.head(self.trunk(planes))


class Traced(Correction):
    """The same by plain operators, which OpenVINO knows: fused ones are left aside for gradients."""

    def forward(self, planes: Tensor) -> Tensor:
        with torch.enable_grad():
            return super().forward(planes)


def in_torch(model: str, precision: Precision) -> Run:
    choice = choose_device("cpu", precision)
    part = Correction(prepare_network(load_model(model).network, choice))

    @torch.inference_mode()
    def run(planes: np.ndarray) -> np.ndarray:
        ready = torch.from_numpy(planes).to(choice.dtype).contiguous(memory_format=torch.channels_last)
        return part(ready).float().numpy()

    return run


def in_openvino(graph: ov.Model, precision: str, side: int | None = None) -> Run:
    """Compile for planes of any shape, or for the square ones that are timed."""
    if side:
        graph = graph.clone()
        graph.reshape([1, 1, side, side])
    settings = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    request = ov.compile_model(graph, "CPU", settings).create_infer_request()
    return lambda planes: request.infer([planes])[0]


def lows(folder: Path, limit: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield domain, low-res plane and truth of images of fluorescence and phase, black 0 and white 1."""
    for domain in ("fluorescence", "phase"):
        for source in find_sources([folder / domain], limit):
            pair = next(made_pairs(source, SCALE, "clean"))
            low, truth = (
                ((each - pair.black) / pair.span).astype(np.float32) for each in (pair.low, pair.truth)
            )
            yield domain, low[None, None], truth


def quantised(graph: ov.Model, data: Path, keep_ends: bool) -> ov.Model:
    patches = [
        low[..., :PATCH, :PATCH] for _, low, _ in lows(data / "train", 12) if min(low.shape[2:]) >= PATCH
    ]
    ignored = None
    if keep_ends:  # the first convolution and the head, which see and make pixels
        nodes = [node for node in graph.get_ordered_ops() if node.get_type_name() == "Convolution"]
        ignored = nncf.IgnoredScope(names=[nodes[0].friendly_name, nodes[-1].friendly_name])
    return nncf.quantize(
        graph,
        nncf.Dataset(patches),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(patches),
        ignored_scope=ignored,
    )


def upscaled(low: np.ndarray, correction: np.ndarray) -> np.ndarray:
    shuffled = F.pixel_shuffle(torch.from_numpy(correction), SCALE)[0, 0]
    return (upsample_bicubic(torch.from_numpy(low), SCALE)[0, 0] + shuffled).numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="microscopy")
    parser.add_argument("--side", type=int, default=256, help="of the plane that is timed")
    parser.add_argument("--limit", type=int, default=6, help="images of each domain")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    nncf.set_log_level(40)

    traced = Traced(load_model(options.model).network)
    graph = ov.convert_model(traced, example_input=torch.rand(1, 1, 64, 64), input=[1, 1, -1, -1])
    graphs = {
        ("OpenVINO, float32", "f32"): graph,
        ("OpenVINO, bfloat16", "bf16"): graph,
        ("OpenVINO, int8", "bf16"): quantised(graph, options.data, keep_ends=False),
        ("OpenVINO, int8 but for the ends", "bf16"): quantised(graph, options.data, keep_ends=True),
    }
    precisions: tuple[Precision, ...] = ("float32", "bfloat16")
    any_shape = {f"PyTorch, {each}": in_torch(options.model, each) for each in precisions}
    timed = dict(any_shape)
    for (name, precision), each in graphs.items():
        any_shape[name] = in_openvino(each, precision)
        timed[name] = in_openvino(each, precision, options.side)

    plane = np.random.default_rng(0).random((1, 1, options.side, options.side), dtype=np.float32)
    work = {name: (lambda run=run: run(plane)) for name, run in timed.items()}
    with memory_released():
        clock = medians(work, options.rounds, time.perf_counter)
        cpu = {name: min(times) for name, times in in_turn(work, options.rounds).items()}

    images = list(lows(options.data / "val", options.limit))
    scores: dict[str, dict[str, list[float]]] = {name: {} for name in any_shape}
    for domain, low, truth in images:
        for name, run in any_shape.items():
            score = psnr(upscaled(low, run(low)), truth, border=SCALE)
            scores[name].setdefault(domain, []).append(score)

    fastest = cpu[f"PyTorch, {choose_device('cpu').precision}"]
    exact = scores["PyTorch, float32"]
    domains = {domain: len(each) for domain, each in exact.items()}
    headers = (f"{domain}, {count}: dB" for domain, count in domains.items())
    table = Table("engine", "ms", "least CPU-ms", "speed", *headers, "worst loss", box=box.SIMPLE_HEAD)
    for name, of_name in scores.items():
        losses = [a - b for domain in domains for a, b in zip(exact[domain], of_name[domain], strict=True)]
        row = [f"{clock[name] * 1e3:.1f}", f"{cpu[name] * 1e3:.1f}", f"{fastest / cpu[name]:.2f}"]
        row += [f"{np.mean(of_name[domain]):.3f}" for domain in domains]
        table.add_row(name, *row, f"{max(losses):.3f} dB")
    console = Console(width=120)
    console.print(
        f"{options.model} x{SCALE}, {options.side} x {options.side}, {torch.get_num_threads()} threads, "
        f"OpenVINO {ov.__version__.split('-')[0]}, NNCF {nncf.__version__}, torch {torch.__version__}"
    )
    console.print(table)


if __name__ == "__main__":
    main()
