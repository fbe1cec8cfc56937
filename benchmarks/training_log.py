"""Print what the log of a training says, at a few points along the run.

    python benchmarks/training_log.py runs/photo

Validation is the PSNR in dB of the base and of one sample on the run's own validation images; KL is that of
each latent level in nats per latent position, coarsest first, and sigma the likelihood's, both at the last
step of any scale that was logged before.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

Row = dict[str, float]


def read_log(run: Path) -> list[Row]:
    """All lines of a run in the order of their steps; one that was repeated after a kill counts once."""
    rows: dict[tuple[float, bool], Row] = {}
    parts = sorted(run.glob("log/version_*/metrics.csv"), key=lambda path: path.stat().st_mtime)
    for path in parts:
        with path.open(newline="") as file:
            for line in csv.DictReader(file):
                row = {key: float(value) for key, value in line.items() if value}
                rows[row["step"], "steps_done" in row] = row
    return [rows[key] for key in sorted(rows)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--points", type=int, default=8)
    options = parser.parse_args()
    known: Row = {}
    points: list[Row] = []
    for row in read_log(options.run):
        known = known | row
        if "steps_done" in row:
            points.append(known)
    every = max(1, len(points) // options.points)
    chosen = points[::-every][: options.points][::-1]
    levels = sorted(key for key in known if key.startswith("kl_"))
    scales = sorted(key.removeprefix("sigma_x") for key in known if key.startswith("sigma_x"))
    table = Table("steps", "hours", box=box.SIMPLE_HEAD, title=str(options.run))
    for heading in ("base", "one sample"):
        table.add_column(f"{heading} {', '.join(f'×{scale}' for scale in scales)}")
    for heading in ("KL", "sigma"):
        table.add_column(heading)

    def shown(row: Row, keys: list[str], digits: int) -> str:
        return ", ".join(f"{row[key]:.{digits}f}" if key in row else "–" for key in keys)

    for row in chosen:
        table.add_row(
            f"{row['steps_done']:,.0f}",
            f"{row['hours']:.2f}" if "hours" in row else "",
            shown(row, [f"psnr_base_x{scale}" for scale in scales], 2),
            shown(row, [f"psnr_one_x{scale}" for scale in scales], 2),
            shown(row, levels, 2),
            shown(row, [f"sigma_x{scale}" for scale in scales], 4),
        )
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
