"""How often do results depart from their input? Shares of the consistency map on images not learnt from.

    python benchmarks/consistency.py DATA --model microscopy --limit 20

Of every domain of DATA/val, made small clean and noisy: the share of input pixels where the result, made
small again, differs by more than three standard deviations of the noise. The threshold above which users are
warned (`napari_vaesr.trust.consistency.UNFAITHFUL`) has to lie above nearly all of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from napari_vaesr import Source, UpscaleJob, load_model
from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.pairs.sources import find_sources, made_pairs
from napari_vaesr.trust.consistency import UNFAITHFUL, consistency_map, inconsistent_share


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="microscopy")
    parser.add_argument("--scale", type=int, default=2)
    parser.add_argument("--limit", type=int, default=20, help="images of each domain")
    options = parser.parse_args()
    model = load_model(options.model)
    settings = UpscaleSettings(scale=options.scale, samples=2)
    groups: dict[tuple[str, str], list[float]] = {}
    for source in find_sources([options.data / "val"], options.limit):
        for kind in ("clean", "noisy"):
            pair = next(iter(made_pairs(source, options.scale, kind)))
            low = pair.low.astype(np.float32)
            low = low if low.ndim == 2 else low.mean(axis=-1)
            job = UpscaleJob(Source.of(low, "YX"), settings, model=model)
            for _ in job:
                pass
            told = consistency_map(job.result.mean, low, options.scale, data_range=job.scalings[0].gain)
            groups.setdefault((source.domain, kind), []).append(inconsistent_share(told))
    table = Table("images", "", "median", "95 %", "largest", "warned", box=box.SIMPLE_HEAD)
    for (domain, kind), shares in groups.items():
        warned = np.mean(np.array(shares) > UNFAITHFUL)
        cells = (np.median(shares), np.quantile(shares, 0.95), max(shares), warned)
        table.add_row(f"{domain} ({len(shares)})", kind, *(f"{100 * each:.2f} %" for each in cells))
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
